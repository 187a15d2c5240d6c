"""Lessons of small models, and what runs them: Node, and a headless Chromium."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pytest

from mlpcli.cli import run
from mlpcli.config.config import make_config
from mlpcli.data.columns import Column, LabelColumn
from mlpcli.data.dataset import Dataset
from mlpcli.runs.build import network as build_network
from mlpcli.runs.material import prepare_opened
from mlpcli.runs.meta import new_meta

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PAGE = ROOT / "mlpcli" / "export" / "page"

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--in-process-gpu",  # what it draws need not be handed to another process
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)

KEYS = {"Tab": 9, "Enter": 13, "Space": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39}
KEYS |= {"ArrowDown": 40, "PageDown": 34, "PageUp": 33, "Home": 36, "End": 35, "Backspace": 8}
_TEXT = {"Enter": "\r", "Space": " "}


def find_chromium() -> str | None:
    """Where a Chromium is, if there is one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for path in map(shutil.which, names) if path), None)


class Browser:
    """One page of one browser, driven over its DevTools protocol through two pipes.

    Attributes:
        said: what the console said, and exceptions that nobody caught.
        asked: the addresses that the page asked for, its own the first.
    """

    def __init__(self, profile: Path) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self._count = 0
        self._rest = b""
        reads, self._to = os.pipe()
        self._from, writes = os.pipe()
        chromium = find_chromium()
        assert chromium
        # the browser reads commands from file 3 and writes to 4
        shell = f'exec "$0" "$@" 3<&{reads} 4>&{writes}'
        command = ["bash", "-c", shell, chromium, *_FLAGS, f"--user-data-dir={profile}"]
        self._process = subprocess.Popen(
            command, pass_fds=(reads, writes), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        os.close(reads)
        os.close(writes)
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(20)
        os.close(self._to)
        os.close(self._from)

    def call(self, method: str, **params: Any) -> Any:
        """Call a method of the protocol; its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._count:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self._from, 1 << 20)
            assert more, "the browser is gone"
            self._rest += more
        text, self._rest = self._rest.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        self._note(message.get("method"), message.get("params", {}))
        return message

    def _note(self, event: str | None, params: dict[str, Any]) -> None:
        if event == "Runtime.consoleAPICalled":
            self.said.append(str([arg.get("value") for arg in params["args"]]))
        elif event == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.said.append(str(details.get("exception", {}).get("description", details)))
        elif event == "Log.entryAdded":
            self.said.append(params["entry"]["text"])
        elif event == "Network.requestWillBeSent":
            address = params["request"]["url"]
            if not address.startswith("data:"):
                self.asked.append(address)

    def show(
        self,
        path: Path,
        width: int,
        height: int = 900,
        *,
        dark: bool = False,
        still: bool = True,
        scale: int = 1,
        patience: float = 10,
    ) -> None:
        """Open a file in a window of this size; `still`: the reader wants no motion."""
        self.asked.clear()
        self.said.clear()
        self.resize(width, height, scale)
        media = {"prefers-color-scheme": "dark" if dark else "light"}
        media["prefers-reduced-motion"] = "reduce" if still else "no-preference"
        features = [{"name": name, "value": value} for name, value in media.items()]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.wait("document.querySelector('#now dl')", patience)

    def resize(self, width: int, height: int = 900, scale: int = 1) -> None:
        """Give the window a size; a narrow one is that of a phone."""
        about = {"width": width, "height": height, "deviceScaleFactor": scale}
        self.call("Emulation.setDeviceMetricsOverride", **about, mobile=width < 500)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        result = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        failed = result.get("exceptionDetails", {}).get("exception", {}).get("description")
        assert "exceptionDetails" not in result, f"{failed}; the console: {self.said}"
        return result["result"].get("value")

    def wait(self, condition: str, patience: float = 10) -> None:
        """Until a JavaScript condition holds; at most so many seconds."""
        script = f"""new Promise((done, failed) => {{
            const end = performance.now() + {1000 * patience};
            const look = () => {{
                if ({condition}) done(true);
                else if (performance.now() > end) failed(new Error("waited in vain"));
                else setTimeout(look, 15);
            }};
            look();
        }})"""
        self.run(script)

    def settle(self) -> None:
        """Until what was done is drawn."""
        self.run("new Promise(r => requestAnimationFrame(() => setTimeout(r)))")

    def press(self, key: str, times: int = 1) -> None:
        """Press and release a key, and wait until what it does is drawn."""
        self._press(key, times)
        self.settle()

    def _press(self, key: str, times: int = 1) -> None:
        named = {"key": " " if key == "Space" else key, "code": key}
        code = {"windowsVirtualKeyCode": KEYS[key], "nativeVirtualKeyCode": KEYS[key]}
        for _ in range(times):
            text = {"text": _TEXT[key]} if key in _TEXT else {}
            self.call("Input.dispatchKeyEvent", type="keyDown", **named, **code, **text)
            self.call("Input.dispatchKeyEvent", type="keyUp", **named, **code)

    def drag(self, *points: tuple[float, float]) -> None:
        """Press the mouse at the first point, go along the others, and release it."""
        for kind, (x, y) in (
            ("mousePressed", points[0]),
            *(("mouseMoved", point) for point in points[1:]),
            ("mouseReleased", points[-1]),
        ):
            button = {"button": "left", "buttons": 0 if kind == "mouseReleased" else 1}
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, clickCount=1, **button)
        self.settle()

    def swipe(self, *points: tuple[float, float]) -> None:
        """Put a finger down at the first point, take it along the others, and lift it."""
        for kind, point in (
            ("touchStart", points[0]),
            *(("touchMove", point) for point in points[1:]),
            ("touchEnd", None),
        ):
            touches = [{"x": point[0], "y": point[1]}] if point else []
            self.call("Input.dispatchTouchEvent", type=kind, touchPoints=touches)
        self.settle()

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """(left, top, width, height) of an element, scrolled into the middle of the window."""
        box = self.run(f"""(() => {{
            const element = document.querySelector({json.dumps(selector)});
            element.scrollIntoView({{block: "center", behavior: "instant"}});
            const {{left, top, width, height}} = element.getBoundingClientRect();
            return [left, top, width, height];
        }})()""")
        return tuple(box)

    def click(self, selector: str) -> None:
        """Click the middle of an element."""
        left, top, width, height = self.box(selector)
        self.drag((left + width / 2, top + height / 2))

    def focus(self, selector: str) -> None:
        """Go to an element by the Tab key, from wherever the focus is; it must be reached."""
        wanted = json.dumps(selector)
        for _ in range(400):
            self._press("Tab")
            if self.run(f"document.activeElement?.matches({wanted})"):
                return
        raise AssertionError(f"{selector} is never reached by Tab")

    def picture(self, *, full: bool = False) -> bytes:
        """A PNG of the window, or of the whole page."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=full, **self._clip(full))
        return base64.b64decode(shot["data"])

    def _clip(self, full: bool) -> dict[str, Any]:
        if not full:
            return {}
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "scale": 1, **{k: size[k] for k in ("width", "height")}}}


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if find_chromium() is None:
        pytest.skip("chromium is not on PATH")
    with Browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="session")
def node() -> Callable[..., list[Any]]:
    """Runs jobs of `page.mjs`; their results."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("node is not on PATH")

    def do(*jobs: dict[str, Any]) -> list[Any]:
        command = [path, str(HERE / "page.mjs"), str(PAGE)]
        text = json.dumps(jobs)
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        results: list[Any] = json.loads(done.stdout)
        return results

    return do


@pytest.fixture(scope="session")
def tool() -> Callable[[str], Path]:
    """A file of a package of npm's, which `make test` installs."""

    def find(name: str) -> Path:
        path = Path(sys.prefix) / "npm" / "node_modules" / name
        if not path.exists():
            pytest.skip(f"{name.split('/')[0]} is not installed (make .venv/installed-npm)")
        return path

    return find


def _noise(folder: Path) -> Path:
    """Images that do not compress, as large and as many-valued as MNIST's."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (2000, 28, 28), dtype=np.uint8)
    np.savez(folder / "noise.data.npz", X=X, y=rng.integers(0, 10, 2000))
    return folder / "noise.data.npz"


def _flowers(folder: Path) -> Path:
    """A table with names that a page must not take for markup."""
    rng = np.random.default_rng(0)
    lines = ['"</script><img src=x onerror=alert(1)>",height,"a ""b"" & c",<i>kind</i>']
    for label, centre in (("<b>ant</b>", 0.0), ("bee & co", 4.0), ("cow", 8.0)):
        lines += [f"{a:.3f},{b:.3f},{c:.3f},{label}" for a, b, c in rng.normal(centre, 2, (40, 3))]
    (folder / "flowers.csv").write_text("\n".join(lines) + "\n")
    return folder / "flowers.csv"


def _prices(folder: Path) -> Path:
    """A number to be predicted, far from 0 and from 1."""
    rng = np.random.default_rng(0)
    X = rng.normal((100, 3), (40, 1), (1200, 2))
    y = 2000 + 30 * X[:, 0] - 250 * X[:, 1] ** 2 + rng.normal(0, 50, len(X))
    table = np.column_stack([X, y])
    np.savetxt(folder / "prices.csv", table, "%.4f", ",", header="size,age,price", comments="")
    return folder / "prices.csv"


def birds() -> Dataset:
    """Categories, numbers with gaps, and dates, as a reader delivers them."""
    rng = np.random.default_rng(0)
    kinds = np.arange(240) % 3
    raw = np.column_stack(
        [
            np.where(rng.random(240) < 0.7, kinds, rng.integers(0, 3, 240)),
            np.where(rng.random(240) < 0.15, np.nan, rng.normal(3500 + 600 * kinds, 400)),
            np.where(rng.random(240) < 0.3, np.nan, rng.integers(0, 2, 240)),
            rng.integers(20_454, 20_819, 240),  # of the year 2026
        ]
    )
    columns = (
        Column("island", 0, "category", ("Biscoe", "Dream", "Torgersen")),
        Column("mass", 1),
        Column("sex", 2, "category", ("female", "male")),
        Column("seen", 3, "date"),
    )
    labels = np.array(["ant", "bee", "cow"])[kinds]
    return Dataset("birds.csv", raw, labels, "none", columns=columns, label=LabelColumn("kind"))


def _write_birds(path: Path) -> None:
    """A checkpoint on `birds`, which lie nowhere, with the weights that it would start from."""
    config = make_config({"data": "birds.csv", "hidden": (8,), "loss": "cross-entropy"})
    material = prepare_opened(config, birds())
    net = build_network(config, *material.sizes)
    meta = new_meta(config, material.data, material.task, material.encoding, 1)
    text = np.array(json.dumps(meta | {"epoch": 0, "history": []}))
    np.savez(path, meta=text, **net.params)


def _times(folder: Path) -> Path:
    """Seconds since 1970, all within a minute."""
    path = folder / "times.csv"
    rows = [f"{i % 40},{1_700_000_000 + i % 40 + 0.5}" for i in range(120)]
    path.write_text("\n".join(["tick,time", *rows]) + "\n")
    return path


_TRAININGS: dict[str, Callable[[Path], tuple[object, ...]]] = {
    "digits": lambda _: ("--data", "digits", "--hidden", 12, "--epochs", 6),
    "noise": lambda folder: ("--data", _noise(folder), "--hidden", 100, "--epochs", 1),
    "flowers": lambda folder: ("--data", _flowers(folder), "--hidden", "6,5", "--epochs", 20),
    "prices": lambda folder: (
        "--data",
        _prices(folder),
        "--hidden",
        10,
        "--loss",
        "huber",
        "--epochs",
        50,
    ),
    "times": lambda folder: ("--data", _times(folder), "--hidden", 8, "--epochs", 30),
    "spiral": lambda _: ("--data", "spiral", "--hidden", 20, "--activation", "tanh"),
}


@pytest.fixture
def bird_data() -> Dataset:
    return birds()


@pytest.fixture(scope="session")
def lesson_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The lesson of a small model, trained and exported when it is first asked for."""
    folder = tmp_path_factory.mktemp("lessons")

    def make(name: str) -> Path:
        model, page = folder / f"{name}.npz", folder / f"{name}.html"
        if not page.exists():
            if name == "birds":
                _write_birds(model)
            else:
                arguments = [str(word) for word in _TRAININGS[name](folder)]
                assert run(["train", *arguments, "-q", "-o", str(model)]) == 0
            assert run(["export", str(model), str(page), "-q"]) == 0
        return page

    return make

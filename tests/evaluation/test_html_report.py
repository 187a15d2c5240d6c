"""The report as a page: whole, self-contained, well-formed, and loaded by a browser."""

from __future__ import annotations

import base64
import functools
import io
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="Matplotlib is not installed (extra report)")

VOID = {"meta", "link", "img", "br"}
SMALL = ("--data", "digits", "--hidden", "8", "--epochs", "3", "-q")


@dataclass
class Page(HTMLParser):
    """A page as a parser reads it; what is not closed in order is an error."""

    path: Path
    open: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.source = self.path.read_text("utf-8")
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "action", "data", "srcset", "poster"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.text).split())

    def titles(self) -> list[str]:
        return re.findall(r"<h2>(.*?)</h2>", self.source)

    def pictures(self, part: str) -> list[bytes]:
        """The PNG files under a title."""
        section = self.source.split(f"<h2>{part}</h2>")[1].split("</section>")[0]
        return [base64.b64decode(data) for data in re.findall(r"base64,([^\"]+)", section)]


@pytest.fixture
def report(mlp) -> Callable[..., Page]:
    """Trains models on `arguments` and reports on all of them."""

    def make(*runs: tuple[object, ...], evaluate: tuple[object, ...] = ()) -> Page:
        models = [f"{number}.npz" for number, _ in enumerate(runs, 1)]
        for model, arguments in zip(models, runs, strict=True):
            mlp.ok("train", *arguments, "-o", model)
        assert mlp.ok("evaluate", *models, *evaluate, "--report", "r.html").err == (
            "r.html written\n"
        )
        return Page(Path("r.html"))

    return make


def test_an_image_models_page_has_every_part_and_nothing_from_elsewhere(report, mlp) -> None:
    page = report(SMALL)
    assert page.titles() == [
        "Training",
        "Confusion matrix",
        "Classes",
        "Calibration",
        "The most confident mistakes",
        "What the first layer looks at",
        "Configuration",
        "How to repeat it",
    ]
    scores = mlp.ok("evaluate", "1.npz", "--json").json
    assert f"{100 * scores['accuracy']:.2f} %" in page.said
    assert f"{scores['loss']:.4f}" in page.said
    assert re.search(r"95 % interval \d\d\.\d\d to \d\d\.\d\d", page.said)
    assert "digits, test split: 359 samples" in page.said
    assert 'data = "digits"' in page.said
    assert "mlp train --data digits --hidden 8 --epochs 3 --threads" in page.said
    assert "mlp evaluate 1.npz --report r.html" in page.said
    for label, row in zip(range(10), scores["per_class"], strict=True):
        assert f"{label} {100 * row['precision']:.2f} % {100 * row['recall']:.2f} %" in page.said
    for name in ("epoch", "training", "validation", "confidence"):  # the figures' words are text
        assert name in page.said

    assert "http:" not in page.source
    assert "https:" not in page.source
    assert "//" not in re.sub(r"base64,[^\"]+", "", page.source)
    assert not {"script", "iframe", "object", "form"} & set(page.tags)
    assert all(link.startswith(("data:", "#")) for link in page.links)
    assert "@import" not in page.source
    assert "url(" not in re.sub(r"url\(#\w+\)", "", page.source)
    assert len(page.ids) == len(set(page.ids))
    assert len(page.source) < 1_000_000


def test_mistakes_are_the_most_confident_ones_and_shown_as_they_are(report) -> None:
    from PIL import Image

    from mlpcli.data.builtin import digits

    page = report(SMALL)
    shown = re.findall(
        r'alt="sample (\d+)" src="data:image/png;base64,([^"]+)"><figcaption><b>(\d)</b> taken '
        r"for <b>(\d)</b><br>([\d.]+) %",
        page.source,
    )
    data = digits()
    confidences = [float(confidence) for *_, confidence in shown]
    assert confidences == sorted(confidences, reverse=True)
    for sample, picture, true, said, _ in shown:
        row = int(sample) - 1
        assert true == str(data.y[row]) != said
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))), float)
        np.testing.assert_allclose(pixels, data.X[row].reshape(8, 8) * (255 / 16), atol=0.51)


def test_a_table_has_no_pictures_and_its_names_are_escaped(report, mlp) -> None:
    rows = [f"{x + 5 * (label == 'b')},{x % 3},<{label}>&" for x in range(30) for label in "ab"]
    Path("<i>.csv").write_text("\n".join(["x,y,kind", *rows]) + "\n")
    page = report(("--data", "<i>.csv", "--epochs", "20", "-q"))
    assert page.titles() == [
        "Training",
        "Confusion matrix",
        "Classes",
        "Calibration",
        "The most confident mistakes",
        "What matters",
        "Configuration",
        "How to repeat it",
    ]
    assert "<a>& <b>&" in page.said
    assert "<i>.csv, test split" in page.said
    assert not {"i", "a", "img"} & set(page.tags)


def test_a_committee_has_its_members_side_by_side(report, mlp) -> None:
    page = report(SMALL, (*SMALL, "--seed", "1", "--lr", "0.02"))
    assert "Committee of 2" in page.said
    assert page.titles()[0] == "Members"
    scores = mlp.ok("evaluate", "1.npz", "2.npz", "--json").json
    assert f"together {100 * scores['accuracy']:.2f} %" in page.said
    members = page.source.split("<h2>Members</h2>")[1].split("</section>")[0]
    assert re.findall(r"<th scope=\"col\">(.*?)</th>", members)[-2:] == ["lr", "seed"]
    assert "mlp train --data digits --hidden 8 --lr 0.02" in page.said
    assert len(page.pictures("What the first layer looks at")) == 2


def test_it_says_in_words_how_good_the_model_is_and_lists_the_wrong_rows_of_a_table(
    report, mlp
) -> None:
    rng = np.random.default_rng(0)
    rows = [f"{v:.3f},{k},{'yes' if v + rng.normal() > 0.7 else 'no'}"
            for k, v in enumerate(rng.normal(size=400))]  # fmt: skip
    Path("noisy.csv").write_text("\n".join(["value,number,answer", *rows]) + "\n")
    page = report(("--data", "noisy.csv", "--epochs", "20", "-q"))
    value = mlp.ok("evaluate", "1.npz", "--json").json
    share = max(row["support"] for row in value["per_class"]) / value["samples"]
    assert (
        f"It labels {100 * value['accuracy']:.1f} % of the 80 rows right; always answering no,"
        in page.said
    )
    assert f"would be right for {100 * share:.1f} %." in page.said
    assert "ROC AUC" in page.said
    mean = np.mean([row["f1"] for row in value["per_class"]])
    assert f"{100 * mean:.2f} % 80" in page.said  # of the classes
    wrong = page.source.split("<h2>The most confident mistakes</h2>")[1].split("</section>")[0]
    listed = re.findall(r'<th scope="row">([\d,]+)</th>', wrong)
    assert len(listed) == min(24, round((1 - value["accuracy"]) * 80))
    first = rows[int(listed[0].replace(",", "")) - 1].split(",")
    assert re.search(rf">{first[0].rstrip('0')}0*</td>", wrong)


def test_a_regression_has_its_figures_and_its_largest_errors(report, mlp) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = 10 * X[:, 0] + rng.normal(size=300)
    lines = [f"{a:.4f},{b:.4f},{t:.4f}" for (a, b), t in zip(X, y, strict=True)]
    Path("numbers.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    page = report(("--data", "numbers.csv", "--epochs", "30", "-q"))
    assert page.titles() == [
        "Training",
        "Answers and targets",
        "The largest errors",
        "What matters",
        "Configuration",
        "How to repeat it",
    ]
    value = mlp.ok("evaluate", "1.npz", "--json").json
    assert f"Its answers are off by {value['rmse']:.4g} (root mean square)" in page.said
    assert "; always answering the mean of the targets would be off by" in page.said
    assert page.source.count("<svg") == 4


def test_without_validation_or_hidden_layers_there_is_still_a_page(report) -> None:
    page = report(("--data", "spiral", "--hidden", "none", "--val-fraction", "0", "-q"))
    assert "spiral, train split: 300 samples" in page.said
    assert "softmax regression" in page.said


def test_a_run_of_many_epochs_makes_no_large_page(report) -> None:
    page = report(
        ("--data", "spiral", "--hidden", 2, "--epochs", 1500, "--batch-size", "full", "-q")
    )
    assert len(page.source) < 100_000
    assert "of 1500 " in page.said


def test_many_classes_are_a_picture(report, mlp) -> None:
    rows = [f"{label},{label % 7},{label}" for label in range(40) for _ in range(10)]
    Path("many.csv").write_text("\n".join(["x,y,kind", *rows]) + "\n")
    page = report(("--data", "many.csv", "--task", "classification", "--epochs", "2", "-q"))
    assert len(page.pictures("Confusion matrix")) == 1


def test_what_cannot_be_written_is_said_before_anything_is_done(mlp) -> None:
    mlp.ok("train", *SMALL)
    Path("folder").mkdir()
    assert mlp.error("evaluate", "model.npz", "--report", "folder") == (
        1,
        "folder: is a folder; name a file to write",
    )


def test_without_matplotlib_one_line_says_how_to_get_it(mlp, monkeypatch) -> None:
    from mlpcli.evaluation import figures

    mlp.ok("train", *SMALL)
    monkeypatch.setattr(figures, "find_spec", lambda name: None)
    install = shlex.join([sys.executable, *["-m", "pip", "install", "matplotlib", "pillow"]])
    line = f"needs Matplotlib and Pillow; install them by: {install}"
    assert mlp.error("evaluate", "model.npz", "--report", "r.html") == (1, f"--report {line}")
    assert mlp.error("show", "model.npz", "--curves", "c.png") == (1, f"--curves {line}")
    assert not Path("r.html").exists()


# In a browser


class Handler(BaseHTTPRequestHandler):
    """Serves one page, and remembers what it was asked for."""

    def __init__(self, page: bytes, asked: list[str], *args: object) -> None:
        self.page, self.asked = page, asked
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        body = self.page if self.path == "/" else b""
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing."""


def browse(page: bytes, folder: Path) -> tuple[str, list[str], list[str]]:
    """(the document as loaded, what was asked of the server, what the console said)."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not on PATH")
    asked: list[str] = []
    handler = functools.partial(Handler, page, asked)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        command = [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--no-proxy-server",
            "--enable-logging=stderr",
            f"--user-data-dir={folder}",
            "--dump-dom",
            f"http://127.0.0.1:{server.server_port}/",
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, encoding="utf-8", timeout=60, check=False
            )
        finally:
            server.shutdown()
            thread.join()
    assert done.returncode == 0, done.stderr
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, asked, console


def test_a_browser_loads_it_with_no_error_and_no_request(report, tmp_path: Path) -> None:
    page = report(SMALL)
    document, asked, console = browse(page.source.encode(), tmp_path / "profile")
    assert asked == ["/"]
    assert console == []
    for title in page.titles():
        assert title in document


def test_the_browsers_check_notices_requests_and_errors(tmp_path: Path) -> None:
    page = b'<!doctype html><img src="/x.png"><script>console.error("oh")</script>'
    _, asked, console = browse(page, tmp_path / "profile")
    assert "/x.png" in asked
    assert any('"oh"' in line for line in console)


def test_a_page_for_mnist_takes_under_a_megabyte_and_five_seconds(mlp) -> None:
    """As large as MNIST's test set, of images that do not compress, most of them mistaken."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (12_000, 28, 28), dtype=np.uint8)
    y = rng.integers(0, 10, 12_000)
    np.savez("noise.npz", X=X[:2000], y=y[:2000], X_test=X[2000:], y_test=y[2000:])
    mlp.ok("train", "--data", "noise.npz", "--epochs", "1", "-q")
    begun = time.perf_counter()
    mlp.ok("evaluate", "model.npz", "--report", "r.html")
    assert time.perf_counter() - begun < 5
    assert Path("r.html").stat().st_size < 1_000_000

"""The lesson in a headless Chromium: drawn on, stepped through, by mouse and by keyboard alone."""

from __future__ import annotations

import base64
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.data.encoder import Encoder
from mlpcli.runs.model import load

WIDTHS = (390, 1280)


@pytest.fixture
def show(browser, lesson_of) -> Iterator[Callable[..., Any]]:
    """Opens a lesson; afterwards the console has said nothing and nothing was asked for."""
    opened: list[Path] = []

    def open_it(name: str, width: int = 1280, **about: Any) -> Any:
        opened.append(lesson_of(name))
        browser.show(opened[-1], width, **about)
        return browser

    yield open_it
    if opened:  # else the test is skipped
        assert browser.said == []
        assert browser.asked == [opened[-1].resolve().as_uri()]


def text(browser: Any, selector: str) -> str:
    """What an element says once it is in sight."""
    browser.box(selector)
    browser.settle()
    return str(browser.run(f"document.querySelector({json.dumps(selector)}).innerText"))


def texts(browser: Any, selector: str) -> list[str]:
    found = f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.innerText)"
    return list(browser.run(found))


def loss(browser: Any) -> float:
    """The loss that the page says."""
    words = text(browser, "#now .loss dd").replace("−", "-")
    return float(words.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")).replace("·10", "e"))


def seven(left: float, top: float, width: float, height: float) -> list[tuple[float, float]]:
    """The points of a seven in a box."""
    corners = ((0.25, 0.25), (0.7, 0.25), (0.4, 0.8))
    return [
        (left + width * (a + (c - a) * t / 8), top + height * (b + (d - b) * t / 8))
        for (a, b), (c, d) in itertools.pairwise(corners)
        for t in range(9)
    ]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_drawn_digit_is_seen_and_answered_as_mlp_predict_does(
    show, lesson_of, tmp_path: Path, width: int, dark: bool
) -> None:
    from mlpcli.data.formats.pictures import read_image

    browser = show("digits", width, dark=dark)
    before = text(browser, "#answers")
    asked = "document.querySelector('.shown canvas').ariaLabel"
    button = "[...document.querySelectorAll('button.sample[aria-pressed=true] canvas')]"
    assert browser.run(asked) == browser.run(f"{button}[0].ariaLabel")
    draw = browser.swipe if width < 500 else browser.drag  # a finger on a phone
    draw(*seven(*browser.box("#pad")))
    assert text(browser, "#answers") != before
    assert browser.run(asked) == "what it is asked about"
    uri = browser.run("document.querySelector('#pad canvas').toDataURL()")
    (tmp_path / "drawn.png").write_bytes(base64.b64decode(uri.split(",")[1]))
    pixels = read_image(tmp_path / "drawn.png", (8, 8), frame=1.0) * (16 / 255)
    ink = browser.run("""(() => {
        const canvas = document.querySelector("#seen");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return [...data].filter((_, i) => i % 4 === 3);
    })()""")
    np.testing.assert_allclose(np.array(ink) / 255 * 16, pixels.ravel(), atol=0.04)
    model = load(lesson_of("digits").with_suffix(".npz"))
    (probs,) = model.network().predict_proba(pixels.reshape(1, -1) / 16)
    shares = texts(browser, ".bars .share")
    for share, p in zip(shares, probs.tolist(), strict=True):
        bound = share.replace("\u202f", "").rstrip("%")
        if bound[0] in "<>":
            assert p < 0.001 or p > 0.999
        else:
            assert float(bound) == pytest.approx(100 * p, abs=0.0501)


def test_undo_and_clear_take_back_what_was_drawn(show) -> None:
    browser = show("digits")
    browser.drag(*seven(*browser.box("#pad")))
    first = text(browser, "#answers")
    left, top, width, height = browser.box("#pad")
    browser.drag((left + 20, top + height - 20), (left + width - 20, top + height - 20))
    assert text(browser, "#answers") != first
    browser.click(".pads button")
    assert text(browser, "#answers") == first
    browser.click(".pads button + button")
    assert browser.run("""[...document.querySelector("#seen").getContext("2d")
        .getImageData(0, 0, 8, 8).data].every(v => v === 0)""")


def test_all_of_it_can_be_done_by_the_keyboard_alone(show) -> None:
    browser = show("digits", still=False)
    blank = text(browser, "#answers")
    browser.focus("#pad")  # draw a bar
    browser.press("Space")
    browser.press("ArrowDown", 22)
    browser.press("Space")
    browser.press("ArrowRight")
    drawn = text(browser, "#answers")
    assert drawn != blank
    browser.press("Backspace")
    browser.focus(".sample:nth-child(3)")
    browser.press("Enter")
    assert browser.run("document.activeElement.getAttribute('aria-pressed')") == "true"

    for part, last in (("forward", "L = −log p[y]"), ("backward", "∂L/∂X = δ₁·W₁ᵀ")):
        browser.focus(f"#{part}-lines .walking .main")
        count = browser.run(f"document.querySelectorAll('#{part}-lines .lines > li').length")
        for line in range(count):
            assert text(browser, f"#{part}-lines .count") == f"line {line + 1} of {count}"
            assert text(browser, f"#{part}-lines .open .panel").strip()
            if line < count - 1:
                browser.press("Enter")
        assert last in text(browser, f"#{part}-lines .open .line")
        browser.press("PageUp")
        assert text(browser, f"#{part}-lines .count") == f"line {count - 1} of {count}"

    browser.focus("#fitting .card")  # A, Aᵀ, W, Wᵀ, δ, δᵀ: the first alone cannot be
    browser.press("Enter")
    assert "On the left, a factor brings the rows" in text(browser, "#fitting .verdict")
    browser.press("Tab")
    browser.press("Enter")
    browser.focus("#fitting .card:nth-child(5)")
    browser.press("Enter")
    assert "It fits. The inner N = 1 is summed away" in text(browser, "#fitting .verdict")
    assert text(browser, "#fitting .tab").startswith("✓")

    browser.focus("#checking .long input")
    browser.press("ArrowLeft", 6)
    assert "They agree" in text(browser, "#checking .result .verdict")
    numbers = texts(browser, "#checking tr.chosen td")
    assert numbers[0][:7] == numbers[1][:7]

    browser.focus("#stepping .main")
    losses = [loss(browser)]
    for _ in range(3):
        browser.press("Enter")
        losses.append(loss(browser))
    assert losses == sorted(losses, reverse=True)
    assert losses[3] < losses[0]
    browser.focus("#trained .choice input")
    browser.press("ArrowLeft")
    label = browser.run("document.querySelector('canvas.weights').getAttribute('aria-label')")
    assert label.endswith("At the start")


def test_too_large_a_rate_diverges_and_reset_brings_all_back(show) -> None:
    browser = show("digits")
    begun, answers = loss(browser), text(browser, "#answers")
    assert begun > math.log(2) / 2  # the page begins with one that the network gets wrong
    browser.run("""(() => {
        const rate = document.querySelector("#stepping .long input");
        rate.value = 2; rate.dispatchEvent(new Event("input"));
    })()""")
    browser.click("#stepping .main")  # of one sample, whatever the rate, it finds a way
    assert loss(browser) < begun
    assert "so large a step for one forgets the others" in text(browser, "#stepping .verdict")
    browser.click("#stepping .buttons button:nth-child(3)")
    assert loss(browser) == begun
    browser.run("document.querySelectorAll('#step-batch input')[1].click()")
    browser.settle()
    together = loss(browser)
    browser.click("#stepping .main")
    assert "It grew, where the slope foresaw −" in text(browser, "#stepping .verdict")
    assert loss(browser) > 1000 * together
    browser.click("#stepping .main")
    assert "The rate is too large" in text(browser, "#stepping .verdict")
    assert browser.run("document.querySelector('#stepping .chart') !== null")
    browser.click("#now button")
    assert loss(browser) == together
    browser.run("document.querySelectorAll('#step-batch input')[0].click()")
    browser.settle()
    assert text(browser, "#answers") == answers


def test_a_step_is_numpys_step(show, lesson_of) -> None:
    """The loss that the page says after one step at rate 0.1 on its first sample."""
    from mlpcli import MLP
    from mlpcli.data.builtin import digits

    browser = show("digits")
    model = load(lesson_of("digits").with_suffix(".npz"))
    facts = json.loads(browser.run("document.querySelector('#facts').textContent"))
    place = browser.run(
        "[...document.querySelectorAll('.sample')].findIndex(b => b.ariaPressed === 'true')"
    )
    sample = facts["samples"][place]
    X = digits().X[[sample["row"] - 1]] / 16
    net = MLP([64, 12, 10], dtype=np.float64, seed=None)
    for name, array in model.file.params.items():
        net.params[name][:] = array
    before, gradient = net.loss_and_grad(X, [sample["label"]])
    for name, slope in gradient.items():
        net.params[name][:] -= 0.1 * slope
    assert loss(browser) == pytest.approx(before, rel=1e-3)
    browser.click("#stepping .main")
    assert loss(browser) == pytest.approx(net.loss_and_grad(X, [sample["label"]])[0], rel=1e-3)


def test_a_batch_of_all_samples_has_their_mean_loss(show) -> None:
    browser = show("digits")
    browser.run("document.querySelectorAll('#batch input')[1].click()")
    browser.settle()
    assert "(12 × 64) · (64 × 12)" in text(browser, "#forward-lines .open .line")
    losses = []
    together = loss(browser)
    browser.run("document.querySelectorAll('#batch input')[0].click()")
    for place in range(12):
        browser.click(f".sample:nth-child({place + 1})")
        losses.append(loss(browser))
    assert together == pytest.approx(np.mean(losses), rel=2e-3)


def test_touching_an_entry_shows_the_sum_behind_it(show) -> None:
    browser = show("digits")
    left, top, width, height = browser.box("#forward-lines .result .tiles")
    browser.drag((left + width * 4.5 / 12, top + height / 2))
    assert text(browser, "#forward-lines .detail h3").startswith("Z₁[0, 4] = ")
    column = texts(browser, "#forward-lines .detail td:last-child")
    *terms, total = [float(cell.replace("−", "-").replace("·10⁻", "e-")) for cell in column]
    assert sum(terms) == pytest.approx(total, abs=0.02)


def test_in_the_plane_a_point_is_asked_by_mouse_and_by_keys(show, lesson_of) -> None:
    browser = show("spiral")
    model = load(lesson_of("spiral").with_suffix(".npz"))
    left, top, width, height = browser.box("#plane")
    browser.drag((left + width * 0.3, top + height * 0.4))
    asked = browser.run(
        "[...document.querySelectorAll('.form input[type=number]')].map(i => +i.value)"
    )
    (probs,) = model.network().predict_proba([asked])
    assert f"It says {probs.argmax()} " in text(browser, "#answers")
    browser.focus("#plane")
    browser.press("ArrowRight", 3)
    moved = browser.run(
        "[...document.querySelectorAll('.form input[type=number]')].map(i => +i.value)"
    )
    assert moved[0] > asked[0]
    assert moved[1] == pytest.approx(asked[1])


def test_a_tables_form_asks_the_network_and_names_are_no_markup(show, lesson_of) -> None:
    browser = show("flowers")
    assert "</script><img src=x onerror=alert(1)>" in text(browser, ".form")
    assert browser.run("document.querySelectorAll('img').length") == 0
    browser.run("""document.querySelectorAll(".form input[type=number]").forEach((field, i) => {
        field.value = [1.5, 2.5, 0.25][i];
        field.dispatchEvent(new Event("input", { bubbles: true }));
    })""")
    browser.settle()
    model = load(lesson_of("flowers").with_suffix(".npz"))
    X = np.empty((1, 3))
    Encoder(model.encoding, np.float64, np.float64).apply(np.array([[1.5, 2.5, 0.25]]), X)
    (probs,) = model.network().predict_proba(X)
    name = ["<b>ant</b>", "bee & co", "cow"][probs.argmax()]
    assert f"It says {name} ({100 * probs.max():.1f}\u202f%)" in text(browser, "#answers")


def test_a_form_of_categories_gaps_and_dates_answers_as_the_network_does(show, lesson_of) -> None:
    """A category that the model does not know is “something else”."""
    browser = show("birds")
    rows = {
        ("Dream", "4100", "male", "2026-03-09"): (1, 4100, 1, 20_521),
        ("Biscoe", "", "", "2026-11-25"): (0, np.nan, np.nan, 20_782),
        ("Atlantis", "3300", "female", "2026-07-01"): (-1, 3300, 0, 20_635),
    }
    model = load(lesson_of("birds").with_suffix(".npz"))
    for row, raw in rows.items():
        browser.run(FILL % json.dumps(row))
        browser.settle()
        X = np.empty((1, model.encoding.width))
        Encoder(model.encoding, np.float64, np.float64).apply(np.array([raw], np.float64), X)
        (probs,) = model.network().predict_proba(X)
        shares = [share.replace("\u202f", "") for share in texts(browser, ".bars .share")]
        assert [float(s.rstrip("%")) for s in shares] == pytest.approx(100 * probs, abs=0.051)


FILL = """%s.forEach((value, i) => {
    const field = document.querySelectorAll(".field")[i];
    const told = (element, kind) => element.dispatchEvent(new Event(kind, { bubbles: true }));
    const select = field.querySelector("select");
    const gap = field.querySelector("[type=checkbox]");
    const box = field.querySelector("[type=number], [type=date]");
    if (select) {
        const known = [...select.options].find((option) => option.text === (value || "missing"));
        select.value = (known ?? [...select.options].at(-1)).value;
        told(select, "change");
    } else {
        if (gap && gap.checked !== (value === "")) gap.click();
        if (value) { box.value = value; told(box, box.type === "date" ? "change" : "input"); }
    }
})"""


def test_a_regression_answers_in_its_targets_unit_and_learns_a_number(show, lesson_of) -> None:
    browser = show("prices")
    browser.run("""document.querySelectorAll(".form input[type=number]").forEach((field, i) => {
        field.value = [120, 3][i];
        field.dispatchEvent(new Event("input", { bubbles: true }));
    })""")
    browser.settle()
    model = load(lesson_of("prices").with_suffix(".npz"))
    X = np.empty((1, 2))
    Encoder(model.encoding, np.float64, np.float64).apply(np.array([[120.0, 3.0]]), X)
    value = float(model.task.decode(model.network().forward(X)[0, 0]))
    assert text(browser, "#answers .said") == f"price {value:.0f}"
    browser.run("""(() => {
        const right = document.querySelector("#right input");
        right.value = 9000;
        right.dispatchEvent(new Event("change"));
    })()""")
    browser.settle()
    score, target = (value - model.task.mean, 9000 - model.task.mean) / np.array(
        model.task.deviation
    )
    assert loss(browser) == pytest.approx(abs(score - target) - 0.5, rel=1e-3)
    before = loss(browser)
    browser.click("#stepping .main")
    assert loss(browser) < before


def test_numbers_far_from_0_are_told_apart(show, lesson_of) -> None:
    browser = show("times")
    model = load(lesson_of("times").with_suffix(".npz"))
    said = text(browser, "#answers .said").removeprefix("time ")
    tick = float(browser.run("document.querySelector('.form input[type=number]').value"))
    assert float(said) == pytest.approx(model.predict([[tick]])[0], rel=0, abs=0.01)
    verdicts = browser.run(
        "Array.from(document.querySelectorAll('#samples button'), (b) => b.textContent)"
    )
    labels = {re.search(r"[0-9.]+(?=, said)", verdict)[0] for verdict in verdicts}
    assert len(labels) == len(verdicts)


@pytest.mark.parametrize("name", ["digits", "birds", "flowers", "spiral", "noise", "prices"])
def test_nothing_is_wider_than_the_window(show, name: str) -> None:
    """Neither at any line on a phone, nor before and after all of them on a desk."""
    narrow, wide = WIDTHS
    browser, measured = show(name, wide), "document.documentElement.scrollWidth"
    assert browser.run(measured) <= wide
    browser.resize(narrow)
    for part in ("forward", "backward"):
        for _ in range(browser.run(f"document.querySelectorAll('#{part}-lines li').length")):
            assert browser.run(measured) <= narrow
            browser.run(f"document.querySelector('#{part}-lines .main').click()")
            browser.settle()
    browser.resize(wide)
    assert browser.run(measured) <= wide


@pytest.mark.parametrize("still", [False, True])
def test_nothing_moves_if_the_reader_wants_no_motion(show, still: bool) -> None:
    browser = show("spiral", still=still)
    look = "getComputedStyle(document.querySelector('{}')).{}"
    assert browser.run(look.format("#forward-lines .panel", "animationName")) == (
        "none" if still else "appear"
    )
    assert browser.run(look.format("html", "scrollBehavior")) == ("auto" if still else "smooth")


def test_a_script_that_is_not_the_pages_own_does_not_run(
    browser, lesson_of, tmp_path: Path
) -> None:
    page = lesson_of("digits").read_text("utf-8")
    changed = tmp_path / "changed.html"
    changed.write_text(page.replace("start();\n", "start(); \n"), "utf-8")
    with pytest.raises(AssertionError, match="waited in vain"):
        browser.show(changed, 1280, patience=1)
    assert any("Content Security Policy" in line for line in browser.said)
    browser.said.clear()  # nobody else is to be told


@pytest.mark.parametrize(
    ("name", "dark"), [("digits", False), ("digits", True), ("birds", False), ("prices", True)]
)
def test_axe_finds_no_fault(show, tool, name: str, dark: bool) -> None:
    """At every line of both passes of one lesson, with a solved puzzle, and after a step."""
    source = tool("axe-core/axe.min.js").read_text("utf-8")
    browser = show(name, dark=dark)
    browser.run(source + "; 0")

    def faults(*changed: str) -> list[str]:
        parts = json.dumps(changed or "html")
        found: list[str] = browser.run(f"""axe.run({parts}, {{ resultTypes: ["violations"] }}).then(
            ({{ violations }}) => violations.flatMap(({{ id, nodes }}) =>
                nodes.map((node) => `${{id}}: ${{node.html}} ${{node.failureSummary}}`)))""")
        return found

    assert faults() == []
    browser.run("document.querySelector('#stepping .main').click()")
    browser.run("document.querySelectorAll('#fitting .card')[1].click()")
    browser.run("document.querySelectorAll('#fitting .card')[0].click()")
    for _ in range(1, browser.run("document.querySelectorAll('#backward-lines li').length")):
        for part in ("forward", "backward"):
            browser.run(f"document.querySelector('#{part}-lines .main').click()")
        browser.settle()
        if name == "digits" and dark:
            assert faults("#forward-lines", "#backward-lines") == []
    assert faults() == []


def test_axe_notices_a_fault(show, tool) -> None:
    browser = show("spiral")
    browser.run(tool("axe-core/axe.min.js").read_text("utf-8") + "; 0")
    browser.run("document.querySelector('#about').append(document.createElement('input'))")
    found = browser.run("axe.run().then(({ violations }) => violations.map(({ id }) => id))")
    assert "label" in found

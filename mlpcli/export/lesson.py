"""The lesson: one HTML file in which a network is asked, taken apart and trained.

The page's own files lie readable in `page/`. They are put together here, by nothing but leaving out
their imports, into one file that asks nothing of anyone: its policy allows its own script and style
by their digests, and no request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import escape
from importlib import resources
from string import Template
from typing import Any

from mlpcli.errors import CheckpointError, UsageError
from mlpcli.export.lesson_facts import facts
from mlpcli.export.request import MARK, Request

MODULES = (
    "matrix",
    "network",
    "decode",
    "prepare",
    "derivation",
    "shapes",
    "lesson",
    "dom",
    "plot",
    "tiles",
    "product",
    "panels",
    "walk",
    "pad",
    "form",
    "plane",
    "ask",
    "fit",
    "check",
    "steps",
    "training",
    "main",
)
"""The page's modules, each after those that it imports."""

_IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class)\b)", re.MULTILINE)


def build(request: Request) -> bytes:
    """The lesson of one network, as an HTML file.

    Raises:
        UsageError: it is several networks, or one that is too large for a page, or has a part that
            the page has no equations for.
        CheckpointError: its figures overflow.
    """
    about = facts(request)
    for part, module, table in (
        ("activation", "network", "ACTIVATIONS"),
        ("loss", "network", "LOSSES"),
        ("loss", "derivation", "OUTPUTS"),
    ):
        if about["network"][part] not in names_in(module, table):
            raise UsageError(f"--{part} {about['network'][part]} cannot be exported to .html")
    script, style = _script(), _read("style.css")
    page = Template(_read("page.html")).substitute(
        made=MARK,
        title=escape(about["title"]),
        policy=_policy(script, style),
        style=style,
        script=script,
        # what would end the element is written as an escape that JSON reads the same
        facts=_as_json(about, request).replace("<", "\\u003c"),
    )
    return page.encode(errors="backslashreplace")  # as JSON has them, in file names


def names_in(module: str, table: str) -> list[str]:
    """The keys of a table in one of the page's modules."""
    found = re.search(rf"const {table} = \{{\n(.*?)\n\}};", _read(f"{module}.mjs"), re.DOTALL)
    assert found
    return re.findall(r'^  "?([a-z-]+)"?:', found[1], re.MULTILINE)


def _as_json(about: dict[str, Any], request: Request) -> str:
    try:
        return json.dumps(about, ensure_ascii=False, allow_nan=False)
    except ValueError:
        path = request.members[0].file.path
        raise CheckpointError(f"{path}: its figures overflow, and cannot be shown") from None


def _read(name: str) -> str:
    return resources.files("mlpcli.export").joinpath("page", name).read_text("utf-8")


def _script() -> str:
    """The modules as one: what they import from each other is in the same scope."""
    texts = (_read(f"{name}.mjs") for name in MODULES)
    return "\n" + "\n".join(_EXPORT.sub("", _IMPORT.sub("", text)) for text in texts)


def _policy(script: str, style: str) -> str:
    """What the page may do: run this script, look like this, show what is within it."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_digest(script)}",
            f"style-src {_digest(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _digest(text: Any) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

"""A module of this package as one text that needs nothing else of the package."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from importlib import import_module
from itertools import pairwise
from types import ModuleType

_OURS = "mlpcli."
_WIDTH = 100  # of a line of code


@cache  # the package does not change while it runs
def bundle(module: ModuleType, before: str) -> str:
    """The source of a module, and in it what it imports from this package.

    Of the other modules only the definitions are taken that are needed, directly or not. They may
    need Python's standard library, and no name that the module has.

    Args:
        before: the line that the definitions are put before.

    Raises:
        ValueError: a definition needs another package, or a name is defined twice.
    """
    own = _Module(module)
    taken: dict[tuple[str, int], str] = {}
    imports: set[str] = set()
    imported: set[str] = set()
    lines = own.source.splitlines(keepends=True)
    for node in own.imports_of_ours():
        for line in range(node.lineno - 1, node.end_lineno or node.lineno):
            lines[line] = ""
        names = [alias.name for alias in node.names]
        imported |= set(names)
        _Module(import_module(str(node.module))).take(names, taken, imports)
    names = [name for text in taken.values() for name in _names(ast.parse(text).body[0])]
    names += [name for node in own.body for name in _names(node)]
    for name in set(names):
        if names.count(name) > 1 + (name in imported):
            raise ValueError(f"{name} is defined twice")
    more = sorted(imports.difference(lines))
    text = "".join(lines).replace("import sys\n", "".join(["import sys\n", *more]), 1)
    texts = [taken[key] for key in sorted(taken)]
    spaced = [
        one + ("\n\n\n" if "\n" in one + below else "\n") for one, below in pairwise([*texts, "\n"])
    ]
    return text.replace(before, "".join(spaced) + before)


class _Module:
    """A module's source, and where each of its names is defined."""

    def __init__(self, module: ModuleType) -> None:
        self.name = module.__name__
        self.source = inspect.getsource(module)
        self.body = ast.parse(self.source).body

    @cached_property
    def where(self) -> dict[str, int]:
        """The position in `body` of each name's definition."""
        return {name: k for k, node in enumerate(self.body) for name in _names(node)}

    def imports_of_ours(self) -> list[ast.ImportFrom]:
        """The imports of this package's modules."""
        imports = (node for node in self.body if isinstance(node, ast.ImportFrom))
        return [node for node in imports if str(node.module).startswith(_OURS)]

    def take(
        self, names: Iterable[str], taken: dict[tuple[str, int], str], imports: set[str]
    ) -> None:
        """Take the definitions of names, and of what they need."""
        for name in names:
            if name not in self.where:
                continue  # a local name, or one of Python's own
            position = self.where[name]
            node = self.body[position]
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._follow(node, name, taken, imports)
            elif (self.name, position) not in taken:
                taken[self.name, position] = self._text(position)
                self.take(sorted(_used(node)), taken, imports)

    def _follow(
        self,
        node: ast.Import | ast.ImportFrom,
        name: str,
        taken: dict[tuple[str, int], str],
        imports: set[str],
    ) -> None:
        source = str(node.module) if isinstance(node, ast.ImportFrom) else name
        if source.startswith(_OURS):
            _Module(import_module(source)).take([name], taken, imports)
        elif source.split(".")[0] in sys.stdlib_module_names:
            begin = f"from {source} import" if isinstance(node, ast.ImportFrom) else "import"
            imports.add(f"{begin} {name}\n")
        else:
            raise ValueError(f"{self.name} needs {source} for {name}")

    def _text(self, position: int) -> str:
        """A definition as it is written, without docstrings, types and whole lines of comment."""
        node = self.body[position]
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(d.lineno for d in decorators)])
        lines: list[str | None] = list(self.source.splitlines())
        variables = set(_annotations_of_variables(node))
        for said in sorted(_annotations(node), key=lambda part: -part.col_offset):
            if said.lineno == said.end_lineno:
                line = str(lines[said.lineno - 1]).encode()
                before, after = line[: said.col_offset], line[said.end_col_offset :]
                after = after if said in variables else re.sub(rb"^ = ", b"=", after)
                lines[said.lineno - 1] = (before.rstrip(b" ->:") + after).decode()
        for part in ast.walk(node):
            if isinstance(part, ast.FunctionDef | ast.ClassDef):
                words = [each for each in part.body if _is_docstring(each)]
                for each in words if len(words) < len(part.body) else []:
                    begin, end = each.lineno, each.end_lineno or 0
                    end += end < len(lines) and lines[end] == ""  # and the blank line below
                    lines[begin - 1 : end] = [None] * (end - begin + 1)
        kept = "\n".join(line for line in lines[first - 1 : node.end_lineno] if line is not None)
        kept = re.sub(r"  # type: ignore\b.*|^ *# .*\n", "", kept, flags=re.M)
        return re.sub(r"( *def \w+\()\n((?: +.+\n)+?) *\):", _in_a_line, kept)


def _in_a_line(signature: re.Match[str]) -> str:
    """A signature, which needed several lines for its types, in one if it fits."""
    parameters = (line.strip(" ,") for line in signature[2].splitlines())
    line = f"{signature[1]}{', '.join(parameters)}):"
    return line if len(line) <= _WIDTH else signature[0]


def _is_docstring(node: ast.stmt) -> bool:
    """Whether it is one: of a class, of a function, or of the attribute above it."""
    constant = node.value if isinstance(node, ast.Expr) else None
    return isinstance(constant, ast.Constant) and isinstance(constant.value, str)


def _names(node: ast.stmt) -> Iterator[str]:
    """The names that a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, ast.Try):
        yield from (name for part in node.body for name in _names(part))
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            yield from (part.id for part in ast.walk(target) if isinstance(part, ast.Name))


def _annotations(node: ast.stmt) -> Iterator[ast.expr]:
    """Those of functions' arguments and results, and of variables."""
    yield from _annotations_of_variables(node)
    for part in ast.walk(node):
        if isinstance(part, ast.FunctionDef):
            arguments = [*part.args.posonlyargs, *part.args.args, *part.args.kwonlyargs]
            found = (part.returns, *(argument.annotation for argument in arguments))
            yield from filter(None, found)


def _annotations_of_variables(node: ast.stmt) -> Iterator[ast.expr]:
    """Those beside a value; but for a class's own, which may be read."""
    parts = [*ast.walk(node)]
    own = {field for part in parts if isinstance(part, ast.ClassDef) for field in part.body}
    for part in parts:
        if isinstance(part, ast.AnnAssign) and part.value and part not in own:
            yield part.annotation


def _used(node: ast.stmt) -> set[str]:
    """The names that a definition uses; not those of annotations, which are never looked up."""
    unread = {part for annotation in _annotations(node) for part in ast.walk(annotation)}
    for part in ast.walk(node):
        if isinstance(part, ast.AnnAssign):
            unread |= set(ast.walk(part.annotation))
    used = (part for part in ast.walk(node) if isinstance(part, ast.Name) and part not in unread)
    return {part.id for part in used}

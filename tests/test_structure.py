# SPDX-License-Identifier: Apache-2.0
"""Measures of the code that must not get worse: sizes, docstrings, cycles, late imports."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("texgen", "texgen_server", "blender_addon")
FILE_LINES, FUNCTION_LINES = 300, 40
FRAGMENTS = (
    *("What ", "Whether ", "Whoever", "Where ", "How ", "Who ", "Of ", "By ", "Those"),
    *("Once", "None", "One ", "All "),
)
"""Openings of docstrings that are clauses or fragments instead of sentences."""
LONG_TESTS = {
    "tests/blender_addon/scripts/operators.py",
    "tests/blender_addon/scripts/window.py",
}
"""Scripts that a Blender runs in one piece."""
LATE = {
    "blender_addon/__init__.py",  # its modules need bpy
    "texgen/__init__.py",  # the clients need grpcio, which Blender lacks
    "texgen/cli.py",  # the server's commands are there only where its package is
    "texgen/commands/shared.py",  # gRPC and the embedded server cost start time
    "texgen_server/cli/shared.py",  # loads what a command runs: torch costs start time
    "texgen/export/documents/__init__.py",  # each writer needs a library of its own
}
"""Files that may import modules of ours inside functions: the doors to optional parts."""


def sources(*folders: str) -> list[Path]:
    found = itertools.chain(*((ROOT / folder).rglob("*.py") for folder in folders))
    return sorted(p for p in found if "pb" not in p.parts)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sources(*PACKAGES)}


def targets(node: ast.stmt, path: Path) -> Iterator[str]:
    """Our modules that an import statement names."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        package = name_of(path).split(".")
        package = package if path.name == "__init__.py" else package[:-1]
        base = package[: len(package) - node.level + 1] if node.level else []
        module = ".".join([*base, *([node.module] if node.module else [])])
        names = [
            f"{module}.{a.name}" if f"{module}.{a.name}" in MODULES else module for a in node.names
        ]
    else:
        return
    yield from (name for name in names if name in MODULES)


def functions(module: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    first = function.body[0]
    docstring = (first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(function) else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that reach each other, by repeatedly taking away what nothing points to."""
    left = {name: {t for t in to if t in graph and t != name} for name, to in graph.items()}
    while True:
        ends = {name for name, to in left.items() if not to}
        if not ends:
            break
        left = {name: to - ends for name, to in left.items() if name not in ends}
    while True:  # what is left over only because it leads into a cycle
        reached = set().union(*left.values()) if left else set()
        if set(left) <= reached:
            return [sorted(left)] if left else []
        left = {name: to for name, to in left.items() if name in reached}


def test_the_search_for_cycles_finds_them():
    assert cycles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


def test_modules_import_each_other_in_no_circle():
    """Late imports and those for type checkers count."""
    graph = {
        name: {t for node in ast.walk(tree(path)) for t in targets(node, path)}
        for name, path in MODULES.items()
    }
    assert cycles(graph) == []


def late_imports(path: Path) -> list[int]:
    """Lines where a function imports a module of ours, by a statement or by importlib."""
    found = []
    for function in functions(tree(path)):
        for node in ast.walk(function):
            if list(targets(node, path)):
                found.append(node.lineno)
            if isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
                found.append(node.lineno)
    return found


def test_only_doors_import_late():
    late = {relative(p) for p in MODULES.values() if late_imports(p)}
    assert late == LATE


@pytest.mark.parametrize(
    "path", sources(*PACKAGES, "tests"), ids=lambda p: str(p.relative_to(ROOT))
)
def test_files_and_functions_are_short(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    if relative(path) in LONG_TESTS:
        return
    assert len(lines) <= FILE_LINES
    if relative(path).startswith("tests/"):
        return
    long = [f.name for f in functions(tree(path)) if code_lines(f) > FUNCTION_LINES]
    assert long == []


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=relative)
def test_docstrings_are_sentences(path):
    opened = [
        f"line {getattr(node, 'lineno', 1)}: {first}"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and (first := (ast.get_docstring(node) or "").partition("\n")[0]).startswith(FRAGMENTS)
    ]
    assert opened == []


def test_tests_lie_where_their_subject_lies():
    """tests/<package>/<folder>/ exists in the package."""
    for package in PACKAGES:
        for path in (ROOT / "tests" / package).rglob("test_*.py"):
            folder = path.parent.relative_to(ROOT / "tests")
            assert (ROOT / folder).is_dir(), path

"""The imports of the code follow the allowed dependencies between the packages."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "spotify_gym"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 400

ARROWS: dict[str, set[str]] = {
    "__init__": {"catalogue", "registration"},
    "registration": set(),
    "registry": set(),
    "compiled": set(),
    "search": set(),
    "catalogue": {"search"},
    "listeners": {"catalogue"},
    "session": {"registration", "catalogue", "listeners"},
    "wrappers": {"catalogue", "session", "search"},
    "policies": {"catalogue", "listeners", "session", "search"},
    "algorithms": {"search"},
    "evaluation": set(),
    "training": {"catalogue", "listeners", "session", "wrappers", "policies", "algorithms", "search", "evaluation"},
    "app": {"catalogue", "listeners", "session", "policies", "training"},
    "cli": {"catalogue", "listeners", "session", "policies", "training", "app"},
}
"""Each package, and those that it may import."""

EVERYBODY = {"registry", "compiled"}
"""Modules that every package may import."""


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    return [*module.split("."), "__init__"][1]


@cache
def imports(path: Path) -> frozenset[str]:
    """Return the modules of `spotify_gym` that a file imports, at any place in it."""
    return frozenset(found for node in ast.walk(ast.parse(path.read_text())) for found in _modules(node, name_of(path)))


def _modules(node: ast.AST, importer: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"{importer} imports relatively"
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    else:
        return
    for name in names:
        if name.split(".")[0] == "spotify_gym":
            yield name


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports__follow_the_arrows(path: Path) -> None:
    room = room_of(name_of(path))
    for imported in imports(path):
        assert imported != "spotify_gym", "import the module that defines the thing"
        other = room_of(imported)
        assert other in {room} | EVERYBODY | ARROWS[room], f"{name_of(path)} must not import {imported}"


def test_rooms__are_those_of_the_list() -> None:
    found = {path.stem if path.is_file() else path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert {name for name in found if not name.startswith("py.")} - {"py"} <= set(ARROWS)


def test_imports__go_in_no_circle() -> None:
    known = {name_of(path): path for path in MODULES}

    def needs(module: str) -> set[str]:
        found = {name if name in known else name.rpartition(".")[0] for name in imports(known[module])}
        return {name for name in found if name in known and name != module}

    graph = {module: needs(module) for module in known}
    while free := [module for module, needed in graph.items() if not needed & graph.keys()]:
        for module in free:
            del graph[module]
    assert not graph, f"these import each other in a circle: {sorted(graph)}"


@pytest.mark.parametrize("path", [*MODULES, *sorted((ROOT / "experiments").rglob("*.py"))], ids=name_of)
def test_module__stays_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST


def test_package__imports_light() -> None:
    heavy = ["torch", "pandas", "pyarrow", "sklearn", "matplotlib", "streamlit", "stable_baselines3", "numba"]
    code = f"import sys, spotify_gym; print([m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"

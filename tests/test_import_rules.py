"""The plan of the house: each stage imports only stages before it and the ground floor."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "cxmodel"
GROUND = {
    "errors",
    "results",
    "display",
    "scales",
    "config",
    "stats",
    "plots",
    "datasets",
    "plain_json",
}
STAGES = {"tables": 1, "kpis": 2, "models": 2, "value": 3, "scoring": 4}
STAGES |= {"monitoring": 5, "report": 5}
ROOF = 9
# On the ground floor only words and numbers: these may be used there by every other part of it.
BASE = {"errors", "results", "scales", "display"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(module: Path) -> str:
    """The folder or file directly below the package that a module belongs to."""
    first = module.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def level(name: str) -> int:
    return 0 if name in GROUND else STAGES.get(name, ROOF)


def imported_rooms(module: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            parts = node.module.split(".")
            if parts[0] == "cxmodel":
                rooms |= {parts[1]} if len(parts) > 1 else {a.name for a in node.names}
        elif isinstance(node, ast.Import):
            rooms |= {a.name.split(".")[1] for a in node.names if a.name.startswith("cxmodel.")}
    return rooms


def allowed(own: str, other: str) -> bool:
    if own == other or level(own) == ROOF:
        return True
    if level(own) == 0:
        return other in BASE or (own != "stats" and other == "stats")
    return level(other) < level(own)


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.relative_to(PACKAGE).as_posix())
def test_imports_only_what_lies_before(module: Path) -> None:
    own = room(module)
    if own == "__init__" or "notebooks" in module.parts:
        return
    # `from cxmodel import __version__` names no room
    others = {r for r in imported_rooms(module) if r != "__version__"}
    refused = {other for other in others if not allowed(own, other)}
    assert not refused, f"{own} must not import {sorted(refused)}"


def test_only_plots_imports_matplotlib() -> None:
    offenders = {
        module.relative_to(PACKAGE).as_posix()
        for module in MODULES
        if "plots" not in module.relative_to(PACKAGE).parts
        and "matplotlib" in imported_when_run(ast.parse(module.read_text(encoding="utf-8")))
    }
    assert not offenders


def imported_when_run(node: ast.AST) -> set[str]:
    """Name the libraries that a module imports, but for those that only a type checker sees."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return set()
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").split(".")[0]}
    return {name for child in ast.iter_child_nodes(node) for name in imported_when_run(child)}


def test_no_module_loads_a_pickle() -> None:
    for module in MODULES:
        names = {
            alias.name
            for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        assert not names & {"pickle", "joblib", "cloudpickle", "dill", "shelve"}, module


def test_modules_do_not_import_in_a_circle() -> None:
    graph = {module: top_level_imports(module) for module in MODULES}
    done: set[Path] = set()

    def visit(module: Path, trail: tuple[Path, ...]) -> None:
        assert module not in trail, " -> ".join(m.name for m in (*trail, module))
        if module in done:
            return
        for other in graph.get(module, ()):
            visit(other, (*trail, module))
        done.add(module)

    for module in MODULES:
        visit(module, ())


def top_level_imports(module: Path) -> list[Path]:
    found = []
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cxmodel."):
            target = PACKAGE.joinpath(*node.module.split(".")[1:])
            found += (
                [target.with_suffix(".py")]
                if target.with_suffix(".py").exists()
                else [
                    (target / f"{a.name}.py")
                    for a in node.names
                    if (target / f"{a.name}.py").exists()
                ]
            )
    return found

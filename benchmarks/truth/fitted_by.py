"""Which code fits the study: its modules, found by following imports, and their fingerprint."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import resolve_name
from pathlib import Path

import cxmodel

ROOT = Path(cxmodel.__file__).parents[1]
START = "benchmarks.truth.replicate"
HERE = Path(__file__).parents[2]
# The table of public names imports nothing by itself; figures are drawn, and change no number.
PASSED_BY = ("cxmodel", "benchmarks", "cxmodel.plots")


@lru_cache(maxsize=1)
def fingerprint() -> str:
    """Name the code that fits: rows of other code are not mixed with those of this."""
    digest = hashlib.sha256()
    for name, file in modules().items():
        digest.update(name.encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def modules(start: str = START) -> dict[str, Path]:
    """List the modules that a replication can come to: those imported, at any depth, by `start`.

    Imports inside functions count, those under ``TYPE_CHECKING`` do not: they never run.

    Examples
    --------
    >>> found = modules()
    >>> "cxmodel.models.checks.timing" in found, "cxmodel.models.churn.model" in found
    (True, False)
    """
    found: dict[str, Path] = {}
    left = [start]
    while left:
        name = left.pop()
        file = _file_of(name)
        if name in found or file is None or _is_passed_by(name):
            continue
        found[name] = file
        left += _imports(name, file)
    return dict(sorted(found.items()))


def _is_passed_by(name: str) -> bool:
    return name in PASSED_BY or name.startswith("cxmodel.plots.")


def _file_of(name: str) -> Path | None:
    """Find the file of a module of the package or of the study; None for all others."""
    top = name.partition(".")[0]
    if top not in ("cxmodel", "benchmarks"):
        return None
    base = (ROOT if top == "cxmodel" else HERE).joinpath(*name.split("."))
    for file in (base.with_suffix(".py"), base / "__init__.py"):
        if file.exists():
            return file
    return None


def _imports(name: str, file: Path) -> Iterator[str]:
    """Give every name that a module may import, and the packages around it, which run too."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    yield package
    for node in _that_run(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            # what is imported from a package may be a module of it
            targets = [source, *(f"{source}.{alias.name}" for alias in node.names)]
        else:
            continue
        for target in targets:
            parts = target.split(".")
            yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _that_run(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _that_run(node)

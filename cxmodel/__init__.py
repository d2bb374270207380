"""cxmodel: what a point of customer experience is worth, in money, and how far to believe it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "CES7": "scales",
    "CSAT5": "scales",
    "CSAT7": "scales",
    "NPS": "scales",
    "Scale": "scales",
    "Estimate": "results",
    "NotRun": "results",
}

if TYPE_CHECKING:
    from .results import Estimate, NotRun
    from .scales import CES7, CSAT5, CSAT7, NPS, Scale

__all__ = sorted([*_WHERE, "datasets", "errors"])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    if name in ("datasets", "errors"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

"""What a check of sources found, as tests look at it."""

from __future__ import annotations

from typing import Any

from cxmodel.errors import CxModelError
from cxmodel.tables.sources import inspect_sources


def check_sources(*given: Any, **options: Any) -> tuple[list[CxModelError], list[str]]:
    """Give the breaches and the warnings of sources."""
    found = inspect_sources(*given, **options)
    return found.breaches, found.warnings

"""What benchmarks share: a step is a process of its own, whose last line says what it took."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar


@dataclass(frozen=True, kw_only=True)
class Took:
    """What a step took, in seconds and MB, or why it did not end."""

    cpu: float = math.nan
    wall: float = math.nan
    peak_mb: float = math.nan
    failed: str = ""
    note: str = ""


Step = TypeVar("Step", bound=Took)


def figures_of(printed: str) -> dict[str, Any]:
    """Read the figures off the last line that a step printed."""
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def median_of(rows: Sequence[Step]) -> Step:
    """Take the run with the middle CPU time; a step that failed once has failed."""
    failed = [row for row in rows if row.failed]
    if failed:
        return failed[0]
    middle = statistics.median_low([row.cpu for row in rows])
    return next(row for row in rows if row.cpu == middle)

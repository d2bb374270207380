"""What churn, purchases and lifetime value cost: purchase models, hazards and scoring, in one run.

    python benchmarks/cltv.py [--quick] [--environments DIR]

Three parts, each also a script of its own: `cltv_purchases.py` beside lifetimes and pymc-marketing
(CPU seconds of the fit; the ratio is theirs over ours), `cltv_hazard.py` beside a bare scan of the
columns that the fit reads, `cltv_scoring.py` beside reading and writing the same columns (wall
seconds; the ratio is ours over the unit). A ratio and its target stand side by side: at least where
a peer is measured, at most otherwise.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cltv_hazard
import cltv_purchases
import cltv_scoring

HEAD = ("part", "rows", "step", "seconds", "peak MB", "ratio", "target")


def purchases(quick: bool, environments: Path | None) -> Iterator[tuple[str, ...]]:
    for row in cltv_purchases.rows(quick, environments):
        failed = row.get("failed")
        yield (
            f"purchases, {row['what']}",
            f"{row['n_customers']:,}",
            f"{row['step']}{f' ({failed})' if failed else ''}",
            _number(row.get("seconds"), 3),
            "",
            _number(row.get("ratio"), 1),
            _target(row.get("target"), "at least"),
        )


def hazard(quick: bool) -> Iterator[tuple[str, ...]]:
    for row in cltv_hazard.rows(quick):
        yield (
            "hazard",
            f"{row['n']:,}",
            row["what"],
            _number(row["seconds"], 2),
            "",
            _number(row.get("ratio_to_scan"), 2),
            _target(row.get("limit"), "at most"),
        )


def scoring(quick: bool) -> Iterator[tuple[str, ...]]:
    for row in cltv_scoring.rows(quick):
        yield (
            "scoring",
            f"{row['n_rows']:,}",
            row["step"],
            _number(row["wall"], 1),
            _number(row["peak_mb"], 0),
            _number(row["ratio"], 2),
            _target(row["target"], "at most"),
        )


def _number(value: Any, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _target(value: float | None, word: str) -> str:
    return "" if value is None else f"{word} {value:g}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="smaller sets, no pymc-marketing")
    parser.add_argument("--environments", type=Path, help="where the peers' environments are kept")
    given = parser.parse_args()
    print(f"| {' | '.join(HEAD)} |")
    print(f"|{'---|' * len(HEAD)}")
    parts = (
        purchases(given.quick, given.environments),
        hazard(given.quick),
        scoring(given.quick),
    )
    for part in parts:
        for row in part:
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()

"""The known-truth study: draw companies whose truth is known, fit their lifts, count.

    python -m benchmarks.truth [--replications 1000] [--processes 2] [--only WORLD ...]
                               [--power 200] [--runs DIR] [--no-run]

Every replication is a line in ``runs/<world>.jsonl`` under ``--runs``; a run that was killed goes
on where it stopped. Lines of other code count only where it is shown that they may: at the start,
the first replications of each world are fitted anew, and lines are taken over where those come out
the same to the last digit (``taking_over.py``; which files are that code: ``fitted_by.py``). Words
of a reason may differ, and stay as they were. At the end ``results.csv`` and
``docs/known_truth.md`` are written anew from all lines (with ``--no-run`` from those there are).
What is claimed stands in ``expectations.toml``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from threadpoolctl import threadpool_limits

from benchmarks.truth.fitted_by import fingerprint
from benchmarks.truth.judge import Cell, expectations, judge, read_cells, write_cells
from benchmarks.truth.page import write_page
from benchmarks.truth.study import read_rows, run
from benchmarks.truth.worlds import WORLDS

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def main() -> None:
    options = _options()
    worlds = options.only or list(WORLDS)
    if unknown := sorted(set(worlds) - set(WORLDS)):
        raise SystemExit(f"There is no world {unknown[0]!r}. There is: {', '.join(WORLDS)}.")
    if not options.no_run:
        with threadpool_limits(limits=1, user_api="blas"):
            run(options.runs, worlds, options.replications, options.power, options.processes)
    table = expectations()
    judged: list[Cell] = []
    taken_over: Counter[str] = Counter()
    for world in WORLDS:
        rows = read_rows(options.runs, world)
        taken_over.update(row["code"] for row in rows if row["code"] != fingerprint())
        judged += judge(rows, world, table)
    write_cells(judged, options.results)
    write_page(read_cells(options.results), options.page, fingerprint(), taken_over)
    for cell in judged:
        if cell.verdict == "falls short":
            print(f"falls short: {cell.world} {cell.outcome} {cell.name} ({cell.claim})")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.truth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--replications", type=int, default=1_000)
    parser.add_argument("--power", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", nargs="*", metavar="WORLD")
    parser.add_argument("--runs", type=Path, default=HERE / "runs")
    parser.add_argument("--results", type=Path, default=HERE / "results.csv")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "known_truth.md")
    parser.add_argument("--no-run", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Time a discrete-time hazard on many customer-periods, beside a bare scan of the columns it reads.

``python -m benchmarks.cltv_hazard`` prints the table; ``rows`` gives it to ``cltv.py``. Each step
runs in a process of its own, so that none finds what another has read.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

N_PERSON_PERIODS = 100_000_000
N_QUICK = 2_000_000
N_PERIODS = 36
TRUTH = -0.15
COLUMNS = ("rating", "period", "left_now")


def make(path: Path, n_rows: int) -> None:
    """Write customer-periods to a Parquet file: rating and period, and who left in it."""
    import duckdb

    def u(salt: int) -> str:
        return f"((hash(i * 2654435761 + {salt}) >> 11) / 9007199254740992.0)"

    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(
        f"""
        COPY (
            SELECT customer_id, rating, period,
                u < 1 - exp(-exp(-3.2 - 0.02 * period + {TRUTH} * (rating - 7))) AS left_now
            FROM (
                SELECT
                    hash(i * 11 + 5) % {max(n_rows // 12, 2)} AS customer_id,
                    least(10, floor(11 * sqrt({u(1)})))::TINYINT AS rating,
                    floor({N_PERIODS} * {u(2)})::SMALLINT AS period,
                    {u(3)} AS u
                FROM range({n_rows}) t(i)
            )
        ) TO '{path}' (FORMAT PARQUET)
        """
    )


def scan(path: Path) -> Callable[[], dict[str, Any]]:
    """Read every value of the columns, and do no more with them than the cheapest aggregate."""
    import duckdb

    def work() -> dict[str, Any]:
        sums = ", ".join(f"sum({column}::INT)" for column in COLUMNS)
        duckdb.connect().execute(f"SELECT {sums} FROM '{path}'").fetchall()
        return {}

    return work


def hazard(path: Path) -> Callable[[], dict[str, Any]]:
    """Group on the engine, and fit on cells, with a level for each period."""
    import ibis.backends.duckdb  # noqa: F401

    from cxmodel.models.retention.hazard import HazardModel
    from cxmodel.tables.engines.engine import Engine

    model = HazardModel(baseline="levels")

    def work() -> dict[str, Any]:
        fit = model.fit_table(path, period="period", event="left_now", engine=Engine())
        return {
            "estimate": fit.terms[0].log_ratio,
            "std_error": fit.terms[0].std_error,
            "n_person_periods": fit.n_person_periods,
        }

    return work


STEPS = {"scan": scan, "hazard": hazard}


def rows(quick: bool) -> list[dict[str, Any]]:
    """Measure both steps.

    Parameters
    ----------
    quick : bool
        Two million customer-periods instead of a hundred million.

    Returns
    -------
    list of dict
        ``what, n, seconds, ratio_to_scan, limit, estimate, truth``.
    """
    n = N_QUICK if quick else N_PERSON_PERIODS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "customer_periods.parquet"
        make(path, n)
        scanned = min((_measured("scan", path) for _ in range(3)), key=lambda r: r["wall"])
        fitted = min((_measured("hazard", path) for _ in range(2)), key=lambda r: r["wall"])
    return [
        {"what": "bare scan of the columns", "n": n, "seconds": scanned["wall"]},
        {
            "what": "discrete-time hazard",
            "n": n,
            "seconds": fitted["wall"],
            "ratio_to_scan": fitted["wall"] / scanned["wall"],
            "limit": 12.0,
            "estimate": fitted["estimate"],
            "std_error": fitted["std_error"],
            "truth": TRUTH,
        },
    ]


def _measured(step: str, path: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, "--step", step, "--path", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--step", choices=sorted(STEPS))
    parser.add_argument("--path", type=Path)
    given = parser.parse_args()
    if given.step:
        work = STEPS[given.step](given.path)
        begin = time.perf_counter()
        found = work()
        print(json.dumps({**found, "wall": time.perf_counter() - begin}))
        return
    for row in rows(given.quick):
        print(row)


if __name__ == "__main__":
    main()

"""What it costs to fit a lift where the table lies, beside a bare scan of the columns it reads.

    python benchmarks/lift.py [--rows 1_000_000 10_000_000] [--repeat 3] [--peers] [--python PATH]

The unit is one DuckDB query that reads every value of the columns of the fit and keeps a sum or a
maximum of each, on a fresh connection. Each step is a process of its own. CPU time is user + system
of all threads from the first file opened to the answer, without the import of libraries, and the
median of the runs; peak is the most memory that the process ever held, libraries included.
``loaded`` names the heavy libraries that were in the process at the end. Beside it statsmodels and
pyfixest do the same on the rows, up to the sizes at which they are measured (1 and 10 million);
their estimates are compared with ours. pyfixest may live in another environment: say which Python.
The files are made by DuckDB in a temporary folder and deleted at the end.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lift_steps import READS
from one_step import Took, figures_of, median_of

TARGETS = {
    "OLS HC1, categorical": 4,
    "logit, categorical": 4,
    "OLS HC1, continuous": 20,
    "logit, continuous": 20,
    "logit, 8 continuous": 20,
    "OLS by customer": 40,
}
STATSMODELS_UP_TO, PYFIXEST_UP_TO = 1_000_000, 10_000_000


@dataclass(frozen=True, kw_only=True)
class Row(Took):
    """What a step took in one of the fits, or why it did not end."""

    n_rows: int
    fit: str
    step: str
    loaded: tuple[str, ...] = ()
    estimate: float = math.nan
    std_error: float = math.nan


def run(python: str, task: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    script = Path(__file__).with_name("lift_steps.py")
    return subprocess.run([python, str(script), json.dumps(task)], capture_output=True, text=True)


def measure(python: str, path: Path, n_rows: int, fit: str, step: str) -> Row:
    done = run(python, {"path": str(path), "step": step, "fit": fit})
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Row(n_rows=n_rows, fit=fit, step=step, failed=last[:90])
    found = figures_of(done.stdout)
    found["loaded"] = tuple(found["loaded"])
    return Row(n_rows=n_rows, fit=fit, step=step, **found)


def measure_fit(path: Path, n_rows: int, fit: str, options: argparse.Namespace) -> list[Row]:
    steps = [
        ("scan", sys.executable, max(3, options.repeat)),
        ("cxmodel", sys.executable, options.repeat),
    ]
    if options.peers and n_rows <= STATSMODELS_UP_TO:
        steps.append(("statsmodels", sys.executable, 1))
    if options.peers and n_rows <= PYFIXEST_UP_TO:
        steps.append(("pyfixest", options.python, 1))
    found = []
    for step, python, times in steps:
        row = median_of([measure(python, path, n_rows, fit, step) for _ in range(times)])
        print(f"  {n_rows:,} {fit}: {step} {row.failed or round(row.cpu, 3)}", file=sys.stderr)
        found.append(row)
    return found


def lines_of(rows: list[Row]) -> list[str]:
    """Set out one fit: seconds, ratios to the scan and to the target, memory, agreement."""
    scan, own = rows[0], rows[1]
    lines = []
    for row in rows:
        start = f"{row.n_rows:>11,}  {row.fit:<22}{row.step:<12}"
        if row.failed:
            lines.append(f"{start}  {row.failed}")
            continue
        ratio, times = row.cpu / scan.cpu, row.cpu / own.cpu
        text = f"{start}{row.cpu:>9.3f}{row.wall:>9.3f}{row.peak_mb:>9.0f}{ratio:>11.1f}"
        if row is own:
            most = TARGETS[row.fit]
            text += f"{'' if most is None else f'{most}x':>8}"
            text += f"  loaded: {', '.join(row.loaded) or 'none'}"
        elif row is not scan:
            apart = abs(row.estimate / own.estimate - 1)
            errors = abs(row.std_error / own.std_error - 1)
            memory = f"{row.peak_mb / own.peak_mb:.0f}x memory"
            text += (
                f"{'':>8}  {times:.0f}x our time, {memory}; apart {apart:.0e}, errors {errors:.0e}"
            )
        lines.append(text)
    return lines


HEAD = (
    f"{'rows':>11}  {'fit':<22}{'step':<12}{'CPU s':>9}{'wall s':>9}{'peak MB':>9}"
    f"{'CPU / scan':>11}{'target':>8}"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--fits", nargs="+", choices=list(READS), default=list(READS))
    parser.add_argument("--repeat", type=int, default=3, help="runs, of which the median counts")
    parser.add_argument("--peers", action="store_true", help="statsmodels and pyfixest beside it")
    parser.add_argument("--python", default=sys.executable, help="Python that has pyfixest")
    parser.add_argument("--folder", type=Path, help="where the temporary files are made")
    options = parser.parse_args()
    printed = [HEAD]
    for n_rows in options.rows:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            path = Path(folder) / "observations.parquet"
            made = run(sys.executable, {"path": str(path), "step": "make", "n_rows": n_rows})
            if made.returncode:
                raise SystemExit(made.stderr)
            for fit in options.fits:
                printed += lines_of(measure_fit(path, n_rows, fit, options))
            size = path.stat().st_size / 1024**2
            printed.append(f"             file of {size:,.0f} MB")
    print(f"{os.cpu_count()} cores, median of {options.repeat}; scan: of at least 3")
    print("\n".join(printed))


if __name__ == "__main__":
    main()

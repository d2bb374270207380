"""What it costs to add up bookings in windows around responses, beside a bare scan of the file.

    python benchmarks/window_join.py [--rows 2_000_000] [--full] [--keep DIR] [--repeat 3]

The work: for every response at t the revenue in [t - 180 days, t) and (t, t + 180 days], from
Parquet files into a table of the engine; ``all totals`` adds what a study takes: three windows
before and four after. Beside it the same work in polars and pandas, and the same answers, which are
compared. Each step is a process of its own. CPU time is user + system from the first file opened to
the answer, without the import of libraries; the ratio is to a scan of the same columns of the same
file; peak is the most memory that the process ever held. ``planner`` chooses a plan (its counting
is in the figure); the other rows take one plan for all customers. Nothing is asserted but that the
answers are equal, which is printed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from one_step import Took, figures_of, median_of
from window_join_steps import DataSet, Step, data_sets, make

PLANS = ("range", "stack", "stack by hour", "mixed by hour")

# -- The table -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Row(Took):
    """What a step took on one of the data sets, or why it did not end."""

    data: str
    step: str
    digest: int | None = None


def measure(data: DataSet, step: Step, folder: Path, options: argparse.Namespace) -> Row:
    """Run a step in a process of its own, within the time and the memory that it may take."""
    bookings, responses = data.paths(folder)
    with tempfile.TemporaryDirectory(dir=folder) as spill, tempfile.TemporaryFile() as errors:
        task = {
            "step": asdict(step),
            "bookings": str(bookings),
            "responses": str(responses),
            "spill": spill if step.spills else "",
            "max_gb": options.max_gb,
            "time_limit": options.time_limit,
        }
        script = Path(__file__).with_name("window_join_steps.py")
        command = [sys.executable, str(script), json.dumps(task)]
        cpu_before = cpu_of_children()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        spilled = 0.0
        while process.poll() is None:
            spilled = max(spilled, size_mb(Path(spill)))
            time.sleep(0.05)
        printed = process.stdout.read() if process.stdout else ""
        errors.seek(0)
        words = errors.read().decode(errors="replace")
        left = list(Path(spill).iterdir())
    if process.returncode:
        cpu = cpu_of_children() - cpu_before
        failed = why_it_ended(process.returncode, words, cpu, options)
        return Row(data=data.name, step=step.shown, failed=failed)
    found = figures_of(printed)
    if step.spills:
        found["note"] += f"; {spilled:,.0f} MB spilled, {'left behind' if left else 'removed'}"
    return Row(data=data.name, step=step.shown, **found)


def size_mb(folder: Path) -> float:
    """Add up what lies in a folder, where files may go while one looks."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total / 1024**2


def cpu_of_children() -> float:
    """Seconds of CPU of every step that has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def why_it_ended(returncode: int, words: str, cpu: float, options: argparse.Namespace) -> str:
    """Say why a step did not end well; its own words are printed where they are not expected."""
    # Not every library lets the signal at the limit through; the one after it kills.
    if returncode == -signal.SIGXCPU or (
        returncode == -signal.SIGKILL and cpu >= options.time_limit
    ):
        return f"not done in {options.time_limit:g} s of CPU"
    signs = ("out of memory", "memory allocation", "memoryerror", "bad_alloc", "cannot allocate")
    if returncode == -signal.SIGKILL or any(sign in words.lower() for sign in signs):
        return "out of memory"
    print(words[-2_000:], file=sys.stderr)
    return f"failed with exit code {returncode}"


def steps_on(data: DataSet) -> list[Step]:
    ours = [Step(name=name) for name in ("planner", *PLANS)]
    ours.append(Step(name="planner", all_totals=True))
    if "large" in data.name:
        ours += [Step(name=name, spills=True) for name in ("planner", "stack")]
    peers = [Step(name=name) for name in ("polars join", "polars join_asof", "pandas merge_asof")]
    return [Step(name="scan"), *ours, *peers]


def measure_all(data: DataSet, folder: Path, options: argparse.Namespace) -> list[Row]:
    rows = []
    wanted = options.steps.split(";") if options.steps else None
    for step in steps_on(data):
        if wanted and step.shown not in ["scan", *wanted]:
            continue
        runs: list[Row] = []
        n_runs = max(3, options.repeat) if step.name == "scan" else options.repeat
        while len(runs) < n_runs and not (runs and runs[-1].failed):
            runs.append(measure(data, step, folder, options))
        rows.append(median_of(runs))
        print(f"  {data.name}: {step.shown} {rows[-1].failed or rows[-1].cpu}", file=sys.stderr)
    return rows


def line_of(row: Row, scan_cpu: float) -> str:
    start = f"{row.data:<17}{row.step:<23}"
    if row.failed:
        return f"{start}  {row.failed}"
    ratio = row.cpu / scan_cpu
    return f"{start}{row.cpu:>8.2f}{row.wall:>8.2f}{row.peak_mb:>9.0f}{ratio:>12.1f}"


HEAD = f"{'data':<17}{'step':<23}{'CPU s':>8}{'wall s':>8}{'peak MB':>9}{'CPU / scan':>12}"


def report(data: DataSet, rows: list[Row]) -> list[str]:
    """Set out the rows of one data set, and whether the answers are equal."""
    by_step = {row.step: row for row in rows}
    lines = [line_of(row, by_step["scan"].cpu) for row in rows]
    alone = [by_step[name] for name in PLANS if name in by_step]
    better = min((row.cpu for row in alone if not row.failed), default=math.nan)
    sizes = f"{data.n_rows:,} bookings, {data.n_responses:,} responses"
    lines.append(f"  {sizes}, {data.n_customers:,} customers")
    if "planner" in by_step:
        planner = by_step["planner"]
        lines += [f"  planner / better plan {planner.cpu / better:.2f}", f"  {planner.note}"]
    lines += [f"  {row.step}: {row.note}" for row in rows if "limit" in row.step and row.note]
    totals = {row.digest for row in rows if row.digest is not None and "all" not in row.step}
    lines.append("  answers equal" if len(totals) == 1 else f"  ANSWERS DIFFER: {totals}")
    return lines


def growth(sets: list[DataSet], rows: dict[str, Row]) -> str:
    """Say as which power of the rows the CPU time of the planner grows, in files of one order."""
    small, large = (data for data in sets if data.in_order)
    times = rows[large.name].cpu / rows[small.name].cpu
    exponent = math.log(times) / math.log(large.n_rows / small.n_rows)
    sizes = f"{small.n_rows:,} to {large.n_rows:,} rows in order"
    return f"growth: CPU as rows^{exponent:.2f} from {sizes}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--large-rows", type=int, help="of the large set; default 5 times --rows")
    parser.add_argument("--full", action="store_true", help="20 million and 100 million bookings")
    parser.add_argument("--only", help="names of data sets, as printed, with ; between")
    parser.add_argument("--steps", help="names of steps, as printed, with ; between")
    parser.add_argument("--repeat", type=int, default=1, help="runs, of which the median counts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--time-limit", type=float, default=100, help="seconds of CPU for a step")
    parser.add_argument("--max-gb", type=float, default=12, help="memory that a step may take")
    parser.add_argument("--keep", type=Path, help="folder that keeps the files")
    options = parser.parse_args()
    n_rows = 20_000_000 if options.full else options.rows
    sets = data_sets(n_rows, options.large_rows or 5 * n_rows)
    wanted = [d for d in sets if not options.only or d.name in options.only.split(";")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        planned: dict[str, Row] = {}
        printed: list[str] = []
        for data in wanted:
            if not all(path.exists() for path in data.paths(folder)):
                make(data, folder, options.seed)
            rows = measure_all(data, folder, options)
            planned.update((data.name, row) for row in rows if row.step == "planner")
            printed += report(data, rows)
    print(f"seed {options.seed}, {os.cpu_count()} cores, median of {options.repeat}")
    print("\n".join([HEAD, *printed]))
    if len(planned) == len(sets):
        print(growth(sets, planned))


if __name__ == "__main__":
    main()

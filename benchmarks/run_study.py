"""What a study costs: CPU time, wall time and peak memory, each step in its own process.

    python benchmarks/run_study.py [--customers 50000] [--seed 1] [--keep DIR]

Simulates a company (50,000 customers give about 60,000 responses and 2 million bookings), then runs
the study without a report and renders the report. Beside each figure stands its ratio to a bare
scan of the bookings on the same engine. Nothing is asserted: what matters is how the figures move.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

CXMODEL = [sys.executable, "-c", "from cxmodel.cli import main; raise SystemExit(main())"]
SCAN = """
import sys, duckdb
duckdb.sql(f"SELECT count(*), sum(amount), count(DISTINCT cust) FROM '{sys.argv[1]}'").fetchall()
"""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one process took: seconds of CPU (children included), seconds of wall, peak MB."""

    name: str
    cpu: float
    wall: float
    peak_mb: float


def measure(name: str, command: list[str]) -> Cost:
    """Run a command in a process of its own and read what it took from the system.

    Raises
    ------
    SystemExit
        If the command fails; its own message has been printed.
    """
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name} ended with exit code {process.returncode}.")
    usages = [usage, *orphans()]
    unit = 1024 if sys.platform == "darwin" else 1  # ru_maxrss: bytes on macOS, else kilobytes
    return Cost(
        name=name,
        cpu=sum(part.ru_utime + part.ru_stime for part in usages),
        wall=wall,
        peak_mb=max(part.ru_maxrss for part in usages) / unit / 1024,
    )


def adopt_orphans() -> None:
    """Have processes whose parent ends first come to us: the kernel of a report may be one."""
    if sys.platform == "linux":
        set_child_subreaper = 36
        ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


def orphans() -> list[resource.struct_rusage]:
    """Wait for what a finished process left behind, and give what that took."""
    found = []
    while True:
        try:
            found.append(os.wait4(-1, 0)[2])
        except ChildProcessError:
            return found


def steps(folder: Path, n_customers: int, seed: int) -> list[Cost]:
    """Measure every step of a study in a folder."""
    data, out = folder / "data", folder / "out"
    no_report = ["--out", str(out), "--report", "none"]
    size = ["--customers", str(n_customers), "--seed", str(seed)]
    return [
        measure("simulate", [*CXMODEL, "--quiet", "simulate", *size, "--out", str(data)]),
        measure("bare scan", [sys.executable, "-c", SCAN, str(data / "transactions.parquet")]),
        measure("import", [sys.executable, "-c", "import cxmodel.study"]),
        measure(
            "run, no report",
            [*CXMODEL, "--quiet", "run", str(data / "cxmodel.toml"), *no_report],
        ),
        measure("report", [*CXMODEL, "--quiet", "report", str(out), "--to", "html,pdf"]),
    ]


def as_table(costs: list[Cost]) -> str:
    """Set the costs out as text, with their ratios to the bare scan."""
    scan = next(cost for cost in costs if cost.name == "bare scan")
    lines = [f"{'step':<16}{'CPU s':>8}{'wall s':>8}{'peak MB':>9}{'CPU / scan':>12}"]
    lines += [
        f"{c.name:<16}{c.cpu:>8.2f}{c.wall:>8.2f}{c.peak_mb:>9.0f}{c.cpu / scan.cpu:>12.1f}"
        for c in costs
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder that keeps the tables and the outputs")
    options = parser.parse_args()
    adopt_orphans()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        costs = steps(folder, options.customers, options.seed)
    print(f"{options.customers:,} customers, seed {options.seed}, {os.cpu_count()} cores")
    print(as_table(costs))


if __name__ == "__main__":
    main()

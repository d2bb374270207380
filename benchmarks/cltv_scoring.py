"""What it costs to score a file, beside reading and writing its rows.

    python benchmarks/cltv_scoring.py [--quick] [--repeat 3]

The unit reads every row of a Parquet file batch by batch and writes it into another, by pyarrow,
and does nothing else: the columns of the model and the customer. ``linear`` and ``trees`` are
`score_file` with a logistic regression and with 100 boosted trees; ``csv`` reads the same rows as
CSV. Each step is a process of its own. CPU time is user + system of all threads from the first file
opened to the last byte written, without the import of libraries; wall time likewise; each is that
of the run with the middle wall time. Peak is the most memory that the process ever held, libraries
included. The files are made in a temporary folder and deleted at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FULL, QUICK = 10_000_000, 200_000
TARGET = 5.0
STEPS = ("read and write", "linear", "trees", "csv")
COLUMNS = (
    "customer_id",
    "rating",
    "revenue_before",
    "revenue_before_2",
    "contacts_before",
    "tenure_days",
    "segment",
    "plan",
)


def rows(quick: bool) -> list[dict[str, Any]]:
    """Measure every step once: ``step, n_rows, cpu, wall, peak_mb, ratio, target``."""
    return measure(QUICK if quick else FULL, repeat=1)


def measure(n_rows: int, *, repeat: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        _in_a_process({"make": n_rows, "folder": folder})
        for step in STEPS:
            if step == "csv":
                _in_a_process({"csv": True, "folder": folder})
            runs = [_in_a_process({"step": step, "folder": folder}) for _ in range(repeat)]
            middle = sorted(runs, key=lambda run: run["wall"])[(repeat - 1) // 2]
            unit = found[0]["wall"] if found else middle["wall"]
            target = TARGET if step == "linear" else None
            ratio = middle["wall"] / unit
            found.append(
                {"step": step, "n_rows": n_rows, **middle, "ratio": ratio, "target": target}
            )
    return found


def _in_a_process(task: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, "--task", json.dumps(task)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"} if "make" in task else None,
    )
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else {}


# -- In a process of its own ---------------------------------------------------------------------


def table(n: int, seed: int) -> Any:
    """Make customers as a model looks at them."""
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng(seed)
    ids = pa.array(np.arange(n) + seed * 10_000_000).cast(pa.string())
    segments = pa.array(["small", "middle", "large"]).take(pa.array(rng.integers(0, 3, n)))
    plans = pa.array(["free", "basic", "team", "firm"]).take(pa.array(rng.integers(0, 4, n)))
    columns = [
        ids,
        pa.array(rng.integers(0, 11, n).astype(float)),
        pa.array(rng.gamma(4.0, 25.0, n).round(2)),
        pa.array(rng.gamma(4.0, 25.0, n).round(2)),
        pa.array(rng.poisson(1.0, n).astype(float)),
        pa.array(rng.uniform(30, 2_000, n).round(2)),
        segments,
        plans,
    ]
    return pa.table(dict(zip(COLUMNS, columns, strict=True)))


def make(n_rows: int, folder: Path) -> None:
    """Write the input, and two models fitted to a few thousand rows of its kind."""
    import numpy as np
    import pyarrow.parquet as pq

    from cxmodel.models.churn.model import ChurnModel
    from cxmodel.tables.observation_table import Observations, Windows

    part = min(n_rows, 1_000_000)
    with pq.ParquetWriter(folder / "in.parquet", table(1, 0).schema) as writer:
        for i in range(n_rows // part):
            writer.write_table(table(part, i + 1))
    frame = table(3_000, 0).to_pandas()
    log_odds = -0.3 * (frame["rating"] - 5) + 0.4 * (frame["plan"] == "free") - 1.0
    drawn = np.random.default_rng(1).random(len(frame))
    frame["churned"] = (drawn < 1 / (1 + np.exp(-log_odds))).astype(float)
    frame["outcome_complete"] = True
    obs = Observations(
        frame=frame, windows=Windows(), churn_rule="churned_at", attributes=("segment", "plan")
    )
    for name, method in (("linear", "logistic"), ("trees", "gradient_boosting")):
        ChurnModel(method=method).fit(obs).save(folder / f"{name}.json")  # type: ignore[arg-type]


def make_csv(folder: Path) -> None:
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    file = pq.ParquetFile(folder / "in.parquet")
    with pa_csv.CSVWriter(folder / "in.csv", file.schema_arrow) as writer:
        for batch in file.iter_batches():
            writer.write_batch(batch)


def run(step: str, folder: Path) -> dict[str, float]:
    import pyarrow.parquet as pq

    import cxmodel as cx
    from cxmodel.scoring.batches import BATCH_ROWS, score_file

    source = folder / ("in.csv" if step == "csv" else "in.parquet")
    model = None
    if step != "read and write":
        model = cx.load_model(folder / f"{'trees' if step == 'trees' else 'linear'}.json")
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    if model is None:
        file = pq.ParquetFile(source)
        with pq.ParquetWriter(folder / "out.parquet", file.schema_arrow) as writer:
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                writer.write_batch(batch)
    else:
        score_file(model, str(source), folder / "out.parquet")
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu": cpu, "wall": wall, "peak_mb": _peak_mb(after.ru_maxrss / 1024)}


def _peak_mb(otherwise: float) -> float:
    """Read the most memory of this very program: `ru_maxrss` is never below that of its parent."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    found = [line for line in lines if line.startswith("VmHWM:")]
    return int(found[0].split()[1]) / 1024 if found else otherwise


def work(task: dict[str, Any]) -> None:
    folder = Path(task["folder"])
    if "make" in task:
        make(task["make"], folder)
    elif "csv" in task:
        make_csv(folder)
    else:
        print(json.dumps(run(task["step"], folder)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} rows, to try it out")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        work(json.loads(options.task))
        return
    heads = {"cpu s": 8, "wall s": 8, "peak MB": 9, "ratio": 7, "most": 6}
    print(f"{'rows':>11}  {'step':<16}" + "".join(f"{h:>{w}}" for h, w in heads.items()))
    n_rows = QUICK if options.quick else FULL
    for row in measure(n_rows, repeat=options.repeat):
        most = "" if row["target"] is None else f"{row['target']:g}x"
        print(
            f"{row['n_rows']:>11,}  {row['step']:<16}{row['cpu']:>8.2f}{row['wall']:>8.2f}"
            f"{row['peak_mb']:>9.0f}{row['ratio']:>7.2f}{most:>6}"
        )


if __name__ == "__main__":
    main()

"""What it costs to fit repeated purchases, beside lifetimes and pymc-marketing.

    python benchmarks/cltv_purchases.py [--quick] [--environments DIR]

BG/NBD on customers simulated to be like the CDNOW sample (or on the sample itself where
``CXMODEL_DATA`` holds it), then on 100,000 and a million. lifetimes breaks on pandas 3 and
pymc-marketing brings a compiler: each lives in an environment of its own, made once in
`environments` (a temporary folder unless told otherwise) and used again. Time is CPU time of the
fit alone, all threads together, without the import of libraries, the best of the runs: for
pymc-marketing that is a run whose compiled code was already there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

TRUTH = (0.2426, 4.4136, 0.7929, 2.4259)
CDNOW_CUSTOMERS = 2357
NEEDS = {
    "lifetimes": ["pandas<3", "numpy<2.4", "lifetimes"],
    "pymc-marketing": ["pymc-marketing>=0.19"],
}
PEERS = {
    "lifetimes": """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import pandas as pd
from lifetimes import BetaGeoFitter
rows = pd.read_csv(sys.argv[1])
best = float("inf")
for _ in range(int(sys.argv[2])):
    begun = time.process_time()
    fit = BetaGeoFitter().fit(rows.frequency, rows.recency, rows["T"])
    best = min(best, time.process_time() - begun)
print(json.dumps({"seconds": best, "parameters": [float(v) for v in fit.params_.values]}))
""",
    "pymc-marketing": """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import pandas as pd
from pymc_marketing.clv import BetaGeoModel
rows = pd.read_csv(sys.argv[1])
rows["customer_id"] = range(len(rows))
best = float("inf")
for _ in range(int(sys.argv[2])):
    begun = time.process_time()
    model = BetaGeoModel()
    model.fit(data=rows, method="map", progressbar=False)
    best = min(best, time.process_time() - begun)
values = [float(model.idata.posterior[n].to_numpy().ravel()[0]) for n in ("r", "alpha", "a", "b")]
print(json.dumps({"seconds": best, "parameters": values}))
""",
}


def simulate(n: int, seed: int, weeks: float = 39.0) -> pd.DataFrame:
    """Simulate customers of a BG/NBD whose purchases fall on days, in weeks, a column at a time."""
    rng = np.random.default_rng(seed)
    r, alpha, a, b = TRUTH
    rate, stop = rng.gamma(r, 1 / alpha, n), rng.beta(a, b, n)
    age = np.floor(7 * weeks - rng.integers(0, 84, n))
    x, last = np.zeros(n), np.zeros(n)
    at, active = np.zeros(n), np.arange(n)
    while active.size:
        with np.errstate(divide="ignore"):
            at[active] += 7 * rng.exponential(1.0, active.size) / rate[active]
        active = active[at[active] < age[active]]
        day = np.floor(at[active]) + 1
        x[active] += day > last[active]
        last[active] = day
        active = active[rng.random(active.size) > stop[active]]
    return pd.DataFrame({"frequency": x, "recency": np.minimum(last, age) / 7, "T": age / 7})


def cdnow() -> tuple[pd.DataFrame, str]:
    """Read the CDNOW sample, or simulate customers like it."""
    path = Path(os.environ.get("CXMODEL_DATA", "../shared/data")) / "cdnow" / "CDNOW_sample.txt"
    if not path.is_file():
        return simulate(CDNOW_CUSTOMERS, 1), "customers like CDNOW"
    names = ["master_id", "id", "date", "n_cds", "dollars"]
    rows = pd.read_csv(path, sep=r"\s+", header=None, names=names, dtype={"date": str})
    rows["date"] = pd.to_datetime(rows["date"])
    end = pd.Timestamp("1997-09-30")
    days = rows[rows.date <= end].drop_duplicates(["id", "date"]).groupby("id").date
    first, last, count = days.min(), days.max(), days.count()
    return pd.DataFrame(
        {
            "frequency": count - 1.0,
            "recency": (last - first).dt.days / 7,
            "T": (end - first).dt.days / 7,
        }
    ), "CDNOW"


def ours(rows: pd.DataFrame, repeat: int) -> dict[str, Any]:
    import cxmodel as cx

    best = np.inf
    for _ in range(repeat):
        begun = time.process_time()
        fit = cx.PurchaseModel(family="bg_nbd").fit(rows)
        best = min(best, time.process_time() - begun)
    return {"seconds": best, "parameters": list(fit.parameters.values())}


def ledger_to_fit(rows: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Write a ledger to a Parquet file, summarise it on the engine, and fit."""
    import cxmodel as cx

    rng = np.random.default_rng(seed)
    start = np.datetime64("2026-01-01")
    n = rows.frequency.to_numpy().astype(int) + 1
    who = np.repeat(np.arange(len(rows)), n)
    born = np.repeat(273 - np.round(rows["T"].to_numpy() * 7).astype(int), n)
    reach = np.repeat(np.round(rows.recency.to_numpy() * 7).astype(int), n)
    place = np.arange(len(who)) - np.repeat(np.cumsum(n) - n, n)
    day = born + np.where(place == 0, 0, np.where(place == 1, reach, rng.integers(1, reach + 2)))
    day = np.minimum(day, born + reach)
    frame = pd.DataFrame(
        {
            "customer_id": pd.Series(who).astype(str),
            "booked_at": start + day.astype("timedelta64[D]"),
            "amount": np.round(rng.gamma(4.0, 9.0, len(who)), 2),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.parquet"
        frame.to_parquet(path)
        # once before, on a few rows, so that libraries are loaded
        cx.summarize_purchases(cx.read_revenue(frame.head(100), currency="USD"))
        begun, cpu = time.perf_counter(), time.process_time()
        revenue = cx.read_revenue(str(path), currency="USD")
        rfm = cx.summarize_purchases(revenue, as_of="2026-10-01", unit_days=7)
        fit = cx.PurchaseModel().fit(rfm)
        whole, wall = time.process_time() - cpu, time.perf_counter() - begun
    values = list(fit.parameters.values())
    return {"seconds": whole, "wall": wall, "parameters": values, "n_bookings": len(who)}


def environment(name: str, folder: Path) -> Path:
    """Make the environment of a peer where there is none yet, and give its Python."""
    home = folder / name
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (home / "ready").is_file():
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *NEEDS[name]], check=True)
        (home / "ready").touch()
    return python


def peer(name: str, rows: pd.DataFrame, repeat: int, folder: Path) -> dict[str, Any]:
    """Time a peer, or say why it could not be."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "rows.csv"
        rows[["frequency", "recency", "T"]].to_csv(path, index=False)
        try:
            python = environment(name, folder)
            command = [str(python), "-c", PEERS[name], str(path), str(repeat)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        except (subprocess.CalledProcessError, OSError) as error:
            said = getattr(error, "stderr", "") or str(error)
            return {"failed": said.strip().splitlines()[-1][:120]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def rows(quick: bool, environments: Path | None = None) -> list[dict[str, Any]]:
    """Measure all of it.

    Parameters
    ----------
    quick : bool
        Without pymc-marketing, and with 100,000 customers for a million.
    environments : Path, optional
        Where the peers' environments are kept.

    Returns
    -------
    list of dict
        ``what, n_customers, step, seconds, parameters``, and of a peer ``ratio`` (its time over
        ours) and ``target`` (what the ratio must reach); ``failed`` where there is no time.
    """
    folder = environments or Path(tempfile.gettempdir()) / "cxmodel-benchmark-environments"
    folder.mkdir(parents=True, exist_ok=True)
    small, what = cdnow()
    found = _compare(what, small, {"lifetimes": 1.0, "pymc-marketing": 5.0}, 5, folder, quick)
    if not quick:
        many = simulate(100_000, 2)
        found += _compare("100,000 customers", many, {"pymc-marketing": None}, 1, folder, quick)
    most = simulate(100_000 if quick else 1_000_000, 3)
    head = {"what": f"{len(most):,} customers", "n_customers": len(most)}
    found.append({**head, "step": "cxmodel, from histories", **ours(most, 1)})
    found.append({**head, "step": "cxmodel, from a ledger", **ledger_to_fit(most, 4)})
    return found


def _compare(
    what: str,
    data: pd.DataFrame,
    targets: dict[str, float | None],
    repeat: int,
    folder: Path,
    quick: bool,
) -> list[dict[str, Any]]:
    head = {"what": what, "n_customers": len(data)}
    mine = ours(data, repeat)
    found: list[dict[str, Any]] = [{**head, "step": "cxmodel", **mine}]
    for name, target in targets.items():
        if quick and name == "pymc-marketing":
            continue
        theirs = peer(name, data, min(repeat, 2 if name == "pymc-marketing" else 5), folder)
        row = {**head, "step": name, **theirs, "target": target}
        if "seconds" in theirs:
            row["ratio"] = theirs["seconds"] / mine["seconds"]
        found.append(row)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--environments", type=Path)
    options = parser.parse_args()
    for row in rows(options.quick, options.environments):
        time_taken = f"{row['seconds']:10.3f} s" if "seconds" in row else f"failed: {row['failed']}"
        ratio = f"{row['ratio']:10.1f} times ours" if "ratio" in row else ""
        target = f" (target {row['target']:g})" if row.get("target") else ""
        values = " ".join(f"{value:.4f}" for value in row.get("parameters", []))
        print(f"{row['what']:<22}{row['step']:<26}{time_taken}{ratio}{target}   {values}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

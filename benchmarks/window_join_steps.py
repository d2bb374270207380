"""The steps of ``window_join.py``: the data, and the same work in four ways.

Each step runs in a process of its own, which this file begins: ``python window_join_steps.py TASK``
with a task as JSON, and prints what the step found and took.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

DAYS = 180
BEGIN, SPAN_DAYS = "2023-01-01", 1_096
COLUMNS = ["customer_id", "booked_at", "amount_units"]


# -- Data ------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Bookings and responses to be made: how many, of whom, in which order."""

    name: str
    n_rows: int
    n_responses: int
    n_customers: int
    in_order: bool = False
    big_account: float = 0.0

    @property
    def stem(self) -> str:
        """Begin the names of the files."""
        words = self.name.replace(",", "").replace("%", "").split()
        return "_".join([*words, str(self.n_rows)])

    def paths(self, folder: Path) -> tuple[Path, Path]:
        """Name the file of bookings and the file of responses."""
        bookings = folder / f"{self.stem}_bookings.parquet"
        return bookings, folder / f"{self.stem}_responses.parquet"


def data_sets(n_rows: int, n_large: int) -> list[DataSet]:
    """List what is measured; customers have 100 bookings on average, some far more."""
    base = {"n_rows": n_rows, "n_responses": n_rows * 3 // 200}
    return [
        DataSet(name="in order", n_customers=n_rows // 100, in_order=True, **base),
        DataSet(name="unsorted", n_customers=n_rows // 100, **base),
        DataSet(name="one account 10%", n_customers=n_rows // 100, big_account=0.1, **base),
        DataSet(name="20 customers", n_customers=20, **base),
        DataSet(
            name="in order, large",
            n_rows=n_large,
            n_responses=n_large // 50,
            n_customers=n_large // 100,
            in_order=True,
        ),
    ]


def make(data: DataSet, folder: Path, seed: int) -> None:
    """Write both files; numbers come from a hash of the row, so that the same seed repeats them."""
    import duckdb

    def uniform(stream: int) -> str:
        return f"(hash(i * 16 + {stream} + {seed} * 10000000000000) / 18446744073709551616.0)"

    def customer(share: str) -> str:
        # The power makes some customers book more than others; the first may hold a fixed share.
        others = f"floor({data.n_customers} * pow({share}, 1.5))"
        if data.big_account:
            others = f"CASE WHEN {uniform(4)} < {data.big_account} THEN 0 ELSE {others} END"
        number = f"least({others}, {data.n_customers - 1})::BIGINT"
        return f"'C' || lpad(({number})::VARCHAR, 7, '0') AS customer_id"

    def at(name: str) -> str:
        microseconds = f"({uniform(2)} * {SPAN_DAYS} * 86400000000)::BIGINT"
        return f"TIMESTAMP '{BEGIN}' + to_microseconds({microseconds}) AS {name}"

    share = f"((i + 0.5) / {data.n_rows})" if data.in_order else uniform(1)
    amount = f"(pow({uniform(3)}, 3) * 5000000)::BIGINT AS amount_units"
    bookings, responses = data.paths(folder)
    connection = duckdb.connect(config={"preserve_insertion_order": data.in_order})
    connection.execute(
        f"COPY (SELECT {customer(share)}, {at('booked_at')}, {amount} "
        f"FROM range({data.n_rows}) t(i)) TO '{bookings}' (FORMAT parquet)"
    )
    seed += 1
    connection.execute(
        f"COPY (SELECT i AS row_number, {customer(uniform(1))}, {at('responded_at')} "
        f"FROM range({data.n_responses}) t(i)) TO '{responses}' (FORMAT parquet)"
    )


# -- Steps: each runs in a process of its own ------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a step found: a number that tells equal answers, and the plan with its reason."""

    digest: int | None
    note: str = ""


def scan(bookings: Path, _: Path) -> Callable[[], Answer]:
    import duckdb

    def work() -> Answer:
        sums = "min(customer_id), max(customer_id), min(booked_at), max(booked_at)"
        duckdb.sql(f"SELECT {sums}, sum(amount_units) FROM '{bookings}'").fetchall()
        return Answer(digest=None)

    return work


def window_plan(
    plan: str, bookings: Path, responses: Path, *, all_totals: bool, spill: Path | None
) -> Callable[[], Answer]:
    from cxmodel.tables.engines.engine import Engine, connect
    from cxmodel.tables.joining.observation_join import revenue_totals
    from cxmodel.tables.observation_table import Windows
    from cxmodel.tables.plan_choice import PlanChoice, choose_plan
    from cxmodel.tables.window_sums import totals_in_windows
    from cxmodel.tables.windows import Total, after, before

    plans = {
        "range": PlanChoice(plan="range"),
        "stack": PlanChoice(plan="stack"),
        "stack by hour": PlanChoice(plan="stack", step="hour"),
        "mixed by hour": PlanChoice(plan="mixed", step="hour"),
    }
    windows = Windows(lookback_days=DAYS, outcome_days=DAYS)
    totals = [
        Total(name="before", window=before(windows), value="amount_units"),
        Total(name="after", window=after(windows), value="amount_units"),
    ]
    if all_totals:
        totals = revenue_totals(windows, "booked", "amount_units")
    names = [total.name for total in totals]
    first, last = names[0], names[1 if not all_totals else 3]
    engine = Engine()
    if spill is not None:
        engine = Engine(memory_limit="1GB", temp_directory=str(spill))
    session = connect(engine)
    # The first answer imports what answers are made of.
    session.one_row(session.query("SELECT 1 AS one"))

    def work() -> Answer:
        rows, asked = (session.view(session.parquet([str(p)])) for p in (bookings, responses))
        choice = choose_plan(session, asked, rows) if plan == "planner" else plans[plan]
        kept = session.keep(totals_in_windows(asked, rows, totals, at="booked_at", plan=choice))
        _MEASURED.append(Use.so_far())
        words = kept.row_number % 1009 + 1
        digest = (((kept[first] + 3 * kept[last]) % 1_000_003) * words).sum()
        found = session.one_row(kept.aggregate(digest=digest))["digest"]
        session.close()
        return Answer(digest=int(found), note=choice.reason)

    return work


def polars_join(bookings: Path, responses: Path) -> Callable[[], Answer]:
    import polars as pl

    def work() -> Answer:
        length, at, t = pl.duration(days=DAYS), pl.col("booked_at"), pl.col("responded_at")
        amount = pl.col("amount_units")
        found = (
            pl.scan_parquet(bookings)
            .join(pl.scan_parquet(responses), on="customer_id")
            .filter(at >= t - length, at <= t + length)
            .group_by("row_number")
            .agg(
                before=amount.filter(at < t).sum(),
                after=amount.filter(at > t).sum(),
            )
            .collect(engine="streaming")
        )
        _MEASURED.append(Use.so_far())
        return Answer(digest=_digest(found["row_number"], found["before"], found["after"]))

    return work


def polars_asof(bookings: Path, responses: Path) -> Callable[[], Answer]:
    import polars as pl

    def work() -> Answer:
        running = (
            pl.scan_parquet(bookings)
            .sort("booked_at")
            .with_columns(running=pl.col("amount_units").cum_sum().over("customer_id"))
            .select("customer_id", "booked_at", "running")
            .collect()
        )
        asked = pl.read_parquet(responses)

        def up_to(days: int, *, holds_its_instant: bool) -> pl.Series:
            ends = asked.select(
                "row_number",
                "customer_id",
                end_at=pl.col("responded_at") + pl.duration(days=days),
            ).sort("end_at")
            found = ends.join_asof(
                running,
                left_on="end_at",
                right_on="booked_at",
                by="customer_id",
                allow_exact_matches=holds_its_instant,
                check_sortedness=False,
            )
            return found.sort("row_number")["running"].fill_null(0)

        before = up_to(0, holds_its_instant=False) - up_to(-DAYS, holds_its_instant=False)
        after = up_to(DAYS, holds_its_instant=True) - up_to(0, holds_its_instant=True)
        _MEASURED.append(Use.so_far())
        return Answer(digest=_digest(asked["row_number"].sort(), before, after))

    return work


def pandas_asof(bookings: Path, responses: Path) -> Callable[[], Answer]:
    import pandas as pd

    def work() -> Answer:
        rows = pd.read_parquet(bookings, columns=COLUMNS).sort_values("booked_at")
        rows["running"] = rows.groupby("customer_id")["amount_units"].cumsum()
        rows = rows.drop(columns="amount_units")
        asked = pd.read_parquet(responses).sort_values("responded_at")

        def up_to(days: int, *, holds_its_instant: bool) -> pd.Series:
            ends = asked.assign(end_at=asked["responded_at"] + pd.Timedelta(days=days))
            found = pd.merge_asof(
                ends,
                rows,
                left_on="end_at",
                right_on="booked_at",
                by="customer_id",
                allow_exact_matches=holds_its_instant,
            )
            return found["running"].fillna(0).astype("int64")

        before = up_to(0, holds_its_instant=False) - up_to(-DAYS, holds_its_instant=False)
        after = up_to(DAYS, holds_its_instant=True) - up_to(0, holds_its_instant=True)
        _MEASURED.append(Use.so_far())
        return Answer(digest=_digest(asked["row_number"], before, after))

    return work


def _digest(row_number: Any, before: Any, after: Any) -> int:
    import numpy as np

    n, b, a = (np.asarray(column, dtype=np.int64) for column in (row_number, before, after))
    return int((((b + 3 * a) % 1_000_003) * (n % 1009 + 1)).sum())


@dataclass(frozen=True, kw_only=True)
class Use:
    """Seconds of CPU and of wall, and peak MB, of this process."""

    cpu: float
    wall: float
    peak_mb: float

    @staticmethod
    def so_far() -> Use:
        """Ask the system."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        unit = 1024**2 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes on macOS
        cpu = used.ru_utime + used.ru_stime
        return Use(cpu=cpu, wall=time.perf_counter(), peak_mb=used.ru_maxrss / unit)


_MEASURED: list[Use] = []
"""When the answer was there: what comes after only compares it."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One row of the table: what is done, and on which files."""

    name: str
    all_totals: bool = False
    spills: bool = False

    @property
    def shown(self) -> str:
        """Name the step as the table does."""
        extra = ", all totals" if self.all_totals else ""
        return self.name + extra + (", 1 GB limit" if self.spills else "")

    def prepare(self, bookings: Path, responses: Path, spill: Path | None) -> Callable[[], Answer]:
        """Import what the step needs, and give what is left to do."""
        peers = {
            "scan": scan,
            "polars join": polars_join,
            "polars join_asof": polars_asof,
            "pandas merge_asof": pandas_asof,
        }
        if self.name in peers:
            return peers[self.name](bookings, responses)
        return window_plan(self.name, bookings, responses, all_totals=self.all_totals, spill=spill)


def limit_to(*, max_gb: float, cpu_seconds: float) -> None:
    """Have the system end this process when it takes more; memory is limited on Linux alone."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_seconds), int(cpu_seconds) + 5))
    if sys.platform == "linux":
        n_bytes = int(max_gb * 1024**3)
        resource.setrlimit(resource.RLIMIT_DATA, (n_bytes, n_bytes))


def run_step(task: dict[str, Any]) -> None:
    """Do one step in this process and print what it took as JSON."""
    limit_to(max_gb=task["max_gb"], cpu_seconds=task["time_limit"])
    spill = Path(task["spill"]) if task["spill"] else None
    work = Step(**task["step"]).prepare(Path(task["bookings"]), Path(task["responses"]), spill)
    begin = Use.so_far()
    try:
        answer = work()
    except MemoryError:
        raise SystemExit("out of memory") from None
    end = _MEASURED[0] if _MEASURED else Use.so_far()
    used = {"cpu": end.cpu - begin.cpu, "wall": end.wall - begin.wall, "peak_mb": end.peak_mb}
    print(json.dumps(asdict(answer) | used))


if __name__ == "__main__":
    run_step(json.loads(sys.argv[1]))

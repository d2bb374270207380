"""The steps of ``lift.py``, each run in a process of its own: ``python lift_steps.py JSON``."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CATEGORICAL = ("rating", "segment", "plan", "region", "month")
CONTINUOUS = ("rating", "segment", "tenure_days", "revenue_before")
EIGHT = ("rating", "segment", *(f"x{i}" for i in range(1, 9)))
BY_CUSTOMER = ("rating", "segment", "plan")
HEAVY = ("statsmodels", "sklearn", "matplotlib")

# What each fit reads, outcome first, and how the scan beside it reads the same.
READS: dict[str, tuple[str, ...]] = {
    "OLS HC1, categorical": ("revenue_after", *CATEGORICAL),
    "logit, categorical": ("stayed", *CATEGORICAL),
    "OLS HC1, continuous": ("revenue_after", *CONTINUOUS),
    "logit, continuous": ("stayed", *CONTINUOUS),
    "logit, 8 continuous": ("stayed", *EIGHT),
    "OLS by customer": ("revenue_after", *BY_CUSTOMER, "customer_id"),
}
TEXT = ("segment", "plan", "region")
# Months have a level each; the rating has a slope.
SETTINGS: dict[str, dict[str, Any]] = {
    "OLS HC1, categorical": {"categories": ["month"]},
    "logit, categorical": {"categories": ["month"], "family": "logit"},
    "OLS HC1, continuous": {},
    "logit, continuous": {"family": "logit"},
    "logit, 8 continuous": {"family": "logit"},
    "OLS by customer": {"customer": "customer_id"},
}


def make(path: Path, n_rows: int) -> None:
    """Write observations to a Parquet file; about three to a customer, the slope is 12.5."""
    import duckdb

    def u(salt: int) -> str:
        return f"((hash(i * 2654435761 + {salt}) >> 11) / 9007199254740992.0)"

    rating = f"least(10, floor(11 * sqrt({u(1)})))::TINYINT"
    noise = f"(100 * (-ln(1 - 0.999999 * {u(2)})) * ({u(3)} - 0.3))"
    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(
        f"""
        COPY (
            SELECT
                hash(i * 11 + 5) % {max(n_rows // 3, 2)} AS key,
                ('c' || key)::VARCHAR AS customer_id,
                {rating} AS rating,
                list_extract(['small', 'medium', 'large'], 1 + floor(3 * {u(4)})::INT) AS segment,
                list_extract(['basic', 'plus', 'pro', 'team'], 1 + floor(4 * {u(5)})::INT) AS plan,
                list_extract(['north', 'east', 'south', 'west', 'centre'],
                    1 + floor(5 * {u(6)})::INT) AS region,
                floor(12 * {u(7)})::TINYINT AS month,
                2000 * {u(8)} AS tenure_days,
                {", ".join(f"{u(20 + i)} + {u(30 + i)} AS x{i}" for i in range(1, 9))},
                exp(3 + 2 * {u(9)} + 2 * {u(10)}) AS revenue_before,
                round(10000 * (200 + 12.5 * rating + {noise}))::BIGINT AS revenue_after,
                {u(12)} < 0.6 + 0.03 * rating AS stayed
            FROM range({n_rows}) t(i)
        ) TO '{path}' (FORMAT PARQUET)
        """
    )


def scan(path: Path, name: str) -> Callable[[], dict[str, Any]]:
    """Read every value of the columns, and do no more with them than the cheapest aggregate."""
    import duckdb

    def work() -> dict[str, Any]:
        sums = ", ".join(
            f"max({c})" if c in TEXT or c == "customer_id" else f"sum({c})" for c in READS[name]
        )
        duckdb.connect().execute(f"SELECT {sums} FROM '{path}'").fetchall()
        return {}

    return work


def ours(path: Path, name: str) -> Callable[[], dict[str, Any]]:
    """Fit from moments."""
    import ibis.backends.duckdb
    import ibis.formats.pandas  # noqa: F401
    import pyarrow.pandas_compat  # noqa: F401

    import cxmodel.models.moments.fitting  # noqa: F401
    from cxmodel.models.moments.regression import MomentsRegression
    from cxmodel.tables.engines.engine import Engine, connect

    columns = [c for c in READS[name][1:] if c != "customer_id"]
    model = MomentsRegression(outcome=READS[name][0], explained_by=columns, **SETTINGS[name])

    def work() -> dict[str, Any]:
        with connect(Engine()) as session:
            fit = model.fit(session.parquet([str(path)]))
        one = fit.estimate("rating")
        return {"estimate": one.estimate, "std_error": one.std_error, "note": fit.route.reason}

    return work


def statsmodels(path: Path, name: str) -> Callable[[], dict[str, Any]]:
    """Read the file and fit a formula on the rows; its logit's HC1 has the factor of HC0."""
    import pandas as pd
    import pyarrow.parquet as pq
    import statsmodels.formula.api as smf

    def work() -> dict[str, Any]:
        frame = pq.read_table(path, columns=list(READS[name])).to_pandas()
        formula = f"{READS[name][0]} ~ {_said(name)}"
        frame[READS[name][0]] = frame[READS[name][0]].astype(float)
        if "family" in SETTINGS[name]:
            fit = smf.logit(formula, frame).fit(disp=0, cov_type="HC1")
        elif "customer" in SETTINGS[name]:
            codes = pd.factorize(frame["customer_id"])[0]
            fit = smf.ols(formula, frame).fit(cov_type="cluster", cov_kwds={"groups": codes})
        else:
            fit = smf.ols(formula, frame).fit(cov_type="HC1")
        return {"estimate": float(fit.params["rating"]), "std_error": float(fit.bse["rating"])}

    return work


def pyfixest(path: Path, name: str) -> Callable[[], dict[str, Any]]:
    """Read the file and fit on the rows with pyfixest."""
    import pyarrow.parquet as pq
    import pyfixest as pf

    def work() -> dict[str, Any]:
        frame = pq.read_table(path, columns=list(READS[name])).to_pandas()
        frame[READS[name][0]] = frame[READS[name][0]].astype(float)
        levels = [*TEXT, *SETTINGS[name].get("categories", [])]
        columns = [c for c in READS[name][1:] if c != "customer_id"]
        # Levels as fixed effects, which it absorbs: the way in which it is fastest.
        slopes = " + ".join(c for c in columns if c not in levels)
        absorbed = " + ".join(c for c in columns if c in levels)
        formula = f"{READS[name][0]} ~ {slopes} | {absorbed}"
        if "family" in SETTINGS[name]:
            fit = pf.feglm(formula, frame, family="logit", vcov="HC1")
        elif "customer" in SETTINGS[name]:
            fit = pf.feols(formula, frame, vcov={"CRV1": "customer_id"})
        else:
            fit = pf.feols(formula, frame, vcov="HC1")
        return {
            "estimate": float(fit.coef()["rating"]),
            "std_error": float(fit.se()["rating"]),
        }

    return work


def _said(name: str) -> str:
    """Write the columns that explain as a formula."""
    levels = [*TEXT, *SETTINGS[name].get("categories", [])]
    columns = [c for c in READS[name][1:] if c != "customer_id"]
    return " + ".join(f"C({c})" if c in levels else c for c in columns)


STEPS = {"scan": scan, "cxmodel": ours, "statsmodels": statsmodels, "pyfixest": pyfixest}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    task = json.loads(sys.argv[1])
    path = Path(task["path"])
    if task["step"] == "make":
        make(path, task["n_rows"])
        return
    work = STEPS[task["step"]](path, task["fit"])
    before, begin = time.process_time(), time.perf_counter()
    found = work()
    found["cpu"], found["wall"] = time.process_time() - before, time.perf_counter() - begin
    found["peak_mb"] = _peak_mb()
    found["loaded"] = [module for module in HEAVY if module in sys.modules]
    print(json.dumps(found))


if __name__ == "__main__":
    main()

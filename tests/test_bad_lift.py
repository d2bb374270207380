"""Data of which no lift can be had, through the command: a reason with numbers, no traceback."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from company import Company

from cxmodel.cli import main

Change = Callable[[Company], None]


def control(name: str, make: Callable[[Company], object]) -> Change:
    """Give customers one more attribute, which is held equal unless something speaks against it."""

    def change(company: Company) -> None:
        company.tables["customers"] = company.tables["customers"].assign(**{name: make(company)})
        company.replace('attributes = ["segment"', f'attributes = ["segment", "{name}"')

    return change


def column(table: str, name: str, make: Callable[[Company], object]) -> Change:
    def change(company: Company) -> None:
        company.tables[table] = company.tables[table].assign(**{name: make(company)})

    return change


def ratings(company: Company) -> np.ndarray:
    return company.tables["surveys"]["recommend"].to_numpy()


def days_after(days: int) -> Callable[[Company], object]:
    def make(company: Company) -> object:
        answered = pd.to_datetime(company.tables["surveys"].answered_at)
        return (answered + pd.Timedelta(days=days)).dt.strftime("%Y-%m-%d")

    return make


def nothing_after(company: Company) -> None:
    """Nobody books after the answer, and nobody leaves."""
    company.tables["customers"]["cancelled"] = None
    ledger = company.tables["transactions"]
    answered = company.tables["surveys"].set_index("cust").answered_at
    company.tables["transactions"] = ledger[ledger.paid_at < ledger.cust.map(answered)]


def more_columns_than_rows(company: Company) -> None:
    company.tables = {
        name: table[table.iloc[:, 0].isin([f"C{i:04d}" for i in range(90)])]
        for name, table in company.tables.items()
    }
    names = [f"a{i}" for i in range(100)]
    draws = np.random.default_rng(1).normal(size=(90, 100)).round(3)
    wide = pd.DataFrame(draws, columns=names, index=company.tables["customers"].index)
    company.tables["customers"] = company.tables["customers"].join(wide)
    company.replace('attributes = ["segment"]', f"attributes = {json.dumps(names)}")
    company.replace('by = ["segment"]', "")


REFUSED: dict[str, tuple[Change, str]] = {
    "one rating": (column("surveys", "recommend", lambda c: 7), r"500 responses gave the rating 7"),
    "one cluster": (column("surveys", "cust", lambda c: "C0001"), r"responses are of 1 customer"),
    "more columns than rows": (more_columns_than_rows, r"90 responses for 90 terms"),
    "nothing after": (
        nothing_after,
        r"Revenue follows 0 of 500 responses.*0 churn events and 500 without one",
    ),
    "a control of later": (
        control("called", days_after(3)),
        r"LeakageError: control 'called' is dated after the response in 500 rows",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_gives_no_lift_is_said(
    name: str, company: Company, capsys: pytest.CaptureFixture[str]
) -> None:
    change, message = REFUSED[name]
    change(company)
    out = company.folder / "out"
    arguments = ["run", str(company.write()), "--out", str(out), "--report", "none", "--quiet"]
    assert main([*arguments, "--only", "lift"]) == 2
    said = capsys.readouterr().err
    assert re.search(message, said, flags=re.S), said
    assert "Traceback" not in said
    assert not out.exists()


def run(company: Company) -> dict[str, Any]:
    out = company.folder / "out"
    arguments = ["run", str(company.write()), "--out", str(out), "--report", "none", "--quiet"]
    assert main([*arguments, "--only", "lift,checks,evidence"]) == 0
    results: dict[str, Any] = json.loads((out / "results.json").read_text())
    return results


def test_controls_that_hold_nothing_equal_leave_the_number_as_it_was(company: Company) -> None:
    company.tables = {
        name: table[table.iloc[:, 0] < "C0250"] for name, table in company.tables.items()
    }
    # an attribute that repeats the rating may well tell who answers: here nobody is weighted
    company.toml += '\n[response]\npopulation = "none"\n'
    sound = run(company)
    odd = np.arange(250) % 2 == 1
    draws = np.random.default_rng(2).normal(size=250)
    control("same", lambda c: 3)(company)
    control("half", lambda c: np.where(odd, np.nan, draws))(company)
    control("answer", ratings)(company)
    found = run(company)
    for outcome in ("revenue", "retention"):
        for term in ("per_rating_point", "additive_per_rating_point"):
            was, now = sound["lift"][outcome][term], found["lift"][outcome][term]
            assert now["estimate"] == pytest.approx(was["estimate"], rel=1e-9)
            assert now["std_error"] == pytest.approx(was["std_error"], rel=1e-9)
    said = " ".join(found["caveats"]["rows"])
    assert "same is left out: it is 3 in every row." in said
    assert "half is left out: it is missing in 50% of the rows." in said
    assert "Left out because it repeats the rating: answer." in said


def test_ratings_that_tell_who_leaves_have_levels_and_no_slope(company: Company) -> None:
    leaves = pd.Series(days_after(40)(company)).where(ratings(company) < 6)
    company.tables["customers"]["cancelled"] = leaves
    found = run(company)
    retention = found["lift"]["retention"]
    assert "separated" in retention["per_rating_point"]["reason"]
    levels = {row["rating"]: row["estimate"] for row in retention["by_rating"]["rows"]}
    assert levels[5] == 0
    assert levels[8] == 1
    checks = found["checks"]["rows"]
    verdict = {row["name"]: row["verdict"] for row in checks if row["outcome"] == "retention"}
    assert verdict["separation"] == "fail"
    assert found["evidence"]["by_outcome"]["retention"]["grade"] == "association"

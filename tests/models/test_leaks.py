"""The leak alarm: by hand, on the IBM Telco file, and what it must leave alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from cxmodel.errors import LeakageError
from cxmodel.models.leaks import (
    as_numbers,
    decile_codes,
    examine_rating,
    find_leaks,
    pure_share,
    refuse_later_dates,
)


def _outcome(n: int = 1_000, rate: float = 0.2, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random(n) < rate).astype(float)


# -- by hand ---------------------------------------------------------------------------------


def test_pure_share_counts_only_levels_that_should_hold_ten():
    # 100 rows, 20 events. Level 1: 50 rows without an event, 10 expected: counts.
    # Level 2: 40 rows with 20 events. Level 3: 10 rows without one, 2 expected: does not count.
    codes = np.repeat([1, 2, 3], [50, 40, 10])
    happened = np.concatenate([np.zeros(50), np.tile([0.0, 1.0], 20), np.zeros(10)])
    assert pure_share(codes, happened) == 0.5


def test_a_reason_that_only_leavers_have_is_a_leak():
    outcome = _outcome()
    reason = np.where(outcome == 1, "moved", None)
    report = find_leaks(pd.DataFrame({"reason": reason}), outcome, columns=["reason"])
    (leak,) = report.leaks
    assert leak.auc == 1.0
    assert leak.pure_share == 1.0
    assert "100% of the rows lie in levels where everybody has one outcome" in leak.reason


def test_the_user_may_vouch_for_a_column():
    outcome = _outcome()
    frame = pd.DataFrame({"reason": outcome})
    report = find_leaks(frame, outcome, columns=["reason"], keep=["reason"])
    assert report.leaks[0].is_kept
    assert report.left_out == ()


def test_missing_is_a_level_of_its_own():
    outcome = _outcome()
    number = np.where(outcome == 1, np.nan, np.random.default_rng(1).normal(size=len(outcome)))
    assert find_leaks(pd.DataFrame({"x": number}), outcome, columns=["x"]).left_out == ("x",)


@pytest.mark.parametrize("direction", [1, -1])
def test_a_score_is_found_in_either_direction(direction):
    outcome = _outcome()
    score = direction * (outcome * 4 + np.random.default_rng(1).normal(size=len(outcome)))
    assert find_leaks(pd.DataFrame({"s": score}), outcome, columns=["s"]).left_out == ("s",)


def test_text_that_reads_as_numbers_is_examined_and_other_long_text_is_named():
    outcome = _outcome()
    frame = pd.DataFrame(
        {
            "total": [f"{value:.4f}" for value in np.random.default_rng(2).normal(size=1_000)],
            "city": [f"town {i}" for i in range(1_000)],
        }
    )
    frame.loc[3, "total"] = " "
    report = find_leaks(frame, outcome, columns=["total", "city"])
    assert report.leaks == ()
    assert report.unexamined == ("city",)


# -- against a reference ---------------------------------------------------------------------


def test_auc_is_that_of_scikit_learn():
    outcome = _outcome()
    score = outcome * 6 + np.random.default_rng(1).normal(size=len(outcome)).round(1)
    (leak,) = find_leaks(pd.DataFrame({"s": score}), outcome, columns=["s"]).leaks
    assert leak.auc == pytest.approx(roc_auc_score(outcome, score), abs=1e-12)


def test_auc_of_a_rating_is_that_of_scikit_learn():
    outcome = _outcome()
    rating = np.round(5 + outcome + np.random.default_rng(1).normal(size=len(outcome)))
    rates = pd.Series(outcome).groupby(rating).transform("mean")
    auc, pure = examine_rating(rating, outcome)
    assert auc == pytest.approx(
        max(roc_auc_score(outcome, rating), roc_auc_score(outcome, rates)), abs=0.01
    )
    assert pure == 0.0


def test_ibm_telco_has_four_leaks_and_a_rating_that_separates(data_dir):
    """reference/published.md: score, category, reason and status leak; satisfaction separates."""
    data = pd.read_csv(data_dir / "ibm_telco" / "telco_11_1_3_joined.csv")
    columns = [c for c in data.columns if c not in ("Customer ID", "Churn Label")]
    report = find_leaks(data, (data["Churn Label"] == "Yes").astype(float), columns=columns)
    assert {leak.column for leak in report.leaks} == {
        "Churn Score",
        "Churn Category",
        "Churn Reason",
        "Customer Status",
        "Satisfaction Score",
    }
    assert report.unexamined == ("City",)
    score = next(leak for leak in report.leaks if leak.column == "Churn Score")
    assert score.auc == pytest.approx(0.943, abs=5e-4)


# -- properties ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_columns_of_chance_are_left_alone(seed):
    rng = np.random.default_rng(seed)
    outcome = _outcome(400, 0.1, seed)
    frame = pd.DataFrame({"x": rng.normal(size=400), "g": rng.choice(list("abcdefghij"), 400)})
    assert find_leaks(frame, outcome, columns=["x", "g"]).leaks == ()


def test_a_handful_of_known_values_is_no_leak():
    """Four known values, two of leavers above two of stayers: luck, one time in six."""
    outcome = _outcome(400)
    number = np.full(400, np.nan)
    number[np.flatnonzero(outcome == 1)[:2]] = [8.0, 9.0]
    number[np.flatnonzero(outcome == 0)[:2]] = [1.0, 2.0]
    assert find_leaks(pd.DataFrame({"x": number}), outcome, columns=["x"]).leaks == ()


def test_one_outcome_alone_leaves_nothing_to_examine():
    report = find_leaks(pd.DataFrame({"x": [1.0, 2.0]}), [0.0, 0.0], columns=["x"])
    assert report.leaks == ()
    assert report.unexamined == ("x",)


def test_numbers_words_flags_and_times():
    assert as_numbers(pd.Series(["a", "1"])) is None
    assert as_numbers(pd.Series([True, False])).tolist() == [1.0, 0.0]
    assert as_numbers(pd.Series([np.inf, 1.0]))[0] != np.inf
    assert as_numbers(pd.to_datetime(pd.Series(["1970-01-03"]))).tolist() == [2.0]


def test_deciles_hold_a_tenth_each():
    codes = decile_codes(np.append(np.arange(1_000.0), np.nan))
    assert codes[-1] == 0
    assert np.bincount(codes)[1:].tolist() == [100] * 10


# -- errors ----------------------------------------------------------------------------------


def test_a_date_after_the_response_is_refused():
    frame = pd.DataFrame(
        {
            "responded_at": pd.to_datetime(["2025-01-10"] * 3),
            "churn_date": pd.to_datetime(["2025-02-01", None, "2025-01-01"]),
        }
    )
    with pytest.raises(LeakageError, match="'churn_date' is dated after the response in 1 rows"):
        refuse_later_dates(frame, ["churn_date"])

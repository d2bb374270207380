"""Spreads of columns and scores: classes of a size that may be shown, and what has moved."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.errors import InsufficientDataError, SourceError
from cxmodel.models.drift import compare, drift_lines
from cxmodel.models.model_file import Fields
from cxmodel.models.profile import (
    NumberProfile,
    Profile,
    WordProfile,
    number_profile,
    profile_of,
    read_profile,
    word_profile,
)

# -- Worked by hand ------------------------------------------------------------------------------


def test_rows_that_stand_for_several_customers_count_so() -> None:
    # 90 customers: 40, 40 and 10 of them. Two edges at thirds would be 1 and 2; the 10 join the 40
    found = number_profile(np.array([2.0, 1.0, 3.0]), 30, np.array([40, 40, 10]))
    assert found.edges.tolist() == [1.0]
    assert found.counts.tolist() == [40, 50]
    words = word_profile(pd.Series(["a", "b", "a"]), 30, np.array([20, 50, 15]))
    assert (words.levels, words.counts.tolist()) == (("a", "b"), [35, 50, 0])


def test_what_is_not_finite_is_missing() -> None:
    values = np.array([1.0, np.inf, np.nan, 2.0])
    found = number_profile(values, 1)
    assert found.edges.tolist() == [1.0]
    # two are missing, and have a class of their own
    assert found.counts.tolist() == [1, 1, 2]
    assert found.classes(values).tolist() == [0, 2, 2, 1]
    # one that is too small to show stands with the lowest
    assert number_profile(np.array([*[1.0] * 30, *[2.0] * 30, np.nan]), 30).counts.tolist() == [
        31,
        30,
    ]


def test_nothing_but_gaps_is_one_class() -> None:
    assert number_profile(np.full(40, np.nan), 30).counts.tolist() == [0, 40]
    assert number_profile(np.full(4, np.nan), 30).counts.tolist() == [4]
    # few that are known stand with the gaps
    assert number_profile(np.array([*[np.nan] * 40, 1.0]), 30).counts.tolist() == [41]


def test_drift_by_hand() -> None:
    # halves then; a quarter and three quarters now, with half a case added to each class:
    # (q - p) ln(q / p) summed is .25 x 2 x ln 3 / 2 = .2747 but for the half cases
    profile = Profile(
        {"T": NumberProfile(np.array([5.0]), np.array([2000, 2000]))},
        {"cltv": NumberProfile(np.array([9.0]), np.array([2000, 2000]))},
    )
    moved = compare(profile, {"T": np.array([1000, 3000]), "cltv": np.array([2000, 2000])})
    assert moved.rows[0]["column"] == "cltv"
    assert moved.rows[1]["index"] == pytest.approx(0.25 * np.log(3.0), abs=1e-3)
    assert drift_lines(moved.rows) == [
        "The values of 'T' are spread as in another population than the one that the model was "
        "fitted to, so what it foretells may not hold here (population stability index 0.27)."
    ]
    other = compare(profile, {"cltv": np.array([1000, 3000])})
    assert drift_lines(other.rows)[0].startswith("The predicted values are spread as in another")


# -- Against a reference -------------------------------------------------------------------------


@pytest.mark.parametrize("n", [300, 301, 1_000, 4_321])
def test_edges_are_the_deciles_of_numpy(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    expected = np.quantile(values, np.arange(1, 10) / 10, method="inverted_cdf")
    assert number_profile(values, 30).edges.tolist() == expected.tolist()


# -- Properties ----------------------------------------------------------------------------------

ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0, 2.5, 7.0, 100.0, np.nan]), st.integers(1, 60)),
    min_size=1,
    max_size=30,
)


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_weights_count_as_repeated_rows_and_no_class_is_small(
    rows: list[tuple[float, int]],
) -> None:
    values, weights = np.array([v for v, _ in rows]), np.array([w for _, w in rows])
    found = number_profile(values, 30, weights)
    repeated = number_profile(np.repeat(values, weights), 30)
    assert found.edges.tolist() == repeated.edges.tolist()
    assert found.counts.tolist() == repeated.counts.tolist()
    assert found.counts.sum() == weights.sum()
    if len(found.counts) > 1:
        assert all(n == 0 or n >= 30 for n in found.counts)
    assert found.count(np.repeat(values, weights)).tolist() == found.counts.tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 60)), min_size=1, max_size=30))
def test_no_level_is_small(rows: list[tuple[str, int]]) -> None:
    words, weights = pd.Series([w for w, _ in rows]), np.array([n for _, n in rows])
    found = word_profile(words, 30, weights)
    assert found.counts.sum() == weights.sum()
    if len(found.levels):
        assert all(n == 0 or n >= 30 for n in found.counts)
    assert found.count(np.repeat(words.to_numpy(), weights)).tolist() == found.counts.tolist()


def test_what_was_counted_counts_the_same_again() -> None:
    rng = np.random.default_rng(4)
    rows = pd.DataFrame({"x": rng.gamma(2.0, 3.0, 500), "plan": rng.choice(["a", "b", "c"], 500)})
    scores = pd.DataFrame({"cltv": rng.normal(size=500)})
    found = profile_of(rows, {"cltv": scores["cltv"].to_numpy()}, min_group_size=30)
    back = read_profile(
        Fields(found.to_plain(), "it"), numbers=("x",), words=("plan",), scores=("cltv",)
    )
    counts = {name: seen.count(rows[name]) for name, seen in back.columns.items()}
    counts["cltv"] = back.scores["cltv"].count(scores["cltv"])
    assert compare(back, counts).verdict == "pass"
    assert all(row["index"] == 0 for row in compare(back, counts).rows)


# -- Errors --------------------------------------------------------------------------------------


def test_other_columns_and_impossible_counts_are_refused() -> None:
    found = profile_of(pd.DataFrame({"x": np.arange(100.0)}), {}, min_group_size=30).to_plain()
    with pytest.raises(SourceError, match="columns must be one profile each of T"):
        read_profile(Fields(found, "it"), numbers=("T",), scores=())
    with pytest.raises(SourceError, match="scores must be one profile each of cltv"):
        read_profile(Fields(found, "it"), numbers=("x",), scores=("cltv",))
    twice = {**found, "columns": found["columns"] * 2}
    with pytest.raises(SourceError, match="one profile each of x"):
        read_profile(Fields(twice, "it"), numbers=("x",), scores=())
    wrong = {**found, "columns": [{**found["columns"][0], "counts": [1]}]}
    with pytest.raises(SourceError, match="counts that are not all 0"):
        read_profile(Fields(wrong, "it"), numbers=("x",), scores=())
    known = WordProfile(("a",), np.array([3, 0]))
    with pytest.raises(InsufficientDataError, match="no rows to compare"):
        compare(Profile({"plan": known}, {}), {"plan": np.array([0, 0])})

"""Columns that part customers: labels, which groups are hidden, what is refused."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from cxmodel.errors import ConfigError
from cxmodel.models.estimates.group_columns import NO_GROUPS, check_groups, read_groups


def test_groups_of_numbers_stay_numbers():
    groups = read_groups("grade", pd.Series([3.0, 1.0, np.nan, 3.0]))
    assert groups.labels == (1, 3, "(missing)")
    assert groups.codes.tolist() == [1, 0, 2, 1]


def test_truth_values_and_dates_can_stand_in_results():
    assert read_groups("vip", pd.Series([True, False, True])).labels == (False, True)
    days = pd.Series([dt.date(2026, 1, 5), dt.date(2026, 1, 2)], dtype=object)
    assert read_groups("day", days).labels == ("2026-01-02", "2026-01-05")


def test_text_that_says_missing_joins_the_unknown():
    groups = read_groups("plan", pd.Series(["(missing)", None, "zoo", "a"]))
    assert groups.labels == ("a", "zoo", "(missing)")
    assert groups.codes.tolist() == [2, 2, 1, 0]


def test_categories_and_strings_of_pandas():
    values = pd.Series(["b", "a", None], dtype="category")
    assert read_groups("plan", values).labels == ("a", "b", "(missing)")
    assert read_groups("plan", values.astype("string")).labels == ("a", "b", "(missing)")


def test_over_fifty_groups_are_none():
    assert read_groups("shop", pd.Series(range(50))) is not None
    assert read_groups("shop", pd.Series(range(51))) is None


def test_hidden_by_customers_with_the_next_smallest():
    """a: 5 customers, b: 3, c: 2 with four answers. At least 3: c goes, and b as the next."""
    groups = read_groups("plan", pd.Series(list("aaaaabbbcccc")))
    customers = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 9, 9])
    assert groups.hidden(customers, 3) == [False, True, True]
    assert groups.hidden(customers, 2) == [False, False, False]


def test_the_unknown_hides_itself_alone():
    groups = read_groups("plan", pd.Series(["a", "a", "b", "b", None]))
    assert groups.hidden(np.arange(5), 2) == [False, False, True]


@pytest.mark.parametrize("name", NO_GROUPS)
def test_customer_rating_and_outcome_are_refused(observations, name):
    with pytest.raises(ConfigError, match=f"lift.by: {name!r} names a customer, a rating"):
        check_groups(observations(50), [name])


def test_a_column_for_models_is_not_offered(observations):
    with pytest.raises(ConfigError, match=r"lift\.by: there is no column '_month'"):
        check_groups(observations(50), ["_month"])


def test_a_column_that_a_joined_table_left_out_is_known(observations):
    audit = {"controls_left_out": ("city",)}
    check_groups(observations(50, audit=audit), ["city"])

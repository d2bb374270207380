"""Complete rows: what is left out and counted, what is known of columns, what is refused."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cxmodel.errors import DataError, SchemaError
from cxmodel.tables.reduction.rows import complete_rows, levels_of


def test_rows_with_a_gap_are_left_out_and_counted(session):
    frame = pa.table(
        {
            "rating": pa.array([9, None, 7, 5], pa.int8()),
            "spent": [1.5, 2.5, float("nan"), 4.0],
            "segment": ["a", "b", "c", None],
        }
    )
    rows = complete_rows(session, session.register(frame), ["rating", "spent", "segment"])
    assert (rows.n_rows, rows.n_used, rows.n_left_out) == (4, 1, 3)
    assert rows.missing == {"rating": 1, "spent": 1, "segment": 1}
    # of the one row that is complete
    assert (rows.ranges["rating"].low, rows.ranges["spent"].high) == (9, 1.5)
    # a column that is not used leaves nothing out
    assert complete_rows(session, session.register(frame), ["rating"]).n_used == 3


def test_the_mean_of_whole_numbers_is_exact_and_flags_are_whole_numbers(session):
    frame = pd.DataFrame({"at": [2**62, 2**62 + 1, 2**62 + 1], "stayed": [True, False, True]})
    rows = complete_rows(session, session.register(frame), ["at", "stayed"])
    assert rows.ranges["at"].mean == Fraction(3 * 2**62 + 2, 3)
    assert rows.ranges["stayed"].mean == Fraction(2, 3)
    assert rows.ranges["stayed"].kind == "integer"


def test_negative_whole_numbers_add_up_too(session):
    rows = complete_rows(session, session.register(pd.DataFrame({"a": [-5, 2, -(2**40)]})), ["a"])
    assert rows.ranges["a"].mean == Fraction(-3 - 2**40, 3)


def test_an_empty_table_is_known_to_be_empty(session):
    frame = pa.table({"a": pa.array([], pa.int64()), "w": pa.array([], pa.float64())})
    rows = complete_rows(session, session.register(frame), ["a"], weight="w")
    assert (rows.n_rows, rows.n_used, rows.missing) == (0, 0, {})


def test_levels_come_in_order_of_code_points(session):
    frame = pd.DataFrame({"a": ["b", "A", "a", "é", "b"]})
    rows = complete_rows(session, session.register(frame), ["a"])
    assert levels_of(rows, "a") == ("A", "a", "b", "é")


def test_columns_may_be_called_anything(session):
    frame = pd.DataFrame({'sel"ect': [1.0, np.nan], "a b": ["x", "y"]})
    rows = complete_rows(session, session.register(frame), ['sel"ect', "a b"])
    assert rows.missing == {'sel"ect': 1}


def test_infinite_and_boundless_numbers_are_refused_and_named(session):
    frame = pd.DataFrame({"a": [1.0, np.inf, -np.inf, np.nan], "b": 1.0, "c": [1e120, 1, 2, 3]})
    table = session.register(frame)
    message = r"infinite or beyond 1e\+100: 'a' in 2 rows\. Correct them"
    with pytest.raises(DataError, match=message):
        complete_rows(session, table, ["a", "b"])
    with pytest.raises(DataError, match=r"'c' in 1 rows"):
        complete_rows(session, table, ["c"])


@pytest.mark.parametrize(("bad", "smallest"), [(0.0, "0"), (-2.0, "-2")])
def test_weights_that_are_not_positive_are_refused(session, bad, smallest):
    table = session.register(pd.DataFrame({"a": [1, 2], "w": [1.0, bad]}))
    with pytest.raises(
        DataError, match=rf"'w' is zero or negative in 1 rows \(smallest: {smallest}\)"
    ):
        complete_rows(session, table, ["a"], weight="w")


def test_columns_that_are_not_there_or_no_numbers_are_refused(session):
    frame = pd.DataFrame({"rating": [1], "at": pd.to_datetime(["2024-01-01"]), "name": ["x"]})
    table = session.register(frame)
    with pytest.raises(SchemaError, match=r"no column 'ratin'\. Did you mean 'rating'"):
        complete_rows(session, table, ["ratin"])
    with pytest.raises(SchemaError, match=r"'at' is timestamp.*neither a number nor text"):
        complete_rows(session, table, ["at"])
    with pytest.raises(SchemaError, match="weight 'name' is text"):
        complete_rows(session, table, ["rating"], weight="name")
    rows = complete_rows(session, table, ["rating", "name"])
    with pytest.raises(SchemaError, match="'name' is text, not numbers"):
        rows.number("name")
    with pytest.raises(SchemaError, match="'at' is not among those looked at"):
        rows.known("at")


def test_too_many_levels_are_refused(session):
    rows = complete_rows(session, session.register(pd.DataFrame({"a": list("abc")})), ["a"])
    with pytest.raises(DataError, match="'a' has more than 2 levels"):
        levels_of(rows, "a", max_levels=2)

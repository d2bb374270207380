"""A logit's pass over kept rows: by hand, and the engine's pass over the same rows."""

from __future__ import annotations

import errno
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

from cxmodel.errors import EngineError
from cxmodel.tables.reduction import kept_rows as setting_aside
from cxmodel.tables.reduction import keyed as parting
from cxmodel.tables.reduction.cross_products import cross_products
from cxmodel.tables.reduction.design import (
    Centred,
    Intercept,
    Level,
    Numeric,
    Product,
    dummies,
    interacted_design,
)
from cxmodel.tables.reduction.kept_logit import is_kept_well, kept_logit_sums, kept_step
from cxmodel.tables.reduction.kept_rows import kept_rows
from cxmodel.tables.reduction.keyed import parted_columns
from cxmodel.tables.reduction.last_pass import logit_sums
from cxmodel.tables.reduction.rows import complete_rows
from cxmodel.tables.reduction.second_pass import likelihood_step

COLUMNS = ["rating", "segment", "tenure_days", "spent_units", "stayed"]


@contextmanager
def set_aside(session, frame, terms=None, weight=None):
    """Give rows, design and kept rows of a frame, and how its columns part."""
    columns = [*(c for c in frame.columns if c not in ("customer_id", "weight"))]
    rows = complete_rows(session, session.register(frame), columns, weight=weight)
    if terms is None:
        numbers = [Numeric(c) for c in ("rating", "tenure_days", "spent_units")]
        terms = [Intercept(), *numbers, *dummies(rows, "segment")]
    moments = cross_products(rows, terms, ["stayed"])
    keyed = parted_columns(rows, moments.design, moments.design.columns)
    with kept_rows(rows, keyed, "stayed") as kept:
        yield rows, moments, keyed, kept


def near(p: int) -> np.ndarray:
    return np.linspace(-0.4, 0.5, p)


# -- by hand ----------------------------------------------------------------------------------


def test_two_rows_by_hand(session):
    frame = pd.DataFrame({"x": [-1.5, 2.0], "stayed": [0, 1]})
    with set_aside(session, frame, [Numeric("x")]) as (_, moments, keyed, kept):
        assert moments.design.columns[0].scale == 2
        sums = kept_logit_sums(kept, keyed, moments, np.zeros(1))
    # standard x is -0.75 and 1; at slope 0 p = 1/2, v = 1/4, residuals are -1/2 and 1/2
    assert sums.step.gradient.tolist() == [0.375 + 0.5]
    assert sums.step.information.tolist() == [[0.25 * (0.5625 + 1)]]
    assert sums.meat.tolist() == [[0.25 * (0.5625 + 1)]]
    # 1 - 2 p is 0; v r x = 1/4 * (0.375 + 0.5); v^2 = 1/16 each
    assert (sums.bend.tolist(), sums.across.tolist()) == ([0.0], [0.21875])
    assert sums.squared == 0.125


# -- against the engine's pass ----------------------------------------------------------------


@pytest.mark.parametrize("in_memory", [2**25, 64])
@pytest.mark.parametrize("times", [1.0, 60.0])
def test_all_sums_are_those_of_the_engine(session, observations, monkeypatch, in_memory, times):
    monkeypatch.setattr(setting_aside, "IN_MEMORY", in_memory)
    with set_aside(session, observations) as (rows, moments, keyed, kept):
        b = times * near(len(moments.columns))
        expected = logit_sums(rows, moments, b, None)
        found = kept_logit_sums(kept, keyed, moments, b)
    for name in ("meat", "bend", "across", "squared"):
        # terms are rounded at 2^-40 of the largest possible
        own, other = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(own, other, rtol=1e-11, atol=1e-10, err_msg=name)
    np.testing.assert_allclose(found.step.gradient, expected.step.gradient, rtol=1e-11, atol=1e-13)
    information = expected.step.information
    np.testing.assert_allclose(found.step.information, information, rtol=1e-11, atol=1e-10)


@pytest.mark.parametrize("weight", [None, "weight"])
def test_a_step_with_weights_and_without_keys(session, observations, weight):
    terms = [Intercept(), Numeric("tenure_days"), Numeric("spent_units")]
    frame = observations.drop(columns=["segment", "rating"])
    with set_aside(session, frame, terms, weight) as (rows, moments, keyed, kept):
        assert keyed.keys == ()
        b = near(3)
        expected = likelihood_step(rows, moments, b, "logistic")
        found = kept_step(kept, keyed, moments, b)
        assert (kept_logit_sums(kept, keyed, moments, b) is None) == (weight is not None)
    np.testing.assert_allclose(found.gradient, expected.gradient, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(found.information, expected.information, rtol=1e-11, atol=1e-10)


def test_numbers_that_no_double_holds_and_levels_of_real_columns(session, observations):
    nanoseconds = 1_700_000_000_000_000_000 + 1_000_000 * np.arange(len(observations))
    half = np.where(observations.rating > 5, 0.5, 1.5)
    frame = observations.assign(at=nanoseconds, half=half)
    terms = [Intercept(), Numeric("at"), Numeric("tenure_days"), Level("half", 1.5)]
    terms.append(Product(Centred(Numeric("tenure_days")), Centred(Level("half", 1.5))))
    with set_aside(session, frame, terms) as (rows, moments, keyed, kept):
        b = near(5)
        expected = likelihood_step(rows, moments, b, "logistic")
        found = kept_step(kept, keyed, moments, b)
    np.testing.assert_allclose(found.gradient, expected.gradient, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(found.information, expected.information, rtol=1e-11, atol=1e-10)


def test_whole_numbers_beyond_doubles_keep_their_levels(session, observations):
    ids = np.array([2**60, 2**60 + 5_001, 2**60 + 10_001])
    frame = observations.assign(shop=ids[np.arange(len(observations)) % 3])
    terms = [Intercept(), Numeric("tenure_days"), *(Level("shop", int(i)) for i in ids[1:])]
    with set_aside(session, frame, terms) as (rows, moments, keyed, kept):
        assert "shop" not in keyed.keys
        b = near(4)
        expected = likelihood_step(rows, moments, b, "logistic")
        found = kept_step(kept, keyed, moments, b)
    np.testing.assert_allclose(found.information, expected.information, rtol=1e-11, atol=1e-10)


# -- properties -------------------------------------------------------------------------------


def test_the_order_of_rows_moves_no_bit(session, observations):
    many = pd.concat([observations] * 20, ignore_index=True)
    many["tenure_days"] *= np.linspace(0.5, 2, len(many))
    found = []
    for frame in (many, many.sample(frac=1, random_state=4)):
        with set_aside(session, frame) as (_, moments, keyed, kept):
            sums = kept_logit_sums(kept, keyed, moments, near(len(moments.columns)))
        found.append([sums.step.gradient, sums.step.information, sums.meat, sums.across])
    for first, second in zip(*found, strict=True):
        assert first.tobytes() == second.tobytes()


def test_a_key_times_a_number_is_left_to_the_engine(session, observations):
    terms = interacted_design("rating", [Numeric("tenure_days")])
    with set_aside(session, observations, terms) as (rows, _, keyed, _):
        assert not is_kept_well(keyed, rows)


def test_weights_of_very_different_size_are_left_to_the_engine(session, observations):
    uneven = observations.assign(weight=np.where(observations.index == 0, 1e7, 1.0))
    with set_aside(session, uneven, weight="weight") as (rows, _, keyed, _):
        assert not is_kept_well(keyed, rows)
    with set_aside(session, observations) as (rows, _, keyed, _):
        assert is_kept_well(keyed, rows)


def test_text_that_is_no_key_is_left_to_the_engine(session, observations, monkeypatch):
    monkeypatch.setattr(parting, "MOST_CELLS", 2)
    terms = [Intercept(), Numeric("tenure_days"), Level("segment", "small")]
    terms.append(Level("segment", "medium"))
    with set_aside(session, observations, terms) as (_, _, keyed, kept):
        assert keyed.keys == ()
        assert kept is None


# -- errors -----------------------------------------------------------------------------------


def test_a_full_disk_is_named(session, observations, monkeypatch):
    class Full:
        def __init__(self, *_, **__): ...
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(setting_aside, "SpooledTemporaryFile", Full)
    with (
        pytest.raises(EngineError, match=r"set aside on disk \(No space left on device\)"),
        set_aside(session, observations),
    ):
        pass


def test_rows_that_do_not_arrive_are_no_fit(session, observations, monkeypatch):
    whole = type(session).stream

    def half(self, expr, n_rows, take):
        whole(self, expr.limit(len(observations) // 2), n_rows, take)

    monkeypatch.setattr(type(session), "stream", half)
    with (
        pytest.raises(EngineError, match="450 of 900 rows arrived"),
        set_aside(session, observations),
    ):
        pass

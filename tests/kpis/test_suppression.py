"""Which groups are hidden: the small ones, and what would give them away."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from cxmodel.kpis.groups import Slot
from cxmodel.kpis.suppression import suppressed_slots

Q1, Q2 = dt.date(2026, 1, 1), dt.date(2026, 4, 1)


def plan(value: str | None = None, start: dt.date | None = None) -> Slot:
    return Slot("plan" if value else None, value, start)


# -- worked by hand ------------------------------------------------------------------------------


def test_nothing_is_hidden_where_all_are_large():
    assert suppressed_slots({plan(): 100, plan("a"): 40, plan("b"): 60}, 30) == set()


def test_a_single_small_group_takes_the_next_smallest_along():
    sizes = {plan(): 105, plan("a"): 5, plan("b"): 60, plan("c"): 40}
    assert suppressed_slots(sizes, 30) == {plan("a"), plan("c")}


def test_two_small_groups_hide_each_other():
    sizes = {plan(): 110, plan("a"): 5, plan("b"): 5, plan("c"): 100}
    assert suppressed_slots(sizes, 30) == {plan("a"), plan("b")}


def test_unknown_groups_take_no_group_of_customers_along():
    sizes = {plan(): 105, plan("a"): 60, plan("b"): 40, plan("(missing)"): 5}
    assert suppressed_slots(sizes, 30) == {plan("(missing)")}


def test_thirty_is_large_enough():
    assert suppressed_slots({plan(): 60, plan("a"): 30, plan("b"): 30}, 30) == set()


def test_the_total_is_always_shown():
    assert suppressed_slots({plan(): 3}, 30) == set()


def test_small_periods_hide_by_their_size_alone():
    sizes = {plan(): 300, plan(start=Q1): 10, plan(start=Q2): 290}
    assert suppressed_slots(sizes, 30) == {plan(start=Q1)}


def test_a_group_is_not_read_out_of_its_periods():
    # a in the first quarter is small; by a over all less a in the second it would be known, and so
    # it would by b's first quarter: one cell in each row and column goes with it
    sizes = {
        plan(): 400,
        plan("a"): 110,
        plan("b"): 290,
        plan(start=Q1): 110,
        plan(start=Q2): 290,
        plan("a", Q1): 10,
        plan("a", Q2): 100,
        plan("b", Q1): 100,
        plan("b", Q2): 190,
    }
    cells = {plan("a", Q1), plan("a", Q2), plan("b", Q1), plan("b", Q2)}
    assert suppressed_slots(sizes, 30) == cells


# -- properties ----------------------------------------------------------------------------------


@given(st.lists(st.lists(st.integers(0, 90), min_size=3, max_size=3), min_size=2, max_size=4))
def test_no_group_is_the_only_gap(table: list[list[int]]):
    starts = [dt.date(2026, month, 1) for month in (1, 4, 7)]
    sizes = {plan(): sum(map(sum, table))}
    for row, name in zip(table, "abcd", strict=False):
        sizes[plan(name)] = sum(row)
        sizes |= {plan(name, start): n for start, n in zip(starts, row, strict=True)}
    hidden = suppressed_slots(sizes, 30)
    assert all(slot in hidden for slot, n in sizes.items() if n < 30 and slot != plan())
    for start in (None, *starts):
        groups = [slot for slot in sizes if slot.column and slot.start == start]
        gaps = [slot for slot in groups if slot in hidden]
        assert len(gaps) != 1

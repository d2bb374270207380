"""The window plan that is chosen, and the words that say why."""

import datetime as dt

import pyarrow as pa
import pytest

from cxmodel.tables.engines.engine import default_session
from cxmodel.tables.plan_choice import PlanChoice, choose_plan, split_by_responses

BEGIN = dt.datetime(2025, 1, 1)


@pytest.fixture
def choose():
    """Choose a plan for customers with so many (responses, rows), spread over a year."""
    session, kept = default_session(), []

    def tables(people):
        responses = [
            {"customer_id": who, "responded_at": BEGIN + dt.timedelta(days=365 * i / (n or 1))}
            for who, (n, _) in people.items()
            for i in range(n)
        ]
        rows = [{"customer_id": who} for who, (_, n) in people.items() for _ in range(n)]
        schema = pa.schema([("customer_id", pa.string()), ("responded_at", pa.timestamp("us"))])
        kept.append(session.register(pa.Table.from_pylist(responses, schema)))
        kept.append(session.register(pa.Table.from_pylist(rows, schema.remove(1))))
        return kept[-2:]

    yield lambda people: choose_plan(session, *tables(people))
    for table in kept:
        session.drop(table)


# -- Worked by hand ------------------------------------------------------------------------------


def test_few_responses_each_are_joined_and_no_row_is_counted(choose):
    found = choose({f"c{i}": (1 + i % 3, 50) for i in range(30)})
    assert (found.plan, found.n_responses, found.n_rows, found.n_pairs) == ("range", 60, None, None)
    assert found.reason == (
        "range: no customer answered more than 3 times, so a join makes at most 3 pairs for each "
        "row, below 20"
    )


def test_many_responses_with_many_rows_are_stacked(choose):
    # 200 x 4,000 pairs; 8,760 hours hold 200 x 4 ends of windows apart, a day would hold two of
    # them and 11 rows: 0.9 x (365 + 800) + 0.06 x 4 x 800,000 / 366 + 0.16 x 4,000 = 2,213 by day
    # is less than 0.9 x (4,000 + 800) = 4,320 by row.
    found = choose({"a": (200, 4_000)})
    assert (found.plan, found.step) == ("stack", "day")
    assert (found.n_responses, found.n_rows, found.n_pairs) == (200, 4_000, 800_000)
    assert found.reason == (
        "stack: 1 customer with 20 responses or more would make 200.0 pairs for each of their "
        "4,000 rows; these are added up by day and stacked"
    )


def test_one_account_beside_small_customers_is_stacked_alone(choose):
    found = choose({"a": (200, 4_000)} | {f"c{i}": (1, 10) for i in range(100)})
    assert (found.plan, found.n_responses, found.n_pairs) == ("mixed", 300, 800_000)
    assert found.reason.startswith("mixed: 1 customer with 20 responses or more would make 200.0")


def test_many_responses_with_few_rows_are_joined(choose):
    # 40 x 3 pairs cost 7.2 microseconds; the 160 ends of windows alone would cost 144.
    found = choose({"a": (40, 3), "b": (40, 0)})
    assert (found.plan, found.n_rows, found.n_pairs) == ("range", 3, 120)
    assert found.reason == (
        "range: 2 customers with 20 responses or more would make 40.0 pairs for each of their 3 "
        "rows, which costs no more than stacking them"
    )


def test_nothing_is_joined(choose):
    found = choose({})
    assert (found.plan, found.n_responses) == ("range", 0)
    assert choose({None: (50, 50)}).plan == "range"


def test_a_plan_that_was_asked_for_says_so():
    assert PlanChoice(plan="mixed").reason == "mixed: asked for"


def test_customers_part_at_twenty_responses():
    session = default_session()
    numbers = [19, 20, 21, 1]
    ids = [f"c{n}" for n in numbers for _ in range(n)] + [None]
    table = session.register(
        pa.table({"customer_id": ids, "responded_at": pa.array([BEGIN] * len(ids))})
    )
    few, many = (
        {row["customer_id"] for row in session.rows(part.distinct())}
        for part in split_by_responses(table)
    )
    session.drop(table)
    assert (few - {None}, many) == ({"c1", "c19"}, {"c20", "c21"})


# -- Errors --------------------------------------------------------------------------------------


def test_an_unknown_plan_or_step_is_refused():
    with pytest.raises(ValueError, match=r"plan must be one of range, stack, mixed, not 'sort'"):
        PlanChoice(plan="sort")
    with pytest.raises(
        ValueError, match=r"step must be one of None, day, hour, minute, not 'week'"
    ):
        PlanChoice(plan="stack", step="week")

"""Estimates beside the truth."""

import pytest

from cxmodel.datasets import compare_with_truth

RESULTS = {
    "lift": {
        "revenue": {
            "per_rating_point": {"estimate": 5.0, "conf_low": 3.0, "conf_high": 7.0},
            "per_kpi_point": {
                "uniform_shift": {"estimate": 0.2, "conf_low": 0.1, "conf_high": 0.3}
            },
            "percent_per_rating_point": {"status": "not_run", "reason": "refunds"},
        }
    },
    "kpis": {
        "rows": [
            {"kpi": "nps", "group": {"segment": "A"}, "period": None, "estimate": 90.0},
            {"kpi": "nps", "group": {}, "period": "2026-Q1", "estimate": 80.0},
            {
                "kpi": "nps",
                "group": {},
                "period": None,
                "estimate": 30.0,
                "conf_low": 25.0,
                "conf_high": 35.0,
            },
        ]
    },
    "retention": {
        "curve": {"rows": [{"month": 12, "retention": 0.8, "conf_low": 0.7, "conf_high": 0.9}]}
    },
}


def only(path, value):
    (row,) = compare_with_truth(RESULTS, {path: value})
    return row


@pytest.mark.parametrize(
    ("path", "truth", "estimate", "holds"),
    [
        ("lift.revenue.per_rating_point", 6.9, 5.0, True),
        ("lift.revenue.per_rating_point", 7.1, 5.0, False),
        ("lift.revenue.per_kpi_point.uniform_shift", 0.1, 0.2, True),
        ("lift.revenue.percent_per_rating_point", 1.0, None, None),
        ("lift.retention.per_rating_point", 1.0, None, None),
        ("kpis.rows[kpi=nps]", 26.0, 30.0, True),
        ("kpis.rows[kpi=ease]", 26.0, None, None),
        ("retention.curve.rows[month=12].retention", 0.95, 0.8, False),
        ("retention.curve.rows[month=24].retention", 0.95, None, None),
    ],
)
def test_paths(path, truth, estimate, holds):
    row = only(path, truth)
    assert (row.path, row.truth, row.estimate, row.holds) == (path, truth, estimate, holds)


def test_an_estimate_without_interval_is_shown_but_not_judged():
    (row,) = compare_with_truth({"a": {"b": 2}}, {"a.b": 2.5})
    assert (row.estimate, row.holds) == (2.0, None)


def test_paths_into_nothing_are_no_error():
    rows = compare_with_truth({"a": [1, 2]}, {"a.b.c": 1.0, "a.rows[x=1]": 1.0})
    assert [row.estimate for row in rows] == [None, None]

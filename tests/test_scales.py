"""Scales: bands, boxes, directions, and what a uniform shift crosses."""

from __future__ import annotations

import pytest

from cxmodel.scales import CES7, CSAT5, CSAT7, NAMED_SCALES, NPS, Scale


def test_bands_of_nps() -> None:
    # kpis.md K1: promoters 9-10, passives 7-8, detractors 0-6
    assert [NPS.band(r) for r in range(11)] == ["detractor"] * 7 + ["passive"] * 2 + [
        "promoter"
    ] * 2
    assert NPS.top_band_ratings == (9, 10)


def test_boxes_of_the_named_scales() -> None:
    # kpis.md K2a: 4-5 of 5 satisfied; K3a: 5-7 of 7 easy
    assert CSAT5.top_band_ratings == (4, 5)
    assert CES7.top_band_ratings == (5, 6, 7)
    assert CSAT7.top_band_ratings == (5, 6, 7)
    assert set(NAMED_SCALES) == {"nps", "csat5", "csat7", "ces7"}


def test_a_low_rating_can_be_good() -> None:
    # kpis.md K3b: reversing 7-point ease (8 - x) and counting 1-3 gives the same share
    effort = Scale(name="effort", low=1, high=7, top_box=3, higher_is_better=False)
    assert effort.top_band_ratings == (1, 2, 3)
    assert [effort.band(8 - r) for r in CES7.ratings] == [CES7.band(r) for r in CES7.ratings]
    assert effort.crossing_ratings() == {4: 100.0}


def test_a_uniform_shift_crosses_at_6_and_8() -> None:
    # methods 1: 100 x (share at 6 + share at 8); top box: 100 x share just below the box
    assert NPS.crossing_ratings() == {6: 100.0, 8: 100.0}
    assert CES7.crossing_ratings() == {4: 100.0}


def test_paths_are_named_by_the_scale() -> None:
    assert NPS.paths[0] == "uniform_shift"
    assert CSAT5.paths == ("uniform_shift", "rest_to_top_box")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"low": 5, "high": 1, "top_box": 4}, r"low \(5\) must be below high \(1\)"),
        ({"low": 1, "high": 5}, "top_box must lie in 1-5, not None"),
        ({"low": 1, "high": 5, "top_box": 9}, "top_box must lie in 1-5, not 9"),
        ({"low": 1, "high": 5, "statistic": "nps"}, "NPS is asked from 0"),
    ],
)
def test_impossible_scales_are_refused(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Scale(name="x", **arguments)  # type: ignore[arg-type]

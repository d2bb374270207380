"""The step of one rating point by the band in which customers start."""

from __future__ import annotations

import numpy as np
import pytest

from cxmodel.models.estimates.levels import fit_levels
from cxmodel.models.estimates.starting_bands import band_step_rows, band_steps
from cxmodel.models.estimation import Sample
from cxmodel.models.lift import LiftModel
from cxmodel.scales import CSAT5, NPS

UNIT = "USD per rating point per customer per 180 days"


def _levels(ratings, means, counts):
    rating = np.repeat(np.array(ratings, dtype=float), counts)
    outcome = np.repeat(np.array(means, dtype=float), counts)
    n = len(rating)
    sample = Sample.build(outcome, rating, np.zeros((n, 0)), np.arange(n), n)
    return fit_levels(sample, link="linear")


def test_steps_by_hand():
    """Detractor: 5 to 6 is 4, 6 to 7 is 2, weighted 10 and 30: 2.5. Passive: 7 to 8 is 1.

    8 to 9 is unseen, and from 10 there is no step.
    """
    levels = _levels([5, 6, 7, 8, 10], [0, 4, 6, 7, 20], [10, 30, 20, 15, 40])
    found = {step.band: step for step in band_steps(levels, NPS)}
    assert found["detractor"].quantity.value == pytest.approx(2.5)
    assert found["passive"].quantity.value == pytest.approx(1.0)
    assert set(found) == {"detractor", "passive"}
    assert (found["detractor"].n_from, found["detractor"].n_to) == (40, 50)
    assert (found["passive"].n_from, found["passive"].n_to) == (20, 15)


def test_steps_to_too_few_are_hidden_and_so_is_the_next_smallest():
    """From 9 to 10 there are 40 and 12 responses: hidden, and passive (25) with it."""
    levels = _levels([5, 6, 7, 8, 9, 10], [0, 4, 6, 7, 8, 20], [60, 60, 20, 40, 40, 12])
    rows = band_step_rows(levels, NPS, unit=UNIT, conf_level=0.95, min_group_size=30)
    by_band = {row["band"]: row for row in rows}
    assert by_band["promoter"]["suppressed"]
    assert by_band["promoter"]["estimate"] is None
    assert by_band["passive"]["suppressed"]
    assert not by_band["detractor"]["suppressed"]
    assert by_band["detractor"]["n_obs"] == 120


def test_a_scale_of_two_bands_has_two():
    levels = _levels([1, 2, 3, 4, 5], [0, 1, 2, 5, 6], [40] * 5)
    found = {step.band: step.quantity.value for step in band_steps(levels, CSAT5)}
    assert found == pytest.approx({"rest": 5 / 3, "top_box": 1.0})


@pytest.mark.parametrize("outcome", ["revenue", "retention"])
def test_bands_average_to_the_step_below_the_top(observations, outcome):
    """The mean over bands, at the base's shares, is ``plus_one_below_top``."""
    obs = observations(1_500, seed=6)
    lift = LiftModel(outcome=outcome).fit(obs)
    rows = lift.to_section()["plus_one_by_band"]["rows"]
    assert [row["band"] for row in rows] == ["detractor", "passive", "promoter"]
    n = np.array([row["n_obs"] for row in rows])
    mean = n @ [row["estimate"] for row in rows] / n.sum()
    assert mean == pytest.approx(lift.terms["plus_one_below_top"].estimate, rel=1e-9)
    assert {row["unit"] for row in rows} == {lift.units.slope}


def test_frame_and_page_hold_them(observations):
    lift = LiftModel().fit(observations(600, seed=6))
    frame = lift.to_frame()
    assert (frame["term"] == "plus_one_by_band").sum() == 3
    assert "plus_one_by_band" in lift._repr_html_()

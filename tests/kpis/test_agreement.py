"""Ratings that contradict each other (kpis.md C3)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxmodel.kpis.agreement import _correlation, direction_notes
from cxmodel.scales import CES7, CSAT5, Scale
from cxmodel.tables.readers import read_surveys

LOW_IS_EASY = Scale(name="effort", low=1, high=7, top_box=3, higher_is_better=False)


def surveys_of(csat: list[int], effort: list[int], scale: Scale):
    frame = pd.DataFrame({"csat": csat, "effort": effort})
    return read_surveys(frame, ratings={"csat": ("csat", CSAT5), "effort": ("effort", scale)})


def test_effort_read_the_wrong_way_round_is_noticed():
    # low = easy, as the satisfied say; declared as high = easy
    csat, effort = [1, 2, 3, 4, 5] * 10, [7, 6, 4, 3, 1] * 10
    (note,) = direction_notes(surveys_of(csat, effort, CES7))
    assert "'csat'" in note
    assert "correlation -0.99, 50 answers" in note
    assert direction_notes(surveys_of(csat, effort, LOW_IS_EASY)) == []


def test_few_answers_and_no_correlation_say_nothing():
    assert direction_notes(surveys_of([1, 5], [7, 1], CES7)) == []
    csat, effort = [1, 1, 5, 5] * 25, [1, 7, 1, 7] * 25
    assert direction_notes(surveys_of(csat, effort, CES7)) == []
    assert direction_notes(surveys_of([4] * 40, [1, 7] * 20, CES7)) == []


def test_correlation_agrees_with_numpy():
    rng = np.random.default_rng(0)
    a, b = rng.integers(1, 6, 200).astype(float), rng.integers(1, 8, 200).astype(float)
    pairs = [(x, y, 1) for x, y in zip(a, b, strict=True)]
    assert np.isclose(_correlation(pairs), np.corrcoef(a, b)[0, 1])


def test_lone_rating_has_nothing_to_agree_with():
    frame = pd.DataFrame({"csat": [1, 5]})
    assert direction_notes(read_surveys(frame, ratings={"csat": ("csat", CSAT5)})) == []

"""A programme that some groups began before others, from observations to results."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

import cxmodel as cx
from cxmodel.errors import ConfigError
from cxmodel.models.experiments.rollout import RolloutResult, evaluate_rollout
from cxmodel.models.experiments.rollout_starts import dates_of, starts_of
from cxmodel.models.lift_fit import fit_lift
from cxmodel.models.lift_settings import LiftSettings
from cxmodel.results import NotRun, to_plain

Make = Callable[..., cx.Observations]
START = dt.date(2025, 7, 1)
HALF = {f"g{i}": START for i in range(8)}


def rolled_out(
    obs: cx.Observations, *, points: float = 1.0, dollars: float = 8.0, n_groups: int = 16
) -> cx.Observations:
    """Spread answers over two years; half of the groups begin in July 2025."""
    rng = np.random.default_rng(7)
    frame = obs.frame
    frame["responded_at"] = pd.Timestamp("2024-07-01") + pd.to_timedelta(
        rng.integers(0, 730, len(frame)), "D"
    )
    frame["_month"] = frame["responded_at"].dt.strftime("%Y-%m")
    number = rng.integers(0, n_groups, len(frame))
    frame["group"] = [f"g{i}" for i in number]
    is_after = (number < 8) & (frame["responded_at"] >= pd.Timestamp(START))
    frame["rating"] += points * is_after
    frame["revenue_after"] += dollars * is_after
    return obs


def evaluated(obs: cx.Observations, outcome: Any = "revenue", **changes: Any) -> RolloutResult:
    declared = cx.Rollout(**{"group": "group", "starts": HALF, **changes})
    found = evaluate_rollout(fit_lift(obs, outcome, LiftSettings(rollout=declared)))
    assert isinstance(found, RolloutResult), found
    return found


# -- worked by hand


def test_responses_around_the_start_are_left_out(observations: Make) -> None:
    obs = rolled_out(observations(1_200))
    frame = obs.frame
    found = evaluated(obs, starts={"g0": dt.date(2025, 7, 11)})
    day = frame["responded_at"]
    of_group, start = frame["group"] == "g0", pd.Timestamp("2025-07-11")
    in_july = of_group & (day >= "2025-07-01") & (day < start)
    reaching = of_group & (day < "2025-07-01") & (day + pd.Timedelta(days=180) >= start)
    assert found.not_used == {
        "no_group": 0,
        "before_the_start_within_its_period": int(in_july.sum()),
        "outcome_window_reaches_into_the_programme": int(reaching.sum()),
    }
    assert in_july.sum() > 0
    assert (found.n_groups, found.n_groups_started) == (16, 1)


def test_a_column_of_starts_is_the_same_as_stated_starts(observations: Make) -> None:
    """As dates and as text; though the column is an attribute, it is no control."""
    obs = rolled_out(observations(3_000))
    stated = evaluated(obs, period="quarter")
    began = obs.frame["group"].isin(list(HALF))
    days = pd.Series(np.where(began, "2025-07-01", None), dtype=object)
    for column in (days, days.where(began, ""), pd.to_datetime(days)):
        frame = obs.frame.assign(began_on=column)
        dated = replace(obs, frame=frame, attributes=(*obs.attributes, "began_on"))
        found = evaluated(dated, period="quarter", starts=None, started_at="began_on")
        assert to_plain(found.to_section()) == {
            **to_plain(stated.to_section()),
            "started_at": "began_on",
        }


def test_few_groups_have_an_interval_of_few_degrees_of_freedom(observations: Make) -> None:
    obs = rolled_out(observations(6_000), n_groups=6)
    starts = {f"g{i}": START for i in range(3)}
    found = evaluated(obs, starts=starts, period="quarter")
    assert not isinstance(found.on_rating, NotRun)
    effect = to_plain(found.to_section())["rating"]
    degrees = found.on_rating.effects.overall().deg_freedom
    # Welch: at least the smaller side's 2, at most 2 + 2, fewer than the 5 of groups less one
    assert 2 <= degrees <= 4
    assert effect["deg_freedom"] == degrees
    half = student.ppf(0.975, degrees) * effect["effect"]["std_error"]
    assert effect["effect"]["conf_high"] == pytest.approx(effect["effect"]["estimate"] + half)
    said = " ".join(found.caveats)
    assert (
        f"6 groups are few: the interval of the rating is of Student's t with {degrees:.1f}" in said
    )


# -- against a regression


def test_two_periods_are_the_interaction_of_a_regression(observations: Make) -> None:
    import statsmodels.api as sm

    obs = rolled_out(observations(2_000))
    # the rating alone: its rows are before or after by their own day
    keep = obs.frame["_month"].isin(["2025-06", "2025-07"])
    small = obs.frame.loc[keep].reset_index(drop=True)
    object.__setattr__(obs, "frame", small)
    found = evaluated(obs, starts=HALF)
    assert not isinstance(found.on_rating, NotRun)
    treated = small["group"].isin(list(HALF)).to_numpy(dtype=float)
    after = (small["_month"] == "2025-07").to_numpy(dtype=float)
    design = np.column_stack([np.ones(len(small)), treated, after, treated * after])
    theirs = sm.OLS(small["rating"].to_numpy(), design).fit()
    overall = found.on_rating.effects.overall()
    assert overall.estimate == pytest.approx(theirs.params[3], rel=1e-9)
    assert isinstance(found.on_outcome, NotRun)


# -- what is said


def test_the_section(observations: Make) -> None:
    obs = rolled_out(observations(6_000))
    lift = cx.LiftModel(rollout=cx.Rollout(group="group", starts=HALF, period="quarter")).fit(obs)
    section = to_plain(lift.to_section())["rollout"]
    assert section["status"] == "ok"
    assert section["outcome"]["effect"]["unit"] == "USD per customer per 180 days"
    assert section["rating"]["effect"]["unit"] == "rating points"
    assert section["rating"]["clustered_by"] == "group"
    since = [row["periods_since_start"] for row in section["rating"]["event_study"]["rows"]]
    assert since == [-4, -3, -2, 0, 1, 2, 3]
    assert section["rating"]["pre_trend"]["n_periods"] == 3
    assert "would have moved alike" in section["must_be_believed"]


def test_small_rows_are_not_shown(observations: Make) -> None:
    found = evaluated(rolled_out(observations(600)), starts={"g0": START, "g1": START})
    assert not isinstance(found.on_rating, NotRun)
    rows = found.on_rating.to_section(0.95, 30)["event_study"]["rows"]
    hidden = [row for row in rows if row["suppressed"]]
    assert hidden
    assert all(row["estimate"] is None for row in hidden)


def test_too_few_responses_after_the_start(observations: Make) -> None:
    obs = rolled_out(observations(600))
    late = dt.date(2026, 6, 1)
    found = evaluated(obs, starts={f"g{i}": late for i in range(2)}, period="quarter")
    assert isinstance(found.on_rating, NotRun)
    assert "responses are of groups that had begun, under 30" in found.on_rating.reason


def test_one_group_alone_is_clustered_by_customer(observations: Make) -> None:
    found = evaluated(rolled_out(observations(6_000)), starts={"g0": START}, period="quarter")
    assert not isinstance(found.on_rating, NotRun)
    assert not found.on_rating.by_group
    assert any("its own luck" in said for said in found.caveats)


def test_groups_that_moved_apart_before_are_named(observations: Make) -> None:
    obs = rolled_out(observations(6_000))
    months = (obs.frame["responded_at"] - pd.Timestamp("2024-07-01")).dt.days / 30
    obs.frame["rating"] += 0.2 * months * obs.frame["group"].isin(list(HALF))
    found = evaluated(obs, period="quarter")
    assert any("Before the start the rating did not move alike" in said for said in found.caveats)


# -- not run, and errors


def test_what_cannot_be_compared(observations: Make) -> None:
    assert isinstance(cx.LiftModel().fit(observations(300)).rollout, NotRun)
    obs = rolled_out(observations(600))
    everybody = {f"g{i}": START for i in range(16)}
    found = evaluated(obs, starts=everybody)
    assert isinstance(found.on_rating, NotRun)
    assert "another group that had not begun" in found.on_rating.reason
    del obs.frame["_month"]
    declared = cx.Rollout(group="group", starts=HALF)
    late = evaluate_rollout(fit_lift(obs, "revenue", LiftSettings(rollout=declared)))
    assert isinstance(late, NotRun)
    assert "when customers responded" in late.reason


def test_settings_that_cannot_be(observations: Make) -> None:
    obs = rolled_out(observations(600))
    for declared, message in (
        (cx.Rollout(group="grop", starts=HALF), "no column 'grop'. Did you mean 'group'"),
        (cx.Rollout(group="group", starts={"g99": START}), "no response is of the group 'g99'"),
    ):
        with pytest.raises(ConfigError, match=message):
            evaluate_rollout(fit_lift(obs, "revenue", LiftSettings(rollout=declared)))
    with pytest.raises(ValueError, match="names no group"):
        cx.Rollout(group="group", starts={})
    with pytest.raises(ValueError, match="period is 'month' or 'quarter'"):
        cx.Rollout(group="group", starts=HALF, period="week")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="comparison is 'not_yet' or 'never'"):
        cx.Rollout(group="group", starts=HALF, comparison="all")  # type: ignore[arg-type]


def test_a_start_with_a_zone_is_its_day_in_utc() -> None:
    times = pd.to_datetime(pd.Series(["2025-07-01T23:30:00-02:00", None]), utc=True)
    found = dates_of(times, "began_on")
    assert found[0] == pd.Timestamp("2025-07-02")
    assert pd.isna(found[1])


@pytest.mark.parametrize(
    ("began", "message"),
    [
        ([None, None, None, None], "began_on is empty in every response, so no group began"),
        (["2025-07-01", "soon", None, None], r"1 of 2 values of began_on are no dates. Write them"),
        (
            ["2025-07-01", "2025-07-02", None, None],
            "1 of 2 groups of group hold more than one start",
        ),
        (["2025-07-01", None, None, None], "1 of 2 groups .* or rows with and without one"),
        ([1.0, 1.0, 2.0, 2.0], "began_on holds numbers, not dates"),
    ],
)
def test_starts_that_cannot_be_read(began: list[Any], message: str) -> None:
    frame = pd.DataFrame({"group": ["n", "n", "s", "s"], "began_on": began})
    with pytest.raises(ConfigError, match=message):
        starts_of(frame, cx.Rollout(group="group", started_at="began_on"))
    with pytest.raises(ConfigError, match=r"started_at: there is no column 'began'"):
        starts_of(frame, cx.Rollout(group="group", started_at="began"))


def test_starts_are_given_in_one_way() -> None:
    with pytest.raises(ValueError, match="it has neither"):
        cx.Rollout(group="group")
    with pytest.raises(ValueError, match="it has both"):
        cx.Rollout(group="group", starts=HALF, started_at="began_on")


# -- a known truth


def test_the_programme_is_recovered(observations: Make) -> None:
    found = evaluated(rolled_out(observations(12_000, seed=4)), period="quarter")
    assert not isinstance(found.on_outcome, NotRun)
    assert not isinstance(found.on_rating, NotRun)
    for effect, truth in ((found.on_outcome, 8.0), (found.on_rating, 1.0)):
        overall = effect.effects.overall()
        assert abs(overall.estimate - truth) < 3 * overall.std_error
        trend = effect.effects.pre_trend()
        assert trend is None or trend[1] > 0.001

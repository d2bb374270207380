"""The hazard of leaving: answers that change, delayed entry, censoring, tables of any size."""

import builtins
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from simulated_observations import START, joined_table, simulate_observations

import cxmodel as cx
from cxmodel.errors import ConfigError, DataError, InsufficientDataError, SeparationError
from cxmodel.models.retention.compare import compare_groups
from cxmodel.models.retention.hazard import HazardModel
from cxmodel.models.retention.spells import read_spells
from cxmodel.results import NotRun
from cxmodel.stats.hazard import Baseline
from cxmodel.stats.rates import DAYS_PER_MONTH
from cxmodel.tables.observation_table import Observations

# -- worked by hand


def _answers(rows: list[tuple[str, float, float, float, bool]], **columns: Any) -> Observations:
    """Make observations of (customer, day, rating, duration, left)."""
    base = simulate_observations(len(rows), repeats=0.0)
    frame = base.frame.assign(
        customer_id=[row[0] for row in rows],
        responded_at=[START + pd.Timedelta(days=row[1]) for row in rows],
        rating=[row[2] for row in rows],
        duration_days=[row[3] for row in rows],
        _event=[row[4] for row in rows],
        **columns,
    )
    return replace(base, frame=frame, as_of=None)


def _spells(obs: Observations) -> list[tuple[int, int, bool, float]]:
    rows = read_spells(obs, period_days=10)
    return [
        (int(a), int(b), bool(e), float(r))
        for a, b, e, r in zip(rows.first, rows.last, rows.events, rows.frame["rating"], strict=True)
    ]


def test_each_answer_holds_until_the_next() -> None:
    # periods of 10 days; the second answer comes in period 2, so it holds from period 3 on
    obs = _answers([("a", 0, 9, 47, True), ("a", 25, 3, 22, True)])
    assert _spells(obs) == [(0, 2, False, 9.0), (3, 4, True, 3.0)]


def test_leaving_counts_under_the_answer_that_held_when_the_period_began() -> None:
    obs = _answers([("a", 0, 9, 28, True), ("a", 25, 3, 3, True)])
    assert _spells(obs) == [(0, 2, True, 9.0)]


def test_who_has_not_left_is_seen_for_whole_periods() -> None:
    obs = _answers([("a", 0, 9, 47, False), ("b", 0, 5, 9, False), ("c", 0, 5, 50, False)])
    assert _spells(obs) == [(0, 3, False, 9.0), (0, 4, False, 5.0)]
    rows = read_spells(obs, period_days=10)
    assert {"stage": "hazard", "reason": "under_one_period", "n": 1} in rows.not_used


def test_leaving_on_the_dot_counts_in_the_period_that_ends() -> None:
    assert _spells(_answers([("a", 0, 9, 20, True)])) == [(0, 1, True, 9.0)]


def test_coming_back_begins_another_stay_of_the_same_customer() -> None:
    obs = _answers([("a", 0, 9, 15, True), ("a", 100, 4, 25, False)])
    assert _spells(obs) == [(0, 1, True, 9.0), (0, 1, False, 4.0)]
    rows = read_spells(obs, period_days=10)
    assert rows.customer.tolist() == [0, 0]


def test_tenure_is_the_clock_where_it_is_known() -> None:
    # 37 days there when first asked: periods 0-2 are not at risk
    obs = _answers([("a", 0, 9, 20, True), ("b", 0, 5, 20, False)], tenure_days=[37.0, 0.0])
    assert _spells(obs) == [(3, 4, True, 9.0), (0, 1, False, 5.0)]
    assert read_spells(obs, period_days=10).clock == "the customer started"
    unknown = replace(obs, frame=obs.frame.assign(tenure_days=[37.0, np.nan]))
    assert read_spells(unknown, period_days=10).clock == "the first answer"


def test_a_last_period_not_seen_to_its_end_counts_for_nobody() -> None:
    obs = _answers([("a", 0, 9, 22, True), ("b", 0, 5, 25, False)])
    # seen for 25 days: period 2 ends after that
    obs = replace(obs, as_of=(START + pd.Timedelta(days=24)).date())
    assert _spells(obs) == [(0, 1, False, 9.0), (0, 1, False, 5.0)]


def test_hazard_ratio_by_hand() -> None:
    # 20% of the promoters and 40% of the detractors leave in the one period
    rows = [(f"p{i}", 0.0, 9.0, 8.0 if i < 20 else 12.0, i < 20) for i in range(100)]
    rows += [(f"d{i}", 0.0, 5.0, 8.0 if i < 40 else 12.0, i < 40) for i in range(100)]
    fit = HazardModel(period_days=10).fit(_answers(rows))
    expected = math.log(0.8) / math.log(0.6)
    per_point = fit.hazard_ratio_per_rating_point()
    assert per_point.estimate == pytest.approx(expected ** (1 / 4))
    assert per_point.unit == "hazard ratio per rating point"
    assert fit.by_band()["promoter"].estimate == pytest.approx(expected)
    assert fit.reference_band == "detractor"
    variance = 0.2 / (100 * 0.8 * math.log(0.8) ** 2) + 0.4 / (100 * 0.6 * math.log(0.6) ** 2)
    assert fit.terms[0].std_error == pytest.approx(math.sqrt(variance * 200 / 199) / 4)


# -- against a reference


def _rossi() -> pd.DataFrame:
    """432 convicts followed for 52 weeks (Rossi, Berk & Lenihan 1980); ships with lifelines."""
    data = pytest.importorskip("lifelines.datasets", reason="lifelines is an extra")
    rossi: pd.DataFrame = data.load_rossi().assign(first=0)
    return rossi.assign(last=rossi["week"] - 1, left=rossi["arrest"] == 1)


def _of_rossi(baseline: Baseline) -> dict[str, float]:
    names = ["fin", "age", "race", "wexp", "mar", "paro", "prio"]
    model = HazardModel(rating=None, controls=names, period_days=7, baseline=baseline)
    fit = model.fit_table(_rossi(), first="first", last="last", event="left")
    return {term.term: term.log_ratio for term in fit.terms}


def test_rossi_with_a_linear_trend() -> None:
    # published: customer-periods, complementary log-log
    found = _of_rossi("linear")
    assert found["fin"] == pytest.approx(-0.3810, abs=5e-5)
    assert found["age"] == pytest.approx(-0.0575, abs=5e-5)
    assert found["prio"] == pytest.approx(0.0916, abs=5e-5)


@pytest.mark.parametrize("baseline", ["levels", "spline", "log_time", "linear"])
def test_rossi_is_near_to_cox(baseline: Baseline) -> None:
    # published: Cox
    found = _of_rossi(baseline)
    assert found["fin"] == pytest.approx(-0.379422, abs=0.003)
    assert found["age"] == pytest.approx(-0.057438, abs=0.003)
    assert found["prio"] == pytest.approx(0.091497, abs=0.003)


def test_cox_by_lifelines() -> None:
    pytest.importorskip("lifelines", reason="lifelines is an extra")
    obs = simulate_observations(600, repeats=0.0)
    cox = HazardModel(method="cox").fit(obs)
    discrete = HazardModel(baseline="levels").fit(obs)
    ratios = [one.hazard_ratio_per_rating_point() for one in (cox, discrete)]
    assert ratios[0].estimate == pytest.approx(ratios[1].estimate, abs=0.003)
    assert ratios[0].std_error == pytest.approx(ratios[1].std_error, rel=0.01)
    # with late entries lifelines 0.30 has other robust errors, 3% off: its residuals leave them out
    changing = simulate_observations(600, repeats=0.5)
    ratios = [
        model.fit(changing).hazard_ratio_per_rating_point()
        for model in (HazardModel(method="cox"), HazardModel(baseline="levels"))
    ]
    assert ratios[0].estimate == pytest.approx(ratios[1].estimate, abs=0.003)
    assert cox.n_events == discrete.n_events
    accelerated = HazardModel(method="aft").fit(obs)
    # an exponential life: time ratio is the inverse of the hazard ratio
    assert accelerated.ratio("rating").estimate == pytest.approx(math.exp(0.3), rel=0.05)
    with pytest.raises(ValueError, match="ratios of time, not of hazards"):
        accelerated.hazard_ratio_per_rating_point()


def test_spells_and_customer_periods_are_one() -> None:
    rng = np.random.default_rng(2)
    rating, last = rng.integers(0, 11, 400), rng.integers(0, 9, 400)
    spells = pd.DataFrame(
        {"rating": rating, "first": 0, "last": last, "left": rng.random(400) < 0.5}
    )
    who = np.repeat(np.arange(400), last + 1)
    period = np.concatenate([np.arange(end + 1) for end in last])
    single = pd.DataFrame(
        {
            "rating": rating[who],
            "period": period,
            "left": spells["left"].to_numpy()[who] & (period == last[who]),
        }
    )
    model = HazardModel()
    one = model.fit_table(spells, first="first", last="last", event="left", scale=cx.NPS)
    other = model.fit_table(single, period="period", event="left", scale=cx.NPS)
    assert one.terms[0].log_ratio == pytest.approx(other.terms[0].log_ratio, rel=1e-10)
    assert one.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-12)
    assert one.n_person_periods == other.n_person_periods == len(single)
    pd.testing.assert_frame_equal(one.baseline, other.baseline)
    assert one.by_band().keys() == other.by_band().keys()
    assert one.errors == "by spell"


# -- properties


def test_a_fit_to_rows_is_a_fit_to_their_table() -> None:
    obs = simulate_observations(400, repeats=0.5)
    rows = read_spells(obs, period_days=DAYS_PER_MONTH)
    table = pd.DataFrame(
        {
            "rating": rows.frame["rating"].to_numpy().astype(int),
            "first": rows.first,
            "last": rows.last,
            "left": rows.events,
        }
    )
    one = HazardModel().fit(obs)
    other = HazardModel().fit_table(table, first="first", last="last", event="left")
    assert one.terms[0].log_ratio == pytest.approx(other.terms[0].log_ratio, rel=1e-9)
    assert one.errors == "by customer"


@pytest.mark.parametrize("with_start", [True, False])
def test_spells_on_the_engine_are_those_in_memory(with_start: bool) -> None:
    sim = cx.datasets.simulate(n_customers=700, seed=3)
    start = {"started_at": "started_at"} if with_start else {}
    customers = sim.customers if with_start else sim.customers.drop(columns="started_at")
    obs = cx.join_observations(
        cx.read_surveys(sim.surveys, responded_at="responded_at", ratings={"nps": ("nps", cx.NPS)}),
        customers=cx.read_customers(customers, churned_at="churned_at", **start),
        as_of="2026-05-31",
    )
    stayed = HazardModel(rows_up_to=0, baseline="log_time").fit(obs)
    fetched = HazardModel(baseline="log_time").fit(obs)
    assert stayed.clock == fetched.clock
    assert stayed.clock == ("the customer started" if with_start else "the first answer")
    assert (stayed.n_spells, stayed.n_person_periods, stayed.n_events) == (
        fetched.n_spells,
        fetched.n_person_periods,
        fetched.n_events,
    )
    assert stayed.terms[0].log_ratio == pytest.approx(fetched.terms[0].log_ratio, rel=1e-9)
    assert stayed.log_likelihood == pytest.approx(fetched.log_likelihood, rel=1e-11)
    assert (stayed.errors, fetched.errors) == ("by spell", "by customer")


def test_the_result_shows_itself() -> None:
    fit = HazardModel(controls=["segment"]).fit(simulate_observations(800))
    frame = fit.to_frame()
    assert frame.term.tolist() == ["rating", "segment: small", "passive", "promoter"]
    assert (frame.ratio_low < frame.ratio).all()
    section = fit.to_dict()
    assert section["hazard_ratio_per_rating_point"]["unit"] == "hazard ratio per rating point"
    assert [row["band"] for row in section["by_band"]["rows"]] == ["passive", "promoter"]
    assert "at_risk" not in section["baseline"]["rows"][0]
    survival = fit.baseline_survival()
    assert survival == pytest.approx(fit.baseline["survival"].to_numpy())
    assert (fit.baseline_survival(math.log(2)) <= survival).all()
    assert fit.plot().axes[0].get_xlabel() == "Hazard ratio"
    assert "rating" in fit.summary()


def test_small_bands_are_not_shown() -> None:
    obs = simulate_observations(400, repeats=0.0)
    frame = obs.frame.assign(rating=obs.frame.rating.clip(upper=8))
    frame.loc[frame.index[:12], "rating"] = 10
    fit = HazardModel().fit(replace(obs, frame=frame))
    assert isinstance(fit.bands, NotRun)
    assert fit.bands.reason == "under 30 answers at risk in a band: promoter"
    with pytest.raises(ValueError, match="no hazard ratios by band: under 30 answers"):
        fit.by_band()


def test_a_joined_table_is_one_period_a_customer() -> None:
    fit = HazardModel().fit(joined_table(3_000))
    assert fit.n_person_periods == fit.n_spells == 3_000
    assert fit.period == "91 days"
    # rating below 3 (2 of 5 levels): 20% leave, else 15%
    assert 0.80 < fit.hazard_ratio_per_rating_point().estimate < 0.98
    # unasked it looks one window ahead: there is no more
    rows = pd.DataFrame({"rating": [1.0, 5.0], "period": [3, 30]})
    assert fit.predict(rows).equals(fit.predict(rows, 1))
    assert not fit.predict(rows).equals(fit.predict(rows, 2))


def test_groups_compared_by_hand() -> None:
    # a: half leave at month 1, b: nobody within 2; restricted to 2 months 1.5 against 2
    day = DAYS_PER_MONTH
    rows = [(f"a{i}", 0.0, 3.0, day if i < 20 else 3 * day, i < 20) for i in range(40)]
    rows += [(f"b{i}", 0.0, 9.0, 3 * day, False) for i in range(40)]
    obs = _answers(rows, band=["detractor"] * 40 + ["promoter"] * 40)
    found = compare_groups(obs, horizon_months=2)
    assert found.means["detractor"].estimate == pytest.approx(1.5)
    assert found.differences["promoter"].estimate == pytest.approx(0.5)
    # 20 events at one time: expected half, variance 20 x 1/4 x 60/79
    assert found.log_rank.statistic == pytest.approx(100 / (20 / 4 * 60 / 79))
    assert found.to_frame().group.tolist() == ["detractor", "promoter"]
    assert found.to_dict()["rows"][1]["band"] == "promoter"


# -- errors


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="method must be one of 'discrete', 'cox', 'aft'"):
        HazardModel(method="cux")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="period_days must be positive"):
        HazardModel(period_days=0)
    with pytest.raises(ValueError, match="nothing to explain"):
        HazardModel(rating=None)
    with pytest.raises(ValueError, match="period, or both first and last"):
        HazardModel().fit_table(pd.DataFrame(), event="left")
    with pytest.raises(ValueError, match="needs the rows"):
        HazardModel(method="cox").fit_table(pd.DataFrame(), event="left", period="p")


def test_no_churn_all_churn_and_few_events_are_named() -> None:
    def rows(n_left: int, n: int = 60) -> Observations:
        return _answers([(f"c{i}", 0, float(i % 11), 9, i < n_left) for i in range(n)])

    model = HazardModel(period_days=9)
    with pytest.raises(InsufficientDataError, match="left in 0 of 60 customer-periods"):
        model.fit(rows(0))
    with pytest.raises(InsufficientDataError, match="stayed in 0; at least 10"):
        model.fit(rows(60))
    with pytest.raises(InsufficientDataError, match="left in 9 of 60 customer-periods"):
        model.fit(rows(9))
    with pytest.raises(InsufficientDataError, match="10 customers left for 2 terms"):
        HazardModel(period_days=9, controls="segment").fit(rows(10))


def test_churn_before_start_and_negative_time_are_named() -> None:
    table = pd.DataFrame({"rating": [1, 9] * 30, "first": 2, "last": [1, 4] * 30, "left": True})
    with pytest.raises(DataError, match="30 spells end before they begin"):
        HazardModel().fit_table(table, first="first", last="last", event="left")
    with pytest.raises(DataError, match="negative periods"):
        HazardModel().fit_table(table.assign(first=-1), first="first", last="last", event="left")
    with pytest.raises(DataError, match="'left' must be 0 or 1"):
        HazardModel().fit_table(
            table.assign(first=0, left=2), first="first", last="last", event="left"
        )
    obs = _answers([("a", 0, 9, -5, True)])
    with pytest.raises(InsufficientDataError, match="1 durations are negative"):
        HazardModel().fit(obs)


def test_unknown_columns_and_durations_are_named() -> None:
    obs = simulate_observations(100)
    with pytest.raises(ConfigError, match="no column 'segmet'"):
        HazardModel(controls="segmet").fit(obs)
    bare = replace(obs, frame=obs.frame.drop(columns="duration_days"))
    with pytest.raises(InsufficientDataError, match="needs to know who left, and when"):
        HazardModel().fit(bare)


def test_a_rating_that_tells_who_left_is_named() -> None:
    rows = [(f"c{i}", 0.0, 9.0 if i < 50 else 2.0, 9.0, i >= 50) for i in range(100)]
    with pytest.raises(SeparationError, match="tell the two outcomes apart"):
        HazardModel(period_days=9).fit(_answers(rows))


def test_lifelines_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *given: Any, **named: Any) -> Any:
        if name.startswith("lifelines"):
            raise ImportError(name)
        return real(name, *given, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ConfigError, match=r"pip install 'cxmodel\[survival\]'"):
        HazardModel(method="cox").fit(simulate_observations(200))


def test_gaps_are_counted() -> None:
    obs = simulate_observations(300, repeats=0.0)
    frame = obs.frame.copy()
    frame.loc[frame.index[frame.duration_days > 100][:6], "segment"] = None
    fit = HazardModel(controls="segment").fit(replace(obs, frame=frame))
    assert {"stage": "hazard", "reason": "missing_control", "n": 6} in fit.not_used


# -- recovery of a known truth


def subscribers(n: int, seed: int, effect: float = -0.25) -> Observations:
    """Make a business whose customers answer again and again, and leave by the latest answer.

    Months are of 30 days; in each the hazard is that of the answer in force when it began, and
    rises with tenure. Answers come about every third month and differ within a customer.
    """
    rng = np.random.default_rng(seed)
    tenure = rng.integers(0, 24, n)
    level = rng.normal(7, 1.5, n)
    rows: list[tuple[str, float, float, float, bool, float]] = []
    follow = rng.integers(6, 30, n)
    for i in range(n):
        rating = _answer(rng, level[i])
        days, ratings, left_at = [0.0], [rating], math.inf
        for month in range(follow[i]):
            rate = 0.04 * math.exp(0.01 * (tenure[i] + month) + effect * (ratings[-1] - 7))
            if rng.random() < -math.expm1(-rate):
                left_at = 30 * (month + rng.random())
                break
            if rng.random() < 1 / 3:
                days.append(30 * (month + 1 - 0.5 * rng.random()))
                ratings.append(_answer(rng, level[i]))
        end = min(left_at, 30.0 * follow[i])
        rows += [
            (f"c{i:05d}", day, one, end - day, left_at < math.inf, 30.0 * tenure[i] + day)
            for day, one in zip(days, ratings, strict=True)
            if day < end
        ]
    return _answers([row[:5] for row in rows], tenure_days=[row[5] for row in rows])


def _answer(rng: np.random.Generator, level: float) -> float:
    return float(np.clip(np.round(level + rng.normal(0, 1.5)), 0, 10))


def _held(n_worlds: int, n_customers: int) -> tuple[float, float]:
    held, off = [], []
    for seed in range(n_worlds):
        fit = HazardModel(period_days=30).fit(subscribers(n_customers, seed))
        (term,) = fit.terms
        off.append((term.log_ratio + 0.25) / term.std_error)
        held.append(abs(off[-1]) < 1.96)
    return float(np.mean(held)), float(np.mean(off))


def test_the_hazard_ratio_of_answers_that_change_is_recovered() -> None:
    held, off = _held(12, 400)
    assert held >= 9 / 12  # 8 or fewer would happen in 0.2% of runs
    assert abs(off) < 3 / math.sqrt(12)


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held, off = _held(1_000, 400)
    # 99% Monte Carlo intervals of methods 7
    assert 0.93 - 0.018 < held < 0.97 + 0.018
    assert abs(off) < 0.1 + 2.58 / math.sqrt(1_000)

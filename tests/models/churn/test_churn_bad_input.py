"""Tables as they come: each oddity is a named error, or is counted and said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from simulated_observations import joined_table, simulate_observations

import cxmodel as cx
from cxmodel.errors import ConfigError, CxModelWarning, InsufficientDataError, LeakageError
from cxmodel.models.churn.features import learn_features
from cxmodel.models.churn.model import ChurnModel
from cxmodel.tables.observation_table import Observations

HOSTILE = (
    "=cmd()|'/c calc'!A1",
    "<script>alert(1)</script>",
    "年齢 🎂",
    'a "b"; DROP TABLE x',
    "line\nbreak",
    "intercept",
    "rating of the agency",
)


def with_columns(obs: Observations, **columns: object) -> Observations:
    """Add columns that nobody asked for, as controls."""
    frame = obs.frame.assign(**columns)
    return replace(obs, frame=frame, controls=(*obs.controls, *columns))


def said(obs: Observations, beginning: str) -> str:
    found = [text for text in ChurnModel().fit(obs).caveats if text.startswith(beginning)]
    assert len(found) == 1, beginning
    return found[0]


# -- outcomes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("left", "message"), [(0.0, "0 of 300 usable"), (1.0, "300 of 300 usab")])
def test_one_outcome_alone_is_refused(left: float, message: str) -> None:
    obs = joined_table(300)
    with pytest.raises(InsufficientDataError, match=message):
        ChurnModel().fit(replace(obs, frame=obs.frame.assign(churned=left)))


@pytest.mark.parametrize("n_events", [9, 10])
def test_ten_events_are_the_fewest(n_events: int) -> None:
    obs = joined_table(400)
    churned = (np.arange(400) < n_events).astype(float)
    obs = replace(obs, frame=obs.frame.assign(churned=churned))
    if n_events == 10:
        assert ChurnModel().fit(obs).n_events == 10
        return
    with pytest.raises(InsufficientDataError, match=r"9 of 400 .* at least 10 of each"):
        ChurnModel().fit(obs)


def test_one_row_is_refused() -> None:
    obs = joined_table(300)
    with pytest.raises(InsufficientDataError, match="of 1 usable observations end in churn"):
        ChurnModel().fit(replace(obs, frame=obs.frame.head(1)))


def test_outcomes_that_are_not_known_are_counted() -> None:
    obs = joined_table(600)
    churned = obs.frame["churned"].where(np.arange(600) >= 25)
    result = ChurnModel().fit(replace(obs, frame=obs.frame.assign(churned=churned)))
    assert result.n_obs == 575
    assert sum(row["n"] for row in result.not_used) == 25


# -- columns -------------------------------------------------------------------------------------


def test_columns_that_say_nothing_are_named() -> None:
    obs = with_columns(joined_table(600), same="x", empty=np.nan, none=None)
    text = said(obs, "Columns of one value, of none")
    assert all(name in text for name in ("same", "empty", "none"))


def test_text_that_reads_as_numbers_is_a_number() -> None:
    numbers = np.random.default_rng(1).gamma(2.0, 9.0, 600).round(2)
    text = pd.Series([str(number) for number in numbers])
    text[:9] = " "
    result = ChurnModel().fit(with_columns(joined_table(600), total=text))
    part = next(part for part in result.features.parts if part.name == "total")
    assert part.is_number
    assert part.has_missing
    assert part.fill == pytest.approx(np.median(numbers[9:]))


def test_infinite_values_are_missing_and_counted() -> None:
    numbers = np.random.default_rng(1).normal(size=600)
    numbers[:3], numbers[3] = np.inf, -np.inf
    obs = with_columns(joined_table(600), ratio=numbers)
    assert "ratio (4)" in said(obs, "Infinite values count as missing")
    assert ChurnModel().fit(obs).predict(obs)["prob_churn"].between(0, 1).all()


def test_dates_are_named_and_no_predictors() -> None:
    seen = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(600), "D")
    obs = with_columns(joined_table(600), last_seen=seen)
    assert "last_seen" in said(obs, "Dates are examined for leaks")


def test_text_of_many_levels_is_named() -> None:
    obs = with_columns(joined_table(600), street=[f"street {i}" for i in range(600)])
    obs = replace(obs, audit={"controls_left_out": ["comment"]})
    result = ChurnModel().fit(obs)
    assert result.not_examined == ("street", "comment")
    assert result.to_section()["leaks"]["not_examined"] == ["street", "comment"]
    assert any("Not looked at, text of over 50 levels: street and comment" in text
               for text in result.caveats)  # fmt: skip


def test_hostile_names_pass_through() -> None:
    rng = np.random.default_rng(2)
    obs = with_columns(joined_table(900), **{name: rng.normal(size=900) for name in HOSTILE})
    result = ChurnModel().fit(obs)
    assert {row["column"] for row in result.importance} >= set(HOSTILE)
    # a column whose name begins like the rating's is no rating
    assert isinstance(result.metrics_without_rating, dict)
    plain = ChurnModel().fit(replace(obs, frame=obs.frame.drop(columns=["rating", "band"])))
    area, bare = (r.metrics_without_rating for r in (result, plain))
    assert area["roc_auc"].estimate == plain.metrics["roc_auc"].estimate  # type: ignore[union-attr]
    assert not isinstance(bare, dict)


def test_levels_never_seen_are_counted_at_prediction() -> None:
    frame = pd.DataFrame({"plan": ["a", "b"] * 20 + ["rare"], "age": range(41)})
    features = learn_features(frame, ["plan", "age"])
    later = pd.DataFrame({"plan": ["a", "z", "rare", None, "b"], "age": [1, 2, 3, 4, 5]})
    # rare levels have no column of their own, so they are as good as new
    assert features.unknown_levels(later) == {"plan": 3}
    assert features.unknown_levels(later.head(1)) == {}


def test_a_fitted_model_says_which_levels_are_new() -> None:
    obs = joined_table(900)
    result = ChurnModel().fit(obs)
    result.predict(obs)  # all levels of the fit are known: nothing is said
    moved = obs.frame.assign(plan=obs.frame["plan"].where(obs.frame.index > 4, "new plan"))
    with pytest.warns(CxModelWarning, match=r"\(plan: 5 of 900 rows\)"):
        result.predict(replace(obs, frame=moved))


# -- rows stored twice ---------------------------------------------------------------------------


def test_rows_stored_twice_are_counted_and_held_out_together() -> None:
    base = joined_table(500)
    twice = pd.concat([base.frame, base.frame.head(100)], ignore_index=True)
    twice["customer_id"] = [f"n{i}" for i in range(600)]
    obs = replace(base, frame=twice)
    result = ChurnModel().fit(obs)
    assert result.n_duplicate_rows == 100
    assert result.sample_size.n_customers == 500
    assert "100 rows equal an earlier row" in said(obs, "100 rows")
    assert ChurnModel().fit(base).n_duplicate_rows == 0


def test_duplicated_ids_are_one_customer() -> None:
    base = joined_table(600)
    ids = [f"c{i // 2}" for i in range(600)]
    obs = replace(base, frame=base.frame.assign(customer_id=ids, _share=0.5))
    result = ChurnModel().fit(obs)
    assert result.sample_size.n_customers == 300
    assert result.n_duplicate_rows == 0


def test_a_coarse_table_is_not_taken_for_duplicates() -> None:
    base = joined_table(600)
    frame = base.frame.drop(columns=["_monthly_revenue", "_duration_months"])
    assert ChurnModel().fit(replace(base, frame=frame)).n_duplicate_rows == 0


# -- leaks ---------------------------------------------------------------------------------------


def test_a_leak_is_named_with_its_figures() -> None:
    base = joined_table(800)
    reason = np.where(base.frame["churned"] == 1, "moved", None)
    result = ChurnModel().fit(with_columns(base, **{"Churn Reason": reason}))
    text = next(text for text in result.caveats if text.startswith("Left out of the churn model"))
    assert "Churn Reason (AUC 1.000, 100% pure)" in text
    row = result.to_section()["leaks"]["rows"][0]
    assert row["auc"] == 1.0
    assert row["pure_share"] == 1.0


def test_every_column_is_examined_not_controls_alone() -> None:
    obs = simulate_observations(900, loss_per_month=0.05)
    known = obs.frame["churned"] == 1
    obs = replace(obs, frame=obs.frame.assign(note=np.where(known, "gone", "there")))
    # neither an attribute nor a control
    result = ChurnModel(controls="segment").fit(obs)
    assert [leak.column for leak in result.leaks.leaks] == ["note"]


def test_the_rating_is_measured_and_never_left_out() -> None:
    obs = joined_table(800)
    result = ChurnModel().fit(obs)
    assert result.separation is not None
    assert not result.separation["separates"]
    told = np.where(obs.frame["churned"] == 1, 1.0, 5.0)
    told = ChurnModel().fit(replace(obs, frame=obs.frame.assign(rating=told)))
    assert told.separation == {"auc": 1.0, "pure_share": 1.0, "separates": True}
    assert told.leaks.leaks == ()


def test_an_unknown_column_to_keep_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"keep: there is no column 'plam'\. Did you mean 'plan'"):
        ChurnModel(keep="plam").fit(joined_table(300))


def test_attributes_dated_after_the_response_are_refused() -> None:
    obs = simulate_observations(300, loss_per_month=0.05)
    later = obs.frame["responded_at"] + pd.Timedelta(days=1)
    obs = replace(obs, frame=obs.frame.assign(ended=later), attributes=("segment", "ended"))
    with pytest.raises(LeakageError, match="'ended' is dated after the response in 360 rows"):
        ChurnModel().fit(obs)


# -- from a file ---------------------------------------------------------------------------------


def test_a_plain_frame_goes_through(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(4)
    age = rng.normal(40, 9, 400)
    left = rng.random(400) < 1 / (1 + np.exp(-(age - 48) / 6))
    frame = pd.DataFrame({"left": np.where(left, "yes", "no"), "age": age, "total": " "})
    frame.to_csv(tmp_path / "table.csv", index=False)
    obs = cx.read_observations(tmp_path / "table.csv", churned="left")
    result = cx.ChurnModel().fit(obs)
    assert result.n_obs == 400
    assert result.importance[0]["column"] == "age"

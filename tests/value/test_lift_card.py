"""The lift card: written by a study, read with numpy alone, and refused when it was changed."""

from __future__ import annotations

import copy
import datetime as dt
import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cxmodel as cx
from cxmodel.errors import CxModelWarning, InsufficientDataError, SchemaError, SourceError
from cxmodel.models.example import small_observations
from cxmodel.value.card_format import fingerprint_of
from cxmodel.value.drift import rating_drift
from cxmodel.value.example_card import NORMAL, small_card, small_content
from cxmodel.value.lift_card import LiftCard
from cxmodel.value.make_card import make_lift_card, rating_counts

SCHEMA = json.loads(files("cxmodel").joinpath("schema/lift_card.schema.json").read_text())
ON_TIME = dt.date(2026, 9, 1)
ADDED = ["estimate", "std_error", "conf_low", "conf_high", "unit", "extrapolated"]


def write(folder: Path, content: dict[str, Any], *, sealed: bool = True) -> Path:
    """Write a card, with the fingerprint of its content unless told otherwise."""
    path = folder / "lift_card.json"
    mark = fingerprint_of(content) if sealed else "sha256:" + "0" * 64
    path.write_text(json.dumps({**content, "fingerprint": mark}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def fitted() -> tuple[cx.Observations, list[Any]]:
    obs = small_observations(1_500)
    object.__setattr__(obs, "as_of", dt.date(2026, 6, 30))
    return obs, [
        cx.LiftModel(outcome="revenue").fit(obs),
        cx.LiftModel(outcome="retention").fit(obs),
    ]


# -- worked by hand


def test_a_move_is_the_lift_times_the_points() -> None:
    # 4 USD a point, standard error 1: from 6 to 8 it is 8 +- 2; from 8 to 6 it is -8 +- 2
    moves = pd.DataFrame({"rating_from": [6.0, 8.0, 5.0], "rating_to": [8, 6, 5]})
    found = small_card().predict(moves)
    assert found.columns.tolist() == ["rating_from", "rating_to", *ADDED]
    assert found["estimate"].tolist() == [8.0, -8.0, 0.0]
    assert found["std_error"].tolist() == [2.0, 2.0, 0.0]
    assert found["conf_low"].tolist() == pytest.approx([8 - 2 * NORMAL, -8 - 2 * NORMAL, 0.0])
    assert found["conf_high"].tolist() == pytest.approx([8 + 2 * NORMAL, -8 + 2 * NORMAL, 0.0])
    assert set(found["unit"]) == {"USD per customer per 180 days"}
    assert not found["extrapolated"].any()
    assert moves.columns.tolist() == ["rating_from", "rating_to"]


def test_a_move_stops_at_the_edge_of_the_data() -> None:
    # ratings 3 to 9 were given: from 8 to 10 only the point to 9 counts, from 0 to 2 nothing does
    card = small_card(observed_range=[3, 9])
    moves = pd.DataFrame({"rating_from": [8.0, 0.0, 3.0], "rating_to": [10.0, 2.0, 9.0]})
    found = card.predict(moves)
    assert found["estimate"].tolist() == [4.0, 0.0, 24.0]
    assert found["extrapolated"].tolist() == [True, True, False]


def test_a_move_along_the_curve() -> None:
    # means 80, 82, 90 at 0, 1, 2, errors 2 each and independent: from 0 to 2 it is 10, error
    # sqrt(8); from .5 to 1 it is 82 - 81 = 1, weights (-.5, .5), error sqrt(2)
    curve = [
        {**row, "estimate": y}
        for row, y in zip(small_content()["curve"], (80, 82, 90), strict=False)
    ]
    card = small_card(curve=curve, curve_covariance=np.diag([4.0] * 3).tolist())
    moves = pd.DataFrame({"rating_from": [0.0, 0.5, 2.0], "rating_to": [2.0, 1.0, 5.0]})
    found = card.predict(moves, shape="curve")
    assert found["estimate"].tolist() == [10.0, 1.0, 0.0]
    assert found["std_error"].tolist() == pytest.approx([8**0.5, 2**0.5, 0.0])
    assert found["extrapolated"].tolist() == [False, False, True]
    assert set(found["unit"]) == {"USD per customer per 180 days"}


def test_the_lift_of_retention_has_its_own_unit() -> None:
    moves = pd.DataFrame({"rating_from": [6.0], "rating_to": [8.0]})
    found = small_card().predict(moves, outcome="retention")
    assert found["estimate"].tolist() == [0.04]
    assert found["std_error"].tolist() == pytest.approx([0.02])
    assert found["unit"].tolist() == ["probability of staying per 180 days"]


def test_drift_has_three_answers() -> None:
    then = [{"ratings": [r], "n": 1_000} for r in range(4)]
    same = rating_drift(then, np.repeat([0.0, 1, 2, 3], 500))
    assert (same.verdict, same.n_obs) == ("pass", 2_000)
    some = rating_drift(then, np.repeat([0.0, 1, 2, 3], [900, 500, 350, 250]))
    assert some.verdict == "warn"
    assert 0.10 < some.index < 0.25
    most = rating_drift(then, np.repeat([0.0, 1, 2, 3], [1_700, 100, 100, 100]))
    assert most.verdict == "fail"
    assert "another population" in most.text


def test_chance_is_no_drift() -> None:
    # 8 answers cannot be spread evenly over 11 ratings: the index is large and says nothing
    then = [{"ratings": [r], "n": 100} for r in range(11)]
    few = rating_drift(then, np.array([0.0, 1, 1, 5, 6, 7, 8, 8]))
    assert few.index > 0.25
    assert few.verdict == "pass"


def test_small_groups_stand_together_in_the_counts() -> None:
    rows = [{"rating": r, "n_obs": n} for r, n in ((0, None), (1, None), (2, 40), (3, 90))]
    # 11 in the two hidden ones are too few: the next smallest joins them
    assert rating_counts(rows, 141, 30) == [
        {"ratings": [0, 1, 2], "n": 51}, {"ratings": [3], "n": 90}
    ]  # fmt: skip
    assert rating_counts(rows, 165, 30)[0] == {"ratings": [0, 1], "n": 35}


# -- against the lift that it was made from


def test_the_card_says_what_the_lifts_say(fitted: tuple[cx.Observations, list[Any]]) -> None:
    obs, lifts = fitted
    card = make_lift_card(lifts, obs)
    for lift in lifts:
        own, carried = lift.per_rating_point(), card.per_rating_point(lift.outcome)
        for name in ("estimate", "std_error", "conf_low", "conf_high"):
            assert getattr(carried, name) == pytest.approx(getattr(own, name), rel=1e-12), name
        assert (carried.unit, carried.n_obs) == (own.unit, own.n_obs)
        # a card holds several lifts, and what must be known of one rides with all
        assert set(own.caveats) <= set(carried.caveats)
    psi = np.column_stack([lift.influence["per_rating_point"] for lift in lifts])
    np.testing.assert_allclose(card.covariance, psi.T @ psi, rtol=1e-12)
    assert card.per_kpi_point().estimate == lifts[0].per_kpi_point().estimate
    assert card.content["curve"][3]["estimate"] == lifts[0].by_rating[3]["estimate"]
    assert sum(row["n"] for row in card.content["rating_counts"]) == lifts[0].n_obs
    assert (card.content["created_at"], card.content["expires_at"]) == ("2026-06-30", "2027-06-30")


def test_the_curve_of_the_card_is_that_of_the_lift(
    fitted: tuple[cx.Observations, list[Any]],
) -> None:
    obs, lifts = fitted
    card = make_lift_card(lifts, obs)
    rows = [row for row in lifts[0].by_rating if not row["suppressed"]]
    low, high = rows[1], rows[-1]
    moves = pd.DataFrame({"rating_from": [low["rating"]], "rating_to": [high["rating"]]})
    found = card.predict(moves, shape="curve")
    assert found["estimate"][0] == pytest.approx(high["estimate"] - low["estimate"], rel=1e-12)
    psi = [lifts[0].influence[f"by_rating.{row['rating']:g}"] for row in (high, low)]
    error = np.sqrt(np.sum((psi[0] - psi[1]) ** 2))
    assert found["std_error"][0] == pytest.approx(error, rel=1e-9)


def test_the_card_draws_what_the_lift_draws(fitted: tuple[cx.Observations, list[Any]]) -> None:
    obs, lifts = fitted
    card = make_lift_card(lifts, obs)
    assert card.sample(50, 3).shape == (50, 2)
    alone = make_lift_card(lifts[:1], obs)
    np.testing.assert_allclose(alone.sample(50, 3), lifts[0].sample(50, 3), rtol=1e-12)


def test_a_programme_is_worth_the_same_from_the_card(
    fitted: tuple[cx.Observations, list[Any]], tmp_path: Path
) -> None:
    obs, lifts = fitted
    path = tmp_path / "lift_card.json"
    path.write_text(make_lift_card(lifts, obs).to_json(), encoding="utf-8")
    card = cx.read_lift_card(tmp_path, at=ON_TIME)
    gains: list[dict[str, Any]] = [{"rating_points": 0.8}, {"kpi_points": 3.0}]
    for gain in gains:
        plan = cx.Programme(name="calls", customers=5_000, upfront_cost=9_000, **gain)
        from_card, from_lift = (
            cx.project_roi(plan, lift, gross_margin=0.6, annual_discount_rate=0.1)
            for lift in (card, lifts[0])
        )
        said, own = from_card.to_dict(), from_lift.to_dict()
        assert set(own.pop("caveats")) <= set(said.pop("caveats"))
        assert said == own


def test_draws_have_the_joint_covariance() -> None:
    draws = small_card().sample(200_000, seed=5)
    np.testing.assert_allclose(draws.mean(axis=0), [4.0, 0.02], atol=0.01)
    np.testing.assert_allclose(np.cov(draws.T), [[1.0, 0.002], [0.002, 0.0001]], rtol=0.05)
    np.testing.assert_array_equal(draws, small_card().sample(200_000, seed=5))


# -- properties


ratings = st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=20)


@given(ratings)
def test_the_way_back_undoes_the_way_there(moves: list[tuple[float, float]]) -> None:
    there = pd.DataFrame(moves, columns=["rating_from", "rating_to"])
    back = pd.DataFrame(moves, columns=["rating_to", "rating_from"])
    found, undone = small_card().predict(there), small_card().predict(back)
    np.testing.assert_allclose(found["estimate"], -undone["estimate"], atol=1e-12)
    np.testing.assert_allclose(found["std_error"], undone["std_error"], atol=1e-12)
    assert (found["conf_low"] <= found["conf_high"]).all()


@given(ratings)
def test_every_kind_of_table_gives_the_same_numbers(moves: list[tuple[float, float]]) -> None:
    frame = pd.DataFrame(moves, columns=["rating_from", "rating_to"])
    from_pandas = small_card().predict(frame)
    from_polars = small_card().predict(pl.DataFrame(frame.to_dict("list")))
    from_arrow = small_card().predict(pa.Table.from_pandas(frame))
    assert isinstance(from_polars, pl.DataFrame)
    assert isinstance(from_arrow, pa.Table)
    assert from_polars.schema["unit"] == pl.String
    assert from_polars.to_dict(as_series=False) == from_pandas.to_dict("list")
    assert from_arrow.to_pydict() == from_pandas.to_dict("list")


def test_the_same_card_gives_the_same_bytes(fitted: tuple[cx.Observations, list[Any]]) -> None:
    obs, lifts = fitted
    assert make_lift_card(lifts, obs).to_json() == make_lift_card(lifts, obs).to_json()


def test_a_card_survives_the_file(tmp_path: Path) -> None:
    path = tmp_path / "lift_card.json"
    path.write_text(small_card().to_json(), encoding="utf-8")
    card = cx.read_lift_card(path, at=ON_TIME)
    assert card.to_json() == small_card().to_json()
    assert card.to_section()["fingerprint"] == small_card().fingerprint


def test_the_card_follows_its_schema(fitted: tuple[cx.Observations, list[Any]]) -> None:
    obs, lifts = fitted
    jsonschema.validate(json.loads(make_lift_card(lifts, obs).to_json()), SCHEMA)
    jsonschema.validate(json.loads(small_card().to_json()), SCHEMA)


def test_a_card_shows_itself() -> None:
    card = small_card()
    assert "4 " in card.summary() or "4.0" in card.summary()
    assert card.to_frame()["term"].tolist()[:3] == [*card.terms, "per_kpi_point.uniform_shift"]
    assert "<table" in card._repr_html_()
    assert "never" in repr(small_card(expires_at=None))


def test_reading_and_sampling_load_numpy_alone(tmp_path: Path) -> None:
    path = tmp_path / "lift_card.json"
    path.write_text(small_card(expires_at=None).to_json(), encoding="utf-8")
    code = (
        f"import sys, cxmodel as cx; card = cx.read_lift_card({str(path)!r}); card.sample(10, 1);"
        "card.per_rating_point(); print(*{m.split('.')[0] for m in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "numpy" in loaded
    heavy = {"pandas", "scipy", "pyarrow", "polars", "duckdb", "ibis", "sklearn", "matplotlib"}
    assert not loaded & {*heavy, "pydantic", "statsmodels"}


# -- what must be said


def test_an_expired_card_says_so(tmp_path: Path) -> None:
    path = write(tmp_path, small_content())
    cx.read_lift_card(path, at=dt.date(2027, 6, 30))
    with pytest.warns(CxModelWarning, match=r"expired on 2027-06-30.*Run the study again"):
        cx.read_lift_card(path, at=dt.date(2027, 7, 1))
    assert not small_card(expires_at=None).is_expired(dt.date(2999, 1, 1))


def test_scoring_another_population_says_so() -> None:
    moves = pd.DataFrame({"rating_from": [0.0] * 200, "rating_to": [1.0] * 200})
    with pytest.warns(CxModelWarning, match="another population"):
        small_card().predict(moves)
    even = pd.DataFrame({"rating_from": np.arange(220) % 11, "rating_to": 10.0})
    small_card().predict(even)


# -- errors


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"does not exist.*cxmodel run"):
        cx.read_lift_card(tmp_path / "nothing.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read as a lift card"),
        ("not json", "cannot be read as a lift card"),
        ("[1, 2]", "it holds \\[1, 2\\]"),
        ("{}", "schema_version None; this cxmodel reads 1"),
        ('{"schema_version": true}', "schema_version True"),
        ('{"schema_version": 2}', "schema_version 2; this cxmodel reads 1"),
        ('{"schema_version": 1}', "it lacks study, outcome_days"),
        ('{"schema_version": 1, "schema_version": 1}', "stands twice"),
        ('{"schema_version": 1, "n_obs": NaN}', "holds NaN"),
        ("[" * 200_000, "nested too deeply"),
        ('{"n": ' + "9" * 5_000 + "}", "cannot be read as a lift card"),
        ("\udcff", "cannot be read as a lift card"),
        (" " * 5_000_001, "more than 5,000,000 bytes"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_card(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "lift_card.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SourceError, match=message):
        cx.read_lift_card(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"coefficients": [4.0]}, "coefficients must be 2 finite numbers"),
        ({"coefficients": [4.0, "0.02"]}, "coefficients must be 2 finite numbers"),
        ({"coefficients": [4.0, True]}, "coefficients must be 2 finite numbers"),
        ({"coefficients": [4.0, 10**400]}, "coefficients must be 2 finite numbers"),
        ({"covariance": [[1.0, 0.0]]}, "2 rows of 2"),
        ({"covariance": [[-1.0, 0.0], [0.0, 1.0]]}, "negative variance"),
        ({"covariance": [[1.0, 0.5], [0.4, 1.0]]}, "symmetric"),
        ({"covariance": [[1.0, 2.0], [2.0, 1.0]]}, "correlations between -1 and 1"),
        ({"curve_covariance": [[1.0]]}, "curve_covariance must be 11 rows of 11"),
        ({"units": ["USD"]}, "units must be 2 texts"),
        ({"terms": ["a", "a"]}, "each once"),
        ({"terms": []}, "at least one"),
        ({"critical_values": [1.96, 0.0]}, "critical_values above 0"),
        ({"observed_range": [9, 3]}, "lowest rating and the highest"),
        ({"observed_range": "0-10"}, "observed_range must be a list, not '0-10'"),
        ({"n_obs": -1}, "n_obs must be a whole number"),
        ({"rating": {"name": "nps"}}, "rating must have a name and a scale"),
        ({"rating": {"name": "nps", "scale": "nps", "low": 5, "high": 5}}, "low and a high end"),
        ({"curve": [{"rating": 3}]}, "every row of curve"),
        ({"curve": [{"rating": 3, "estimate": "4"}]}, "every estimate of curve must be a number"),
        (
            {"curve": [{"rating": 3, "estimate": 4}, {"rating": 3, "estimate": 5}]},
            "the ratings of curve must rise",
        ),
        ({"rating_counts": [{"ratings": [], "n": 3}]}, "list its ratings"),
        ({"rating_counts": [{"ratings": [3], "n": 0.5}]}, "its count n"),
        ({"kpi_paths": {"uniform_shift": 4}}, "kpi_paths"),
        ({"checks": [3]}, "checks"),
        ({"evidence": {}}, "evidence must have a grade"),
        ({"caveats": [None]}, "caveats must be sentences"),
        ({"expires_at": "soon"}, "expires_at must be a day"),
    ],
)  # fmt: skip
def test_a_card_that_cannot_be(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=message):
        cx.read_lift_card(write(tmp_path, small_content(**changes)), at=ON_TIME)


def test_a_number_too_large_for_a_float_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, small_content())
    path.write_text(path.read_text().replace("[4.0, 0.02]", "[1e999, 0.02]"), encoding="utf-8")
    with pytest.raises(SourceError, match="coefficients must be 2 finite numbers"):
        cx.read_lift_card(path, at=ON_TIME)


@pytest.mark.parametrize("name", sorted(set(small_content()) - {"schema_version"}))
def test_a_card_without_one_of_its_keys(name: str, tmp_path: Path) -> None:
    content = small_content()
    del content[name]
    with pytest.raises(SourceError, match=f"it lacks {name}"):
        cx.read_lift_card(write(tmp_path, content), at=ON_TIME)


@pytest.mark.parametrize("name", sorted(set(small_content()) - {"schema_version"}))
def test_a_changed_card_is_refused(name: str, tmp_path: Path) -> None:
    content = small_content()
    sealed = fingerprint_of(content)
    changed = copy.deepcopy(content)
    changed[name] = _nudged(changed[name])
    path = tmp_path / "lift_card.json"
    path.write_text(json.dumps({**changed, "fingerprint": sealed}), encoding="utf-8")
    with pytest.raises(SourceError, match="lift_card"):
        cx.read_lift_card(path, at=ON_TIME)


def _nudged(value: Any) -> Any:
    if isinstance(value, dict):
        return {**value, "more": 1}
    if isinstance(value, list):
        return [*value, "more"]
    return value + "x" if isinstance(value, str) else value + 1e-9


def test_a_changed_number_is_named_as_a_change(tmp_path: Path) -> None:
    path = write(tmp_path, small_content(), sealed=False)
    with pytest.raises(SourceError, match="changed after it was written"):
        cx.read_lift_card(path, at=ON_TIME)


def test_columns_that_cannot_be_used() -> None:
    card = small_card()
    with pytest.raises(SchemaError, match=r"'rating_to' is missing\. Did you mean 'rating_too'"):
        card.predict(pd.DataFrame({"rating_from": [1.0], "rating_too": [2.0]}))
    for missing in (
        pd.DataFrame({"rating_from": [1.0, None], "rating_to": [2.0, 2.0]}),
        pd.DataFrame({"rating_from": pd.array([1, None], "Int64"), "rating_to": [2.0, 2.0]}),
        pl.DataFrame({"rating_from": [1.0, None], "rating_to": [2.0, 2.0]}),
        pa.table({"rating_from": [1.0, None], "rating_to": [2.0, 2.0]}),
    ):
        with pytest.raises(
            SchemaError, match=r"'rating_from' is missing or infinite in 1 row\(s\)"
        ):
            card.predict(missing)
    with pytest.raises(SchemaError, match="must hold numbers"):
        card.predict(pd.DataFrame({"rating_from": ["high"], "rating_to": [2.0]}))
    with pytest.raises(SchemaError, match="'unit' already"):
        card.predict(pd.DataFrame({"rating_from": [1.0], "rating_to": [2.0], "unit": ["x"]}))
    with pytest.raises(TypeError, match="Collect a lazy frame first"):
        card.predict(pl.DataFrame({"rating_from": [1.0], "rating_to": [2.0]}).lazy())
    with pytest.raises(TypeError, match="pandas, polars or pyarrow"):
        card.predict({"rating_from": [1.0]})


def test_what_the_card_does_not_have() -> None:
    moves = pd.DataFrame({"rating_from": [1.0], "rating_to": [2.0]})
    with pytest.raises(InsufficientDataError, match="no curve of this lift"):
        small_card().predict(moves, outcome="retention", shape="curve")
    with pytest.raises(ValueError, match="shape must be 'line' or 'curve'"):
        small_card().predict(moves, shape="spline")  # type: ignore[arg-type]
    with pytest.raises(InsufficientDataError, match="no lift of churn"):
        small_card().per_rating_point("churn")
    with pytest.raises(InsufficientDataError, match="the band passive is empty"):
        small_card().per_kpi_point("detractor_to_passive")
    with pytest.raises(ValueError, match="Path 'sideways' is none of this scale"):
        small_card().per_kpi_point("sideways")
    with pytest.raises(InsufficientDataError, match="no ratings to compare"):
        small_card().drift(pd.DataFrame({"rating": np.array([], dtype=float)}))
    with pytest.raises(InsufficientDataError, match="so there is no card"):
        make_lift_card([], small_observations(10))
    with pytest.raises(SourceError, match="The lift card is no whole lift card"):
        LiftCard(content={})

"""Configuration: defaults, every mistake named at once, and the three real studies."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxmodel.config import StudyConfig, load_config, parse_config
from cxmodel.config.environment import expand, without_password
from cxmodel.config.fields import uncertain
from cxmodel.errors import ConfigError
from cxmodel.scales import CES7, CSAT5, NPS

SURVEYS: dict[str, Any] = {
    "path": "nps.csv",
    "ratings": {"nps": {"column": "score", "scale": "nps"}},
}


def config(**sections: Any) -> StudyConfig:
    return parse_config({"sources": {"surveys": SURVEYS}, **sections})


def ratings(**declared: Any) -> StudyConfig:
    return parse_config({"sources": {"surveys": {"path": "a.csv", "ratings": declared}}})


# -- by hand ---------------------------------------------------------------------------------


def test_defaults_are_those_of_the_contract() -> None:
    c = config()
    assert (c.rating, c.study.time_zone, c.study.seed) == ("nps", "UTC", 20261121)
    assert (c.study.conf_level, c.study.min_group_size) == (0.95, 30)
    assert (c.windows.lookback_days, c.windows.outcome_days, c.windows.gap_days) == (180, 180, 0)
    assert c.windows.inactive_days is None
    assert not c.windows.states_outcome_days
    assert (c.kpis.period, c.lift.average) == ("quarter", "base")
    assert (c.value.horizon_months, c.value.benefit) == (36, "margin")
    assert (c.study.currency, c.value.gross_margin, c.value.annual_discount_rate) == (None,) * 3
    assert c.engine.url == "duckdb://"
    assert c.experiment is None


def test_defaults_of_a_programme() -> None:
    (p,) = config(programmes=[{"name": "A", "rating_points": 1}]).programmes
    assert (p.reach, p.upfront_cost, p.monthly_cost, p.monthly_cost_saving) == (1.0, 0.0, 0.0, 0.0)
    assert (p.ramp_months, p.value_by, p.lasts_months, p.customers) == (0.0, "revenue", None, None)


def test_values_of_the_sample_in_the_contract() -> None:
    c = config(
        study={"as_of": dt.date(2026, 6, 30), "currency": "USD", "rating": "nps"},
        windows={"outcome_days": 91, "inactive_days": 91},
        lift={"by": "segment", "reliability": {"within_days": 30}},
        experiment={"arm": "variant", "control": "A"},
        kpis={"by": ["segment"], "targets": {"nps": 40}},
        programmes=[
            {
                "name": "Portal",
                "rating_points": {"mean": 0.8, "sd": 0.3},
                "upfront_cost": {"low": 1, "mode": 2, "high": 4},
                "reach": 0.4,
            }
        ],
    )
    assert c.study.as_of == dt.date(2026, 6, 30)
    assert c.windows.states_outcome_days
    assert c.lift.by == ("segment",)
    assert c.kpis.targets == {"nps": 40}
    assert c.experiment is not None
    assert not c.experiment.acts_through_rating_alone
    assert c.programmes[0].rating_points == {"mean": 0.8, "sd": 0.3}


def test_columns_are_those_that_the_file_maps() -> None:
    source = parse_config(
        {"sources": {"revenue": {"path": "a.csv", "booked_at": "paid", "date_format": "%Y"}}}
    ).sources.revenue
    assert source is not None
    assert source.columns == {"booked_at": "paid"}
    assert source.date_format == ("%Y",)


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({"scale": "nps"}, NPS),
        ({"scale": "csat5"}, CSAT5),
        ({"scale": "ces7"}, CES7),
    ],
)
def test_named_scales(declared: dict[str, Any], expected: Any) -> None:
    rating = ratings(q={"column": "x", **declared}).ratings["q"]
    assert rating.to_scale("q") == expected


def test_scales_declared_by_hand() -> None:
    c = ratings(
        wifi={"column": "w", "scale": "csat5", "not_applicable": [0]},
        nps10={"column": "n", "scale": "nps", "low": 1},
        effort={"column": "e", "low": 1, "high": 5, "top_box": 2, "higher_is_better": False},
        mood={"column": "m", "levels": ["bad", "fair", "good"], "top_box": "fair"},
    )
    wifi, nps10, effort, mood = (r.to_scale(key) for key, r in c.ratings.items())
    assert wifi.not_applicable == (0,)
    assert (nps10.low, nps10.high, nps10.statistic) == (1, 10, "nps")
    assert effort.band(1) == "top_box"
    assert (mood.name, mood.low, mood.high, mood.top_box) == ("mood", 1, 3, 2)


def test_variables_in_paths_and_urls_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CX_DATA", "/data")
    c = config(
        study={"title": "${CX_DATA}"},
        tables={"orders": "${CX_DATA}/o.csv", "t": {"path": "${CX_NONE:-.}/t.xlsx", "sheet": "A"}},
        engine={"url": "postgres://${CX_NONE:-host}/db"},
    )
    assert c.title == "${CX_DATA}"
    assert c.tables["orders"].path == "/data/o.csv"
    assert c.tables["t"].path == "./t.xlsx"
    assert c.engine.url == "postgres://host/db"


def test_a_variable_that_is_empty_takes_its_default() -> None:
    assert expand("${A:-x}", {"A": ""}) == "x"
    assert expand("${A}", {"A": ""}) == ""


def test_file_knows_its_folder_and_name(tmp_path: Path) -> None:
    file = tmp_path / "acme.toml"
    file.write_bytes(
        b'\xef\xbb\xbf[sources.surveys]\npath = "a.csv"\n'
        b'ratings.csat = { column = "s", scale = "csat5" }\n'
    )
    c = load_config(file)
    assert (c.name, c.title, c.base_dir) == ("acme", "acme", tmp_path.resolve())


STUDIES = Path(__file__).parent / "studies"


@pytest.mark.parametrize("name", ["olist", "ravenstack", "ibm_telco"])
def test_real_studies_load(name: str) -> None:
    c = load_config(STUDIES / f"{name}.toml")
    assert c.rating in c.ratings
    assert c.title != c.name


# -- properties ------------------------------------------------------------------------------


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_without_a_dollar_brace_is_left_alone(text: str) -> None:
    if "${" not in text:
        assert expand(text, {}) == text


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1e6), st.floats(0, 1e6))
def test_ranges_keep_their_numbers(low: float, one: float, two: float) -> None:
    mode, high = low + one, low + one + two
    assert uncertain({"low": low, "mode": mode, "high": high}) == {
        "low": low,
        "mode": mode,
        "high": high,
    }
    assert uncertain(low) == low


@given(st.integers(-10_000, 10_000), st.integers(-10_000, 10_000), st.integers(-10_000, 10_000))
def test_windows_of_0_days_or_fewer_never_pass(lookback: int, outcome: int, gap: int) -> None:
    windows = {"lookback_days": lookback, "outcome_days": outcome, "gap_days": gap}
    wrong = [name for name in ("lookback_days", "outcome_days") if windows[name] < 1]
    wrong += ["gap_days"] if gap < 0 else []
    try:
        config(windows=windows)
        found = ""
    except ConfigError as error:
        found = str(error)
    assert [name for name in windows if f"windows.{name} =" in found] == wrong


# -- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"windows": {"lookback_day": 3}}, r"Unknown key windows.lookback_day. Did you mean 'look"),
        ({"window": {}}, r"Unknown key window. Did you mean 'windows'"),
        ({"windows": {"lookback_days": 0}}, r"windows.lookback_days = 0: must be 1 or more."),
        ({"windows": {"outcome_days": -3}}, r"windows.outcome_days = -3: must be 1 or more."),
        ({"windows": {"inactive_days": 0}}, r"windows.inactive_days = 0: must be 1 or more."),
        (
            {"windows": {"inactive_days": 181}},
            r"must not exceed windows.outcome_days, which is 180",
        ),
        ({"windows": {"gap_days": -1}}, r"windows.gap_days = -1: must be 0 or more."),
        (
            {"windows": {"lookback_days": 1.5}},
            r"windows.lookback_days = 1.5: must be a whole number",
        ),
        ({"windows": {"lookback_days": True}}, r"windows.lookback_days = true: must be a whole"),
        ({"value": {"gross_margin": 60}}, r"value.gross_margin = 60: .* For 60% write 0.6."),
        ({"value": {"gross_margin": -0.1}}, r"gross_margin = -0.1: must be 0 or more and below 1"),
        (
            {"value": {"annual_discount_rate": 1.0}},
            r"annual_discount_rate = 1.0: must be 0 or more",
        ),
        ({"value": {"annual_discount_rate": float("nan")}}, r"must be a number, not infinite"),
        ({"value": {"gross_margin": "0.6"}}, r'gross_margin = "0.6": must be a number'),
        ({"value": {"benefit": "profit"}}, r"must be 'margin' or 'revenue'"),
        ({"study": {"conf_level": 95}}, r"study.conf_level = 95: must lie between 0 and 1"),
        ({"study": {"currency": "usd"}}, r'study.currency = "usd": .* Did you mean "USD"'),
        (
            {"study": {"time_zone": "Europe/Berln"}},
            r"is no time zone. Did you mean 'Europe/Berlin'",
        ),
        ({"study": {"as_of": "June"}}, r'study.as_of = "June": must be a day'),
        ({"study": {"as_of": dt.datetime(2026, 1, 1)}}, r"study.as_of: must be a day"),
        ({"study": {"rating": "nsp"}}, r'rating = "nsp": no such rating. Ratings: nps. Did you'),
        ({"kpis": {"targets": {"csat": 1}}}, r"kpis.targets.csat: no such rating. Ratings: nps"),
        ({"kpis": {"by": [1]}}, r"kpis.by: must be a name or a list of names"),
        ({"drivers": {}}, r"drivers: this section belongs to a later version"),
        ({"tables": {"a": {"path": "x", "sheets": "y"}}}, r"Unknown key tables.a.sheets. Did you"),
        ({"tables": {"a": "${CX_UNSET}/x"}}, r"environment variable CX_UNSET is not set"),
        ({"lift": {"reliability": {"items": ["nps"]}}}, r"two or more ratings"),
        ({"lift": {"reliability": 1.2}}, r"lift.reliability = 1.2: must lie above 0"),
        ({"experiment": {"arm": "a"}}, r"experiment.control: is missing"),
    ],
)
def test_mistakes_are_named(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(**sections)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (
            {"scale": "nsp"},
            r"sources.surveys.ratings.q: scale = 'nsp' is unknown. Did you mean 'nps'",
        ),
        ({}, r"ratings.q: declares no scale"),
        ({"low": 1, "high": 11}, r"top_box is missing"),
        ({"low": 5, "high": 1, "top_box": 2}, r"low \(5\) must be below high \(1\)"),
        ({"low": 1, "high": 5, "top_box": 9}, r"top_box must lie in 1-5, not 9"),
        ({"scale": "csat5", "high": 7}, r"scale = 'csat5' already says high"),
        ({"levels": ["one"]}, r"two or more words"),
        ({"levels": ["a", "b"], "top_box": "c"}, r"top_box = 'c' is none of its levels"),
        ({"scal": "nps"}, r"Unknown key sources.surveys.ratings.q.scal. Did you mean 'scale'"),
    ],
)
def test_scales_that_cannot_be(declared: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ratings(q={"column": "x", **declared})


def test_effort_on_a_scale_of_its_own_declares_its_direction() -> None:
    declared = {"column": "q7", "low": 1, "high": 5, "top_box": 4}
    with pytest.raises(ConfigError, match=r"ratings.ces.higher_is_better: is missing"):
        ratings(ces=declared)
    with pytest.raises(ConfigError, match=r"higher_is_better: is missing"):
        ratings(q={**declared, "column": "Ease of booking"})
    assert ratings(ces={**declared, "higher_is_better": True}).rating == "ces"
    assert ratings(mood=declared).rating == "mood"


@pytest.mark.parametrize("key", ["a.b", "1", "response_rate"])
def test_keys_of_ratings_stay_apart_from_everything_else(key: str) -> None:
    with pytest.raises(ConfigError, match=r"is no key of a rating|is the name of another KPI"):
        ratings(**{key: {"column": "x", "scale": "nps"}})


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({}, r"sources: no source is given"),
        ({"survey": {"path": "x"}}, r"Unknown key sources.survey. Did you mean 'surveys'"),
        ({"churn": {}}, r"sources.churn: needs exactly one of path, table and sql; it has none"),
        ({"churn": {"path": "a", "sql": "b"}}, r"it has path and sql"),
        ({"churn": {"table": "a", "sheet": "b"}}, r"sources.churn.sheet: goes with path"),
        ({"churn": {"path": "a", "churnedat": "b"}}, r"Did you mean 'churned_at'"),
        ({"churn": {"path": "a", "date_format": "dd.mm.yyyy"}}, r"is no date format"),
        ({"churn": {"path": ""}}, r"sources.churn.path = \"\": is empty"),
        ({"surveys": {"path": "a"}}, r"sources.surveys.ratings: is missing"),
        ({"surveys": SURVEYS, "observations": {"path": "a"}}, r"instead of all other sources"),
        (
            {"observations": {"path": "a", "touchpoints": ["wifi"]}},
            r'touchpoints has "wifi": no such',
        ),
    ],
)
def test_sources_that_cannot_be(sources: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config({"sources": sources})


@pytest.mark.parametrize(
    ("programme", "message"),
    [
        ({}, r'programmes "A": needs exactly one of rating_points and kpi_points; it has neither'),
        ({"rating_points": 1, "kpi_points": 1}, r"it has both"),
        ({"rating_points": 1, "kpi_path": "uniform_shift"}, r"kpi_path: goes with kpi_points"),
        ({"rating_points": 1, "reach": 1.5}, r'programmes "A": reach = 1.5: must be 1.0 or less'),
        ({"rating_points": 1, "reach": 0.5, "customers": 3}, r"reach and customers exclude"),
        ({"rating_points": 1, "lasts_months": 3, "half_life_months": 3}, r"exclude each other"),
        ({"rating_points": {"low": 2, "mode": 1, "high": 3}}, r"low <= mode <= high"),
        ({"rating_points": {"mean": 2}}, r"a number, { mean, sd } or { low, mode, high }"),
        ({"rating_points": 1, "upfront_cost": -5}, r"upfront_cost = -5: must be 0 or more"),
        ({"rating_points": 1, "requires": ["B"]}, r'requires has "B": no such programme. Known: A'),
        ({"rating_points": 1, "excludes": ["A"]}, r"names the programme itself"),
        ({"rating_points": 1, "valueby": "cltv"}, r"Unknown key programmes \"A\": valueby. Did"),
    ],
)
def test_programmes_that_cannot_be(programme: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(programmes=[{"name": "A", **programme}])


def test_two_programmes_of_one_name() -> None:
    with pytest.raises(ConfigError, match=r'2 have the name "A"'):
        config(programmes=[{"name": "A", "rating_points": 1}] * 2)


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        config(
            windows={"lookback_days": 0, "gap_days": -1},
            value={"gross_margin": 2},
            study={"rating": "x"},
            programmes=[{"name": "A", "reach": 7}],
        )
    lines = str(caught.value).splitlines()
    assert lines[0] == "6 settings are wrong:"
    assert len(lines) == 7


def test_a_password_is_never_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        config(engine={"url": "postgres://ann:secret@host/${CX_UNSET}"})
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(config(engine={"url": "postgres://ann:secret@host/db"}))
    assert without_password("at postgres://a:b@c/d now") == "at postgres://***@c/d now"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[study]\ntitle = x\n", r"acme.toml is no TOML: .*line 2.*text stands in quotes"),
        (b"[study]\n[study]\n", r"acme.toml is no TOML: .*line 2"),
        (b"\xff\xfe\x00", r"acme.toml is not text in UTF-8"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "acme.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_config(file)


def test_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"does not exist. Write one with: cxmodel init"):
        load_config(tmp_path / "acme.toml")
    (tmp_path / "acme.toml").touch()
    with pytest.raises(ConfigError, match=r"does not exist. Found there: acme.toml"):
        load_config(tmp_path / "acne.toml")
    with pytest.raises(ConfigError, match=r"is a folder"):
        load_config(tmp_path)

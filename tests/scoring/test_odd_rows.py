"""Rows that are odd: counted, said, and the same whichever way they come to a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from simulated_observations import simulate_observations
from stored_models import by_hand, fitted
from stored_rows import (
    file_by_hand,
    fitted_covariates,
    fitted_hazard,
    fitted_purchases,
    fitted_spend,
    fitted_value,
)

import cxmodel as cx
from cxmodel import cli
from cxmodel.errors import CxModelWarning
from cxmodel.models.model_file import write_model_file
from cxmodel.models.profile import Profile
from cxmodel.scoring import batches


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("purchases", "hazard", "contract"):
        write_model_file(file_by_hand(name), tmp_path / f"{name}.json")
    by_hand().save(tmp_path / "churn.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scored(
    model: str, capsys: pytest.CaptureFixture[str], *more: str
) -> tuple[pd.DataFrame, list[str]]:
    """Score in.csv, and give the scores by customer and what was said, but for the first line."""
    assert cli.main(["score", model, "in.csv", "out.csv", *more]) == 0
    lines = capsys.readouterr().err.splitlines()
    return pd.read_csv("out.csv").set_index("customer_id"), lines[1:]


def failed(capsys: pytest.CaptureFixture[str], model: str, *more: str) -> str:
    assert cli.main(["score", model, "in.csv", "out.csv", *more]) == 2
    return capsys.readouterr().err


DUCKDB = ("--engine", "duckdb://")

# -- Ratings off their scale, by hand ------------------------------------------------------------


def test_a_rating_off_its_scale_is_missing_for_churn(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in.csv").write_text(
        "customer_id,rating,plan\na,11,a\nb,-1,a\nc,,a\nd,10,a\ne,0,a\nf, 11.5 ,b\n"
    )
    # as a gap: .5 (7 - 5) / 2 + 2 = 2.5, and 1 more on plan b; 10 counts as the cap of 9: 1;
    # 0 gives -1.25
    gap = 1 / (1 + np.exp(-2.5))
    expected = {"a": gap, "b": gap, "c": gap, "d": 1 / (1 + np.exp(-1.0)),
                "e": 1 / (1 + np.exp(1.25)), "f": 1 / (1 + np.exp(-3.5))}  # fmt: skip
    said = []
    for engine in ((), DUCKDB):
        found, lines = scored("churn.json", capsys, *engine)
        assert found["prob_churn"].to_dict() == pytest.approx(expected)
        assert found["has_filled_value"].to_dict() == dict(
            zip("abcdef", [True, True, True, False, False, True], strict=True)
        )
        said.append([line for line in lines if "outside" in line])
    words = "Warning: 3 rows have 'rating' outside 0 to 10: that is no answer, so it counts as"
    assert said == [[f"{words} missing."]] * 2
    rows = pd.DataFrame({"rating": [11, -1, None, 10, 0, "11.5"], "plan": list("aaaaab")})
    with pytest.warns(CxModelWarning, match=r"3 rows have 'rating' outside 0 to 10.* Correct it"):
        again = cx.load_model("churn.json").predict(rows)
    assert again["prob_churn"].tolist() == pytest.approx(list(expected.values()))


def test_the_fitted_churn_model_takes_no_such_rating_either(tmp_path: Path) -> None:
    from dataclasses import replace

    from cxmodel.scales import NPS

    obs, _, _ = fitted("logistic")
    result = cx.ChurnModel().fit(replace(obs, scale=NPS, rating="nps"))
    stored = cx.load_model(result.save(tmp_path / "churn.json"))
    assert stored.ranges == {"rating": (0.0, 10.0)}
    gap = obs.frame.assign(rating=np.nan)
    odd = replace(obs, frame=obs.frame.assign(rating=np.resize([11.0, -1.0, 99.0], len(gap))))
    expected = result.predict(replace(obs, frame=gap))["prob_churn"]
    for model in (result, stored):
        with pytest.warns(CxModelWarning, match=r"600 rows have 'rating' outside 0 to 10"):
            found = model.predict(odd)["prob_churn"]
        assert found.tolist() == expected.tolist()
    # nor does it stand in the profile as a number
    columns = {row["column"]: row["index"] for row in stored.drift(odd).rows}
    assert columns["rating"] > 1


def test_a_rating_off_its_scale_gives_no_probability_of_staying(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in.csv").write_text(
        "customer_id,rating,plan,period\na,5,a,0\nb,11,a,0\nc,-1,a,0\nd,,a,0\n"
    )
    for engine in ((), DUCKDB):
        found, lines = scored("hazard.json", capsys, "--periods", "2", *engine)
        expected = {"a": 0.72, "b": np.nan, "c": np.nan, "d": np.nan}
        assert found["prob_stays"].to_dict() == pytest.approx(expected, nan_ok=True)
        assert (
            "Warning: 2 rows have 'rating' outside 0 to 10: that is no answer, so it counts as "
            "missing."
        ) in lines
        assert any("3 rows without a score: a value is missing (rating: 3)" in x for x in lines)
    rows = pd.DataFrame({"rating": [5, 11], "plan": "a", "period": 0})
    with pytest.warns(CxModelWarning, match=r"1 row has 'rating' outside 0 to 10"):
        again = cx.load_model("hazard.json").predict(rows, 2)
    assert again["prob_stays"].tolist() == pytest.approx([0.72, np.nan], nan_ok=True)


# -- Days observed, by hand ----------------------------------------------------------------------


def test_days_below_0_are_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = file_by_hand(
        "contract",
        window_months=2.0,
        spending_line={"mean_before": 40.0, "coefficients": [10.0, 0.5], "lookback_days": 90.0},
    )
    write_model_file(file, "value.json")
    Path("in.csv").write_text(
        "customer_id,revenue_before,days_observed_before\na,100,-5\nb,100,400\nc,100,91\nd,100,90\n"
    )
    # .6 x (10 + .5 x): the mean stands in for a; the others were seen for the whole window
    for engine in ((), DUCKDB):
        found, lines = scored("value.json", capsys, *engine)
        assert found["cltv"].to_dict() == pytest.approx(
            {"a": 18.0, "b": 36.0, "c": 36.0, "d": 36.0}
        )
        assert (
            "Warning: 1 row with days_observed_before below 0: they count as 0 days, so the mean "
            "of all stands for what was spent before."
        ) in lines
        # more than the window holds is the whole window, as in a study: nothing to tell
        assert not any("above" in line for line in lines)


# -- Drift of every kind -------------------------------------------------------------------------


def rows_of_fit(kind: str) -> tuple[Any, pd.DataFrame]:
    """Fit a model of a kind, and give the rows that it was fitted to."""
    if kind in ("bg_nbd", "mbg_nbd", "pareto_nbd", "bg_bb"):
        frame, fit = fitted_purchases(kind)
        if "n_customers" in frame:
            n = frame["n_customers"]
            frame = frame.drop(columns="n_customers").loc[frame.index.repeat(n)]
        return fit, frame
    if kind == "spend":
        frame, spend = fitted_spend()
        return spend, frame
    if kind == "purchases":
        rfm, result = fitted_value(kind)
        frame = rfm.to_frame()
        return result, frame.loc[frame.index.repeat(frame["n_customers"])]
    obs, result = fitted_value(kind)
    rule = result.rule
    # one row a customer, as the fit has them
    known = rule._of_observations(obs).drop_duplicates("customer_id")
    return result, known


DRIFTS = ["bg_nbd", "mbg_nbd", "pareto_nbd", "bg_bb", "spend", "window", "tenure", "purchases"]


@pytest.mark.parametrize("kind", DRIFTS)
def test_rows_of_the_fit_have_not_moved_and_others_have(
    folder: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    model, frame = rows_of_fit(kind)
    model.save("model.json")
    frame = frame.assign(customer_id=[f"c{i:05d}" for i in range(len(frame))])
    frame.to_csv("in.csv", index=False)
    assert not [line for line in scored("model.json", capsys)[1] if "drift" in line]
    column = {"window": "revenue_before", "tenure": "monthly_revenue"}.get(kind, "frequency")
    if column == "frequency":
        frame = frame[frame["frequency"] > 1]
    else:
        frame = frame.assign(**{column: frame[column] * 10 + 50})
    frame.to_csv("in.csv", index=False)
    lines = [line for line in scored("model.json", capsys)[1] if "drift" in line]
    assert any(line.startswith("Warning: drift: The ") and column in line for line in lines)
    if kind == "window":
        engine = [line for line in scored("model.json", capsys, *DUCKDB)[1] if "drift" in line]
        assert engine == lines


def test_drift_of_a_hazard(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit = fitted_hazard()
    fit.save("model.json")
    assert fit.profile is not None
    rng = np.random.default_rng(3)
    seen = fit.profile.columns["rating"]
    assert seen.counts.sum() == fit.n_spells
    edges = [0.0, *seen.edges, 10.0]
    # as many of each class of ratings, and of segments, as at the fit
    rating = np.repeat([np.ceil(edge) for edge in edges[1:]], seen.counts[: len(edges) - 1])
    words = fit.profile.columns["segment"]
    segment = np.repeat(words.levels, words.counts[:-1])
    n = min(len(rating), len(segment))
    frame = pd.DataFrame(
        {"customer_id": range(n), "rating": rng.permutation(rating)[:n],
         "segment": rng.permutation(segment)[:n], "period": 1}
    )  # fmt: skip
    frame.to_csv("in.csv", index=False)
    assert not [line for line in scored("model.json", capsys)[1] if "drift" in line]
    frame.assign(rating=10).to_csv("in.csv", index=False)
    lines = [line for line in scored("model.json", capsys)[1] if "drift" in line]
    assert len(lines) == 1
    assert lines[0].startswith("Warning: drift: The values of 'rating' are spread as in another")


def test_drift_of_a_retention_with_covariates(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit = fitted_covariates()
    fit.save("model.json")
    frame = simulate_observations(700, loss_per_month=0.05).frame[["rating", "segment"]]
    frame = frame.assign(months=3, customer_id=range(len(frame)))
    frame.to_csv("in.csv", index=False)
    assert not [line for line in scored("model.json", capsys)[1] if "drift" in line]
    frame.assign(segment="small").to_csv("in.csv", index=False)
    lines = [line for line in scored("model.json", capsys)[1] if "drift" in line]
    assert len(lines) == 1
    assert lines[0].startswith("Warning: drift: The values of 'segment' are spread as in another")


@pytest.mark.parametrize("kind", [*DRIFTS, "hazard", "covariates"])
def test_no_small_group_is_in_a_profile(folder: Path, kind: str) -> None:
    fits = {"hazard": fitted_hazard, "covariates": fitted_covariates}
    model = fits[kind]() if kind in fits else rows_of_fit(kind)[0]
    profile: Profile = cx.load_model(model.save("model.json")).profile
    parts = [*profile.columns.values(), *profile.scores.values()]
    assert len(parts) > 1
    for seen in parts:
        assert all(n == 0 or n >= 30 for n in seen.counts), kind


# -- Row numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "rows", "message"),
    [
        (
            "purchases.json",
            # a gap before it in its own batch, and a row that is right after it
            ["frequency,recency,T", "1,2,9", "1,2,9", "1,2,9", ",2,9", "1,12,9", "1,2,9"],
            "Row 5 of the input: Purchase histories: recency is negative or beyond T (frequency 1, "
            "recency 12, T 9).",
        ),
        (
            "hazard.json",
            ["rating,plan,period", "5,a,0", ",a,0", "5,a,1.5", "5,a,-1"],
            "Row 3 of the input: period must hold whole numbers of 0 or more, and not 1.5",
        ),
        (
            "churn.json",
            ["rating,plan", "5,a", "6,a", "7,a", "high,a"],
            "Row 4 of the input: Column 'rating' held numbers at the fit, and 'high' is none",
        ),
        (
            "contract.json",
            ["monthly_revenue", "1", "2", "nan"],
            "Row 3 of the input: Column 'monthly_revenue' held numbers at the fit, and 'nan'",
        ),
    ],
)
def test_a_row_that_cannot_be_is_named_by_its_place_in_the_file(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    rows: list[str],
    message: str,
) -> None:
    Path("in.csv").write_text("\n".join(rows) + "\n")
    for n in (1, 2, 3, 1_000):
        monkeypatch.setattr(batches, "BATCH_ROWS", n)
        said = failed(capsys, model, *(("--periods", "2") if model == "hazard.json" else ()))
        assert message in said
        assert "In 1 row" not in said
    assert not Path("out.csv").exists()


def test_tenure_that_cannot_be_is_named_with_its_row(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fitted_value("tenure")[1].save("value.json")
    columns = cx.load_model("value.json").columns
    rows = pd.DataFrame({name: [9.0, 9.0, -1.0] for name in columns})
    rows.assign(customer_id=list("abc")).to_csv("in.csv", index=False)
    assert "Row 3 of the input: tenure_months must lie in 0 to 1,200 months" in (
        failed(capsys, "value.json")
    )

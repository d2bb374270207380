"""Stored churn models: the same probabilities to the last bit, and nothing wrong gets in."""

from __future__ import annotations

import datetime as dt
import json
import math
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_models import by_hand, fitted

import cxmodel as cx
from cxmodel.errors import CxModelWarning, InsufficientDataError, SchemaError, SourceError
from cxmodel.models.churn.classifier import ChurnClassifier
from cxmodel.models.churn.stored import store_churn
from cxmodel.models.churn.stored_scores import (
    StoredCalibration,
    Tree,
    TreeScores,
    take_calibration,
    take_scores,
)
from cxmodel.models.model_file import make_model_file, read_model_file, to_json

# -- By hand -------------------------------------------------------------------------------------


def expit(z: float) -> float:
    return 1 / (1 + math.exp(-z))


@pytest.mark.parametrize(
    ("rating", "plan", "log_odds"),
    [
        (5.0, "a", 0.0),
        (7.0, "b", 0.5 + 1.0),
        (10.0, "a", 0.5 * (9 - 5) / 2),  # the cap is 9
        (np.nan, "a", 0.5 * (7 - 5) / 2 + 2.0),  # the median of the fit, and its mark
        (np.inf, "a", 0.5 * (7 - 5) / 2 + 2.0),  # what is infinite is not known
        (5.0, " b ", 1.0),
        (5.0, None, 0.0),
    ],
)
def test_a_probability_worked_out_on_paper(hand_model, rating, plan, log_odds):
    frame = pd.DataFrame({"rating": [rating], "plan": [plan]})
    assert hand_model.predict(frame).prob_churn.tolist() == pytest.approx([expit(log_odds)])


def test_a_level_never_seen_counts_as_none_and_is_said(hand_model):
    frame = pd.DataFrame({"rating": [5.0, 5.0, 5.0], "plan": ["never seen", "a", None]})
    said = r"did not learn about \(plan: 1 of 3 rows\): such a row counts as none"
    with pytest.warns(CxModelWarning, match=said):
        found = hand_model.predict(frame)
    assert found.prob_churn.tolist() == pytest.approx([0.5, 0.5, 0.5])


def test_a_tree_worked_out_on_paper():
    # x0 <= 1: -1, else x1 <= 2: 0.5, else 3
    tree = Tree(
        feature=np.array([0, -1, 1, -1, -1]),
        threshold=np.array([1.0, 0, 2.0, 0, 0]),
        left=np.array([1, 0, 3, 0, 0]),
        right=np.array([2, 0, 4, 0, 0]),
        value=np.array([0, -1.0, 0, 0.5, 3.0]),
    )
    scores = TreeScores(10.0, (tree, tree), 2)
    rows = np.array([[1.0, 9.0], [1.5, 2.0], [1.5, 2.5], [np.nextafter(1.0, 2.0), 2.0]])
    assert scores.scores(rows).tolist() == [8.0, 11.0, 16.0, 11.0]


def test_the_index_of_drift_worked_out_on_paper(hand_model):
    # plans 300 : 100 then and 100 : 100 now, half a case added to each class
    frame = pd.DataFrame({"rating": [4.0, 6.0] * 100, "plan": ["a", "b"] * 100})
    row = hand_model.drift(frame).to_frame().set_index("term").loc["plan"]
    p, q = np.array([300.5, 100.5]) / 401, np.array([0.5, 0.5])
    assert row["estimate"] == pytest.approx(float(((q - p) * np.log(q / p)).sum()))
    assert row["verdict"] == "fail"


def test_it_expires_a_year_after_the_data(linear_fit):
    _, result, _ = linear_fit
    learnt = replace(result.learnt_from, as_of=dt.date(2026, 6, 30))
    stored = store_churn(replace(result, learnt_from=learnt))
    assert stored.expires_at == dt.date(2027, 6, 30)
    assert not stored.is_expired(dt.date(2027, 6, 30))
    assert stored.is_expired(dt.date(2027, 7, 1))


# -- Against scikit-learn ------------------------------------------------------------------------


@pytest.mark.parametrize("calibration", ["sigmoid", "isotonic", "none"])
@pytest.mark.parametrize("method", ["logistic", "gradient_boosting"])
def test_probabilities_are_scikit_learns_to_the_last_bit(method, calibration):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(800, 3)), rng.integers(0, 4, (800, 2))])
    y = (rng.random(800) < 1 / (1 + np.exp(-X[:, 0] - X[:, 1] * X[:, 3]))).astype(int)
    model = ChurnClassifier(method=method, calibration=calibration).fit(X, y)
    scores = take_scores(model.model_, 5)
    calibrated = take_calibration(model.calibration_, model.calibrator_)
    rows = np.vstack([X, rng.normal(size=(2_000, 5)) * 3])
    if isinstance(scores, TreeScores):  # rows that lie on thresholds, and next to them
        edges = np.concatenate([t.threshold[t.feature == 0] for t in scores.trees])[:300]
        on = np.resize(X, (len(edges), 5)).copy()
        on[:, 0] = edges
        beside = on.copy()
        beside[:, 0] = np.nextafter(edges, np.inf)
        rows = np.vstack([rows, on, beside])
    expected = model.predict_proba(rows)[:, 1]
    np.testing.assert_array_equal(calibrated.prob(scores.scores(rows)), expected)


def test_a_tree_of_many_leaves_is_walked_exactly():
    from sklearn.ensemble import HistGradientBoostingClassifier

    rng = np.random.default_rng(2)
    X = rng.normal(size=(3_000, 4))
    y = (X[:, 0] * X[:, 1] + rng.normal(size=3_000) > 0).astype(int)
    model = HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=40).fit(X, y)
    scores = take_scores(model, 4)
    assert max(len(tree.leaves) for tree in scores.trees) > 16
    np.testing.assert_array_equal(scores.scores(X), model.decision_function(X))


def test_a_saved_model_predicts_what_the_fitted_one_does(fit, tmp_path):
    obs, result, _ = fit
    stored = cx.load_model(result.save(tmp_path / "m.json"))
    pd.testing.assert_frame_equal(stored.predict(obs), result.predict(obs), check_exact=True)
    again = stored.predict(pl.from_pandas(obs.to_frame()))
    assert again.prob_churn.tolist() == result.predict(obs).prob_churn.tolist()
    assert stored.drift(obs).verdict == "pass"


def test_saving_twice_gives_the_same_bytes(fit, tmp_path):
    _, result, _ = fit
    first = result.save(tmp_path / "a.json").read_bytes()
    again = cx.load_model(tmp_path / "a.json").save(tmp_path / "b.json").read_bytes()
    assert first == again == result.save(tmp_path / "a.json").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "b.json"]


def test_reading_and_predicting_load_no_scikit_learn(fit, tmp_path):
    import subprocess

    path = fit[1].save(tmp_path / "m.json")
    fit[0].to_frame().to_parquet(tmp_path / "rows.parquet")
    code = (
        "import sys, pandas as pd, cxmodel as cx; "
        f"rows = pd.read_parquet({str(tmp_path / 'rows.parquet')!r}); "
        f"cx.load_model({str(path)!r}).predict(rows); "
        "print('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_no_customer_and_no_small_group_is_in_the_file(fit):
    obs, _, stored = fit
    text = to_json(stored.file)
    assert not any(customer in text for customer in obs.frame["customer_id"])
    spread = stored.profile
    for profile in (*spread.columns.values(), *spread.scores.values()):
        assert all(n == 0 or n >= 30 for n in profile.counts)


def test_a_retention_model_comes_back_whole(tmp_path):
    fit = cx.RetentionModel().fit_counts([1000, 869, 743, 653, 593])
    again = cx.load_model(fit.save(tmp_path / "r.json"))
    assert again.parameters == fit.parameters
    assert again.derl(2, 0.1) == fit.derl(2, 0.1)
    pd.testing.assert_frame_equal(again.to_frame(24), fit.to_frame(24), check_exact=True)


# -- Properties ----------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 600), max_size=4),
    order=st.randoms(use_true_random=False),
)
def test_rows_do_not_depend_on_their_neighbours(cuts, order):
    obs, _, stored = fitted("gradient_boosting")
    places = list(range(obs.n_obs))
    order.shuffle(places)
    frame = obs.frame.iloc[places]
    whole = stored.predict(frame).prob_churn.to_numpy()
    ends = [0, *sorted(cuts), len(frame)]
    parts = [stored.predict(frame.iloc[a:b]) for a, b in pairwise(ends)]
    joined = np.concatenate([part.prob_churn.to_numpy() for part in parts])
    np.testing.assert_array_equal(joined, whole)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30, unique=True), st.data())
def test_steps_are_those_of_numpy(scores, data):
    steps = np.array(sorted(scores))
    probs = np.sort(data.draw(st.lists(st.floats(0, 1), min_size=len(steps), max_size=len(steps))))
    found = StoredCalibration("isotonic", steps=steps, probs=probs).prob(steps)
    np.testing.assert_allclose(found, probs, atol=1e-12)


# -- Errors --------------------------------------------------------------------------------------


@pytest.fixture
def saved(hand_model, tmp_path) -> Path:
    return hand_model.save(tmp_path / "churn.json")


def test_every_byte_that_is_changed_is_noticed_or_changes_nothing(saved, hand_model):
    raw = saved.read_bytes()
    frame = pd.DataFrame({"rating": [3.0, 8.0, np.nan], "plan": ["a", "b", None]})
    expected = hand_model.predict(frame).prob_churn.tolist()
    n_refused = 0
    for place in range(0, len(raw), 7):
        for bit in (1, 64):
            changed = bytearray(raw)
            changed[place] ^= bit
            saved.write_bytes(bytes(changed))
            try:
                stored = cx.load_model(saved)
            except SourceError:
                n_refused += 1
                continue
            # blanks between the parts: the content is the same
            assert stored.predict(frame).prob_churn.tolist() == expected
    assert n_refused > 0.98 * 2 * len(raw) / 7


def test_a_file_that_was_cut_off_is_refused(saved):
    raw = saved.read_bytes()
    for end in (0, 1, 20, len(raw) // 2, len(raw) - 3):
        saved.write_bytes(raw[:end])
        with pytest.raises(SourceError, match="cannot be read as a model"):
            cx.load_model(saved)


def edited(saved: Path, **changes) -> Path:
    found = json.loads(saved.read_text("utf-8"))
    saved.write_text(json.dumps({**found, **changes}), "utf-8")
    return saved


@pytest.mark.parametrize("version", [0, 1, 3, "2", True, None])
def test_another_version_is_refused(saved, version):
    with pytest.raises(SourceError, match=r"schema_version .*this cxmodel reads 2\. Fit and save"):
        cx.load_model(edited(saved, schema_version=version))


def test_changed_content_is_refused_by_the_digest(saved):
    with pytest.raises(SourceError, match="was changed after it was written"):
        cx.load_model(edited(saved, created_at="2020-01-01"))
    with pytest.raises(SourceError, match="nothing else; 'more' is missing or unknown"):
        cx.load_model(edited(saved, more=1))


def test_an_unknown_kind_is_refused(tmp_path):
    path = tmp_path / "m.json"
    path.write_text(to_json(make_model_file("chrun", {}, created_at=None)))
    with pytest.raises(SourceError, match=r"kind 'chrun'. Did you mean 'churn'"):
        cx.load_model(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "it holds"),
        ("{}", "is no model of cxmodel"),
        ('{"format": 1, "format": 2}', "stands twice"),
        ('{"format": NaN}', "NaN, which is no number"),
        ("[" * 100_000, "nested too deeply|cannot be read"),
        ("\udcff", "cannot be read"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path, text, message):
    path = tmp_path / "m.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SourceError, match=message):
        cx.load_model(path)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "m.json"
    with path.open("wb") as stream:
        stream.truncate(10_000_000_000)  # a sparse file: no disk, and no memory either
    with pytest.raises(SourceError, match="more than 20,000,000 bytes"):
        cx.load_model(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(SourceError, match=r"does not exist\. Name a file"):
        cx.load_model(tmp_path / "none.json")
    with pytest.raises(SourceError, match="cannot be read"):
        cx.load_model(tmp_path)


COLUMN = {"name": "x", "type": "number", "fill": 0.0, "has_missing": False, "cap": None,
          "profile": {"edges": [], "counts": [400]}}  # fmt: skip
LINEAR = {"kind": "linear", "mean": [0.0], "scale": [1.0], "coefficients": [1.0], "intercept": 0.0}
STUMP = {"feature": [0, -1, -1], "threshold": [1.0, 0.0, 0.0], "left": [1, 0, 0],
         "right": [2, 0, 0], "value": [0.0, 1.0, 2.0]}  # fmt: skip


def trees(**changes) -> dict:
    model = {"kind": "trees", "baseline": 0.0, "trees": [{**STUMP, **changes}]}
    return {"columns": [COLUMN], "model": model}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"columns": []}, "columns must be at least one"),
        ({"columns": [COLUMN, COLUMN], "model": LINEAR}, "each with a name of its own"),
        ({"columns": [{**COLUMN, "fill": 10**400}], "model": LINEAR}, "fill must be a finite"),
        ({"columns": [{**COLUMN, "code": "x"}], "model": LINEAR}, "'code', which is unknown"),
        ({"columns": [{**COLUMN, "type": "pickle"}]}, "type must be one of number, words"),
        ({"columns": [{**COLUMN, "profile": {"edges": [2.0, 1.0], "counts": [1, 1, 1]}}]}, "rise"),
        ({"columns": [COLUMN]}, "scale must be a list of 1 finite numbers"),
        ({"columns": [COLUMN], "model": {**LINEAR, "scale": [0.0]}}, "numbers above 0"),
        ({"columns": [COLUMN], "model": {**LINEAR, "mean": [True]}}, "mean must be a list"),
        ({"columns": [COLUMN], "model": {"kind": "code"}}, "kind must be one of linear, trees"),
        (trees(feature=[1, -1, -1]), "numbers from -1 to 0"),
        (trees(left=[0, 0, 0]), "each node but the first below one before it"),
        (trees(left=[2, 0, 0]), "each node but the first below one before it"),
        (trees(value=[0.0, 1.0]), "value must be a list of 3"),
        ({"calibration": {"kind": "isotonic", "scores": [1, 1], "probs": [0, 1]}}, "that rise"),
        ({"calibration": {"kind": "isotonic", "scores": [1], "probs": [2]}}, "from 0 to 1"),
        ({"base_rate": 1.0}, "base_rate must be a share"),
        ({"windows": {"lookback_days": 0, "outcome_days": 1, "gap_days": 0,
                      "inactive_days": 1}}, "windows that are possible"),
        ({"method": "magic"}, "method must be one of"),
        ({"more": 1}, "'more', which is unknown"),
    ],
)  # fmt: skip
def test_impossible_content_is_refused_with_its_place(changes, message):
    with pytest.raises(SourceError, match=message):
        by_hand(**changes)


def test_possible_trees_are_read():
    stored = by_hand(**trees())
    frame = pd.DataFrame({"x": [1.0, 1.5]})
    assert stored.predict(frame).prob_churn.tolist() == pytest.approx([expit(1.0), expit(2.0)])


def test_an_expired_model_warns(tmp_path, hand_model):
    file = make_model_file("churn", hand_model.file.content, created_at=dt.date(2020, 1, 1))
    path = tmp_path / "m.json"
    path.write_text(to_json(file))
    with pytest.warns(CxModelWarning, match=r"expired on 2020-12-31.*Fit the model again"):
        cx.load_model(path, at=dt.date(2021, 1, 1))
    assert cx.load_model(path, at=dt.date(2020, 12, 31)).version == read_model_file(path).version


def test_other_columns_are_refused(hand_model):
    with pytest.raises(SchemaError, match="no column 'plan'"):
        hand_model.predict(pd.DataFrame({"rating": [1.0], "plans": ["a"]}))
    with pytest.raises(SchemaError, match="held numbers at the fit and holds words now"):
        hand_model.predict(pd.DataFrame({"rating": ["high"], "plan": ["a"]}))
    twice = pd.DataFrame([[1.0, "a", "b"]], columns=["rating", "plan", "plan"])
    with pytest.raises(SchemaError, match="'plan' stands more than once"):
        hand_model.predict(twice)


def test_drift_of_nothing_is_refused(hand_model):
    empty = pd.DataFrame({"rating": pd.Series(dtype=float), "plan": pd.Series(dtype=object)})
    assert hand_model.predict(empty).prob_churn.tolist() == []
    with pytest.raises(InsufficientDataError, match="no rows to compare"):
        hand_model.drift(empty)


def test_a_result_that_does_not_say_what_it_was_learnt_from_is_not_saved(fit, tmp_path):
    bare = replace(fit[1], learnt_from=None)
    with pytest.raises(ValueError, match="cannot be saved"):
        bare.save(tmp_path / "m.json")

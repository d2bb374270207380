"""BG/BB counts whole occasions: how far it looks, and what it is fitted to and asked about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from stored_rows import fitted_purchases

import cxmodel as cx
from cxmodel import cli

ROWS = pd.DataFrame({"frequency": [0.0, 2], "recency": [0.0, 5], "T": [6.0, 6]})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fitted_purchases("bg_bb")[1].save(tmp_path / "bgbb.json")
    monkeypatch.chdir(tmp_path)
    ROWS.to_csv("in.csv", index=False)
    return tmp_path


# -- How far it looks ------------------------------------------------------------------------------


def test_a_horizon_of_any_length(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    buys = fitted_purchases("bg_bb")[1]
    assert cli.main(["score", "bgbb.json", "in.csv", "out.csv", "--periods", "1e9"]) == 0
    assert "expected in the next 1e+09 occasion(s)" in capsys.readouterr().err
    found = pd.read_csv("out.csv")["expected_purchases"]
    # who is there on occasion j falls as j^-gamma, with a gamma below 1 here: what the occasions
    # from 2 n to 4 n add is 2^(1 - gamma) times what those from n to 2 n do
    gamma = buys.parameters["gamma"]
    assert 0.3 < gamma < 0.95
    n = np.array([1e9, 2e9, 4e9])
    one, two, four = (buys.conditional_expected_purchases(float(k), ROWS) for k in n)
    np.testing.assert_array_equal(found, one)
    assert (four - two) / (two - one) == pytest.approx(np.full(2, 2 ** (1 - gamma)), rel=1e-6)


@pytest.mark.parametrize("periods", ["0.5", "2.5"])
def test_parts_of_an_occasion_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], periods: str
) -> None:
    assert cli.main(["score", "bgbb.json", "in.csv", "out.csv", "--periods", periods]) == 2
    said = capsys.readouterr().err
    assert f"--periods must be a whole number of occasions for BG/BB, not {periods}." in said
    assert not Path("out.csv").exists()
    buys, t = fitted_purchases("bg_bb")[1], float(periods)
    message = f"t must be a whole number of occasions for BG/BB, not {periods}"
    for asked in (
        lambda: buys.predict(ROWS, t),
        lambda: cx.load_model("bgbb.json").predict(ROWS, t),
        lambda: buys.conditional_expected_purchases(t),
        lambda: buys.expected_purchases(t),
        lambda: buys.expected_total(t),
        lambda: buys.prob_purchases(0, t),
    ):
        with pytest.raises(ValueError, match=message):
            asked()


def test_a_year_of_deciles_is_that_of_its_whole_occasions() -> None:
    # 365 whole occasions of a day in 365.25
    buys = fitted_purchases("bg_bb")[1]
    pd.testing.assert_frame_equal(buys.by_decile(), buys.by_decile(t=365.0))

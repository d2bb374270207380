"""Purchase models fitted: published fits, covariates, edges, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from purchase_ledgers import read_cdnow, simulate_histories

import cxmodel as cx
from cxmodel.errors import CxModelWarning, InsufficientDataError, SchemaError
from cxmodel.tables.purchase_summary import PurchaseSummary

SMALL = pd.DataFrame(
    {
        "frequency": [0, 1, 1, 2, 5, 9],
        "recency": [0, 4, 20, 12, 30, 36],
        "T": [39, 38, 38, 37, 36, 39],
        "n_customers": [60, 8, 10, 8, 6, 3],
    }
)


@pytest.fixture(scope="module")
def cdnow(data_dir: Path) -> PurchaseSummary:
    return read_cdnow(data_dir)


# -- Published -------------------------------------------------------------------------------------

# Fader, Hardie & Lee (2005); BTYDplus for MBG/NBD; recomputed in reference/published.md
PUBLISHED = {
    "bg_nbd": ((0.242595, 4.413602, 0.792922, 2.425907), -9582.4292),
    "mbg_nbd": ((0.524843, 6.183085, 0.891359, 1.614003), -9582.1357),
    "pareto_nbd": ((0.553277, 10.57768, 0.60624, 11.66874), -9594.9762),
}


@pytest.mark.parametrize("family", PUBLISHED)
def test_cdnow_as_published(family: str, cdnow: PurchaseSummary) -> None:
    parameters, log_likelihood = PUBLISHED[family]
    buys = cx.PurchaseModel(family=family).fit(cdnow)  # type: ignore[arg-type]
    assert buys.log_likelihood == pytest.approx(log_likelihood, abs=1e-4)
    assert list(buys.parameters.values()) == pytest.approx(parameters, rel=3e-6)
    assert buys.caveats == ()


def test_bg_nbd_expectations_as_published(cdnow: PurchaseSummary) -> None:
    # E[X(t)] at .1429 1 3 32: .0078 .0532 .1506 1.0437; ahead of (2, 30.43, 38.86) in 39: 1.2259
    buys = cx.PurchaseModel().fit(cdnow)
    found = buys.expected_purchases([0.1429, 1, 3, 32])
    assert found == pytest.approx([0.0078, 0.0532, 0.1506, 1.0437], abs=5e-5)
    one = pd.DataFrame({"frequency": [2], "recency": [30.43], "T": [38.86]})
    assert buys.conditional_expected_purchases(39, one) == pytest.approx([1.2259], abs=5e-5)


def test_numbers_of_purchases_as_published() -> None:
    # BTYD's manual: with (0.243, 4.414, 0.793, 2.426) none in 39 weeks has probability .5737864
    buys = cx.PurchaseModel().fit(SMALL).at_parameters([0.243, 4.414, 0.793, 2.426])
    assert buys.prob_purchases(0, 39) == pytest.approx([0.5737864], abs=5e-8)
    assert buys.prob_purchases(range(200), 39).sum() == pytest.approx(1.0, abs=1e-9)
    with pytest.raises(ValueError, match="whole numbers of 0 or more, and t be above 0"):
        buys.prob_purchases(-1, 39)


def test_pareto_nbd_errors_as_in_clvtools(cdnow: PurchaseSummary) -> None:
    # CLVTools, test_correctness_pnbd_nocovstaticcov.R, from its numerical Hessian
    frame = cx.PurchaseModel(family="pareto_nbd").fit(cdnow).to_frame()
    expected = [0.0476264, 0.8427222, 0.1872594, 6.2105448]
    assert frame.std_error.to_numpy() == pytest.approx(expected, rel=1e-3)


def test_donations_as_published(data_dir: Path) -> None:
    # Fader, Hardie & Shang (2010) and Hardie's spreadsheet
    donors = pd.read_csv(data_dir / "cdnow" / "bgbb_donations.csv")
    gives = cx.PurchaseModel(family="bg_bb").fit(donors)
    expected = (1.203522, 0.749716, 0.656718, 2.783442)
    assert list(gives.parameters.values()) == pytest.approx(expected, rel=2e-6)
    assert gives.log_likelihood == pytest.approx(-33225.5813, abs=1e-4)
    assert gives.n_customers == 11_104
    assert gives.expected_total(5).estimate == pytest.approx(12884.2, abs=0.05)
    # BTYD-walkthrough, 5.4: mean gifts of the next five years by gifts so far, 0 .. 6
    by_frequency = (
        pd.Series(gives.conditional_expected_purchases(5)).groupby(donors.frequency).mean()
    )
    published = [0.07286318, 0.3248841, 0.7089417, 1.333666, 2.031203, 2.784482, 3.752500]
    assert by_frequency.to_numpy() == pytest.approx(published, rel=2e-4)
    # and 5.4's tracking: gifts of the first year, then those of the eleven years together
    assert 11_104 * gives.expected_purchases(1) == pytest.approx(5535.833, rel=1e-4)
    assert 11_104 * gives.expected_purchases(11) == pytest.approx(37627.29, rel=1e-4)


# -- Against the rows one by one -------------------------------------------------------------------


@pytest.mark.parametrize("family", ["bg_nbd", "mbg_nbd"])
def test_grouped_rows_give_what_single_rows_give(family: str) -> None:
    single = SMALL.loc[SMALL.index.repeat(SMALL.n_customers)].drop(columns="n_customers")
    shuffled = single.sample(frac=1, random_state=1)
    model = cx.PurchaseModel(family=family)  # type: ignore[arg-type]
    one, many = model.fit(SMALL), model.fit(shuffled)
    assert many.parameters == one.parameters
    assert many.log_likelihood == one.log_likelihood
    assert many.covariance == pytest.approx(one.covariance)
    assert len(many.prob_alive()) == 95


def test_the_unit_of_time_changes_nothing_but_the_unit() -> None:
    days = SMALL.assign(recency=SMALL.recency * 7, T=SMALL["T"] * 7)
    weeks, in_days = cx.PurchaseModel().fit(SMALL), cx.PurchaseModel().fit(days)
    assert in_days.parameters["alpha"] == pytest.approx(7 * weeks.parameters["alpha"], rel=1e-6)
    assert in_days.prob_alive() == pytest.approx(weeks.prob_alive(), rel=1e-6)
    assert in_days.expected_purchases(70) == pytest.approx(weeks.expected_purchases(10), rel=1e-6)


def test_the_error_of_a_sum_by_the_delta_method(cdnow: PurchaseSummary) -> None:
    # against the spread over draws of the parameters
    buys = cx.PurchaseModel().fit(cdnow)
    total = buys.expected_total(39)
    draws = buys.parameter_draws(400, seed=4)
    totals = [
        float(cdnow.n_customers @ buys.at_parameters(row).conditional_expected_purchases(39))
        for row in draws[:150]
    ]
    assert total.std_error == pytest.approx(np.std(totals), rel=0.2)
    assert total.estimate == pytest.approx(1653.4, abs=0.1)


def test_a_discount_rate_a_year_is_compounded_continuously(cdnow: PurchaseSummary) -> None:
    buys = cx.PurchaseModel(family="pareto_nbd").fit(cdnow)
    weekly = np.log(1.15) * 7 / 365.25
    assert buys.dert(annual_discount_rate=0.15) == pytest.approx(buys.dert(weekly))


# -- Known truth -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "truth", "names"),
    [
        ("pareto_nbd", (0.8, 8.0, 0.7, 12.0), ("purchase_nps", "dropout_nps")),
        ("bg_nbd", (0.8, 8.0, 0.9, 2.5), ("purchase_nps", "dropout_a_nps", "dropout_b_nps")),
    ],
)
def test_what_a_rating_does_to_buying_and_leaving_is_found(
    family: str, truth: tuple[float, ...], names: tuple[str, ...]
) -> None:
    n = 4000
    nps = np.random.default_rng(3).integers(0, 11, n).astype(float)
    rows = simulate_histories(family, truth, n, 5, buying=0.10 * nps, leaving=-0.12 * nps)
    model = cx.PurchaseModel(family=family, covariates="nps", dropout_covariates="nps")  # type: ignore[arg-type]
    buys = model.fit(rows.assign(nps=nps))
    frame = buys.to_frame().set_index("term")
    assert tuple(frame.index[4:]) == names
    # bg_nbd: leaving was shifted through a alone
    wanted = dict(zip(names, (0.10, -0.12, 0.0), strict=False))
    for name, value in wanted.items():
        assert abs(frame.estimate[name] - value) < 3 * frame.std_error[name], name
    assert frame.std_error["purchase_nps"] < 0.02
    # those who rate higher are expected to buy more
    ahead = buys.conditional_expected_purchases(52)
    assert ahead[nps >= 9].mean() > 1.5 * ahead[nps <= 2].mean()


def test_intervals_do_not_hang_on_the_units_of_a_covariate() -> None:
    nps = np.random.default_rng(4).integers(0, 11, 800).astype(float)
    rows = simulate_histories("bg_nbd", (0.8, 8.0, 0.9, 2.5), 800, 3, buying=0.05 * nps)
    ends = ["estimate", "conf_low", "conf_high"]
    whole, tiny, huge = (
        cx.PurchaseModel(family="bg_nbd", covariates="nps")
        .fit(rows.assign(nps=nps * unit))
        .to_frame()
        .set_index("term")[ends]
        for unit in (1.0, 1e-5, 1e5)
    )
    own = whole.index != "purchase_nps"
    for other, unit in ((tiny, 1e-5), (huge, 1e5)):
        assert other[own].to_numpy() == pytest.approx(whole[own].to_numpy(), rel=1e-4)
        found = unit * other.loc["purchase_nps"].to_numpy(dtype=float)
        assert found == pytest.approx(whole.loc["purchase_nps"].to_numpy(dtype=float), rel=1e-3)


def test_covariates_that_say_nothing_change_nothing_much() -> None:
    rows = simulate_histories("bg_nbd", (0.8, 8.0, 0.9, 2.5), 1500, 6)
    noise = np.random.default_rng(1).normal(5e4, 1e4, 1500)
    plain = cx.PurchaseModel().fit(rows)
    more = cx.PurchaseModel(covariates="income").fit(rows.assign(income=noise))
    assert 0 <= more.log_likelihood - plain.log_likelihood < 4
    frame = more.to_frame().set_index("term")
    assert abs(frame.estimate["purchase_income"]) < 3 * frame.std_error["purchase_income"]


# -- Edges and errors ------------------------------------------------------------------------------


def test_an_edge_of_the_family_is_named_with_what_to_do() -> None:
    # everybody buys every other week until the end: nobody leaves
    x = np.tile([18, 19, 20, 21], 40)
    rows = pd.DataFrame({"frequency": x, "recency": 39.0 + (x % 3) / 4, "T": 40.0})
    with pytest.warns(CxModelWarning, match="ran to the edge of its family") as seen:
        buys = cx.PurchaseModel().fit(rows)
    text = str(seen[0].message)
    assert "nobody is seen to leave" in text or "customers do not differ" in text
    assert "Bring a longer history or more customers, try another family" in text
    assert text in buys.caveats
    assert buys.prob_alive().min() > 0.95
    # 19.5 purchases in 40 weeks: as many in the next 40
    assert buys.conditional_expected_purchases(40).mean() == pytest.approx(19.5, rel=0.02)


def test_where_nobody_leaves_the_rest_is_known_with_its_error() -> None:
    # rates of purchase are Gamma(2, 10), and all buy until the end
    rng = np.random.default_rng(4)
    x = rng.poisson(40 * rng.gamma(2.0, 0.1, 400))
    recency = np.where(x > 0, np.round(40 * x / (x + 1)), 0.0)
    rows = pd.DataFrame({"frequency": x, "recency": recency, "T": 40.0})
    with pytest.warns(CxModelWarning, match="nobody is seen to leave"):
        buys = cx.PurchaseModel(family="mbg_nbd").fit(rows)
    assert not any("hardly determine" in caveat for caveat in buys.caveats)
    table = buys.to_frame().set_index("term")
    assert table.conf_low["r"] < 2 < table.conf_high["r"]
    assert table.conf_low["alpha"] < 10 < table.conf_high["alpha"]
    # a negative binomial: its mean is that of the sample, with the error of a mean of 400
    found = buys.estimate_of(lambda fit: float(fit.expected_purchases(40)), unit="purchases")
    assert found.estimate == pytest.approx(x.mean(), rel=1e-3)
    assert found.std_error == pytest.approx(x.std() / 20, rel=0.15)


def test_parameters_that_run_together_are_named_together() -> None:
    # all leave with the same probability of a fifth: only a / (a + b) is known
    rng = np.random.default_rng(1)
    rows = []
    for rate in rng.gamma(2.0, 0.1, 400):
        times = np.cumsum(rng.exponential(1 / rate, rng.geometric(0.2)))
        times = times[times <= 40]
        rows.append((len(times), times[-1] if len(times) else 0.0, 40.0))
    histories = pd.DataFrame(rows, columns=["frequency", "recency", "T"])
    with pytest.warns(
        CxModelWarning, match=r"how readily they leave \(a without end, b without end"
    ):
        cx.PurchaseModel().fit(histories)


def test_no_finite_mean_without_discounting_is_named(cdnow: PurchaseSummary) -> None:
    buys = cx.PurchaseModel(family="pareto_nbd").fit(cdnow)
    with pytest.warns(CxModelWarning, match=r"no finite mean, as s = 0.606 is 1 or less") as seen:
        found = buys.dert(0.0)
    assert np.isinf(found).all()
    assert "Give a discount rate above 0" in str(seen[0].message)


def test_purchases_on_one_day_only_are_too_little() -> None:
    rows = pd.DataFrame({"frequency": [0] * 50, "recency": 0.0, "T": 30.0})
    with pytest.raises(
        InsufficientDataError, match="0 of 50 customers bought on more than one day"
    ):
        cx.PurchaseModel().fit(rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recency": 99.0}, r"recency is negative or beyond T .*\. In 6 row"),
        ({"recency": 0.0}, "recency is 0 with a repeat purchase"),
        ({"frequency": 1.5}, "frequency is negative or no whole number"),
        ({"T": np.nan}, "frequency, recency or T is missing or not finite"),
        ({"n_customers": 0}, "n_customers must hold whole numbers of 1 or more"),
    ],
)
def test_impossible_histories_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        cx.PurchaseModel().fit(SMALL.assign(**change))


def test_what_is_missing_is_named() -> None:
    with pytest.raises(SchemaError, match=r"no column 'recency'\. Found: frequency, T"):
        cx.PurchaseModel().fit(SMALL[["frequency", "T"]])
    with pytest.raises(SchemaError, match="no column 'nps'"):
        cx.PurchaseModel(covariates="nps").fit(SMALL)
    with pytest.raises(SchemaError, match="has one value only"):
        cx.PurchaseModel(covariates="nps").fit(SMALL.assign(nps=3.0))
    with pytest.raises(SchemaError, match=r"column 'T' .* must hold numbers: .*'12 weeks'"):
        cx.PurchaseModel().fit(SMALL.assign(T="12 weeks"))
    with pytest.raises(TypeError, match=r"come from cxmodel.summarize_purchases"):
        cx.PurchaseModel().fit([1, 2])  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="BG/BB counts occasions"):
        cx.PurchaseModel(family="bg_bb").fit(
            SMALL.assign(recency=SMALL.recency + 0.5 * (SMALL.frequency > 0))
        )


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="family must be one of"):
        cx.PurchaseModel(family="nbd")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="method must be one of"):
        cx.PurchaseModel(method="vb")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="BG/BB takes no covariates"):
        cx.PurchaseModel(family="bg_bb", covariates="nps")
    with pytest.raises(ValueError, match="takes no covariates: use 'likelihood'"):
        cx.PurchaseModel(method="map", covariates="nps")
    buys = cx.PurchaseModel().fit(SMALL)
    with pytest.raises(ValueError, match="one of them"):
        buys.dert()
    with pytest.raises(ValueError, match=r"0 or more, not -0\.1"):
        buys.dert(-0.1)
    with pytest.raises(ValueError, match="finite times of 0 or more"):
        buys.expected_purchases(-1)


def test_a_result_shows_itself_without_any_customer() -> None:
    buys = cx.PurchaseModel().fit(SMALL)
    assert "BG/NBD: r=0.2463" in repr(buys)
    assert set(buys.to_dict()) >= {"family", "parameters", "log_likelihood", "n_customers"}
    assert buys.diagnostics().aic[0] == pytest.approx(8 - 2 * buys.log_likelihood)
    assert "alpha" in buys.summary()

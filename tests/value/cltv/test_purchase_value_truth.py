"""Value per customer without a contract, held to the truth of simulated customers."""

from __future__ import annotations

import numpy as np
import pytest
from held_truth import require_coverage, require_small_bias
from purchase_ledgers import simulate_histories

from cxmodel.results import Estimate
from cxmodel.stats.purchases.bg_nbd import FAMILY
from cxmodel.stats.rates import DAYS_PER_MONTH, discount_factors
from cxmodel.tables.purchase_summary import PurchaseSummary
from cxmodel.value.cltv.model import CltvModel

BUYS = (0.8, 8.0, 0.9, 2.5)  # BG/NBD, in weeks
SPEND = (6.0, 4.0, 15.0)  # Gamma-Gamma: 6 x 15 / 3 = 30 a purchase on average
WEEKS = 52.0
N_CUSTOMERS = 600


def _customers(seed: int) -> PurchaseSummary:
    """Draw customers who all came a year ago; those who did not come back share one row."""
    rows = simulate_histories("bg_nbd", BUYS, N_CUSTOMERS, seed, months_of_starts=0, age=WEEKS)
    rows = rows[rows["frequency"] > 0]
    rng = np.random.default_rng([seed, 1])
    p, q, v = SPEND
    frequency = rows["frequency"].to_numpy()
    scale = rng.gamma(q, 1 / v, len(rows))
    mean = rng.gamma(p * frequency, 1 / scale) / frequency
    return PurchaseSummary(
        frequency=np.append(frequency, 0.0),
        recency=np.append(rows["recency"].to_numpy(), 0.0),
        T=np.full(len(rows) + 1, WEEKS),
        monetary_value=np.append(mean, np.nan),
        n_customers=np.append(np.ones(len(rows), dtype=np.int64), N_CUSTOMERS - len(rows)),
        unit_days=7.0,
        currency="USD",
    )


def _truth() -> float:
    """Give the purchases expected in each of 36 months, at their mean price, discounted."""
    values = tuple(np.asarray(value) for value in BUYS)
    until = FAMILY.expected(values, WEEKS + np.arange(37) * DAYS_PER_MONTH / 7)
    p, q, v = SPEND
    return 0.6 * p * v / (q - 1) * float(discount_factors(0.10, np.arange(1, 37)) @ np.diff(until))


def _values(seeds: range, n_draws: int) -> tuple[list[Estimate], list[Estimate]]:
    """Value many companies: per customer, and all customers together."""
    each, together = [], []
    for seed in seeds:
        model = CltvModel(gross_margin=0.6, annual_discount_rate=0.10, n_draws=n_draws, seed=seed)
        found = model.fit(_customers(seed))
        assert isinstance(found.customer_equity, Estimate)
        each.append(found.per_customer)
        together.append(found.customer_equity)
    return each, together


def _judged(found: list[Estimate], truth: float) -> tuple[float, float]:
    """Give how often the interval holds the truth, and the bias in standard errors."""
    held = np.mean([e.conf_low <= truth <= e.conf_high for e in found])  # type: ignore[operator]
    bias = np.mean([e.estimate for e in found]) - truth
    return float(held), float(bias / np.mean([e.std_error for e in found]))  # type: ignore[arg-type]


def test_the_truth_by_simulation() -> None:
    # who bought how often in the 39 weeks after the first year, played through
    later, first = (
        simulate_histories("bg_nbd", BUYS, 60_000, 5, months_of_starts=0, age=age)
        for age in (WEEKS + 39, WEEKS)
    )
    counts = [frame["frequency"].to_numpy() for frame in (first, later)]
    exact = FAMILY.expected(tuple(np.asarray(value) for value in BUYS), np.array([52.0, 91.0]))
    for found, expected in zip(counts, exact, strict=True):
        assert found.mean() == pytest.approx(expected, abs=3 * found.std() / np.sqrt(len(found)))


def test_intervals_hold_the_truth_in_a_short_run() -> None:
    each, together = _values(range(9_000, 9_012), n_draws=25)
    held, off = _judged(each, _truth())
    assert held >= 9 / 12  # 8 or fewer of 12 at 95%: one in 300
    assert abs(off) < 1.2  # 12 draws know a bias to 0.29 standard errors
    assert _judged(together, N_CUSTOMERS * _truth())[0] == held
    for e in each:
        # in the logarithm: as many times more above as less below, t of 24 degrees
        assert e.conf_low is not None
        assert e.std_error is not None
        assert e.conf_low * e.conf_high == pytest.approx(e.estimate**2)  # type: ignore[operator]
        assert np.log(e.estimate / e.conf_low) == pytest.approx(2.0639 * e.std_error / e.estimate,
                                                                rel=1e-4)  # fmt: skip


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    n = 400
    held, off = _judged(_values(range(50_000, 50_000 + n), n_draws=50)[0], _truth())
    name = "value per customer"
    require_small_bias({name: off}, n)
    require_coverage({name: held}, n)

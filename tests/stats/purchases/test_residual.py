"""Discounted purchases still to come (DERT): another library, and averages over the traits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import beta as beta_law
from scipy.stats import gamma as gamma_law

from cxmodel.stats.purchases import bg_bb, bg_nbd, mbg_nbd, pareto_nbd
from cxmodel.stats.purchases.histories import Histories

# CLVTools 0.12.1 under R 4.6.1, pnbd_nocov_PAlive and pnbd_nocov_DERT at a continuous discount of
# ln(1.075) / 52 a week, for customers of its apparelTrans data at T = 104 weeks: (x, t_x, P(alive),
# DERT) at r, alpha, s, beta. As stored by github.com/neilmurrayee/clvtools in
# tests/fixtures/pnbd_nocov_mle.csv, pnbd_nocov_alpha.lt.beta.csv and cbs_estimation.csv.
CLVTOOLS: dict[tuple[float, ...], list[tuple[float, ...]]] = {
    (1.4490, 48.6361, 0.5613, 46.8844): [
        (0, 0.0, 0.278444373113975, 0.916699735370263),
        (1, 32.0, 0.47395184124238, 2.63720125930958),
        (2, 25 / 7, 0.0863654179349899, 0.676789088024537),
        (6, 653 / 7, 0.946844128667986, 16.0249520723786),
        (10, 104.0, 1.0, 26.0128436073564),
        (11, 226 / 7, 0.00583678627283353, 0.165092951718672),
        (21, 669 / 7, 0.937599856076603, 47.8227786657756),
    ],
    (1.0, 5.0, 1.0, 10.0): [
        (0, 0.0, 0.0103616904278778, 0.0179937611964516),
        (1, 32.0, 0.124453822617125, 0.432244599420399),
        (2, 25 / 7, 0.000310112818352765, 0.00161559429986014),
        (6, 653 / 7, 0.867197826716368, 10.541624939328),
        (10, 104.0, 0.999999999999993, 19.1022280137265),
        (11, 226 / 7, 1.37980869901473e-05, 0.000287535495097115),
        (21, 669 / 7, 0.818301784390298, 31.2627745389248),
    ],
}
WEEKLY = np.log(1.075) / 52
ROWS = ((0, 0.0, 38.86), (2, 30.43, 38.86), (7, 35.0, 38.86), (7, 10.0, 38.86))


def _histories(*rows: tuple[float, float, float]) -> Histories:
    x, recency, age = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    return Histories(x, recency, age, np.ones(len(rows)))


def _given(values: tuple[float, ...]) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(value) for value in values)


# -- worked by hand


def test_the_integral_of_one_customer_by_hand() -> None:
    # a rate of .2 a week, a loss of .01, a discount of .0027: .2 / .0127 purchases still to come
    worth = quad(lambda t: 0.2 * np.exp(-(0.01 + 0.0027) * t), 0, np.inf)[0]
    assert worth == pytest.approx(0.2 / 0.0127)
    # Pareto/NBD with next to no spread in either trait is that customer
    sharp = _given((0.2 * 1e7, 1e7, 0.01 * 1e7, 1e7))
    found = pareto_nbd.residual(sharp, _histories((8, 40.0, 40.0)), 0.0027)[0]
    assert found == pytest.approx(0.2 / 0.0127, rel=1e-4)


# -- against a reference


@pytest.mark.parametrize("values", CLVTOOLS)
def test_pareto_nbd_as_in_clvtools(values: tuple[float, ...]) -> None:
    rows = CLVTOOLS[values]
    given = _histories(*((x, t_x, 104.0) for x, t_x, _, _ in rows))
    alive = pareto_nbd.prob_alive(_given(values), given)
    found = pareto_nbd.residual(_given(values), given, WEEKLY)
    # they take Gauss hypergeometric functions, which lose some digits where little is left
    assert alive == pytest.approx([row[2] for row in rows], rel=1e-9)
    assert found == pytest.approx([row[3] for row in rows], rel=1e-9)


# What a customer with given traits does is elementary; averaging over the traits on a grid in their
# logarithms uses none of the closed forms of the papers. CDNOW, published fits, 15% a year.


def _purchase_rates(r: float, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    rates = np.exp(np.arange(-170.0, 6.0, 0.05))  # a shape of 0.24 is still felt at e^-100
    return rates, gamma_law.pdf(rates, r, scale=1 / alpha) * rates


@pytest.mark.parametrize("row", ROWS)
def test_pareto_nbd_by_averaging_over_traits(row: tuple[float, float, float]) -> None:
    r, alpha, s, beta = values = (0.553277, 10.57768, 0.60624, 11.66874)
    x, t_x, age = row
    discount = np.log(1.15) / 52
    rate, weight = _purchase_rates(r, alpha)
    loss, of_loss = (part[:, None] for part in _purchase_rates(s, beta))
    both = rate + loss
    alive = rate**x * np.exp(-both * age)
    gone = rate**x * loss / both * (np.exp(-both * t_x) - np.exp(-both * age))
    mass = weight * of_loss
    expected = float(
        (mass * alive * rate / (loss + discount)).sum() / (mass * (alive + gone)).sum()
    )
    found = pareto_nbd.residual(_given(values), _histories(row), discount)[0]
    assert found == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("first_toss", [0, 1])
@pytest.mark.parametrize("row", ROWS)
def test_beta_geometric_by_averaging_over_traits(
    row: tuple[float, float, float], first_toss: int
) -> None:
    family, values = (
        (bg_nbd, (0.242595, 4.413602, 0.792922, 2.425907)),
        (mbg_nbd, (0.524843, 6.183085, 0.891359, 1.614003)),
    )[first_toss]
    r, alpha, a, b = values
    x, t_x, age = row
    discount = np.log(1.15) / 52
    rate, weight = _purchase_rates(r, alpha)
    logit = np.arange(-60.0, 60.0, 0.05)[:, None]
    leaves, stays = expit(logit), expit(-logit)
    mass = weight * beta_law.pdf(leaves, a, b) * leaves * stays
    tosses = x + first_toss
    alive = rate**x * stays**tosses * np.exp(-rate * age)
    gone = rate**x * leaves * stays ** (tosses - 1) * np.exp(-rate * t_x) if tosses > 0 else 0.0
    ahead = rate / (leaves * rate + discount)
    mass = np.where(np.isfinite(mass), mass, 0.0)
    expected = float((mass * alive * ahead).sum() / (mass * (alive + gone)).sum())
    found = family.FAMILY.residual(_given(values), _histories(row), discount)[0]
    assert found == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("x", "t_x"), [(0, 0), (1, 1), (3, 4), (3, 6), (6, 6)])
def test_bg_bb_by_averaging_over_traits(x: int, t_x: int) -> None:
    # Fader, Hardie & Shang (2010), the donations: 6 years, 10% a year
    alpha, beta, gamma, delta = values = (1.203522, 0.749716, 0.656718, 2.783442)
    n, discount = 6, 0.10

    def mean(law: object, function: object) -> float:
        return float(law.expect(function, epsabs=1e-13, epsrel=1e-12))  # type: ignore[attr-defined]

    buys, leaves = beta_law(alpha, beta), beta_law(gamma, delta)

    def bought(tries: int, more: int = 0) -> float:
        return mean(buys, lambda p: p ** (x + more) * (1 - p) ** (tries - x))

    seen = bought(n) * mean(leaves, lambda q: (1 - q) ** n)
    for idle in range(n - t_x):
        seen += bought(t_x + idle) * mean(leaves, lambda q, i=idle: q * (1 - q) ** (t_x + i))
    # who is there at n comes to n + 1, n + 2, ... with (1 - q), (1 - q)^2, ...
    ahead = mean(leaves, lambda q: (1 - q) ** (n + 1) / (discount + q))
    expected = bought(n, more=1) * ahead / seen
    found = bg_bb.residual(_given(values), _histories((x, t_x, n)), discount)[0]
    assert found == pytest.approx(expected, rel=1e-7)


# -- properties


def test_a_steeper_discount_leaves_less() -> None:
    values = _given((0.553277, 10.57768, 0.60624, 11.66874))
    found = [pareto_nbd.residual(values, _histories((7, 35.0, 38.86)), rate)[0]
             for rate in (0.001, 0.0027, 0.01)]  # fmt: skip
    assert found[0] > found[1] > found[2] > 0

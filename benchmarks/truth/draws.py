"""What a simulated company is made of, straight from arrays: no engine, so that it is quick.

A world draws people, lets them rate, and states the law of each outcome: the expected outcome of
every row under any ratings. The truth of an estimand is read from that law in a large draw under
changed ratings; the observations are the same draw with chance added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import comb
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betaln

from benchmarks.truth.silent import weigh
from cxmodel.scales import NPS
from cxmodel.tables.observation_table import Observations, Windows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Law = Callable[[Floats], Floats]
GAPS = (0, 30, 60, 90)
DAYS = 180
BLOCK = 30
N_BLOCKS = (DAYS + max(GAPS)) // BLOCK
SEGMENTS = np.array(["small", "middle", "large"], dtype=object)
SHARES = (0.5, 0.3, 0.2)
LEVELS = np.arange(11.0)


@dataclass(frozen=True, eq=False)
class People:
    """Customers at the moment of an answer: what is known of them, one row an answer.

    Every variable is bounded, so that a rating can have a mean that is exactly linear in it.

    Parameters
    ----------
    customer : array of int (n,)
        Whose row it is, in order.
    size : array (n,)
        0, 1 or 2: the segment.
    before, before_2, before_3 : array (n,)
        Revenue in the three windows before, the latest first.
    contacts, tenure : array (n,)
        Contacts before, and days since the start.
    """

    customer: Ints
    size: Floats
    before: Floats
    before_2: Floats
    before_3: Floats
    contacts: Floats
    tenure: Floats

    @property
    def n_rows(self) -> int:
        """Answers that could be given."""
        return len(self.customer)

    @property
    def usual(self) -> Floats:
        """Spending in the window before, about -2.4 to 2.4 around 0."""
        return (self.before - 105) / 30

    @property
    def old(self) -> Floats:
        """Spending three windows before, about -2 to 2.3 around 0."""
        return (self.before_3 - 114) / 40


def even(rng: np.random.Generator, n: int, half: float = 1.0) -> Floats:
    """Draw evenly from -half to half."""
    return rng.uniform(-half, half, n)


def draw_people(
    rng: np.random.Generator, n_customers: int, answers: Ints | int = 1, trait: Floats | None = None
) -> People:
    """Draw customers and their spending before each answer, whose windows remember each other.

    Parameters
    ----------
    answers : int or array of int (n_customers,)
        Answers of each customer.
    trait : array (n_customers,), optional
        What of a customer nobody sees; it is in all spending.
    """
    customer = np.repeat(np.arange(n_customers), answers)
    n = len(customer)
    size = rng.choice(3, n_customers, p=SHARES).astype(float)[customer]
    own = even(rng, n_customers, 40)[customer]
    if trait is not None:
        own = own + trait[customer]
    before_3 = 100 + 20 * size + own + even(rng, n, 25)
    before_2 = 40 + 0.6 * before_3 + even(rng, n, 25)
    before = 40 + 0.6 * before_2 + even(rng, n, 25)
    contacts = rng.poisson(1.0, n).astype(float)
    tenure = rng.uniform(700, 2_500, n_customers)[customer]
    return People(customer, size, before, before_2, before_3, contacts, tenure)


@dataclass(frozen=True, eq=False)
class Chances:
    """The law of each customer's rating: beta-binomial on 0-10.

    Parameters
    ----------
    mean : array (n,)
        Its mean.
    concentration : float or array (n,)
        The larger, the less it spreads around that.
    """

    mean: Floats
    concentration: float | Floats

    def of_levels(self) -> Floats:
        """Give the probability of every level, (n, 11)."""
        share = self.mean / 10
        a, b = share * self.concentration, (1 - share) * self.concentration
        found = [comb(10, k) * np.exp(betaln(a + k, b + 10 - k) - betaln(a, b)) for k in range(11)]
        return np.column_stack(found)


def rate(
    rng: np.random.Generator, mean: Floats, concentration: float | Floats = 4.0
) -> tuple[Floats, Chances]:
    """Draw ratings 0-10 whose mean is exactly `mean`: beta-binomial; give them and their law.

    Raises
    ------
    ValueError
        If a mean lies outside 0-10: such a world is drawn wrongly.
    """
    if mean.min() <= 0 or mean.max() >= 10:
        raise ValueError(f"Mean ratings of {mean.min():.2f} to {mean.max():.2f} leave the scale.")
    share = mean / 10
    drawn = rng.beta(share * concentration, (1 - share) * concentration)
    return rng.binomial(10, drawn).astype(float), Chances(mean, concentration)


@dataclass(frozen=True, eq=False, kw_only=True)
class Draw:
    """One simulated company: what everybody would answer, and what follows.

    Parameters
    ----------
    people : People
        Everybody at risk, answered or not.
    rating : array (n,)
        What each answers, or would.
    laws : mapping of outcome to law
        Expected outcome of every row under any ratings.
    columns : mapping of str to array
        Columns of the observation table that are the world's own, outcomes among them.
    answered : array of bool, optional
        Who answers; default everybody.
    day : array (n,), optional
        Day of the answer; default spread over 60 days.
    percent : float, optional
        True percent change per rating point, where it is the same for everybody.
    chances : Chances, optional
        Law of the ratings, where it depends on nothing but the controls.
    changes : mapping
        Other fields of the observations.
    settings : mapping
        Settings of the lift model.
    """

    people: People
    rating: Floats
    laws: Mapping[str, Law]
    columns: Mapping[str, Any]
    answered: NDArray[np.bool_] | None = None
    day: Floats | None = None
    percent: float | None = None
    chances: Chances | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


# -- Outcomes --------------------------------------------------------------------------------------


def draw_revenue(
    rng: np.random.Generator,
    mean: Floats,
    spread: float | Floats = 20.0,
    leaves_at: Floats | None = None,
) -> dict[str, Floats]:
    """Draw spending in blocks of 30 days, and sum it from every gap on.

    Parameters
    ----------
    mean : array (n,)
        Expected over 180 days of a customer who stays.
    spread : float or array (n,)
        Standard deviation over 180 days.
    leaves_at : array (n,), optional
        Day on which spending ends.
    """
    n, per = len(mean), DAYS // BLOCK
    noise = rng.normal(0, 1, (n, N_BLOCKS)) * (np.broadcast_to(spread, n) / np.sqrt(per))[:, None]
    blocks = (mean / per)[:, None] + noise
    if leaves_at is not None:
        starts = BLOCK * np.arange(N_BLOCKS)
        blocks = blocks * np.clip((leaves_at[:, None] - starts) / BLOCK, 0, 1)
    columns = {
        f"_revenue_after_g{gap}": blocks[:, gap // BLOCK : gap // BLOCK + per].sum(axis=1)
        for gap in GAPS
    }
    return {"revenue_after": columns["_revenue_after_g0"], **columns}


def stay_probability(log_odds: Floats) -> Floats:
    """Give the probability of staying through 180 days."""
    return np.asarray(1 / (1 + np.exp(-log_odds)))


def draw_leaving(rng: np.random.Generator, log_odds: Floats) -> Floats:
    """Draw the day of leaving, at a steady risk that leaves this log-odds of 180 days."""
    return np.asarray(rng.exponential(DAYS / np.log1p(np.exp(-log_odds))))


def churn_columns(leaves_at: Floats) -> dict[str, Any]:
    """Say from every gap on who left within 180 days, and who was still there."""
    columns: dict[str, Any] = {}
    for gap in GAPS:
        columns[f"_churned_g{gap}"] = ((leaves_at > gap) & (leaves_at <= gap + DAYS)).astype(float)
        columns[f"_present_g{gap}"] = leaves_at > gap
    return {"churned": columns["_churned_g0"], **columns}


# -- The observation table -------------------------------------------------------------------------


def observe(draw: Draw, rng: np.random.Generator) -> Observations:
    """Make the observation table of those who answered, one row an answer."""
    people = draw.people
    day = rng.integers(0, 60, people.n_rows) if draw.day is None else draw.day
    columns = {**_known(people, np.asarray(day, dtype=np.int64), draw.rating), **draw.columns}
    everybody = pd.DataFrame(columns).assign(response_weight=1.0)
    frame = everybody
    if draw.answered is not None:
        frame = everybody[draw.answered].reset_index(drop=True)
    counts = np.bincount(frame["_customer"], minlength=int(people.customer.max()) + 1)
    frame = frame.assign(_share=1.0 / counts[frame["_customer"]]).drop(columns="_customer")
    settings: dict[str, Any] = {
        "frame": frame,
        "windows": Windows(),
        "rating": "nps",
        "scale": NPS,
        "currency": "USD",
        "churn_rule": "churned_at",
        "attributes": ("segment",),
        "customer_attributes": ("segment",),
        "audit": {"match_rate": 1.0, "revenue_reconciled": {"difference": 0.0}},
        **draw.changes,
    }
    obs = Observations(**settings)
    return obs if draw.answered is None else weigh(obs, everybody, draw.answered)


def _known(people: People, day: Ints, rating: Floats) -> dict[str, Any]:
    n = people.n_rows
    start = np.datetime64("2021-03-01", "D")
    days = start + day.astype("timedelta64[D]")
    ids = np.array([f"c{i:05d}" for i in range(int(people.customer.max()) + 1)], dtype=object)
    bands = np.array([NPS.band(level) for level in LEVELS], dtype=object)
    months, codes = np.unique(days.astype("datetime64[M]"), return_inverse=True)
    columns: dict[str, Any] = {
        "customer_id": ids[people.customer],
        "responded_at": days.astype("datetime64[us]"),
        "rating": rating,
        "band": bands[rating.astype(np.int64)],
        "revenue_before": people.before,
        "revenue_before_2": people.before_2,
        "revenue_before_3": people.before_3,
        "contacts_before": people.contacts,
        "tenure_days": people.tenure,
        "days_observed_before": 700.0,
        "outcome_complete": True,
        "segment": SEGMENTS[people.size.astype(np.int64)],
        "_month": months.astype(str).astype(object)[codes],
        "_customer": people.customer,
        "_status": "ok",
        "_at_risk": True,
        "_left_in_gap": False,
        "_history_windows": 3.5,
    }
    for gap in GAPS:
        columns[f"_complete_g{gap}"] = True
        columns[f"_present_g{gap}"] = np.ones(n, dtype=bool)
    return columns


# -- The truth -------------------------------------------------------------------------------------

STEP = 0.01


def truths(draw: Draw) -> dict[str, float]:
    """Read the truth of every estimand from the laws, under changed ratings.

    Parameters
    ----------
    draw : Draw
        A large one: the mean over it stands for the mean over the population.

    Returns
    -------
    dict of "outcome.estimand" to float
        ``base``: mean slope over the customers at risk, each once. ``variance``: the slope weighted
        by the rating's variance given the controls. ``within``: by its variance within customers,
        who count once each.
        ``plus_one``: mean change from one point more below the top. ``uniform_shift`` and
        ``detractor_to_promoter``: per NPS point. ``percent``: per rating point. ``to_passive`` and
        ``to_promoter``: had everybody been in that band rather than the one below, at the ratings
        of it that customers like them give.
    """
    found = {}
    weights = _shares(draw.people.customer)
    answered = np.ones(len(weights), dtype=bool) if draw.answered is None else draw.answered
    for outcome, law in draw.laws.items():
        slope = (law(draw.rating + STEP) - law(draw.rating - STEP)) / (2 * STEP)
        found[f"{outcome}.base"] = float(weights @ slope / weights.sum())
        found[f"{outcome}.variance"] = _weighted_by(_residual(draw, answered), slope, weights)
        found[f"{outcome}.within"] = _weighted_by(_deviation(draw), slope, weights)
        found |= {f"{outcome}.{k}": v for k, v in _level_truths(draw, law, slope, weights).items()}
        if draw.chances is not None:
            bands = _band_means(draw.chances.of_levels(), law, weights)
            found[f"{outcome}.to_passive"] = bands[1] - bands[0]
            found[f"{outcome}.to_promoter"] = bands[2] - bands[1]
        if draw.percent is not None:
            found[f"{outcome}.percent"] = draw.percent
    return found


def _shares(customer: Ints) -> Floats:
    return np.asarray(1.0 / np.bincount(customer)[customer])


def _weighted_by(deviation: Floats, slope: Floats, weights: Floats) -> float:
    spread = weights * deviation**2
    return _ratio(float(spread @ slope), float(spread.sum()))


def _residual(draw: Draw, answered: NDArray[np.bool_]) -> Floats:
    """Give what the controls leave of the rating among those who answered; 0 for the others."""
    people = draw.people
    design = np.column_stack(
        [
            np.ones(people.n_rows), people.before, people.before_2, people.contacts, people.tenure,
            people.size == 1, people.size == 2,
        ]
    )  # fmt: skip
    root = np.sqrt(_shares(people.customer) * answered)[:, None]
    coefficients = np.linalg.lstsq(root * design, root[:, 0] * draw.rating, rcond=None)[0]
    return np.asarray(answered * (draw.rating - design @ coefficients))


def _deviation(draw: Draw) -> Floats:
    customer = draw.people.customer
    means = np.bincount(customer, weights=draw.rating) / np.bincount(customer)
    return np.asarray(draw.rating - means[customer])


def _ratio(part: float, whole: float) -> float:
    """Divide; where nobody is, there is nothing to tell."""
    return float(part / whole) if whole else float("nan")


def _band_means(chances: Floats, law: Law, weights: Floats) -> list[float]:
    """Give the mean had everybody been in a band, at the ratings that they would give within it."""
    found = []
    for is_in in (LEVELS <= 6, (LEVELS > 6) & (LEVELS < 9), LEVELS >= 9):
        levels = LEVELS[is_in]
        given = chances[:, is_in] / chances[:, is_in].sum(axis=1, keepdims=True)
        outcomes = np.column_stack([law(np.full(len(given), level)) for level in levels])
        found.append(float(weights @ (given * outcomes).sum(axis=1) / weights.sum()))
    return found


def _level_truths(draw: Draw, law: Law, slope: Floats, weights: Floats) -> dict[str, float]:
    rating = draw.rating
    below = weights * (rating < 10)
    share = np.bincount(rating.astype(np.int64), weights=weights, minlength=11) / weights.sum()
    base = float(weights @ slope / weights.sum())
    means = np.array(
        [weights @ law(np.full(len(rating), level)) / weights.sum() for level in LEVELS]
    )
    low, high = LEVELS <= 6, LEVELS >= 9
    bands = [_ratio(share[b] @ means[b], share[b].sum()) for b in (low, high)]
    return {
        "plus_one": float(below @ (law(rating + 1) - law(rating)) / below.sum()),
        "uniform_shift": _ratio(base, 100 * (share[6] + share[8])),
        "detractor_to_promoter": 0.005 * (bands[1] - bands[0]),
    }

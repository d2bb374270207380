"""The worlds of the study in which customers answer once, and the table of all worlds.

A world is a function of a random generator, a number of customers and a strength, which scales
what a check must see; ``strengths`` of `World` says which strength moves the headline by about 1, 2
and 4 standard errors (the study prints by how much it did).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from benchmarks.truth import waves
from benchmarks.truth.draws import (
    Chances,
    Draw,
    Floats,
    Law,
    People,
    churn_columns,
    draw_leaving,
    draw_people,
    draw_revenue,
    even,
    rate,
    stay_probability,
)

Make = Callable[[np.random.Generator, int, float], Draw]
FULL = 4
DOLLARS, LOG_ODDS = 5.0, 0.15
SHARE_ANSWERING = 0.6
LEAK_LOG_ODDS = 0.14
"""So much that a leak which hides most of it moves the headline by four standard errors."""


@dataclass(frozen=True, kw_only=True)
class World:
    """A world and how it is drawn.

    Parameters
    ----------
    make : callable (generator, n_customers, strength) -> Draw
        Draws it.
    n_customers : int
        Customers of a replication.
    strengths : mapping of int to float
        Nominal shift of the headline in standard errors -> strength. Worlds in which nothing is
        seeded have one, under 4.
    outcomes : tuple of str
        Lifts that are fitted.
    purpose : str
        What it is for, in a sentence.
    answers : int
        Answers of a customer, about.
    vouched_for : str, optional
        A leak that a second fit holds equal, to show what it would have done.
    """

    make: Make
    n_customers: int
    purpose: str
    outcomes: tuple[str, ...] = ("revenue",)
    strengths: Mapping[int, float] = field(default_factory=lambda: {FULL: 1.0})
    answers: int = 1
    vouched_for: str | None = None


def _line(people: People, dollars: float | Floats, start: float | Floats = 0.0) -> Law:
    """Spending as before, and so much for each rating point."""
    return lambda rating: start + people.before + dollars * rating


def _odds(people: People, per_point: float, confounding: float, start: float = 1.2) -> Law:
    return lambda rating: start + per_point * (rating - 5) + 0.5 * confounding * people.usual


def _both(
    rng: np.random.Generator,
    people: People,
    rated: tuple[Floats, Chances],
    spending: Law,
    log_odds: Law,
) -> Draw:
    """Draw both outcomes from their laws."""
    rating, chances = rated
    columns = {
        **draw_revenue(rng, spending(rating)),
        **churn_columns(draw_leaving(rng, log_odds(rating))),
    }
    laws: dict[str, Law] = {
        "revenue": spending,
        "retention": lambda changed: stay_probability(log_odds(changed)),
    }
    return Draw(people=people, rating=rating, laws=laws, columns=columns, chances=chances)


def _money(
    rng: np.random.Generator,
    people: People,
    rated: tuple[Floats, Chances | None],
    law: Law,
    spread: float | Floats = 20,
) -> Draw:
    """Draw spending alone from its law."""
    rating, chances = rated
    columns = draw_revenue(rng, law(rating), spread)
    return Draw(
        people=people, rating=rating, laws={"revenue": law}, columns=columns, chances=chances
    )


def clean(rng: np.random.Generator, n: int, strength: float) -> Draw:
    people = draw_people(rng, n)
    rated = rate(rng, np.full(n, 5.0))
    return _both(rng, people, rated, _line(people, DOLLARS), _odds(people, LOG_ODDS, 1.0))


def confounded(rng: np.random.Generator, n: int, strength: float) -> Draw:
    people = draw_people(rng, n)
    rated = rate(rng, 5 + 0.7 * people.usual)
    return _both(rng, people, rated, _line(people, DOLLARS), _odds(people, LOG_ODDS, 1.0))


def null(rng: np.random.Generator, n: int, strength: float) -> Draw:
    people = draw_people(rng, n)
    rated = rate(rng, 5 + 0.7 * people.usual)
    draw = _both(rng, people, rated, _line(people, 0.0), _odds(people, 0.0, 1.0))
    return replace(draw, answered=rng.random(n) < SHARE_ANSWERING)


def heterogeneous(rng: np.random.Generator, n: int, strength: float) -> Draw:
    """Let the slope be small where ratings spread most, and noise large where it is large."""
    people = draw_people(rng, n)
    is_small = people.size == 0
    rated = rate(rng, 5 + 0.4 * people.usual, np.where(is_small, 1.0, 20.0))
    slope = np.where(is_small, DOLLARS, DOLLARS + strength)
    return _money(rng, people, rated, _line(people, slope), np.where(is_small, 12.0, 25.0))


def at_random(rng: np.random.Generator, n: int, strength: float) -> Draw:
    """Who answers depends on what is known, and so does the slope; weights from a logit of all."""
    people = draw_people(rng, n)
    rated = rate(rng, 5 + 0.5 * people.usual)
    log_odds = -1.0 + 0.9 * people.size + 0.5 * people.usual
    answered = rng.random(n) < stay_probability(log_odds)
    law = _line(people, 3 + 4 * people.size)
    return replace(_money(rng, people, rated, law), answered=answered)


def not_at_random(rng: np.random.Generator, n: int, strength: float) -> Draw:
    """Who answers depends on the rating and on spending to come, which nobody knows."""
    people = draw_people(rng, n)
    rating, _ = rate(rng, np.full(n, 5.0))
    hidden = even(rng, n, np.sqrt(3))
    answered = rng.random(n) < stay_probability(0.35 * strength * (rating - 5) + strength * hidden)
    kept = hidden.copy()

    def law(changed: Floats) -> Floats:
        return people.before + DOLLARS * changed + 20 * kept

    return replace(_money(rng, people, (rating, None), law, 10), answered=answered)


def event_triggered(rng: np.random.Generator, n: int, strength: float) -> Draw:
    """Only a contact brings a question, which chance answers; the slope grows with contacts."""
    people = draw_people(rng, n)
    people = _with_contacts(people, 1.0 + rng.poisson(0.8, n))
    rated = rate(rng, 5 + 0.4 * people.usual - 0.3 * np.minimum(people.contacts, 4))
    slope = 2 + 1.5 * people.contacts
    draw = _money(rng, people, rated, lambda r: people.before - 6 * people.contacts + slope * r)
    return replace(draw, answered=rng.random(n) < SHARE_ANSWERING)


def _with_contacts(people: People, contacts: Floats) -> People:
    return People(
        people.customer, people.size, people.before, people.before_2, people.before_3, contacts,
        people.tenure,
    )  # fmt: skip


NOISE_CONCENTRATION, TRUE_DOLLARS = 20.0, 10.0


def _noisy(rng: np.random.Generator, n: int) -> tuple[People, Floats, Floats]:
    people = draw_people(rng, n)
    satisfaction = 5 + 0.6 * people.usual + even(rng, n, 2.5)
    rating, _ = rate(rng, satisfaction, NOISE_CONCENTRATION)
    return people, satisfaction, rating


@lru_cache(maxsize=1)
def noisy_reliability() -> float:
    """Share of the rating's variance that is satisfaction, from a million draws."""
    _, satisfaction, rating = _noisy(np.random.default_rng(7), 1_000_000)
    return float(np.round(satisfaction.var() / rating.var(), 3))


def noisy_rating(rng: np.random.Generator, n: int, strength: float) -> Draw:
    """Spending follows satisfaction, of which one answer is a noisy sign."""
    people, satisfaction, rating = _noisy(rng, n)
    # the effect of satisfaction on that scale: the answer as such changes nothing
    columns = draw_revenue(rng, people.before + TRUE_DOLLARS * satisfaction)
    law = _line(people, TRUE_DOLLARS)
    settings = {"reliability": noisy_reliability()}
    return Draw(
        people=people, rating=rating, laws={"revenue": law}, columns=columns, settings=settings
    )


def ceiling(rng: np.random.Generator, n: int, strength: float) -> Draw:
    """Bring nothing more above 6, where most ratings lie."""
    people = draw_people(rng, n)
    rated = rate(rng, 7 + 0.4 * people.usual)

    def law(changed: Floats) -> Floats:
        return np.asarray(people.before + strength * np.minimum(changed, 6.0))

    return _money(rng, people, rated, law)


def rare_churn(rng: np.random.Generator, n: int, strength: float) -> Draw:
    people = draw_people(rng, n)
    rating, chances = rate(rng, 5 + 0.4 * people.usual)
    log_odds = _odds(people, LOG_ODDS, 1.0, start=3.9)
    columns = churn_columns(draw_leaving(rng, log_odds(rating)))
    laws: dict[str, Law] = {"retention": lambda changed: stay_probability(log_odds(changed))}
    return Draw(people=people, rating=rating, laws=laws, columns=columns, chances=chances)


GROWTH, TAIL, SHARE_SPENDING, SHARE_REFUNDED = 0.04, 1.1, 0.7, 0.004


def heavy_tailed(rng: np.random.Generator, n: int, strength: float) -> Draw:
    """Log-normal spending, many zeros, a few refunds; the mean grows by a share per point."""
    people = draw_people(rng, n)
    rating, chances = rate(rng, np.full(n, 5.0))

    def law(changed: Floats) -> Floats:
        usual = np.exp(4.0 + GROWTH * (changed - 5) + 0.15 * people.usual)
        return np.asarray((SHARE_SPENDING - 0.5 * SHARE_REFUNDED) * usual)

    size = np.exp(rng.normal(-(TAIL**2) / 2, TAIL, n))
    kind = rng.random(n)
    sign = np.where(kind < SHARE_SPENDING, 1.0, np.where(kind > 1 - SHARE_REFUNDED, -0.5, 0.0))
    after = np.asarray(law(rating) / (SHARE_SPENDING - 0.5 * SHARE_REFUNDED) * size * sign)
    columns = {"revenue_after": after}
    return Draw(
        people=people,
        rating=rating,
        laws={"revenue": law},
        columns=columns,
        percent=100 * float(np.expm1(GROWTH)),
        chances=chances,
    )


def early_decision(rng: np.random.Generator, n: int, strength: float) -> Draw:
    """Ratings change nothing, but 8% have decided to leave within 50 days and rate lower."""
    people = draw_people(rng, n)
    decided = rng.random(n) < 0.08
    rating, _ = rate(rng, 5.5 + 0.4 * people.usual - strength * decided)
    log_odds = _odds(people, 0.0, 1.0, start=1.6)
    chance = draw_leaving(rng, log_odds(rating))
    leaves_at = np.where(decided, rng.uniform(0, 50, n), chance)
    spending_ends = np.where(decided, leaves_at, np.inf)
    columns = {
        **draw_revenue(rng, people.before, leaves_at=spending_ends),
        **churn_columns(leaves_at),
    }
    laws: dict[str, Law] = {"revenue": np.zeros_like, "retention": np.zeros_like}
    return Draw(people=people, rating=rating, laws=laws, columns=columns)


def remembered(rng: np.random.Generator, n: int, strength: float) -> Draw:
    """Ratings follow spending older than the controls reach, which changes nothing else."""
    people = draw_people(rng, n)
    rating, _ = rate(rng, 5 + 1.2 * people.old)
    return _money(rng, people, (rating, None), _line(people, DOLLARS))


def older_confounding(rng: np.random.Generator, n: int, strength: float) -> Draw:
    """Old spending drives the rating, and later spending past the windows that are controls."""
    people = draw_people(rng, n)
    rating, _ = rate(rng, 5 + strength * people.old)
    law = _line(people, DOLLARS, 22 * people.old)
    return _money(rng, people, (rating, None), law)


def bent_confounder(rng: np.random.Generator, n: int, strength: float) -> Draw:
    """Rating and spending follow old spending along a bend that straight controls do not follow."""
    people = draw_people(rng, n)
    bend = people.usual**2 - 0.5
    rated = rate(rng, 4.5 + 0.9 * bend, 2.5)
    return _money(rng, people, rated, _line(people, DOLLARS, 20 * bend))


def leak(rng: np.random.Generator, n: int, strength: float) -> Draw:
    """Offer a score that was written down after the outcome; held equal, it hides the effect."""
    people = draw_people(rng, n)
    rating, chances = rate(rng, 5 + 0.4 * people.usual)
    log_odds = _odds(people, LEAK_LOG_ODDS, 1.0)
    columns = churn_columns(draw_leaving(rng, log_odds(rating)))
    score = strength * columns["churned"] + rng.normal(0, 1, n)
    laws: dict[str, Law] = {"retention": lambda changed: stay_probability(log_odds(changed))}
    return Draw(
        people=people,
        rating=rating,
        laws=laws,
        columns={**columns, "risk_score": score},
        chances=chances,
        changes={"attributes": ("segment", "risk_score")},
    )


def no_overlap(rng: np.random.Generator, n: int, strength: float) -> Draw:
    """Half of the customers never give a high rating, and the slope bends beyond theirs."""
    people = draw_people(rng, n)
    is_small = people.size == 0
    mean = np.where(is_small, 2.0, 6.0)
    rated = rate(rng, mean, np.where(is_small, 60.0, 4.0))
    return _money(rng, people, rated, lambda r: people.before + 2 * r + 0.4 * (r - 5) ** 2)


BOTH = ("revenue", "retention")
WORLDS: dict[str, World] = {
    "clean": World(
        make=clean, n_customers=1_000, outcomes=BOTH,
        purpose="Ratings depend on nothing; the unadjusted slope is right too.",
    ),
    "confounded": World(
        make=confounded, n_customers=1_000, outcomes=BOTH,
        purpose="Those who spent more rate higher, spend more and stay more.",
    ),
    "null": World(
        make=null, n_customers=1_600, outcomes=BOTH,
        purpose="As confounded, but ratings change nothing; 60% answer, at random.",
    ),
    "heterogeneous": World(
        make=heterogeneous, n_customers=1_500, strengths={1: 0.7, 2: 1.4, 4: 3.6},
        purpose="The slope is small where ratings spread most; noise differs too.",
    ),
    "repeated_customers": World(
        make=waves.repeated, n_customers=600, answers=2,
        purpose="One to four answers a customer; those who answer often have another slope.",
    ),
    "non_response_at_random": World(
        make=at_random, n_customers=2_500,
        purpose="Who answers depends on what is known, and so does the slope.",
    ),
    "non_response_not_at_random": World(
        make=not_at_random, n_customers=2_500, strengths={1: 0.4, 2: 0.55, 4: 1.2},
        purpose="Who answers depends on the rating and on what nobody knows.",
    ),
    "event_triggered": World(
        make=event_triggered, n_customers=2_500,
        purpose="Answers follow a contact (60%, at random); the population is customers after one.",
    ),
    "noisy_rating": World(
        make=noisy_rating, n_customers=1_500,
        purpose="Spending follows satisfaction; the truth is 10 per point of that.",
    ),
    "ceiling": World(
        make=ceiling, n_customers=1_500, strengths={1: 1.7, 2: 3.4, 4: 9.0},
        purpose="Above 6 nothing more is gained.",
    ),
    "rare_churn": World(
        make=rare_churn, n_customers=3_000, outcomes=("retention",),
        purpose="About 2.5% leave.",
    ),
    "heavy_tailed": World(
        make=heavy_tailed, n_customers=2_000,
        purpose="Log-normal revenue, 30% zeros, some refunds; 4% more per point.",
    ),
    "stable_hidden_trait": World(
        make=waves.stable_trait, n_customers=500, answers=3,
        purpose="A trait that nobody sees drives rating and spending, always.",
    ),
    "transient_hidden_event": World(
        make=waves.transient_event, n_customers=500, answers=3,
        purpose="Events just before the answers lower both, seen nowhere.",
    ),
    "decision_before_answer": World(
        make=early_decision, n_customers=1_500, outcomes=BOTH,
        strengths={1: 0.4, 2: 0.9, 4: 2.4},
        purpose="Ratings change nothing; those about to leave rate low.",
    ),
    "remembers_older_revenue": World(
        make=remembered, n_customers=1_000,
        purpose="Ratings follow old revenue, which moves nothing else.",
    ),
    "older_revenue_confounds": World(
        make=older_confounding, n_customers=1_000, strengths={1: 0.35, 2: 0.7, 4: 1.75},
        purpose="Old revenue moves rating and outcome past the controls.",
    ),
    "bent_confounder": World(
        make=bent_confounder, n_customers=2_000,
        purpose="Revenue before matters along a bend; straight controls miss it.",
    ),
    "feedback": World(
        make=waves.feedback, n_customers=400, answers=4, strengths={1: 0.25, 2: 0.6, 4: 1.7},
        purpose="Ratings follow revenue and change nothing; fixed effects err.",
    ),
    "leak": World(
        make=leak, n_customers=1_500, outcomes=("retention",), vouched_for="risk_score",
        strengths={1: 0.9, 2: 1.5, 4: 2.8},
        purpose="A score that was written down after the outcome.",
    ),
    "few_clusters": World(
        make=waves.few_clusters, n_customers=25, answers=40,
        purpose="25 customers with 40 answers each.",
    ),
    "no_overlap": World(
        make=no_overlap, n_customers=1_500,
        purpose="Half of the customers never rate high, and the slope bends.",
    ),
}  # fmt: skip

"""The worlds in which customers answer more than once."""

from __future__ import annotations

import numpy as np

from benchmarks.truth.draws import (
    Draw,
    Floats,
    Ints,
    Law,
    People,
    draw_people,
    draw_revenue,
    even,
    rate,
)

DOLLARS = 5.0
WAVE_DAYS = 400
"""Between waves, so that neither the windows before nor those after overlap."""


def _days(rng: np.random.Generator, wave: Ints) -> Floats:
    return np.asarray(WAVE_DAYS * wave + rng.integers(0, 60, len(wave)), dtype=float)


def repeated(rng: np.random.Generator, n: int, strength: float) -> Draw:
    """Those with many contacts answer more often and have a larger slope; noise is shared."""
    answers = rng.integers(1, 5, n)
    people = draw_people(rng, n, answers)
    contacts = answers[people.customer] + rng.poisson(0.5, people.n_rows)
    people = _contacts_of(people, contacts)
    rating, _ = rate(rng, 4.7 + 0.4 * people.size + 0.8 * even(rng, n)[people.customer])
    shared = even(rng, n, 10)[people.customer]

    def law(changed: Floats) -> Floats:
        return np.asarray(people.before + (1 + 2 * people.contacts) * changed)

    columns = draw_revenue(rng, law(rating) + shared)
    laws: dict[str, Law] = {"revenue": law}
    return Draw(
        people=people, rating=rating, laws=laws, columns=columns,
        day=_days(rng, _wave(people.customer)),
    )  # fmt: skip


def _contacts_of(people: People, contacts: Ints) -> People:
    return People(
        people.customer, people.size, people.before, people.before_2, people.before_3,
        contacts.astype(float), people.tenure,
    )  # fmt: skip


def _wave(customer: Ints) -> Ints:
    """Count each customer's answers from 0."""
    starts = np.flatnonzero(np.diff(customer, prepend=-1))
    lengths = np.diff(np.append(starts, len(customer)))
    return np.arange(len(customer)) - np.repeat(starts, lengths)


def stable_trait(rng: np.random.Generator, n: int, strength: float) -> Draw:
    """Three waves; what nobody sees of a customer is in ratings and in all spending."""
    trait = even(rng, n)
    people = draw_people(rng, n, 3, trait=15 * trait)
    own = trait[people.customer]
    rating, _ = rate(rng, 5 + 2 * own)

    def law(changed: Floats) -> Floats:
        return np.asarray(people.before + DOLLARS * changed + 25 * own)

    columns = draw_revenue(rng, law(rating))
    laws: dict[str, Law] = {"revenue": law}
    return Draw(
        people=people, rating=rating, laws=laws, columns=columns,
        day=_days(rng, _wave(people.customer)),
    )  # fmt: skip


def transient_event(rng: np.random.Generator, n: int, strength: float) -> Draw:
    """Three waves; at each, an event that is seen nowhere lowers rating and spending to come."""
    people = draw_people(rng, n, 3)
    event = (rng.random(people.n_rows) < 0.3).astype(float)
    rating, _ = rate(rng, 5.5 + 0.4 * people.usual - 1.5 * event)

    def law(changed: Floats) -> Floats:
        return np.asarray(people.before + DOLLARS * changed - 12 * event)

    columns = draw_revenue(rng, law(rating))
    laws: dict[str, Law] = {"revenue": law}
    return Draw(
        people=people, rating=rating, laws=laws, columns=columns,
        day=_days(rng, _wave(people.customer)),
    )  # fmt: skip


def feedback(rng: np.random.Generator, n: int, strength: float) -> Draw:
    """Four waves; what a customer spent more than usual lifts the next rating, which does nothing.

    The window before the last holds that spending, so that the adjusted slope is right.
    """
    n_waves = 4
    people = draw_people(rng, n, n_waves)
    shape = (n, n_waves)
    before, before_2 = people.before.reshape(shape), people.before_2.reshape(shape).copy()
    rating, after = np.empty(shape), []
    surprise = np.zeros(n)
    for wave in range(n_waves):
        rating[:, wave] = rate(rng, 5 + strength * np.clip(surprise, -2.5, 2.5), 30.0)[0]
        usual = before[:, wave]
        columns = draw_revenue(rng, usual)
        surprise = (columns["revenue_after"] - usual) / 20
        if wave + 1 < n_waves:
            before_2[:, wave + 1] = columns["revenue_after"]
        after.append(columns)
    people = People(
        people.customer, people.size, people.before, before_2.ravel(), people.before_3,
        people.contacts, people.tenure,
    )  # fmt: skip
    joined = {name: np.column_stack([c[name] for c in after]).ravel() for name in after[0]}
    day = _days(rng, _wave(people.customer))
    laws: dict[str, Law] = {"revenue": np.zeros_like}
    return Draw(people=people, rating=rating.ravel(), laws=laws, columns=joined, day=day)


def few_clusters(rng: np.random.Generator, n: int, strength: float) -> Draw:
    """Few customers with many answers each; ratings and noise are alike within a customer."""
    people = draw_people(rng, n, 40)
    alike = even(rng, n)[people.customer]
    rating, _ = rate(rng, 5 + 0.4 * people.usual + 1.5 * alike)
    shared = even(rng, n, 15)[people.customer]

    def law(changed: Floats) -> Floats:
        return np.asarray(people.before + DOLLARS * changed)

    columns = draw_revenue(rng, law(rating) + shared)
    laws: dict[str, Law] = {"revenue": law}
    return Draw(people=people, rating=rating, laws=laws, columns=columns)

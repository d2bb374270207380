"""Who the customers are, when they write in and when they are asked: all that no rating changes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxmodel.datasets.calendar import DAY, END, LEDGER_START, PAUSE, SURVEY_START, WINDOW, seconds
from cxmodel.datasets.worlds import PLANS, REGIONS, SEGMENTS, TOUCHPOINTS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

INVITE_EVERY = 60 * DAY
# Nobody is asked around New Year's Eve. It also spares the study a month with hardly a response:
# outcome windows that are over by the end of June begin on the first of January or before.
HOLIDAYS = (seconds(dt.date(2025, 12, 18)), seconds(dt.date(2026, 1, 8)))
SETTLED = 60 * DAY  # nobody is asked in the first days
RESOLVE_WITHIN = 72 * 3600


@dataclass(frozen=True, eq=False, kw_only=True)
class People:
    """Arrays of length n_customers.

    `bookings_rate` is the expected number of bookings in 180 days. It is a gamma variable, so that
    given Poisson counts of bookings before, its mean is linear in those counts: linear controls
    are then the right ones.
    """

    started: Ints
    segment: Ints
    plan: Ints
    region: Ints
    bookings_rate: Floats

    def __len__(self) -> int:
        return len(self.started)


@dataclass(frozen=True, eq=False, kw_only=True)
class Contacts:
    """One entry per contact, in order of customer and time; times in seconds."""

    customer: Ints
    at: Ints
    first_response: Ints
    resolved: Ints
    kind: Ints
    agent: Ints
    handle_seconds: Ints
    settled_first_time: npt.NDArray[np.bool_]

    @property
    def is_late(self) -> npt.NDArray[np.bool_]:
        """Whether the contact was resolved later than promised."""
        return self.resolved > self.at + RESOLVE_WITHIN


@dataclass(frozen=True, eq=False, kw_only=True)
class Asked:
    """One entry per invitation, in order of customer and time; `answered` is END + 1 if never.

    `turn` numbers the answers of a customer from 0; it is -1 where there is none.
    """

    customer: Ints
    at: Ints
    answered: Ints
    turn: Ints
    touchpoint: Ints


def draw_people(n_customers: int, rng: np.random.Generator) -> People:
    """Draw the customers: seven in ten were there before the ledger begins."""
    is_old = rng.random(n_customers) < 0.7
    before = np.minimum(rng.exponential(2.5, n_customers), 8.0) * 365.25 * DAY
    since = rng.random(n_customers) * (END - LEDGER_START - 10 * DAY)
    started = np.where(is_old, LEDGER_START - before, LEDGER_START + since)
    segment = rng.choice(len(SEGMENTS), n_customers, p=[0.60, 0.28, 0.12])
    plan_shares = np.array([[0.55, 0.32, 0.13], [0.35, 0.40, 0.25], [0.15, 0.40, 0.45]])
    plan = (rng.random(n_customers)[:, None] > plan_shares.cumsum(axis=1)[segment]).sum(axis=1)
    shape = 5.5 + np.array([0.0, 1.5, 4.0])[segment] + np.array([0.0, 1.0, 2.0])[plan]
    return People(
        started=started.astype(np.int64) // DAY * DAY,
        segment=segment.astype(np.int64),
        plan=np.minimum(plan, len(PLANS) - 1).astype(np.int64),
        region=rng.integers(0, len(REGIONS), n_customers),
        bookings_rate=rng.gamma(shape) / 0.8,
    )


def spread_events(people: People, rate: Floats, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Draw a Poisson process per customer from its start, or that of the ledger, to the end.

    `rate` is the expected number of events in 180 days. Gives customer and time, in their order.
    """
    first = np.maximum(people.started, LEDGER_START)
    counts = rng.poisson(rate * (END - first) / WINDOW)
    customer = np.repeat(np.arange(len(people)), counts)
    at = first[customer] + (rng.random(len(customer)) * (END - first)[customer]).astype(np.int64)
    order = np.sort(customer * END + at)
    return order // END, order % END


def draw_contacts(people: People, rng: np.random.Generator) -> Contacts:
    """Draw calls and tickets; about a fifth are resolved later than the 72 hours promised."""
    rate = np.array([0.8, 1.0, 1.5])[people.segment]
    customer, at = spread_events(people, rate, rng)
    n_contacts = len(at)
    until_first = rng.lognormal(np.log(3 * 3600), 0.9, n_contacts)
    until_resolved = until_first + rng.lognormal(np.log(28 * 3600), 1.0, n_contacts)
    return Contacts(
        customer=customer,
        at=at,
        first_response=at + until_first.astype(np.int64),
        resolved=at + until_resolved.astype(np.int64),
        kind=rng.choice(3, n_contacts, p=[0.4, 0.35, 0.25]),
        agent=rng.integers(0, 24, n_contacts),
        handle_seconds=rng.gamma(4.0, 110.0, n_contacts).astype(np.int64) + 30,
        settled_first_time=rng.random(n_contacts) < 0.72,
    )


def ask(people: People, rng: np.random.Generator) -> Asked:
    """Ask everybody every 60 days, pausing 270 days after an answer; about a third answer.

    Whether somebody answers depends on the segment alone, so answering says nothing about the
    rating or the outcome beyond it.
    """
    n_waves = -(-(END - SURVEY_START) // INVITE_EVERY)
    phase = (rng.random(len(people)) * INVITE_EVERY).astype(np.int64)
    likes_to_answer = np.array([0.36, 0.33, 0.30])[people.segment]
    quiet_until = np.maximum(people.started + SETTLED, SURVEY_START)
    turn = np.zeros(len(people), dtype=np.int64)
    waves: list[tuple[Ints, Ints, Ints, Ints]] = []
    for wave in range(n_waves):
        at = SURVEY_START + wave * INVITE_EVERY + phase
        delay = np.minimum(rng.exponential(1.2 * DAY, len(people)), 12 * DAY).astype(np.int64) + 300
        is_asked = (at >= quiet_until) & (at < END) & ~_is_holiday(at)
        answers = is_asked & (rng.random(len(people)) < likes_to_answer) & (at + delay < END)
        who = np.flatnonzero(is_asked)
        answered = np.where(answers, at + delay, END + 1)
        waves.append((who, at[who], answered[who], np.where(answers, turn, -1)[who]))
        quiet_until = np.where(answers, answered + PAUSE, quiet_until)
        turn += answers
    customer, asked_at, answered, turns = (
        np.concatenate(parts) for parts in zip(*waves, strict=True)
    )
    order = np.lexsort((asked_at, customer))
    touchpoint = rng.choice(len(TOUCHPOINTS), len(order), p=[0.5, 0.3, 0.2])
    return Asked(
        customer=customer[order],
        at=asked_at[order],
        answered=answered[order],
        turn=turns[order],
        touchpoint=touchpoint.astype(np.int64),
    )


def _is_holiday(at: Ints) -> npt.NDArray[np.bool_]:
    return np.asarray((at >= HOLIDAYS[0]) & (at < HOLIDAYS[1]))

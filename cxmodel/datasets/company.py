"""What happens to a simulated company: bookings, ratings and leaving, answer by answer.

Everything is first drawn as though nobody ever left. Candidate bookings are then kept or not by
one uniform number each, so that other ratings would keep other bookings of the *same* draw, and
whatever lies after the customer's leaving is cut off at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxmodel.datasets import behaviour
from cxmodel.datasets.behaviour import Known, Law
from cxmodel.datasets.calendar import DAY, EFFECT, END, LEDGER_START, WINDOW
from cxmodel.datasets.people import (
    Asked,
    Contacts,
    People,
    ask,
    draw_contacts,
    draw_people,
    spread_events,
)
from cxmodel.datasets.worlds import World

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False, kw_only=True)
class Bookings:
    """Candidate bookings in order of customer and time; amounts in cents, refunds negative.

    `mark` is uniform: a candidate is booked when it lies below ``factor / ceiling``.
    """

    customer: Ints
    at: Ints
    cents: Ints
    mark: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Answers:
    """One entry per answer given while a customer, in order of customer and time.

    `law` governs what followed, `mean` and `concentration` what was answered: for the truth.
    """

    customer: Ints
    at: Ints
    touchpoint: Ints
    rating: Ints
    ease: Ints
    mean: Floats
    concentration: Floats
    law: Law


@dataclass(frozen=True, eq=False, kw_only=True)
class Company:
    """Everything that happened, on arrays; `left` is the time of leaving or `NEVER`."""

    world: World
    people: People
    left: Ints
    bookings: Bookings
    contacts: Contacts
    asked: Asked
    answers: Answers


def live(world: World, n_customers: int, seed: int) -> Company:
    """Let a company live through the whole calendar."""
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(6)]
    people = draw_people(n_customers, streams[0])
    contacts = draw_contacts(people, streams[1])
    asked = ask(people, streams[2])
    story = _Story(world, people, contacts, _draw_bookings(world, people, streams[3]), streams[4])
    turns = []
    for turn in range(int(asked.turn.max(initial=-1)) + 1):
        is_turn = asked.turn == turn
        turns.append(
            story.answer(
                asked.customer[is_turn], asked.answered[is_turn], asked.touchpoint[is_turn]
            )
        )
    left = story.end()
    return Company(
        world=world,
        people=people,
        left=left,
        bookings=_only_bookings(story.bookings, story.is_kept & _before(story.bookings, left)),
        contacts=_only_contacts(contacts, _before(contacts, left)),
        asked=asked,
        answers=_in_order(turns, left),
    )


def _draw_bookings(world: World, people: People, rng: np.random.Generator) -> Bookings:
    rate = people.bookings_rate * behaviour.ceiling(world, people)
    customer, at = spread_events(people, rate, rng)
    amount = rng.gamma(4.0, behaviour.AMOUNT / 4, len(at))
    sign = np.where(rng.random(len(at)) < behaviour.REFUND_SHARE, -1, 1)
    cents = sign * np.maximum(np.rint(amount * 100), 1).astype(np.int64)
    return Bookings(customer=customer, at=at, cents=cents, mark=rng.random(len(at)))


class _Story:
    """The company as far as it has been told: which bookings were kept and who has left."""

    def __init__(
        self,
        world: World,
        people: People,
        contacts: Contacts,
        bookings: Bookings,
        rng: np.random.Generator,
    ) -> None:
        self.world, self.people, self.bookings, self.rng = world, people, bookings, rng
        self.contacts = contacts
        self.ceiling = behaviour.ceiling(world, people)
        self.is_kept = bookings.mark * self.ceiling[bookings.customer] < 1
        self.patience = rng.exponential(1.0, len(people))  # hazard still to be lived through
        self.clock = np.maximum(people.started, LEDGER_START).astype(np.float64)
        self.left = np.full(len(people), NEVER)
        stay = 1 / (1 + np.exp(-behaviour.usual_stay_logit(world, people)))
        self.usual_hazard = -np.log(stay) / WINDOW
        self.notice = rng.random(len(people)) * world.notice_days * DAY

    def answer(self, customer: Ints, at: Ints, touchpoint: Ints) -> Answers:
        """Tell what some customers, each once, answer and what follows until the effect ends."""
        self._wait(customer, at.astype(np.float64), self.usual_hazard[customer])
        known = self._known(customer, at, touchpoint)
        mean = behaviour.mean_rating(
            self.world, self.people, known, self._has_decided(customer, at)
        )
        spread = behaviour.concentration(self.world, self.people, customer)
        rating, ease = _rate(mean, spread, self.rng)
        law = behaviour.law(self.world, self.people, known)
        given = rating.astype(np.float64)
        self._keep(customer, at, law.factor(given) / law.ceiling)
        hazard = np.asarray(-np.log(law.stay(given)) / WINDOW)
        self._wait(customer, (at + EFFECT).astype(np.float64), hazard)
        return Answers(
            customer=customer,
            at=at,
            touchpoint=touchpoint,
            rating=rating,
            ease=ease,
            mean=mean,
            concentration=spread,
            law=law,
        )

    def end(self) -> Ints:
        """Tell the rest, and give the times of leaving before the end."""
        everybody = np.arange(len(self.people))
        self._wait(everybody, np.full(len(everybody), float(END)), self.usual_hazard)
        return self.left

    def _wait(self, customer: Ints, until: Floats, hazard: Floats) -> None:
        """Live on to a time at constant hazards; those whose patience ends before it leave."""
        passed = np.maximum(until - self.clock[customer], 0.0)
        leaves = (self.left[customer] == NEVER) & (self.patience[customer] <= hazard * passed)
        when = self.clock[customer] + self.patience[customer] / hazard
        self.left[customer[leaves]] = when[leaves].astype(np.int64) + 1
        self.patience[customer] -= hazard * passed
        self.clock[customer] = np.maximum(until, self.clock[customer])

    def _has_decided(self, customer: Ints, at: Ints) -> Bools:
        """Say who has decided to leave; only worlds with notice know leaving beforehand."""
        leaving = self.clock[customer] + self.patience[customer] / self.usual_hazard[customer]
        return np.asarray(leaving - at < self.notice[customer])

    def _known(self, customer: Ints, at: Ints, touchpoint: Ints) -> Known:
        cents = np.where(self.is_kept, self.bookings.cents, 0)
        windows = [
            _sums(self.bookings, cents, customer, at - (k + 1) * WINDOW, at - k * WINDOW) / 100
            for k in range(3)
        ]
        one = np.ones(len(self.contacts.at), dtype=np.int64)
        late = self.contacts.is_late.astype(np.int64)
        return Known(
            customer=customer,
            at=at,
            touchpoint=touchpoint,
            revenue=(windows[0], windows[1], windows[2]),
            contacts=_sums(self.contacts, one, customer, at - WINDOW, at).astype(np.float64),
            late=_sums(self.contacts, late, customer, at - WINDOW, at).astype(np.float64),
            tenure_years=behaviour.tenure_years(self.people, customer, at),
        )

    def _keep(self, customer: Ints, at: Ints, chance: Floats) -> None:
        """Thin the candidates in the time in which an answer acts by its own factor."""
        since = np.full(len(self.people), END + 1)
        since[customer] = at
        chances = np.zeros(len(self.people))
        chances[customer] = chance
        passed = self.bookings.at - since[self.bookings.customer]
        acts = (passed > 0) & (passed <= EFFECT)
        booked = self.bookings.mark < chances[self.bookings.customer]
        self.is_kept = np.where(acts, booked, self.is_kept)


def _rate(mean: Floats, spread: Floats, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Draw the rating 0-10 and how easy it was, 1-7, which shares its mood."""
    mood = rng.beta(mean * spread, (1 - mean) * spread)
    ease = 1 + rng.binomial(6, np.clip(0.5 * mood + 0.5 * mean + 0.03, 0.02, 0.98))
    return rng.binomial(10, mood), ease


def _sums(
    events: Bookings | Contacts, values: Ints, customer: Ints, begin: Ints, end: Ints
) -> Ints:
    """Sum integer values over each customer's events in [begin, end), by running totals."""
    keys = events.customer * END + events.at
    total = np.concatenate(([0], np.cumsum(values)))
    lowest = np.maximum(begin, 0)
    last = np.searchsorted(keys, customer * END + end)
    return np.asarray(total[last] - total[np.searchsorted(keys, customer * END + lowest)])


def _before(events: Bookings | Contacts, left: Ints) -> Bools:
    return np.asarray(events.at < left[events.customer])


def _only_bookings(bookings: Bookings, chosen: Bools) -> Bookings:
    return Bookings(**{name: values[chosen] for name, values in vars(bookings).items()})


def _only_contacts(contacts: Contacts, chosen: Bools) -> Contacts:
    return Contacts(**{name: values[chosen] for name, values in vars(contacts).items()})


def _in_order(turns: list[Answers], left: Ints) -> Answers:
    """Put all turns together in order of customer and time, without those who had left."""
    customer = np.concatenate([part.customer for part in turns])
    at = np.concatenate([part.at for part in turns])
    order = np.lexsort((at, customer))
    order = order[at[order] < left[customer[order]]]

    def gather(name: str) -> npt.NDArray[np.generic]:
        return np.asarray(np.concatenate([getattr(part, name) for part in turns])[order])

    laws = {
        name: np.concatenate([getattr(part.law, name) for part in turns])[order]
        for name in ("stay_logit", "spend", "money_per_point", "ceiling")
    }
    names = ("customer", "at", "touchpoint", "rating", "ease", "mean", "concentration")
    columns: dict[str, npt.NDArray[np.generic]] = {name: gather(name) for name in names}
    law = Law(stay_per_point=turns[0].law.stay_per_point, **laws)
    return Answers(law=law, **columns)  # type: ignore[arg-type]

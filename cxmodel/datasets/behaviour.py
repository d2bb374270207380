"""The laws of the simulated company: how customers rate, stay and spend.

For a response at time t with rating r, and what the company knows of the customer at t:

- the rating is beta-binomial with mean ``10 m``, where m is linear in revenue of the two windows
  before, contacts, late contacts, tenure, segment, plan, touchpoint and month;
- the log-odds of staying for 180 days are linear in the same and in r; the hazard is constant for
  the 270 days in which the rating acts;
- bookings come at the customer's own rate times a factor, chosen so that expected revenue in the
  180 days after the response, with nothing after leaving, is exactly linear in r. What "the mean
  slope" is is then beyond dispute, leaving included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cxmodel.datasets.calendar import DAY, month_number
from cxmodel.datasets.people import People
from cxmodel.datasets.worlds import SEGMENTS, World

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

USUAL_RATING = 7.2
AMOUNT = 80.0  # mean amount of a booking
REFUND_SHARE = 0.02  # so many bookings are refunds: negative, of the same size
NET_AMOUNT = AMOUNT * (1 - 2 * REFUND_SHARE)
USUAL_BOOKINGS = 9.0
MOST_EXTRA = 4.0  # no rating makes anybody spend more than this many times the usual
DECIDED_TO_LEAVE = 0.40


@dataclass(frozen=True, eq=False, kw_only=True)
class Known:
    """What the company knows of a customer just before a response; arrays of one length."""

    customer: Ints
    at: Ints
    touchpoint: Ints
    revenue: tuple[Floats, Floats, Floats]
    contacts: Floats
    late: Floats
    tenure_years: Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Law:
    """What governs one response's consequences, whatever the rating turns out to be.

    `stay_logit` is the log-odds of staying 180 days at the usual rating, `stay_per_point` their
    change per rating point, `spend` the expected spending over 180 days of somebody who stays,
    `money_per_point` the change of expected revenue per rating point, `ceiling` the largest factor.
    """

    stay_logit: Floats
    stay_per_point: float
    spend: Floats
    money_per_point: Floats
    ceiling: Floats

    def stay(self, rating: Floats | float) -> Floats:
        """Give the probability of staying through 180 days after a rating."""
        logit = self.stay_logit + self.stay_per_point * (rating - USUAL_RATING)
        return np.asarray(1 / (1 + np.exp(-logit)))

    def factor(self, rating: Floats | float) -> Floats:
        """Give the factor on the customer's own rate of bookings after a rating."""
        usual = self.spend * time_alive(self.stay(USUAL_RATING))
        wanted = usual + self.money_per_point * (rating - USUAL_RATING)
        factor = wanted / (self.spend * time_alive(self.stay(rating)))
        return np.asarray(np.clip(factor, 0.0, self.ceiling))

    def revenue(self, rating: Floats | float) -> Floats:
        """Give the expected revenue in the 180 days after a rating, nothing after leaving."""
        return np.asarray(self.spend * self.factor(rating) * time_alive(self.stay(rating)))


def time_alive(stay: Floats) -> Floats:
    """Give the expected share of a window before leaving, at a constant hazard.

    Examples
    --------
    >>> time_alive(np.array([0.5])).round(4)
    array([0.7213])
    """
    return np.asarray((1 - stay) / -np.log(stay))


def usual_stay_logit(world: World, people: People) -> Floats:
    """Give the log-odds of staying 180 days when there is no response."""
    by_segment = np.array([0.0, 0.2, 0.45])[people.segment]
    by_plan = np.array([0.0, 0.1, 0.3])[people.plan]
    return np.asarray(2.2 + world.confounding * (by_segment + by_plan))


def ceiling(world: World, people: People) -> Floats:
    """Give the largest factor on bookings that any rating can bring, with a little room."""
    money = np.array([world.money_per_point.get(name, 0.0) for name in SEGMENTS])[people.segment]
    per_point = world.spend_per_point + money / (0.85 * NET_AMOUNT * people.bookings_rate)
    return np.asarray(np.minimum(1.02 + per_point * (10 - USUAL_RATING), MOST_EXTRA))


def law(world: World, people: People, known: Known) -> Law:
    """Put together what governs the consequences of some responses."""
    who = known.customer
    logit = usual_stay_logit(world, people)[who]
    if not world.notice_days:
        logit = logit + world.confounding * (
            0.20 * (known.tenure_years - 2.5)
            - 0.40 * (known.contacts - 0.9)
            + 0.12 * (known.revenue[0] / AMOUNT - USUAL_BOOKINGS)
        )
    spend = NET_AMOUNT * people.bookings_rate[who]
    usual = 1 / (1 + np.exp(-logit))
    money = np.array([world.money_per_point.get(name, 0.0) for name in SEGMENTS])
    return Law(
        stay_logit=logit,
        stay_per_point=world.stay_logit_per_point,
        spend=spend,
        money_per_point=world.spend_per_point * spend * time_alive(usual)
        + money[people.segment[who]],
        ceiling=ceiling(world, people)[who],
    )


def mean_rating(
    world: World, people: People, known: Known, has_decided: npt.NDArray[np.bool_]
) -> Floats:
    """Give the mean rating, as a share of the scale, given what is known before the response."""
    who = known.customer
    bookings = [revenue / AMOUNT - USUAL_BOOKINGS for revenue in known.revenue]
    confounders = (
        0.007 * bookings[0]
        + 0.003 * bookings[1]
        - 0.030 * (known.contacts - 0.9)
        - 0.030 * known.late
        + 0.010 * (known.tenure_years - 2.5)
        + np.array([0.0, 0.01, 0.03])[people.segment[who]]
        + np.array([0.0, 0.01, 0.03])[people.plan[who]]
    )
    by_touchpoint = np.array([0.01, 0.0, -0.02])[known.touchpoint]
    trend = 0.03 * (month_number(known.at) / 20 - 0.5)
    mean = 0.72 + world.confounding * confounders + by_touchpoint + trend
    mean = mean + world.memory * 0.007 * bookings[2] - DECIDED_TO_LEAVE * has_decided
    return np.asarray(np.clip(mean, 0.05, 0.97))


def concentration(world: World, people: People, customer: Ints) -> Floats:
    """Give the concentration of ratings around their mean, by segment."""
    by_segment = np.array([world.concentration.get(name, 5.0) for name in SEGMENTS])
    return np.asarray(by_segment[people.segment[customer]])


def tenure_years(people: People, customer: Ints, at: Ints) -> Floats:
    """Give the time since a customer's start in years of 365.25 days."""
    return np.asarray((at - people.started[customer]) / (365.25 * DAY))

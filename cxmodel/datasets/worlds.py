"""The worlds that can be simulated: what drives ratings, spending and leaving in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cxmodel.errors import nearest

SEGMENTS = ("Consumer", "Small business", "Enterprise")
PLANS = ("Basic", "Plus", "Premium")
REGIONS = ("North", "South", "East", "West")
TOUCHPOINTS = ("app", "portal", "phone")


@dataclass(frozen=True, kw_only=True)
class World:
    """How one simulated company behaves.

    Parameters
    ----------
    name : str
        How the world is called.
    purpose : str
        What it is for, in a sentence.
    spend_per_point : float
        Effect of one rating point on spending over 180 days, as a share of the customer's own.
    money_per_point : mapping
        Effect of one rating point on spending over 180 days in money, by segment; added to that.
    stay_logit_per_point : float
        Effect of one rating point on the log-odds of staying through 180 days.
    confounding : float
        How strongly what the company knows of a customer drives the rating and the leaving: 1 as in
        the demo, 0 not at all.
    memory : float
        How strongly the spending of 360 to 540 days ago drives the rating.
    notice_days : int
        Customers decide to leave up to so many days before they go, and rate lower from then on.
    concentration : mapping
        By segment, how alike the ratings of like customers are: the sum of the two parameters of
        the beta distribution behind them. Small: many 0 and 10.
    has_flaws : bool
        Whether the tables hold what real ones do: missing ratings, responses stored twice,
        customers whom nobody knows.
    """

    name: str
    purpose: str
    spend_per_point: float = 0.0
    money_per_point: Mapping[str, float] = field(default_factory=dict)
    stay_logit_per_point: float = 0.0
    confounding: float = 1.0
    memory: float = 0.0
    notice_days: int = 0
    concentration: Mapping[str, float] = field(default_factory=dict)
    has_flaws: bool = False


_EQUAL = dict.fromkeys(SEGMENTS, 16.0)

WORLDS: dict[str, World] = {
    world.name: world
    for world in (
        World(
            name="demo",
            purpose="A telecom company: what drives ratings also drives spending and leaving.",
            spend_per_point=0.02,
            stay_logit_per_point=0.20,
            has_flaws=True,
        ),
        World(
            name="clean",
            purpose="Ratings depend on nothing, so that the unadjusted slope is right too.",
            money_per_point=_EQUAL,
            stay_logit_per_point=0.20,
            confounding=0.0,
        ),
        World(
            name="confounded",
            purpose="As clean, but what drives ratings also drives spending and leaving.",
            money_per_point=_EQUAL,
            stay_logit_per_point=0.20,
            confounding=1.2,
        ),
        World(
            name="no_effect",
            purpose="Ratings change nothing; satisfied customers spend more all the same.",
        ),
        World(
            name="heterogeneous",
            purpose="Slopes differ by segment, and ratings spread most where the slope is small.",
            money_per_point={"Consumer": 10.0, "Small business": 40.0, "Enterprise": 40.0},
            confounding=0.5,
            concentration={"Consumer": 1.0, "Small business": 20.0, "Enterprise": 20.0},
        ),
        World(
            name="decision_before_answer",
            purpose="Ratings change nothing, but those who have decided to leave rate low.",
            notice_days=80,
        ),
        World(
            name="older_revenue",
            purpose="Ratings change nothing, but follow spending older than the controls reach.",
            memory=2.0,
        ),
    )
}


def find_world(name: str) -> World:
    """Look up a world by its name.

    Raises
    ------
    ValueError
        If there is no such world; the message names the nearest.

    Examples
    --------
    >>> find_world("clean").confounding
    0.0
    """
    if name not in WORLDS:
        raise ValueError(f"There is no world {name!r}. {nearest(name, WORLDS)}")
    return WORLDS[name]

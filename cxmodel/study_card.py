"""The lift card of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cxmodel.models.lift_result import LiftResult
    from cxmodel.tables.observation_table import Observations
    from cxmodel.value.lift_card import LiftCard

SAID_OF_STUDY = (
    "title",
    "currency",
    "rating",
    "as_of",
    "time_zone",
    "seed",
    "min_group_size",
    "windows",
    "window_words",
    "churn_rule",
    "inputs",
)


def card_of_study(
    lifts: Sequence[LiftResult], obs: Observations, study: Mapping[str, Any]
) -> LiftCard | None:
    """Make the card from the lifts of a study and its section ``study``.

    Parameters
    ----------
    lifts : sequence of LiftResult
        Those that were fitted.
    obs : Observations
        What they were fitted to.
    study : mapping
        Section ``study`` of the results, of which the card keeps what tells the data apart.

    Returns
    -------
    LiftCard or None
        None where no lift per rating point was run.
    """
    from cxmodel.value.lift_card import TERM
    from cxmodel.value.make_card import make_lift_card

    if not any(TERM in lift.influence for lift in lifts):
        return None
    return make_lift_card(lifts, obs, study={name: study.get(name) for name in SAID_OF_STUDY})

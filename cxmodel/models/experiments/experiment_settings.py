"""A randomised arm, as a user declares it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What was drawn by lot: the keys of ``[experiment]`` under the same names.

    Parameters
    ----------
    arm : str
        The column of surveys, customers or observations that holds the arm.
    control : str
        The arm that the others are compared with.
    acts_through_rating_alone : bool
        Whether the arm moves the outcome through the rating and in no other way. Only the user can
        know; without it the lift per rating point from the arm is graded as association.
    shares : mapping of str to float, optional
        The planned share of each arm; default: all alike.

    Raises
    ------
    ValueError
        If a share is not above 0, or the control has none.

    Examples
    --------
    >>> Experiment(arm="variant", control="A").acts_through_rating_alone
    False
    """

    arm: str
    control: str
    acts_through_rating_alone: bool = False
    shares: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if self.shares is None:
            return
        low = [name for name, share in self.shares.items() if not 0 < share < float("inf")]
        if low:
            raise ValueError(f"experiment.shares: the share of {low[0]!r} must be above 0.")
        if self.control not in self.shares:
            raise ValueError(f"experiment.shares has no share of the control {self.control!r}.")

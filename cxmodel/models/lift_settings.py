"""What a user asks of a lift, in one place: every estimator and check reads it from the fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cxmodel.models.experiments.experiment_settings import Experiment
from cxmodel.models.experiments.rollout_settings import Rollout

Reliability = float | Mapping[str, Any]
DEFAULT_SEED = 20_261_121


@dataclass(frozen=True, kw_only=True)
class LiftSettings:
    """How a lift is estimated; the keys of ``[lift]`` under the same names.

    Parameters
    ----------
    controls : tuple of str, optional
        What to hold equal, in place of the default list.
    average : {"base", "variance"}
        Whether the headline averages over customers or is the additive slope.
    weighted : bool
        Whether response weights are used where there are any.
    by : tuple of str
        Columns within whose groups the lift is reported too.
    keep : tuple of str
        Columns that the leak alarm would leave out and for which the user vouches.
    reliability : float or mapping, optional
        Stated, ``{"mean", "sd"}``, ``{"within_days"}`` or ``{"items"}``.
    instrument : str, optional
        ``"agent_mean"``, or a column that moves the outcome through the rating alone.
    experiment : Experiment, optional
        A declared randomised arm.
    rollout : Rollout, optional
        A programme that some groups began before others.
    seed : int
        Of every random step.
    flexible : bool
        Whether the second opinion with learnt controls is asked for; it takes the most time.
    """

    controls: tuple[str, ...] | None = None
    average: Literal["base", "variance"] = "base"
    weighted: bool = True
    by: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    reliability: Reliability | None = None
    instrument: str | None = None
    experiment: Experiment | None = None
    rollout: Rollout | None = None
    seed: int = field(default=DEFAULT_SEED)
    flexible: bool = True

    @property
    def set_apart(self) -> frozenset[str]:
        """Columns that say what was done to whom: they are no controls unless stated as such."""
        arm = None if self.experiment is None else self.experiment.arm
        began = None if self.rollout is None else self.rollout.started_at
        return frozenset({arm, began, self.instrument} - {None} - set(self.controls or ()))  # type: ignore[arg-type]


def names(columns: Sequence[str] | str) -> tuple[str, ...]:
    """Take a lone column for a list of one.

    Examples
    --------
    >>> names("segment"), names(["plan", "region"])
    (('segment',), ('plan', 'region'))
    """
    return (columns,) if isinstance(columns, str) else tuple(columns)

"""What must be known of an instrument before its estimate is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

from cxmodel.models.checks.base import p_words
from cxmodel.models.estimation import Sample
from cxmodel.models.say import interval
from cxmodel.stats.sandwich import Codes
from cxmodel.stats.two_stage import TwoStage, two_stage_least_squares
from cxmodel.stats.weak_instruments import (
    ConfidenceSet,
    anderson_rubin,
    effective_f,
    effective_f_critical,
    first_stage_f,
    overidentification,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class InstrumentStrength:
    """How strong instruments are, and what holds when they are weak.

    Parameters
    ----------
    n_instruments : int
        Those that say something beyond the controls.
    first_stage_f : float
        Robust F of the instruments on the rating.
    effective_f, effective_f_critical : float
        Of Montiel Olea & Pflueger (2013), and its value for a bias of a tenth of the worst.
    anderson_rubin : ConfidenceSet
        The lifts that are not rejected, however weak the instruments.
    overidentification_p_value : float, optional
        Hansen's test that several instruments agree.
    conf_level : float
        Of the set.
    """

    n_instruments: int
    first_stage_f: float
    effective_f: float
    effective_f_critical: float
    anderson_rubin: ConfidenceSet
    overidentification_p_value: float | None
    conf_level: float

    @classmethod
    def of(
        cls,
        fit: TwoStage,
        *,
        conf_level: float,
        clusters: Codes | None,
        deg_freedom: float,
    ) -> InstrumentStrength:
        """Compute everything from one fit, robust as its errors are."""
        agreement = overidentification(fit, clusters)
        return cls(
            n_instruments=fit.n_instruments,
            first_stage_f=first_stage_f(fit, clusters),
            effective_f=effective_f(fit, clusters),
            effective_f_critical=effective_f_critical(fit, clusters),
            anderson_rubin=anderson_rubin(
                fit, conf_level=conf_level, clusters=clusters, deg_freedom=deg_freedom
            ),
            overidentification_p_value=None if agreement is None else agreement[1],
            conf_level=conf_level,
        )

    @property
    def is_weak(self) -> bool:
        """Whether a bias of a tenth of the worst is not rejected."""
        return self.effective_f < self.effective_f_critical

    def to_dict(self) -> dict[str, Any]:
        """Give the diagnostics as they stand in the results."""
        kept = self.anderson_rubin
        return {
            "n_instruments": self.n_instruments,
            "first_stage_f": self.first_stage_f,
            "effective_f": self.effective_f,
            "effective_f_critical": self.effective_f_critical,
            "is_weak": self.is_weak,
            "anderson_rubin": {
                "form": kept.form,
                "conf_low": kept.low,
                "conf_high": kept.high,
                "conf_level": self.conf_level,
            },
            "overidentification_p_value": self.overidentification_p_value,
        }

    def sentences(self, outcome: str, currency: str | None) -> list[str]:
        """Say the same in words."""
        numbers = f"effective F {self.effective_f:.1f}, {self.effective_f_critical:.1f} needed"
        said = [f"It moves the rating enough to be used ({numbers})."]
        if self.is_weak:
            said = [
                f"It moves the rating too little ({numbers}): the estimate leans towards the "
                "unadjusted one and its interval is too short. Read this interval instead: "
                f"{self._kept_words(outcome, currency)}"
            ]
        p_value = self.overidentification_p_value
        if p_value is not None and p_value < 0.05:
            said.append(
                f"The instruments contradict each other ({p_words(p_value)}), so at least one "
                "moves the outcome past the rating."
            )
        return said

    def _kept_words(self, outcome: str, currency: str | None) -> str:
        kept, level = self.anderson_rubin, f"{100 * self.conf_level:g}% Anderson-Rubin"
        if kept.low is None or kept.high is None:
            said = "no lift is excluded" if kept.form == "everything" else "no lift fits the data"
            return f"{said} ({level} set)."
        ends = interval(kept.low, kept.high, outcome, currency)
        if kept.form == "interval":
            return f"{ends} ({level} interval)."
        return f"all but {ends} ({level} set)."


def balance_p_value(sample: Sample, moved: Floats, clusters: Codes | None = None) -> float | None:
    """Test that controls say nothing of an arm or an instrument: a robust F test of all of them.

    None without controls, or where they do not vary.
    """
    controls = sample.controls
    if not controls.shape[1] or not np.ptp(controls, axis=0).any() or not np.ptp(moved):
        return None
    weights = sample.share * sample.n_obs
    constant = np.ones((sample.n_obs, 1))
    if not np.any(np.abs(controls.T @ (sample.share * (moved - sample.share @ moved)))):
        return 1.0
    fit = two_stage_least_squares(moved, moved, controls, constant, weights)
    groups = clusters if clusters is not None else own_clusters(sample)
    n_left = fit.n_obs - fit.n_instruments - 1
    degrees = n_left if groups is None else min(n_left, np.unique(groups).size - 1)
    if degrees < fit.n_instruments:
        return None
    return float(fdtrc(fit.n_instruments, degrees, first_stage_f(fit, groups)))


def own_clusters(sample: Sample) -> Codes | None:
    """Give the customers as clusters where some answered more than once."""
    return sample.customers if sample.is_clustered else None

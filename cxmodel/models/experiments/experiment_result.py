"""What an experiment says: the effect of each arm, the lift from the arms, and its grade."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cxmodel.models.checks.base import p_words
from cxmodel.models.estimation import Quantity
from cxmodel.models.evidence import Evidence
from cxmodel.models.experiments.experiment_settings import Experiment
from cxmodel.models.experiments.instrument_strength import InstrumentStrength
from cxmodel.models.outcome_units import LiftUnits
from cxmodel.models.say import amount, interval
from cxmodel.results import Estimate, NotRun

# A lot that went as planned fails these once in a thousand times.
SURELY_NOT_CHANCE = 0.001


@dataclass(frozen=True, eq=False, kw_only=True)
class ArmEffect:
    """What one arm did against the control.

    Parameters
    ----------
    arm : str
        Its name.
    n_obs, n_customers : int
        Responses and customers in it.
    on_outcome, on_rating : Quantity
        Intention to treat, with controls interacted with the arm (Lin 2013).
    on_outcome_unadjusted, on_rating_unadjusted : Quantity
        Differences in means.
    balance_p_value : float, optional
        Of the test that no control tells the arms apart.
    largest_difference : (str, float), optional
        The control that differs most, in standard deviations.
    """

    arm: str
    n_obs: int
    n_customers: int
    on_outcome: Quantity
    on_rating: Quantity
    on_outcome_unadjusted: Quantity
    on_rating_unadjusted: Quantity
    balance_p_value: float | None
    largest_difference: tuple[str, float] | None


@dataclass(frozen=True, eq=False, kw_only=True)
class ExperimentResult:
    """An experiment, evaluated.

    Parameters
    ----------
    settings : Experiment
        What was declared.
    outcome : str
        Of which lift.
    units : LiftUnits
        Its units.
    conf_level : float
        Of the intervals.
    effects : tuple of ArmEffect
        Each arm against the control.
    hidden : tuple of str
        Arms too small to be shown.
    n_control : int
        Responses in the control.
    n_without_arm : int
        Responses of the lift that name no arm.
    sample_ratio_p_value : float
        Of the test that the arms have the planned sizes (equal ones unless stated).
    complier : Quantity or NotRun
        The lift per rating point by two-stage least squares.
    strength : InstrumentStrength, optional
        Of the arms as instruments.
    caveats : tuple of str
        How it was computed, where not as usual.
    """

    settings: Experiment
    outcome: str
    units: LiftUnits
    conf_level: float
    effects: tuple[ArmEffect, ...]
    hidden: tuple[str, ...]
    n_control: int
    n_without_arm: int
    sample_ratio_p_value: float
    complier: Quantity | NotRun
    strength: InstrumentStrength | None
    caveats: tuple[str, ...]

    @property
    def evidence(self) -> Evidence:
        """Grade the effect of the arms: an experiment, unless the lot did not go as planned."""
        broken = [
            f"{effect.arm} and the control differ in what was known before "
            f"({p_words(effect.balance_p_value)})"
            for effect in self.effects
            if effect.balance_p_value is not None and effect.balance_p_value < SURELY_NOT_CHANCE
        ]
        if self.sample_ratio_p_value < SURELY_NOT_CHANCE:
            wanted = "planned" if self.settings.shares else "equal"
            broken.insert(
                0, f"the arms do not have {wanted} sizes ({p_words(self.sample_ratio_p_value)})"
            )
        if broken:
            return Evidence(
                "association",
                f"The arms were declared as drawn by lot, but {'; '.join(broken)}. Look for "
                "responses that were lost in one arm.",
            )
        return Evidence(
            "experiment",
            f"{self.settings.arm} was drawn by lot, so what differs between the arms is what the "
            "arm did, among those who answered.",
        )

    @property
    def complier_evidence(self) -> Evidence:
        """Grade the lift per rating point from the arm (methods 5)."""
        arms = self.evidence
        if arms.grade != "experiment":
            return arms
        if not self.settings.acts_through_rating_alone:
            return Evidence(
                "association",
                "The arm was drawn by lot, but nobody declares that it works through the rating "
                "alone (experiment.acts_through_rating_alone), so the lift may hold what it does "
                "in other ways.",
            )
        return Evidence(
            "experiment",
            "The arm was drawn by lot and is declared to work through the rating alone. The lift "
            "is that of customers whose rating the arm moved.",
        )

    def beside_headline(self) -> str:
        """Say that the lift from the arm stands beside the headline, and which of them to trust.

        Empty unless the lift from the arm is graded as an experiment and the arm moves the rating
        enough (effective F): only then is it worth more than the headline, which no lot drew.
        """
        is_strong = self.strength is not None and not self.strength.is_weak
        found = self.complier_estimate()
        if isinstance(found, NotRun) or not is_strong:
            return ""
        if self.complier_evidence.grade != "experiment":
            return ""
        currency = self.units.currency
        ends = ""
        if found.conf_low is not None and found.conf_high is not None:
            ends = f" ({interval(found.conf_low, found.conf_high, self.outcome, currency)})"
        return (
            f"Beside the headline stands the lift from the arm {self.settings.arm}, drawn by lot: "
            f"{amount(found.estimate, self.outcome, currency)} per rating point{ends}, of grade "
            "experiment; where the two differ, trust the one from the arm."
        )

    def complier_estimate(self) -> Estimate | NotRun:
        """Give the lift per rating point from the arm, with what must be believed."""
        if isinstance(self.complier, NotRun):
            return self.complier
        said = (self.complier_evidence.text, *self._strength_words())
        return self.complier.to_estimate(self.units.slope, conf_level=self.conf_level, caveats=said)

    def to_section(self) -> dict[str, Any]:
        """Give ``lift.<outcome>.experiment``."""
        settings = self.settings
        return {
            "status": "ok",
            "reason": None,
            "arm": settings.arm,
            "control": settings.control,
            "acts_through_rating_alone": settings.acts_through_rating_alone,
            "arms": {"rows": [*map(self._row, self.effects), *map(_hidden_row, self.hidden)]},
            "complier_per_rating_point": self.complier_estimate(),
            "diagnostics": {
                "n_control": self.n_control,
                "n_without_arm": self.n_without_arm,
                "sample_ratio_p_value": self.sample_ratio_p_value,
                **({} if self.strength is None else self.strength.to_dict()),
            },
            "evidence": self.evidence.to_dict(),
            "complier_evidence": self.complier_evidence.to_dict(),
            "caveats": [*self.caveats, *self._strength_words()],
        }

    def _row(self, effect: ArmEffect) -> dict[str, Any]:
        level, points = self.units.level, "rating points"
        largest = effect.largest_difference
        return {
            "arm": effect.arm,
            "n_obs": effect.n_obs,
            "n_customers": effect.n_customers,
            "outcome_effect": self._estimate(effect.on_outcome, level),
            "outcome_effect_unadjusted": self._estimate(effect.on_outcome_unadjusted, level),
            "rating_effect": self._estimate(effect.on_rating, points),
            "rating_effect_unadjusted": self._estimate(effect.on_rating_unadjusted, points),
            "balance_p_value": effect.balance_p_value,
            "largest_difference": None
            if largest is None
            else {"control": largest[0], "standard_deviations": largest[1]},
            "suppressed": False,
        }

    def _estimate(self, found: Quantity, unit: str) -> Estimate:
        return found.to_estimate(
            unit, conf_level=self.conf_level, caveats=(self.evidence.text, *self.caveats)
        )

    def _strength_words(self) -> list[str]:
        if self.strength is None:
            return []
        words = self.strength.sentences(self.outcome, self.units.currency)
        return [f"The arm as an instrument: {said[:1].lower()}{said[1:]}" for said in words]


def _hidden_row(arm: str) -> dict[str, Any]:
    names = ("n_obs", "n_customers", "outcome_effect", "outcome_effect_unadjusted",
             "rating_effect", "rating_effect_unadjusted", "balance_p_value",
             "largest_difference")  # fmt: skip
    return {"arm": arm, **dict.fromkeys(names), "suppressed": True}


def beside_an_experiment(evidence: Evidence, experiment: ExperimentResult | NotRun) -> Evidence:
    """Add to the evidence of a headline what an experiment says beside it; the grade stays.

    The grade "experiment" is for the effect of the arm, and for the lift from it where the user
    declares that it works through the rating alone; never for the headline (methods 5).
    """
    said = "" if isinstance(experiment, NotRun) else experiment.beside_headline()
    return replace(evidence, text=f"{evidence.text} {said}") if said else evidence

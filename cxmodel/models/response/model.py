"""Weights for those who did not answer, with what speaks for and against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cxmodel.errors import ConfigError, InsufficientDataError
from cxmodel.models.lift_settings import names
from cxmodel.models.response.outcome_test import compare_outcomes
from cxmodel.models.response.propensity import Propensity, fit_propensity
from cxmodel.models.response.weigh import (
    Weighing,
    balance_rows,
    influence_of_customers,
    weigh_responses,
)
from cxmodel.results import NotRun, Result
from cxmodel.stats.intervals import kish_effective_n
from cxmodel.tables.observation_table import Observations
from cxmodel.tables.occasions import Occasions
from cxmodel.tables.response_weights import OutcomeTest, ResponseWeights

DEFAULT_TRIM = 0.002


@dataclass(frozen=True, kw_only=True)
class ResponseModel:
    """How much each answer must count so that those who answered stand for everybody.

    The probability that an occasion to answer is answered is a logit in what was known then. A
    response carries the overall rate of answering over its own probability (a stabilised inverse
    probability weight), trimmed at the top. Occasions are invitations, or all customers at risk
    every 28 days.

    Parameters
    ----------
    controls : sequence of str, optional
        What the probability depends on. Default: as the lift, without what only an answer has.
    trim : float
        The share of the largest weights that is pulled in to the next smaller ones, 0 to 0.5.

    Raises
    ------
    ValueError
        If `trim` is out of range.

    Notes
    -----
    A trimmed weight is taken as fixed in the error of what is weighted, and so is the cap. The
    other weights carry the error of the logit on.

    References
    ----------
    Robins, J. M., Hernan, M. A. and Brumback, B. (2000). Marginal structural models and causal
    inference in epidemiology. Epidemiology 11(5), 550-560.

    Examples
    --------
    >>> import cxmodel as cx
    >>> sim = cx.datasets.simulate(n_customers=600, seed=1)
    >>> obs = cx.join_observations(
    ...     cx.read_surveys(sim.surveys, ratings={"nps": ("nps", cx.NPS)}),
    ...     customers=cx.read_customers(sim.customers, attributes=["segment", "plan"]),
    ...     revenue=cx.read_revenue(sim.revenue, currency="USD"),
    ...     invitations=cx.read_invitations(sim.invitations),
    ...     population="invited",
    ... )
    >>> response = ResponseModel().fit(obs)
    >>> response.population
    'the customers who were invited'
    >>> round(float(response.weigh(obs).frame["response_weight"].mean()), 6)
    1.0
    """

    controls: Sequence[str] | str | None = None
    trim: float = DEFAULT_TRIM

    def __post_init__(self) -> None:
        if not 0 <= self.trim < 0.5:
            raise ValueError(f"trim must be 0 or more and below 0.5, not {self.trim}.")

    def fit(self, obs: Observations) -> ResponseResult:
        """Fit the probability of answering, and test whether the answers may stand for the rest.

        Parameters
        ----------
        obs : Observations
            From ``join_observations(..., population=...)``.

        Raises
        ------
        ConfigError
            If the observations were joined without `population`, or a control is not known.
        InsufficientDataError
            If nobody is known who did not answer, or too few answered.
        """
        Observations.check(obs)
        occasions = _occasions_of(obs)
        controls = None if self.controls is None else names(self.controls)
        propensity = fit_propensity(occasions, controls)
        weighing = weigh_responses(occasions, propensity, self.trim)
        if not weighing.is_weighted.any():
            raise InsufficientDataError(
                "No response belongs to an occasion to answer, so none has a weight. Look whether "
                "the invitations are those of these surveys."
            )
        tests: dict[str, OutcomeTest | NotRun] = {
            "revenue": compare_outcomes(occasions, propensity, "revenue"),
            "retention": compare_outcomes(occasions, propensity, "retention"),
        }
        facts = _facts(occasions, propensity, weighing, tests, self.trim)
        caveats = _caveats(occasions, propensity, weighing, facts)
        inside, outside = influence_of_customers(obs, occasions, propensity)
        weights = ResponseWeights(
            population=occasions.words,
            weight=weighing.weight,
            inverse_prob=weighing.inverse_prob,
            slopes=weighing.slopes,
            influence=inside,
            outside=outside,
            tests=tests,
            facts=facts,
            caveats=caveats,
        )
        return ResponseResult(weights=weights, caveats=caveats)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ResponseResult(Result):
    """Who answered, and the weights that make them stand for everybody.

    Parameters
    ----------
    weights : ResponseWeights
        With the error of the model behind them.
    caveats : tuple of str
        Whom they stand for, and what was left out.
    """

    weights: ResponseWeights
    caveats: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What this result is about."""
        return f"Non-response: weights that stand for {self.population}"

    @property
    def population(self) -> str:
        """Whom the weighted answers stand for."""
        return self.weights.population

    @property
    def tests(self) -> Mapping[str, OutcomeTest | NotRun]:
        """Whether those who answered fared unlike those like them who did not, by outcome."""
        return self.weights.tests

    def weigh(self, obs: Observations) -> Observations:
        """Give the observations that were fitted with their weights.

        Raises
        ------
        ValueError
            If these are other observations.
        """
        if obs.n_obs != len(self.weights.weight):
            raise ValueError(
                f"These weights are of {len(self.weights.weight):,} observations, not of "
                f"{obs.n_obs:,}. Weigh the observations that were fitted."
            )
        return obs.with_weights(self.weights)

    def to_frame(self) -> pd.DataFrame:
        """Give one row a control: standardised differences before and after weighting."""
        rows = self.weights.facts["balance"]["rows"]
        return pd.DataFrame(rows, columns=["control", "unweighted", "weighted"])

    def diagnostics(self) -> pd.DataFrame:
        """Give one row about the model as a whole."""
        kept = {k: v for k, v in self.weights.facts.items() if isinstance(v, (int, float, str))}
        return pd.DataFrame([kept])

    def to_section(self) -> dict[str, Any]:
        """Give ``audit.response`` of ``results.json``."""
        return dict(self.weights.facts)

    def __repr__(self) -> str:
        share = self.weights.facts["effective_share"]
        return f"<ResponseResult: {self.population}, effective share {share:.2f}>"


def _occasions_of(obs: Observations) -> Occasions:
    if obs.occasions is None:
        raise ConfigError(
            "These observations do not say who could have answered. "
            + (
                "A table that came already joined holds only those who did."
                if obs.is_joined
                else 'Join them with join_observations(..., population="invited" or "at_risk").'
            )
        )
    if isinstance(obs.occasions, NotRun):
        raise InsufficientDataError(f"No weights for non-response: {obs.occasions.reason}.")
    return obs.occasions


def _facts(
    occasions: Occasions,
    propensity: Propensity,
    weighing: Weighing,
    tests: Mapping[str, OutcomeTest | NotRun],
    trim: float,
) -> dict[str, Any]:
    """Put together what stands in ``audit.response``."""
    rows, n_hidden = balance_rows(occasions, propensity, trim)
    used = weighing.weight[weighing.is_weighted]
    n_effective = kish_effective_n(used)
    ids = occasions.obs.frame["customer_id"].iloc[propensity.rows]
    return {
        "status": "ok",
        "reason": None,
        "population": occasions.words,
        "period_days": occasions.period_days,
        "controls": list(propensity.plan.spoken()),
        "n_occasions": len(propensity.rows),
        "n_answered": int(occasions.answered[propensity.rows].sum()),
        "n_customers": int(ids.nunique()),
        "sample_share": occasions.sample_rate,
        "share_after_events": occasions.share_near_events,
        "n_responses": len(weighing.weight),
        "n_weighted": len(used),
        "trim": trim,
        "n_trimmed": int(weighing.is_trimmed.sum()),
        "largest_weight": float(used.max()),
        "n_effective": n_effective,
        "effective_share": n_effective / len(used),
        "balance": {"rows": rows, "n_hidden": n_hidden},
        "outcome_tests": {name: test.to_dict() for name, test in tests.items()},
    }


def _caveats(
    occasions: Occasions, propensity: Propensity, weighing: Weighing, facts: Mapping[str, Any]
) -> tuple[str, ...]:
    kind = "invitations" if occasions.population == "invited" else (
        f"customers at the beginning of every {occasions.period_days} days"
    )  # fmt: skip
    said = [
        f"Weighted figures stand for {occasions.words}: {facts['n_answered']:,} of "
        f"{facts['n_occasions']:,} {kind} answered, and each answer counts by the inverse of its "
        "probability given what was known then."
    ]
    if occasions.follows_events:
        said.append(
            f"{occasions.share_near_events:.0%} of the answers came within 2 days of a booking or "
            "contact: the weighted figures speak of customers after such an event, not of all."
        )
    if occasions.sample_rate < 1:
        said.append(
            f"The model of answering was fitted on {occasions.sample_rate:.1%} of the customers "
            f"({facts['n_customers']:,}), chosen by a digest of their ids."
        )
    n_without = facts["n_responses"] - facts["n_weighted"]
    if n_without:
        why = (
            "they answer no invitation, or came too late"
            if occasions.population == "invited"
            else "their customer was not at risk when the period of the answer began"
        )
        said.append(
            f"{n_without:,} of {facts['n_responses']:,} responses have weight 1: {why}, or a "
            "control is missing."
        )
    if facts["n_trimmed"]:
        said.append(
            f"{_largest(facts['n_trimmed'])} (non-response) pulled in to "
            f"{facts['largest_weight']:.3g} times the mean weight; their error is taken as none."
        )
    pooled = propensity.plan.caveats
    return (*said, *(f"In the model of answering: {text}" for text in pooled))


def _largest(n: int) -> str:
    """Say that so many weights were changed.

    Examples
    --------
    >>> _largest(1), _largest(1200)
    ('The largest weight was', 'The 1,200 largest weights were')
    """
    return "The largest weight was" if n == 1 else f"The {n:,} largest weights were"

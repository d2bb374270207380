"""Lifts drawn in the chain of lifetime value: under the same weights of the same customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import InsufficientDataError
from cxmodel.models.joint import stated_rows
from cxmodel.results import Estimate, NotRun
from cxmodel.stats.draws import draw_customer_weights
from cxmodel.value.lift_units import parse_lift_unit

if TYPE_CHECKING:
    from cxmodel.models.lift_result import LiftResult
    from cxmodel.tables.observation_table import Observations

FloatArray = npt.NDArray[np.float64]
TERM = "per_rating_point"

# Streams of random numbers for what no customer of the observations carries.
_OUTSIDE, _STATED, _CARD, _BY_HAND = 1, 2, 3, 4


@dataclass(frozen=True, eq=False, kw_only=True)
class DrawnLift:
    """A lift with its draws.

    Parameters
    ----------
    estimate : Estimate
        As it was given.
    draws : numpy.ndarray, shape (k,)
        In the estimate's unit; draw number i has the customer weights of draw number i.
    """

    estimate: Estimate
    draws: FloatArray

    @property
    def value(self) -> float:
        """The estimate itself."""
        return self.estimate.estimate


@dataclass(frozen=True, eq=False, kw_only=True)
class DrawnLifts:
    """The lifts of revenue and of retention, drawn together.

    Parameters
    ----------
    revenue, retention : dict of str to DrawnLift or NotRun
        By term: ``"per_rating_point"`` and, of revenue, ``"per_kpi_point.<path>"``.
    caveats : tuple of str
        What a reader must know of how they were drawn.
    """

    revenue: dict[str, DrawnLift | NotRun]
    retention: dict[str, DrawnLift | NotRun]
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class DrawPlan:
    """Which customers, how many draws and which seed: the same for all of a chain."""

    customers: npt.NDArray[Any]
    n_draws: int
    seed: int

    @classmethod
    def of(cls, obs: Observations, n_draws: int, seed: int) -> DrawPlan:
        """Take the customers of observations in the order in which every stage numbers them."""
        if "customer_id" not in obs.frame:
            return cls(np.arange(obs.n_obs), n_draws, seed)
        return cls(np.asarray(pd.factorize(obs.frame["customer_id"])[1]), n_draws, seed)


def draw_lifts(lift: Any, retention_lift: Any, plan: DrawPlan) -> DrawnLifts:
    """Draw the lifts of revenue and retention, with the weights of the customers behind them.

    Of fitted lifts, draw k is lift + sum over customers of (w_ik - 1) psi_i, w the Poisson(1)
    weights that retention curve and spending have in draw k and psi what each customer contributes:
    its variance is the sum of psi^2, its covariance with the other lift the sum of psi psi', and
    all of the chain moves together (methods 6). A lift card is drawn from its joint normal, a lift
    written by hand from its own.

    Parameters
    ----------
    lift : LiftResult, LiftCard, Estimate or NotRun
        Of revenue.
    retention_lift : LiftResult, Estimate, NotRun or None
        Of retention. A card holds both.
    plan : DrawPlan
        Of the chain.

    Raises
    ------
    TypeError, ValueError
        If something is no lift, or a lift of something else.
    """
    from cxmodel.models.lift_result import LiftResult
    from cxmodel.value.lift_card import LiftCard

    if isinstance(lift, LiftCard):
        if retention_lift is not None:
            raise ValueError("A lift card holds both lifts: leave retention_lift out.")
        return _from_card(lift, plan)
    missing = NotRun("no lift of retention was given: pass retention_lift=")
    retention_lift = missing if retention_lift is None else retention_lift
    fitted = [each for each in (lift, retention_lift) if isinstance(each, LiftResult)]
    drawn = _from_influence(fitted, plan)
    found = []
    for name, each in (("revenue", lift), ("retention", retention_lift)):
        if isinstance(each, LiftResult):
            _check_outcome(each, name)
            # a lift from sums over a large table knows its error, not whose it is
            found.append({TERM: _by_hand(each.terms[TERM], name, plan)} | drawn[name])
        elif isinstance(each, (Estimate, NotRun)):
            found.append({TERM: _by_hand(each, name, plan)})
        else:
            raise TypeError(
                f"The lift of {name} must be a LiftResult, a LiftCard or an Estimate, not "
                f"{type(each).__name__}."
            )
    _check_revenue_unit(found[0][TERM])
    return DrawnLifts(revenue=found[0], retention=found[1], caveats=_caveats(lift, retention_lift))


def _check_outcome(lift: LiftResult, name: str) -> None:
    if lift.outcome != name:
        raise ValueError(
            f"The lift given for {name} is one of {lift.outcome}: pass "
            f'LiftModel(outcome="{name}").fit(obs).'
        )


def _check_revenue_unit(found: DrawnLift | NotRun) -> None:
    if isinstance(found, DrawnLift) and parse_lift_unit(found.estimate.unit).is_kpi:
        raise ValueError(
            "The change in lifetime value is per rating point, the lift given per KPI point. Give "
            "the lift per rating point."
        )


def _from_influence(
    fitted: list[LiftResult], plan: DrawPlan
) -> dict[str, dict[str, DrawnLift | NotRun]]:
    """Give the draws of every term of the fitted lifts that a chain asks for."""
    places = _places(fitted, plan)
    terms = {lift.outcome: _terms(lift) for lift in fitted}
    columns = [(lift, term) for lift in fitted for term in terms[lift.outcome]]
    if not columns:
        return {lift.outcome: _estimates_alone(lift) for lift in fitted}
    last = max(int(place.max(initial=-1)) for place in places.values())
    n_places = max(len(plan.customers), last + 1)
    psi = np.zeros((n_places, len(columns)))
    for column, (lift, term) in enumerate(columns):
        np.add.at(psi[:, column], places[lift.outcome], lift.influence[term])
    stated = stated_rows([lift.stated.get(term, {}) for lift, term in columns])
    values = np.array([lift.values[term] for lift, term in columns])
    draws = weighted_draws(psi, plan)
    rng = np.random.default_rng([plan.seed, _STATED])
    draws += rng.standard_normal((plan.n_draws, len(stated))) @ stated
    found = {lift.outcome: _estimates_alone(lift) for lift in fitted}
    for column, (lift, term) in enumerate(columns):
        estimate = _estimate_of(lift, term)
        if isinstance(estimate, Estimate):
            found[lift.outcome][term] = DrawnLift(
                estimate=estimate, draws=values[column] + draws[:, column]
            )
    return found


def weighted_draws(psi: FloatArray, plan: DrawPlan) -> FloatArray:
    """Sum (w - 1) psi over the customers, draw by draw: (n_draws, columns)."""
    n_inside = len(plan.customers)
    draws = np.empty((plan.n_draws, psi.shape[1]))
    for draw in range(plan.n_draws):
        weights = draw_customer_weights(n_inside, draw, plan.seed)
        draws[draw] = (weights - 1.0) @ psi[:n_inside]
        n_outside = len(psi) - n_inside
        if n_outside > 0:
            others = draw_customer_weights(n_outside, draw, plan.seed + _OUTSIDE)
            draws[draw] += (others - 1.0) @ psi[n_inside:]
    return draws


def _places(fitted: list[LiftResult], plan: DrawPlan) -> dict[str, npt.NDArray[np.intp]]:
    """Give each lift's customers their number in the chain; those outside it come behind."""
    inside = pd.Index(plan.customers)
    places = {lift.outcome: inside.get_indexer(pd.Index(lift.customers)) for lift in fitted}
    strangers = [
        np.asarray(lift.customers).astype(object)[places[lift.outcome] < 0] for lift in fitted
    ]
    behind = pd.Index(pd.unique(np.concatenate([np.array([], dtype=object), *strangers])))
    for lift, own in zip(fitted, strangers, strict=True):
        places[lift.outcome][places[lift.outcome] < 0] = len(inside) + behind.get_indexer(
            pd.Index(own, dtype=object)
        )
    return places


def _terms(lift: LiftResult) -> list[str]:
    paths = [f"per_kpi_point.{path}" for path in lift.per_kpi] if lift.outcome == "revenue" else []
    return [term for term in (TERM, *paths) if term in lift.influence]


def _estimate_of(lift: LiftResult, term: str) -> Estimate | NotRun:
    path = term.removeprefix("per_kpi_point.")
    return lift.terms[TERM] if term == TERM else lift.per_kpi[path]


def _estimates_alone(lift: LiftResult) -> dict[str, DrawnLift | NotRun]:
    """Give what was not run of a lift, with its reason."""
    found = {TERM: lift.terms[TERM]} | {f"per_kpi_point.{p}": e for p, e in lift.per_kpi.items()}
    return {
        term: NotRun(f"the lift of {lift.outcome} was not run: {each.reason}")
        for term, each in found.items()
        if isinstance(each, NotRun)
    }


def _by_hand(found: Estimate | NotRun, name: str, plan: DrawPlan) -> DrawnLift | NotRun:
    if isinstance(found, NotRun):
        return found
    if name == "retention" and not found.unit.startswith("probability of staying"):
        raise ValueError(
            f"A lift of retention in {found.unit!r} cannot be used. State it like 'probability of "
            "staying per rating point per 180 days', as a fraction."
        )
    stream = [plan.seed, _BY_HAND, int(name == "retention")]
    noise = np.random.default_rng(stream).standard_normal(plan.n_draws)
    return DrawnLift(estimate=found, draws=found.estimate + (found.std_error or 0.0) * noise)


def _from_card(card: Any, plan: DrawPlan) -> DrawnLifts:
    """Draw from a card's joint normal; its customers are not those of the chain."""
    seed = int(np.random.default_rng([plan.seed, _CARD]).integers(2**31))
    drawn = card.sample(plan.n_draws, seed)
    found: dict[str, dict[str, DrawnLift | NotRun]] = {}
    for outcome in ("revenue", "retention"):
        term = f"{outcome}.{TERM}"
        try:
            estimate = card.per_rating_point(outcome)
            found[outcome] = {
                TERM: DrawnLift(estimate=estimate, draws=drawn[:, card.terms.index(term)])
            }
        except InsufficientDataError as error:
            found[outcome] = {TERM: NotRun(str(error))}
    return DrawnLifts(
        revenue=found["revenue"],
        retention=found["retention"],
        caveats=(
            "The lift comes from a lift card: its error is taken to be independent of that of "
            "retention curve and spending.",
        ),
    )


def _caveats(lift: Any, retention_lift: Any) -> tuple[str, ...]:
    both = (("revenue", lift), ("retention", retention_lift))
    by_hand = [name for name, each in both if isinstance(each, Estimate)]
    said = [
        f"The lift of {name} comes from sums over the table: its error is taken to be independent "
        "of everything else."
        for name, each in both
        if not isinstance(each, (Estimate, NotRun))
        and TERM not in each.influence
        and isinstance(each.terms[TERM], Estimate)
    ]
    if by_hand:
        said.append(
            f"The lift of {' and of '.join(by_hand)} was written by hand: its error is taken to be "
            "independent of everything else."
        )
    if any(isinstance(e, Estimate) and e.std_error is None for e in (lift, retention_lift)):
        said.append("A lift was given without a standard error: no interval holds its error.")
    return tuple(said)

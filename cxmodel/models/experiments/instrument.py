"""The lift from an instrument: which agent a customer came to, or a column that the user names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxmodel.errors import ConfigError, InsufficientDataError, nearest
from cxmodel.models.checks.base import p_words
from cxmodel.models.estimation import Quantity, Sample
from cxmodel.models.evidence import Evidence
from cxmodel.models.experiments.instrument_strength import (
    InstrumentStrength,
    balance_p_value,
    own_clusters,
)
from cxmodel.models.leaks import MAX_LEVELS, MISSING, as_levels, as_numbers
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.lift_result import NO_INSTRUMENT
from cxmodel.models.requirements import MIN_ROWS_PER_PARAMETER
from cxmodel.results import NotRun
from cxmodel.stats.sandwich import Codes, cluster_sums, small_sample_factor
from cxmodel.stats.two_stage import TwoStage, two_stage_least_squares

Floats = NDArray[np.float64]
AGENT_MEAN = "agent_mean"
# With fewer agents there is nothing to compare; with fewer other customers their mean is noise.
FEWEST_AGENTS, FEWEST_OTHERS = 5, 5
# Below so many clusters a reader must know that errors by agent are rough.
FEW_AGENTS = 30
FROM = {"revenue": "revenue", "retention": "staying"}


@dataclass(frozen=True, eq=False, kw_only=True)
class InstrumentResult:
    """A lift from an instrument, with what must be believed.

    Parameters
    ----------
    instrument : str
        ``"agent_mean"`` or the column.
    quantity : Quantity
        The lift per rating point.
    strength : InstrumentStrength
        How strong the instrument is.
    n_agents : int, optional
        Agents that are compared.
    balance_p_value : float, optional
        Of the test that controls say nothing of the instrument.
    n_without : int
        Responses of the lift that the instrument says nothing of.
    must_be_believed : str
        What no test can show, in words.
    caveats : tuple of str
        What the tests did show.
    """

    instrument: str
    quantity: Quantity
    strength: InstrumentStrength
    n_agents: int | None
    balance_p_value: float | None
    n_without: int
    must_be_believed: str
    caveats: tuple[str, ...]

    @property
    def evidence(self) -> Evidence:
        """Grade the lift: an association, since no test shows that chance moved the instrument."""
        return Evidence(
            "association",
            "Association only: it is an effect of the rating if what no test can show is true. "
            f"{self.must_be_believed}",
        )

    def to_section(self) -> dict[str, Any]:
        """Give ``lift.<outcome>.instrument``."""
        return {
            "status": "ok",
            "reason": None,
            "instrument": self.instrument,
            "diagnostics": {
                **self.strength.to_dict(),
                "n_obs": self.quantity.n_obs,
                "n_agents": self.n_agents,
                "n_without": self.n_without,
                "balance_p_value": self.balance_p_value,
            },
            "must_be_believed": self.must_be_believed,
            "evidence": self.evidence.to_dict(),
            "caveats": list(self.caveats),
        }


def fit_instrument(fit: LiftFit) -> InstrumentResult | NotRun:
    """Estimate the lift per rating point by two-stage least squares with the instrument asked for.

    ``agent_mean`` is the mean rating that the same agent got from other customers: where customers
    come to agents by chance, it moves a customer's rating and is no trait of the customer. Leaving
    out the customer's own answers keeps their noise out of the instrument. Errors are clustered by
    agent and by customer. For retention it is a linear probability model.

    Raises
    ------
    ConfigError
        If there is no column of that name.

    References
    ----------
    Angrist, J. D., Imbens, G. W. and Krueger, A. B. (1999). Jackknife instrumental variables
    estimation. Journal of Applied Econometrics 14, 57-67; Kling, J. R. (2006). American Economic
    Review 96(3), 863-876.
    """
    name = fit.settings.instrument
    if name is None:
        return NO_INSTRUMENT
    try:
        return _by_agent(fit) if name == AGENT_MEAN else _by_column(fit, name)
    except InsufficientDataError as error:
        return NotRun(str(error))


def mean_of_others(values: Floats, groups: NDArray[np.int64], customers: Codes) -> Floats:
    """Give each row the mean of its group without the rows of its own customer.

    NaN where fewer than `FEWEST_OTHERS` rows of others are left.

    Examples
    --------
    >>> ratings, group = np.array([1.0, 9.0, 5.0, 5.0, 5.0, 5.0, 5.0]), np.zeros(7, dtype=int)
    >>> mean_of_others(ratings, group, np.array([0, 0, 1, 2, 3, 4, 5]))[:2].tolist()
    [5.0, 5.0]
    """
    own = pd.factorize(pd.MultiIndex.from_arrays([groups, customers]))[0]
    total, n = np.bincount(groups, values), np.bincount(groups)
    own_total, own_n = np.bincount(own, values), np.bincount(own)
    left = n[groups] - own_n[own]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (total[groups] - own_total[own]) / left
    return np.asarray(np.where(left >= FEWEST_OTHERS, mean, np.nan))


def _by_agent(fit: LiftFit) -> InstrumentResult | NotRun:
    if "_agent" not in fit.obs.frame:
        return NotRun(
            "agent_mean needs to know who served the customer: map agent in sources.surveys"
        )
    inside, agent_of, instrument = _agent_means(fit)
    n_agents = np.unique(agent_of).size
    if n_agents < FEWEST_AGENTS:
        return NotRun(
            f"{n_agents} agent(s) have ratings of {FEWEST_OTHERS} or more other customers; "
            f"comparing agents needs {FEWEST_AGENTS}"
        )
    sample = fit.sample_of(fit.rows[inside], fit.sample.outcome[inside])
    stages = _stages(sample, instrument[:, None])
    strength = InstrumentStrength.of(
        stages, conf_level=fit.obs.conf_level, clusters=agent_of, deg_freedom=float(n_agents - 1)
    )
    balance = balance_p_value(sample, instrument, agent_of)
    return InstrumentResult(
        instrument=AGENT_MEAN,
        quantity=_clustered_by_agent(sample, stages, agent_of, n_agents),
        strength=strength,
        n_agents=n_agents,
        balance_p_value=balance,
        n_without=fit.sample.n_obs - len(inside),
        must_be_believed="Customers came to agents as if by lot, given what is held equal; and an "
        f"agent moves {FROM[fit.outcome]} only through what the rating says, not by what else the "
        "agent sells, solves or promises.",
        caveats=(
            *strength.sentences(fit.outcome, fit.obs.currency),
            *_balance_words(balance),
            *_words_on_agents(n_agents, len(inside)),
        ),
    )


def _agent_means(fit: LiftFit) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Find the responses whose agent has ratings of others: their rows, agents and means."""
    agents = as_levels(fit.frame["_agent"]).to_numpy(dtype=object)
    named = np.flatnonzero(agents != MISSING)
    codes = np.asarray(pd.factorize(agents[named])[0], dtype=np.int64)
    means = mean_of_others(fit.sample.rating[named], codes, fit.sample.customers[named])
    known = np.isfinite(means)
    return named[known], codes[known], means[known]


def _words_on_agents(n_agents: int, n_responses: int) -> list[str]:
    """Say how much stands behind the means."""
    said = [
        f"Behind the instrument stand {n_agents:,} agents with {n_responses / n_agents:,.0f} "
        "responses each: it is as good as their mean ratings are steady."
    ]
    if n_agents < FEW_AGENTS:
        said.append(f"Errors by agent are rough with {n_agents} agents, under {FEW_AGENTS}.")
    return said


def _by_column(fit: LiftFit, name: str) -> InstrumentResult | NotRun:
    if name not in fit.obs.frame.columns:
        public = [
            str(column) for column in fit.obs.frame.columns if not str(column).startswith("_")
        ]
        raise ConfigError(
            f'lift.instrument: there is no column {name!r}. Take "agent_mean", or a column. '
            f"{nearest(name, public)}"
        )
    columns = _instrument_columns(fit.frame[name], name)
    if isinstance(columns, NotRun):
        return columns
    inside = np.flatnonzero(np.isfinite(columns).all(axis=1))
    plan = fit.plan.without([name])
    sample = fit.sample_of(fit.rows[inside], fit.sample.outcome[inside], plan)
    stages = _stages(sample, columns[inside])
    found = sample.quantity(stages.slope, stages.influence, stages.n_params, exact=True)
    strength = InstrumentStrength.of(
        stages,
        conf_level=fit.obs.conf_level,
        clusters=own_clusters(sample),
        deg_freedom=found.deg_freedom or float(sample.n_obs - stages.n_params),
    )
    balance = balance_p_value(sample, columns[inside, 0]) if columns.shape[1] == 1 else None
    caveats = [*strength.sentences(fit.outcome, fit.obs.currency), *_balance_words(balance)]
    if stages.n_instruments > 1 and sample.n_obs < 50 * stages.n_instruments:
        caveats.append(
            f"{stages.n_instruments} instruments on {sample.n_obs:,} rows are many: the estimate "
            "leans towards the unadjusted one."
        )
    return InstrumentResult(
        instrument=name,
        quantity=found,
        strength=strength,
        n_agents=None,
        balance_p_value=balance,
        n_without=fit.sample.n_obs - len(inside),
        must_be_believed=f"{name} is as if drawn by lot, given what is held equal; and it moves "
        f"{FROM[fit.outcome]} only through the rating.",
        caveats=tuple(caveats),
    )


def _instrument_columns(values: pd.Series, name: str) -> Floats | NotRun:
    """Turn a column into instruments: a number as it is, words as a column for each but one."""
    numbers = as_numbers(values)
    if numbers is not None:
        return numbers[:, None]
    levels = as_levels(values).to_numpy(dtype=object)
    distinct = sorted(set(levels) - {MISSING})
    if not 2 <= len(distinct) <= MAX_LEVELS:
        return NotRun(
            f"{name} holds {len(distinct):,} different words; an instrument has 2 to {MAX_LEVELS}"
        )
    columns = np.column_stack([(levels == level).astype(float) for level in distinct[1:]])
    columns[levels == MISSING] = np.nan
    return columns


def _stages(sample: Sample, instruments: Floats) -> TwoStage:
    n_params = sample.controls.shape[1] + 2
    if sample.n_obs < MIN_ROWS_PER_PARAMETER * n_params:
        raise InsufficientDataError(
            f"The instrument is known of {sample.n_obs:,} responses, fewer than "
            f"{MIN_ROWS_PER_PARAMETER} for each of {n_params} parameters."
        )
    exogenous = np.hstack([np.ones((sample.n_obs, 1)), sample.controls])
    weights = sample.share * sample.n_obs
    return two_stage_least_squares(sample.outcome, sample.rating, instruments, exogenous, weights)


def _clustered_by_agent(
    sample: Sample, stages: TwoStage, agents: NDArray[np.int64], n_agents: int
) -> Quantity:
    """Give the quantity an error by agent and by customer (Cameron, Gelbach & Miller 2011).

    Influence stays by customer, stretched so that its squares sum to that variance. It is never
    less than either alone: the difference of covariances may be.
    """
    by_customer = sample.quantity(stages.slope, stages.influence, stages.n_params, exact=True)
    both = np.asarray(
        pd.factorize(pd.MultiIndex.from_arrays([agents, sample.customers]))[0], dtype=np.int64
    )
    of_agents = _variance(stages, np.unique(agents, return_inverse=True)[1])
    variance = max(
        of_agents + by_customer.std_error**2 - _variance(stages, both),
        of_agents,
        by_customer.std_error**2,
    )
    stretch = np.sqrt(variance) / by_customer.std_error
    return replace(
        by_customer, influence=stretch * by_customer.influence, deg_freedom=float(n_agents - 1)
    )


def _variance(stages: TwoStage, codes: NDArray[np.int64]) -> float:
    n_clusters = int(codes.max()) + 1
    sums = cluster_sums(stages.influence, codes, n_clusters)
    return small_sample_factor(stages.n_obs, stages.n_params, n_clusters) * float(sums @ sums)


def _balance_words(p_value: float | None) -> list[str]:
    if p_value is None or p_value >= 0.01:
        return []
    return [
        f"What was known before tells the instrument ({p_words(p_value)}): it is not as if by lot, "
        "at least not without the controls."
    ]

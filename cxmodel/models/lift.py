"""The lift: what one more rating point goes with, with every reason to doubt it tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from threadpoolctl import threadpool_limits

from cxmodel.errors import ConfigError
from cxmodel.models.checks.run_all import run_checks
from cxmodel.models.controls import ControlPlan
from cxmodel.models.estimates.alternatives import SEPARATED, percent, unadjusted, winsorised
from cxmodel.models.estimates.answer_noise import check_reliability
from cxmodel.models.estimates.by_group import GroupLifts, lifts_by_group
from cxmodel.models.estimates.curve import fit_curve
from cxmodel.models.estimates.direction import direction
from cxmodel.models.estimates.flexible import flexible, flexible_sentences
from cxmodel.models.estimates.flexible_contrasts import (
    Contrasts,
    contrasts_section,
    flexible_contrasts,
)
from cxmodel.models.estimates.level_rows import LevelRows
from cxmodel.models.estimates.levels import Levels, fit_levels, path_quantity
from cxmodel.models.estimates.reliability import (
    noise_sentences,
    reliability_corrected,
    reliability_section,
)
from cxmodel.models.estimates.starting_bands import band_step_rows
from cxmodel.models.estimates.two_part import InParts, two_part
from cxmodel.models.estimates.within import within_customer
from cxmodel.models.estimates.within_summary import WithinSummary, summary_of_within
from cxmodel.models.estimation import Quantity
from cxmodel.models.evidence import first_sentence, grade
from cxmodel.models.experiments.experiment import evaluate_experiment
from cxmodel.models.experiments.experiment_settings import Experiment
from cxmodel.models.experiments.instrument import fit_instrument
from cxmodel.models.experiments.rollout import evaluate_rollout
from cxmodel.models.experiments.rollout_settings import Rollout
from cxmodel.models.lift_fit import LiftFit, fit_lift
from cxmodel.models.lift_result import LiftResult, LiftUnits
from cxmodel.models.lift_settings import DEFAULT_SEED, LiftSettings, Reliability, names
from cxmodel.models.moments.lift_by_sums import lift_by_sums
from cxmodel.models.population import Outcome, has_outcome
from cxmodel.models.response.estimates import unweighted, weighted
from cxmodel.models.response.sweep import non_response
from cxmodel.results import Estimate, NotRun
from cxmodel.tables.observation_table import Observations

if TYPE_CHECKING:
    from cxmodel.scales import Scale

ROWS_UP_TO = 20_000_000
Found = dict[str, Quantity | NotRun]


@dataclass(frozen=True, kw_only=True)
class LiftModel:
    """How much more revenue, or staying, goes with one more rating point, other things held equal.

    The headline lets the slope differ with the controls and averages it over the customers [1]_
    [2]_; simpler and sterner estimates of the same stand beside it.

    Parameters
    ----------
    outcome : {"revenue", "retention"}
        Money in the outcome window, or the probability of staying through it.
    controls : sequence of str, optional
        What to hold equal. It replaces the default list, and adds nothing to it; the default is
        revenue in the windows before, tenure, attributes, contacts before, touchpoint and calendar
        month. A list without revenue before is a caveat of the result.
    average : {"base", "variance"}
        The headline averages over customers, or is the additive (variance-weighted) slope.
    weighted : bool
        Weight for non-response where response weights exist (see ``ResponseModel``), and their
        effective sample is at least 30% of the responses and 100.
    by : sequence of str
        Columns within whose groups the lift is reported too, each group against the rest.
    keep : sequence of str
        Columns that the leak alarm would leave out and for which you vouch.
    reliability : float or mapping, optional
        What is known of the noise in one answer: a number, ``{"mean", "sd"}``,
        ``{"within_days": 30}`` for repeats, or ``{"items": [...]}`` for several questions.
    instrument : str, optional
        ``"agent_mean"``, or a column that moves the outcome through the rating alone.
    experiment : Experiment, optional
        A randomised arm: what it did to outcome and rating, and the lift from it.
    rollout : Rollout, optional
        A programme that some groups began before others: difference-in-differences.
    seed : int
        Of every random step.
    flexible : bool
        Learn the shape of the controls too, as a second opinion; it takes the most time.
    rows_up_to : int
        Observations on an engine up to which rows are taken out. Beyond, the slopes alone are
        estimated from sums over the table: no checks, no levels, no draws.

    Raises
    ------
    ValueError
        If `outcome` or `average` is none of those named.

    See Also
    --------
    LiftResult.per_rating_point : the headline, with its interval and caveats.
    LiftResult.per_kpi_point : the same for a KPI point along a path, ``per_kpi_point(path)``.
    LiftResult.summary : every estimate, check and the grade as text.
    LiftResult.by_group : the lift within groups, with q-values and shrunken estimates.
    LiftResult.within : what the estimate within customers rests on, where they answered again.
    LiftResult.by_rating : the adjusted mean outcome at each rating.
    LiftResult.checks : what was tried against the estimate, with verdicts.
    LiftResult.evidence : the grade and the reasons for it.

    Notes
    -----
    For revenue the model is ::

        y = a + b r + g'z + r d'z + error

    with y the outcome, r the rating and z the controls less their means over the customers (the
    base). So centred, b is the slope b + d'z averaged over the base: the headline. It is fitted by
    least squares in which every customer has the same weight. Standard errors are HC1 [3]_, or CR1
    by customer where customers answered more than once; they count that the base's means are
    estimated too. With ``average="variance"``, and with too few rows for the products r z, d is
    zero; ``is_interacted`` of the result is then false.

    For retention the same terms stand in a logit, and the headline is its average marginal effect
    over the base, in probability per rating point. ``percent_per_rating_point`` is from a Poisson
    pseudo-likelihood with a log link [4]_, which needs no Poisson outcome and bears zeros.

    References
    ----------
    .. [1] Imbens, G. W. and Wooldridge, J. M. (2009). Recent developments in the econometrics of
       program evaluation. Journal of Economic Literature 47(1), 5-86.
    .. [2] Lin, W. (2013). Agnostic notes on regression adjustments to experimental data:
       reexamining Freedman's critique. Annals of Applied Statistics 7(1), 295-318.
    .. [3] MacKinnon, J. G. and White, H. (1985). Some heteroskedasticity-consistent covariance
       matrix estimators with improved finite sample properties. Journal of Econometrics 29(3),
       305-325.
    .. [4] Santos Silva, J. M. C. and Tenreyro, S. (2006). The log of gravity. Review of Economics
       and Statistics 88(4), 641-658.

    Examples
    --------
    >>> from cxmodel.models.example import small_observations
    >>> lift = LiftModel(outcome="revenue").fit(small_observations())
    >>> lift.per_rating_point().unit
    'USD per rating point per customer per 180 days'
    >>> lift.evidence.grade
    'association'
    """

    outcome: Outcome = "revenue"
    controls: Sequence[str] | str | None = None
    average: Literal["base", "variance"] = "base"
    weighted: bool = True
    by: Sequence[str] | str = ()
    keep: Sequence[str] | str = field(default=())
    reliability: Reliability | None = None
    instrument: str | None = None
    experiment: Experiment | None = None
    rollout: Rollout | None = None
    seed: int = DEFAULT_SEED
    flexible: bool = True
    rows_up_to: int = ROWS_UP_TO

    def __post_init__(self) -> None:
        if self.outcome not in ("revenue", "retention"):
            raise ValueError(f"outcome must be 'revenue' or 'retention', not {self.outcome!r}.")
        if self.average not in ("base", "variance"):
            raise ValueError(f"average must be 'base' or 'variance', not {self.average!r}.")
        check_reliability(self.reliability)

    @property
    def settings(self) -> LiftSettings:
        """The same settings in the form that fits and checks carry with them."""
        return LiftSettings(
            controls=None if self.controls is None else names(self.controls),
            average=self.average,
            weighted=self.weighted,
            by=names(self.by),
            keep=names(self.keep),
            reliability=self.reliability,
            instrument=self.instrument,
            experiment=self.experiment,
            rollout=self.rollout,
            seed=self.seed,
            flexible=self.flexible,
        )

    def fit(self, obs: Observations) -> LiftResult:
        """Fit every estimate, run every check and grade the evidence.

        Parameters
        ----------
        obs : Observations
            From ``join_observations`` or ``read_observations``; not changed.

        Returns
        -------
        LiftResult

        Raises
        ------
        ConfigError
            If there is no rating, no such outcome, or money without a currency.
        InsufficientDataError
            Under 10 events or 10 rows per parameter.
        LeakageError
            If a dated control lies after the response.
        SchemaError
            If a rating is missing.
        """
        Observations.check(obs)
        if self.outcome == "revenue" and has_outcome(obs, "revenue") and obs.currency is None:
            raise ConfigError(
                'study.currency is missing, so revenue has no unit. Set it, for instance to "USD".'
            )
        # one thread: the sums come out the same on every machine, and small solves gain nothing
        with threadpool_limits(limits=1, user_api="blas"):
            if obs.session is not None and obs.n_obs > self.rows_up_to:
                return lift_by_sums(obs, self.outcome, self.settings)
            fit = fit_lift(obs, self.outcome, self.settings)
            return _assemble(fit)


def _assemble(fit: LiftFit) -> LiftResult:
    """Compute every term, then the rows, the checks and the grade."""
    scale = fit.obs.scale
    if scale is None:
        raise ConfigError("A lift needs a rating with a scale.")
    levels = fit_levels(fit.sample, link=fit.link, is_separated=fit.separation is not None)
    units = LiftUnits.of(fit.obs, fit.outcome)
    terms, unseen = _terms(fit, levels, scale)
    instrument = fit_instrument(fit)
    terms["instrumented_per_rating_point"] = (
        instrument if isinstance(instrument, NotRun) else instrument.quantity
    )
    paths = _paths(fit, levels, scale)
    contrasts = flexible_contrasts(fit, scale)
    if isinstance(contrasts, Contrasts):
        unseen += contrasts.sentences()
    caveats = tuple(dict.fromkeys([*direction(fit), *fit.caveats, *unseen, *levels.caveats]))
    checks = run_checks(fit)
    within = summary_of_within(fit, checks)
    evidence = grade(checks, within=within)
    # an estimate that is passed on alone still says how far it may be believed
    riding = (first_sentence(evidence.text), *caveats)
    by_group = lifts_by_group(fit, units.slope)
    quantities = _quantities(terms, paths, levels, by_group)
    if isinstance(contrasts, Contrasts):
        quantities |= contrasts.quantities
    level = fit.obs.conf_level
    rows = LevelRows(units.level, level, fit.obs.min_group_size, fit.outcome == "retention")
    return LiftResult(
        outcome=fit.outcome,
        units=units,
        terms={
            n: _estimate(q, units.of_term(n), level, (*riding, *beside_term(n, within)))
            for n, q in terms.items()
        },
        per_kpi={p: _estimate(q, units.of_path(p), level, riding) for p, q in paths.items()},
        by_rating=tuple(rows.by_rating(levels)),
        by_band=tuple(rows.by_band(levels, scale)),
        by_group=by_group,
        within=within,
        instrument=instrument,
        experiment=evaluate_experiment(fit),
        plus_one_by_band=_plus_one_by_band(fit, levels, scale, units.slope),
        curve=fit_curve(fit, units.level),
        rollout=evaluate_rollout(fit),
        checks=checks,
        evidence=evidence,
        caveats=(*caveats, *beside(within, by_group)),
        values={name: quantity.value for name, quantity in quantities.items()},
        influence={name: quantity.influence for name, quantity in quantities.items()},
        stated={name: quantity.stated for name, quantity in quantities.items() if quantity.stated},
        flexible_contrasts=contrasts_section(contrasts, units.level, level),
        reliability=reliability_section(terms["reliability_corrected_per_rating_point"], level),
        **_facts(fit),
    )


def beside_term(term: str, within: WithinSummary | None) -> tuple[str, ...]:
    """Say what of the comparison within customers rides on a term."""
    if within is None or within.stands_first == "adjusted":
        return (within.text,) if within and term == "within_customer_per_rating_point" else ()
    # a number that does not stand first says so wherever it goes
    return (within.text,)


def beside(within: WithinSummary | None, by_group: GroupLifts | NotRun) -> list[str]:
    """Say what is known of estimates beside the headline; it does not ride on the headline."""
    said = [] if within is None else [within.text]
    return said + ([] if isinstance(by_group, NotRun) else list(by_group.caveats))


def _plus_one_by_band(
    fit: LiftFit, levels: Levels, scale: Scale, unit: str
) -> tuple[dict[str, Any], ...] | NotRun:
    """Give the step of one rating point by the band in which customers start."""
    if fit.separation is not None:
        return NotRun(SEPARATED)
    return tuple(
        band_step_rows(
            levels,
            scale,
            unit=unit,
            conf_level=fit.obs.conf_level,
            min_group_size=fit.obs.min_group_size,
        )
    )


def _facts(fit: LiftFit) -> dict[str, Any]:
    """Give what of the fit stands in the result as it is."""
    return {
        "not_used": fit.not_used,
        "leaks": fit.leaks,
        "controls": ControlPlan() if fit.headline is None else fit.plan,
        "scale": fit.obs.scale,
        "conf_level": fit.obs.conf_level,
        "n_obs": fit.sample.n_obs,
        "n_customers": fit.sample.n_in_sample,
        "n_events": fit.n_events,
        "n_params": fit.headline.n_params if fit.headline else 0,
        "is_interacted": fit.is_interacted,
        "is_clustered": fit.sample.is_clustered,
        "customers": fit.customers,
        "non_response": non_response(fit),
    }


def _paths(fit: LiftFit, levels: Levels, scale: Scale) -> Found:
    """Give the lift per KPI point along each path of the scale."""
    if fit.headline is None:
        return {path: NotRun(SEPARATED) for path in scale.paths}
    slope, least = fit.headline.slope, fit.obs.min_group_size
    return {path: path_quantity(levels, scale, path, slope, least) for path in scale.paths}


def _terms(fit: LiftFit, levels: Levels, scale: Scale) -> tuple[Found, list[str]]:
    """Give every scalar term of the contract, computed or with the reason why not."""
    separated = NotRun(SEPARATED)
    headline: Quantity | NotRun = fit.headline.slope if fit.headline else separated
    additive: Quantity | NotRun = fit.additive.slope if fit.additive else separated
    plus_one, unseen = levels.plus_one(float(scale.high))
    said = []
    if unseen:
        names = ", ".join(f"{rating:g}" for rating in unseen)
        said.append(f"plus_one_below_top leaves out rating {names}: nobody gave the next one.")
    terms: Found = {
        "per_rating_point": headline,
        "unadjusted_per_rating_point": unadjusted(fit),
        "additive_per_rating_point": additive,
        "weighted_per_rating_point": weighted(fit),
        "unweighted_per_rating_point": unweighted(fit),
        "plus_one_below_top": _or_not_run(plus_one, fit, separated),
        "percent_per_rating_point": percent(fit) if fit.headline else separated,
        "two_part_per_rating_point": (parts := two_part(fit)),
        "within_customer_per_rating_point": within_customer(fit),
        "flexible_per_rating_point": (bending := flexible(fit)),
        "reliability_corrected_per_rating_point": (corrected := reliability_corrected(fit)),
        "winsorised_per_rating_point": winsorised(fit),
    }
    said += [*noise_sentences(corrected, fit.outcome), *flexible_sentences(bending)]
    said += parts.sentences if isinstance(parts, InParts) else []
    return terms, said


def _or_not_run(plus_one: Quantity | None, fit: LiftFit, separated: NotRun) -> Quantity | NotRun:
    if fit.separation is not None:
        return separated
    return plus_one or NotRun("no two adjacent ratings were given")


def _estimate(
    found: Quantity | NotRun, unit: str, conf_level: float, caveats: tuple[str, ...]
) -> Estimate | NotRun:
    if isinstance(found, NotRun):
        return found
    return found.to_estimate(unit, conf_level=conf_level, caveats=caveats)


def _quantities(
    terms: Found, paths: Found, levels: Levels, by_group: GroupLifts | NotRun
) -> dict[str, Quantity]:
    """Name everything that has an influence, for the joint covariance."""
    named: Found = {**terms, **{f"per_kpi_point.{path}": found for path, found in paths.items()}}
    named.update(
        {
            f"by_rating.{rating:g}": mean
            for rating, mean in zip(levels.ratings, levels.means, strict=True)
        }
    )
    if isinstance(by_group, GroupLifts):
        named.update(by_group.quantities)
    return {name: found for name, found in named.items() if isinstance(found, Quantity)}

"""The lift: what one more rating point goes with, with every reason to doubt it tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from threadpoolctl import threadpool_limits

from cxmodel.errors import ConfigError
from cxmodel.models.estimates.answer_noise import check_reliability
from cxmodel.models.experiments.experiment_settings import Experiment
from cxmodel.models.experiments.rollout_settings import Rollout
from cxmodel.models.lift_assembly import assemble
from cxmodel.models.lift_fit import fit_lift
from cxmodel.models.lift_result import LiftResult
from cxmodel.models.lift_settings import DEFAULT_SEED, LiftSettings, Reliability, names
from cxmodel.models.moments.lift_by_sums import lift_by_sums
from cxmodel.models.population import Outcome, has_outcome
from cxmodel.tables.observation_table import Observations

ROWS_UP_TO = 20_000_000


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
            return assemble(fit)

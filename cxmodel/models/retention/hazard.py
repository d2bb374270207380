"""When customers leave, and how the hazard moves with the rating as it changes over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from cxmodel.errors import ConfigError, InsufficientDataError, nearest
from cxmodel.models.off_scale import range_of
from cxmodel.models.retention.features import columns_in, features_of, levels_of
from cxmodel.models.retention.hazard_cells import (
    HazardCells,
    cells_of_observations,
    cells_of_rows,
    cells_of_table,
)
from cxmodel.models.retention.hazard_parts import bands_of, baseline_for, baseline_frame, terms_of
from cxmodel.models.retention.hazard_result import HazardResult
from cxmodel.models.retention.spell_weights import (
    NOT_BY_LIFELINES,
    NOT_ON_ENGINE,
    are_weighted,
    spell_weights,
)
from cxmodel.models.retention.spells import period_in_words, read_spells
from cxmodel.models.study_facts import RATING, StudyFacts
from cxmodel.results import CONF_LEVEL
from cxmodel.stats.hazard import Baseline, fit_hazard
from cxmodel.stats.rates import DAYS_PER_MONTH
from cxmodel.tables.observation_table import Observations

if TYPE_CHECKING:
    from cxmodel.scales import Scale
    from cxmodel.tables.engines.engine import Engine

FloatArray = npt.NDArray[np.float64]
Method = Literal["discrete", "cox", "aft"]

MIN_EVENTS = 10
EVENTS_PER_TERM = 10


@dataclass(frozen=True, kw_only=True)
class HazardModel:
    """The hazard of leaving in a period, with the rating as it changes over time.

    A complementary log-log regression on customer-periods: its coefficients are logarithms of
    hazard ratios, those of Cox's model seen once a period. Equal spells are counted once, so the
    fit is that of the single customer-periods whatever their number.

    Parameters
    ----------
    rating : str, optional
        The column of the rating; None leaves it out.
    controls : sequence of str
        Further columns that explain: numbers, or text by level.
    baseline : {"levels", "spline", "log_time", "linear"}, optional
        How the logarithm of the hazard moves with time. Default: a level for each period while
        there are two events for each, else a spline.
    period_days : float
        How long a period is; a month by default.
    method : {"discrete", "cox", "aft"}
        Cox's regression, and a Weibull model of accelerated time, come from lifelines, which is an
        extra: ``pip install 'cxmodel[survival]'``.
    rows_up_to : int
        Observations on an engine beyond which spells are built and grouped there; errors are then
        clustered by spell.

    See Also
    --------
    RetentionModel.fit_covariates : the same ratio where customers differ in what is not seen.

    Examples
    --------
    >>> import pandas as pd
    >>> spells = pd.DataFrame({
    ...     "rating": [3, 3, 9, 9], "first": [0, 0, 0, 0], "last": [0, 1, 0, 1],
    ...     "left": [True, False, True, False],
    ... }).loc[[0] * 40 + [1] * 60 + [2] * 20 + [3] * 80]
    >>> fit = HazardModel().fit_table(spells, first="first", last="last", event="left")
    >>> round(fit.hazard_ratio_per_rating_point().estimate, 4)  # (ln .8 / ln .6) ** (1 / 6)
    0.8711
    """

    rating: str | None = "rating"
    controls: Sequence[str] | str = ()
    baseline: Baseline | None = None
    period_days: float = DAYS_PER_MONTH
    method: Method = "discrete"
    rows_up_to: int = 20_000_000

    def __post_init__(self) -> None:
        given = self.controls
        object.__setattr__(self, "controls", (given,) if isinstance(given, str) else tuple(given))
        for name, value, known in (
            ("baseline", self.baseline, (None, *get_args(Baseline))),
            ("method", self.method, get_args(Method)),
        ):
            if value not in known:
                said = ", ".join(repr(one) for one in known if one is not None)
                raise ValueError(f"{name} must be one of {said}, not {value!r}.")
        if not self.period_days > 0:
            raise ValueError(f"period_days must be positive, not {self.period_days}.")
        if not self._names:
            raise ValueError(
                "There is nothing to explain the hazard: rating and controls are empty."
            )

    @property
    def _names(self) -> tuple[str, ...]:
        return (*((self.rating,) if self.rating else ()), *self.controls)

    def fit(self, obs: Observations) -> HazardResult:
        """Fit to observations: each answer holds from its date on until the next.

        Where every customer's start is known the clock is tenure and time before the first answer
        is not at risk (delayed entry); otherwise it runs from the first answer. Who had not left by
        the end of the data is censored. Errors are clustered by customer. Where answers were
        weighted for those who did not answer (``response_weight``), the time that an answer holds
        counts by its weight (Cox and accelerated time apart, and where spells are built on an
        engine; both say so).

        Parameters
        ----------
        obs : Observations
            With who left and when.

        Returns
        -------
        HazardResult

        Raises
        ------
        ConfigError
            If a column is not there.
        InsufficientDataError
            If fewer than 10 customers left, or 10 for each term.
        SeparationError
            If a column tells those who left apart without error.
        """
        Observations.check(obs)
        for name in self._names:
            if not obs.has(name) or name.startswith("_"):
                known = ["rating", *obs.attributes, *obs.controls]
                raise ConfigError(
                    f"The observations have no column {name!r}. {nearest(name, known)}"
                )
        if self.method == "discrete" and obs.session and obs.n_obs > self.rows_up_to:
            return self._fit_on_engine(obs)
        rows = read_spells(obs, period_days=self.period_days)
        weights, said = spell_weights(rows.frame)
        if self.method != "discrete" and weights is not None:
            weights, said = None, (NOT_BY_LIFELINES,)
        cells = cells_of_rows(rows, self._names, weights)
        not_used = rows.not_used
        if cells.n_left_out:
            gap = {"stage": "hazard", "reason": "missing_control", "n": cells.n_left_out}
            not_used = (*not_used, gap)
        about = {
            "clock": rows.clock,
            "period": rows.period,
            "not_used": not_used,
            "caveats": (*rows.caveats, *said),
            **self._study_of(obs),
        }
        if self.method != "discrete":
            from cxmodel.models.retention.lifelines_fits import fit_by_lifelines

            return fit_by_lifelines(self.method, obs, rows, self._names, about)
        return self._fit_cells(cells, obs.scale, about, obs.min_group_size)

    def _fit_on_engine(self, obs: Observations) -> HazardResult:
        """Fit to spells that never leave the engine."""
        cells, clock = cells_of_observations(obs, self._names, period_days=self.period_days)
        about = {
            "clock": clock,
            "period": period_in_words(self.period_days),
            "not_used": (),
            "caveats": (
                "Errors are clustered by spell: the rows stayed on their engine.",
                *((NOT_ON_ENGINE,) if are_weighted(obs) else ()),
            ),
            **self._study_of(obs),
        }
        return self._fit_cells(cells, obs.scale, about, obs.min_group_size)

    def _study_of(self, obs: Observations) -> dict[str, Any]:
        """Say what a result keeps of the study; the scale is known of the study's own rating."""
        return {
            "conf_level": obs.conf_level,
            "as_of": obs.as_of,
            "rating_range": range_of(obs.scale) if self.rating == RATING else None,
            "study": StudyFacts.of(obs),
        }

    def fit_table(
        self,
        table: Any,
        *,
        event: str,
        period: str | None = None,
        first: str | None = None,
        last: str | None = None,
        scale: Scale | None = None,
        engine: Engine | None = None,
    ) -> HazardResult:
        """Fit to a table of spells, or of customer-periods, of any size.

        The table is grouped where it lies; only cells come out. Errors are clustered by spell, and
        every row counts once: a column of weights is not read.

        Parameters
        ----------
        table : frame, Ibis table or path of Parquet files
            A row per spell, or per customer-period.
        event : str
            A flag: left in the (last) period.
        period : str, optional
            The period of each row, for customer-periods; whole numbers from 0.
        first, last : str, optional
            Instead: the first and the last period of each spell.
        scale : Scale, optional
            Of the rating; gives hazard ratios by band.
        engine : Engine, optional
            Where to read frames and paths.

        Returns
        -------
        HazardResult

        Raises
        ------
        DataError
            If periods are negative, spells end before they begin, or the event is no flag.
        InsufficientDataError
            If fewer than 10 left, or there are more cells than are a reduction.
        """
        if self.method != "discrete":
            raise ValueError(f'method="{self.method}" needs the rows: fit it to observations.')
        if (period is None) == (first is None or last is None):
            raise ValueError("Name period, or both first and last.")
        ends = (period, period) if period is not None else (first, last)
        with threadpool_limits(limits=1, user_api="blas"):
            cells = cells_of_table(
                table,
                self._names,
                periods=ends,  # type: ignore[arg-type]
                event=event,
                engine=engine,
            )
            gap = f"Rows with a gap are left out: {cells.n_left_out:,}."
            about = {
                "clock": "period 0",
                "period": period_in_words(self.period_days),
                "not_used": (),
                "caveats": (gap,) if cells.n_left_out else (),
                "conf_level": CONF_LEVEL,
                "rating_range": range_of(scale),
            }
            return self._fit_cells(cells, scale, about)

    def _fit_cells(
        self,
        cells: HazardCells,
        scale: Scale | None,
        about: dict[str, Any],
        min_group_size: int = 30,
    ) -> HazardResult:
        features = features_of(cells.frame, self._names)
        levels = levels_of(cells.frame, self._names)
        _refuse_few(cells, len(features))
        baseline = self.baseline or baseline_for(cells)
        spells = cells.spells(features)
        with threadpool_limits(limits=1, user_api="blas"):
            fit = fit_hazard(spells, baseline=baseline)
            reference, bands = bands_of(
                cells,
                scale,
                baseline,
                rating=self.rating,
                controls=tuple(self.controls),
                min_group_size=min_group_size,
            )
        return HazardResult(
            method="discrete",
            terms=terms_of(fit, cells, features),
            bands=bands,
            reference_band=reference,
            baseline=baseline_frame(fit, cells, about["conf_level"]),
            log_likelihood=fit.log_likelihood,
            n_customers=cells.n_customers,
            n_spells=int(cells.counts.sum()),
            n_person_periods=int(cells.counts @ (cells.last - cells.first + 1)),
            n_events=int(cells.counts @ cells.events),
            is_weighted=cells.weights is not None,
            errors="by spell" if cells.clusters is None else "by customer",
            rating=self.rating,
            period_days=self.period_days,
            features=features,
            means=tuple(float(mean) for mean in fit.means),
            levels=levels,
            profile=cells.profile(columns_in(features, levels), min_group_size),
            **about,
        )


def _refuse_few(cells: HazardCells, n_terms: int) -> None:
    spells = cells.counts
    n_events = int(spells @ cells.events)
    n_periods = int(spells @ (cells.last - cells.first + 1))
    if min(n_events, n_periods - n_events) < MIN_EVENTS:
        raise InsufficientDataError(
            f"Hazard: customers left in {n_events:,} of {n_periods:,} customer-periods and stayed "
            f"in {n_periods - n_events:,}; at least {MIN_EVENTS} of each are needed. Bring a "
            "longer history, or check sources.churn and customers.churned_at."
        )
    if n_events < EVENTS_PER_TERM * n_terms:
        raise InsufficientDataError(
            f"Hazard: {n_events:,} customers left for {n_terms} terms; at least {EVENTS_PER_TERM} "
            "a term are needed. Leave controls out, or group rare levels."
        )

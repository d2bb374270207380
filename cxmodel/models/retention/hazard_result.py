"""What a hazard model found: hazard ratios per rating point and by band, and the baseline."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import nearest
from cxmodel.results import CONF_LEVEL, Estimate, NotRun, Result, critical_value
from cxmodel.stats.rates import DAYS_PER_MONTH

if TYPE_CHECKING:
    from cxmodel.models.off_scale import Range
    from cxmodel.models.profile import Profile
    from cxmodel.models.retention.features import Feature
    from cxmodel.models.study_facts import StudyFacts

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class HazardTerm:
    """One coefficient: a logarithm, and the ratio that it stands for."""

    term: str
    log_ratio: float
    std_error: float

    def ratio(
        self, *, unit: str, n_obs: int, conf_level: float, caveats: tuple[str, ...]
    ) -> Estimate:
        """Give the ratio with an interval that is symmetric in the logarithm."""
        half = critical_value(conf_level) * self.std_error
        return Estimate(
            estimate=float(np.exp(self.log_ratio)),
            std_error=float(np.exp(self.log_ratio) * self.std_error),
            conf_low=float(np.exp(self.log_ratio - half)),
            conf_high=float(np.exp(self.log_ratio + half)),
            conf_level=conf_level,
            unit=unit,
            n_obs=n_obs,
            caveats=caveats,
        )


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class HazardResult(Result):
    """How the hazard of leaving moves with the rating, and with time.

    Parameters
    ----------
    method : str
        ``"discrete"`` (complementary log-log), ``"cox"`` or ``"aft"``.
    terms : tuple of HazardTerm
        The rating's slope, then the controls.
    bands : tuple of HazardTerm, or NotRun
        Each band against the lowest, from a fit with bands instead of the slope.
    reference_band : str
        The lowest band.
    baseline : pandas.DataFrame
        A row per period: ``period, at_risk, events, hazard, conf_low, conf_high, survival``, for a
        customer at the mean of everything that explains.
    log_likelihood : float
        At the maximum.
    n_customers : int or None
        Where customers are known.
    n_spells, n_person_periods, n_events : int
        Behind the fit.
    clock, period : str
        From when periods count, and how long one is.
    errors : str
        How they are clustered: ``"by customer"`` or ``"by spell"``.
    period_days : float
        Days in one period.
    features, means : tuple
        The column behind each of `terms`, and what it is counted from; empty where the model
        foretells nothing of single customers.
    levels : dict of tuple of str
        Every level of a column of text that was seen at the fit.
    as_of : date, optional
        The data were complete to the end of this day.
    rating_range : (low, high), optional
        The scale of the rating, where it is known.
    profile : Profile, optional
        How the columns were spread over the spells of the fit.
    is_weighted : bool
        Whether answers count by their response weights. The log-likelihood is then that of the
        weighted answers, scaled to their effective number.
    study : StudyFacts, optional
        What the columns mean; None where the model was fitted to a table of spells.
    """

    method: str
    terms: tuple[HazardTerm, ...]
    bands: tuple[HazardTerm, ...] | NotRun
    reference_band: str
    baseline: pd.DataFrame
    log_likelihood: float
    n_customers: int | None
    n_spells: int
    n_person_periods: int
    n_events: int
    clock: str
    period: str
    errors: str
    is_weighted: bool = False
    ratio_of: str = "hazard"
    rating: str | None = "rating"
    conf_level: float = CONF_LEVEL
    not_used: tuple[dict[str, Any], ...] = ()
    caveats: tuple[str, ...] = ()
    period_days: float = DAYS_PER_MONTH
    features: tuple[Feature, ...] = ()
    means: tuple[float, ...] = ()
    levels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    as_of: dt.date | None = None
    rating_range: Range | None = None
    profile: Profile | None = None
    study: StudyFacts | None = None

    title = "Hazard of leaving"

    def __repr__(self) -> str:
        return (
            f"HazardResult({self.method}: {len(self.terms)} terms; {self.n_events:,} left in "
            f"{self.n_person_periods:,} customer-periods)"
        )

    @property
    def ranges(self) -> dict[str, Range]:
        """The scale of the rating, by its column; what lies outside counts as missing."""
        if self.rating is None or self.rating_range is None:
            return {}
        return {self.rating: self.rating_range}

    def ratio(self, term: str) -> Estimate:
        """Give the ratio of one unit of a term.

        Raises
        ------
        ValueError
            If there is no such term.
        """
        found = [one for one in self.terms if one.term == term]
        if not found:
            known = [one.term for one in self.terms]
            raise ValueError(f"There is no term {term!r}. {nearest(term, known)}")
        what = "rating point" if term == self.rating else term
        return self._estimate(found[0], f"{self.ratio_of} ratio per {what}")

    def hazard_ratio_per_rating_point(self) -> Estimate:
        """Give the hazard of a rating one point higher, as a multiple.

        Raises
        ------
        ValueError
            If the rating is not in the model, or the model is of times and not of hazards.
        """
        if self.rating is None:
            raise ValueError("The rating is not in this model: rating=None.")
        if self.ratio_of != "hazard":
            raise ValueError(
                f'method="{self.method}" gives ratios of time, not of hazards: ask ratio("rating").'
            )
        return self.ratio(self.rating)

    def by_band(self) -> dict[str, Estimate]:
        """Give the hazard of each band as a multiple of the lowest band's.

        Raises
        ------
        ValueError
            If there are no bands, with the reason.
        """
        if isinstance(self.bands, NotRun):
            raise ValueError(f"There are no hazard ratios by band: {self.bands.reason}.")
        return {one.term: self._estimate(one, self._band_unit) for one in self.bands}

    @property
    def _band_unit(self) -> str:
        return f"hazard ratio to {self.reference_band}"

    def _estimate(self, term: HazardTerm, unit: str) -> Estimate:
        return term.ratio(
            unit=unit,
            n_obs=self.n_customers or self.n_spells,
            conf_level=self.conf_level,
            caveats=self.caveats,
        )

    def baseline_survival(self, log_ratio: float = 0.0) -> FloatArray:
        """Give the share still there at the end of each period, at the means or `log_ratio` off."""
        hazard = self.baseline["hazard"].to_numpy(dtype=float)
        return np.asarray(np.cumprod((1 - hazard) ** np.exp(log_ratio)))

    def predict(self, data: Any, n_periods: int | None = None) -> pd.DataFrame:
        """Give each customer's probability of staying through the next periods.

        Parameters
        ----------
        data : pandas.DataFrame
            The columns of the model, and ``period``: how many whole periods the customer has been
            on the clock, 0 for one who has just begun. A level that was not seen counts as the
            reference, and is warned of.
        n_periods : int, optional
            How far to look. Default: a year; of a table already joined its one window.

        Returns
        -------
        pandas.DataFrame
            ``prob_stays``, with ``customer_id`` where it is known. NaN where a value is missing, a
            rating lies outside its scale, or the periods reach beyond those that anybody was seen
            in.

        Raises
        ------
        SchemaError
            If a column is missing or of the wrong kind, or a period is no whole number.
        ValueError
            If `n_periods` is under 1, or the model foretells nothing of single customers.

        Warns
        -----
        CxModelWarning
            Of levels that were not seen at the fit, and of ratings outside their scale, with how
            many rows have them.
        """
        from cxmodel.models.retention.hazard_ahead import predict_staying

        return predict_staying(self, data, n_periods)

    def expression(self, table: Any) -> NoReturn:
        """Refuse: the probability of staying is not linear, and is scored in batches.

        Raises
        ------
        ValueError
            With what to do.
        """
        raise ValueError(
            "The probability of staying is no linear function of its columns, so it is not written "
            "as an expression. Score in batches: cxmodel score MODEL INPUT OUTPUT [--engine URL], "
            "or predict(frame)."
        )

    def save(self, path: str | Path) -> Path:
        """Write the fit as JSON, for ``cxmodel.load_model``; it holds no customer.

        Raises
        ------
        ValueError
            If the model foretells nothing of single customers (``method="aft"`` or ``"cox"``).
        OutputError
            If it cannot be written.
        """
        from cxmodel.models.model_file import write_model_file
        from cxmodel.models.retention.stored_hazard import store_hazard

        return write_model_file(store_hazard(self), path)

    def to_frame(self) -> pd.DataFrame:
        """Give one row a term: the logarithm of the ratio, and the ratio with its interval."""
        rows = [self._row(one, "all") for one in self.terms]
        if not isinstance(self.bands, NotRun):
            rows += [self._row(one, f"band, to {self.reference_band}") for one in self.bands]
        return pd.DataFrame(rows)

    def _row(self, one: HazardTerm, group: str) -> dict[str, Any]:
        half = critical_value(self.conf_level) * one.std_error
        ratio = self._estimate(one, "")
        return {
            "group": group,
            "term": one.term,
            "unit": f"log {self.ratio_of} ratio",
            "estimate": one.log_ratio,
            "std_error": one.std_error,
            "conf_low": one.log_ratio - half,
            "conf_high": one.log_ratio + half,
            "p_value": Estimate.from_std_error(one.log_ratio, one.std_error, unit="").p_value,
            "n_obs": ratio.n_obs,
            "ratio": ratio.estimate,
            "ratio_low": ratio.conf_low,
            "ratio_high": ratio.conf_high,
        }

    def to_section(self) -> dict[str, Any]:
        """Give ``retention.hazard`` of ``results.json``."""
        per_point: Estimate | NotRun = NotRun("the rating is not in the model")
        if self.rating is not None and self.ratio_of == "hazard":
            per_point = self.hazard_ratio_per_rating_point()
        bands: dict[str, Any]
        if isinstance(self.bands, NotRun):
            bands = self.bands.to_dict()
        else:
            bands = {
                "reference": self.reference_band,
                "rows": [{"band": name, **one.to_dict()} for name, one in self.by_band().items()],
            }
        return {
            "status": "ok",
            "reason": None,
            "method": self.method,
            "hazard_ratio_per_rating_point": per_point,
            "by_band": bands,
            "terms": {"rows": [self._row(one, "all") for one in self.terms]},
            "baseline": {"rows": self._baseline_rows()},
            "log_likelihood": self.log_likelihood,
            "n_customers": self.n_customers,
            "n_spells": self.n_spells,
            "n_person_periods": self.n_person_periods,
            "n_events": self.n_events,
            "clock": self.clock,
            "period": self.period,
            "errors": self.errors,
            "weighted": self.is_weighted,
            "caveats": list(self.caveats),
        }

    def _baseline_rows(self) -> list[dict[str, Any]]:
        """Give the baseline without counts: in late periods few are at risk."""
        shown = [name for name in self.baseline if name not in ("at_risk", "events")]
        found: list[dict[str, Any]] = self.baseline[shown].to_dict("records")  # type: ignore[assignment]
        return found

    def plot(self) -> Any:
        """Draw the ratios with their intervals, bands below."""
        from cxmodel.plots.retention import plot_hazard_ratios

        rows = [
            {
                "label": row["term"].replace("_", " "),
                "estimate": row["ratio"],
                "conf_low": row["ratio_low"],
                "conf_high": row["ratio_high"],
            }
            for row in self.to_frame().to_dict("records")
        ]
        return plot_hazard_ratios(rows, label=f"{self.ratio_of.capitalize()} ratio")

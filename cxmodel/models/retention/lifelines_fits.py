"""Cox's regression and accelerated time by lifelines, an extra loaded only when asked for."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cxmodel.errors import ConfigError, ConvergenceError, InsufficientDataError
from cxmodel.models.retention.durations import read_durations
from cxmodel.models.retention.features import design_of, features_of
from cxmodel.models.retention.hazard_result import HazardResult, HazardTerm
from cxmodel.models.retention.spells import SpellRows
from cxmodel.results import NotRun
from cxmodel.tables.observation_table import Observations

_NO_BANDS = NotRun('bands come with method="discrete"')
MIN_EVENTS = 10


def fit_by_lifelines(
    method: str, obs: Observations, rows: SpellRows, names: Sequence[str], about: dict[str, Any]
) -> HazardResult:
    """Fit by lifelines; see `HazardModel`.

    Raises
    ------
    ConfigError
        If lifelines is not installed.
    ConvergenceError
        If lifelines finds no maximum.
    """
    library = _lifelines(method)
    fit = _cox if method == "cox" else _accelerated
    try:
        with warnings.catch_warnings():
            # it warns of its own pandas and numpy calls
            warnings.simplefilter("ignore")
            return fit(library, obs, rows, tuple(names), about)
    except library.exceptions.ConvergenceError as error:
        raise ConvergenceError(
            f'method="{method}" found no maximum. Leave controls out, or take method="discrete".'
        ) from error


def _lifelines(method: str) -> Any:
    try:
        import lifelines
        import lifelines.exceptions
    except ImportError as error:
        raise ConfigError(
            f'method="{method}" needs lifelines, which is not installed: pip install '
            "'cxmodel[survival]'. method=\"discrete\" needs nothing more, and gives the same "
            "hazard ratios to about .003."
        ) from error
    return lifelines


def _cox(
    library: Any, obs: Observations, rows: SpellRows, names: tuple[str, ...], about: dict[str, Any]
) -> HazardResult:
    """Fit Cox's regression on spells as a counting process, ties after Efron."""
    known = rows.frame[list(names)].notna().all(axis=1).to_numpy()
    frame = rows.frame.loc[known]
    features = features_of(frame, names)
    table = pd.DataFrame(design_of(frame, features), columns=[one.name for one in features])
    table["_start"], table["_stop"] = rows.first[known], rows.last[known] + 1
    table["_left"], table["_customer"] = rows.events[known], rows.customer[known]
    _refuse_few(int(table["_left"].sum()), len(features))
    fitter = library.CoxPHFitter()
    fitter.fit(
        table,
        duration_col="_stop",
        event_col="_left",
        entry_col="_start",
        cluster_col="_customer",
        robust=True,
    )
    terms = tuple(
        HazardTerm(
            term=one.name,
            log_ratio=float(fitter.params_[one.name]),
            std_error=float(fitter.standard_errors_[one.name]),
        )
        for one in features
    )
    return HazardResult(
        method="cox",
        terms=terms,
        bands=_NO_BANDS,
        reference_band="",
        baseline=_baseline(fitter, table),
        log_likelihood=float(fitter.log_likelihood_),
        n_customers=int(table["_customer"].nunique()),
        n_spells=len(table),
        n_person_periods=int((table["_stop"] - table["_start"]).sum()),
        n_events=int(table["_left"].sum()),
        errors="by customer",
        rating="rating" if "rating" in names else None,
        **about,
    )


def _baseline(fitter: Any, table: pd.DataFrame) -> pd.DataFrame:
    found = fitter.baseline_hazard_.iloc[:, 0]
    stop = found.index.to_numpy(dtype=float)
    step = found.to_numpy(dtype=float)
    at_risk = [int(((table["_start"] < t) & (table["_stop"] >= t)).sum()) for t in stop]
    lost = [int(((table["_stop"] == t) & table["_left"]).sum()) for t in stop]
    blank = np.full(stop.size, np.nan)
    return pd.DataFrame(
        {
            "period": (stop - 1).astype(int),
            "at_risk": at_risk,
            "events": lost,
            "hazard": -np.expm1(-step),
            "conf_low": blank,
            "conf_high": blank,
            "survival": np.exp(-np.cumsum(step)),
        }
    )


def _accelerated(
    library: Any, obs: Observations, rows: SpellRows, names: tuple[str, ...], about: dict[str, Any]
) -> HazardResult:
    """Fit a Weibull model of accelerated time to each customer's first answer."""
    durations = read_durations(obs, stage="hazard")
    positive = durations.months > 0
    frame = obs.frame.loc[durations.chosen][positive]
    known = frame[list(names)].notna().all(axis=1).to_numpy()
    frame = frame[known]
    features = features_of(frame, names)
    table = pd.DataFrame(design_of(frame, features), columns=[one.name for one in features])
    table["_months"] = durations.months[positive][known]
    table["_left"] = durations.events[positive][known]
    entry = durations.entry_months
    table["_entry"] = 0.0 if entry is None else entry[positive][known]
    _refuse_few(int(table["_left"].sum()), len(features))
    fitter = library.WeibullAFTFitter()
    fitter.fit(table, duration_col="_months", event_col="_left", entry_col="_entry", robust=True)
    terms = tuple(
        HazardTerm(
            term=one.name,
            log_ratio=float(fitter.params_["lambda_", one.name]),
            std_error=float(fitter.standard_errors_["lambda_", one.name]),
        )
        for one in features
    )
    said = "Accelerated time takes each customer's first answer for all time after it."
    about = {**about, "caveats": (*about["caveats"], said)}
    return HazardResult(
        method="aft",
        terms=terms,
        bands=_NO_BANDS,
        reference_band="",
        baseline=pd.DataFrame(columns=["period", "at_risk", "events", "hazard", "survival"]),
        log_likelihood=float(fitter.log_likelihood_),
        n_customers=len(table),
        n_spells=len(table),
        n_person_periods=int(np.ceil(table["_months"]).sum()),
        n_events=int(table["_left"].sum()),
        errors="by customer",
        ratio_of="time",
        rating="rating" if "rating" in names else None,
        **about,
    )


def _refuse_few(n_events: int, n_terms: int) -> None:
    if n_events < MIN_EVENTS * max(n_terms, 1):
        raise InsufficientDataError(
            f"Hazard: {n_events:,} customers left for {n_terms} terms; at least {MIN_EVENTS} a "
            "term are needed. Leave controls out, or group rare levels."
        )

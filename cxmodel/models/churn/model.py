"""Who will leave: a calibrated probability, judged on responses it was not fitted to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import ConfigError, InsufficientDataError, nearest
from cxmodel.models.churn.evaluation import MIN_EVENTS, Splits, split_by_customer, split_by_time
from cxmodel.models.churn.features import (
    Features,
    candidate_columns,
    limits_of,
)
from cxmodel.models.churn.learning import ChurnRows, Method
from cxmodel.models.churn.measuring import FittedChurn, Settings, fit_and_hold_out
from cxmodel.models.churn.remarks import FEW_DUPLICATES, Facts, caveats, equal_rows
from cxmodel.models.churn.result import ChurnResult
from cxmodel.models.churn.stored import learnt_from
from cxmodel.models.leaks import LeakReport, examine_rating, is_suspect
from cxmodel.models.lift_fit import examined_columns
from cxmodel.models.population import exclusions, has_outcome
from cxmodel.models.retention.durations import customer_places
from cxmodel.models.source_leaks import find_all_leaks, source_column_names
from cxmodel.tables.observation_table import Observations

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]

MIN_ROWS_PER_TERM = 10
CONTACT_SHARE = 0.1
_SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, eq=False)
class _Read:
    """What the probability is learnt from, and what was found on the way."""

    rows: ChurnRows
    features: Features
    leaks: LeakReport
    not_used: tuple[dict[str, Any], ...]
    n_duplicates: int


@dataclass(frozen=True, kw_only=True)
class ChurnModel:
    """The probability that a customer leaves within the outcome window.

    It is learnt from responses whose window is over. Those whose window is still open are censored:
    they are counted, count in the retention curve, and are given a probability by `predict`.

    Parameters
    ----------
    method : {"logistic", "gradient_boosting", "auto"}
        How it is learnt; see `ChurnClassifier`. ``"auto"`` takes boosted trees where they beat the
        logistic regression by over one standard error on folds of the training rows, and shows
        the choice.
    controls : str or tuple of str, optional
        Columns to look at beside the ratings. Default: behaviour before the response, attributes,
        and what a joined table offers.
    keep : str or tuple of str
        Columns that the leak alarm would leave out and the user vouches for.
    contact_share : float
        Part of the customers that a retention team can call, over 0 and up to 1.
    n_contacts : int, optional
        Calls that it can make, instead of `contact_share`: of the customers active at the end of
        the data, else of those held out.
    seed : int
        Of folds, redrawn customers and shuffles.

    Examples
    --------
    >>> from cxmodel.models.example import small_observations
    >>> result = ChurnModel().fit(small_observations())
    >>> round(result.base_rate, 2), result.metrics["roc_auc"].estimate > 0.5
    (0.29, True)
    """

    method: Method = "logistic"
    controls: str | tuple[str, ...] | None = None
    keep: str | tuple[str, ...] = ()
    contact_share: float = CONTACT_SHARE
    n_contacts: int | None = None
    seed: int = 20261121

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise ValueError(f"method must be one of {get_args(Method)}, not {self.method!r}.")
        if not 0 < self.contact_share <= 1:
            raise ValueError(f"contact_share must lie in 0-1, not {self.contact_share}.")
        if self.n_contacts is not None and self.n_contacts < 1:
            raise ValueError(f"n_contacts must be 1 or more, not {self.n_contacts}.")

    def fit(self, obs: Observations) -> ChurnResult:
        """Fit to observations, and judge the fit out of sample.

        Parameters
        ----------
        obs : Observations
            With ``churned``.

        Returns
        -------
        ChurnResult

        Raises
        ------
        InsufficientDataError
            If churn is unknown, or there are fewer than 10 leavers or stayers, or fewer than 10
            rows per term.
        ConfigError, LeakageError
            If a named control or a column to keep is missing, or a control is dated after the
            response.
        """
        Observations.check(obs)
        read = self._read(obs)
        splits = self._splits(obs, read.rows)
        settings = Settings(
            method=self.method,
            contact_share=self.contact_share,
            n_contacts=self.n_contacts,
            seed=self.seed,
        )
        fitted = fit_and_hold_out(settings, obs, read.rows, splits)
        return _result(obs, read, fitted)

    def _read(self, obs: Observations) -> _Read:
        """Choose rows and columns, and refuse what nothing can be learnt from."""
        chosen, not_used = _usable(obs)
        frame = obs.frame.loc[chosen]
        happened = frame["churned"].to_numpy(dtype=float)
        _require_events(happened)
        names = candidate_columns(obs, _tuple(self.controls))
        leaks = self._leaks(obs, chosen, happened, names)
        taken = tuple(name for name in names if name not in leaks.left_out)
        customer = customer_places(obs.frame)[0][chosen]
        group, n_duplicates = _groups(obs, frame, customer)
        rows = ChurnRows(frame, happened, group, taken, limits_of(obs, taken))
        features = rows.learn()
        _require_rows(len(happened), features)
        return _Read(rows, features, leaks, tuple(not_used), n_duplicates)

    def _leaks(
        self, obs: Observations, chosen: BoolArray, happened: FloatArray, names: list[str]
    ) -> LeakReport:
        """Examine every column of the source, control or not, but the rating itself."""
        keep = _tuple(self.keep) or ()
        _require_known(obs, keep)
        examined = dict.fromkeys([*names, *examined_columns(obs)])
        columns = [name for name in examined if name != "rating"]
        return find_all_leaks(obs, chosen, happened, columns=columns, keep=keep)

    def _splits(self, obs: Observations, rows: ChurnRows) -> Splits:
        frame, happened, group = rows.frame, rows.happened, rows.group
        if "responded_at" not in frame or frame["responded_at"].isna().any():
            because = "the responses have no date"
            return split_by_customer(happened, group, seed=self.seed, because=because)
        days = frame["responded_at"].astype("datetime64[us]").astype("int64").to_numpy()
        window = obs.windows.gap_days + obs.windows.outcome_days
        found = split_by_time(days / (_SECONDS_PER_DAY * 1e6), happened, window)
        if found is not None:
            return found
        because = (
            f"history is too short to have {MIN_EVENTS} leavers and stayers whose {window} days "
            f"were over, and as many later"
        )
        return split_by_customer(happened, group, seed=self.seed, because=because)


def _result(obs: Observations, read: _Read, fitted: FittedChurn) -> ChurnResult:
    frame, happened = read.rows.frame, read.rows.happened
    separation = _separation(frame, happened)
    not_examined = _not_examined(obs, read.leaks, read.features)
    size = fitted.sample_size()
    facts = Facts(
        obs=obs,
        leaks=read.leaks,
        not_examined=not_examined,
        features=read.features,
        splits=fitted.splits,
        separates=bool(separation and separation["separates"]),
        n_open=sum(r["n"] for r in read.not_used if r["reason"] == "open_window"),
        n_duplicates=read.n_duplicates,
        sample_size=size,
    )
    return ChurnResult(
        **fitted.model_and_measures(),
        learnt_from=learnt_from(obs, frame, fitted.features, fitted.model),
        base_rate=float(happened.mean()),
        n_events=int(happened.sum()),
        n_obs=len(happened),
        leaks=read.leaks,
        not_examined=not_examined,
        separation=separation,
        sample_size=size,
        n_duplicate_rows=read.n_duplicates,
        not_used=read.not_used,
        caveats=caveats(facts),
        window_words=obs.window_words,
    )


def _usable(obs: Observations) -> tuple[BoolArray, list[dict[str, Any]]]:
    """Say which observations the probability is learnt from, and count the others by reason."""
    if not has_outcome(obs, "retention"):
        raise InsufficientDataError(
            "Churn needs to know who left: give sources.churn, customers.churned_at, "
            "subscriptions, revenue, or sources.observations.churned."
        )
    chosen = np.ones(obs.n_obs, dtype=bool)
    not_used: list[dict[str, Any]] = []
    for reason, applies in exclusions(obs, "retention"):
        n = int((applies & chosen).sum())
        chosen &= ~applies
        if n:
            not_used.append({"stage": "churn", "reason": reason, "n": n})
    return chosen, not_used


def _require_events(happened: FloatArray) -> None:
    n_events = int(happened.sum())
    n_stayed = len(happened) - n_events
    if min(n_events, n_stayed) < MIN_EVENTS:
        raise InsufficientDataError(
            f"Churn: {n_events} of {len(happened):,} usable observations end in churn and "
            f"{n_stayed:,} do not; at least {MIN_EVENTS} of each are needed. Widen "
            "windows.outcome_days, or bring a longer history."
        )


def _require_rows(n_obs: int, features: Features) -> None:
    n_terms = len(features.terms) + 1
    if not features.parts:
        raise InsufficientDataError(
            "Churn: there is nothing to predict it from. Give a rating, revenue, attributes or "
            "controls."
        )
    if n_obs < MIN_ROWS_PER_TERM * n_terms:
        raise InsufficientDataError(
            f"Churn: {n_obs:,} usable observations for {n_terms} terms; at least "
            f"{MIN_ROWS_PER_TERM} a term are needed. Name fewer lift.controls."
        )


def _require_known(obs: Observations, keep: Iterable[str]) -> None:
    left_out = {*obs.audit.get("controls_left_out", ()), *source_column_names(obs)}
    for name in keep:
        if name not in obs.frame and name not in left_out:
            public = [str(column) for column in obs.frame.columns]
            raise ConfigError(
                f"keep: there is no column {name!r}. "
                f"{nearest(name, [column for column in public if not column.startswith('_')])}"
            )


def _separation(frame: pd.DataFrame, happened: FloatArray) -> dict[str, Any] | None:
    """Say whether the rating knows the outcome as only a leak would: it is never left out."""
    if "rating" not in frame:
        return None
    rating = frame["rating"].to_numpy(dtype=float)
    known = np.isfinite(rating)
    auc, pure = examine_rating(rating[known], happened[known])
    return {"auc": auc, "pure_share": pure, "separates": is_suspect(auc, pure)}


def _not_examined(obs: Observations, leaks: LeakReport, features: Features) -> tuple[str, ...]:
    """Name the text of too many levels, here or where the table was read."""
    left_out = obs.audit.get("controls_left_out", ())
    return tuple(dict.fromkeys([*features.unusable, *leaks.unexamined, *left_out]))


def _groups(obs: Observations, frame: pd.DataFrame, customer: Rows) -> tuple[Rows, int]:
    """Keep equal rows of a joined table together, and count them; elsewhere customers.

    A table without dates may hold a customer twice under two ids, or without one.
    """
    if not obs.is_joined or len(np.unique(customer)) < len(customer):
        return customer, 0
    codes = equal_rows(frame)
    n_duplicates = len(codes) - len(np.unique(codes))
    if not 0 < n_duplicates <= FEW_DUPLICATES * len(codes):
        return customer, 0
    return codes, n_duplicates


def _tuple(names: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...] | None:
    if names is None:
        return None
    return (names,) if isinstance(names, str) else tuple(names)

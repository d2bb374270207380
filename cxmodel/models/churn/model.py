"""Who will leave: a calibrated probability, judged on responses it was not fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import FitError, InsufficientDataError
from cxmodel.models.churn.evaluation import (
    MIN_EVENTS,
    Splits,
    calibration_rows,
    gain_rows,
    measure,
    split_by_customer,
    split_by_time,
)
from cxmodel.models.churn.features import (
    Features,
    candidate_columns,
    history_caps,
    learn_features,
)
from cxmodel.models.churn.result import ChurnResult
from cxmodel.models.churn.stored import learnt_from
from cxmodel.models.leaks import LeakReport, find_leaks
from cxmodel.models.population import exclusions, has_outcome
from cxmodel.models.retention.durations import customer_places
from cxmodel.results import Estimate, NotRun, critical_value
from cxmodel.stats.glm import fit_logit
from cxmodel.tables.observation_table import Observations

if TYPE_CHECKING:
    from cxmodel.models.churn.classifier import ChurnClassifier

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]
Method = Literal["logistic", "gradient_boosting"]

MIN_ROWS_PER_TERM = 10
_SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, kw_only=True)
class ChurnModel:
    """The probability that a customer leaves within the outcome window.

    It is learnt from responses whose window is over. Those whose window is still open are censored:
    they are counted, count in the retention curve, and are given a probability by `predict`.

    Parameters
    ----------
    method : {"logistic", "gradient_boosting"}
        How it is learnt; see `ChurnClassifier`.
    controls : str or tuple of str, optional
        Columns to look at beside the ratings. Default: behaviour before the response, attributes,
        and what a joined table offers.
    keep : str or tuple of str
        Columns that the leak alarm would leave out and the user vouches for.
    seed : int
        Of folds and redrawn customers.

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
    seed: int = 20261121

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise ValueError(f"method must be one of {get_args(Method)}, not {self.method!r}.")

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
            If a named control is missing, or dated after the response.
        """
        Observations.check(obs)
        chosen, not_used = _usable(obs)
        frame = obs.frame.loc[chosen]
        happened = frame["churned"].to_numpy(dtype=float)
        _require_events(happened)
        names = candidate_columns(obs, _tuple(self.controls))
        leaks = self._leaks(obs, frame, happened, names)
        taken = [name for name in names if name not in leaks.left_out]
        features = learn_features(frame, taken, history_caps(obs, taken))
        _require_rows(len(happened), features)
        customer = customer_places(obs.frame)[0][chosen]
        splits = self._splits(obs, frame, happened, customer)
        tested, prob = self._predict_held_out(frame, happened, customer, features, splits)
        metrics = self._measure(happened, tested, prob, customer, obs.conf_level)
        behaviour = features.without(_ratings(features))
        model = self._fit(features.matrix(frame), happened, customer)
        return ChurnResult(
            model=model,
            learnt_from=learnt_from(obs, frame, features, model),
            features=features,
            method=self.method,
            base_rate=float(happened.mean()),
            n_events=int(happened.sum()),
            n_obs=len(happened),
            metrics=metrics,
            baseline=_baseline(happened, tested, splits),
            metrics_without_rating=self._without_rating(
                frame, happened, customer, behaviour, splits, obs.conf_level
            )
            if len(behaviour.parts) < len(features.parts)
            else NotRun("the model has no rating"),
            leaks=leaks,
            coefficients=_coefficients(features, frame, happened, customer, obs.conf_level),
            evaluation=splits.words,
            gain=gain_rows(happened[tested], prob),
            calibration=calibration_rows(happened[tested], prob),
            not_used=tuple(not_used),
            caveats=_caveats(
                obs,
                leaks,
                features,
                splits,
                separates=_rating_separates(frame, happened),
                not_used=not_used,
            ),
            window_words=obs.window_words,
        )

    def _leaks(
        self, obs: Observations, frame: pd.DataFrame, happened: FloatArray, names: list[str]
    ) -> LeakReport:
        """Examine every column of the source, control or not, but the rating itself."""
        every = dict.fromkeys([*names, *obs.attributes, *obs.controls])
        examined = [name for name in every if name in frame and name != "rating"]
        return find_leaks(frame, happened, columns=examined, keep=_tuple(self.keep) or ())

    def _splits(
        self, obs: Observations, frame: pd.DataFrame, happened: FloatArray, customer: Rows
    ) -> Splits:
        if "responded_at" not in frame or frame["responded_at"].isna().any():
            because = "the responses have no date"
            return split_by_customer(happened, customer, seed=self.seed, because=because)
        days = frame["responded_at"].astype("datetime64[us]").astype("int64").to_numpy()
        window = obs.windows.gap_days + obs.windows.outcome_days
        found = split_by_time(days / (_SECONDS_PER_DAY * 1e6), happened, window)
        if found is not None:
            return found
        because = (
            f"history is too short to have {MIN_EVENTS} leavers and stayers whose {window} days "
            f"were over, and as many later"
        )
        return split_by_customer(happened, customer, seed=self.seed, because=because)

    def _fit(self, matrix: FloatArray, happened: FloatArray, customer: Rows) -> ChurnClassifier:
        from threadpoolctl import threadpool_limits

        from cxmodel.models.churn.classifier import ChurnClassifier

        model = ChurnClassifier(method=self.method, random_state=self.seed)
        repeats = len(np.unique(customer)) < len(customer)
        # on matrices this small threads cost more than they bring, and may change the last digit
        with threadpool_limits(1, user_api="blas"):
            return model.fit(matrix, happened.astype(int), groups=customer if repeats else None)

    def _predict_held_out(
        self,
        frame: pd.DataFrame,
        happened: FloatArray,
        customer: Rows,
        features: Features,
        splits: Splits,
    ) -> tuple[Rows, FloatArray]:
        """Give rows that were held out, each once, and their probabilities."""
        matrix = features.matrix(frame)
        rows, probs = [], []
        for train, test in splits.pairs:
            model = self._fit(matrix[train], happened[train], customer[train])
            rows.append(test)
            probs.append(model.predict_proba(matrix[test])[:, 1])
        return np.concatenate(rows), np.concatenate(probs)

    def _measure(
        self,
        happened: FloatArray,
        tested: Rows,
        prob: FloatArray,
        customer: Rows,
        conf_level: float,
    ) -> dict[str, Estimate | NotRun]:
        return measure(
            happened[tested], prob, customer[tested], seed=self.seed, conf_level=conf_level
        )

    def _without_rating(
        self,
        frame: pd.DataFrame,
        happened: FloatArray,
        customer: Rows,
        behaviour: Features,
        splits: Splits,
        conf_level: float,
    ) -> dict[str, Estimate | NotRun] | NotRun:
        """Judge the same model without its ratings: what behaviour alone knows."""
        if not behaviour.parts:
            return NotRun("the model has nothing but ratings")
        tested, prob = self._predict_held_out(frame, happened, customer, behaviour, splits)
        return self._measure(happened, tested, prob, customer, conf_level)


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


def _rating_separates(frame: pd.DataFrame, happened: FloatArray) -> bool:
    """Say whether the rating knows the outcome as only a leak would: it is never left out."""
    if "rating" not in frame:
        return False
    return bool(find_leaks(frame, happened, columns=["rating"]).leaks)


def _ratings(features: Features) -> list[str]:
    return [part.name for part in features.parts if part.name.startswith("rating")]


def _baseline(happened: FloatArray, tested: Rows, splits: Splits) -> dict[str, Any]:
    """Judge the plainest guess: the training rows' churn rate for everybody."""
    guess = np.concatenate(
        [np.full(len(test), happened[train].mean()) for train, test in splits.pairs]
    ).clip(1e-6, 1 - 1e-6)
    truth = happened[tested]
    return {
        "name": "the churn rate of the training rows for everybody",
        "roc_auc": 0.5,
        "pr_auc": float(truth.mean()),
        "brier": float(((truth - guess) ** 2).mean()),
        "log_loss": float(-(truth * np.log(guess) + (1 - truth) * np.log1p(-guess)).mean()),
    }


def _coefficients(
    features: Features,
    frame: pd.DataFrame,
    happened: FloatArray,
    customer: Rows,
    conf_level: float,
) -> list[dict[str, Any]] | NotRun:
    """Fit a plain logit to all rows: log-odds per unit and per standard deviation."""
    matrix = features.matrix(frame)
    try:
        fit = fit_logit(np.column_stack([np.ones(len(matrix)), matrix]), happened)
    except FitError as error:
        return NotRun(str(error))
    covariance = fit.covariance("HC1", clusters=customer)
    errors = np.sqrt(np.diag(covariance))
    spread = np.append(np.nan, matrix.std(axis=0))
    half = critical_value(conf_level)
    rows = []
    for place, term in enumerate(("intercept", *features.terms)):
        if place in fit.dropped:
            continue
        estimate = Estimate.from_std_error(
            fit.coefficients[place],
            errors[place],
            unit="log-odds of churn per unit",
            n_obs=len(matrix),
            conf_level=conf_level,
        )
        per_sd = estimate.estimate * spread[place]
        rows.append(
            {
                "term": term,
                **estimate.to_dict(),
                "p_value": estimate.p_value,
                "standardised": float(per_sd),
                "standardised_conf_low": float(per_sd - half * errors[place] * spread[place]),
                "standardised_conf_high": float(per_sd + half * errors[place] * spread[place]),
            }
        )
    return rows


def _caveats(
    obs: Observations,
    leaks: LeakReport,
    features: Features,
    splits: Splits,
    *,
    separates: bool,
    not_used: list[dict[str, Any]],
) -> tuple[str, ...]:
    said = [f"The churn model was judged {splits.words}."]
    if separates:
        said.append(
            "The rating separates those who left from those who stayed, so the churn model "
            "restates it rather than foretells: read its figures without the rating."
        )
    if leaks.left_out:
        said.append(
            "Left out of the churn model because they seem to know the outcome: "
            f"{', '.join(leaks.left_out)}."
        )
    if features.unusable:
        said.append(f"Not looked at, text of over 50 levels: {', '.join(features.unusable)}.")
    if obs.attributes_as_of_extract and obs.attributes:
        said.append(
            "Attributes are as of the extract, perhaps after the customer left: "
            f"{', '.join(obs.attributes)}."
        )
    n_open = sum(row["n"] for row in not_used if row["reason"] == "open_window")
    if n_open:
        said.append(
            f"{n_open:,} responses whose {obs.window_words} are not over are censored: they are in "
            "the retention curve, and not among the rows that churn is learnt from."
        )
    return tuple(said)


def _tuple(names: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...] | None:
    if names is None:
        return None
    return (names,) if isinstance(names, str) else tuple(names)

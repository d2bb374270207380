"""A calibrated churn probability, as a scikit-learn estimator."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

FloatArray = npt.NDArray[np.float64]
Method = Literal["logistic", "gradient_boosting"]
Calibration = Literal["auto", "sigmoid", "isotonic", "none"]

METHODS = ("logistic", "gradient_boosting")
CALIBRATIONS = ("auto", "sigmoid", "isotonic", "none")
# Isotonic steps overfit small samples (Niculescu-Mizil & Caruana 2005).
_MIN_ROWS_ISOTONIC = 1_000
_EDGE = 1e-6


class ChurnClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Logistic regression or gradient boosting, calibrated on folds it was not fitted to.

    No class weights and no resampling: they would spoil the probabilities. The scores of held-out
    folds are bent by a sigmoid or by isotonic steps, whichever has the lower log loss on rows that
    neither has seen.

    Parameters
    ----------
    method : {"logistic", "gradient_boosting"}
        Logistic regression on standardised columns with a light ridge, or boosted trees.
    calibration : {"auto", "sigmoid", "isotonic", "none"}
        How scores become probabilities. ``"auto"`` chooses on held-out rows.
    n_folds : int
        Folds that make the held-out scores.
    random_state : int
        Of the folds and the trees.

    Attributes
    ----------
    classes_ : numpy.ndarray, shape (2,)
        The two classes; probabilities come in this order.
    calibration_ : str
        What was taken.

    Examples
    --------
    >>> X = np.linspace(-2, 2, 200)[:, None]
    >>> y = (np.arange(200) * 7919 % 200 < 100 + 45 * X[:, 0]).astype(int)
    >>> model = ChurnClassifier().fit(X, y)
    >>> low, high = model.predict_proba([[-2.0], [2.0]])[:, 1]
    >>> bool(low < 0.3 < 0.7 < high)
    True
    """

    def __init__(
        self,
        method: Method = "logistic",
        calibration: Calibration = "auto",
        n_folds: int = 5,
        random_state: int = 20261121,
    ) -> None:
        self.method = method
        self.calibration = calibration
        self.n_folds = n_folds
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X: Any, y: Any, groups: Any = None) -> ChurnClassifier:  # noqa: N803
        """Fit to rows `X` with outcomes `y` of two classes.

        Parameters
        ----------
        X : array_like, shape (n, k)
            Finite numbers.
        y : array_like, shape (n,)
            Two classes; the later one in sorted order is the event.
        groups : array_like, shape (n,), optional
            What must not be split between folds: customers.

        Raises
        ------
        ValueError
            If a setting is unknown, or `y` does not have two classes.
        """
        self._check_settings()
        X, y = validate_data(self, X, y)  # noqa: N806
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("Classifier can't train when only one class is present.")
        if len(self.classes_) > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is "
                f"{type_of_target(y)}."
            )
        self.model_ = self._base().fit(X, codes)
        self.calibration_, self.calibrator_ = self._calibrate(X, codes, groups)
        return self

    def decision_function(self, X: Any) -> FloatArray:  # noqa: N803
        """Give the log-odds of the event, one a row."""
        event = self.predict_proba(X)[:, 1].clip(_EDGE, 1 - _EDGE)
        return np.asarray(np.log(event) - np.log1p(-event), dtype=float)

    def predict_proba(self, X: Any) -> FloatArray:  # noqa: N803
        """Give the probabilities of both classes, shape (n, 2)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)  # noqa: N806
        event = _calibrated(self.calibrator_, _scores(self.model_, X))
        return np.column_stack([1 - event, event])

    def predict(self, X: Any) -> npt.NDArray[Any]:  # noqa: N803
        """Give the likelier class, one a row."""
        event = self.predict_proba(X)[:, 1]
        return np.asarray(self.classes_[(event > 0.5).astype(int)])

    def _check_settings(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {METHODS}, not {self.method!r}.")
        if self.calibration not in CALIBRATIONS:
            raise ValueError(
                f"calibration must be one of {CALIBRATIONS}, not {self.calibration!r}."
            )
        if self.n_folds < 2:
            raise ValueError(f"n_folds must be 2 or more, not {self.n_folds}.")

    def _base(self) -> Any:
        if self.method == "logistic":
            return make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky"))
        return HistGradientBoostingClassifier(
            learning_rate=0.05,
            max_iter=100,
            max_leaf_nodes=15,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=self.random_state,
        )

    def _calibrate(
        self,
        X: FloatArray,  # noqa: N803
        codes: npt.NDArray[np.intp],
        groups: Any,
    ) -> tuple[str, Any]:
        folds = self._folds(X, codes, groups)
        if self.calibration == "none" or not folds:
            return "none", None
        scores = np.empty(len(codes))
        for train, test in folds:
            scores[test] = _scores(self._base().fit(X[train], codes[train]), X[test])
        chosen = self.calibration
        if chosen == "auto":
            chosen = _choose_calibration(scores, codes, folds)
        return chosen, _fit_calibrator(chosen, scores, codes)

    def _folds(
        self,
        X: FloatArray,  # noqa: N803
        codes: npt.NDArray[np.intp],
        groups: Any,
    ) -> list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
        """Split rows, or groups of rows, into folds in which both classes occur."""
        names = np.arange(len(codes)) if groups is None else np.asarray(groups)
        found = stratified_folds(codes, names, n_folds=self.n_folds, seed=self.random_state)
        both = all(len(np.unique(codes[train])) == 2 for train, _ in found)
        return found if both else []


def stratified_folds(
    codes: npt.NDArray[Any], groups: npt.NDArray[Any], *, n_folds: int, seed: int
) -> list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Deal groups of rows out to folds, those with an event and those without apart.

    Parameters
    ----------
    codes : numpy.ndarray of 0/1, shape (n,)
        The outcome.
    groups : numpy.ndarray, shape (n,)
        Rows of one group stay together.
    n_folds, seed : int
        How many at most, and the seed of the dealing.

    Returns
    -------
    list of (train, test)
        Empty where fewer than two groups have an event, or fewer than two have none.

    Examples
    --------
    >>> folds = stratified_folds(np.array([1, 0, 1, 0]), np.array([1, 2, 3, 4]), n_folds=2, seed=1)
    >>> sorted(np.concatenate([test for _, test in folds]).tolist())
    [0, 1, 2, 3]
    """
    ids, place = np.unique(groups, return_inverse=True)
    has_event = np.bincount(place, weights=codes) > 0
    n_folds = min(n_folds, int(has_event.sum()), int((~has_event).sum()))
    if n_folds < 2:
        return []
    rng = np.random.default_rng(seed)
    fold_of = np.empty(len(ids), dtype=int)
    for stratum in (has_event, ~has_event):
        members = rng.permutation(np.flatnonzero(stratum))
        fold_of[members] = np.arange(len(members)) % n_folds
    fold = fold_of[place]
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(n_folds)]


def _scores(model: Any, X: FloatArray) -> FloatArray:  # noqa: N803
    return np.asarray(model.decision_function(X), dtype=float)


def _choose_calibration(
    scores: FloatArray,
    codes: npt.NDArray[np.intp],
    folds: list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]],
) -> Literal["sigmoid", "isotonic"]:
    """Fit each calibrator to all folds but one, and judge it by its log loss on that one."""
    if len(codes) < _MIN_ROWS_ISOTONIC:
        return "sigmoid"
    losses = {}
    for name in ("sigmoid", "isotonic"):
        probs = np.empty(len(codes))
        for train, test in folds:
            calibrator = _fit_calibrator(name, scores[train], codes[train])
            probs[test] = _calibrated(calibrator, scores[test])
        losses[name] = log_loss(codes, probs.clip(_EDGE, 1 - _EDGE))
    return "isotonic" if losses["isotonic"] < losses["sigmoid"] else "sigmoid"


def _fit_calibrator(name: str, scores: FloatArray, codes: npt.NDArray[np.intp]) -> Any:
    if name == "isotonic":
        return IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(scores, codes)
    # nearly no penalty: a sigmoid has two parameters
    return LogisticRegression(C=1e6, tol=1e-8, max_iter=1_000).fit(scores[:, None], codes)


def _calibrated(calibrator: Any, scores: FloatArray) -> FloatArray:
    if calibrator is None:
        return np.asarray(1 / (1 + np.exp(-scores.clip(-500, 500))), dtype=float)
    if isinstance(calibrator, IsotonicRegression):
        return np.asarray(calibrator.predict(scores), dtype=float)
    return np.asarray(calibrator.predict_proba(scores[:, None])[:, 1], dtype=float)

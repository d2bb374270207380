"""A churn model that was saved: it gives the fitted model's probabilities, without scikit-learn."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.errors import SchemaError
from cxmodel.models.churn.features import Feature, Features
from cxmodel.models.churn.odd_rows import ranges_of, warn_of_odd_rows
from cxmodel.models.churn.profile import SCORE, count_frame, learn_profile
from cxmodel.models.churn.stored_scores import (
    Scores,
    StoredCalibration,
    take_calibration,
    take_scores,
)
from cxmodel.models.drift import ModelDrift, compare
from cxmodel.models.model_file import ModelFile, StoredModel, make_model_file
from cxmodel.models.off_scale import Range
from cxmodel.models.profile import Profile
from cxmodel.models.study_facts import rating_facts
from cxmodel.tables.observation_table import Observations, Windows

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.models.churn.classifier import ChurnClassifier
    from cxmodel.models.churn.result import ChurnResult

Floats = npt.NDArray[np.float64]
KIND = "churn"


@dataclass(frozen=True, eq=False, kw_only=True)
class LearntFrom:
    """What a churn model was fitted to, as far as whoever uses it has to know.

    Parameters
    ----------
    profile : Profile
        The spread of columns and scores.
    windows : Windows
        How far features look back, and the window of the outcome.
    as_of : date, optional
        The data were complete to the end of this day.
    churn_rule, currency : str, optional
    rating : dict, optional
        ``name, scale, low, high`` of the rating in column ``rating``.
    """

    profile: Profile
    windows: Windows
    as_of: dt.date | None
    churn_rule: str | None
    currency: str | None
    rating: dict[str, Any] | None


def learnt_from(
    obs: Observations, frame: pd.DataFrame, features: Features, model: ChurnClassifier
) -> LearntFrom:
    """Describe the rows that a model was fitted to."""
    prob = model.predict_proba(features.matrix(frame))[:, 1]
    return LearntFrom(
        profile=learn_profile(frame, features, prob, min_group_size=obs.min_group_size),
        windows=obs.windows,
        as_of=obs.as_of,
        churn_rule=obs.churn_rule,
        currency=obs.currency,
        rating=rating_facts(obs),
    )


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class StoredChurnModel(StoredModel):
    """A churn model as a file holds it.

    Made by ``ChurnResult.save(path)`` and read by ``cxmodel.load_model(path)``.

    Parameters
    ----------
    features : Features
        What it looks at, and what was learnt of each column.
    scores : Scores
        From the columns to log-odds.
    calibration : StoredCalibration
        From there to a probability.
    profile : Profile
        The spread of columns and scores where it was fitted.
    facts : mapping
        ``method, base_rate, n_obs, n_events, window_words, churn_rule, currency, rating, windows,
        caveats``.
    file : ModelFile
        The file: version, days and digest.
    """

    features: Features
    scores: Scores
    calibration: StoredCalibration
    profile: Profile
    facts: Mapping[str, Any]
    file: ModelFile

    def __repr__(self) -> str:
        return (
            f"StoredChurnModel({self.facts['method']}, {len(self.features.parts)} columns, "
            f"version {self.version}; expires {self.expires_at or 'never'})"
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it looks at."""
        return tuple(part.name for part in self.features.parts)

    @property
    def ranges(self) -> dict[str, Range]:
        """The scale of each column that has one; what lies outside counts as missing."""
        return ranges_of(self.features)

    @property
    def windows(self) -> Windows:
        """The windows that its columns are computed in."""
        return Windows(**self.facts["windows"])

    def prob_of(self, matrix: Floats) -> Floats:
        """Give the probability of each row of a matrix that `features` made."""
        if not len(matrix):
            return np.empty(0)
        return self.calibration.prob(self.scores.scores(matrix))

    def predict(self, data: Any) -> pd.DataFrame:
        """Give each row's probability of leaving within the outcome window.

        Parameters
        ----------
        data : Observations, or a pandas, polars or pyarrow table
            With `columns`. Levels it never saw count as none of those it knows; missing numbers as
            the median of the fit.

        Returns
        -------
        pandas.DataFrame
            ``prob_churn``, with ``customer_id`` and ``responded_at`` where they are known, in the
            order of the rows: what the fitted model gives, to the last bit.

        Raises
        ------
        SchemaError
            If a column is missing, or holds words where it held numbers.

        Warns
        -----
        CxModelWarning
            Of levels that were not seen at the fit, and of ratings outside their scale, which count
            as missing: with how many rows have them.

        Examples
        --------
        >>> import tempfile, cxmodel as cx
        >>> from cxmodel.models.example import small_observations
        >>> obs = small_observations()
        >>> fitted = cx.ChurnModel().fit(obs)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     stored = cx.load_model(fitted.save(f"{folder}/churn.json"))
        >>> bool((stored.predict(obs).prob_churn == fitted.predict(obs).prob_churn).all())
        True
        """
        frame = self._frame(data)
        known = [name for name in ("customer_id", "responded_at") if name in frame]
        found = frame[known].copy()
        found[SCORE] = self.prob_of(self.features.matrix(frame))
        warn_of_odd_rows(self.features, self.profile, frame)
        return found

    def drift(self, data: Any) -> ModelDrift:
        """Compare today's rows with those of the fit: each column, and the probabilities.

        Parameters
        ----------
        data : Observations, or a pandas, polars or pyarrow table
            With `columns`.

        Returns
        -------
        ModelDrift
            A row a column with the population stability index: over 0.1 warns, over 0.25 fails
            (Siddiqi 2006), where chance alone seldom brings so much.

        Raises
        ------
        SchemaError
            If a column is missing.
        InsufficientDataError
            If there are no rows.

        Examples
        --------
        >>> import cxmodel as cx
        >>> from cxmodel.models.example import small_observations
        >>> obs = small_observations()
        >>> stored = store_churn(cx.ChurnModel().fit(obs))
        >>> stored.drift(obs).verdict
        'pass'
        """
        frame = self._frame(data)
        prob = self.prob_of(self.features.matrix(frame))
        return compare(self.profile, count_frame(self.profile, self.features, frame, prob))

    def expression(self, table: ir.Table) -> ir.Table:
        """Write the probability as an Ibis expression, computed where the table lies.

        Parameters
        ----------
        table : ibis table
            With `columns`.

        Returns
        -------
        ibis table
            `table` with ``prob_churn, has_unseen_level, has_filled_value`` added; nothing is
            computed yet. The probability is that of `predict`, but for the last digits.

        Raises
        ------
        SchemaError
            If a column is missing or of the wrong kind.
        ValueError
            If the model is of trees: these are scored in batches.

        Examples
        --------
        >>> import cxmodel as cx, ibis, pyarrow as pa
        >>> from cxmodel.models.example import small_observations
        >>> from cxmodel.tables.engines.engine import rows_of
        >>> obs = small_observations()
        >>> stored = store_churn(cx.ChurnModel().fit(obs))
        >>> rows = pa.Table.from_pandas(obs.to_frame(), preserve_index=False)
        >>> table = ibis.memtable(rows.select(["customer_id", *stored.columns]))
        >>> found = rows_of(stored.expression(table).order_by("customer_id"))
        >>> apart = stored.predict(obs).prob_churn - [row["prob_churn"] for row in found]
        >>> bool(apart.abs().max() < 1e-12)
        True
        """
        from cxmodel.models.churn.expression import scored_table

        return scored_table(self, table)

    def _frame(self, data: Any) -> pd.DataFrame:
        """Take the rows of what was given, under the names of the fit."""
        from cxmodel.tables.opening.frames import to_arrow

        if isinstance(data, Observations):
            return data.frame
        frame = data if isinstance(data, pd.DataFrame) else to_arrow(data, "frame").to_pandas()
        if not frame.columns.is_unique:
            twice = frame.columns[frame.columns.duplicated()][0]
            raise SchemaError(f"The column {str(twice)!r} stands more than once. Rename one.")
        frame = frame.rename(columns=self.public_names(frame.columns))
        # flags are the words true and false, as a study reads them
        flags = {
            part.name: frame[part.name].map({True: "true", False: "false"}).astype(object)
            for part in self.features.parts
            if not part.is_number
            and part.name in frame
            and pd.api.types.is_bool_dtype(frame[part.name])
        }
        return frame.assign(**flags)

    def public_names(self, given: Any) -> dict[str, str]:
        """Say which columns come under their public names: ``monthly_revenue`` and the like."""
        present = {str(name) for name in given}
        return {
            name.lstrip("_"): name
            for name in self.columns
            if name.startswith("_") and name not in present and name.lstrip("_") in present
        }


# -- To the file ---------------------------------------------------------------------------------


def store_churn(result: ChurnResult) -> StoredChurnModel:
    """Take the numbers out of a fitted churn model.

    Raises
    ------
    ValueError
        If it does not say what it was learnt from, or its trees cannot be stored.
    """
    learnt = result.learnt_from
    if learnt is None:
        raise ValueError("This result does not say what it was learnt from, so it cannot be saved.")
    scores = take_scores(result.model.model_, len(result.features.terms))
    calibration = take_calibration(result.model.calibration_, result.model.calibrator_)
    facts = {
        "method": result.method,
        "base_rate": result.base_rate,
        "n_obs": result.n_obs,
        "n_events": result.n_events,
        "window_words": result.window_words,
        "churn_rule": learnt.churn_rule,
        "currency": learnt.currency,
        "rating": learnt.rating,
        "windows": dataclasses.asdict(learnt.windows),
        "caveats": list(result.caveats),
    }
    content = {
        **facts,
        "columns": [_plain_column(part, learnt.profile) for part in result.features.parts],
        "model": scores.to_plain(),
        "calibration": calibration.to_plain(),
        "score_profile": learnt.profile.scores[SCORE].to_plain(),
    }
    return StoredChurnModel(
        features=Features(result.features.parts),
        scores=scores,
        calibration=calibration,
        profile=learnt.profile,
        facts=facts,
        file=make_model_file(KIND, content, created_at=learnt.as_of),
    )


def _plain_column(part: Feature, profile: Profile) -> dict[str, Any]:
    """Write a column, and all that was learnt of it."""
    seen = profile.columns[part.name].to_plain()
    if not part.is_number:
        return {
            "name": part.name,
            "type": "words",
            "levels": list(part.levels),
            "reference": part.reference,
            "profile": seen,
        }
    return {
        "name": part.name,
        "type": "number",
        "fill": part.fill,
        "has_missing": part.has_missing,
        "cap": part.limits.cap if np.isfinite(part.limits.cap) else None,
        "profile": seen,
    }

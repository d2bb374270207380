"""The lift card: what a forecasting job needs of a lift, in one small file.

Reading a card and drawing from it need numpy alone.
"""

from __future__ import annotations

import datetime as dt
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import CxModelWarning, InsufficientDataError
from cxmodel.results import ESTIMATE_FIELDS, TIDY_COLUMNS, Estimate, Result
from cxmodel.stats.normal_draws import draw_normal
from cxmodel.value.card_format import check_card, fingerprint_of, read_card_file
from cxmodel.value.card_frames import numbers_of, with_columns
from cxmodel.value.card_moves import Moves, moves_on_curve, moves_on_line
from cxmodel.value.drift import FEWEST_TO_COMPARE, RatingDrift, rating_drift

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Frame = TypeVar("Frame")
TERM = "per_rating_point"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class LiftCard(Result):
    """A lift to go: values, covariance, range and evidence, without the data behind them.

    Made by a study (``lift_card.json``) and read by `read_lift_card`. It stands wherever a fitted
    lift does, as in ``project_roi``.

    Parameters
    ----------
    content : mapping
        The card as it stands on disk, checked.

    Examples
    --------
    >>> from cxmodel.value.example_card import small_card
    >>> card = small_card()
    >>> card.terms
    ('revenue.per_rating_point', 'retention.per_rating_point')
    >>> card.per_rating_point().estimate
    4.0
    >>> card.sample(1_000, seed=1).shape
    (1000, 2)
    """

    content: Mapping[str, Any] = field(repr=False)

    def __post_init__(self) -> None:
        check_card(self.content, "The lift card")

    # -- what stands on it -----------------------------------------------------------------------

    @property
    def title(self) -> str:
        """The study's title, as a heading."""
        return f"Lift card: {self.content['study'].get('title') or 'study'}"

    @property
    def terms(self) -> tuple[str, ...]:
        """What was estimated, ``outcome.per_rating_point``, in the order of `sample`'s columns."""
        return tuple(self.content["terms"])

    @property
    def coefficients(self) -> Floats:
        """The estimates, (k,)."""
        return np.array(self.content["coefficients"], dtype=float)

    @property
    def covariance(self) -> Floats:
        """Their joint covariance, (k, k): the same customers stand behind all of them."""
        return np.array(self.content["covariance"], dtype=float)

    @property
    def units(self) -> tuple[str, ...]:
        """The unit of each term."""
        return tuple(self.content["units"])

    @property
    def observed_range(self) -> tuple[float, float]:
        """The lowest and the highest rating that was given: beyond them nothing is known."""
        low, high = self.content["observed_range"]
        return float(low), float(high)

    @property
    def caveats(self) -> tuple[str, ...]:  # type: ignore[override]
        """What a reader must know."""
        return tuple(self.content["caveats"])

    @property
    def expires_at(self) -> dt.date | None:
        """The day after which the lift is too old to be used without a second look."""
        return _day(self.content["expires_at"])

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the content."""
        return fingerprint_of(self.content)

    def is_expired(self, at: dt.date | None = None) -> bool:
        """Say whether the card is too old on a day, today by default; without a day, never."""
        return self.expires_at is not None and (at or dt.date.today()) > self.expires_at

    # -- what it is for --------------------------------------------------------------------------

    def per_rating_point(self, outcome: str = "revenue") -> Estimate:
        """Give the lift per rating point with its interval.

        Raises
        ------
        InsufficientDataError
            If the study could not estimate it for this outcome.
        """
        return self._estimate(self._index(outcome))

    def per_kpi_point(self, path: str = "uniform_shift") -> Estimate:
        """Give the lift per KPI point along a path, of the outcome that `curve` has.

        Raises
        ------
        ValueError
            If the scale has no such path.
        InsufficientDataError
            If it was not run; the message is the reason.
        """
        paths = self.content["kpi_paths"]
        if path not in paths:
            raise ValueError(f"Path {path!r} is none of this scale: {', '.join(paths)}.")
        row = paths[path]
        if "estimate" not in row:
            raise InsufficientDataError(f"per_kpi_point[{path!r}] was not run: {row.get('reason')}")
        values = {name: row.get(name) for name in ESTIMATE_FIELDS}
        return Estimate(**{**values, "caveats": self._riding})

    def sample(self, n: int, seed: int) -> Floats:
        """Draw all terms jointly from their normal distribution, (n, terms)."""
        return draw_normal(self.coefficients, self.covariance, n, seed)

    def predict(
        self, frame: Frame, *, outcome: str = "revenue", shape: Literal["line", "curve"] = "line"
    ) -> Frame:
        """Give the change in the outcome for each move from one rating to another.

        Along the line it is the lift per rating point times the move, so its error grows with the
        move. Along the curve it is the difference of the adjusted means at both ratings, with
        straight lines between neighbours: right where the check `linearity` fails, and less sure,
        as each mean has fewer responses.

        The move stops at the edge of the data: what lies beyond the lowest and the highest rating
        that was given counts for nothing, and the row is marked ``extrapolated``.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame or pyarrow.Table
            With columns ``rating_from`` and ``rating_to``, in rating points. Not changed.
        outcome : {"revenue", "retention"}
            Of which lift.
        shape : {"line", "curve"}
            The headline's slope, or the mean at each rating; the curve is of one outcome alone,
            that of the first of `terms`.

        Returns
        -------
        table of the same kind
            With ``estimate, std_error, conf_low, conf_high, unit, extrapolated`` added. The unit is
            per customer and outcome window.

        Raises
        ------
        SchemaError
            If a rating is missing or no number, or a column to add is there already.
        TypeError
            If `frame` is no such table.
        InsufficientDataError
            If the card has no lift of this outcome, or no curve of it.

        Warns
        -----
        CxModelWarning
            If a hundred rows or more start from ratings that are spread unlike the card's.

        Examples
        --------
        >>> import pandas as pd
        >>> from cxmodel.value.example_card import small_card
        >>> moves = pd.DataFrame({"rating_from": [6.0, 8.0], "rating_to": [7.0, 12.0]})
        >>> small_card().predict(moves)[["estimate", "std_error", "extrapolated"]].values.tolist()
        [[4.0, 1.0, False], [8.0, 2.0, True]]
        """
        index = self._index(outcome)
        start, end = numbers_of(frame, "rating_from"), numbers_of(frame, "rating_to")
        if len(start) >= FEWEST_TO_COMPARE:
            self._warn_of_drift(rating_drift(self.content["rating_counts"], start))
        if shape == "line":
            moves = moves_on_line(self.coefficients[index], self.covariance[index, index],
                                  self.observed_range, start, end)  # fmt: skip
        elif shape == "curve":
            moves = self._moves_on_curve(index, start, end)
        else:
            raise ValueError(f"shape must be 'line' or 'curve', not {shape!r}.")
        half = self.content["critical_values"][index] * moves.std_error
        unit = self.units[index].replace(" per rating point", "")
        added: Frame = with_columns(
            frame,
            {
                "estimate": moves.estimate,
                "std_error": moves.std_error,
                "conf_low": moves.estimate - half,
                "conf_high": moves.estimate + half,
                "unit": np.full(len(start), unit),
                "extrapolated": moves.extrapolated,
            },
        )
        return added

    def _moves_on_curve(self, index: int, start: Floats, end: Floats) -> Moves:
        shown = [row for row in self.content["curve"] if row["estimate"] is not None]
        if index or len(shown) < 2:
            raise InsufficientDataError(
                f"The card has no curve of this lift: it has that of {self.terms[0]} at "
                f"{len(shown)} ratings. Take shape='line'."
            )
        return moves_on_curve(
            np.array([row["rating"] for row in shown], dtype=float),
            np.array([row["estimate"] for row in shown], dtype=float),
            np.array(self.content["curve_covariance"], dtype=float),
            start,
            end,
        )

    def drift(self, frame: Any, *, column: str = "rating") -> RatingDrift:
        """Compare the ratings of today's customers with those that the lift was learnt from.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame or pyarrow.Table
            One row per response.
        column : str
            Where the ratings stand.

        Raises
        ------
        SchemaError
            If the column is missing, or a rating in it.
        InsufficientDataError
            If there are no rows.

        Examples
        --------
        >>> import pandas as pd
        >>> from cxmodel.value.example_card import small_card
        >>> small_card().drift(pd.DataFrame({"rating": [0] * 300 + [9] * 100})).verdict
        'fail'
        """
        return rating_drift(self.content["rating_counts"], numbers_of(frame, column))

    # -- as a result -----------------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """Give a row for every estimate on the card."""
        import pandas as pd

        found = [self._estimate(i) for i in range(len(self.terms))]
        rows = [
            {"group": {}, "term": term, "p_value": part.p_value, **part.to_dict()}
            for term, part in zip(self.terms, found, strict=True)
        ]
        rows += [
            {"group": {}, "term": f"per_kpi_point.{path}", **row}
            for path, row in self.content["kpi_paths"].items()
        ]
        rows += [
            {"group": {"rating": row["rating"]}, "term": "curve", **row}
            for row in self.content["curve"]
        ]
        return pd.DataFrame(rows, columns=list(TIDY_COLUMNS))

    def to_section(self) -> dict[str, Any]:
        """Give the card as it stands on disk, fingerprint and all."""
        return {**self.content, "fingerprint": self.fingerprint}

    def to_json(self) -> str:
        """Write ``lift_card.json``: the same card gives the same bytes."""
        return json.dumps(self.to_section(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def __repr__(self) -> str:
        return f"LiftCard({', '.join(self.terms)}; expires {self.expires_at or 'never'})"

    def _index(self, outcome: str) -> int:
        term = f"{outcome}.{TERM}"
        if term not in self.terms:
            raise InsufficientDataError(
                f"The card has no lift of {outcome}. It has: {', '.join(self.terms)}."
            )
        return self.terms.index(term)

    def _estimate(self, index: int) -> Estimate:
        value, error = self.coefficients[index], np.sqrt(self.covariance[index, index])
        half = self.content["critical_values"][index] * error
        return Estimate(
            estimate=float(value),
            std_error=float(error),
            conf_low=float(value - half),
            conf_high=float(value + half),
            conf_level=self.content["conf_level"],
            unit=self.units[index],
            n_obs=self.content["n_obs_of_terms"][index],
            caveats=self._riding,
        )

    @property
    def _riding(self) -> tuple[str, ...]:
        """What every estimate of the card says wherever it goes."""
        head, stop, _ = str(self.content["evidence"].get("text", "")).partition(". ")
        said = [head + "." if stop else head] if head else []
        return tuple(dict.fromkeys([*said, *self.caveats]))

    def _warn_of_drift(self, found: RatingDrift) -> None:
        if found.verdict == "fail":
            warnings.warn(found.text, CxModelWarning, stacklevel=3)


def read_lift_card(path: str | Path, *, at: dt.date | None = None) -> LiftCard:
    """Read a lift card that a study has written; loads nothing but numpy.

    Parameters
    ----------
    path : str or Path
        ``lift_card.json``, or the folder that holds it.
    at : date, optional
        The day for which it must still hold; default: today.

    Raises
    ------
    SourceError
        If the file is missing, no card, of another version, incomplete, or was changed.

    Warns
    -----
    CxModelWarning
        If the card has expired.

    Examples
    --------
    >>> import tempfile
    >>> from cxmodel.value.example_card import small_card
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "lift_card.json")
    ...     _ = path.write_text(small_card().to_json(), encoding="utf-8")
    ...     card = read_lift_card(path, at=dt.date(2026, 9, 1))
    >>> card
    LiftCard(revenue.per_rating_point, retention.per_rating_point; expires 2027-06-30)
    """
    path = Path(path)
    path = path / "lift_card.json" if path.is_dir() else path
    card = LiftCard(content=read_card_file(path))
    if card.is_expired(at):
        warnings.warn(
            f"{path} expired on {card.expires_at}: what a point was worth then need not hold now. "
            "Run the study again.",
            CxModelWarning,
            stacklevel=2,
        )
    return card


def _day(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)

"""Every exception and warning of cxmodel, one tree.

::

    CxModelError                    anything cxmodel raises about data, configuration or a fit
    ├── ConfigError                 a setting is unknown, missing or impossible
    ├── DataError                   the data cannot be what the configuration says
    │   ├── SourceError             a file or table is missing, unreadable, truncated or empty
    │   ├── SchemaError             a column is missing, of the wrong kind, repeated or ambiguous
    │   ├── ScaleError              ratings lie outside their declared scale
    │   ├── JoinError               tables do not meet: no key in common, or rows multiply
    │   ├── LeakageError            something known only after the response is used as a control
    │   └── ValidationError         several of the above, found in one pass
    ├── EngineError                 the engine refused, or went away
    ├── FitError                    a model could not be fitted
    │   ├── InsufficientDataError   too few rows, events or clusters
    │   ├── SeparationError         a predictor separates the outcome: no finite estimate exists
    │   └── ConvergenceError        the optimiser did not reach a maximum
    ├── OutputError                 an output folder or file cannot be written
    └── ReportError                 a notebook, a block or a rendering failed

    CxModelWarning                  everything cxmodel warns about

Bad arguments in Python raise `ValueError` or `TypeError`.
Every message says what is wrong, what was seen, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class CxModelError(Exception):
    """Anything cxmodel raises about data, configuration or a fit."""


class ConfigError(CxModelError):
    """A setting is unknown, missing or impossible."""


class DataError(CxModelError):
    """The data cannot be what the configuration says they are."""


class SourceError(DataError):
    """A file or table is missing, unreadable, truncated or empty."""


class SchemaError(DataError):
    """A column is missing, of the wrong kind, repeated or ambiguous; or rows hold what cannot be.

    Parameters
    ----------
    message : str
        What is wrong, what was seen, what to do.
    row : int, optional
        Where it is rows that are wrong: the place of the first, from 0, and
    n_rows : int
        how many there are. The message is ended with both.
    """

    def __init__(self, message: str, *, row: int | None = None, n_rows: int = 1) -> None:
        self.message, self.row = message, row
        where = "" if row is None else f" In {n_rows:,} row(s), the first is row {row + 1:,}."
        super().__init__(message + where)


class ScaleError(DataError):
    """Ratings lie outside their declared scale."""


class JoinError(DataError):
    """Tables do not meet: no key in common, or rows would multiply."""


class LeakageError(DataError):
    """Something known only after the response is used as a control."""


class ValidationError(DataError):
    """Several breaches, found in one pass over the data.

    Parameters
    ----------
    breaches : iterable of CxModelError
        What was found, in the order in which it is printed.
    """

    def __init__(self, breaches: Iterable[CxModelError]) -> None:
        self.breaches = tuple(breaches)
        super().__init__("\n".join(describe(breach) for breach in self.breaches))


class EngineError(CxModelError):
    """The engine refused, or went away."""


class FitError(CxModelError):
    """A model could not be fitted."""


class InsufficientDataError(FitError):
    """Too few rows, events or clusters for what was asked."""


class SeparationError(FitError):
    """A predictor separates the outcome, so no finite estimate exists."""


class ConvergenceError(FitError):
    """The optimiser did not reach a maximum."""


class OutputError(CxModelError):
    """An output folder or file cannot be written."""


class ReportError(CxModelError):
    """A notebook, a block or a rendering failed."""


class CxModelWarning(UserWarning):
    """Everything cxmodel warns about."""


def describe(error: BaseException) -> str:
    """Write an error as the command line prints it: its name, then its message.

    Examples
    --------
    >>> describe(ConfigError("study.currency is missing."))
    'ConfigError: study.currency is missing.'
    """
    if isinstance(error, ValidationError):
        return str(error)
    return f"{type(error).__name__}: {error}"


MOST_KNOWN = 30


def nearest(name: str, known: Iterable[str]) -> str:
    """Name the nearest known word, as the end of a message, or say what is known.

    Examples
    --------
    >>> nearest("lookback_day", ["lookback_days", "gap_days"])
    "Did you mean 'lookback_days'?"
    """
    known = list(known)
    close = get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    if not known:
        return "Nothing is known here."
    more = f" and {len(known) - MOST_KNOWN} more" if len(known) > MOST_KNOWN else ""
    return f"Known: {', '.join(known[:MOST_KNOWN])}{more}."

"""The form of a lift card on disk: what must stand in it, and how a change to it is found."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from cxmodel.errors import SourceError
from cxmodel.plain_json import FileWords, digest_of, is_number, read_json_table, said

CARD_VERSION = 1
# A card of any study is a few dozen kilobytes: what is larger is something else.
MOST_BYTES = 5_000_000
_MOST_NAMED = 3
NEWER = "Run the study again, or take the card as the study wrote it."
_WORDS = FileWords(
    what="lift card",
    whence="Name the lift_card.json that cxmodel run has written.",
    again=NEWER,
)
_TEXT, _NUMBER, _WHOLE, _LIST, _TABLE = "text", "a number", "a whole number", "a list", "a table"
_REQUIRED: Mapping[str, tuple[str, bool]] = {
    # key: what it must be, and whether null may stand there
    "study": (_TABLE, False),
    "outcome_days": (_NUMBER, True),
    "rating": (_TABLE, False),
    "observed_range": (_LIST, False),
    "terms": (_LIST, False),
    "coefficients": (_LIST, False),
    "covariance": (_LIST, False),
    "units": (_LIST, False),
    "critical_values": (_LIST, False),
    "n_obs_of_terms": (_LIST, False),
    "conf_level": (_NUMBER, False),
    "n_obs": (_WHOLE, False),
    "curve": (_LIST, False),
    "curve_covariance": (_LIST, False),
    "kpi_paths": (_TABLE, False),
    "rating_counts": (_LIST, False),
    "population": (_TEXT, False),
    "n_customers": (_WHOLE, False),
    "evidence": (_TABLE, False),
    "checks": (_LIST, False),
    "created_at": (_TEXT, True),
    "expires_at": (_TEXT, True),
    "caveats": (_LIST, False),
}


def fingerprint_of(card: Mapping[str, Any]) -> str:
    """Give the SHA-256 of a card's content, whatever the order and the layout of its keys.

    It finds a change by accident or by hand. It is no signature: who changes a card on purpose can
    compute it anew.

    Examples
    --------
    >>> fingerprint_of({"a": 1}) == fingerprint_of({"a": 1, "fingerprint": "old"})
    True
    """
    return digest_of(card, without="fingerprint")


def read_card_file(path: Path) -> dict[str, Any]:
    """Read a card and check all of it.

    Raises
    ------
    SourceError
        If the file is missing, no card, of another version, incomplete or changed.
    """
    card = read_json_table(path, _WORDS, most_bytes=MOST_BYTES)
    version = card.get("schema_version")
    if type(version) is not int or version != CARD_VERSION:
        raise SourceError(
            f"{path} has schema_version {version!r}; this cxmodel reads {CARD_VERSION}. "
            "Run the study again."
        )
    check_card(card, str(path))
    if card.get("fingerprint") != fingerprint_of(card):
        raise SourceError(
            f"{path} was changed after it was written: its fingerprint does not fit its content. "
            f"{NEWER}"
        )
    return card


def check_card(card: Mapping[str, Any], where: str) -> None:
    """Check that everything is there, of its kind, finite and of fitting size.

    Raises
    ------
    SourceError
        Naming the first thing that is wrong.
    """
    missing = [name for name in _REQUIRED if name not in card]
    if missing:
        named = ", ".join(missing[:_MOST_NAMED])
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        raise SourceError(f"{where} is no whole lift card: it lacks {named}{more}. {NEWER}")
    for name, (kind, may_be_null) in _REQUIRED.items():
        value = card[name]
        if not (may_be_null and value is None) and not _is(kind, value):
            raise SourceError(f"{where}: {name} must be {kind}, not {said(value)}. {NEWER}")
    for check in (_check_terms, _check_range, _check_rows, _check_covariances, _check_days):
        wrong = check(card)
        if wrong:
            raise SourceError(f"{where}: {wrong} {NEWER}")


def _is(kind: str, value: Any) -> bool:
    if kind == _NUMBER:
        return is_number(value)
    if kind == _WHOLE:
        return is_number(value) and isinstance(value, int) and value >= 0
    return isinstance(value, {_TEXT: str, _LIST: list, _TABLE: dict}[kind])


def _numbers(values: Sequence[Any], n: int) -> bool:
    return len(values) == n and all(is_number(value) for value in values)


def _check_terms(card: Mapping[str, Any]) -> str | None:
    terms, n = card["terms"], len(card["terms"])
    if not n or len(set(map(str, terms))) < n or not all(isinstance(t, str) for t in terms):
        return "terms must be names, at least one and each once."
    for name in ("coefficients", "critical_values", "n_obs_of_terms"):
        if not _numbers(card[name], n):
            return f"{name} must be {n} finite numbers, one for each of terms."
    if len(card["units"]) != n or not all(isinstance(unit, str) for unit in card["units"]):
        return f"units must be {n} texts, one for each of terms."
    if min(card["critical_values"]) <= 0 or not 0 < card["conf_level"] < 1:
        return "conf_level must lie between 0 and 1, and critical_values above 0."
    return None


def _check_covariances(card: Mapping[str, Any]) -> str | None:
    n_shown = sum(row["estimate"] is not None for row in card["curve"])
    for name, n in (("covariance", len(card["terms"])), ("curve_covariance", n_shown)):
        wrong = _wrong_covariance(name, card[name], n)
        if wrong:
            return wrong
    return None


def _wrong_covariance(name: str, rows: list[Any], n: int) -> str | None:
    shaped = len(rows) == n and all(isinstance(row, list) and _numbers(row, n) for row in rows)
    if not shaped:
        return f"{name} must be {n} rows of {n} finite numbers."
    if any(rows[i][i] < 0 for i in range(n)):
        return f"{name} holds a negative variance."
    for i in range(n):
        for j in range(i):
            most = math.sqrt(rows[i][i]) * math.sqrt(rows[j][j]) * (1 + 1e-9)
            if rows[i][j] != rows[j][i] or abs(rows[i][j]) > most:
                return f"{name} must be symmetric, with correlations between -1 and 1."
    return None


def _check_range(card: Mapping[str, Any]) -> str | None:
    ends, rating = card["observed_range"], card["rating"]
    if not _numbers(ends, 2) or ends[0] > ends[1]:
        return "observed_range must be two numbers, the lowest rating and the highest."
    if not isinstance(rating.get("name"), str) or not isinstance(rating.get("scale"), str):
        return "rating must have a name and a scale."
    if not _numbers([rating.get("low"), rating.get("high")], 2) or rating["low"] >= rating["high"]:
        return "rating must have a low and a high end."
    return None


def _check_rows(card: Mapping[str, Any]) -> str | None:
    for row in card["curve"]:
        if not isinstance(row, dict) or not is_number(row.get("rating")) or "estimate" not in row:
            return "every row of curve must have a rating and an estimate."
        if row["estimate"] is not None and not is_number(row["estimate"]):
            return "every estimate of curve must be a number, or null where it is suppressed."
    ratings = [row["rating"] for row in card["curve"]]
    if any(one >= other for one, other in pairwise(ratings)):
        return "the ratings of curve must rise."
    for row in card["rating_counts"]:
        is_row = isinstance(row, dict) and isinstance(row.get("ratings"), list) and row["ratings"]
        if not is_row or not _numbers(row["ratings"], len(row["ratings"])):
            return "every row of rating_counts must list its ratings."
        if not _is(_WHOLE, row.get("n")):
            return "every row of rating_counts must have its count n."
    if not all(isinstance(found, dict) for found in card["kpi_paths"].values()):
        return "every one of kpi_paths must be an estimate, or say why there is none."
    if not all(isinstance(check, dict) for check in card["checks"]):
        return "every one of checks must be a table."
    if not isinstance(card["evidence"].get("grade"), str):
        return "evidence must have a grade."
    if not all(isinstance(caveat, str) for caveat in card["caveats"]):
        return "caveats must be sentences."
    return None


def _check_days(card: Mapping[str, Any]) -> str | None:
    for name in ("created_at", "expires_at"):
        if card[name] is not None:
            try:
                dt.date.fromisoformat(card[name])
            except ValueError:
                return f"{name} must be a day such as 2026-06-30, not {said(card[name])}."
    return None

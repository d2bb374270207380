"""Replications fitted by other code: when they count for the present one.

A fit is slow and most changes of code change no number, so lines are not thrown away unseen: the
first `FIRST` replications of a world, at each shift, are fitted anew by the present code. Where
every number, verdict and grade is the same to the last digit, the lines of the other code are
taken over, and a line of the file says so; otherwise that part of the world starts anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Row = dict[str, Any]
FIRST = 5
"""Replications fitted anew; one of them holds the flexible estimates, of every fifth."""
NUMBERS = ("terms", "checks", "grades")
WORDS = ("not_run", "errors")


def is_same(one: Row, other: Row) -> bool:
    """Say whether two lines hold the same numbers; the words of reasons may differ.

    Examples
    --------
    >>> line = {"terms": {"a": [0.1]}, "checks": {}, "grades": {}, "not_run": {}, "errors": {}}
    >>> is_same(line, {**line, "code": "other"}), is_same(line, {**line, "terms": {"a": [0.2]}})
    (True, False)
    """
    return all(repr(one[part]) == repr(other[part]) for part in NUMBERS) and all(
        one[part].keys() == other[part].keys() for part in WORDS
    )


def counted(lines: Iterable[Row], code: str) -> list[Row]:
    """Give the replications that count for `code`: its own, and those it has taken over.

    Parameters
    ----------
    lines : iterable of dict
        Replications, and what `notice` wrote, in the order of the file.
    code : str
        The present fingerprint.

    Returns
    -------
    list of dict
        One for each shift and seed, in that order; its own go first.
    """
    lines = list(lines)
    accepted = {
        (line["takes_over"], line["shift"])
        for line in lines
        if line["code"] == code and "takes_over" in line
    }
    found = {}
    for line in lines:
        if "takes_over" in line:
            continue
        key = line["shift"], line["seed"]
        is_own = line["code"] == code
        if is_own or ((line["code"], line["shift"]) in accepted and key not in found):
            found[key] = line
    return [found[key] for key in sorted(found)]


def notice(other: str, code: str, world: str, shift: int) -> Row:
    """Say in a line that `code` takes over what `other` fitted."""
    return {"world": world, "shift": shift, "takes_over": other, "code": code}


def candidates(
    lines: Sequence[Row], code: str, shift: int, seeds: Sequence[int]
) -> dict[str, dict[int, Row]]:
    """Give, for each other code not yet taken over, its lines of all the first seeds."""
    taken = {
        line["takes_over"]
        for line in lines
        if line["code"] == code and line["shift"] == shift and "takes_over" in line
    }
    by_code: dict[str, dict[int, Row]] = {}
    for line in lines:
        if "takes_over" in line or line["shift"] != shift or line["code"] in {code, *taken}:
            continue
        by_code.setdefault(line["code"], {})[line["seed"]] = line
    return {other: rows for other, rows in by_code.items() if set(seeds) <= set(rows)}


def same_codes(
    of_others: Mapping[str, Mapping[int, Row]],
    seeds: Sequence[int],
    fit: Callable[[int], Row],
) -> list[str]:
    """List the codes whose lines of the first seeds hold what the present code fits.

    Parameters
    ----------
    of_others : mapping of code to mapping of seed to line
        From `candidates`.
    fit : callable (seed) -> line
        Fits a replication by the present code.
    """
    left = dict(of_others)
    for seed in seeds:
        if not left:
            break
        now = fit(seed)
        left = {other: rows for other, rows in left.items() if is_same(rows[seed], now)}
    return list(left)

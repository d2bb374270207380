"""The checks: what was tested, and what it found."""

from __future__ import annotations

from typing import Any

from cxmodel.report import words
from cxmodel.report.amounts import in_symbols
from cxmodel.report.blocks import Block, Bullets, Column, Heading, Table, Words, strong
from cxmodel.report.reading import Results, rows

_ORDER = ("fail", "warn", "pass", "not_run")
_VERDICTS = {"pass": "passed", "warn": "warned", "fail": "failed", "not_run": "not run"}
_TONES = {"pass": "good", "warn": "warn", "fail": "bad", "not_run": "neutral"}
_NAMES = {
    "placebo_before": "Placebo before",
    "unobserved_confounding": "Hidden causes",
    "non_response": "Non-response",
    "shuffled_rating": "Shuffled rating",
    "leave_one_group_out": "Leave one group out",
    "repeat_customers": "Repeat customers",
    "sample_size": "Sample size",
    "join": "Join",
    "leakage": "Leakage",
}


LATER_TEXT = "Not part of this version of cxmodel."


def check_name(row: dict[str, Any]) -> str:
    """Name a check and the outcome it is about.

    Examples
    --------
    >>> check_name({"name": "timing", "outcome": "retention"})
    'Timing (retention)'
    """
    key = str(row.get("name"))
    name = _NAMES.get(key, words.sentence(words.name(key)))
    return f"{name} ({row['outcome']})" if row.get("outcome") else name


def readable(text: str) -> str:
    """Write a check's own text as the rest of the report is written: names, money, minus signs.

    Examples
    --------
    >>> readable("unobserved_confounding and overlap were not run")
    'hidden causes and overlap were not run'
    """
    for key, name in _NAMES.items():
        if "_" in key:
            text = text.replace(key, name.lower())
    return in_symbols(text)


def check_counts(found: list[dict[str, Any]]) -> dict[str, int]:
    """Count checks by verdict."""
    return {v: sum(row.get("verdict") == v for row in found) for v in _ORDER}


def checks_section(results: Results) -> list[Block]:
    """Give every check with its verdict and what it found, the worst first."""
    found = rows(results, "checks")
    if not found:
        return []
    found.sort(key=lambda row: _place(str(row.get("verdict"))))
    done = [row for row in found if row.get("verdict") != "not_run"]
    return [
        Heading(text=_headline(check_counts(found)), topic="Checks"),
        *([_table(done)] if done else []),
        *_not_run([row for row in found if row.get("verdict") == "not_run"]),
    ]


def _table(found: list[dict[str, Any]]) -> Table:
    return Table(
        caption="Checks of the lift and of the data behind it, the worst first.",
        columns=[
            Column(key="name", label="Check"),
            Column(key="verdict", label="Verdict"),
            Column(key="text", label="What it says", wide=True),
        ],
        rows=[_row(row) for row in found],
        marked="verdict",
        note=(
            "A check can find fault with a number; that it found none does not prove the "
            "number. A failed check lowers the evidence grade, it never hides the number."
        ),
    )


def _not_run(found: list[dict[str, Any]]) -> list[Block]:
    """List the checks that were not run, those with one reason together."""
    if not found:
        return []
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in found:
        text = str(row.get("text") or "No reason is given.")
        text = LATER_TEXT if words.is_of_later_version(text) else text
        grouped.setdefault(text, []).append(row)
    items: list[Words] = [
        [strong(f"{_names(same)}. "), readable(text)] for text, same in grouped.items()
    ]
    return [Heading(text="Checks that were not run", level=2), Bullets(items=items)]


def _names(found: list[dict[str, Any]]) -> str:
    """Name checks, and once the outcomes that they share.

    Examples
    --------
    >>> _names([{"name": "overlap", "outcome": "revenue"}, {"name": "overlap", "outcome": "churn"}])
    'Overlap (revenue and churn)'
    """
    outcomes: dict[str, list[str]] = {}
    for row in found:
        key = check_name({"name": row.get("name")})
        outcomes.setdefault(key, []).extend([str(row["outcome"])] if row.get("outcome") else [])
    if len({tuple(of) for of in outcomes.values()}) == 1:
        shared = words.listing(next(iter(outcomes.values())))
        names = words.listing([name if i == 0 else name.lower() for i, name in enumerate(outcomes)])
        return f"{names} ({shared})" if shared else names
    return words.listing(
        [f"{name} ({words.listing(of)})" if of else name for name, of in outcomes.items()]
    )


def _row(row: dict[str, Any]) -> dict[str, Any]:
    verdict = str(row.get("verdict"))
    return {
        "name": check_name(row),
        "verdict": _VERDICTS.get(verdict, verdict),
        "text": readable(str(row.get("text") or "")),
        "_tone": _TONES.get(verdict, "neutral"),
    }


def _place(verdict: str) -> int:
    return _ORDER.index(verdict) if verdict in _ORDER else len(_ORDER)


def _headline(counts: dict[str, int]) -> str:
    """Say the worst first.

    Examples
    --------
    >>> _headline({"fail": 0, "warn": 1, "pass": 5, "not_run": 2})
    'No check failed, 1 warned, and 2 could not be run'
    """
    failed, warned, missing = counts["fail"], counts["warn"], counts["not_run"]
    if not failed and not warned and not missing:
        return f"All {words.plural(counts['pass'], 'check')} passed"
    head = f"{words.plural(failed, 'check')} failed" if failed else "No check failed"
    middle = f"{warned} warned" if warned else ""
    rest = f"{missing} could not be run" if missing else ""
    if middle and rest:
        return f"{head}, {middle}, and {rest}"
    return f"{head}{' and ' if middle or rest else ''}{middle or rest}"

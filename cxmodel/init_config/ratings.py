"""Find the columns that are answers to a question, and guess their scale."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cxmodel.init_config import words as w
from cxmodel.init_config.profile import Column, Table
from cxmodel.init_config.words import (
    ANSWER,
    EFFORT_WORDS,
    NO_ANSWER,
    NOT_A_RATING,
    NPS_WORDS,
    OVERALL_WORDS,
    QUESTION,
    RATING,
    SCORE,
    Sureness,
    in_order,
    words,
)

Declaration = tuple[dict[str, Any], str]
"""Keys of a rating besides its column, and when they are right."""

_BATTERY = 4
_RESERVED = ("response_rate", "late_rate", "first_contact_resolution", "handle_time")


@dataclass(frozen=True, kw_only=True)
class Rating:
    """One question: its key, its column and the declarations that its scale may have.

    Where there is more than one declaration nobody can guess which is right: each has words that
    say when it is. ``question`` says what is to be decided.
    """

    key: str
    column: str
    sureness: Sureness
    declarations: tuple[Declaration, ...]
    question: str = ""
    is_touchpoint: bool = False


def find_ratings(table: Table) -> list[Rating]:
    """List the questions of a table, the likeliest first, then batteries of like questions.

    Parameters
    ----------
    table : Table
        The table.
    """
    named = [c for c in table.columns if _is_named_rating(c) and (_in_scale(c) or _is_worded(c))]
    battery = [c for c in _battery(table) if not (c in named and words(c.name) & OVERALL_WORDS)]
    named = [c for c in named if c not in battery]
    keys: list[str] = []
    found = []
    # one questionnaire, one scale: a 0 in one of its questions is possible in all of them
    battery_low = min((c.low for c in battery if c.low is not None), default=None)
    battery = [replace(c, low=battery_low) for c in battery]
    for column in sorted(named, key=_rank) + battery:
        key = _key(column.name, keys)
        keys.append(key)
        found.append(_rating(column, key, is_touchpoint=column in battery))
    return found


def find_unnamed_ratings(table: Table, taken: Collection[str]) -> list[Rating]:
    """List columns whose values, but not whose names, look like answers: each to be decided.

    Parameters
    ----------
    table : Table
        The table.
    taken : collection of str
        Columns that are something else, such as the customer.
    """
    if not _may_hold_answers(table):
        return []
    keys: list[str] = []
    found = []
    for column in table.columns:
        is_free = column.name not in taken and not words(column.name) & (NOT_A_RATING | NO_ANSWER)
        if not (is_free and _in_scale(column) and (column.high or 0) <= 10):
            continue
        key = _key(column.name, keys)
        keys.append(key)
        _, declarations = _scale(column, is_touchpoint=False)
        question = "a guess; is it an answer, and on which scale?"
        found.append(
            Rating(
                key=key,
                column=column.name,
                sureness="a guess",
                question=question,
                declarations=tuple(declarations),
            )
        )
    return found


def _may_hold_answers(table: Table) -> bool:
    """Say whether a table without a named question can be a survey: nothing else claims it."""
    if words(table.label) & w.SURVEY_WORDS:
        return True
    others = w.CUSTOMER_WORDS | w.LEDGER_WORDS | w.TICKET_WORDS | w.SUBSCRIPTION_WORDS
    is_other = words(table.label) & (others | w.INVITATION_WORDS | w.CHURN)
    has_amount = any(words(column.name) & w.AMOUNT for column in table.of_kind("number"))
    has_flag = any(column.is_flag for column in table.columns)
    return not (is_other or has_amount or has_flag)


def _is_named_rating(column: Column) -> bool:
    found = words(column.name)
    if found & NOT_A_RATING:
        return False
    if found & RATING or (column.kind == "number" and found & SCORE):
        return True
    return column.kind == "number" and _is_answer(column)


def _is_answer(column: Column) -> bool:
    """Say whether a name such as how_likely or q1 hints at a question without saying which."""
    return bool(words(column.name) & ANSWER or QUESTION.fullmatch(column.name))


def _in_scale(column: Column) -> bool:
    if column.kind != "number" or not column.is_whole or column.low is None or column.high is None:
        return False
    return column.low >= 0 and 2 <= column.high <= 11 and 3 <= column.n_distinct <= 12


def _is_worded(column: Column) -> bool:
    return column.kind == "text" and 2 <= column.n_distinct <= 7 and not column.is_flag


def _battery(table: Table) -> list[Column]:
    """Find questions by their likeness: several columns on one short scale."""
    alike: dict[float, list[Column]] = {}
    for column in table.columns:
        is_scale = _in_scale(column) and column.high in (5, 7, 10) and column.n_distinct >= 5
        if is_scale and column.high is not None:
            alike.setdefault(column.high, []).append(column)
    largest = max(alike.values(), key=len, default=[])
    return largest if len(largest) >= _BATTERY else []


def _rank(column: Column) -> tuple[bool, bool]:
    return not words(column.name) & NPS_WORDS, not words(column.name) & OVERALL_WORDS


def _key(name: str, taken: Sequence[str]) -> str:
    """Make a short key of a name: ``nps`` where it says so, else its words."""
    found = words(name)
    short = next((word for word in ("nps", "csat", "ces") if word in found), None)
    base = short or re.sub(r"\W+", "_", name.lower()).strip("_") or "rating"
    base = base if base.replace("-", "_").isidentifier() else f"r_{base}"
    base = f"{base}_rating" if base in _RESERVED else base
    names = [base, *(f"{base}_{number}" for number in range(2, len(taken) + 3))]
    return next(each for each in names if each not in taken)


def _rating(column: Column, key: str, *, is_touchpoint: bool) -> Rating:
    is_vague = is_touchpoint or not words(column.name) & (RATING | SCORE)
    sureness: Sureness = "a guess" if is_vague else "likely"
    question, declarations = _scale(column, is_touchpoint=is_touchpoint)
    if words(column.name) & {"nps", "csat"} and not question:
        sureness = "sure"
    return Rating(
        key=key,
        column=column.name,
        sureness=sureness,
        question=question,
        declarations=tuple(declarations),
        is_touchpoint=is_touchpoint,
    )


def _scale(column: Column, *, is_touchpoint: bool) -> tuple[str, list[Declaration]]:
    """Give the question that only the owner can answer, if any, and the possible declarations."""
    if column.kind == "text":
        return _worded_scale(column)
    low, high = int(column.low or 0), int(column.high or 0)
    found = words(column.name)
    if found & NPS_WORDS and high <= 10:
        return "", [({"scale": "nps"}, "")]
    if "likely" in found and 7 < high <= 10:
        return "", [({"scale": "nps"}, "if it asks how likely they are to recommend")]
    if found & EFFORT_WORDS and not is_touchpoint:
        return _effort_scale(low, high)
    if low == 0 and high in (5, 7):
        return _zero_question(high)
    if high > 10:
        own = {"low": low, "high": high, "top_box": high - 1, "higher_is_better": True}
        return f"the answers run {low}-{high}: which scale is this?", [(own, "")]
    if high > 7:
        own = {"low": min(low, 1), "high": 10, "top_box": 9, "higher_is_better": True}
        return "which scale is this?", [
            ({"scale": "nps"}, "if it asks how likely they are to recommend"),
            (own, "if it asks how satisfied they are; top_box is the first rating that counts"),
        ]
    return "", [({"scale": "csat5" if high <= 5 else "csat7"}, "")]


def _effort_scale(low: int, high: int) -> tuple[str, list[Declaration]]:
    top = 7 if high > 5 else 5
    bottom = min(low, 1)
    easy = {"low": bottom, "high": top, "top_box": top - (2 if top == 7 else 1)}
    hard = {"low": bottom, "high": top, "top_box": bottom + (2 if top == 7 else 1)}
    is_ces7 = top == 7 and bottom == 1
    high_is_easy = {"scale": "ces7"} if is_ces7 else {**easy, "higher_is_better": True}
    return "does a high answer mean easy, or hard?", [
        (high_is_easy, "if high is easy"),
        ({**hard, "higher_is_better": False}, "if high is hard"),
    ]


def _zero_question(high: int) -> tuple[str, list[Declaration]]:
    own = {"low": 0, "high": high, "top_box": high - 1, "higher_is_better": True}
    return "is 0 an answer, or does it mean 'not applicable'?", [
        ({"scale": f"csat{high}", "not_applicable": [0]}, "if 0 means not applicable"),
        (own, "if 0 is an answer"),
    ]


def _worded_scale(column: Column) -> tuple[str, list[Declaration]]:
    ordered = in_order(column.levels)
    if ordered is not None:
        return "", [({"levels": list(ordered)}, "worst first")]
    listed = sorted(column.levels)
    return "in which order, worst first?", [({"levels": listed}, "put them in order, worst first")]

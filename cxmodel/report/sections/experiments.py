"""Experiments, instruments and roll-outs: what was moved by lot, or as if, and what came of it."""

from __future__ import annotations

from typing import Any

from cxmodel.report import amounts, words
from cxmodel.report.blocks import Block, Callout, Column, Table, Text, Words, strong
from cxmodel.report.reading import Results, as_estimate, part, rows
from cxmodel.report.sections import common
from cxmodel.results import Estimate


def experiment_blocks(results: Results, outcome: str) -> list[Block]:
    """Give what a declared arm, an instrument and a roll-out say of one outcome."""
    return [
        *_arms(results, outcome),
        *_instrument(results, outcome),
        *_rollout(results, outcome),
    ]


def _arms(results: Results, outcome: str) -> list[Block]:
    found = part(results, f"lift.{outcome}.experiment")
    if found is None:
        return []
    arms = rows(results, f"lift.{outcome}.experiment.arms")
    shown = [row for row in arms if not row["suppressed"]]
    complier = as_estimate(found["complier_per_rating_point"])
    is_lot = found["evidence"]["grade"] == "experiment"
    said = [] if complier is None else [_complier(results, found, complier)]
    points = ", percentage points" if outcome == "retention" else ""
    return [
        Table(
            caption=f"What each arm of {words.shortened(str(found['arm']))} did, against "
            f"{words.shortened(str(found['control']))}: on {outcome} per customer and on the "
            "rating, given what was known before.",
            columns=[
                Column(key="arm", label="Arm"),
                Column(key="outcome", label=f"On {outcome}{points}", align="right"),
                Column(key="outcome_interval", label=f"Interval, {outcome}", align="right"),
                Column(key="rating", label="On the rating", align="right"),
                Column(key="rating_interval", label="Interval, rating", align="right"),
                Column(key="n", label="Customers", align="right"),
            ],
            rows=[_arm_row(row) for row in shown],
            note=_prose([*([_graded(found["evidence"])] if is_lot else []), *found["caveats"]]),
        ),
        *([] if is_lot else [_warning("The lot did not go as planned", found["evidence"]["text"])]),
        *said,
    ]


def _arm_row(row: dict[str, Any]) -> dict[str, Any]:
    on_outcome, on_rating = as_estimate(row["outcome_effect"]), as_estimate(row["rating_effect"])
    return {
        "arm": row["arm"],
        "outcome": _value(on_outcome),
        "outcome_interval": "" if on_outcome is None else _interval(on_outcome),
        "rating": "" if on_rating is None else words.number(on_rating.estimate, 2),
        "rating_interval": _ends(on_rating),
        "n": words.count(row["n_customers"]),
    }


def _complier(results: Results, found: dict[str, Any], complier: Estimate) -> Text:
    is_lot = found["evidence"]["grade"] == "experiment"
    grade = _graded(found["complier_evidence"])
    said = grade if is_lot else "The warning above holds for it too."
    text: Words = [
        strong("The lift from the arm: "),
        f"{_with_interval(complier)} per {common.rating_point(results)}. {said}",
    ]
    return Text(words=text)


def _graded(evidence: dict[str, Any]) -> str:
    return f"Evidence grade: {common.GRADE_NAMES[evidence['grade']]}. {evidence['text']}"


def _instrument(results: Results, outcome: str) -> list[Block]:
    found = part(results, f"lift.{outcome}.instrument")
    lift = as_estimate(part(results, f"lift.{outcome}.instrumented_per_rating_point"))
    if found is None or lift is None:
        return []
    name = "the agent" if found["instrument"] == "agent_mean" else str(found["instrument"])
    # results of before had no evidence of their own here; it was an association all the same
    grade = part(results, f"lift.{outcome}.instrument.evidence.grade") or "association"
    return [
        Text(
            words=[
                strong(f"The lift of {outcome} from {words.shortened(name)} as an instrument: "),
                f"{_with_interval(lift)} per {common.rating_point(results)}. "
                f"{_prose(found['caveats'])} Evidence grade: {common.GRADE_NAMES[grade]}. "
                f"To be believed: {words.lower_first(found['must_be_believed'])}",
            ]
        )
    ]


def _rollout(results: Results, outcome: str) -> list[Block]:
    found = part(results, f"lift.{outcome}.rollout")
    if found is None:
        return []
    effects = [
        (name, as_estimate(part(results, f"lift.{outcome}.rollout.{key}.effect")))
        for name, key in ((outcome, "outcome"), ("the rating", "rating"))
    ]
    known = [f"on {name} {_with_interval(effect)}" for name, effect in effects if effect]
    if not known:
        return []
    return [
        Text(
            words=[
                strong(f"What the roll-out by {words.shortened(str(found['group']))} did: "),
                f"{words.listing(known)}, compared with groups that had not begun. "
                f"{_prose(found['caveats'])} To be believed: "
                f"{words.lower_first(found['must_be_believed'])}",
            ]
        )
    ]


def _value(found: Estimate | None) -> str:
    if found is None:
        return ""
    if _is_probability(found):
        return words.number(100 * found.estimate, 1)
    return words.short(words.quantity(found.estimate, found.unit))


def _is_probability(found: Estimate) -> bool:
    """Say whether it is a difference of probabilities, which is said in percentage points."""
    return found.unit.startswith("probability")


def _interval(found: Estimate) -> str:
    if not _is_probability(found) or found.conf_low is None or found.conf_high is None:
        return words.short(words.interval(found))
    return f"{words.number(100 * found.conf_low, 1)} to {words.number(100 * found.conf_high, 1)}"


def _with_interval(found: Estimate) -> str:
    if found.unit == "rating points":
        return f"{words.number(found.estimate, 2)} rating points ({_ends(found)})"
    points = " percentage points" if _is_probability(found) else ""
    return f"{_value(found)}{points} ({words.level(found)} interval {_interval(found)})"


def _ends(found: Estimate | None) -> str:
    if found is None or found.conf_low is None or found.conf_high is None:
        return ""
    return f"{words.number(found.conf_low, 2)} to {words.number(found.conf_high, 2)}"


def _prose(sentences: list[str]) -> str:
    return amounts.in_symbols(" ".join(sentences))


def _warning(title: str, text: str) -> Callout:
    return Callout(title=title, words=text, tone="warn")

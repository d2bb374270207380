"""The decision that the evidence supports: approve, decline, hold, or none."""

from __future__ import annotations

from typing import Any

from cxmodel.report import words
from cxmodel.report.blocks import Block, Callout, Words, strong
from cxmodel.report.reading import Results, as_estimate, figure_of, rows
from cxmodel.report.sections import common


def decision(results: Results) -> Block:
    """Say which decision the evidence supports: approve, hold, or none."""
    found = rows(results, "programmes")
    doubt = why_no_decision(results)
    if doubt:
        has_lift = common.headline_outcome(results) is not None
        return Callout(
            title="No decision can rest on the lift yet"
            if has_lift
            else "No decision can rest on this study yet",
            words=[f"{doubt} ", *_if_it_were_an_effect(found, has_lift=has_lift)],
            tone="warn",
        )
    if not found:
        return Callout(
            title="No programme is put up for decision",
            words="Name programmes in the study to see what each would cost and bring.",
        )
    verdicts = [(row, programme_verdict(row)) for row in found]
    is_approved = any(verdict == "approve" for _, verdict in verdicts)
    sentences: list[Words] = [_programme_sentence(row, verdict) for row, verdict in verdicts]
    return Callout(
        title="Decision for the board",
        words=[
            *_joined(sentences),
            " A programme is approved where the whole interval of its net present value lies "
            "above zero, declined where it lies below, and else held.",
        ],
        tone="good" if is_approved else "warn",
    )


def why_no_decision(results: Results) -> str:
    """Say why no decision can rest on the lift, or nothing where one can."""
    outcome = common.headline_outcome(results)
    if outcome is None:
        return "No lift could be computed, so no programme can be judged by one."
    lift = common.lift_of(results, outcome)
    if lift is not None and words.shown(lift) in ("not shown", "no interval"):
        return f"No lift of {outcome} is shown, so none can be put against a cost."
    if common.grade(results, outcome) == "association":
        return (
            "The evidence is association: higher ratings and the outcome go together, and what "
            "else could make them do so is not ruled out."
        )
    return ""


def _if_it_were_an_effect(found: list[dict[str, Any]], *, has_lift: bool) -> list[Words]:
    """Say what programmes would be worth if the lift were an effect."""
    if not found and not has_lift:
        return ["What was not computed, and why, stands near the end."]
    if not found:
        return ["A trial, or ratings of the same customers over time, would raise the evidence."]
    sentences = [_worth(row) for row in found[:3]]
    more = f" {len(found) - 3} more stand below." if len(found) > 3 else ""
    condition = "If the lift were an effect: " if has_lift else "As planned, not as found: "
    return [condition, *_joined(sentences, mark="; "), f".{more}"]


def _worth(row: dict[str, Any]) -> Words:
    npv = as_estimate(row.get("npv"))
    name = strong(words.shortened(str(row.get("name"))))
    if npv is None:
        return [name, " could not be valued"]
    loss = loss_words(row)
    return [name, f" net present value {words.with_interval(npv)}{f', {loss}' if loss else ''}"]


def loss_words(row: dict[str, Any]) -> str:
    """Write the probability of a loss: never as a certainty."""
    prob = figure_of(row.get("prob_loss"))
    if prob is None:
        return ""
    return f"probability of a loss {prob_words(prob)}"


def prob_words(prob: float) -> str:
    """Write a probability from draws.

    Examples
    --------
    >>> prob_words(0.0), prob_words(0.998), prob_words(0.123)
    ('under 1%', 'over 99%', '12%')
    """
    if prob < 0.01:
        return "under 1%"
    return "over 99%" if prob > 0.99 else words.percent(prob, 0)


def programme_verdict(row: dict[str, Any]) -> str:
    """Judge a programme by the interval of its net present value: approve, decline or hold."""
    npv = as_estimate(row.get("npv"))
    shown = words.shown(npv) if npv else "no interval"
    return {"higher": "approve", "lower": "decline"}.get(shown, "hold")


def _programme_sentence(row: dict[str, Any], verdict: str) -> Words:
    npv = as_estimate(row.get("npv"))
    name = words.shortened(str(row.get("name")))
    head = strong(f"{words.sentence(verdict)} {name}")
    if npv is None:
        return [head, ": it could not be valued."]
    loss = loss_words(row)
    return [
        head,
        f": net present value {words.with_interval(npv)}{f', {loss}' if loss else ''}.",
    ]


def _joined(sentences: list[Words], mark: str = " ") -> list[Words]:
    found: list[Words] = []
    for place, sentence in enumerate(sentences):
        found.extend([mark, sentence] if place else [sentence])
    return found

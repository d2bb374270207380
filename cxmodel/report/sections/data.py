"""The data behind it all: what was used, and what was left out."""

from __future__ import annotations

from typing import Any

from cxmodel.report import amounts, words
from cxmodel.report.blocks import Block, Column, Heading, Table
from cxmodel.report.reading import Results, figure_of, part, rows

_DROPPED = {
    "missing_customer_id": "no customer is named",
    "missing_responded_at": "no time of response",
    "missing_rating": "no rating",
    "after_as_of": "after the last day of the study",
    "duplicate_response": "the same response again",
    "unmatched_customer": "the customer is not in the other tables",
}
_NOT_USED = {
    "open_window": "the outcome window is not over",
    "churned_before_response": "the customer had churned before the response",
    "not_at_risk": "the customer was not active before the response",
    "left_in_gap": "the customer left within the gap",
    "before_start": "the response is before the customer started",
    "history_cut_off": "the ledger does not reach back far enough",
    "missing_control": "a control is missing",
    "later_response": "a later response of the same customer, who counts once",
    "missing_duration": "it is not known how long the customer stayed",
}
_LEDGER = {
    "in_windows": "Inside a window before or after a response",
    "outside_windows": "Outside all windows",
    "unmatched": "Of customers who gave no response that is used",
    "after_as_of": "After the last day of the study",
    "difference": "Difference",
}


def data_section(results: Results) -> list[Block]:
    """Give the audit: every response, used or left out, and the ledger to the last cent."""
    audit = part(results, "audit")
    if not audit:
        return []
    return [
        Heading(text=_headline(audit), topic="Data"),
        *_audit_table(results, audit),
        *_not_used_table(results),
        *_ledger_table(results),
    ]


def _headline(audit: dict[str, Any]) -> str:
    n, used = audit.get("n_responses"), audit.get("n_observations")
    if n is None or used is None:
        return "What the numbers rest on"
    if n == used:
        return f"All {words.count(n)} responses are used"
    return f"{words.count(used)} of {words.count(n)} responses are used, the others are counted"


def _audit_table(results: Results, audit: dict[str, Any]) -> list[Block]:
    n, used = audit.get("n_responses"), audit.get("n_observations")
    if n is None:
        return []
    dropped = [row for row in rows(results, "audit.dropped") if row.get("n")]
    lines: list[dict[str, Any]] = [
        {"what": "Responses in the survey", "n": words.count(n), "_strong": True}
    ]
    for row in dropped:
        text = _DROPPED.get(str(row.get("reason")), words.name(row.get("reason")))
        lines.append({"what": f"left out: {text}", "n": words.minus(row["n"])})
    if used is not None:
        lines.append({"what": "Observations", "n": words.count(used), "_strong": True})
    rate = figure_of(audit.get("match_rate"))
    note = (
        f"{words.percent(rate)} of the responses found their customer." if rate is not None else ""
    )
    return [
        Table(
            caption="Every response of the survey, each counted once.",
            columns=[
                Column(key="what", label="Responses"),
                Column(key="n", label="Number", align="right"),
            ],
            rows=lines,
            note=note,
        )
    ]


def _not_used_table(results: Results) -> list[Block]:
    found = [row for row in rows(results, "audit.not_used") if row.get("n")]
    if not found:
        return []
    return [
        Table(
            caption="Responses that a part of the study leaves out; the KPIs count them.",
            columns=[
                Column(key="reason", label="Left out because", wide=True),
                Column(key="stage", label="By", wide=True),
                Column(key="n", label="Responses", align="right"),
            ],
            rows=[
                {
                    "reason": words.sentence(_NOT_USED.get(reason, words.name(reason))),
                    "stage": words.sentence(words.listing(stages)),
                    "n": words.count(n),
                }
                for (reason, n), stages in _by_reason(found).items()
            ],
        )
    ]


def _by_reason(found: list[dict[str, Any]]) -> dict[tuple[str, int], list[str]]:
    """Put the stages together that leave the same number out for the same reason."""
    grouped: dict[tuple[str, int], list[str]] = {}
    for row in found:
        grouped.setdefault((str(row.get("reason")), row["n"]), []).append(_stage(row.get("stage")))
    return dict(sorted(grouped.items(), key=lambda item: item[0][0]))


def _stage(stage: Any) -> str:
    text = str(stage)
    head, _, outcome = text.partition(".")
    if outcome:
        return f"{words.name(head)} of {words.name(outcome)}"
    return "lifetime value" if text == "cltv" else words.name(text.replace("lift_", "lift of "))


def _ledger_table(results: Results) -> list[Block]:
    parts = part(results, "audit.revenue_reconciled")
    total = figure_of(part(results, "audit.revenue_total"))
    code = part(results, "study.currency")
    if not parts or total is None:
        return []
    lines: list[dict[str, Any]] = [
        {"what": label, "amount": _exact(figure_of(parts.get(key)), code)}
        for key, label in _LEDGER.items()
        if figure_of(parts.get(key)) is not None and key != "difference"
    ]
    lines.append({"what": "The whole ledger", "amount": _exact(total, code), "_strong": True})
    difference = figure_of(parts.get("difference"))
    is_even = difference is not None and abs(difference) < 0.5 * 10.0 ** -amounts.minor_digits(
        str(code)
    )
    lines.append({"what": "Difference", "amount": _exact(difference, code)})
    rounding = figure_of(part(results, "audit.rounding_total"))
    tail = f" Rounding to the ledger's digits: {_exact(rounding, code)}." if rounding else ""
    return [
        Table(
            caption="Revenue: every booking of the ledger, each once.",
            columns=[
                Column(key="what", label="Bookings"),
                Column(key="amount", label="Amount", align="right"),
            ],
            rows=lines,
            note=(
                "The parts add up to the ledger."
                if is_even
                else "The parts do not add up to the ledger: see the checks."
            )
            + tail,
        )
    ]


def _exact(value: float | None, code: Any) -> str:
    """Write an amount to its last digit."""
    if value is None:
        return "not known"
    digits = amounts.minor_digits(str(code)) if code else 2
    text = words.number(value, digits)
    return text if not code else f"{text}{amounts.NO_BREAK}{code}"

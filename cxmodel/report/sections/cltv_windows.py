"""Whether staying and spending held in the windows after a day at which they were fitted."""

from __future__ import annotations

import datetime as dt
from typing import Any

from cxmodel.report import words
from cxmodel.report.blocks import Block, Callout, Column, Table, Text
from cxmodel.report.reading import Results, part, reason, rows

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def windows_failed(results: Results) -> list[Block]:
    """Warn before the figures where customers left, or spent, otherwise than was foretold."""
    said = said_in_callout(results)
    title = "These values did not hold in later windows"
    return [Callout(title=title, words=" ".join(said), tone="bad")] if said else []


def said_in_callout(results: Results) -> list[str]:
    """Give the sentences that the callout says already."""
    later = part(results, "cltv.later_windows") or {}
    said = [later.get("text")] if later.get("verdict") == "fail" else []
    said += [later.get("revenue_text")] if later.get("revenue_is_far_off") else []
    return [words.ended(str(text)) for text in said]


def window_blocks(results: Results) -> list[Block]:
    """Show each later window: who was foretold to be there at its end, and who was."""
    found = rows(results, "cltv.later_windows")
    if not found:
        why = reason(results, "cltv.later_windows")
        if not why or part(results, "cltv.kind") == "purchases":
            return []
        said = words.sentence(words.ended(str(why)))
        return [Text(words=f"Retention was not held against later windows. {said}")]
    later = part(results, "cltv.later_windows")
    texts = [later.get("text"), later.get("revenue_text")]
    new = [words.ended(str(text)) for text in texts if text]
    new = [text for text in new if text not in said_in_callout(results)]
    return [*([Text(words=" ".join(new))] if new else []), _table(results, found)]


def _table(results: Results, found: list[dict[str, Any]]) -> Table:
    n, left = (
        part(results, f"cltv.later_windows.{name}") for name in ("n_learnt", "n_left_before")
    )
    unit = part(results, "cltv.per_customer.unit")
    has_money = all(row.get("actual_revenue") is not None for row in found)
    return Table(
        caption="Share of the customers of "
        f"{part(results, 'cltv.later_windows.known_until')} still there, foretold from what was "
        "known on that day and as it came.",
        columns=[
            Column(key="days", label="Window up to"),
            Column(key="left", label="Left in it", align="right"),
            Column(key="expected", label="Foretold", align="right"),
            Column(key="came", label="Still there at its end", align="right"),
            Column(key="foretold", label="Foretold", align="right"),
            *(
                [
                    Column(key="money", label="Revenue per customer", align="right"),
                    Column(key="money_foretold", label="Foretold", align="right"),
                ]
                if has_money
                else []
            ),
        ],
        rows=[
            {
                "days": _spoken_day(row["to_day"]),
                "left": words.count(row["n_left"]),
                "expected": words.count(round(row["n_left_predicted"])),
                "came": words.percent(row["actual_retention"]),
                "foretold": f"{words.percent(row['predicted_retention'])} "
                f"({words.percent(row['predicted_low'])} to "
                f"{words.percent(row['predicted_high'])})",
                **(_money_cells(row, unit) if has_money else {}),
            }
            for row in found
        ],
        note=f"Learnt from {words.count(n)} customers, of whom {words.count(left)} had left, by "
        f"the {part(results, 'cltv.later_windows.model')}. The brackets hold the errors of the "
        "curve and chance.",
    )


def _spoken_day(day: Any) -> str:
    """Write a day in words, which break where a column is narrow."""
    date = dt.date.fromisoformat(str(day))
    return f"{date.day} {_MONTHS[date.month - 1]} {date.year}"


def _money_cells(row: dict[str, Any], unit: Any) -> dict[str, str]:
    came, foretold, low, high = (
        words.quantity(row[key], unit)
        for key in ("actual_revenue", "predicted_revenue", "revenue_low", "revenue_high")
    )
    return {"money": came, "money_foretold": f"{foretold} ({low} to {high})"}

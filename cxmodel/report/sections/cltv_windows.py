"""Whether retention held in the windows after a day at which it was fitted."""

from __future__ import annotations

from typing import Any

from cxmodel.report import words
from cxmodel.report.blocks import Block, Callout, Column, Table, Text
from cxmodel.report.reading import Results, part, reason, rows


def retention_failed(results: Results) -> list[Block]:
    """Warn before the figures where customers left otherwise than was foretold."""
    if part(results, "cltv.later_windows.verdict") != "fail":
        return []
    return [
        Callout(
            title="Retention did not hold in later windows",
            words=words.ended(str(part(results, "cltv.later_windows.text"))),
            tone="bad",
        )
    ]


def said_in_callout(results: Results) -> set[str]:
    """Give the sentence that the callout says already."""
    found = part(results, "cltv.later_windows.text")
    return {words.ended(str(found))} if found else set()


def window_blocks(results: Results) -> list[Block]:
    """Show each later window: who was foretold to be there at its end, and who was."""
    found = rows(results, "cltv.later_windows")
    if not found:
        why = reason(results, "cltv.later_windows")
        if not why or part(results, "cltv.kind") == "purchases":
            return []
        said = words.sentence(words.ended(str(why)))
        return [Text(words=f"Retention was not held against later windows. {said}")]
    text = part(results, "cltv.later_windows.text")
    is_said = part(results, "cltv.later_windows.verdict") == "fail"
    return [*([] if is_said else [Text(words=words.ended(str(text)))]), _table(results, found)]


def _table(results: Results, found: list[dict[str, Any]]) -> Table:
    n, left = (
        part(results, f"cltv.later_windows.{name}") for name in ("n_learnt", "n_left_before")
    )
    return Table(
        caption="Share of the customers of "
        f"{part(results, 'cltv.later_windows.known_until')} still there, foretold from what was "
        "known on that day and as it came.",
        columns=[
            Column(key="days", label="Window"),
            Column(key="left", label="Left in it", align="right"),
            Column(key="expected", label="Foretold", align="right"),
            Column(key="came", label="Still there at its end", align="right"),
            Column(key="foretold", label="Foretold", align="right"),
        ],
        rows=[
            {
                "days": f"{row['from_day']} to {row['to_day']}",
                "left": words.count(row["n_left"]),
                "expected": words.count(round(row["n_left_predicted"])),
                "came": words.percent(row["actual_retention"]),
                "foretold": f"{words.percent(row['predicted_retention'])} "
                f"({words.percent(row['predicted_low'])} to "
                f"{words.percent(row['predicted_high'])})",
            }
            for row in found
        ],
        note=f"Learnt from {words.count(n)} customers, of whom {words.count(left)} had left, by "
        f"the {part(results, 'cltv.later_windows.model')}. The brackets hold the errors of the "
        "curve and chance.",
    )

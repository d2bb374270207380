"""The curve of the lift: by starting band, and how curves compare with the line."""

from __future__ import annotations

from typing import Any

from cxmodel.report import amounts, words
from cxmodel.report.blocks import Block, Column, Table, Text
from cxmodel.report.reading import Results, as_estimate, part, rows
from cxmodel.report.sections import common


def curve_blocks(results: Results, outcome: str) -> list[Block]:
    """Say how curves compare with the line, and give the step of one point by starting band."""
    text = part(results, f"lift.{outcome}.curve.text")
    said: list[Block] = [Text(words=str(text))] if text else []
    return [*said, *_by_band(results, outcome)]


def _by_band(results: Results, outcome: str) -> list[Block]:
    found = common.shown_rows(rows(results, f"lift.{outcome}.plus_one_by_band"))
    if len(found) < 2:
        return []
    first = as_estimate(found[0])
    is_money = amounts.currency_of(found[0].get("unit")) is not None
    return [
        Table(
            caption=f"One {common.rating_point(results)} up, by where customers start: adjusted "
            f"lift of {outcome}.",
            columns=[
                Column(key="band", label="Starting as"),
                Column(
                    key="value", label=f"Lift{'' if is_money else ', percentage points'}",
                    align="right",
                ),
                Column(
                    key="interval", label=f"{words.level(first) if first else '95%'} interval",
                    align="right",
                ),
                Column(key="n", label="n", align="right"),
            ],
            rows=[_row(row) for row in found],
            note="Customers at the top of the scale have no point to gain, and are left out.",
        )
    ]  # fmt: skip


def _row(row: dict[str, Any]) -> dict[str, Any]:
    found = as_estimate(row)
    return {
        "band": common.BAND_NAMES.get(str(row.get("band")), words.name(row.get("band"))),
        "value": words.short(words.quantity(found.estimate, found.unit)) if found else "",
        "interval": words.short(words.interval(found)) if found else "",
        "n": words.count(row["n_obs"]) if row.get("n_obs") is not None else "",
    }

"""Write docs/contracts.md from the contracts of the sources.

python docs/make_contracts.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cxmodel.tables.contracts import (
    ATTRIBUTE,
    CONTRACTS,
    RATING,
    TYPES,
    ColumnContract,
    Contract,
    TypeContract,
)

PAGE = Path(__file__).with_name("contracts.md")
HEAD = """\
# What each table must hold

This page is made from `cxmodel/tables/contracts.py` by `python docs/make_contracts.py`.

`cxmodel validate` and `cxmodel run` hold every source to its contract, on the engine, in one query
over its rows. Two things are settled before it: the format of text dates, from the first rows,
unless `date_format` states it, and the range of local times, unless `time_zone` is UTC. Whatever is
*refused* is listed at once for all sources, each with its count and its first value (with the row
where rows have an order; tables and queries of an engine have none, and there the smallest value is
shown). What is *counted* is a warning: the rows stay, and the audit says what becomes of them.
"""


def page() -> str:
    """Write the page."""
    sources = (_source(contract) for contract in CONTRACTS.values())
    types = "\n".join(_types())
    return HEAD + "\n" + "\n".join("\n".join(lines) for lines in sources) + "\n" + types + "\n"


def _source(contract: Contract) -> Iterator[str]:
    yield f"## `[sources.{contract.kind}]`: one row is {contract.row}"
    yield ""
    yield "| column | needed | type | holds | counted |"
    yield "|---|---|---|---|---|"
    for column in contract.columns:
        needed = "yes" if column.is_required else ""
        counted = ", ".join(_counted(column, contract))
        yield f"| `{column.name}` | {needed} | {column.type} | {column.meaning} | {counted} |"
    for words, is_there in (
        ("`ratings.*`, type rating", contract.has_ratings),
        ("`attributes`, type attribute", contract.has_attributes),
        ("`controls`, type attribute", contract.has_controls),
    ):
        if is_there:
            yield f"| {words} | | | under your own keys and names | |"
    yield ""
    if contract.unique:
        unless = f", unless `{contract.unless}` is mapped" if contract.unless else ""
        yield f"Each `{contract.unique}` stands once{unless}: one that repeats is refused."
        yield ""


def _counted(column: ColumnContract, contract: Contract) -> Iterator[str]:
    if column.counts_missing:
        yield "missing"
    if column.has_happened:
        yield "in the future"
    if column.low is not None:
        yield f"below {column.low:g}"
    for earlier, later in contract.order:
        if later == column.name:
            yield f"before `{earlier}`"


def _types() -> Iterator[str]:
    yield "## Types"
    yield ""
    yield "| type | becomes | taken | refused |"
    yield "|---|---|---|---|"
    every: dict[str, TypeContract] = {**TYPES, "rating": RATING, "attribute": ATTRIBUTE}
    for name, kind in every.items():
        refused = "; ".join(kind.refused) or "nothing"
        yield f"| {name} | {kind.becomes} | {kind.accepted} | {refused} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

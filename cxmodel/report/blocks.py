"""What a report is made of: blocks, which a notebook shows and two renderers lay out.

A block holds data only, never markup. Shown in a notebook it gives the form that the renderers
read (`MIME`), HTML for Jupyter, and text.
"""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

from cxmodel.display import escape

MIME = "application/vnd.cxmodel.block+json"
Tone = Literal["neutral", "good", "warn", "bad"]
Run: TypeAlias = dict[str, Any]
Words: TypeAlias = "str | Run | Sequence[Words]"


def strong(text: str) -> Run:
    """Give words that are set in bold.

    Examples
    --------
    >>> strong("41")
    {'text': '41', 'style': 'strong'}
    """
    return {"text": text, "style": "strong"}


def emphasis(text: str) -> Run:
    """Give words that are set in italics."""
    return {"text": text, "style": "emphasis"}


def runs(words: Words) -> list[Run]:
    """Take text, or a mix of text and styled words, as a list of styled words.

    Examples
    --------
    >>> runs(["NPS is ", strong("41")])
    [{'text': 'NPS is ', 'style': 'plain'}, {'text': '41', 'style': 'strong'}]
    """
    if isinstance(words, str):
        return [{"text": words, "style": "plain"}]
    if isinstance(words, Mapping):
        return [dict(words)]
    return [run for part in words for run in runs(part)]


def text_of(words: Words) -> str:
    """Give words without their styles."""
    return "".join(run["text"] for run in runs(words))


@dataclass(frozen=True, kw_only=True)
class Block(ABC):
    """Anything that stands in a report; a subclass names its kind and its text."""

    kind: ClassVar[str] = "block"

    def to_dict(self) -> dict[str, Any]:
        """Give the form that the renderers read."""
        return {"kind": self.kind, **asdict(self)}

    @abstractmethod
    def plain_text(self) -> str:
        """Give the block as text."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from cxmodel.report.html import render_block

        block = self.to_dict()
        return {MIME: block, "text/html": render_block(block), "text/plain": self.plain_text()}


@dataclass(frozen=True, kw_only=True)
class Cover(Block):
    """The strip at the head of the first page: title, subtitle, and facts such as the date."""

    kind: ClassVar[str] = "cover"
    title: str
    subtitle: str = ""
    facts: list[tuple[str, str]] = field(default_factory=list)
    footer: str = ""

    def plain_text(self) -> str:
        """Give title and subtitle."""
        return f"{self.title}\n{self.subtitle}".strip()


@dataclass(frozen=True, kw_only=True)
class Heading(Block):
    """A section's headline: an insight in words. Level 1 is numbered and in the outline."""

    kind: ClassVar[str] = "heading"
    text: str
    level: int = 1
    topic: str = ""

    def plain_text(self) -> str:
        """Give the headline."""
        return f"{'#' * self.level} {self.text}"


@dataclass(frozen=True, kw_only=True)
class Text(Block):
    """A paragraph."""

    kind: ClassVar[str] = "text"
    words: Words
    lead: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Give the form that the renderers read."""
        return {"kind": self.kind, "runs": runs(self.words), "lead": self.lead}

    def plain_text(self) -> str:
        """Give the paragraph."""
        return text_of(self.words)


@dataclass(frozen=True, kw_only=True)
class Bullets(Block):
    """A list of sentences."""

    kind: ClassVar[str] = "bullets"
    items: Sequence[Words]

    def to_dict(self) -> dict[str, Any]:
        """Give the form that the renderers read."""
        return {"kind": self.kind, "items": [runs(item) for item in self.items]}

    def plain_text(self) -> str:
        """Give a line per item."""
        return "\n".join(f"- {text_of(item)}" for item in self.items)


@dataclass(frozen=True, kw_only=True)
class Callout(Block):
    """A box that must not be overlooked, such as the decision."""

    kind: ClassVar[str] = "callout"
    title: str
    words: Words
    tone: Tone = "neutral"

    def to_dict(self) -> dict[str, Any]:
        """Give the form that the renderers read."""
        return {
            "kind": self.kind,
            "title": self.title,
            "runs": runs(self.words),
            "tone": self.tone,
        }

    def plain_text(self) -> str:
        """Give title and words."""
        return f"{self.title}: {text_of(self.words)}"


@dataclass(frozen=True, kw_only=True)
class Card:
    """One big number with its name, its interval, and what to make of it."""

    label: str
    value: str
    detail: str = ""
    note: str = ""
    tone: Tone = "neutral"


@dataclass(frozen=True, kw_only=True)
class Cards(Block):
    """Big numbers side by side."""

    kind: ClassVar[str] = "cards"
    cards: list[Card]

    def plain_text(self) -> str:
        """Give a line per card."""
        return "\n".join(
            " ".join(filter(None, (f"{c.label}: {c.value}", c.detail, c.note))) for c in self.cards
        )


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table: its key in the rows, its heading, and how it is aligned."""

    key: str
    label: str
    align: Literal["left", "right"] = "left"
    wide: bool = False


@dataclass(frozen=True, kw_only=True)
class Table(Block):
    """A table whose cells are text, already written in words; up to 14 rows stay on one page.

    A row may carry ``_tone`` (``"good"``, ``"warn"``, ``"bad"``), which colours its marked column,
    and ``_strong``, which sets it in bold.
    """

    kind: ClassVar[str] = "table"
    caption: str
    columns: list[Column]
    rows: list[dict[str, Any]]
    note: str = ""
    marked: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give the form that the renderers read: every cell as text."""
        keys = [column.key for column in self.columns]
        return {
            "kind": self.kind,
            "caption": self.caption,
            "columns": [asdict(column) for column in self.columns],
            "rows": [
                {
                    "cells": [_cell(row.get(key)) for key in keys],
                    "tone": row.get("_tone", "neutral"),
                    "strong": bool(row.get("_strong", False)),
                }
                for row in self.rows
            ],
            "note": self.note,
            "marked": keys.index(self.marked) if self.marked in keys else -1,
        }

    def plain_text(self) -> str:
        """Give the table in columns of text."""
        from cxmodel.display import to_text

        rows = [{c.label: _cell(row.get(c.key)) for c in self.columns} for row in self.rows]
        return f"{self.caption}\n{to_text(rows)}"


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


@dataclass(frozen=True, kw_only=True)
class Picture(Block):
    """A figure: what it shows in words above it, how to read it below, and a text for the blind.

    Parameters
    ----------
    headline : str
        The insight.
    svg_text, svg_path : str
        The picture with letters as text, for PDF, and as outlines, for HTML.
    caption : str
        What is drawn.
    alt : str
        What a reader who cannot see it must know.
    source : str
        Where the numbers come from.

    Raises
    ------
    ValueError
        If `alt` is empty.
    """

    kind: ClassVar[str] = "figure"
    headline: str
    svg_text: str
    svg_path: str
    caption: str
    alt: str
    source: str = ""

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise ValueError(f"The figure {self.headline!r} needs alt: what it shows, in words.")

    def plain_text(self) -> str:
        """Give headline and alternative text."""
        return f"{self.headline}\n[figure: {self.alt}]"


@dataclass(frozen=True, kw_only=True)
class Preformatted(Block):
    """Text in columns, as a notebook of the user's own may show it."""

    kind: ClassVar[str] = "preformatted"
    text: str

    def plain_text(self) -> str:
        """Give the text."""
        return self.text


def picture(figure: Any, *, headline: str, caption: str, alt: str, source: str = "") -> Picture:
    """Make a block of a matplotlib figure.

    Parameters
    ----------
    figure : matplotlib Figure
        Best drawn by the functions of ``cxmodel.plots``.
    headline, caption, alt, source : str
        As in `Picture`.
    """
    from cxmodel.plots.style import svg_of

    svg_text = svg_of(figure, text="none")
    # The first drawing has placed everything: the second need not do so again.
    figure.set_layout_engine("none")
    return Picture(
        headline=headline,
        svg_text=svg_text,
        svg_path=svg_of(figure, text="path"),
        caption=caption,
        alt=alt,
        source=source,
    )


def show(blocks: Block | Iterable[Block | None] | None) -> None:
    """Show blocks in a notebook, in order; None and an empty list show nothing."""
    from IPython.display import display

    if blocks is None:
        return
    for block in [blocks] if isinstance(blocks, Block) else blocks:
        if block is not None:
            display(block)  # type: ignore[no-untyped-call]


def data_uri(content: str | bytes, media_type: str) -> str:
    """Put a file into an address, so that a page needs no second file."""
    raw = content.encode() if isinstance(content, str) else content
    return f"data:{media_type};base64,{base64.b64encode(raw).decode('ascii')}"


__all__ = [
    "MIME",
    "Block",
    "Bullets",
    "Callout",
    "Card",
    "Cards",
    "Column",
    "Cover",
    "Heading",
    "Picture",
    "Preformatted",
    "Table",
    "Text",
    "data_uri",
    "emphasis",
    "escape",
    "picture",
    "runs",
    "show",
    "strong",
    "text_of",
]

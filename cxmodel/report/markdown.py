"""The words of a notebook, in Markdown, to blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from cxmodel.report.blocks import Bullets, Heading, Preformatted, Run, Text, runs


def blocks_of_markdown(source: str) -> list[dict[str, Any]]:
    r"""Turn headings, paragraphs, lists and code of Markdown into blocks.

    Raw HTML is text here. A link keeps its words and loses its address, a picture its source:
    a report points to nothing outside itself.

    Examples
    --------
    >>> [block["kind"] for block in blocks_of_markdown("# Why\n\nBecause *it* is so.")]
    ['heading', 'text']
    """
    tokens = MarkdownIt("commonmark", {"html": False}).parse(source)
    found: list[dict[str, Any]] = []
    items: list[list[Run]] | None = None
    depth, level = 0, 0
    for token in tokens:
        if token.type in ("bullet_list_open", "ordered_list_open"):
            items, depth = items if depth else [], depth + 1
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            depth -= 1
            if not depth and items:
                found.append(Bullets(items=items).to_dict())
                items = None
        elif token.type in ("heading_open", "heading_close"):
            level = int(token.tag[1]) if token.nesting == 1 else 0
        elif token.type == "inline":
            words = _words(token.children or [])
            if items is not None and depth:
                items.append(words)
            elif level:
                found.append(_heading(words, level))
            else:
                found.append(Text(words=words).to_dict())
        elif token.type in ("fence", "code_block"):
            found.append(Preformatted(text=token.content.rstrip("\n")).to_dict())
    return found


def _heading(words: Sequence[Run], level: int) -> dict[str, Any]:
    text = "".join(run["text"] for run in words)
    return Heading(text=text, level=min(level, 2)).to_dict()


def _words(children: Sequence[Token]) -> list[Run]:
    """Turn the inside of a paragraph into styled words."""
    found: list[Run] = []
    style = "plain"
    for child in children:
        if child.type in ("strong_open", "em_open"):
            style = "strong" if child.type == "strong_open" else "emphasis"
        elif child.type in ("strong_close", "em_close"):
            style = "plain"
        elif child.type in ("softbreak", "hardbreak"):
            found.append({"text": " ", "style": "plain"})
        elif child.type == "code_inline":
            found.append({"text": child.content, "style": "code"})
        elif child.content:
            found.append({"text": child.content, "style": style})
    return found or runs("")

"""Blocks to HTML: one file, no scripts, nothing fetched from elsewhere."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined, select_autoescape
from markupsafe import Markup

from cxmodel.display import clean
from cxmodel.report.amounts import MINUS
from cxmodel.report.fonts import FACES, FAMILY, web_font

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:"


def render_html(blocks: Sequence[dict[str, Any]], *, title: str, language: str = "en") -> str:
    """Lay blocks out as a page.

    Parameters
    ----------
    blocks : list of dict
        What ``Block.to_dict`` gives.
    title : str
        Of the window.
    language : str
        Of the page, as in HTML's ``lang``.

    Returns
    -------
    str
        The page. Every text in it is escaped by Jinja2.
    """
    page: str = _template("page.html.jinja").render(
        blocks=cleaned(numbered(blocks)),
        title=clean(title),
        language=language,
        policy=POLICY,
        style=Markup(_theme("page.css")),  # noqa: S704 (our own file, not data)
        fonts=Markup(font_faces()),  # noqa: S704 (our own font)
    )
    return page


def render_block(block: dict[str, Any]) -> str:
    """Lay one block out, as a notebook shows it."""
    html: str = _template("block.html.jinja").render(block=cleaned(block))
    return html.strip()


def numbered(blocks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give sections, figures and tables their numbers, in order.

    Examples
    --------
    >>> [b["number"] for b in numbered([{"kind": "table"}, {"kind": "figure"}, {"kind": "table"}])]
    [1, 1, 2]
    """
    counts: dict[str, int] = {}
    done = []
    for block in blocks:
        kind = block["kind"]
        if kind in ("table", "figure") or (kind == "heading" and block.get("level", 1) == 1):
            counts[kind] = counts.get(kind, 0) + 1
            block = {**block, "number": counts[kind]}
        done.append(block)
    return done


def cleaned(value: Any, key: str = "") -> Any:
    """Take control characters out of every text of a block, and hold a minus to its number."""
    if isinstance(value, str):
        return clean(value) if key.startswith("svg") else _held_together(clean(value))
    if isinstance(value, dict):
        return {name: cleaned(part, name) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(part, key) for part in value]
    return value


def _held_together(text: str) -> str:
    """Put a word joiner after a minus sign, so that no line ends between it and its amount."""
    return re.sub(f"{MINUS}(?=[^ ])", f"{MINUS}\u2060", text)


@functools.cache
def font_faces() -> str:
    """Write the font into the style sheet."""
    from cxmodel.report.blocks import data_uri

    return "\n".join(
        f'@font-face{{font-family:"{FAMILY}";font-weight:{weight};font-style:{style};'
        f"src:url({data_uri(web_font(face), 'font/woff')}) format('woff')}}"
        for face, (weight, style) in FACES.items()
    )


@functools.cache
def _environment() -> Environment:
    from jinja2 import FunctionLoader

    from cxmodel.report.blocks import data_uri

    environment = Environment(
        loader=FunctionLoader(_theme),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["svg_uri"] = lambda svg: data_uri(svg, "image/svg+xml")
    return environment


def _template(name: str) -> Any:
    return _environment().get_template(name)


def _theme(name: str) -> str:
    return resources.files("cxmodel.report").joinpath("theme", name).read_text(encoding="utf-8")

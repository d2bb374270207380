"""Blocks to PDF by typst, inside the process: the blocks go in as JSON, never as markup."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from cxmodel.errors import CxModelWarning, ReportError
from cxmodel.report import words
from cxmodel.report.fonts import FACES, font_file, missing_characters
from cxmodel.report.html import cleaned, numbered

Paper = Literal["a4", "us-letter"]
_LONGEST_WORD = 22
_PIECE = 14  # characters of a longer word between two places to break
_SHORT_TEXT = 120  # characters: about a line
_SVG_TEXT = re.compile(r"<text[^>]*>(.*?)</text>", re.DOTALL)


def render_pdf(
    blocks: Sequence[dict[str, Any]],
    *,
    title: str,
    language: str = "en",
    paper: Paper = "a4",
    font_dir: Path | None = None,
) -> bytes:
    """Lay blocks out as a PDF that screen readers can follow (PDF/UA-1).

    Parameters
    ----------
    blocks : list of dict
        What ``Block.to_dict`` gives.
    title : str
        Of the document.
    language : str
        Of the document, two letters.
    paper : {"a4", "us-letter"}
        The size of the page.
    font_dir : Path, optional
        A folder of more fonts, for scripts that Source Sans Pro lacks.

    Returns
    -------
    bytes
        The same for the same blocks.

    Warns
    -----
    CxModelWarning
        If a character has no glyph in any font: the PDF is then an ordinary one, and names it.

    Raises
    ------
    ReportError
        If typst refuses the document.
    """
    document = _document(cleaned(numbered(blocks)), title=title, language=language, paper=paper)
    with _font_folder() as folder:
        fonts = [folder, *([str(font_dir)] if font_dir else [])]
        try:
            return _compile(document, fonts, ["ua-1"])
        except _no_glyph() as error:
            if "could not be displayed" not in str(error):
                raise ReportError(f"The PDF could not be made: {error}") from error
        _warn_of_missing(document, is_extended=font_dir is not None)
        try:
            return _compile(document, fonts, [])
        except _no_glyph() as error:
            raise ReportError(f"The PDF could not be made: {error}") from error


def render_pages(
    blocks: Sequence[dict[str, Any]], *, title: str, pixels_per_inch: float = 96.0
) -> list[bytes]:
    """Lay blocks out as the PDF has them, a PNG picture for each page.

    Parameters
    ----------
    blocks : list of dict
        What ``Block.to_dict`` gives.
    title : str
        Of the document.
    pixels_per_inch : float
        The size of the pictures; a page of A4 is 8.27 inches wide.
    """
    document = _document(cleaned(numbered(blocks)), title=title, language="en", paper="a4")
    with _font_folder() as folder:
        pages = _typst(document, [folder], format="png", ppi=pixels_per_inch)
    return [bytes(page) for page in (pages if isinstance(pages, list) else [pages])]


@contextmanager
def _font_folder() -> Iterator[str]:
    """Put the faces that reports use into a folder of their own."""
    with tempfile.TemporaryDirectory() as folder:
        for face in (*FACES, "Bold"):
            shutil.copy(font_file(face), folder)
        yield folder


def _no_glyph() -> type[Exception]:
    import typst

    return typst.TypstError


def _compile(document: dict[str, Any], fonts: Any, standards: Any) -> bytes:
    return bytes(_typst(document, fonts, format="pdf", pdf_standards=standards))


def _typst(document: dict[str, Any], fonts: Any, **options: Any) -> Any:
    import typst

    template = resources.files("cxmodel.report").joinpath("theme", "page.typ").read_bytes()
    # typst takes a dictionary of files too; its type stubs do not say so.
    files: Any = {"main.typ": template, "report.json": json.dumps(document).encode()}
    return typst.compile(files, font_paths=fonts, ignore_system_fonts=True, **options)


def _warn_of_missing(document: dict[str, Any], *, is_extended: bool) -> None:
    """Say which characters no glyph was found for, in a warning and at the end of the document."""
    missing = missing_characters("".join(_texts(document)))
    named = ", ".join(f"U+{ord(character):04X}" for character in missing[:20])
    more = f" and {len(missing) - 20} more" if len(missing) > 20 else ""
    where = "the fonts given" if is_extended else "Source Sans Pro"
    note = (
        f"Some characters have no glyph in {where} and may show as boxes in this PDF, which is "
        f"therefore not marked as accessible (PDF/UA): {named}{more}. The HTML report shows them."
    )
    warnings.warn(f"{note} Name a folder of fonts that have them.", CxModelWarning, stacklevel=3)
    document["blocks"].append(
        {"kind": "text", "runs": [{"text": note, "style": "emphasis"}], "lead": False}
    )


def _document(blocks: Any, *, title: str, language: str, paper: str) -> dict[str, Any]:
    """Give typst everything it shows."""
    cover: dict[str, Any] = next((block for block in blocks if block["kind"] == "cover"), {})
    prepared = _with_sticky_words([_prepared(block) for block in blocks])
    return {
        "title": cleaned(title),
        "short_title": _breakable(words.shortened(cleaned(title), 60)),
        "header": _breakable(words.shortened(cover.get("subtitle", ""), 60)),
        "footer": _breakable(words.shortened(cover.get("footer", ""), 110)),
        "language": language,
        "paper": paper,
        "blocks": prepared,
    }


def _with_sticky_words(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep short words right under a headline on the page of what they introduce.

    A longer paragraph may end a page: to move it would leave the page half empty.
    """
    is_under_headline = False
    for block in blocks:
        is_text = block["kind"] == "text" and _length(block) <= _SHORT_TEXT
        if is_text and is_under_headline:
            block["sticky"] = True
        is_under_headline = block["kind"] == "heading" or (is_text and is_under_headline)
    if blocks and blocks[-1].get("sticky"):
        blocks[-1]["sticky"] = False
    return blocks


def _length(block: dict[str, Any]) -> int:
    return sum(len(run["text"]) for run in block["runs"])


def _prepared(value: Any, key: str = "") -> Any:
    """Let long words break, except inside pictures; leave out what a PDF does not need."""
    if isinstance(value, str):
        return value if key in ("svg_text", "kind", "style", "tone", "align") else _breakable(value)
    if isinstance(value, dict):
        return {name: _prepared(part, name) for name, part in value.items() if name != "svg_path"}
    if isinstance(value, list):
        return [_prepared(part, key) for part in value]
    return value


def _breakable(text: str) -> str:
    """Put places to break, which have no width, into words that are longer than a column.

    After a dot, an underscore, a slash or a hyphen where there is one, else anywhere.

    Examples
    --------
    >>> len(_breakable("a" * 50)), _breakable("sources.observations.touchpoints").count("\u200b")
    (53, 2)
    """
    return re.sub(rf"\S{{{_LONGEST_WORD + 1},}}", lambda word: _broken(word.group()), text)


def _broken(word: str) -> str:
    softened = re.sub(r"(?<=\w)([._/-])(?=\w)", "\\1\u200b", word)
    return re.sub(rf"([^\u200b]{{{_PIECE}}})(?=[^\u200b])", "\\1\u200b", softened)


def _texts(value: Any, key: str = "") -> Iterator[str]:
    """Yield every text that is shown, of pictures what is written in them."""
    if isinstance(value, str):
        yield from _SVG_TEXT.findall(value) if key == "svg_text" else [value.replace("\u200b", "")]
    elif isinstance(value, dict):
        for name, below in value.items():
            yield from _texts(below, name)
    elif isinstance(value, list):
        for below in value:
            yield from _texts(below, key)

"""Tables as text and as HTML, and the escaping of text, in one place."""

from __future__ import annotations

import html
import math
import numbers
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import pandas as pd

Frame: TypeAlias = "pd.DataFrame | Iterable[Mapping[str, Any]]"
_CONTROLS = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127), "\ufffd")
# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\n")
_STYLE = (
    "border-collapse:collapse;font-variant-numeric:tabular-nums",
    "padding:2px 10px;border-bottom:1px solid #c8d0da;text-align:{align}",
)


def escape(text: Any) -> str:
    """Make text safe inside HTML, also inside an attribute in double or single quotes.

    Examples
    --------
    >>> escape("<script>alert('x')</script>")
    '&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;'
    """
    return html.escape(clean(text), quote=True)


def clean(text: Any) -> str:
    r"""Take control characters out of text, which no file format of a report allows.

    Examples
    --------
    >>> clean("a\x00b")
    'a\ufffdb'
    """
    return str(text).translate(_CONTROLS).encode("utf-8", "replace").decode("utf-8")


def safe_cell(value: Any) -> Any:
    """Make a cell safe for a spreadsheet: text never begins as a formula does.

    Examples
    --------
    >>> safe_cell("@SUM(A1)"), safe_cell(-4.5), safe_cell("plain"), safe_cell(None)
    ("'@SUM(A1)", -4.5, 'plain', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return value
    # A carriage return ends a row in some readers, quoted or not.
    text = clean(value).replace("\r\n", "\n").replace("\r", "\n")
    # Some spreadsheets skip leading blanks before they look for a formula.
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


def format_cell(value: Any) -> str:
    """Write one cell: numbers to four figures, counts with thousands, what is missing as blank.

    Examples
    --------
    >>> [format_cell(value) for value in (1234567, 0.123456, 98765.4, None, "a", True)]
    ['1,234,567', '0.1235', '98,765', '', 'a', 'yes']
    """
    if value is None:
        return ""
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return "yes" if value else "no"
    if isinstance(value, numbers.Integral):
        return f"{int(value):,}"
    if isinstance(value, numbers.Real):
        return _real(float(value))
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {format_cell(part)}" for name, part in value.items())
    text = clean(value)
    return "" if text in ("NaT", "<NA>") else text


def _real(value: float) -> str:
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    if value != 0 and (abs(value) < 1e-4 or abs(value) >= 1e15):
        return f"{value:.3e}"
    digits = 0 if value == 0 else max(0, 3 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def to_text(frame: Frame, *, title: str = "") -> str:
    """Write a table in columns of text, numbers to the right.

    Parameters
    ----------
    frame : DataFrame or list of mappings
        A row per line; lists of mappings may lack keys.
    title : str
        A line above the table.

    Examples
    --------
    >>> print(to_text([{"term": "rating", "estimate": 4.25}, {"term": "tenure", "estimate": -10}]))
    term    estimate
    rating      4.25
    tenure       -10
    """
    names, rows = _parts(frame)
    cells = [[format_cell(row.get(name)).replace("\n", " ") for name in names] for row in rows]
    is_right = _numeric(names, rows)
    widths = [
        max([len(name), *(len(line[place]) for line in cells)]) for place, name in enumerate(names)
    ]
    lines = [
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, is_right, strict=True)
        ).rstrip()
        for line in [names, *cells]
    ]
    return "\n".join([*([title] if title else []), *lines])


def to_html(frame: Frame, *, title: str = "") -> str:
    """Write a table as HTML, every cell escaped, that scrolls inside itself where it is wide.

    Parameters
    ----------
    frame : DataFrame or list of mappings
        A row per line.
    title : str
        The caption.

    Examples
    --------
    >>> "&lt;b&gt;" in to_html([{"segment": "<b>"}])
    True
    """
    names, rows = _parts(frame)
    aligns = ["right" if right else "left" for right in _numeric(names, rows)]
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    head = "".join(
        f'<th scope="col" style="{_STYLE[1].format(align=align)}">{escape(name)}</th>'
        for name, align in zip(names, aligns, strict=True)
    )
    body = "".join(f"<tr>{_html_cells(row, names, aligns)}</tr>" for row in rows)
    return (
        f'<div style="overflow-x:auto"><table style="{_STYLE[0]}">{caption}'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _html_cells(row: Mapping[str, Any], names: list[str], aligns: list[str]) -> str:
    return "".join(
        f'<td style="{_STYLE[1].format(align=align)}">{escape(format_cell(row.get(name)))}</td>'
        for name, align in zip(names, aligns, strict=True)
    )


def _parts(frame: Frame) -> tuple[list[str], list[Mapping[str, Any]]]:
    """Split a table into the names of its columns and its rows."""
    if hasattr(frame, "to_dict") and hasattr(frame, "columns"):
        table: Any = frame
        names = [str(name) for name in table.columns]
        values = table.itertuples(index=False, name=None)
        return names, [dict(zip(names, line, strict=True)) for line in values]
    rows = [dict(row) for row in frame]
    return list(dict.fromkeys(name for row in rows for name in row)), list(rows)


def _numeric(names: list[str], rows: list[Mapping[str, Any]]) -> list[bool]:
    """Say for each column whether it holds numbers."""
    found = []
    for name in names:
        values = [row.get(name) for row in rows if row.get(name) is not None]
        found.append(bool(values) and all(isinstance(value, numbers.Number) for value in values))
    return found

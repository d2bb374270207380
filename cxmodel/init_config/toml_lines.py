"""Lines of a commented TOML file: settings, and what somebody has to decide."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
COMMENT_AT = 44
"""The column at which comments begin."""


def toml_text(value: Any) -> str:
    r"""Write a value as TOML on one line.

    Examples
    --------
    >>> print(toml_text('a "quoted"\nname'), toml_text([0, True]), toml_text({"low": 1}))
    "a \"quoted\"\nname" [0, true] { low = 1 }
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON escapes all that TOML wants escaped but DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        inside = ", ".join(f"{toml_key(key)} = {toml_text(part)}" for key, part in value.items())
        return f"{{ {inside} }}"
    if isinstance(value, Sequence):
        return f"[{', '.join(toml_text(part) for part in value)}]"
    return str(value)


def toml_key(key: str) -> str:
    """Write a key as TOML: bare where it can be.

    Examples
    --------
    >>> toml_key("nps"), toml_key("an id")
    ('nps', '"an id"')
    """
    return key if _BARE.fullmatch(key) else toml_text(key)


def line(key: str, value: Any, comment: str = "") -> str:
    """Write one setting, with what is to be said about it."""
    return _commented(f"{key} = {toml_text(value)}", comment)


def decide(key: str, value: Any = None, comment: str = "") -> str:
    """Write a setting that nobody can guess; without a value it is left open."""
    shown = "..." if value is None else toml_text(value)
    return _commented(f"# decide: {key} = {shown}", comment)


def _commented(text: str, comment: str) -> str:
    clean = toml_text(comment)[1:-1].replace('\\"', '"') if comment else ""
    return f"{text.ljust(COMMENT_AT)} # {clean}" if clean else text

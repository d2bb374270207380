"""JSON files that may be damaged or hostile: of bounded size, each key once, finite numbers alone.

The lift card and stored models are read through here. Only the standard library is needed, so that
a forecasting job that reads a card loads nothing heavy.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from cxmodel.errors import SourceError


@dataclass(frozen=True, kw_only=True)
class FileWords:
    """What messages call a file, and what they advise.

    Parameters
    ----------
    what : str
        ``"lift card"``, ``"model"``.
    whence : str
        A sentence: which file to name.
    again : str
        A sentence: how to get a good one.
    """

    what: str
    whence: str
    again: str


def read_json_table(path: Path, words: FileWords, *, most_bytes: int) -> dict[str, Any]:
    """Read a file that must hold one JSON table.

    Parameters
    ----------
    path : Path
        The file; at most `most_bytes` of it are read.
    words : FileWords
        For the messages.
    most_bytes : int
        A larger file is something else.

    Raises
    ------
    SourceError
        If it is missing, too large, no JSON, nested too deeply, holds a key twice or a number that
        is not finite, or is no table.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(most_bytes + 1)
        if len(raw) > most_bytes:
            raise SourceError(
                f"{path} holds more than {most_bytes:,} bytes, and no {words.what} of cxmodel "
                f"does. {words.whence}"
            )
        found = json.loads(
            raw.decode("utf-8"),
            parse_constant=_refuse_constant,
            object_pairs_hook=_table_without_repeats,
        )
    except FileNotFoundError:
        raise SourceError(f"{path} does not exist. {words.whence}") from None
    except RecursionError:
        raise SourceError(
            f"{path} is no {words.what}: it is nested too deeply. {words.again}"
        ) from None
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{path} cannot be read as a {words.what}: {error}. {words.again}"
        ) from error
    if not isinstance(found, dict):
        raise SourceError(f"{path} is no {words.what}: it holds {said(found)}. {words.again}")
    return found


def digest_of(table: Mapping[str, Any], *, without: str) -> str:
    """Give the SHA-256 of a table but for one key, whatever the order and the layout of its keys.

    It finds damage and careless edits. It is no signature: whoever can write the file can write the
    digest too.

    Raises
    ------
    ValueError
        If it holds a number that is not finite.

    Examples
    --------
    >>> digest_of({"a": 1}, without="own") == digest_of({"own": "old", "a": 1}, without="own")
    True
    """
    rest = {key: value for key, value in table.items() if key != without}
    text = compact_json(rest, sort=True)
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def compact_json(value: Any, *, sort: bool = False) -> str:
    """Write JSON without blanks; a number that is not finite is a ValueError."""
    return json.dumps(
        value, sort_keys=sort, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def said(value: Any) -> str:
    """Write a value into a message, cut short."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def is_number(value: Any) -> bool:
    """Say whether a value is a finite number; true and false are none.

    Examples
    --------
    >>> is_number(1), is_number(True), is_number(float("inf"))
    (True, False, False)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond what a float holds
        return False


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is no number")


def _table_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:60]!r} stands twice")
    return table

"""What is told of a column's values where a setting names one that does not occur."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

# More values than this are not listed.
MOST_LISTED = 10


def levels_seen(wanted: str, counts: Mapping[str, int], at_least: int) -> str:
    """Name the values that were seen, of groups that may be shown alone, the nearest first.

    Parameters
    ----------
    wanted : str
        The value that does not occur.
    counts : mapping of str to int
        Rows of each value.
    at_least : int
        Smallest number of rows of which a value is named (``study.min_group_size``).

    Examples
    --------
    >>> levels_seen("a", {"A": 200, "B": 90, "Mr Smith": 1}, 30)
    'Seen in 30 rows or more: A, B; 1 other value has fewer.'
    >>> levels_seen("controll", {"control": 200, "new": 90}, 30)
    "Did you mean 'control'? Seen in 30 rows or more: control, new."
    """
    shown = [name for name in sorted(counts) if counts[name] >= at_least]
    n_small = len(counts) - len(shown)
    listed = ", ".join(shown[:MOST_LISTED]) or "none"
    listed += f" and {len(shown) - MOST_LISTED:,} more" if len(shown) > MOST_LISTED else ""
    small = f"; {n_small:,} other value{'s have' if n_small > 1 else ' has'} fewer"
    close = get_close_matches(wanted, shown, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return f"{hint}Seen in {at_least} rows or more: {listed}{small if n_small else ''}."

"""What engines raise, and what of their words a user may see."""

from __future__ import annotations

import re
import sys


def engine_errors() -> tuple[type[Exception], ...]:
    """List what the drivers that are loaded raise of their own."""
    import duckdb
    import ibis

    found: list[type[Exception]] = [duckdb.Error, ibis.common.exceptions.IbisError]
    if "psycopg" in sys.modules:
        import psycopg

        found.append(psycopg.Error)
    if "pyspark" in sys.modules:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        found += [PySparkException, Py4JError]
    return tuple(found)


def engine_words(error: Exception) -> str:
    """Repeat what an engine said: its first line, and what it suggests; no folder is named.

    Examples
    --------
    >>> engine_words(ValueError("no file /home/me/orders.csv"))
    'the engine says: no file orders.csv'
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[0] if lines else type(error).__name__
    hints = [line for line in lines[1:] if line.startswith(("Candidate", "Did you mean", "HINT"))]
    words = re.sub(r"(?:file:)?(?:/[^/\s'\"]+)+/([^/\s'\"]+)", r"\1", " ".join([said, *hints]))
    return f"the engine says: {words[:400]}"

"""Environment variables in paths and URLs: ``${NAME}`` and ``${NAME:-default}``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")
_PASSWORD = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^/@\s]*@")


def expand(text: str, environ: Mapping[str, str] | None = None) -> str:
    """Fill in the environment variables that a path or a URL names.

    As in a shell, ``${NAME:-default}`` takes the default when the variable is unset or empty.

    Parameters
    ----------
    text : str
        A path or a URL.
    environ : mapping, optional
        Where to look variables up. Default: the environment of the process.

    Raises
    ------
    ValueError
        If a variable without a default is unset, or ``${`` does not begin a variable.

    Examples
    --------
    >>> expand("${DATA:-.}/orders.csv", {})
    './orders.csv'
    >>> expand("${DATA:-.}/orders.csv", {"DATA": "/data"})
    '/data/orders.csv'
    """
    known = os.environ if environ is None else environ

    def value_of(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if default is not None:
            return known.get(name) or default
        if name not in known:
            raise ValueError(
                f"environment variable {name} is not set. Set it, or give a default: "
                f"${{{name}:-...}}."
            )
        return known[name]

    if "${" in _VARIABLE.sub("", text):
        raise ValueError(
            "'${' begins no variable here. Write ${NAME} or ${NAME:-default}, the name in "
            "letters, digits and _."
        )
    return _VARIABLE.sub(value_of, text)


def without_password(text: str) -> str:
    """Hide the user and password of any URL in a text, so that it can be shown.

    Examples
    --------
    >>> without_password("postgres://ann:secret@host/db")
    'postgres://***@host/db'
    """
    return _PASSWORD.sub(r"\g<scheme>***@", text)

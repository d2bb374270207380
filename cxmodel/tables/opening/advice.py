"""Say how a value that cannot be used would be read, so that its owner knows what to write."""

from __future__ import annotations

import datetime as dt
import math
import re

from cxmodel.tables.contracts import EARLIEST, LATEST

_SIGNS = "$€£¥₹₽₩₺₫฿₴₪"
_CODE = re.compile(r"^[A-Z]{2,3}\$?\s*(?=[-+(\d.])|(?<=[\d.,)])\s*[A-Z]{3}$")
_BLANKS = " \u00a0\u202f"
_THOUSANDS = re.compile(r"[+-]?\d{1,3}([,.' ])\d{3}(\1\d{3})*")
_UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_EPOCH = dt.datetime(1970, 1, 1)
_LIKELY = dt.datetime(1980, 1, 1), dt.datetime(2100, 1, 1)
_EXCEL_EPOCH = dt.datetime(1899, 12, 30)


def amount_advice(text: str) -> str:
    """Say how an amount that is text would be read, and what to do.

    Parameters
    ----------
    text : str
        The value.

    Examples
    --------
    >>> amount_advice("1.234,56 €")
    'Leave out the currency sign (study.currency names it) and write a point before the decimals \
and nothing between thousands: it would be read as 1234.56.'
    >>> amount_advice("1,234")
    'Is it 1234 or 1.234? Write a point before the decimals and nothing between thousands.'
    """
    bare, advice = _without_sign(text.strip())
    if re.sub(r"^[+-]", "", bare).lower() in ("nan", "inf", "infinity"):
        return "Mend the division that made it, or leave it blank."
    negative = re.fullmatch(r"\((.*)\)|(.*\d)-", bare)
    if negative:
        bare = "-" + (negative.group(1) or negative.group(2)).strip()
        advice.append("write a minus before a negative amount")
    plain, is_sure = _plain_number(bare)
    if plain is None or (plain == bare and not advice):
        return "Clean them, or leave them blank if there is none."
    if not is_sure:
        whole = re.sub(r"[,.]", "", bare)
        advice.append("write a point before the decimals and nothing between thousands")
        return f"Is it {whole} or {plain}? {_sentence(advice)}."
    if plain != bare:
        advice.append("write a point before the decimals and nothing between thousands")
    return f"{_sentence(advice)}: it would be read as {plain}."


def _without_sign(text: str) -> tuple[str, list[str]]:
    """Take off a currency sign or code."""
    bare = text
    for mark in _SIGNS:
        bare = bare.replace(mark, "")
    bare = _CODE.sub("", bare.strip()).strip(_BLANKS)
    if bare == text:
        return text, []
    return bare, ["leave out the currency sign (study.currency names it)"]


def _plain_number(text: str) -> tuple[str | None, bool]:
    """Read a number with separators; say whether there is one way only to read it."""
    for blank in _BLANKS + "'’":
        text = re.sub(rf"(?<=\d){blank}(?=\d{{3}})", "", text)
    marks = re.findall(r"[.,]", text)
    if not re.fullmatch(r"[+-]?[\d.,]*\d[\d.,]*", text):
        return None, False
    if len(set(marks)) == 2:
        decimal = marks[-1]
        if marks.count(decimal) > 1:
            return None, False
        return text.replace("," if decimal == "." else ".", "").replace(decimal, "."), True
    if len(marks) > 1:
        return (re.sub("[.,]", "", text), True) if _THOUSANDS.fullmatch(text) else (None, False)
    # 1,234 may be a thousand and more, or one and a quarter; 12,5 can only be the latter.
    return text.replace(",", "."), not ("," in text and _THOUSANDS.fullmatch(text))


def _sentence(parts: list[str]) -> str:
    words = ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]
    return words[0].upper() + words[1:]


def number_as_time(number: float, column: str) -> str:
    """Say which time a number may stand for, and how to say so.

    Parameters
    ----------
    number : float
        The first value.
    column : str
        The user's name of the column.

    Examples
    --------
    >>> number_as_time(1756512000, "at")
    'It looks like seconds since 1970: 2025-08-30 00:00:00 UTC. Turn it into a time by sql: \
SELECT ..., to_timestamp("at") AS "at" FROM ...'
    """
    if not math.isfinite(number):
        return "Leave it blank if the time is not known."
    quoted = '"' + column.replace('"', '""') + '"'
    for unit, per_second in _UNITS.items():
        time = _moment(_EPOCH, number / per_second)
        if time is not None:
            value = quoted if per_second == 1 else f"{quoted} / {float(per_second):.1f}"
            return (
                f"It looks like {unit} since 1970: {time} UTC. Turn it into a time by sql: "
                f"SELECT ..., to_timestamp({value}) AS {quoted} FROM ..."
            )
    day = _compact_day(number)
    if day is not None:
        return (
            f"It looks like days written as numbers: {day}. Turn it into text by sql, SELECT ..., "
            f'CAST({quoted} AS VARCHAR) AS {quoted} FROM ..., and write date_format = "%Y%m%d".'
        )
    serial = _moment(_EXCEL_EPOCH, number * 86_400.0)
    if serial is not None:
        return (
            f"It looks like days as a spreadsheet counts them: {serial}. Format the column as "
            "dates there and export it again."
        )
    return "Turn it into times first, or map the column that holds them."


def _moment(since: dt.datetime, seconds: float) -> dt.datetime | None:
    """Give the moment so many seconds later, if it is one that data of customers may have."""
    if not 0 < seconds < 1e10:
        return None
    moment = since + dt.timedelta(seconds=round(seconds))
    return moment if _LIKELY[0] <= moment < _LIKELY[1] else None


def _compact_day(number: float) -> dt.date | None:
    if number != int(number) or not EARLIEST.year <= number // 10_000 < LATEST.year:
        return None
    try:
        return dt.datetime.strptime(f"{int(number):08d}", "%Y%m%d").date()
    except ValueError:
        return None

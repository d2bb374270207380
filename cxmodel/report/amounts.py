"""Amounts of money as words: symbol or code, minor units, and k, m, bn or tn."""

from __future__ import annotations

import math
import re

MINUS = "\u2212"
NO_BREAK = "\u00a0"
_SYMBOLS = {
    "USD": "$",
    "EUR": "€",
    "GBP": "£",
    "JPY": "¥",
    "INR": "₹",
    "BRL": "R$",
    "CAD": "CA$",
    "AUD": "A$",
    "NZD": "NZ$",
    "MXN": "MX$",
    "HKD": "HK$",
    "SGD": "S$",
    "CNY": "CN¥",
    "KRW": "₩",
    "ILS": "₪",
    "VND": "₫",
}
_NO_MINOR_UNIT = {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX"} | {
    "VND",
    "VUV",
    "XAF",
    "XOF",
    "XPF",
}
_THREE_DIGITS = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}
_SCALES = ((1e12, "tn"), (1e9, "bn"), (1e6, "m"), (1e4, "k"))
_CURRENCY_UNIT = re.compile(r"([A-Z]{3})\b")


def minor_digits(currency: str) -> int:
    """Give the decimals of a currency (ISO 4217): 0 for JPY, 3 for KWD, mostly 2.

    Examples
    --------
    >>> minor_digits("JPY"), minor_digits("EUR"), minor_digits("KWD")
    (0, 2, 3)
    """
    if currency in _NO_MINOR_UNIT:
        return 0
    return 3 if currency in _THREE_DIGITS else 2


def money(
    value: float | None, currency: str, *, compact: bool = True, like: float | None = None
) -> str:
    """Write an amount: symbol or code, minor units, and k, m, bn or tn where it is large.

    Parameters
    ----------
    value : float or None
        The amount in whole units of the currency.
    currency : str
        The ISO 4217 code.
    compact : bool
        Whether large amounts are shortened.
    like : float, optional
        The size that decides unit and digits, so that the ends of an interval agree.

    Examples
    --------
    >>> money(1_900_000, "USD"), money(-4.2, "EUR"), money(1234, "JPY"), money(0.0031, "USD")
    ('$1.90m', '−€4.20', '¥1,234', '$0.0031')
    >>> money(0.54, "JPY")
    '¥0.54'
    >>> money(12.5, "CHF", compact=False).replace(NO_BREAK, " ")
    'CHF 12.50'
    """
    if value is None or not math.isfinite(value):
        return "not known"
    size = max(abs(value), abs(like)) if like is not None else abs(value)
    if value == 0 and compact and size >= 1e4:
        return f"{_SYMBOLS.get(currency, f'{currency}{NO_BREAK}')}0"
    text = _amount(abs(value), size, minor_digits(currency), compact=compact)
    has_sign = value < 0 and any(character in "123456789" for character in text)
    symbol = _SYMBOLS.get(currency, f"{currency}{NO_BREAK}")
    return f"{MINUS if has_sign else ''}{symbol}{text}"


def _amount(value: float, size: float, minor: int, *, compact: bool) -> str:
    """Write an amount without sign or symbol, in the unit that fits `size`."""
    for scale, suffix in _SCALES if compact else ():
        # 999,950 would read 1,000.0k: the next unit starts where rounding reaches it.
        if size >= scale * 0.9995:
            digits = 2 if size < 9.995 * scale else 1 if size < 99.95 * scale else 0
            return f"{value / scale:,.{digits}f}{suffix}" if scale != 1e4 else _thousands(value)
    if 0 < size < 10 ** -min(minor, 2) and minor:
        return f"{value:.{1 - math.floor(math.log10(size))}f}"
    if not minor and 0 < size < 3:
        return f"{value:.2f}"  # an average: a yen would hide it
    digits = 0 if size >= 1000 else minor
    return f"{value:,.{digits}f}"


def _thousands(value: float) -> str:
    """Write 10,000 to a million in thousands."""
    digits = 1 if value < 99_950 else 0
    return f"{value / 1000:,.{digits}f}k"


def currency_of(unit: str | None) -> str | None:
    """Read the currency at the start of a unit.

    Examples
    --------
    >>> currency_of("USD per rating point per customer per 180 days"), currency_of("months")
    ('USD', None)
    """
    found = _CURRENCY_UNIT.match(unit or "")
    code = found.group(1) if found else None
    return None if code in (None, "NPS", "KPI", "CES") else code


def in_symbols(text: str) -> str:
    """Write amounts inside a text with their symbol, and true minus signs.

    Examples
    --------
    >>> in_symbols("the lift is USD -531.13 (CHF 2.00) and -1.69 percentage points")
    'the lift is −$531.13 (CHF 2.00) and −1.69 percentage points'
    """
    text = re.sub(r"(?<![\w.,/-])-(?=\d)", MINUS, text)
    return re.sub(rf"\b([A-Z]{{3}}) ({MINUS}?)(?=\d)", _symbol_first, text)


def _symbol_first(found: re.Match[str]) -> str:
    code, sign = found.groups()
    symbol = _SYMBOLS.get(code)
    return found.group() if symbol is None else f"{sign}{symbol}"

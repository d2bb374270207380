"""Money as whole numbers, so that sums are exact and the same on every run.

An amount is kept in *units*: the minor unit of its currency (ISO 4217: none for JPY, cents for USD,
thousandths for KWD) and two digits more. Further digits are rounded half to even, and what that
changes in sum is counted for the audit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cxmodel.errors import ConfigError, nearest
from cxmodel.tables.contracts import MAX_UNITS
from cxmodel.tables.engines.functions import decimal_of, fraction, is_finite, number_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

EXTRA_DIGITS = 2
DEFAULT_MINOR_DIGITS = 2

# Below this many units a double and its product with a power of ten are good to a ten-thousandth of
# a unit, so that rounding is sure unless the amount lies that close to a tie.
_SURE_IN_DOUBLE = float(2**36)
_TIE = 1e-4
_PARTS = 1000

_NO_MINOR = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_FOUR = "CLF UYW"
_TWO = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD
CDF CHE CHF CHW CNY COP COU CRC CUC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP
GMD GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD
MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR
PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP
TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG ZWL
"""
MINOR_DIGITS = {
    **dict.fromkeys(_NO_MINOR.split(), 0),
    **dict.fromkeys(_TWO.split(), 2),
    **dict.fromkeys(_THREE.split(), 3),
    **dict.fromkeys(_FOUR.split(), 4),
}


def unit_digits(currency: str | None) -> int:
    """Say how many decimal digits the units of a currency have.

    Parameters
    ----------
    currency : str, optional
        ISO 4217 code; None counts as two minor digits.

    Raises
    ------
    ConfigError
        If there is no such currency.

    Examples
    --------
    >>> unit_digits("USD"), unit_digits("JPY"), unit_digits("KWD")
    (4, 2, 5)
    """
    if currency is None:
        return DEFAULT_MINOR_DIGITS + EXTRA_DIGITS
    if currency not in MINOR_DIGITS:
        known = currency.strip().upper()
        hint = f"Did you mean {known!r}?" if known in MINOR_DIGITS else nearest(known, MINOR_DIGITS)
        raise ConfigError(f"study.currency {currency!r} is no ISO 4217 code. {hint}")
    return MINOR_DIGITS[currency] + EXTRA_DIGITS


def money(units: int, currency: str | None) -> float:
    """Give whole units as an amount of the currency.

    Examples
    --------
    >>> money(1_234_500, "USD")
    123.45
    """
    return float(units / 10 ** unit_digits(currency))


class Units(NamedTuple):
    """An amount column as whole units.

    Parameters
    ----------
    units : int64 expression
        Null where the amount is missing or cannot be used.
    is_text : boolean expression, optional
        Where text is no number (only if the column is text).
    is_not_finite : boolean expression, optional
        Where a float is NaN or infinite.
    is_too_large : boolean expression
        Where there are more than `MAX_UNITS`.
    is_negative : boolean expression
        Where money goes back.
    rounding : int64 expression
        Thousandths of a unit by which the amount exceeds its units.
    """

    units: ir.IntegerValue
    is_text: ir.BooleanValue | None
    is_not_finite: ir.BooleanValue | None
    is_too_large: ir.BooleanValue
    is_negative: ir.BooleanValue
    rounding: ir.IntegerValue


def to_units(amount: ir.Value, digits: int) -> Units:
    """Turn an amount into whole units, half to even.

    Parameters
    ----------
    amount : text, integer, decimal or float expression
        The amounts.
    digits : int
        Decimal digits of a unit: see `unit_digits`.
    """
    import ibis

    kind = amount.type()
    if kind.is_integer():
        return _from_integers(amount, digits)
    if kind.is_string():
        number = number_of(amount)
        # A CASE, as engines compute both sides of an "and" but only the branch that is taken.
        is_text = ibis.cases(
            (amount.isnull() | number.notnull(), False), else_=amount.strip() != ""
        )
        units = _from_numbers(number, amount, digits)
        return units._replace(is_text=is_text, is_not_finite=None)
    return _from_numbers(amount.cast("float64"), amount.cast("string"), digits)


def _from_integers(amount: Any, digits: int) -> Units:
    import ibis

    limit = MAX_UNITS // 10**digits
    is_large = (amount > limit) | (amount < -limit)
    small = is_large.ifelse(ibis.null("int64"), amount.cast("int64"))
    units = small * ibis.literal(10**digits, "int64")
    return Units(units, None, None, is_large, amount < 0, units * 0)


def _from_numbers(number: Any, text: Any, digits: int) -> Units:
    """Round by doubles where they decide, by the decimal text where a double is too coarse.

    Only the few rows near a tie, and very large amounts, pay for decimal arithmetic.
    """
    import ibis

    scaled = number * float(10**digits)
    size = scaled.abs()
    is_small = size < _SURE_IN_DOUBLE  # NaN is not
    is_tie = is_small.ifelse((fraction(size) - 0.5).abs() < _TIE, False)
    is_sure = is_small & ~is_tie
    exact = _half_even(text, digits)
    units = ibis.cases((is_sure, scaled.round().cast("int64")), (number.notnull(), exact))
    rest = ibis.cases(
        (is_sure, scaled - scaled.round()),
        (is_small, scaled - exact.cast("float64")),
        else_=0.0,
    )
    return Units(
        units,
        None,
        ~is_finite(number),
        (size > float(MAX_UNITS)) & is_finite(number),
        number < 0,
        (rest * _PARTS).round().cast("int64"),
    )


def _half_even(text: Any, digits: int) -> Any:
    """Round a decimal text to whole units; null where it is none, or too large."""
    import ibis

    exact = decimal_of(text, digits + 12, MAX_UNITS // 10**digits)
    scaled = exact * ibis.literal(10**digits, "int64").cast(f"decimal({digits + 1}, 0)")
    floor = scaled.floor()
    whole = floor.cast("int64")
    rest = scaled - floor
    is_up = (rest > 0.5) | ((rest == 0.5) & ((whole % 2) != 0))
    return whole + is_up.ifelse(1, 0)

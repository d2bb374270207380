"""Numbers as words: percent, percentage points, counts, intervals, and what they show."""

from __future__ import annotations

import math
import re
from typing import Any, Literal

from cxmodel.report.amounts import MINUS, NO_BREAK, currency_of, money
from cxmodel.results import Estimate
from cxmodel.tables.times.calendar_days import MONTHS

Shown = Literal["higher", "lower", "not shown", "no interval"]


def number(value: float | None, digits: int = 1) -> str:
    """Write a number with thousands and a true minus sign.

    Examples
    --------
    >>> number(-12345.678), number(2.0, 0), number(None)
    ('−12,345.7', '2', 'not known')
    """
    if value is None or not math.isfinite(value):
        return "not known"
    text = f"{abs(value):,.{digits}f}"
    is_zero = not any(character in "123456789" for character in text)
    return f"{MINUS}{text}" if value < 0 and not is_zero else text


def count(value: float | None) -> str:
    """Write a count.

    Examples
    --------
    >>> count(48200)
    '48,200'
    """
    return number(value, 0)


def minus(n: float) -> str:
    """Write a count that is taken away.

    Examples
    --------
    >>> minus(1200)
    '−1,200'
    """
    return number(-n, 0)


def significant(value: float | None, figures: int = 3) -> str:
    """Write a number to so many significant figures, without an exponent down to a millionth.

    Examples
    --------
    >>> significant(0.004567), significant(1234.5), significant(0.0)
    ('0.00457', '1,234', '0')
    """
    if value is None or not math.isfinite(value):
        return "not known"
    if value == 0:
        return "0"
    if abs(value) < 1e-6:
        return f"{value:.{figures - 1}e}".replace("-", MINUS)
    return number(value, max(0, figures - 1 - math.floor(math.log10(abs(value)))))


def percent(fraction: float | None, digits: int = 1) -> str:
    """Write a fraction as a percentage.

    Examples
    --------
    >>> percent(0.4321), percent(-0.5, 0)
    ('43.2%', '−50%')
    """
    text = number(None if fraction is None else 100 * fraction, digits)
    return text if text == "not known" else f"{text}%"


def quantity(value: float | None, unit: str | None, *, like: float | None = None) -> str:
    """Write a value in its unit: money, percentage points, percent, months or a plain number.

    Examples
    --------
    >>> quantity(0.0132, "probability of staying per rating point per 180 days")
    '1.32 percentage points'
    >>> quantity(63.2, "percent in the top box, 0-100"), quantity(41.0, "NPS, -100 to 100")
    ('63.2%', '41.0')
    """
    unit = unit or ""
    code = currency_of(unit)
    if code:
        return money(value, code, like=like)
    if value is None or not math.isfinite(value):
        return "not known"
    size = max(abs(value), abs(like)) if like is not None else abs(value)
    if unit.startswith("probability") and (" per rating point" in unit or " per KPI point" in unit):
        return f"{number(100 * value, _digits_for(100 * size))} percentage points"
    if unit.startswith(("probability", "share", "fraction")):
        return percent(value)
    if unit.startswith("percentage point"):
        return f"{number(value, _digits_for(size))} percentage points"
    if unit.startswith("percent") or "0-100" in unit:
        return f"{number(value, 1)}%"
    if unit.startswith("NPS"):
        return number(value, 1)
    word = next((w for w in ("months", "days", "hours", "minutes", "seconds") if w in unit), "")
    return f"{number(value, 1)} {word}" if word else significant(value)


def _digits_for(size: float) -> int:
    """Give the decimals that leave two to three figures."""
    return 3 if size < 0.1 else 2 if size < 10 else 1


def interval(estimate: Estimate) -> str:
    """Write an interval, both ends in one unit; empty where there is none.

    Examples
    --------
    >>> interval(Estimate.from_std_error(1.9e6, 0.35e6, unit="USD"))
    '$1.21m to $2.59m'
    """
    if estimate.conf_low is None or estimate.conf_high is None:
        return ""
    like = max(abs(estimate.conf_low), abs(estimate.conf_high))
    low = _like(estimate.conf_low, estimate.unit, like)
    high = _like(estimate.conf_high, estimate.unit, like)
    for word in (" percentage points", " months", " days", " hours", " minutes", " seconds"):
        if low.endswith(word) and high.endswith(word):
            low = low.removesuffix(word)
    return f"{low} to {high}"


def central(estimate: Estimate) -> str:
    """Write the estimate alone, in the unit of its interval.

    Examples
    --------
    >>> central(Estimate(estimate=4638.0, unit="USD", conf_low=-4154.0, conf_high=15595.0))
    '$4.6k'
    """
    ends = [abs(e) for e in (estimate.conf_low, estimate.conf_high) if e is not None]
    return _like(estimate.estimate, estimate.unit, max(ends, default=0.0))


def _like(value: float, unit: str, like: float) -> str:
    """Write a value in the unit of another, unless that would hide that it is not zero."""
    return quantity(value, unit, like=like if abs(value) >= 0.01 * like else None)


def short(text: str) -> str:
    """Take the words of a unit off, where the heading of the column has them.

    Examples
    --------
    >>> short("0.70 to 1.72 percentage points")
    '0.70 to 1.72'
    """
    return text.removesuffix(" percentage points")


def level(estimate: Estimate) -> str:
    """Write the level of an interval: ``95%``."""
    return f"{100 * estimate.conf_level:g}%"


def with_interval(estimate: Estimate) -> str:
    """Write an estimate and, in brackets, its interval.

    Examples
    --------
    >>> with_interval(Estimate.from_std_error(4.1, 1.0, unit="USD"))
    '$4.10 (95% interval $2.14 to $6.06)'
    """
    value = central(estimate)
    ends = interval(estimate)
    return f"{value} ({level(estimate)} interval {ends})" if ends else value


def shown(estimate: Estimate) -> Shown:
    """Say whether the interval lies above zero, below it, or includes it.

    Examples
    --------
    >>> shown(Estimate.from_std_error(1.0, 1.0, unit="USD"))
    'not shown'
    >>> shown(Estimate.from_std_error(-4.0, 1.0, unit="USD"))
    'lower'
    """
    if estimate.conf_low is None or estimate.conf_high is None:
        return "no interval"
    if estimate.conf_low > 0:
        return "higher"
    return "lower" if estimate.conf_high < 0 else "not shown"


def window_of(unit: str | None) -> str:
    """Read the window at the end of a unit: ``over 180 days``.

    Examples
    --------
    >>> window_of("USD per rating point per customer per 180 days")
    'over 180 days'
    >>> window_of("probability of staying per rating point per observation window")
    'over the observation window'
    """
    tail = (unit or "").rsplit(" per ", 1)[-1]
    if tail.endswith(" days"):
        return f"over {tail}"
    return "over the observation window" if "observation window" in tail else "in the window"


def name(key: Any) -> str:
    """Write a key of the results as words.

    Examples
    --------
    >>> name("nps"), name("first_contact_resolution"), name("late_rate")
    ('NPS', 'first-contact resolution', 'late rate')
    """
    return _NAMES.get(str(key), str(key).replace("_", " "))


_NAMES = {
    "nps": "NPS",
    "csat": "CSAT",
    "ces": "CES",
    "first_contact_resolution": "first-contact resolution",
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "brier": "Brier score",
    "log_loss": "log loss",
}


def period(text: str) -> str:
    """Write a period as a reader says it.

    Examples
    --------
    >>> period("2026-Q2").replace(NO_BREAK, " "), period("2026-01").replace(NO_BREAK, " ")
    ('Q2 2026', 'January 2026')
    >>> period("2026-W05").replace(NO_BREAK, " "), period("2026")
    ('week 5 of 2026', '2026')
    """
    year, _, rest = str(text).partition("-")
    if rest.startswith("Q"):
        return f"{rest}{NO_BREAK}{year}"
    if rest.startswith("W") and rest[1:].isdigit():
        return f"week{NO_BREAK}{int(rest[1:])} of{NO_BREAK}{year}"
    if rest.isdigit() and 1 <= int(rest) <= 12:
        return f"{MONTHS[int(rest) - 1]}{NO_BREAK}{year}"
    return str(text)


def sentence(text: str) -> str:
    """Begin with a capital letter, leaving the rest as it is.

    Examples
    --------
    >>> sentence("late rate and NPS")
    'Late rate and NPS'
    >>> sentence("value.gross_margin is missing")
    'value.gross_margin is missing'
    """
    first = text.split(" ", 1)[0]
    is_key = "_" in first or "." in first.rstrip(".")
    return text if is_key else text[:1].upper() + text[1:]


def lower_first(text: str) -> str:
    """Begin with a small letter, unless the first word is an abbreviation.

    Examples
    --------
    >>> lower_first("Sample size"), lower_first("NPS rose")
    ('sample size', 'NPS rose')
    """
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def ended(text: str) -> str:
    """End with a full stop, unless the text ends a sentence already.

    Examples
    --------
    >>> ended("no ledger"), ended("No ledger.")
    ('no ledger.', 'No ledger.')
    """
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def reason_lines(text: str) -> list[str]:
    """Write a reason as sentences, one line for each outcome that it names.

    Examples
    --------
    >>> reason_lines("revenue: no ledger.; retention: no churn")
    ['Revenue: no ledger.', 'Retention: no churn.']
    >>> reason_lines("no ledger")
    ['No ledger.']
    """
    parts = re.split(r"; (?=retention: )", text) if text.startswith("revenue: ") else [text]
    bare = {ended(part.split(": ", 1)[-1]) for part in parts}
    if len(parts) > 1 and len(bare) == 1:
        return [sentence(bare.pop())]
    return [sentence(ended(part)) for part in parts]


def is_of_later_version(reason: str) -> bool:
    """Say whether a reason is that no study can have this yet.

    Examples
    --------
    >>> is_of_later_version("it comes with a later version of cxmodel")
    True
    """
    return re.search(r"\b(?:in|with) a later version\b", reason) is not None


def shortened(text: str, length: int = 60) -> str:
    """Cut a name that is too long for a sentence; tables give it whole.

    Examples
    --------
    >>> shortened("a very long name", 10)
    'a very lo…'
    """
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def listing(words: list[str], *, last: str = "and") -> str:
    """Join words as in a sentence.

    Examples
    --------
    >>> listing(["a", "b", "c"]), listing(["a"]), listing([])
    ('a, b and c', 'a', '')
    """
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def plural(n: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun.

    Examples
    --------
    >>> plural(1, "check"), plural(1200, "customer")
    ('1 check', '1,200 customers')
    """
    return f"{count(n)} {one if n == 1 else many or one + 's'}"

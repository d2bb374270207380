"""What a computation returns: estimates with their intervals, and things that were not run."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

CONF_LEVEL = 0.95
ESTIMATE_FIELDS = ("estimate", "std_error", "conf_low", "conf_high", "conf_level", "unit", "n_obs")
TIDY_COLUMNS = (
    "group",
    "term",
    "unit",
    "estimate",
    "std_error",
    "conf_low",
    "conf_high",
    "p_value",
    "n_obs",
)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its uncertainty and its unit.

    Two estimates never add with ``+``: their units or their dependence could be lost.
    Use `plus`, which asks for the covariance, and `scaled`, which asks for the new unit.

    Parameters
    ----------
    estimate : float
        The value, in `unit`.
    unit : str
        In words, for instance ``"USD per rating point per customer per 180 days"``.
    std_error : float, optional
        In `unit`.
    conf_low, conf_high : float, optional
        Ends of the interval, in `unit`.
    conf_level : float
        The level of the interval, 0.95 by default.
    n_obs : int, optional
        Observations behind the estimate.
    caveats : tuple of str
        What a reader must know; they travel with the estimate.

    Examples
    --------
    >>> unit = "USD per rating point per customer per 180 days"
    >>> lift = Estimate.from_std_error(4.0, 1.0, unit=unit)
    >>> round(lift.conf_low, 2), round(lift.conf_high, 2)
    (2.04, 5.96)
    >>> print(lift)
    4 USD per rating point per customer per 180 days (95% interval 2.04 to 5.96)
    >>> lift.scaled(0.6, unit="USD margin per rating point per customer per 180 days").estimate
    2.4
    """

    estimate: float
    unit: str
    std_error: float | None = None
    conf_low: float | None = None
    conf_high: float | None = None
    conf_level: float = CONF_LEVEL
    n_obs: int | None = None
    caveats: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def from_std_error(
        cls,
        estimate: float,
        std_error: float,
        *,
        unit: str,
        n_obs: int | None = None,
        conf_level: float = CONF_LEVEL,
        deg_freedom: float | None = None,
        caveats: tuple[str, ...] = (),
    ) -> Estimate:
        """Build an estimate whose interval is symmetric: normal, or t with `deg_freedom`."""
        half = critical_value(conf_level, deg_freedom) * std_error
        return cls(
            estimate=float(estimate),
            std_error=float(std_error),
            conf_low=float(estimate - half),
            conf_high=float(estimate + half),
            conf_level=conf_level,
            unit=unit,
            n_obs=n_obs,
            caveats=caveats,
        )

    @property
    def p_value(self) -> float | None:
        """Two-sided normal p-value of the hypothesis that the true value is zero."""
        if not self.std_error:
            return None
        return math.erfc(abs(self.estimate / self.std_error) / math.sqrt(2))

    def scaled(self, factor: float, *, unit: str) -> Estimate:
        """Multiply by a constant that is known exactly, into another unit."""
        ends = [None if end is None else end * factor for end in (self.conf_low, self.conf_high)]
        if factor < 0:
            ends.reverse()
        return replace(
            self,
            estimate=self.estimate * factor,
            std_error=None if self.std_error is None else abs(factor) * self.std_error,
            conf_low=ends[0],
            conf_high=ends[1],
            unit=unit,
        )

    def plus(self, other: Estimate, *, covariance: float = 0.0) -> Estimate:
        """Add two estimates of one unit and one confidence level, given their covariance.

        Raises
        ------
        ValueError
            If units or confidence levels differ, or an estimate has no standard error.
        """
        if self.unit != other.unit:
            raise ValueError(
                f"Units differ: {self.unit!r} and {other.unit!r}. "
                "Convert one with scaled(factor, unit=)."
            )
        if self.conf_level != other.conf_level:
            raise ValueError(f"Confidence levels differ: {self.conf_level} and {other.conf_level}.")
        if self.std_error is None or other.std_error is None:
            raise ValueError("Both estimates need a std_error to be added.")
        variance = self.std_error**2 + other.std_error**2 + 2 * covariance
        if variance < 0:
            raise ValueError(f"A covariance of {covariance} is larger than the two errors allow.")
        n_known = [n for n in (self.n_obs, other.n_obs) if n is not None]
        return Estimate.from_std_error(
            self.estimate + other.estimate,
            math.sqrt(variance),
            unit=self.unit,
            n_obs=min(n_known, default=None),
            conf_level=self.conf_level,
            caveats=tuple(dict.fromkeys(self.caveats + other.caveats)),
        )

    def __add__(self, other: object) -> Estimate:
        raise TypeError("Estimates do not add with +: use a.plus(b, covariance=...).")

    __radd__ = __add__

    def __sub__(self, other: object) -> Estimate:
        raise TypeError(
            "Estimates do not subtract with -: "
            "use a.plus(b.scaled(-1, unit=b.unit), covariance=...)."
        )

    __rsub__ = __sub__

    def __str__(self) -> str:
        parts = []
        if self.conf_low is not None and self.conf_high is not None:
            ends = f"{_short(self.conf_low)} to {_short(self.conf_high)}"
            parts.append(f"{100 * self.conf_level:g}% interval {ends}")
        if self.n_obs is not None:
            parts.append(f"n = {self.n_obs:,}")
        inside = f" ({'; '.join(parts)})" if parts else ""
        return f"{_short(self.estimate)} {self.unit}{inside}"

    def _repr_html_(self) -> str:
        from cxmodel.display import escape

        said = "".join(f"<li>{escape(caveat)}</li>" for caveat in self.caveats)
        return f"<p>{escape(self)}</p>" + (f"<ul>{said}</ul>" if said else "")

    def to_dict(self) -> dict[str, Any]:
        """Give the seven fields of an estimate in ``results.json``; what is not finite is None."""
        return {name: finite_or_none(getattr(self, name)) for name in ESTIMATE_FIELDS}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Estimate:
        """Read back what `to_dict` wrote; a missing value becomes NaN."""
        known: dict[str, Any] = {name: values.get(name) for name in ESTIMATE_FIELDS}
        known["estimate"] = math.nan if known["estimate"] is None else known["estimate"]
        return cls(**known)


@dataclass(frozen=True)
class NotRun:
    """Something that was not computed, and why.

    Examples
    --------
    >>> NotRun("no revenue in the study").to_dict()
    {'status': 'not_run', 'reason': 'no revenue in the study'}
    """

    reason: str

    @property
    def status(self) -> str:
        """Always ``"not_run"``."""
        return "not_run"

    def to_dict(self) -> dict[str, Any]:
        """Give the form of ``results.json``."""
        return {"status": self.status, "reason": self.reason}


class Result(ABC):
    """The one base of every result: how it shows itself follows from its title and its table."""

    caveats: tuple[str, ...] = ()

    @property
    @abstractmethod
    def title(self) -> str:
        """What was computed, as a heading."""

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """Give one row per estimate."""

    @abstractmethod
    def to_section(self) -> dict[str, Any]:
        """Give the part of ``results.json`` that this result fills; leaves may be estimates."""

    def to_dict(self) -> dict[str, Any]:
        """Give `to_section` as plain dictionaries, lists and numbers."""
        return dict(to_plain(self.to_section()))

    def summary(self) -> str:
        """Write the table as text, with the caveats below it."""
        from cxmodel.display import to_text

        lines = [to_text(self.to_frame(), title=self.title)]
        return "\n".join([*lines, *(f"- {caveat}" for caveat in self.caveats)])

    def _repr_html_(self) -> str:
        from cxmodel.display import to_html

        return to_html(self.to_frame(), title=self.title)


def to_plain(value: Any) -> Any:
    """Turn sections, estimates and numpy scalars into what JSON holds; not finite becomes None."""
    if isinstance(value, (Estimate, NotRun)):
        return to_plain(value.to_dict())
    if isinstance(value, Mapping):
        return {str(name): to_plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(part) for part in value]
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        return to_plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, (str, int, bool)):
        return value
    raise TypeError(f"{type(value).__name__} cannot stand in results.json: {value!r}.")


def critical_value(conf_level: float, deg_freedom: float | None = None) -> float:
    """Give the two-sided critical value: normal, or Student's t with `deg_freedom`.

    Examples
    --------
    >>> round(critical_value(0.95), 4), round(critical_value(0.95, 10), 4)
    (1.96, 2.2281)
    """
    if not 0 < conf_level < 1:
        raise ValueError(f"conf_level must lie between 0 and 1, not {conf_level}.")
    if deg_freedom is None:
        from statistics import NormalDist

        return NormalDist().inv_cdf(0.5 + conf_level / 2)
    from scipy.special import stdtrit

    return float(stdtrit(deg_freedom, 0.5 + conf_level / 2))


def _short(value: float) -> str:
    """Write a number with about three figures."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def finite_or_none(value: Any) -> Any:
    """Turn a float that is not finite into None, as JSON needs it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

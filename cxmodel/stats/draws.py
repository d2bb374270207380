"""Random draws of uncertain quantities, and the intervals that draws give."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
QuantityLike = float | Mapping[str, float]

_FORMS = "a number, {mean, sd} or {low, mode, high}"

# Customers up to which drawn weights are kept: 256 draws of them are 50 MB.
_FEW_ENOUGH_TO_KEEP = 200_000


@dataclass(frozen=True)
class Quantity:
    """An amount that somebody assumed: known exactly, normal, or a PERT range.

    Parameters
    ----------
    form : {"exact", "normal", "pert"}
        Which of the three.
    values : tuple of float
        ``(value,)``, ``(mean, sd)`` or ``(low, mode, high)``.

    Examples
    --------
    >>> Quantity.parse({"low": 80, "mode": 100, "high": 150}, "upfront_cost").mean
    105.0
    """

    form: Literal["exact", "normal", "pert"]
    values: tuple[float, ...]

    @classmethod
    def parse(cls, value: QuantityLike, name: str) -> Quantity:
        """Read a number, ``{mean, sd}`` or ``{low, mode, high}``.

        Raises
        ------
        TypeError
            If `value` is none of these.
        ValueError
            If a number is not finite, sd is negative, or low, mode and high are out of order.
        """
        if isinstance(value, Mapping):
            return cls._parse_mapping(value, name)
        if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise TypeError(f"{name} must be {_FORMS}, not {value!r}.")
        return cls("exact", _finite([value], name))

    @classmethod
    def _parse_mapping(cls, value: Mapping[str, float], name: str) -> Quantity:
        if set(value) == {"mean", "sd"}:
            mean, sd = _finite([value["mean"], value["sd"]], name)
            if sd < 0:
                raise ValueError(f"{name}.sd must be 0 or more, not {sd}.")
            return cls("normal", (mean, sd))
        if set(value) == {"low", "mode", "high"}:
            low, mode, high = _finite([value["low"], value["mode"], value["high"]], name)
            if not low <= mode <= high:
                raise ValueError(
                    f"{name} must have low <= mode <= high, not {low}, {mode}, {high}."
                )
            return cls("pert", (low, mode, high))
        raise ValueError(f"{name} must be {_FORMS}; it has the keys {', '.join(sorted(value))}.")

    @property
    def mean(self) -> float:
        """The expected value."""
        if self.form == "pert":
            low, mode, high = self.values
            return (low + 4 * mode + high) / 6
        return self.values[0]

    @property
    def is_certain(self) -> bool:
        """Whether every draw would be the same."""
        if self.form == "normal":
            return self.values[1] == 0
        return self.form == "exact" or self.values[0] == self.values[2]

    def draw(self, n_draws: int, rng: np.random.Generator) -> FloatArray:
        """Draw `n_draws` values.

        A PERT range is a beta distribution on [low, high] with mean (low + 4 mode + high) / 6
        (Malcolm, Roseboom, Clark & Fazar 1959).
        """
        if self.is_certain:
            return np.full(n_draws, self.mean)
        if self.form == "normal":
            return rng.normal(self.values[0], self.values[1], n_draws)
        low, mode, high = self.values
        peak = 4 * (mode - low) / (high - low)
        return low + (high - low) * rng.beta(1 + peak, 5 - peak, n_draws)


def draw_multivariate_normal(
    mean: npt.ArrayLike, covariance: npt.ArrayLike, n_draws: int, seed: int
) -> FloatArray:
    """Draw from a joint normal whose covariance may be singular.

    Parameters
    ----------
    mean : array_like of float, shape (k,)
        Expected values.
    covariance : array_like of float, shape (k, k)
        Symmetric; eigenvalues below zero by rounding alone count as zero.
    n_draws, seed : int
        How many draws, and the seed.

    Returns
    -------
    numpy.ndarray, shape (n_draws, k)

    Raises
    ------
    ValueError
        If the covariance has a clearly negative eigenvalue or another shape.

    Examples
    --------
    >>> draws = draw_multivariate_normal([1.0, 2.0], [[1.0, 1.0], [1.0, 1.0]], 4, seed=1)
    >>> bool(np.allclose(draws[:, 1] - draws[:, 0], 1.0))
    True
    """
    centre = np.atleast_1d(np.asarray(mean, dtype=float))
    matrix = np.atleast_2d(np.asarray(covariance, dtype=float))
    if matrix.shape != (centre.size, centre.size):
        raise ValueError(f"covariance has shape {matrix.shape} for {centre.size} means.")
    eigenvalues, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    if eigenvalues.min(initial=0.0) < -1e-8 * max(eigenvalues.max(initial=0.0), 1e-300):
        raise ValueError(
            f"covariance is no covariance: its smallest eigenvalue is {eigenvalues.min():.3g}."
        )
    root = vectors * np.sqrt(np.clip(eigenvalues, 0.0, None))
    normal = np.random.default_rng(seed).standard_normal((n_draws, centre.size))
    return np.asarray(centre + normal @ root.T, dtype=float)


def draw_customer_weights(n_customers: int, draw: int, seed: int) -> FloatArray:
    """Give every customer a Poisson(1) weight: draw number `draw` of the bootstrap.

    The same seed and draw give the same weights wherever they are asked for, so quantities
    computed apart, the revenue and the retention of the same customers, stay joint.

    Examples
    --------
    >>> draw_customer_weights(6, draw=0, seed=1).tolist()
    [2.0, 1.0, 1.0, 1.0, 0.0, 2.0]
    """
    if n_customers > _FEW_ENOUGH_TO_KEEP:
        return _poisson_weights(n_customers, draw, seed).astype(float)
    return _kept_poisson_weights(n_customers, draw, seed).astype(float)


def _poisson_weights(n_customers: int, draw: int, seed: int) -> npt.NDArray[np.uint8]:
    # one byte each: a Poisson(1) above 255 does not happen
    return np.random.default_rng([seed, draw]).poisson(1.0, n_customers).astype(np.uint8)


# Every band and group asks for the same draws again.
_kept_poisson_weights = lru_cache(maxsize=256)(_poisson_weights)


def quantile_interval(draws: npt.ArrayLike, conf_level: float = 0.95) -> tuple[float, float]:
    """Give the equal-tailed interval of draws; draws may be infinite, not NaN.

    Examples
    --------
    >>> quantile_interval([0.0, 1.0, 2.0, 3.0, 4.0], 0.5)
    (1.0, 3.0)
    """
    if not 0 < conf_level < 1:
        raise ValueError(f"conf_level must lie between 0 and 1, not {conf_level}.")
    values = np.sort(np.asarray(draws, dtype=float))
    return (
        _quantile(values, (1 - conf_level) / 2),
        _quantile(values, (1 + conf_level) / 2),
    )


def _quantile(ordered: FloatArray, prob: float) -> float:
    """Interpolate between order statistics, without making NaN of two infinities."""
    place = prob * (len(ordered) - 1)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    if low == high:
        return float(low)
    return float(low + (place - math.floor(place)) * (high - low))


def _finite(values: list[float], name: str) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError(f"{name} must be finite, not {values}.")
    return numbers

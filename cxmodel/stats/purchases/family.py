"""What every family of purchase models offers, so that one model can fit them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cxmodel.stats.purchases.histories import Histories, Parameters

FloatArray = npt.NDArray[np.float64]
Scale = tuple[str, float]
"""A parameter that covariates z scale by exp(sign x coefficient'z), and the sign."""


class LogLikelihood(Protocol):
    """The log-likelihood of each row, and its slope in each parameter."""

    def __call__(
        self, parameters: Parameters, histories: Histories, /
    ) -> tuple[FloatArray, tuple[FloatArray, ...]]:
        """Give arrays (n,)."""


class OfRows(Protocol):
    """A number for each row."""

    def __call__(self, parameters: Parameters, histories: Histories, /) -> FloatArray:
        """Give an array (n,)."""


class OfTime(Protocol):
    """What is expected of a new customer in a time."""

    def __call__(self, parameters: Parameters, t: FloatArray, /) -> FloatArray:
        """Give an array of the shape of t and the parameters."""


class OfRowsAhead(Protocol):
    """What is expected of each row in a time from now."""

    def __call__(
        self, parameters: Parameters, histories: Histories, t: FloatArray, /
    ) -> FloatArray:
        """Give an array (n,)."""


class OfRowsDiscounted(Protocol):
    """What is expected of each row from now on, discounted."""

    def __call__(self, parameters: Parameters, histories: Histories, rate: float, /) -> FloatArray:
        """Give an array (n,)."""


class OfCounts(Protocol):
    """The probability of numbers of purchases of a new customer in a time."""

    def __call__(self, parameters: Parameters, n: FloatArray, t: float, /) -> FloatArray:
        """Give an array (k,)."""


class Start(Protocol):
    """A first guess."""

    def __call__(self, histories: Histories, /) -> FloatArray:
        """Give positive numbers, one a parameter."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of purchase models.

    Parameters
    ----------
    name, title : str
        In code, and as the literature writes it.
    parameters : tuple of str
        All positive, in the order of the functions.
    purchase_scale : (str, float), optional
        Which parameter covariates of purchasing scale, and with which sign. A positive coefficient
        means more purchases.
    dropout_scales : tuple of (str, float)
        Which parameters covariates of leaving scale.
    is_discrete : bool
        Whether time is a count of occasions.
    start, log_likelihood, prob_alive, expected, conditional, residual, count_probability : callable
        The arithmetic, on arrays.
    """

    name: str
    title: str
    parameters: tuple[str, ...]
    purchase_scale: Scale | None = None
    dropout_scales: tuple[Scale, ...] = ()
    is_discrete: bool = False
    start: Start
    log_likelihood: LogLikelihood
    prob_alive: OfRows
    expected: OfTime
    conditional: OfRowsAhead
    residual: OfRowsDiscounted
    count_probability: OfCounts

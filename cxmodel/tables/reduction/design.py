"""What the columns of a regression are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cxmodel.tables.reduction.rows import CompleteRows, levels_of


@dataclass(frozen=True)
class Intercept:
    """The column of ones."""

    @property
    def name(self) -> str:
        """The name in results."""
        return "intercept"


@dataclass(frozen=True)
class Numeric:
    """A numeric column as it is."""

    column: str

    @property
    def name(self) -> str:
        """The name in results."""
        return self.column


@dataclass(frozen=True)
class Level:
    """1 where a column has this value, else 0."""

    column: str
    level: str | int | float

    @property
    def name(self) -> str:
        """The name in results."""
        return f"{self.column}[{self.level}]"


@dataclass(frozen=True)
class Centred:
    """A column minus its mean over the rows used, weighted where there are weights."""

    term: Numeric | Level

    @property
    def name(self) -> str:
        """The name in results."""
        return f"{self.term.name} - mean"


@dataclass(frozen=True)
class Product:
    """Two columns multiplied.

    Centre the parts that lie far from zero: what a product rounds away cannot be had back.
    """

    left: Numeric | Level | Centred
    right: Numeric | Level | Centred

    @property
    def name(self) -> str:
        """The name in results."""
        return f"{self.left.name} x {self.right.name}"


Term = Intercept | Numeric | Level | Centred | Product


def dummies(rows: CompleteRows, column: str, *, max_levels: int = 200) -> tuple[Level, ...]:
    """Give a flag for every level of a categorical column but the first.

    Raises
    ------
    DataError
        If there are more than `max_levels`.
    """
    return tuple(
        Level(column, level) for level in levels_of(rows, column, max_levels=max_levels)[1:]
    )


def interacted_design(rating: str, controls: Sequence[Numeric | Level]) -> tuple[Term, ...]:
    """Let the rating's slope differ with controls, such that its own slope averages over the rows.

    Wooldridge (2010), Econometric Analysis, 21.3: with controls centred at their means in the
    products, the rating's coefficient is the mean of the slopes.

    Examples
    --------
    >>> [term.name for term in interacted_design("rating", [Numeric("tenure_days")])]
    ['intercept', 'rating', 'tenure_days', 'rating x tenure_days - mean']
    """
    slope = Numeric(rating)
    products = [Product(slope, Centred(control)) for control in controls]
    return (Intercept(), slope, *controls, *products)

"""What the columns of a regression are: keys of cells, continuous numbers, levels and slopes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxmodel.errors import DataError
from cxmodel.models.moments.regression import MomentsRegression
from cxmodel.tables.reduction.cells import Cells
from cxmodel.tables.reduction.design import Intercept, Level, Numeric, Term, interacted_design
from cxmodel.tables.reduction.rows import CompleteRows, kind_of, levels_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

MAX_LEVELS = 200


@dataclass(frozen=True)
class Columns:
    """The columns that explain, sorted by what can be done with them.

    Parameters
    ----------
    names : tuple of str
        All, in the order given.
    levels : frozenset of str
        Those with a level for each value.
    continuous : tuple of str
        Those that are no keys of cells: numbers that are not whole.
    interacted : str or None
        The one whose slope differs with the others.
    """

    names: tuple[str, ...]
    levels: frozenset[str]
    continuous: tuple[str, ...]
    interacted: str | None

    @classmethod
    def of(cls, model: MomentsRegression, table: ir.Table) -> Columns:
        """Sort the columns of a table.

        Raises
        ------
        DataError
            If the interacted column has levels.
        SchemaError
            If a column is missing, or neither a number nor text.
        """
        names = tuple(model.explained_by)
        kinds = {name: kind_of(table, name) for name in names}
        levels = {name for name in names if kinds[name] == "text"} | set(model.categories)
        if model.interacted in levels:
            raise DataError(f"interacted={model.interacted!r} has levels, not a slope.")
        continuous = tuple(name for name in names if kinds[name] == "real")
        return cls(names, frozenset(levels), continuous, model.interacted)

    @property
    def keys(self) -> tuple[str, ...]:
        """Those that cells can be made of."""
        return tuple(name for name in self.names if name not in self.continuous)

    @property
    def numbers(self) -> tuple[str, ...]:
        """Those with a slope."""
        return tuple(name for name in self.names if name not in self.levels)

    def terms_on_cells(self, cells: Cells) -> tuple[Term, ...]:
        """Give the design's columns, levels read off the cells."""
        return self._terms(lambda name: tuple(sorted(set(cells.keys[name].tolist()))))

    def terms_on_rows(self, rows: CompleteRows, *, with_intercept: bool = True) -> tuple[Term, ...]:
        """Give the design's columns, levels asked of the engine."""
        found = self._terms(lambda name: levels_of(rows, name, max_levels=MAX_LEVELS))
        return found if with_intercept else found[1:]

    def _terms(self, levels: Callable[[str], Sequence[Any]]) -> tuple[Term, ...]:
        controls: list[Numeric | Level] = []
        for name in self.names:
            if name == self.interacted:
                continue
            if name not in self.levels:
                controls.append(Numeric(name))
                continue
            values = levels(name)
            if len(values) > MAX_LEVELS:
                raise DataError(
                    f"Column {name!r} has more than {MAX_LEVELS} levels. Group rare levels "
                    "together, or leave it out."
                )
            controls += [Level(name, value) for value in values[1:]]
        if self.interacted is None:
            return (Intercept(), *controls)
        return interacted_design(self.interacted, controls)

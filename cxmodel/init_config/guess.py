"""A guess: one table as one kind of source, its columns picked one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cxmodel.init_config.keys import Key
from cxmodel.init_config.profile import Table
from cxmodel.init_config.ratings import Rating
from cxmodel.init_config.words import Rules, Sureness, first_match, words

_SCORE: Mapping[Sureness, float] = {"sure": 2.0, "likely": 1.5, "a guess": 0.5}


@dataclass(frozen=True, kw_only=True)
class Pick:
    """One column: what it is, how surely, and of which table where it is joined to."""

    name: str
    column: str
    sureness: Sureness
    table: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Guess:
    """One table as one kind of source, with how well it fits."""

    kind: str
    table: Table
    score: float
    keys: tuple[Key, ...] = ()
    picks: tuple[Pick, ...] = ()
    ratings: tuple[Rating, ...] = ()
    attributes: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    times: tuple[str, str] | None = None

    def pick(self, name: str) -> Pick | None:
        """Give the column picked for one of cxmodel's names."""
        return next((pick for pick in self.picks if pick.name == name), None)


class Chooser:
    """Picks columns of one table, each for one purpose, and adds up how well they fit."""

    def __init__(self, table: Table, joined: Sequence[Table] = ()) -> None:
        self.table, self.joined = table, joined
        self.picks: list[Pick] = []
        self._taken: set[str] = set()

    def take(
        self,
        name: str,
        rules: Rules,
        *kinds: str,
        without: Iterable[str] = (),
        joined: bool = False,
    ) -> bool:
        """Pick the best column for a name; say whether there is one."""
        tables = [self.table, *(self.joined if joined else ())]
        for table in tables:
            names = [
                column.name
                for column in table.of_kind(*kinds)
                if column.name not in self._taken and not words(column.name) & set(without)
            ]
            match = first_match(names, rules)
            if match is not None:
                self.put(name, match[0], match[1], table=table.name)
                return True
        return False

    def put(
        self, name: str, column: str, sureness: Sureness, *, table: str = "", note: str = ""
    ) -> None:
        """Pick a column."""
        where = table or self.table.name
        self.picks.append(Pick(name=name, column=column, sureness=sureness, table=where, note=note))
        self._taken.add(column)

    @property
    def score(self) -> float:
        """How well the columns fit."""
        return sum(_SCORE[pick.sureness] for pick in self.picks)

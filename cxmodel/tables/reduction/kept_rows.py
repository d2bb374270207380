"""Rows that an iteration passes over again and again, kept in this process as plain numbers.

DuckDB runs inside the process: what it reads from a file can be written down once, in the form in
which a fit needs it, and then costs a tenth of what reading it again would. Up to 32 MB stay in
memory, more lies in a file without a name, which goes with the fit; a pass holds a few batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import EngineError
from cxmodel.tables.engines.on_duckdb import DuckDBSession
from cxmodel.tables.reduction.exact_blocks import BLOCK_ROWS
from cxmodel.tables.reduction.keyed import Keyed
from cxmodel.tables.reduction.rows import CompleteRows
from cxmodel.tables.reduction.standard import Factor

if TYPE_CHECKING:
    import ibis.expr.types as ir

Floats = NDArray[np.float64]
_Answer = TypeVar("_Answer")

IN_MEMORY = 2**25
"""Bytes that stay in memory."""

BATCH_ROWS = 8 * BLOCK_ROWS
MOST_THREADS = 8
_CODE = np.dtype(np.uint16)
_WIDE = 2**53


@dataclass(frozen=True, eq=False)
class Key:
    """A column by which rows are told apart.

    Parameters
    ----------
    column : str
        Its name.
    values : array
        The value of each code; None for all text that the design does not name.
    """

    column: str
    values: NDArray[Any]

    def code(self, rows: CompleteRows) -> ir.IntegerValue:
        """Write the code of a row's value."""
        import ibis

        known, column = rows.known(self.column), rows.table[self.column]
        if known.kind == "integer":
            return column - ibis.literal(int(known.low), "int64")
        # The place in a list: DuckDB looks each word of a file up once, not each row.
        place = ibis.array(self.values[:-1].tolist()).index(column)
        return ibis.ifelse(place < 0, len(self.values) - 1, place).cast("int64")


@dataclass(frozen=True, eq=False)
class Block:
    """At most `BLOCK_ROWS` rows: the cell that each lies in, and its numbers less their origins.

    Parameters
    ----------
    cell : array (n,) of int
    numbers : mapping of str to array (n,)
    """

    cell: NDArray[np.intp]
    numbers: dict[str, Floats]


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows that are read at once.

    Parameters
    ----------
    cell : array (n,) of uint16
    numbers : mapping of str to array (n,)
    """

    cell: NDArray[np.uint16]
    numbers: dict[str, Floats]

    def blocks(self) -> Iterator[Block]:
        """Part them into blocks."""
        for start in range(0, len(self.cell), BLOCK_ROWS):
            here = slice(start, start + BLOCK_ROWS)
            numbers = {name: own[here] for name, own in self.numbers.items()}
            yield Block(self.cell[here].astype(np.intp), numbers)


@dataclass(frozen=True, eq=False)
class KeptRows:
    """Rows of a table in this process.

    Parameters
    ----------
    rows : CompleteRows
        Where they are from.
    keys : tuple of Key
        What cells are made of, the last varying fastest.
    origins : dict of str to int
        The columns that are kept as numbers, and what was taken off each.
    """

    rows: CompleteRows
    keys: tuple[Key, ...]
    origins: dict[str, int]
    _file: IO[bytes] = field(repr=False)
    _sizes: list[int] = field(default_factory=list, repr=False)

    @property
    def n_cells(self) -> int:
        """Combinations of keys, seen or not."""
        return int(np.prod([len(key.values) for key in self.keys], dtype=int))

    @property
    def n_rows(self) -> int:
        """Rows that were set aside."""
        return sum(self._sizes)

    def key_values(self) -> dict[str, NDArray[Any]]:
        """Give the value of each key in each cell, (n_cells,)."""
        sizes = [len(key.values) for key in self.keys]
        codes = np.unravel_index(np.arange(self.n_cells), sizes) if sizes else ()
        return {key.column: key.values[code] for key, code in zip(self.keys, codes, strict=True)}

    def blocks(self) -> Iterator[Block]:
        """Read the rows, in blocks of at most `BLOCK_ROWS`."""
        for batch in self._batches():
            yield from batch.blocks()

    def each(self, work: Callable[[Batch], _Answer]) -> Generator[_Answer]:
        """Do something with each batch, as many at once as the engine has threads, up to 8."""
        row = self.rows.session.query("SELECT current_setting('threads') AS n")
        n_threads = min(int(self.rows.session.one_row(row)["n"]), MOST_THREADS)
        waiting: deque[Future[_Answer]] = deque()
        with ThreadPoolExecutor(n_threads) as pool:
            for batch in self._batches():
                waiting.append(pool.submit(work, batch))
                if len(waiting) > n_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _batches(self) -> Iterator[Batch]:
        self._file.seek(0)
        places = list(enumerate(self.origins))
        for size in self._sizes:
            buffer = memoryview(bytearray((8 * len(places) + _CODE.itemsize) * size))
            self._read(buffer)
            numbers = {name: np.frombuffer(buffer, float, size, 8 * size * i) for i, name in places}
            yield Batch(np.frombuffer(buffer, _CODE, size, 8 * size * len(places)), numbers)

    def add(self, columns: Sequence[NDArray[Any]]) -> None:
        """Set some rows aside: their numbers less their origins, then their cells.

        Raises
        ------
        EngineError
            If the disk is full.
        """
        try:
            for column in columns:
                self._file.write(column.data)
            self._file.flush()
        except OSError as error:
            raise EngineError(
                f"Rows cannot be set aside on disk ({error.strerror}). Free space, or point "
                "engine.temp_directory to another disk."
            ) from error
        self._sizes.append(len(columns[-1]))

    def _read(self, into: memoryview) -> None:
        done = 0
        while done < len(into):
            try:
                got = self._file.readinto(into[done:])  # type: ignore[attr-defined]
            except OSError as error:
                raise EngineError(
                    f"Rows that were set aside cannot be read ({error.strerror}). Run it again."
                ) from error
            if not got:
                raise EngineError("Rows that were set aside on disk are gone. Run the fit again.")
            done += got

    def value(self, block: Block, factor: Factor) -> Floats:
        """Compute a factor that is no key."""
        return factor.on(block.numbers[factor.column], self.origins[factor.column])


@contextmanager
def kept_rows(rows: CompleteRows, keyed: Keyed, outcome: str) -> Iterator[KeptRows | None]:
    """Set the rows of a fit aside; None where they are not ours to take, or would lose digits.

    Parameters
    ----------
    rows : CompleteRows
        The rows used.
    keyed : Keyed
        How the design parts into keys and numbers.
    outcome : str
        What is explained.

    Raises
    ------
    EngineError
        If the disk is full.
    """
    origins = _origins(rows, keyed, outcome)
    if not isinstance(rows.session, DuckDBSession) or origins is None:
        yield None
        return
    file = SpooledTemporaryFile(IN_MEMORY, dir=rows.session.spill_folder)  # noqa: SIM115
    try:
        kept = KeptRows(rows, _keys(rows, keyed), origins, file)
        _write(kept)
        yield kept
    finally:
        # Closing writes what is left, which a full disk refuses once more.
        with suppress(OSError):
            file.close()


def _keys(rows: CompleteRows, keyed: Keyed) -> tuple[Key, ...]:
    found = []
    for name in keyed.keys:
        known = rows.known(name)
        if known.kind == "integer":
            n_values = int(known.high) - int(known.low) + 1
            values: NDArray[Any] = int(known.low) + np.arange(n_values)
        else:
            levels = dict.fromkeys(
                f.level for _, own, _ in keyed.columns for f in own if f.column == name
            )
            values = np.array([*levels, None], dtype=object)
        found.append(Key(name, values))
    return tuple(found)


def _origins(rows: CompleteRows, keyed: Keyed, outcome: str) -> dict[str, int] | None:
    """Say what to take off each number, so that a double holds it; None for text."""
    names = dict.fromkeys([outcome, *(f.column for part in keyed.parts for f in part)])
    found = dict.fromkeys([*names, *([rows.weight] if rows.weight is not None else [])], 0)
    for name in found:
        known = rows.known(name)
        if not known.is_number or (known.kind == "integer" and known.high - known.low >= _WIDE):
            return None
        if known.kind == "integer" and max(abs(known.low), abs(known.high)) >= _WIDE:
            found[name] = int(known.low)
    return found


def _write(kept: KeptRows) -> None:
    import ibis

    rows = kept.rows
    found: dict[str, Any] = {}
    for i, (name, origin) in enumerate(kept.origins.items()):
        column = rows.table[name]
        column = column - ibis.literal(origin, "int64") if origin else column
        found[f"n{i}"] = column.cast("float64")
    cell: Any = ibis.literal(0, "int64")
    for key in kept.keys:
        cell = cell * len(key.values) + key.code(rows)
    wanted = rows.table.select(**found, cell=cell.cast("uint16"))
    rows.session.stream(
        wanted, BATCH_ROWS, lambda batch: kept.add([column.to_numpy() for column in batch.columns])
    )
    if kept.n_rows != rows.n_used:
        raise EngineError(
            f"{kept.n_rows:,} of {rows.n_used:,} rows arrived. The table changed in the meantime, "
            "or something else was asked of the same connection. Run the fit again."
        )

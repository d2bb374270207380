"""Progress of long work: a bar on a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


class Stage(Protocol):
    """One stage of the work while it runs."""

    def rows(self, n: int) -> None:
        """Say how many rows the stage has dealt with."""


class Progress(Protocol):
    """Something that shows how far a study is."""

    def stage(self, name: str) -> AbstractContextManager[Stage]:
        """Show that a stage begins; it ends with the block."""


class _SilentStage:
    def rows(self, n: int) -> None:
        """Do nothing."""


class NoProgress:
    """Progress that shows nothing, for use from Python and for ``--quiet``.

    Examples
    --------
    >>> with NoProgress().stage("lift") as stage:
    ...     stage.rows(100)
    """

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """Show nothing."""
        yield _SilentStage()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


class _CountingStage:
    def __init__(self) -> None:
        self.n_rows: int | None = None

    def rows(self, n: int) -> None:
        """Remember the rows for the line that ends the stage."""
        self.n_rows = n


class LineProgress(NoProgress):
    """Progress as one plain line for each stage that ended, for logs.

    Parameters
    ----------
    stream : text stream
        Where the lines go.

    Examples
    --------
    >>> with LineProgress(sys.stdout).stage("lift") as stage:
    ...     stage.rows(1200)
    lift: 1,200 rows, ... s
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """Write a line when the stage has ended."""
        counting, began = _CountingStage(), time.monotonic()
        yield counting
        rows = "" if counting.n_rows is None else f" {counting.n_rows:,} rows,"
        self._stream.write(f"{name}:{rows} {time.monotonic() - began:.1f} s\n")
        self._stream.flush()


class _BarStage:
    def __init__(self, bar: RichProgress, task: TaskID) -> None:
        self._bar, self._task = bar, task

    def rows(self, n: int) -> None:
        """Show the rows beside the bar."""
        self._bar.update(self._task, rows=f"{n:,} rows")


class BarProgress(NoProgress):
    """Progress as a bar for each stage on a terminal. Use it as a context manager.

    Parameters
    ----------
    stream : text stream
        The terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        self._bar = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("{task.fields[rows]}", markup=False),
            console=Console(file=stream),
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """Show a bar that moves while the stage runs, and fills when it has ended."""
        task = self._bar.add_task(name, total=None, rows="")
        yield _BarStage(self._bar, task)
        self._bar.update(task, total=1, completed=1)


def make_progress(*, quiet: bool = False, stream: TextIO | None = None) -> NoProgress:
    """Choose how progress is shown.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    stream : text stream, optional
        Where it is shown. Default: standard error.

    Returns
    -------
    NoProgress
        Or one of its kinds: a bar where `stream` is a terminal, plain lines elsewhere.

    Examples
    --------
    >>> type(make_progress(quiet=True)).__name__
    'NoProgress'
    """
    shown = sys.stderr if stream is None else stream
    if quiet:
        return NoProgress()
    return BarProgress(shown) if shown.isatty() else LineProgress(shown)

"""A thread that talks to an engine, so that the thread of the user can hear Ctrl-C.

Drivers wait for their engine in ways of their own; some hear a signal only when the query is over.
Here the query runs in a thread beside, the caller waits where a signal reaches it, and an interrupt
is passed on to the engine.
"""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakSet

_Answer = TypeVar("_Answer")
PATIENCE_SECONDS = 0.4
"""How long an engine may take to obey an interrupt before it is left to itself."""


TURN_SECONDS = 0.1


_WORKERS: WeakSet[Worker] = WeakSet()


_ENDING = threading.Event()


def say_process_ends(ends: bool) -> None:
    """Tell sessions that the process ends after an interrupt, or take that back.

    They then need not leave their engine fit for the next step of the same process.
    """
    if ends:
        _ENDING.set()
    else:
        _ENDING.clear()


def is_process_ending() -> bool:
    """Say whether the process ends after this, so that an engine of its own may simply be killed.

    Examples
    --------
    >>> say_process_ends(True)
    >>> is_process_ending()
    True
    >>> say_process_ends(False)
    """
    return _ENDING.is_set()


def is_any_busy() -> bool:
    """Say whether an engine is still at work on something that was interrupted.

    The interpreter cannot end in an orderly way then: the thread would come back into what is no
    longer there.
    """
    return any(worker.is_busy for worker in _WORKERS)


class Worker:
    """One thread that runs one step at a time.

    Examples
    --------
    >>> worker = Worker()
    >>> worker.run(lambda: 1 + 1, cancel=lambda: None)
    2
    >>> worker.stop()
    """

    def __init__(self) -> None:
        self._steps: queue.SimpleQueue[_Step | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pending: _Step | None = None
        _WORKERS.add(self)

    @property
    def is_busy(self) -> bool:
        """Whether a step that was interrupted has not come back."""
        return self._pending is not None and not self._pending.done.is_set()

    def run(self, step: Callable[[], _Answer], cancel: Callable[[], None]) -> _Answer:
        """Run a step and wait for it.

        Parameters
        ----------
        step : callable
            What to do; what it raises is raised here.
        cancel : callable
            Asks the engine to give up; called when the waiting is interrupted.
        """
        if threading.current_thread() is self._thread:
            return step()
        self._start()
        pending = self._pending = _Step(step)
        self._steps.put(pending)
        try:
            # In short turns: a signal just before a wait would not end it.
            while not pending.done.wait(TURN_SECONDS):
                pass
        except BaseException:
            _give_up(pending, cancel)
            raise
        if pending.error is not None:
            # Without the trail of the thread, and free of the circle error -> frame -> error.
            error, pending.error = pending.error, None
            raise error
        return pending.answer  # type: ignore[no-any-return]

    def stop(self) -> None:
        """End the thread, once it has done what it was given."""
        if self._thread is not None:
            self._steps.put(None)
            self._thread = None

    def _start(self) -> None:
        if self._thread is None:
            # A daemon: an engine that does not obey must not keep the process from ending.
            self._thread = threading.Thread(target=self._serve, name="cxmodel-engine", daemon=True)
            self._thread.start()

    def _serve(self) -> None:
        if hasattr(signal, "pthread_sigmask"):
            # A signal that came to this thread would not wake the one that waits for it.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        while (step := self._steps.get()) is not None:
            step.take()


def _give_up(pending: _Step, cancel: Callable[[], None]) -> None:
    """Ask again and again: a step may be between two queries when it is first asked."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not pending.done.is_set() and time.monotonic() < end:
        cancel()
        pending.done.wait(TURN_SECONDS)


class _Step:
    """Something to do, and what came of it."""

    def __init__(self, step: Callable[[], Any]) -> None:
        self.step = step
        self.answer: Any = None
        self.error: BaseException | None = None
        self.done = threading.Event()

    def take(self) -> None:
        try:
            self.answer = self.step()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that asked
            self.error = error
        finally:
            self.done.set()

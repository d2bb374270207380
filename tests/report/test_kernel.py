"""Ctrl-C while a notebook runs: its kernel is stopped, and the interrupt goes on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from cxmodel.report.kernel import run_to_end


class Manager:
    """A kernel that can only be killed."""

    has_kernel = False

    def __init__(self) -> None:
        self.killed = threading.Event()
        self.provisioner = SimpleNamespace(process=SimpleNamespace(kill=self.killed.set))

    async def cleanup_resources(self) -> None:
        """Nothing to clean up."""


class Client:
    """A notebook that does something, once, in place of its cells."""

    kc = None

    def __init__(self, cell: Callable[[Manager], object]) -> None:
        self.cell = cell
        self.km: Manager | None = Manager()

    async def async_execute(self) -> None:
        if self.km is not None:
            self.cell(self.km)

    def _cleanup_kernel(self) -> None:
        """Stand for what nbclient registers with atexit."""


def interrupt(kernel: Manager) -> None:
    """Interrupt the main thread, as Ctrl-C does, and end when the kernel is killed."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    assert kernel.killed.wait(20)


def test_an_interrupt_stops_the_kernel_and_goes_on() -> None:
    client = Client(interrupt)
    kernel = client.km
    with pytest.raises(KeyboardInterrupt):
        run_to_end(client)
    assert kernel is not None
    assert kernel.killed.is_set()


def test_what_fails_in_the_notebook_is_raised() -> None:
    client = Client(lambda kernel: 1 / 0)
    kernel = client.km
    with pytest.raises(ZeroDivisionError):
        run_to_end(client)
    assert kernel is not None
    assert not kernel.killed.is_set()

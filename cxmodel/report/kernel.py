"""Run a notebook in a thread of its own, so that Ctrl-C reaches us and nothing is left open."""

from __future__ import annotations

import asyncio
import atexit
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

_POLL_S = 0.1


def run_to_end(client: Any) -> None:
    """Run a notebook; after Ctrl-C or SIGTERM stop its kernel and let the interrupt go on.

    In the main thread nbclient takes both signals for itself: it would end in an error of its own,
    and leave them without our handlers. It also could not run inside Jupyter, whose event loop is
    busy, and would keep a loop of its own open.

    Parameters
    ----------
    client : nbclient.NotebookClient
        The notebook, not yet run.
    """
    may_begin, is_stopped = threading.Event(), threading.Event()

    def work() -> None:
        may_begin.wait()
        if not is_stopped.is_set():
            asyncio.run(_run(client))

    with ThreadPoolExecutor(1) as pool:
        running: Future[None] | None = None
        try:
            running = pool.submit(work)
            may_begin.set()
            while not running.done():
                # In short turns: a signal just before a wait would not end it.
                wait([running], timeout=_POLL_S)
            running.result()
        except (KeyboardInterrupt, SystemExit):
            # an interrupt may come while the thread is being started, too
            is_stopped.set()
            may_begin.set()
            if running is not None:
                _stop(client, running)
            raise
        finally:
            # where the kernel never started, this would fail at the end of the process
            atexit.unregister(client._cleanup_kernel)


async def _run(client: Any) -> None:
    """Run the notebook; end kernel and channels where the client has not done so itself."""
    try:
        await client.async_execute()
    finally:
        if client.kc is not None:
            client.kc.stop_channels()
            client.kc = None
        if client.km is not None:
            if client.km.has_kernel:
                await client.km.shutdown_kernel(now=True)
            await client.km.cleanup_resources()
            client.km = None


def _stop(client: Any, running: Future[Any]) -> None:
    """Kill the kernel as soon as it is there, until the thread that waits for it has ended."""
    pause = threading.Event()
    while not running.done():
        process = getattr(getattr(client.km, "provisioner", None), "process", None)
        if process is not None:
            process.kill()
        pause.wait(_POLL_S)

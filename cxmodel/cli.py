"""The command line: ``cxmodel COMMAND``.

Nothing heavy is imported here: each command imports what it needs when it runs.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

import click

from cxmodel import __version__
from cxmodel.commands.demo import demo
from cxmodel.commands.init import init
from cxmodel.commands.options import Options, common_options
from cxmodel.commands.report import report
from cxmodel.commands.run import run
from cxmodel.commands.score import score
from cxmodel.commands.simulate import simulate
from cxmodel.commands.validate import validate
from cxmodel.errors import CxModelError, CxModelWarning, describe

_BAD_INPUT, _DEFECT, _INTERRUPTED, _TERMINATED = 2, 1, 130, 143


@click.group(
    params=common_options(),
    commands=[demo, init, validate, run, report, score, simulate],
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="cxmodel")
def cli() -> None:
    """Say what a point of customer experience is worth, in money, and how far to believe it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        What stands after ``cxmodel``. Default: the arguments of the process.

    Returns
    -------
    int
        0, 2 for bad input, 1 for a defect of cxmodel, 130 after Ctrl-C.

    Examples
    --------
    >>> main(["--version"])
    cxmodel, version ...
    0
    """
    options = Options()
    try:
        with _calm_warnings(options), _signals_as_exceptions(options):
            given = None if arguments is None else list(arguments)
            code = cli.main(given, prog_name="cxmodel", standalone_mode=False, obj=options)
            return code if isinstance(code, int) else 0
    except (click.Abort, KeyboardInterrupt):
        return _interrupted()
    except Exception as error:  # noqa: BLE001 - the last stop: every error becomes an exit code
        return _interrupted() if _is_interrupt(options, error) else _explain(options, error)


def _is_interrupt(options: Options, error: Exception) -> bool:
    """Say whether Ctrl-C lies behind an error: after it libraries raise errors of their own."""
    return options.interrupted or "interrupt" in type(error).__name__.lower()


def _interrupted() -> int:
    click.echo("Interrupted.", err=True)
    _leave_busy_engines(_INTERRUPTED)
    return _INTERRUPTED


def _leave_busy_engines(code: int) -> None:
    """End at once where an engine has not obeyed: its thread would outlive the interpreter."""
    worker = sys.modules.get("cxmodel.tables.engines.worker")
    if worker is not None and worker.is_any_busy():
        sys.modules["cxmodel.tables.engines.engine"].close_shared()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _explain(options: Options, error: Exception) -> int:
    """Say in one message what went wrong, and give the exit code."""
    if isinstance(error, click.ClickException):
        error.show()
        return _BAD_INPUT
    if isinstance(error, CxModelError):
        _tell(options, error, describe(error))
        return _BAD_INPUT
    if isinstance(error, BrokenPipeError):
        sys.stderr.close()  # whoever read our output has gone: there is nobody to tell
        return _DEFECT
    advice = "" if options.debug else " Run again with --debug to see where, and report it."
    text = f"A defect of cxmodel, not of your input: {type(error).__name__}: {error}.{advice}"
    _tell(options, error, text)
    return _DEFECT


def _tell(options: Options, error: Exception, text: str) -> None:
    if options.debug:
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    click.echo(text, err=True)


@contextmanager
def _calm_warnings(options: Options) -> Iterator[None]:
    """Show warnings of cxmodel as one line each, and those of libraries only with ``--debug``."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, CxModelWarning):
            click.echo(f"Warning: {message}", err=True)
        elif options.debug:
            text = warnings.formatwarning(message, category, filename, lineno, line)
            click.echo(text, err=True, nl=False)

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = show
        yield


@contextmanager
def _signals_as_exceptions(options: Options) -> Iterator[None]:
    """Let a scheduler's SIGTERM clean up temporary folders, as Ctrl-C does; remember Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(_TERMINATED)

    def interrupt(number: int, frame: FrameType | None) -> None:
        options.interrupted = True
        _say_process_ends(True)
        raise KeyboardInterrupt

    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, stop),
        signal.SIGINT: signal.signal(signal.SIGINT, interrupt),
    }
    try:
        yield
    finally:
        _say_process_ends(False)
        for number, handler in before.items():
            signal.signal(number, handler)


def _say_process_ends(ends: bool) -> None:
    worker = sys.modules.get("cxmodel.tables.engines.worker")
    if worker is not None:
        worker.say_process_ends(ends)


if __name__ == "__main__":
    sys.exit(main())

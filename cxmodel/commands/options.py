"""What the commands have in common: ``--quiet``, ``--debug``, and lists with commas."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

FORMATS = ("html", "pdf")


@dataclass
class Options:
    """What was asked for beside the command, on either side of its name, and Ctrl-C."""

    quiet: bool = False
    debug: bool = False
    interrupted: bool = False


def _remember(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and parameter.name:
        setattr(context.ensure_object(Options), parameter.name, True)


def common_options() -> list[click.Parameter]:
    """Give ``--quiet`` and ``--debug``, for the group and for each command."""
    return [
        click.Option(
            ["--quiet"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_remember,
            help="Show no progress.",
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_remember,
            help="Show the traceback of an error.",
        ),
    ]


class Command(click.Command):
    """A command that takes the common options after its name too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(common_options())


if TYPE_CHECKING:
    _ParamType = click.ParamType[tuple[str, ...]]
else:
    _ParamType = click.ParamType  # generic only from click 8.5 on


class CommaList(_ParamType):
    """Words with commas between them; repeated words count once.

    Parameters
    ----------
    known : tuple of str
        The words that may stand there; empty where anything may.
    none : bool
        Whether ``none`` means an empty list.
    """

    name = "list"

    def __init__(self, known: tuple[str, ...] = (), *, none: bool = False) -> None:
        self.known, self.none = known, none

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Split the words, and refuse those that are unknown."""
        if isinstance(value, tuple):
            return value
        words = tuple(dict.fromkeys(word.strip() for word in str(value).split(",") if word.strip()))
        if self.none and words == ("none",):
            return ()
        if not words:
            self.fail("is empty. Give words with commas between them.", param, ctx)
        for word in words:
            if self.known and word not in self.known:
                choices = ", ".join([*self.known, *(["none"] if self.none else [])])
                self.fail(f"{word!r} is unknown. Choose from: {choices}.", param, ctx)
        return words


FOLDER = click.Path(path_type=Path)
FILE = click.Path(path_type=Path)

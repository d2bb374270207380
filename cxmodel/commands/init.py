"""``cxmodel init``: guess a configuration from tables."""

from __future__ import annotations

from pathlib import Path

import click

from cxmodel.commands.options import FILE, Command, Options


@click.command(cls=Command)
@click.argument("files", metavar="FILE_OR_URL...", nargs=-1, required=True)
@click.option(
    "--out", type=FILE, default="cxmodel.toml", show_default=True, help="The file to write."
)
@click.pass_obj
def init(options: Options, files: tuple[str, ...], out: Path) -> None:
    """Guess which table and column is what, and write a commented configuration."""
    from cxmodel.init_config import init_config
    from cxmodel.progress import make_progress

    with make_progress(quiet=options.quiet) as progress:
        draft = init_config(files, out, progress=progress)
    click.echo(f"Wrote {out}.")
    for line in draft.summary:
        click.echo(f"  {line}")
    if draft.n_decisions:
        click.echo(f"To decide: {draft.n_decisions} lines that begin with '# decide:'.")
    click.echo(f"Next: cxmodel validate {out}")

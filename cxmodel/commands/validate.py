"""``cxmodel validate``: check configuration and data only."""

from __future__ import annotations

from pathlib import Path

import click

from cxmodel.commands.options import FILE, Command, Options


@click.command(cls=Command)
@click.argument("config", metavar="CXMODEL.TOML", type=FILE)
@click.pass_obj
def validate(options: Options, config: Path) -> None:
    """Check the settings and the data; every breach is shown at once."""
    from cxmodel.errors import ValidationError
    from cxmodel.progress import make_progress
    from cxmodel.study import Study

    study = Study.from_toml(config)
    with make_progress(quiet=options.quiet) as progress:
        found = study.inspect(progress=progress)
    for label, n_rows in found.n_rows.items():
        click.echo(f"{label}: {'not read' if n_rows is None else f'{n_rows:,} rows'}")
    for warning in found.warnings:
        click.echo(f"Warning: {warning}", err=True)
    undecided = _undecided(config)
    if found.breaches:
        if undecided:
            click.echo(undecided, err=True)
        raise ValidationError(found.breaches)
    click.echo(f"{config}: settings and data are as declared.")
    if undecided:
        click.echo(undecided)


def _undecided(config: Path) -> str:
    """Say which lines of the configuration still wait for a decision; empty if none does."""
    rows = config.read_text(encoding="utf-8").splitlines()
    waiting = [str(i) for i, row in enumerate(rows, start=1) if row.startswith("# decide:")]
    if not waiting:
        return ""
    what = "line begins" if len(waiting) == 1 else "lines begin"
    return f"{len(waiting)} {what} with '# decide:' still: {', '.join(waiting)}."

"""``cxmodel validate``: check configuration and data only."""

from __future__ import annotations

from pathlib import Path

import click

from cxmodel.commands.options import FILE, Command


@click.command(cls=Command)
@click.argument("config", metavar="CXMODEL.TOML", type=FILE)
def validate(config: Path) -> None:
    """Check the settings and the data; every breach is shown at once."""
    from cxmodel.errors import ValidationError
    from cxmodel.study import Study

    breaches, warnings = Study.from_toml(config).validate()
    for warning in warnings:
        click.echo(f"Warning: {warning}", err=True)
    undecided = _undecided(config)
    if breaches:
        if undecided:
            click.echo(undecided, err=True)
        raise ValidationError(breaches)
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

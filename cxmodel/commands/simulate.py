"""``cxmodel simulate``: write a simulated company's tables and their truth."""

from __future__ import annotations

from pathlib import Path

import click

from cxmodel.commands.options import FOLDER, Command, Options


@click.command(cls=Command)
@click.option("--customers", type=click.IntRange(min=10), required=True, help="How many customers.")
@click.option("--out", type=FOLDER, required=True, help="Output folder.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of the draws."
)
@click.pass_obj
def simulate(options: Options, customers: int, out: Path, seed: int) -> None:
    """Write simulated tables, truth.json and a ready cxmodel.toml."""
    from cxmodel.datasets import simulate as simulate_company
    from cxmodel.output import OutputFolder, check_target
    from cxmodel.progress import make_progress

    check_target(out)
    with make_progress(quiet=options.quiet) as progress, progress.stage("simulate") as stage:
        simulation = simulate_company(n_customers=customers, seed=seed)
        stage.rows(len(simulation.revenue))
        with OutputFolder(out) as folder:
            simulation.write(folder)
    click.echo(f"Simulated {customers:,} customers (seed {seed}): {out}")
    click.echo(f"Next: cxmodel run {out / 'cxmodel.toml'}")

"""``cxmodel demo``: a simulated company, the whole study, and the truth beside the estimates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cxmodel.commands.answer import number, short_answer
from cxmodel.commands.options import FOLDER, FORMATS, Command, Options

if TYPE_CHECKING:
    from cxmodel.datasets.comparison import Comparison


@click.command(cls=Command)
@click.option(
    "--out", type=FOLDER, default="reports/demo", show_default=True, help="Output folder."
)
@click.option(
    "--customers",
    type=click.IntRange(min=10),
    default=5_000,
    show_default=True,
    help="How many customers to simulate.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of the draws."
)
@click.pass_obj
def demo(options: Options, out: Path, customers: int, seed: int) -> None:
    """Simulate a company with a known truth and run the whole study on it."""
    from cxmodel.datasets import compare_with_truth, simulate
    from cxmodel.output import OutputFolder
    from cxmodel.progress import make_progress
    from cxmodel.study import Study

    with make_progress(quiet=options.quiet) as progress, OutputFolder(out) as folder:
        with progress.stage("simulate") as stage:
            simulation = simulate(n_customers=customers, seed=seed)
            config = simulation.write(folder / "data")
            stage.rows(len(simulation.revenue))
        results = Study.from_toml(config).run(progress=progress)
        with progress.stage("write"):
            results.write(folder, report=FORMATS)
    plain = results.to_dict()
    click.echo(truth_table(compare_with_truth(plain, simulation.truth)))
    click.echo(
        "The unadjusted slopes also hold what drives rating and outcome both: they should miss."
    )
    click.echo("")
    click.echo(short_answer(plain, out, report=FORMATS))


def truth_table(rows: Sequence[Comparison]) -> str:
    """Set the truth beside the estimates, a line for each.

    Parameters
    ----------
    rows : sequence of Comparison
        From `cxmodel.datasets.compare_with_truth`.

    Examples
    --------
    >>> from cxmodel.datasets.comparison import Comparison
    >>> row = Comparison(
    ...     path="lift.x", truth=5.0, estimate=4.8, conf_low=2.8, conf_high=6.8, holds=True
    ... )
    >>> print(truth_table([row]))
            truth  estimate  interval
    lift.x   5.00      4.80  2.80 to 6.80  holds the truth
    """
    cells = [("", "truth", "estimate", "interval", "")]
    for row in rows:
        has_interval = row.conf_low is not None and row.conf_high is not None
        interval = f"{number(row.conf_low)} to {number(row.conf_high)}" if has_interval else ""
        verdict = {True: "holds the truth", False: "misses the truth", None: ""}[row.holds]
        estimate = "not run" if row.estimate is None else number(row.estimate)
        cells.append((row.path, number(row.truth), estimate, interval, verdict))
    widths = [max(len(line[i]) for line in cells) for i in range(5)]
    return "\n".join(
        f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d:<{widths[3]}}  {e}".rstrip()
        for a, b, c, d, e in cells
    )

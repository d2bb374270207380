"""``cxmodel run``: the whole study."""

from __future__ import annotations

from pathlib import Path

import click

from cxmodel.commands.options import FILE, FOLDER, FORMATS, CommaList, Command, Options


@click.command(cls=Command)
@click.argument("config", metavar="CXMODEL.TOML", type=FILE)
@click.option("--out", type=FOLDER, help="Output folder. Default: reports/<name of the file>.")
@click.option(
    "--report",
    type=CommaList(FORMATS, none=True),
    default="html,pdf",
    show_default=True,
    help="Forms of the report, with commas between them, or none.",
)
@click.option(
    "--only", type=CommaList(), metavar="STAGE,...", help="Run only these stages of the results."
)
@click.option(
    "--keep-observations",
    is_flag=True,
    help="Also write observations.parquet. It holds customer ids.",
)
@click.pass_obj
def run(
    options: Options,
    config: Path,
    out: Path | None,
    report: tuple[str, ...],
    only: tuple[str, ...] | None,
    keep_observations: bool,
) -> None:
    """Run the whole study that CXMODEL.TOML describes."""
    from cxmodel.commands.answer import short_answer
    from cxmodel.config import load_config
    from cxmodel.output import check_target
    from cxmodel.progress import make_progress
    from cxmodel.study import Study

    # the settings and the output folder are refused before the first slow step
    target = out or Path("reports", load_config(config).name)
    check_target(target)
    with make_progress(quiet=options.quiet) as progress:
        results = Study.from_toml(config).run(only=only, progress=progress)
        with progress.stage("write") as stage:
            audit = results.to_dict().get("audit", {})
            if "n_observations" in audit:
                stage.rows(audit["n_observations"])
            results.write(target, report=report, keep_observations=keep_observations)
    click.echo(short_answer(results.to_dict(), target, report=report))

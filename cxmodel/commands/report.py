"""``cxmodel report``: render a report again from stored results."""

from __future__ import annotations

from pathlib import Path

import click

from cxmodel.commands.options import FOLDER, FORMATS, CommaList, Command, Options


@click.command(cls=Command)
@click.argument("results_dir", metavar="RESULTS_DIR", type=FOLDER)
@click.option(
    "--notebook", metavar="NAME_OR_PATH", help="A notebook of cxmodel by name, or one of your own."
)
@click.option(
    "--to",
    "formats",
    type=CommaList(FORMATS),
    default="html,pdf",
    show_default=True,
    help="Forms of the report, with commas between them.",
)
@click.pass_obj
def report(
    options: Options, results_dir: Path, notebook: str | None, formats: tuple[str, ...]
) -> None:
    """Render the report of RESULTS_DIR again, into the same folder."""
    from cxmodel.output import OutputFolder
    from cxmodel.progress import make_progress
    from cxmodel.report import render_report
    from cxmodel.study_results import read_results

    read_results(results_dir)  # what is missing or of another version is said before rendering
    with (
        make_progress(quiet=options.quiet) as progress,
        progress.stage("report"),
        OutputFolder(results_dir, keep_earlier=True) as folder,
    ):
        written = render_report(results_dir, folder, formats=formats, notebook=notebook)
    for path in written:
        click.echo(results_dir / path.name)

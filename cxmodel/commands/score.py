"""``cxmodel score``: probabilities and values for jobs, from a stored model."""

from __future__ import annotations

import datetime as dt
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cxmodel.commands.options import FILE, Command, Options

if TYPE_CHECKING:
    from cxmodel.models.churn.stored import StoredChurnModel
    from cxmodel.progress import Progress
    from cxmodel.scoring.row_models import RowScorer
    from cxmodel.scoring.row_summary import RowSummary
    from cxmodel.scoring.summary import ScoreSummary


@click.command(cls=Command)
@click.argument("model", metavar="MODEL", type=FILE)
@click.argument("input_", metavar="INPUT")
@click.argument("output", metavar="OUTPUT", type=FILE)
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="With a .toml file: the day on which customers are scored; needed there. Else: the day "
    "for which the model must still hold, today by default.",
)
@click.option(
    "--engine",
    metavar="URL",
    help="Score where the data lie: INPUT is a table of this engine, or a file that it reads.",
)
@click.option(
    "--periods",
    type=float,
    metavar="N",
    help="How far a model of purchases or of leaving looks, in its own units of time. Default: a "
    "year; for BG/BB one occasion.",
)
@click.option(
    "--answer-days",
    type=click.IntRange(min=1, max=36_500),
    metavar="N",
    help="With a .toml file: an answer older than N days counts as none. Default: the last one "
    "counts however old, and the ages are told.",
)
@click.pass_obj
def score(
    options: Options,
    model: Path,
    input_: str,
    output: Path,
    at: dt.datetime | None,
    engine: str | None,
    periods: float | None,
    answer_days: int | None,
) -> None:
    """Score every row of INPUT with MODEL, a file of a run's models/, into OUTPUT.

    INPUT is a CSV or Parquet file, or a glob of them, with the columns of the model; or a
    cxmodel.toml with --at: then every active customer as of that day, or with a purchase up to it,
    whatever kind of model it is. What the study does not say is named. OUTPUT ends in .parquet or
    .csv.
    """
    from cxmodel.output import output_file
    from cxmodel.progress import make_progress
    from cxmodel.scoring.write import check_replaceable

    day = None if at is None else at.date()
    stored = _load(model, day, periods)
    where = Where(day=day, engine=engine, answer_days=answer_days)
    _refuse_answer_days(where, input_, stored)
    _refuse_input_as_output(model, input_, output)
    check_replaceable(output)
    with make_progress(quiet=options.quiet) as progress, output_file(output) as aside:
        summary, notes = _score(stored, input_, aside, where, progress)
    said: list[str] = summary.lines(stored, day)  # type: ignore[arg-type]
    for line in [*said, *notes]:
        if not options.quiet or line.startswith("Warning"):
            click.echo(line, err=True)
    click.echo(output)


@dataclass(frozen=True, kw_only=True)
class Where:
    """Which rows are scored, as far as the options say it."""

    day: dt.date | None
    engine: str | None
    answer_days: int | None


def _refuse_answer_days(where: Where, input_: str, model: StoredChurnModel | RowScorer) -> None:
    """Refuse an option that nothing would look at."""
    from cxmodel.errors import ConfigError
    from cxmodel.scoring.row_models import RowScorer
    from cxmodel.scoring.study_rows import looks_at_answers

    if where.answer_days is None:
        return
    if Path(input_).suffix.lower() != ".toml":
        raise ConfigError(
            "--answer-days is for a study with --at; the rows of a file say no day. Leave it out."
        )
    if isinstance(model, RowScorer) and not looks_at_answers(model):
        raise ConfigError(
            "--answer-days is for models that look at the latest answer; this is one of "
            f"{model.title}. Leave it out."
        )


def _load(path: Path, day: dt.date | None, periods: float | None) -> StoredChurnModel | RowScorer:
    from cxmodel.errors import ConfigError, CxModelWarning, SourceError
    from cxmodel.models.churn.stored import StoredChurnModel
    from cxmodel.scoring.load import load_model
    from cxmodel.scoring.row_models import row_scorer

    with warnings.catch_warnings():
        # the summary says it, with --quiet too
        warnings.simplefilter("ignore", CxModelWarning)
        stored = load_model(path, at=day)
    if isinstance(stored, StoredChurnModel):
        if periods is not None:
            raise ConfigError(
                f"--periods is for models of purchases and of leaving; {path} holds a churn model, "
                f"whose window is {stored.facts['window_words']}. Leave --periods out."
            )
        return stored
    scorer = row_scorer(stored, periods)
    if scorer is None:
        raise SourceError(
            f"{path} holds a {type(stored).__name__}, a curve that gives single customers no "
            "number. Name a model of churn, hazard, purchases, spend or cltv: models/churn.json of "
            "a run."
        )
    return scorer


def _refuse_input_as_output(model: Path, input_: str, output: Path) -> None:
    from cxmodel.errors import OutputError

    for given in (model, Path(input_)):
        if given.exists() and output.exists() and given.samefile(output):
            raise OutputError(f"{output} is read, so it cannot be written. Name another OUTPUT.")


def _score(
    model: StoredChurnModel | RowScorer,
    input_: str,
    output: Path,
    where: Where,
    progress: Progress,
) -> tuple[ScoreSummary | RowSummary, list[str]]:
    if Path(input_).suffix.lower() == ".toml":
        return _score_study(model, Path(input_), output, where, progress)
    with progress.stage("score") as stage:
        summary: ScoreSummary | RowSummary
        if where.engine is None:
            from cxmodel.scoring.batches import score_file

            summary = score_file(model, input_, output)
        else:
            from cxmodel.scoring.on_engine import score_on_engine
            from cxmodel.tables.engines.engine import Engine

            summary = score_on_engine(model, Engine(where.engine), input_, output)
        stage.rows(summary.n_rows)
    return summary, []


def _score_study(
    model: StoredChurnModel | RowScorer,
    path: Path,
    output: Path,
    where: Where,
    progress: Progress,
) -> tuple[ScoreSummary | RowSummary, list[str]]:
    """Score every active customer of a study on a day."""
    import pyarrow as pa

    from cxmodel.errors import ConfigError
    from cxmodel.scoring.asked_day import AskedDay
    from cxmodel.scoring.batches import BATCH_ROWS, score_batches
    from cxmodel.scoring.study_rows import rows_on
    from cxmodel.study import Study, opened_sources
    from cxmodel.study_sources import windows_of

    if where.day is None:
        raise ConfigError(
            f"{path} is a study: say on which day its customers are scored, --at 2026-06-30."
        )
    config: Any = Study.from_toml(path).config
    if where.engine is not None:
        config = config.model_copy(
            update={"engine": config.engine.model_copy(update={"url": where.engine})}
        )
    asked = AskedDay(
        at=where.day,
        as_of=config.study.as_of,
        time_zone=config.study.time_zone,
        windows=windows_of(config),
        answer_days=where.answer_days,
    )
    with opened_sources(config, progress) as sources, progress.stage("customers") as stage:
        frame, notes = rows_on(model, sources, asked)
        stage.rows(len(frame))
    with progress.stage("score") as stage:
        table = pa.Table.from_pandas(frame, preserve_index=False)
        batches = table.to_batches(max_chunksize=BATCH_ROWS)
        summary: ScoreSummary | RowSummary = score_batches(model, batches, table.schema, output)
        stage.rows(summary.n_rows)
    return summary, notes

"""What a run leaves in its folder: results, tables, figures, lift card and the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cxmodel.output import OutputFolder
from cxmodel.study_models import MODELS_FOLDER
from cxmodel.study_results import RESULTS_FILE

if TYPE_CHECKING:
    from cxmodel.study_results import StudyResults

CARD_FILE = "lift_card.json"


def write_outputs(
    results: StudyResults,
    out_dir: Path,
    *,
    report: tuple[str, ...],
    keep_observations: bool,
) -> list[Path]:
    """Write everything into a temporary folder, then move it into place.

    Raises
    ------
    OutputError
        If the folder holds other things, or cannot be written.
    ReportError
        If the report cannot be rendered.
    """
    with OutputFolder(out_dir) as folder:
        (folder / RESULTS_FILE).write_text(results.to_json(), encoding="utf-8")
        if results.lift_card is not None:
            (folder / CARD_FILE).write_text(results.lift_card.to_json(), encoding="utf-8")
        for name, model in results.models.items():
            model.save(folder / MODELS_FOLDER / f"{name}.json")
        _write_tables_and_figures(results, folder)
        if keep_observations:
            _write_observations(results, folder / "observations.parquet")
        if report:
            from cxmodel.report import render_report

            render_report(folder, folder, formats=report)
        written = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return [out_dir / path for path in written]


def _write_tables_and_figures(results: StudyResults, folder: Path) -> None:
    from cxmodel.report import write_figures, write_tables

    plain = results.to_dict()
    write_tables(plain, folder / "tables")
    write_figures(plain, folder / "figures")


def _write_observations(results: StudyResults, path: Path) -> None:
    """Write one row per observation, in order of customer and response."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(results.observations.to_frame(), preserve_index=False)
    pq.write_table(table.replace_schema_metadata(None), path)

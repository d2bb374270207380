"""Render a report: run the notebook, lay its blocks out, write all files or none."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cxmodel.errors import OutputError, ReportError
from cxmodel.report.reading import read_values

FORMATS = ("html", "pdf")


def render_report(
    results_dir: str | Path,
    out_dir: str | Path,
    *,
    formats: Sequence[str] = FORMATS,
    notebook: str | Path | None = None,
    parameters: Mapping[str, Any] | None = None,
    font_dir: str | Path | None = None,
) -> list[Path]:
    """Render a report notebook from stored results.

    Parameters
    ----------
    results_dir : str or Path
        A folder with ``results.json``.
    out_dir : str or Path
        Where ``report.html``, ``report.pdf`` and ``report.ipynb`` go. A notebook of another name
        gives files of that name.
    formats : sequence of {"html", "pdf"}
        Which forms to lay out; the executed notebook is always written.
    notebook : str or Path, optional
        The name of one of ours, or a file; the board report by default.
    parameters : mapping, optional
        Values for the notebook's parameters.
    font_dir : str or Path, optional
        A folder of fonts for the PDF, for scripts that Source Sans Pro lacks.

    Returns
    -------
    list of Path
        What was written. The same results give the same bytes.

    Raises
    ------
    ReportError
        If the results, the notebook or a cell fails; then nothing is written.
    OutputError
        If the folder cannot be written.
    ValueError
        If a format is unknown.
    """
    formats = [formats] if isinstance(formats, str) else list(formats)
    unknown = [form for form in formats if form not in FORMATS]
    if unknown:
        raise ValueError(f"Unknown format {unknown[0]!r}. Known: {', '.join(FORMATS)}.")
    files = render_files(
        Path(results_dir),
        formats=formats,
        notebook=notebook,
        parameters=parameters or {},
        font_dir=Path(font_dir) if font_dir else None,
    )
    return _write(files, Path(out_dir))


def render_files(
    results_dir: Path,
    *,
    formats: Sequence[str],
    notebook: str | Path | None,
    parameters: Mapping[str, Any],
    font_dir: Path | None,
) -> dict[str, bytes]:
    """Render a report into memory: the name of each file and its bytes."""
    from cxmodel.report.html import render_html
    from cxmodel.report.notebook import blocks_of, execute, inject, load_notebook, to_ipynb
    from cxmodel.report.pdf import render_pdf

    values = read_values(results_dir)
    book = inject(load_notebook(notebook), parameters)
    book = execute(book, folder=Path(results_dir).resolve())
    blocks = blocks_of(book)
    if not blocks:
        raise ReportError("The notebook shows no blocks, so there is nothing to lay out.")
    title = str(values["study"].get("title") or "Report")
    stem = _stem(notebook)
    files = {f"{stem}.ipynb": to_ipynb(book).encode()}
    if "html" in formats:
        files[f"{stem}.html"] = render_html(blocks, title=title).encode()
    if "pdf" in formats:
        files[f"{stem}.pdf"] = render_pdf(blocks, title=title, font_dir=font_dir)
    return dict(sorted(files.items()))


def _stem(notebook: str | Path | None) -> str:
    """Name the files: ``report`` for the board report, else as the notebook."""
    name = Path(notebook).stem if notebook else "board_report"
    return "report" if name == "board_report" else name


def _write(files: Mapping[str, bytes], out_dir: Path) -> list[Path]:
    """Write into a temporary folder beside the target, then move file by file."""
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out_dir, prefix=".report-") as folder:
            for name, content in files.items():
                (Path(folder) / name).write_bytes(content)
            for name in files:
                shutil.move(Path(folder) / name, out_dir / name)
    except OSError as error:
        raise OutputError(
            f"The report cannot be written to {out_dir}: {error.strerror or error}."
        ) from error
    return [out_dir / name for name in files]

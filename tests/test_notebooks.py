"""The tutorials run from top to bottom."""

from __future__ import annotations

from pathlib import Path

import jupytext
import pytest

from cxmodel.report.notebook import execute

TUTORIALS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.py"))


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_the_tutorial_runs(tutorial: Path, tmp_path: Path) -> None:
    book = execute(jupytext.read(tutorial), folder=tmp_path)
    printed = [
        output.text
        for cell in book.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    ]
    assert any(text.startswith("truth ") for text in printed)


def test_there_is_a_tutorial() -> None:
    assert TUTORIALS

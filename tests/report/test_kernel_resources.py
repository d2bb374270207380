"""A real kernel: nothing stays open, whatever ends it."""

import asyncio
import gc
import threading
from pathlib import Path

import jupytext
import pytest

from cxmodel.errors import ReportError
from cxmodel.report import notebook


def run(source, folder):
    """Run a notebook of one cell; garbage collected here shows what was left open."""
    book = notebook._normalised(jupytext.reads(source, fmt="py:percent"))
    try:
        return notebook.execute(book, folder=Path(folder))
    finally:
        gc.collect()


def test_nothing_stays_open_after_a_run(tmp_path):
    # pytest turns an unclosed socket, loop or process into an error
    before = threading.active_count()
    book = run("1 + 1", tmp_path)
    assert book.cells[0]["outputs"][0]["data"]["text/plain"] == "2"
    assert threading.active_count() == before


def test_it_runs_where_an_event_loop_is_running_already(tmp_path):
    async def inside():
        return run("'as in Jupyter'", tmp_path)

    assert asyncio.run(inside()).cells[0]["outputs"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise ValueError('no rows')", "Cell 1 .* failed: ValueError: no rows. Nothing was"),
        ("import os; os._exit(3)", "could not be run: .*died"),
    ],
)
def test_a_notebook_that_fails_or_dies_leaves_nothing_open(tmp_path, source, said):
    with pytest.raises(ReportError, match=said):
        run(source, tmp_path)

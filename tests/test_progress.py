"""Progress: a bar on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import io
import re

import pytest

from cxmodel.progress import BarProgress, LineProgress, NoProgress, make_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def work(progress: NoProgress) -> None:
    with progress:
        with progress.stage("lift") as stage:
            stage.rows(1200)
        with progress.stage("checks"):
            pass


def test_plain_lines_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    work(make_progress(stream=stream))
    first, second = stream.getvalue().splitlines()
    assert re.fullmatch(r"lift: 1,200 rows, \d+\.\d s", first)
    assert re.fullmatch(r"checks: \d+\.\d s", second)


def test_a_bar_on_a_terminal() -> None:
    stream = Terminal()
    progress = make_progress(stream=stream)
    assert isinstance(progress, BarProgress)
    work(progress)
    assert "lift" in stream.getvalue()
    assert "1,200 rows" in stream.getvalue()


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    progress = make_progress(quiet=True)
    work(progress)
    assert type(progress) is NoProgress
    assert capsys.readouterr() == ("", "")


def test_lines_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    work(make_progress())
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("lift: 1,200 rows")


def test_markup_in_a_name_is_shown_as_it_is() -> None:
    stream = Terminal()
    with BarProgress(stream) as progress, progress.stage("[red]x[/red]"):
        pass
    assert "[red]x[/red]" in stream.getvalue()


@pytest.mark.parametrize("kind", [LineProgress, BarProgress])
def test_a_stage_that_fails_is_not_shown_as_done(
    kind: type[LineProgress] | type[BarProgress],
) -> None:
    stream = io.StringIO()

    def fail() -> None:
        with kind(stream) as progress, progress.stage("lift"):
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        fail()
    assert "✓" not in stream.getvalue()
    assert "lift:" not in stream.getvalue()

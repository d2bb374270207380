"""Output folders: all or nothing, and nobody else's files touched."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxmodel.errors import OutputError
from cxmodel.output import LIST_OF_FILES, OutputFolder, check_target

RESULTS = json.dumps({"schema_version": 1})


def write(target: Path, *, keep_earlier: bool = False, **files: str) -> None:
    """Write files, their names with __ for a folder and _dot_ for the ending."""
    with OutputFolder(target, keep_earlier=keep_earlier) as folder:
        for name, text in files.items():
            file = folder / name.replace("__", "/").replace("_dot_", ".")
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != LIST_OF_FILES
    }


def ours(target: Path) -> None:
    write(target, results_dot_json=RESULTS, tables__kpis_dot_csv="old", report_dot_html="old")


# -- by hand ---------------------------------------------------------------------------------


def test_a_new_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b"
    with OutputFolder(target) as folder:
        (folder / "results.json").write_text(RESULTS)
        assert not target.exists()
    assert contents(target) == {"results.json": RESULTS}
    assert sorted(path.name for path in target.parent.iterdir()) == ["b"]


def test_a_new_folder_can_be_read_by_others(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        ours(tmp_path / "out")
    finally:
        os.umask(mask)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755


def test_files_of_an_earlier_run_are_replaced_and_go(tmp_path: Path) -> None:
    ours(tmp_path)
    write(tmp_path, results_dot_json=RESULTS, figures__a_dot_svg="new")
    assert contents(tmp_path) == {"results.json": RESULTS, "figures/a.svg": "new"}
    assert not (tmp_path / "tables").exists()


def test_files_of_others_stay(tmp_path: Path) -> None:
    ours(tmp_path)
    (tmp_path / "thesis.txt").write_text("mine")
    (tmp_path / "tables" / "mine.csv").write_text("mine")
    write(tmp_path, results_dot_json=RESULTS)
    assert contents(tmp_path) == {
        "results.json": RESULTS,
        "tables/mine.csv": "mine",
        "thesis.txt": "mine",
    }


def test_adding_leaves_what_an_earlier_run_wrote(tmp_path: Path) -> None:
    ours(tmp_path)
    write(tmp_path, keep_earlier=True, report_dot_html="new", report_dot_pdf="new")
    assert contents(tmp_path) == {
        "results.json": RESULTS,
        "report.html": "new",
        "report.pdf": "new",
        "tables/kpis.csv": "old",
    }
    write(tmp_path, results_dot_json=RESULTS)  # what was added is known as ours
    assert contents(tmp_path) == {"results.json": RESULTS}


def test_results_of_an_older_version_without_a_list_are_ours(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(RESULTS)
    (tmp_path / "report.pdf").write_text("old")
    write(tmp_path, results_dot_json=RESULTS)
    assert contents(tmp_path) == {"results.json": RESULTS}


def test_folders_inside_folders(tmp_path: Path) -> None:
    target = tmp_path / "demo"
    for _ in range(2):
        with OutputFolder(target) as folder:
            write(folder / "data", truth_dot_json=json.dumps({"lift.x": 1.0}))
            write(folder, results_dot_json=RESULTS)
    assert set(contents(target)) == {"data/truth.json", "results.json"}


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_an_interrupted_run_leaves_the_old_outputs_whole(
    tmp_path: Path, stop: type[BaseException]
) -> None:
    target = tmp_path / "out"
    ours(target)
    before = contents(target)

    def interrupted() -> None:
        with OutputFolder(target) as folder:
            (folder / "results.json").write_text("half")
            raise stop

    with pytest.raises(stop):
        interrupted()
    assert contents(target) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_interrupt_while_moving_puts_everything_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out"
    ours(target)
    before = contents(target)
    rename, calls = Path.rename, []

    def interrupt_once(self: Path, to: Path) -> Path:
        calls.append(to)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", interrupt_once)
    with pytest.raises(KeyboardInterrupt):
        write(target, results_dot_json="new", report_dot_html="new", figures__a_dot_svg="new")
    assert contents(target) == before


# -- properties ------------------------------------------------------------------------------

NAMES = st.sets(st.sampled_from(["results.json", "report.pdf", "tables/a.csv", "tables/b.csv"]))


@settings(max_examples=30, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=4))
def test_after_any_runs_only_the_last_is_there(
    tmp_path_factory: pytest.TempPathFactory, runs: list[set[str]]
) -> None:
    target = tmp_path_factory.mktemp("out")
    for number, names in enumerate(runs):
        with OutputFolder(target) as folder:
            for name in {*names, "results.json"}:
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_text(json.dumps({"schema_version": number}))
    expected = json.dumps({"schema_version": len(runs) - 1})
    assert contents(target) == dict.fromkeys(sorted({*runs[-1], "results.json"}), expected)
    shutil.rmtree(target)


# -- errors ----------------------------------------------------------------------------------


def test_a_folder_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"is not empty and holds no results .*thesis.txt"):
        ours(tmp_path)
    with pytest.raises(OutputError, match="is a file"):
        check_target(tmp_path / "thesis.txt")
    check_target(tmp_path / "new")


@pytest.mark.parametrize("text", ["[]", '{"schema": 1}', "not json", ""])
def test_results_json_of_another_program_is_not_ours(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(OutputError, match="not empty"):
        check_target(tmp_path)


def test_a_file_in_the_way_that_we_did_not_write_is_refused(tmp_path: Path) -> None:
    ours(tmp_path)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "a.svg").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(OutputError, match=r"figures/a.svg, which cxmodel did not write"):
        write(tmp_path, results_dot_json=RESULTS, figures__a_dot_svg="new")
    assert contents(tmp_path) == before


def test_a_list_of_files_that_points_outside_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    out = tmp_path / "out"
    ours(out)
    (out / LIST_OF_FILES).write_text(f"../precious.txt\n{tmp_path}/precious.txt\n")
    write(out, results_dot_json=RESULTS)
    assert (tmp_path / "precious.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "The disk is full"),
        (errno.EROFS, "cannot be written: Read-only file system"),
        (errno.EACCES, "cannot be written: Permission denied"),
    ],
)
def test_a_full_disk_and_no_permission_are_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    target = tmp_path / "out"
    ours(target)
    before = contents(target)

    def refuse(self: Path, *arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    def run() -> None:
        with OutputFolder(target) as folder:
            monkeypatch.setattr(Path, "write_text", refuse)
            (folder / "results.json").write_text(RESULTS)

    with pytest.raises(OutputError, match=message):
        run()
    monkeypatch.undo()
    assert contents(target) == before


def test_other_faults_are_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), OutputFolder(tmp_path / "out"):
        (tmp_path / "missing").read_text()

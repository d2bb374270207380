"""Output folders: written aside, moved into place at the end, and nobody else's files touched.

A folder of ours holds ``results.json`` or ``truth.json``, and ``.cxmodel-files``: the list of what
we wrote, one path a line, so that the next run replaces those files and no others.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from cxmodel.errors import OutputError

LIST_OF_FILES = ".cxmodel-files"
OUR_FILES = frozenset(
    {
        "results.json",
        "truth.json",
        "observations.parquet",
        "lift_card.json",
        "report.html",
        "report.pdf",
        "report.ipynb",
        LIST_OF_FILES,
    }
)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG}
)


class OutputFolder:
    """Write a folder aside and move it into place when all of it is there.

    A context manager that gives the empty folder to write into. When the block ends well, what an
    earlier run of ours left in `target` is replaced; files of others stay. When it fails or is
    interrupted, `target` stays as it was.

    Parameters
    ----------
    target : str or Path
        A new or empty folder, or one of ours.
    keep_earlier : bool
        Leave what an earlier run wrote, unless the same file is written again: for a report that is
        rendered anew.

    Raises
    ------
    OutputError
        If `target` holds other things, a file in the way was not written by us, the disk is full,
        or there is no permission.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     with OutputFolder(Path(parent, "out")) as folder:
    ...         _ = (folder / "results.json").write_text("{}")
    ...     sorted(path.name for path in Path(parent, "out").iterdir())
    ['.cxmodel-files', 'results.json']
    """

    def __init__(self, target: str | Path, *, keep_earlier: bool = False) -> None:
        self.target = Path(target)
        self._writing = _write_aside(self.target, keep_earlier=keep_earlier)

    def __enter__(self) -> Path:
        return self._writing.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return self._writing.__exit__(kind, error, trace)


@contextmanager
def _write_aside(target: Path, *, keep_earlier: bool) -> Iterator[Path]:
    check_target(target)
    with _plain_errors(target):
        aside = _make_aside(target)
        try:
            yield aside
            kept = _ours_in(target) - {LIST_OF_FILES} if keep_earlier else set()
            _list_files(aside, _files_of(aside) | kept)
            _move_into_place(aside, target, kept)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def output_file(target: str | Path) -> Iterator[Path]:
    """Write one file aside and move it into place when all of it is there.

    Gives the path to write, with the suffix of `target`, beside it on the same disk. When the block
    fails or is interrupted nothing is left, and an earlier file stays as it was.

    Raises
    ------
    OutputError
        If the disk is full, or there is no permission.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     with output_file(Path(parent, "scores.csv")) as path:
    ...         _ = path.write_text("prob_churn")
    ...     [path.name for path in Path(parent).iterdir()]
    ['scores.csv']
    """
    target = Path(target)
    with _plain_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        except FileNotFoundError as error:  # it is there, and yet takes no files
            raise OutputError(f"{target.parent} takes no files. Name another folder.") from error
        try:
            path = aside / target.name
            yield path
            path.replace(target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def check_target(target: str | Path) -> None:
    """Refuse an output folder that is not ours to write, before anything is computed.

    Parameters
    ----------
    target : str or Path
        The folder that is going to be written.

    Raises
    ------
    OutputError
        If it is a file, or a folder that is not empty and holds neither ``results.json`` nor
        ``truth.json`` of ours, or lies where nothing can be written.
    """
    target = Path(target)
    with _plain_errors(target):
        there = next(folder for folder in (target, *target.absolute().parents) if folder.exists())
    if not there.is_dir():
        raise OutputError(f"{there} is a file. Name a folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(f"There is no permission to write into {there}. Name another folder.")
    if there != target:
        return
    with _plain_errors(target):
        found = sorted(path.name for path in target.iterdir())
    if found and not _is_ours(target):
        listed = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
        raise OutputError(
            f"{target} is not empty and holds no results of cxmodel (found: {listed}). "
            "Name a new folder."
        )


def _is_ours(folder: Path) -> bool:
    return (
        _has_key(folder / "results.json", "schema_version")
        or _is_truth(folder / "truth.json")
        or _is_truth(folder / "data" / "truth.json")  # as `cxmodel demo` lays it out
    )


def _has_key(file: Path, key: str) -> bool:
    content = _read_json(file)
    return isinstance(content, dict) and key in content


def _is_truth(file: Path) -> bool:
    """Say whether a file is a truth of ours: result paths, each with its true value."""
    content = _read_json(file)
    return isinstance(content, dict) and any("." in str(path) for path in content)


def _read_json(file: Path) -> object:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _make_aside(target: Path) -> Path:
    """Make the temporary folder next to the target, on its disk: moving is then renaming."""
    target.parent.mkdir(parents=True, exist_ok=True)
    parent = target.parent
    if target.is_dir() and (
        not os.access(parent, os.W_OK) or parent.stat().st_dev != target.stat().st_dev
    ):
        parent = target
    aside = Path(tempfile.mkdtemp(prefix=f".{target.resolve().name}-", dir=parent))
    mask = os.umask(0)
    os.umask(mask)
    aside.chmod(0o777 & ~mask)
    return aside


def _files_of(folder: Path) -> set[str]:
    """List the files in a folder, as paths relative to it with forward slashes."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _list_files(folder: Path, files: set[str]) -> None:
    # an inner folder may have been written by its own `OutputFolder`: its list is covered here
    listed = sorted(files | {LIST_OF_FILES})
    (folder / LIST_OF_FILES).write_text("\n".join(listed) + "\n", encoding="utf-8")


def _ours_in(target: Path) -> set[str]:
    """List the files in the target that an earlier run of ours wrote and that are still there."""
    try:
        listed = (target / LIST_OF_FILES).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        listed = []
    inside = [name for name in listed if not name.startswith("/") and ".." not in name.split("/")]
    return {name for name in {*inside, *OUR_FILES} if (target / name).is_file()}


def _move_into_place(aside: Path, target: Path, keep: set[str]) -> None:
    if not target.exists():
        aside.rename(target)
        return
    new, old = _files_of(aside), _ours_in(target)
    _refuse_others_files(target, new - old)
    gone = {name for name in old if name not in keep or name in new}
    with tempfile.TemporaryDirectory(prefix=".old-", dir=aside) as backup:
        _swap(aside, target, Path(backup), sorted(gone), sorted(new))
    for folder in sorted({(target / name).parent for name in gone - new}, reverse=True):
        if folder != target and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _swap(aside: Path, target: Path, backup: Path, gone: list[str], new: list[str]) -> None:
    """Move old files out and new files in; put everything back if that fails or is interrupted."""
    done: list[tuple[Path, Path]] = []
    moves = [(target / name, backup / name) for name in gone]
    moves += [(aside / name, target / name) for name in new]
    try:
        for source, destination in moves:
            destination.parent.mkdir(parents=True, exist_ok=True)
            source.rename(destination)
            done.append((source, destination))
    except BaseException:
        for source, destination in reversed(done):
            destination.rename(source)
        raise


def _refuse_others_files(target: Path, new: set[str]) -> None:
    in_the_way = sorted(name for name in new if (target / name).exists())
    if in_the_way:
        raise OutputError(
            f"{target} holds {', '.join(in_the_way[:3])}, which cxmodel did not write. "
            "Move it away, or name another folder."
        )


@contextmanager
def _plain_errors(target: Path) -> Iterator[None]:
    """Say in plain words that the disk is full or that there is no permission."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL or "No space left" in str(error):
            raise OutputError(
                f"The disk is full: {target} could not be written. Free some space, or name a "
                "folder on another disk."
            ) from error
        if error.errno in _REFUSED:
            raise OutputError(
                f"{target} cannot be written: {os.strerror(error.errno)}. Name another folder."
            ) from error
        raise

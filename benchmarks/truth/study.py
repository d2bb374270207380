"""Run replications, two at a time, and keep every one of them: a run that is killed goes on."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

from benchmarks.truth.fitted_by import fingerprint
from benchmarks.truth.replicate import replicate, shifts_of
from benchmarks.truth.taking_over import FIRST, candidates, counted, notice, same_codes
from benchmarks.truth.worlds import FULL

Task = tuple[str, int, int]
CHUNK = 5
# The worlds were made, and some claims sharpened, by looking at replications with smaller seeds.
FIRST_SEED = 1_000


def rows_file(folder: Path, world: str) -> Path:
    """Name the file of a world's replications."""
    return folder / f"{world}.jsonl"


def read_rows(folder: Path, world: str) -> list[dict[str, Any]]:
    """Read a world's replications in the order of their seeds: of this code, or taken over by it.

    A last line that was cut off when a run was killed is left out.
    """
    return counted(_lines(folder, world), fingerprint())


def _lines(folder: Path, world: str) -> list[dict[str, Any]]:
    path = rows_file(folder, world)
    lines = []
    for text in path.read_text().splitlines() if path.exists() else ():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return lines


def take_over(folder: Path, world: str) -> None:
    """Take over what other code fitted of a world, where the first replications come out the same.

    At each shift alone, for a changed strength changes nothing elsewhere.
    """
    lines, code = _lines(folder, world), fingerprint()
    seeds = range(FIRST_SEED, FIRST_SEED + FIRST)
    for shift in shifts_of(world):
        of_others = candidates(lines, code, shift, seeds)
        same = same_codes(of_others, seeds, lambda seed, at=shift: _as_read(world, at, seed))
        for other in of_others:
            verdict = "taken over" if other in same else "not the same, left out"
            print(f"{world} at {shift}, fitted by {other}: {verdict}", file=sys.stderr, flush=True)
        for other in same:
            _append(folder, world, notice(other, code, world, shift))


def _as_read(world: str, shift: int, seed: int) -> dict[str, Any]:
    """Fit a replication and read it as from its file."""
    row: dict[str, Any] = json.loads(json.dumps(replicate(world, shift, seed)))
    return row


def _append(folder: Path, world: str, line: dict[str, Any]) -> None:
    with rows_file(folder, world).open("ab+") as file:
        _end_line(file)
        file.write(json.dumps(line).encode() + b"\n")


def tasks(folder: Path, worlds: Iterable[str], n: int, n_power: int) -> Iterator[Task]:
    """List the replications that are still to be done."""
    for world in worlds:
        done = {(row["shift"], row["seed"]) for row in read_rows(folder, world)}
        for shift in shifts_of(world):
            n_here = n if shift == FULL else min(n, n_power)
            for seed in range(FIRST_SEED, FIRST_SEED + n_here):
                if (shift, seed) not in done:
                    yield world, shift, seed


def run(folder: Path, worlds: list[str], n: int, n_power: int, processes: int) -> None:
    """Do what is still to be done, one world after the other.

    Parameters
    ----------
    n : int
        Replications of each world.
    n_power : int
        Replications at the smaller shifts of worlds in which a check must fire.
    processes : int
        How many at a time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for world in worlds:
        take_over(folder, world)
    left = list(tasks(folder, worlds, n, n_power))
    start = time.monotonic()
    for n_done, (world, row) in enumerate(_done(left, processes), start=1):
        _append(folder, world, {**row, "code": fingerprint()})
        if n_done % 100 == 0 or n_done == len(left):
            _say(n_done, len(left), time.monotonic() - start)


def _end_line(file: BinaryIO) -> None:
    """Close a line that a killed run left open, so that it spoils no other."""
    end = file.seek(0, 2)
    if end:
        file.seek(end - 1)
        if file.read(1) != b"\n":
            file.write(b"\n")


def _done(left: list[Task], processes: int) -> Iterator[tuple[str, dict[str, Any]]]:
    if processes == 1:
        for task in left:
            yield task[0], replicate(*task)
        return
    with ProcessPoolExecutor(processes) as pool:
        for task, row in zip(left, pool.map(_replicate, left, chunksize=CHUNK), strict=True):
            yield task[0], row


def _replicate(task: Task) -> dict[str, Any]:
    return replicate(*task)


def _say(n_done: int, n: int, seconds: float) -> None:
    rest = seconds / n_done * (n - n_done)
    print(
        f"{n_done:,} of {n:,} replications in {seconds / 60:.1f} minutes, "
        f"about {rest / 60:.1f} to go",
        file=sys.stderr,
        flush=True,
    )

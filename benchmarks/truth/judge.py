"""From replications to cells: bias, coverage and how often checks fire, each with its chance."""

from __future__ import annotations

import csv
import math
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import beta, norm

from benchmarks.truth.replicate import ESTIMATORS, SLOW, shifts_of, truth_of
from benchmarks.truth.worlds import FULL, WORLDS
from cxmodel.models.checks.base import CHECK_NAMES

CHANCE = 0.99
MOST_BIAS, COVERS = 0.1, (0.93, 0.97)
MOST_BIAS_SLOW, COVERS_SLOW = 0.25, (0.90, 0.98)
ENOUGH, ENOUGH_SLOW, ENOUGH_POWER = 1_000, 200, 200
MUST_FIRE, MUST_NOT = 0.95, 0.07
Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One world by one estimator or check.

    Parameters
    ----------
    kind : {"estimator", "check", "power", "grade"}
        What is judged.
    claim : str
        What was claimed: "holds", "not claimed", "must fire", "must not", "cannot know".
    verdict : str
        "held", "falls short", "shown", "not run", or "too few" before enough replications.
    truth, mean, bias, coverage, share, moved : float
        NaN where it does not apply; bias and moved in standard deviations of the estimate.
    low, high : float
        99% Monte Carlo interval of the bias or of the share.
    cover_low, cover_high : float
        The same of the coverage.
    """

    world: str
    outcome: str
    kind: str
    name: str
    shift: int
    claim: str
    verdict: str
    n: int
    truth: float = math.nan
    mean: float = math.nan
    spread: float = math.nan
    error: float = math.nan
    bias: float = math.nan
    low: float = math.nan
    high: float = math.nan
    coverage: float = math.nan
    cover_low: float = math.nan
    cover_high: float = math.nan
    share: float = math.nan
    moved: float = math.nan
    note: str = ""


def expectations() -> dict[str, Any]:
    """Read the committed table of claims."""
    return tomllib.loads(Path(__file__).with_name("expectations.toml").read_text())


def claim_of(table: dict[str, Any], world: str, outcome: str, check: str) -> str:
    """Give what is claimed of a check in a world."""
    stated: dict[str, str] = table[world][outcome]["checks"]
    return stated.get(check, str(table["defaults"].get(check, "cannot know")))


def share_interval(n_of: int, n: int, chance: float = CHANCE) -> tuple[float, float]:
    """Give the interval of a share, 99% by default (Clopper & Pearson 1934)."""
    tail = (1 - chance) / 2
    low = float(beta.ppf(tail, n_of, n - n_of + 1)) if n_of else 0.0
    high = float(beta.ppf(1 - tail, n_of + 1, n - n_of)) if n_of < n else 1.0
    return low, high


def judge(rows: Rows, world: str, table: dict[str, Any], chance: float = CHANCE) -> list[Cell]:
    """Judge every cell of one world from its replications, of all shifts.

    Parameters
    ----------
    chance : float
        Level of the Monte Carlo intervals.
    """
    full = [row for row in rows if row["shift"] == FULL]
    names = (*ESTIMATORS, *(["with_leak"] if WORLDS[world].vouched_for else []))
    cells: list[Cell] = []
    for outcome in WORLDS[world].outcomes:
        stated = [name for name in table[world][outcome]["checks"] if "." in name]
        checks = (*CHECK_NAMES, *stated)
        cells += [_estimator_cell(full, world, outcome, name, table, chance) for name in names]
        cells += [_check_cell(full, world, outcome, name, table, FULL, chance) for name in checks]
        cells.append(_grade_cell(full, world, outcome))
        cells += _power_cells(rows, world, outcome, table)
    return cells


def _estimator_cell(
    rows: Rows, world: str, outcome: str, name: str, table: dict[str, Any], chance: float
) -> Cell:
    key = f"{outcome}.{name}"
    claim = "holds" if name in table[world][outcome]["holds"] else "not claimed"
    found = np.array([row["terms"][key] for row in rows if key in row["terms"]], dtype=float)
    common: dict[str, Any] = {"world": world, "outcome": outcome, "kind": "estimator",
              "name": name, "shift": FULL, "claim": claim, "n": len(found)}  # fmt: skip
    if len(found) < 2:
        return Cell(**common, verdict="not run", note=_why(rows, key))
    truth = truth_of_term(world, FULL, outcome, name)
    spread = float(found[:, 0].std(ddof=1))
    mean = float(found[:, 0].mean())
    bias = (mean - truth) / spread if spread else 0.0
    half = float(norm.ppf(0.5 + chance / 2)) / math.sqrt(len(found))
    # an end that is not given is infinitely far
    low, high = np.nan_to_num(found[:, 2], nan=-np.inf), np.nan_to_num(found[:, 3], nan=np.inf)
    n_cover = int(((low <= truth) & (truth <= high)).sum())
    ends = share_interval(n_cover, len(found), chance)
    cell = Cell(
        **common, verdict="shown", truth=truth, mean=mean, spread=spread,
        error=float(np.median(found[:, 1])), bias=bias, low=bias - half, high=bias + half,
        coverage=n_cover / len(found), cover_low=ends[0], cover_high=ends[1],
    )  # fmt: skip
    return cell if claim != "holds" else _with_verdict(cell, _held(cell), name in SLOW)


def truth_of_term(world: str, shift: int, outcome: str, name: str) -> float:
    """Give the truth of what an estimator claims to estimate."""
    estimand = ESTIMATORS[name][2] if name in ESTIMATORS else "base"
    if (outcome, name) == ("retention", "additive"):
        # the additive logit's marginal effect is averaged over the customers like the headline's
        estimand = "base"
    return truth_of(world, shift).get(f"{outcome}.{estimand}", math.nan)


def _held(cell: Cell) -> bool:
    """Say whether neither interval lies wholly outside what is allowed (methods 7)."""
    slow = cell.name in SLOW
    most, (least, largest) = (MOST_BIAS_SLOW, COVERS_SLOW) if slow else (MOST_BIAS, COVERS)
    is_biased = cell.low > most or cell.high < -most
    return not is_biased and cell.cover_high >= least and cell.cover_low <= largest


def _with_verdict(cell: Cell, is_held: bool, slow: bool = False) -> Cell:
    enough = ENOUGH_SLOW if slow else ENOUGH
    note = "" if cell.n >= enough else f"{cell.n} of {enough:,} replications"
    return replace(cell, verdict="held" if is_held else "falls short", note=note)


def _why(rows: Rows, key: str) -> str:
    reasons = Counter(row["not_run"][key] for row in rows if key in row["not_run"])
    outcome = key.split(".")[0]
    reasons.update(row["errors"][outcome] for row in rows if outcome in row["errors"])
    return reasons.most_common(1)[0][0] if reasons else "no replication"


def fires(table: dict[str, Any], check: str, verdict: str) -> bool:
    """Say whether a verdict counts as firing."""
    name, _, kind = check.partition(".")
    return verdict in (("warn", "fail") if kind == "warn" else table["fires"][name])


def _check_cell(
    rows: Rows,
    world: str,
    outcome: str,
    name: str,
    table: dict[str, Any],
    shift: int,
    chance: float = CHANCE,
) -> Cell:
    key = f"{outcome}.{name.partition('.')[0]}"
    claim = claim_of(table, world, outcome, name)
    verdicts = [
        row["checks"][key] for row in rows if row["checks"].get(key, "not_run") != "not_run"
    ]
    common: dict[str, Any] = {"world": world, "outcome": outcome, "kind": "check", "name": name,
              "shift": shift, "claim": claim, "n": len(verdicts)}  # fmt: skip
    if not verdicts:
        return Cell(**common, verdict="not run")
    n_fired = sum(fires(table, name, verdict) for verdict in verdicts)
    low, high = share_interval(n_fired, len(verdicts), chance)
    cell = Cell(**common, verdict="shown", share=n_fired / len(verdicts), low=low, high=high)
    if claim == "cannot know":
        return cell
    return _with_verdict(cell, high >= MUST_FIRE if claim == "must fire" else low <= MUST_NOT)


def _grade_cell(rows: Rows, world: str, outcome: str) -> Cell:
    """Say how often the grade was association: in clean worlds, denied."""
    grades = [row["grades"][outcome] for row in rows if outcome in row["grades"]]
    n_denied = sum(grade == "association" for grade in grades)
    low, high = share_interval(n_denied, len(grades)) if grades else (math.nan, math.nan)
    return Cell(
        world=world, outcome=outcome, kind="grade", name="association", shift=FULL,
        claim="shown", verdict="shown", n=len(grades), low=low, high=high,
        share=n_denied / len(grades) if grades else math.nan,
        note=f"{len(rows) - len(grades)} replications were refused" if len(grades) < len(rows)
        else "",
    )  # fmt: skip


def _power_cells(rows: Rows, world: str, outcome: str, table: dict[str, Any]) -> list[Cell]:
    """Say how often the check that must fire does at each shift, and how far the figure moved."""
    cells = []
    for name, claim in table[world][outcome]["checks"].items():
        if claim != "must fire" or len(WORLDS[world].strengths) == 1:
            continue
        for shift in sorted(shifts_of(world)):
            at = [row for row in rows if row["shift"] == shift]
            cell = _check_cell(at, world, outcome, name, table, shift)
            moved = _moved(rows, world, outcome, shift, table)
            verdict = "shown" if cell.n else "not run"
            cells.append(replace(cell, kind="power", verdict=verdict, moved=moved, note=""))
    return cells


def _moved(all_rows: Rows, world: str, outcome: str, shift: int, table: dict[str, Any]) -> float:
    stated = table["moved"].get(world)
    rows = [row for row in all_rows if row["shift"] == shift]
    if stated is None:
        return math.nan
    key = f"{outcome}.{stated['estimator']}"
    values = np.array([row["terms"][key][0] for row in rows if key in row["terms"]])
    if len(values) < 2:
        return math.nan
    truth = truth_of(world, shift)[f"{outcome}.{stated['from']}"]
    spread_of = f"{outcome}.{stated.get('in', stated['estimator'])}"
    of = [row for row in all_rows if row["shift"] == stated.get("at", shift)]
    spread = np.std([row["terms"][spread_of][0] for row in of if spread_of in row["terms"]], ddof=1)
    return float(abs(values.mean() - truth) / spread)


COLUMNS = tuple(f.name for f in fields(Cell))


def write_cells(cells: Iterable[Cell], path: Path) -> None:
    """Write cells as CSV, four digits."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for cell in cells:
            writer.writerow([_written(value) for value in astuple(cell)])


def _written(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return value


def read_cells(path: Path) -> list[Cell]:
    """Read what `write_cells` wrote."""
    with path.open(newline="") as file:
        return [_cell(row) for row in csv.DictReader(file)]


def _cell(row: dict[str, str]) -> Cell:
    values: dict[str, Any] = {}
    for each in fields(Cell):
        text = row[each.name]
        if each.type == "int":
            values[each.name] = int(text)
        elif each.type == "float":
            values[each.name] = float(text) if text else math.nan
        else:
            values[each.name] = text
    return Cell(**values)

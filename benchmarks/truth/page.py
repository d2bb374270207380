"""The page of the docs, from ``results.csv`` alone."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.truth.judge import ENOUGH, ENOUGH_SLOW, Cell
from benchmarks.truth.replicate import ESTIMATORS, SLOW
from benchmarks.truth.taking_over import FIRST
from benchmarks.truth.worlds import FULL, WORLDS
from cxmodel.models.checks.base import CHECK_NAMES

HEAD = """# The known-truth study

<!-- Written by `python -m benchmarks.truth`; do not edit. -->

Companies are simulated whose truth is known, lifts are fitted to them again and again, and what
comes out is held against what was claimed (`benchmarks/truth/expectations.toml`; some claims were
sharpened on trial runs, whose random numbers are not used here). The truth is that of the estimand
which each estimator claims (the mean slope over the customers, the variance-weighted slope, the
slope within customers, the step below the top, a KPI point, the step between adjacent bands at the
ratings that customers like them give), read from the law of the world under changed ratings.

A claimed estimator falls short when the 99% Monte Carlo interval of its bias lies wholly outside
+-0.1 standard deviations of the estimate, or that of the coverage of its 95% intervals wholly
outside 93-97% (the flexible ones: +-0.25 and 90-98%). A check that must fire falls short when it
surely fires in under 95%, one that must not when it surely fires in over 7%. *Cannot know*: what is
hidden there is beyond that check, or it is right to speak up for another reason; shown, not judged.
"""
SHORT = {
    "placebo_before": "placebo", "timing": "timing", "unobserved_confounding": "unobserved",
    "linearity": "linearity", "overlap": "overlap", "weighting": "weighting",
    "non_response": "response", "feedback": "feedback", "shuffled_rating": "shuffled",
    "leakage": "leakage", "separation": "separation", "leave_one_group_out": "one group out",
    "repeat_customers": "repeats", "join": "join", "sample_size": "size",
}  # fmt: skip


def write_page(
    cells: Sequence[Cell], path: Path, code: str, taken_over: Mapping[str, int] | None = None
) -> None:
    """Write the page.

    Parameters
    ----------
    cells : sequence of Cell
        As judged.
    path : Path
        Of the page.
    code : str
        Fingerprint of the code that fitted them.
    taken_over : mapping of str to int, optional
        Fingerprints of other code -> replications of it that count.
    """
    parts = [
        HEAD, _state(cells, code, taken_over or {}), _shortfalls(cells), _worlds(),
        _estimators(cells), _others(cells), _checks(cells), _power(cells), _grades(cells),
    ]  # fmt: skip
    path.write_text("\n".join(parts))


def _state(cells: Sequence[Cell], code: str, taken_over: Mapping[str, int]) -> str:
    """Say how many replications there are, of which code, and how many cells hold."""
    claimed = [c for c in cells if c.verdict in ("held", "falls short")]
    n_held = sum(c.verdict == "held" for c in claimed)
    most: dict[str, int] = {}
    for cell in claimed:
        most[cell.world] = max(cell.n, most.get(cell.world, 0))
    n_least = min(most.values(), default=0)
    absent = sorted({c.name for c in cells if c.verdict == "not run" and c.claim != "not claimed"})
    never = [n for n in absent if not any(c.n and c.name == n for c in cells)]
    said = [
        f"**{n_held:,} of {len(claimed):,} claims that could be judged hold**, from at least "
        f"{n_least:,} replications of each world, fitted by code `{code}`."
    ]
    for other, n in taken_over.items():
        said.append(
            f"{n:,} of these replications were fitted by code `{other}` and taken over, because "
            f"the first {FIRST} of each world at each shift, fitted anew, gave the same to the "
            "last digit."
        )
    if n_least < ENOUGH:
        said.append(
            f"This is a trial run: the study asks for {ENOUGH:,} replications "
            f"({ENOUGH_SLOW} of the flexible estimate)."
        )
    n_slow = min((c.n for c in claimed if c.name in SLOW), default=ENOUGH_SLOW)
    if n_least >= ENOUGH and n_slow < ENOUGH_SLOW:
        said.append(
            f"Of the flexible estimates at least {n_slow:,} are judged, of {ENOUGH_SLOW:,} asked "
            "for: where a band has too few customers, its contrast is not run."
        )
    if never:
        said.append(f"Not run anywhere, so claimed in vain: {', '.join(never)}.")
    return "\n".join(said) + "\n"


def _shortfalls(cells: Sequence[Cell]) -> str:
    reasons: dict[str, str] = tomllib.loads(Path(__file__).with_name("why.toml").read_text())
    short = [c for c in cells if c.verdict == "falls short"]
    lines = ["## Where it falls short", ""]
    for cell in short:
        key = f"{cell.world}.{cell.outcome}.{cell.name}"
        lines.append(f"- {key} ({_figures(cell)}): {reasons.get(key, 'not explained yet.')}")
    return "\n".join([*lines, *(() if short else ("Nowhere.",)), ""])


def _figures(cell: Cell) -> str:
    if cell.kind == "check":
        return f"{cell.claim}, fired in {cell.share:.1%} of {cell.n:,}"
    return f"bias {cell.bias:+.2f}, coverage {cell.coverage:.1%} of {cell.n:,}"


def _worlds() -> str:
    rows = [(name, f"{world.n_customers:,}", world.purpose) for name, world in WORLDS.items()]
    return _section("Worlds", ("world", "customers", "what it is"), rows)


def _estimators(cells: Sequence[Cell]) -> str:
    rows = [
        (
            _place(c), c.name, f"{c.n:,}", _number(c.truth), _number(c.mean), f"{c.bias:+.2f}",
            _ends(c.low, c.high, "+.2f"), _number(c.error / c.spread if c.spread else math.nan),
            f"{c.coverage:.1%}", _ends(c.cover_low, c.cover_high, ".1%"), c.verdict,
        )
        for c in _of(cells, "estimator", claim="holds") if c.verdict != "not run"
    ]  # fmt: skip
    head = ("world", "estimator", "n", "truth", "mean", "bias", "99%", "error / spread", "covers",
            "99%", "verdict")  # fmt: skip
    absent = [
        f"- {_place(c)} {c.name}: {c.note}"
        for c in _of(cells, "estimator", claim="holds") if c.verdict == "not run"
    ]  # fmt: skip
    text = _section("Estimators where they claim to hold", head, rows)
    text += "\nBias in standard deviations of the estimate; error / spread is the median standard "
    text += "error over the standard deviation of the estimates.\n"
    return text + ("\nClaimed, and not run:\n\n" + "\n".join(absent) + "\n" if absent else "")


def _others(cells: Sequence[Cell]) -> str:
    """Show bias and coverage of all estimators in all worlds, claimed or not."""
    names = list(ESTIMATORS)
    found = {(_place(c), c.name): c for c in _of(cells, "estimator")}
    places = list(dict.fromkeys(place for place, _ in found))
    rows = []
    for place in places:
        row = [place]
        for name in names:
            cell = found[place, name]
            has_truth = cell.n > 1 and not math.isnan(cell.bias)
            mark = "**" if cell.claim == "holds" else ""
            row.append(f"{mark}{cell.bias:+.1f}, {cell.coverage:.0%}{mark}" if has_truth else "-")
        rows.append(tuple(row))
    text = _section("All estimators everywhere: bias and coverage", ("world", *names), rows)
    return (
        f"{text}\nBold: claimed to hold. A dash: not run, or no truth of its own in this world.\n"
    )


def _checks(cells: Sequence[Cell]) -> str:
    found = {(_place(c), c.name): c for c in _of(cells, "check")}
    places = list(dict.fromkeys(place for place, _ in found))
    rows = []
    for place in places:
        row = [place]
        for name in CHECK_NAMES:
            cell = found[place, name]
            row.append(f"{_share(cell)}{_mark(cell)}" if cell.n else "not run")
        warned = found.get((place, "placebo_before.warn"))
        row.append(f"{_share(warned)}{_mark(warned)}" if warned and warned.n else "-")
        rows.append(tuple(row))
    head = ("world", *(SHORT[name] for name in CHECK_NAMES), "placebo warns")
    text = _section("Checks: how often they fire", head, rows)
    return (
        f"{text}\nBold: must fire. In brackets: cannot know. An exclamation mark: falls short. The "
        "last column counts warnings of the placebo too.\n"
    )


def _share(cell: Cell) -> str:
    said = f"{cell.share:.1%}"
    if cell.claim == "must fire":
        return f"**{said}**"
    return f"({said})" if cell.claim == "cannot know" else said


def _mark(cell: Cell) -> str:
    return " !" if cell.verdict == "falls short" else ""


def _power(cells: Sequence[Cell]) -> str:
    rows = [
        (
            _place(c), c.name, str(c.shift), f"{c.n:,}",
            "-" if math.isnan(c.moved) else f"{c.moved:.1f}", f"{c.share:.1%}",
            _ends(c.low, c.high, ".1%"),
        )
        for c in _of(cells, "power") if c.n
    ]  # fmt: skip
    head = ("world", "check", "nominal shift", "n", "shift", "fires", "99%")
    text = _section("Power: how often a check fires by how far the figure is moved", head, rows)
    return (
        f"{text}\nShifts in standard deviations of the figure that is moved; in heterogeneous and "
        "leak of the headline.\n"
    )


def _grades(cells: Sequence[Cell]) -> str:
    rows = [
        (_place(c), f"{c.n:,}", f"{c.share:.1%}", _ends(c.low, c.high, ".1%"), c.note)
        for c in _of(cells, "grade") if c.n
    ]  # fmt: skip
    head = ("world", "n", "association only", "99%", "")
    text = _section("Grades: how often no more than association is granted", head, rows)
    return (
        f"{text}\nIn clean and confounded nothing is hidden, so there this is the share that is "
        "denied its grade.\n"
    )


def _of(cells: Iterable[Cell], kind: str, claim: str | None = None) -> list[Cell]:
    return [
        c for c in cells
        if c.kind == kind and (claim is None or c.claim == claim)
        and (kind == "power" or c.shift == FULL)
    ]  # fmt: skip


def _place(cell: Cell) -> str:
    return f"{cell.world}, {cell.outcome}"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}"


def _ends(low: float, high: float, style: str) -> str:
    return f"{low:{style}} to {high:{style}}"


def _section(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"## {title}", "", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, ""])

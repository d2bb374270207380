"""The first page: the answer, the decision it supports, and how far to trust it."""

from __future__ import annotations

from typing import Any

from cxmodel.report import words
from cxmodel.report.blocks import Block, Bullets, Cards, Cover, Heading, Text, Words, runs, strong
from cxmodel.report.reading import Results, as_estimate, estimate, part, reason, rows
from cxmodel.report.sections import common
from cxmodel.report.sections.cards import key_figures
from cxmodel.report.sections.checks import check_counts, check_name, readable
from cxmodel.report.sections.decision import decision
from cxmodel.report.words import ended, lower_first, reason_lines
from cxmodel.results import Estimate

MOST_TRUST_ITEMS = 5


def cover(
    results: Results, *, title: str = "", subtitle: str = "", footer: str = ""
) -> list[Block]:
    """Begin the report: title, what it is, and the facts that date it."""
    study = results.get("study", {})
    facts = [("Data up to", study.get("as_of")), ("Currency", study.get("currency"))]
    audit = part(results, "audit") or {}
    if audit.get("n_responses") is not None:
        facts.insert(1, ("Responses", words.count(audit["n_responses"])))
    if rows(results, "lift.revenue.by_rating") or common.headline_outcome(results):
        grade = common.GRADE_NAMES[common.grade(results, common.headline_outcome(results))]
        facts.append(("Evidence", words.sentence(grade)))
    version = results.get("cxmodel_version")
    facts.append(("Made with", f"cxmodel {version}" if version else None))
    return [
        Cover(
            title=title or str(study.get("title") or "Customer experience and money"),
            subtitle=subtitle or "Customer experience and what it is worth: board report",
            facts=[(name, str(value)) for name, value in facts if value],
            footer=footer,
        )
    ]


def summary_section(results: Results) -> list[Block]:
    """Give the answer in one sentence, the decision, how far to trust it, and the key figures."""
    cards = key_figures(results)
    return [
        Heading(text="The answer", topic=""),
        Text(words=answer(results), lead=True),
        *[Text(words=also) for also in _other_answers(results)],
        *_why_no_lift(results),
        *([Cards(cards=cards)] if cards else []),
        decision(results),
        Heading(text="How far to trust it", level=2),
        Bullets(items=trust(results)),
    ]


def answer(results: Results) -> Words:
    """Say in one sentence what one rating point goes with, or why that cannot be said."""
    outcome = common.headline_outcome(results)
    if outcome is None:
        return _answer_without_lift(results)
    lift = common.lift_of(results, outcome)
    if lift is None:  # headline_outcome names only outcomes that have a lift
        return _answer_without_lift(results)
    return lift_sentence(results, outcome, lift)


def _other_answers(results: Results) -> list[Words]:
    """Say the same of the outcomes that the first sentence does not speak of."""
    first = common.headline_outcome(results)
    return [
        [f"{words.sentence(outcome)}: ", *_unstressed(lift_sentence(results, outcome, lift))]
        for outcome in common.OUTCOMES
        if outcome != first and (lift := common.lift_of(results, outcome))
    ]


def _unstressed(sentence: Words) -> list[Words]:
    """Give a claim without bold, and without the meaning of its grade, which has been said."""
    first, *_ = runs(sentence)
    rest = runs(sentence)[1:] if first["text"].startswith("No lift") else []
    return [lower_first(first["text"]), *(run["text"] for run in rest)]


def lift_sentence(results: Results, outcome: str, lift: Estimate) -> Words:
    """Say what a lift shows, as strongly as its interval and its grade allow.

    A lift whose interval includes zero is no lift; only an experiment brings anything about.
    """
    ends = words.interval(lift)
    level = words.level(lift)
    shown = words.shown(lift)
    point = common.rating_point(results)
    if shown == "not shown":
        what = "revenue" if outcome == "revenue" else "retention"
        value = words.central(lift)
        return [
            strong(f"No lift of {what} is shown: the interval includes zero."),
            f" Per {point} and customer the estimate is {value} "
            f"{words.window_of(lift.unit)} ({level} interval {ends}).",
        ]
    grade = common.grade(results, outcome)
    is_within = common.is_within_first(results, outcome)
    subject = _subject("adjusted" if grade == "within_customer" and not is_within else grade, point)
    claim = f"{subject} {_predicate(outcome, lift, grade)}"
    interval = f" ({level} interval {ends})." if ends else ". It has no interval."
    return [strong(f"{claim}{interval}"), f" {_meaning(results, outcome, grade)}"]


def _meaning(results: Results, outcome: str, grade: str) -> str:
    """Say what the grade means; the estimate that did not stand first is named beside it."""
    if grade != "within_customer":
        meaning = common.grade_meaning(results, outcome, grade)
        return f"{meaning}{_read_before(results, outcome)}"
    is_within = common.is_within_first(results, outcome)
    other = "per_rating_point" if is_within else "within_customer_per_rating_point"
    found = estimate(results, f"lift.{outcome}.{other}")
    if found is None:
        return common.GRADE_MEANING[grade]
    value = words.with_interval(found)
    if is_within:
        return (
            f"{common.GRADE_MEANING[grade]} Between customers otherwise alike the figure is "
            f"{value}; it holds what customers are as well, and is the headline that KPI points, "
            "groups and programmes are counted with."
        )
    return f"The same customers, compared with themselves at other ratings, show {value}."


def _read_before(results: Results, outcome: str) -> str:
    """Name the lift within customers where Mundlak's test puts it first without a grade."""
    found = estimate(results, f"lift.{outcome}.within_customer_per_rating_point")
    if found is None or common.stands_first(results, outcome) == "adjusted":
        return ""
    return (
        " The same customers, compared with themselves at other ratings, show "
        f"{words.with_interval(found)}. Customers who usually rate higher differ in what the "
        "controls do not hold, so that figure is nearer to what a change goes with; it has no "
        "grade of its own, so KPI points, groups and programmes are counted with the first."
    )


def _subject(grade: str, point: str) -> str:
    if grade == "experiment":
        return f"One {point} more brings"
    if grade == "within_customer":
        return f"Customers who rate one {point} higher than they did themselves"
    if grade == "adjusted":
        return f"Of customers otherwise alike, those who rate one {point} higher"
    return f"Customers who rate one {point} higher"


def _predicate(outcome: str, lift: Estimate, grade: str) -> str:
    window = words.window_of(lift.unit)
    size = common.size(lift)
    more = "more" if lift.estimate >= 0 else "less"
    if grade == "experiment":
        what = "revenue per customer" if outcome == "revenue" else "retention"
        return f"{size} {more} {what} {window}"
    if outcome == "revenue":
        return f"spend {size} {more} {window}"
    return f"are {size} {more} likely to stay {window}"


def _answer_without_lift(results: Results) -> Words:
    """Answer with the KPI where no lift could be computed, and say why there is none."""
    key = part(results, "study.rating")
    row = common.kpi_overall(results, str(key)) if key else None
    if row is not None and as_estimate(row) is not None:
        return [
            strong(f"{common.kpi_sentence(row)}."),
            " What a rating point is worth could not be computed.",
        ]
    return [strong("What a rating point is worth could not be computed.")]


def _why_no_lift(results: Results) -> list[Block]:
    """Give the reason of each outcome, or the one reason of both, where there is no lift at all."""
    if common.headline_outcome(results):
        return []
    whys = {
        outcome: reason(results, f"lift.{outcome}.per_rating_point") for outcome in common.OUTCOMES
    }
    known = {outcome: why for outcome, why in whys.items() if why}
    if len(set(known.values())) == 1:
        lines = reason_lines(next(iter(known.values())))
        return [Text(words=lines[0])] if len(lines) == 1 else [Bullets(items=lines)]
    lines = [words.sentence(f"{outcome}: {ended(why)}") for outcome, why in known.items()]
    return [Bullets(items=lines)] if lines else []


def trust(results: Results) -> list[Words]:
    """Say how far to trust the answer: the grade, the checks by verdict, and what is missing."""
    items: list[Words] = []
    outcome = common.headline_outcome(results)
    if outcome:
        grade = common.GRADE_NAMES[common.grade(results, outcome)]
        text = part(results, f"evidence.by_outcome.{outcome}.text") or part(
            results, "evidence.text"
        )
        items.append(
            [strong(f"Evidence grade: {grade}. "), words.sentence(readable(str(text or "")))]
        )
        items.extend(_other_evidence(results, outcome, str(text or "")))
    items.extend(_unexpected(results))
    items.extend(_check_items(results))
    audit = part(results, "audit") or {}
    n, used = audit.get("n_responses"), audit.get("n_observations")
    if n and used is not None:
        rest = "." if n == used else "; the data section counts every other one by its reason."
        items.append(
            [strong(f"{words.count(used)} of {words.count(n)} responses "), f"are used{rest}"]
        )
    return items or ["Nothing could be checked: no lift was computed."]


def _other_evidence(results: Results, headline: str, text: str) -> list[Words]:
    """Say what the evidence of the other outcome rests on, where it is not the same."""
    found: list[Words] = []
    for outcome in common.OUTCOMES:
        said = part(results, f"evidence.by_outcome.{outcome}.text")
        if outcome == headline or not said or said == text or not common.lift_of(results, outcome):
            continue
        grade = common.GRADE_NAMES[common.grade(results, outcome)]
        first = ended(readable(str(said)).split(". ")[0])
        found.append([strong(f"For {outcome}: {lower_first(grade)}. "), words.sentence(first)])
    return found


def _unexpected(results: Results) -> list[Words]:
    """Point out a lift that runs against what one expects."""
    lower = [
        outcome
        for outcome in common.OUTCOMES
        if (lift := common.lift_of(results, outcome)) and words.shown(lift) == "lower"
    ]
    if not lower:
        return []
    what = words.listing(lower)
    return [
        [
            strong(f"Higher ratings go with less {what}. "),
            "Few would expect that; the section on the lift says what may explain it.",
        ]
    ]


def _check_items(results: Results) -> list[Words]:
    found = rows(results, "checks")
    if not found:
        why = reason(results, "checks")
        return [[strong("No check was run. "), words.sentence(ended(why))]] if why else []
    counts = check_counts(found)
    items: list[Words] = [[strong(f"{_counted(counts)}.")]]
    for verdict, verb in (("fail", "Failed"), ("warn", "Warned")):
        by_name: dict[str, list[dict[str, Any]]] = {}
        for row in found:
            if row.get("verdict") == verdict:
                by_name.setdefault(str(row.get("name")), []).append(row)
        items.extend(_check_item(verb, same) for same in by_name.values())
    return items[:MOST_TRUST_ITEMS]


def _check_item(verb: str, same: list[dict[str, Any]]) -> Words:
    """Give what a check found for the first outcome; for the others, that it said so too."""
    first, *others = same
    also = words.listing([str(row.get("outcome")) for row in others if row.get("outcome")])
    tail = f" {verb} for {also} too." if also else ""
    return [
        strong(f"{verb}: {lower_first(check_name(first))}. "),
        f"{ended(readable(str(first.get('text') or '')))}{tail}",
    ]


def _counted(counts: dict[str, int]) -> str:
    """Write how many checks passed, warned, failed and were not run."""
    done = sum(counts[verdict] for verdict in ("pass", "warn", "fail"))
    parts = [
        f"{words.count(counts['fail'])} failed" if counts["fail"] else "none failed",
        f"{words.count(counts['warn'])} warned" if counts["warn"] else "",
        f"{words.count(counts['pass'])} passed" if counts["pass"] else "",
    ]
    rest = f"; {words.count(counts['not_run'])} could not be run" if counts["not_run"] else ""
    return f"Of {words.plural(done, 'check')} {words.listing([p for p in parts if p])}{rest}"

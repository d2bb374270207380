"""The evidence grade: how far a lift may be believed, from the checks alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cxmodel.models.checks.base import Check
from cxmodel.models.say import listed

if TYPE_CHECKING:
    from cxmodel.models.estimates.within_summary import WithinSummary

Grade = Literal["experiment", "within_customer", "adjusted", "association"]
# Best first.
GRADES: tuple[Grade, ...] = ("experiment", "within_customer", "adjusted", "association")
# None of these may have failed, or not have been run, for the grade "adjusted" (methods 5).
NEEDED = ("placebo_before", "timing", "overlap", "leakage", "join", "unobserved_confounding")
# A lift within customers holds lasting differences equal by itself; these it leans on as well.
NEEDED_WITHIN = ("timing", "leakage", "join")
MIN_WAVES, MIN_CHANGED_PER_PARAMETER = 3, 30
ADJUSTED_TEXT = "The checks that could be run found nothing; they cannot see everything."


@dataclass(frozen=True)
class Evidence:
    """A grade and the reason for it.

    Parameters
    ----------
    grade : {"experiment", "within_customer", "adjusted", "association"}
        Best first.
    text : str
        Why, in words.
    """

    grade: Grade
    text: str

    def to_dict(self) -> dict[str, str]:
        """Give the form of ``evidence.by_outcome``."""
        return {"grade": self.grade, "text": self.text}


def grade(checks: Iterable[Check], *, within: WithinSummary | None = None) -> Evidence:
    """Grade one outcome from its checks (methods 5).

    ``within_customer`` needs waves of the same customers (see `is_within_customer`). ``adjusted``
    needs every check of `NEEDED` to have run and none to have failed; a warning does not lower.
    Anything else is ``association``, and the text says which check stood in the way. A check that
    failed and does not grade is named all the same, so that no text says that nothing was found.

    Parameters
    ----------
    checks : iterable of Check
        Of one outcome.
    within : WithinSummary, optional
        What the estimate within customers rests on, where it was run.

    Examples
    --------
    >>> fine = [Check(name=name, outcome="revenue", verdict="pass", text="") for name in NEEDED]
    >>> grade(fine).grade
    'adjusted'
    >>> grade(fine[1:]).grade
    'association'
    """
    checks = tuple(checks)
    by_name = {check.name: check for check in checks}
    beside = [c for c in checks if c.verdict == "fail" and c.name not in NEEDED]
    if within is not None and is_within_customer(by_name, within):
        failed_too = [check for check in checks if check.verdict == "fail"]
        return Evidence("within_customer", _within_text(within) + _failed_words(failed_too))
    failed = [
        by_name[name] for name in NEEDED if name in by_name and by_name[name].verdict == "fail"
    ]
    absent = [name for name in NEEDED if name not in by_name or by_name[name].verdict == "not_run"]
    if not failed and not absent:
        return Evidence("adjusted", adjusted_text(beside) + _whose_grade(within))
    sentences = ["Association only: this is how customers differ, not yet what a change would do."]
    sentences += [
        f"The check {check.name} failed: {first_sentence(check.text)}" for check in failed
    ]
    sentences += _not_run_sentences(absent, by_name)
    sentences += [_failed_words(beside).strip()] if beside else []
    return Evidence("association", " ".join(sentences))


def adjusted_text(failed: Sequence[Check]) -> str:
    """Say what the grade "adjusted" means, naming checks that failed and do not grade.

    Examples
    --------
    >>> adjusted_text([])
    'The checks that could be run found nothing; they cannot see everything.'
    >>> bent = Check(name="linearity", outcome="revenue", verdict="fail", text="It bends. Look.")
    >>> adjusted_text([bent]).partition(". ")[0]
    'The checks that this grade rests on found nothing, but linearity failed; they cannot see all'
    """
    if not failed:
        return ADJUSTED_TEXT
    names = listed([check.name for check in failed])
    return (
        f"The checks that this grade rests on found nothing, but {names} failed; they cannot see "
        f"all.{_failed_words(failed)}"
    )


def _whose_grade(within: WithinSummary | None) -> str:
    """Say that the grade is the headline's where another estimate stands first without a grade."""
    if within is None or within.stands_first != "within_customer":
        return ""
    return (
        " This is the grade of the adjusted lift, the headline: customers compared with themselves "
        "show another, which stands first among the estimates and has no grade of its own."
    )


def _failed_words(failed: Sequence[Check]) -> str:
    """Say what failed without lowering the grade, each with its first sentence."""
    return "".join(
        f" The check {check.name} failed, which does not lower the grade: "
        f"{first_sentence(check.text)}"
        for check in failed
    )


def is_within_customer(by_name: Mapping[str, Check], within: WithinSummary) -> bool:
    """Say whether a lift within customers carries the grade of that name.

    At least three waves, windows that do not overlap (waves are chosen so), ``feedback`` passed and
    at least 30 customers per parameter whose rating changed. Mundlak's test does not grade. A check
    of `NEEDED_WITHIN` that failed stands in the way too: decisions taken before the answer, a
    control that knows the outcome, or money that was not joined mislead within customers as well.

    Parameters
    ----------
    by_name : mapping of str to Check
        The checks of the outcome.
    within : WithinSummary
        What the estimate within customers rests on.
    """
    feedback = by_name.get("feedback")
    return (
        within.n_waves >= MIN_WAVES
        and within.n_changed >= MIN_CHANGED_PER_PARAMETER * within.n_params
        and feedback is not None
        and feedback.verdict == "pass"
        and not any(name in by_name and by_name[name].verdict == "fail" for name in NEEDED_WITHIN)
    )


def _within_text(within: WithinSummary) -> str:
    """Say what the grade rests on, and of which number it is where the two differ."""
    text = (
        "The same customers are compared with themselves at other ratings: "
        f"{within.n_changed:,} changed theirs, in up to {within.n_waves} waves whose windows do "
        "not overlap, and ratings do not follow the outcome. What changed for a customer together "
        "with the rating cannot be seen."
    )
    if within.stands_first == "within_customer":
        text += (
            " This is the grade of the lift within customers: the adjusted lift differs from it by "
            "what customers are, so read the one within customers first."
        )
    return text


def overall_evidence(by_outcome: Mapping[str, Evidence]) -> Evidence:
    """Give the lower of several grades: that of a sentence which uses them all.

    Parameters
    ----------
    by_outcome : mapping of outcome to Evidence
        The outcomes that the sentence speaks of.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> good, bad = Evidence("adjusted", "a"), Evidence("association", "b")
    >>> overall_evidence({"revenue": good, "retention": bad}).text
    'b'
    """
    if not by_outcome:
        raise ValueError("There is no evidence to combine.")
    return max(by_outcome.values(), key=lambda evidence: GRADES.index(evidence.grade))


def _not_run_sentences(absent: Sequence[str], by_name: dict[str, Check]) -> list[str]:
    """Say which checks were not run and why, once for each reason."""
    reasons: dict[str, list[str]] = {}
    for name in absent:
        reason = by_name[name].text if name in by_name else "It is not part of these checks."
        reasons.setdefault(reason, []).append(name)
    return [
        f"{'Checks' if len(names) > 1 else 'The check'} {' and '.join(names)} "
        f"{'were' if len(names) > 1 else 'was'} not run: {reason[:1].lower()}{reason[1:]}"
        for reason, names in reasons.items()
    ]


def first_sentence(text: str) -> str:
    """Give the first sentence of a text.

    Examples
    --------
    >>> first_sentence("It is 5.2 apart. It cannot see more.")
    'It is 5.2 apart.'
    """
    head, stop, _ = text.partition(". ")
    return head + "." if stop else head

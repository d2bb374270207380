"""What a check says: a verdict, a number, and a sentence a manager can read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from cxmodel.results import finite_or_none

Verdict = Literal["pass", "warn", "fail", "not_run"]
CHECK_NAMES = (
    "placebo_before",
    "timing",
    "unobserved_confounding",
    "linearity",
    "overlap",
    "weighting",
    "non_response",
    "feedback",
    "shuffled_rating",
    "leakage",
    "separation",
    "leave_one_group_out",
    "repeat_customers",
    "join",
    "sample_size",
)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One reason to doubt a lift, tried.

    Parameters
    ----------
    name : str
        One of `CHECK_NAMES`.
    outcome : {"revenue", "retention"}
        The lift that was checked.
    verdict : {"pass", "warn", "fail", "not_run"}
        What came out.
    text : str
        A sentence with the numbers; for ``not_run`` the reason, and what would make it run.
    statistic, p_value : float, optional
        As methods 5 defines them.

    Examples
    --------
    >>> Check(name="join", outcome="revenue", verdict="pass", text="All found.").verdict
    'pass'
    """

    name: str
    outcome: str
    verdict: Verdict
    text: str
    statistic: float | None = None
    p_value: float | None = None

    @classmethod
    def not_run(cls, name: str, outcome: str, text: str) -> Check:
        """Name a check that was not run, with the reason and what would make it run."""
        return cls(name=name, outcome=outcome, verdict="not_run", text=text)

    def to_dict(self) -> dict[str, Any]:
        """Give a row of ``checks.rows``."""
        return {
            "name": self.name,
            "outcome": self.outcome,
            "verdict": self.verdict,
            "statistic": finite_or_none(self.statistic),
            "p_value": finite_or_none(self.p_value),
            "text": self.text,
        }


def normal_p(z: float) -> float:
    """Give the two-sided p-value of a z statistic.

    Examples
    --------
    >>> round(normal_p(1.96), 3)
    0.05
    """
    return math.erfc(abs(z) / math.sqrt(2))


def p_words(p_value: float) -> str:
    """Write a p-value as a reader takes it in.

    Examples
    --------
    >>> p_words(0.0312), p_words(1e-9)
    ('p = 0.031', 'p < 0.001')
    """
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"

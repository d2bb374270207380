"""Whether the answers may stand for those who did not answer."""

from __future__ import annotations

from cxmodel.models.checks.base import Check, Verdict, p_words
from cxmodel.models.lift_fit import LiftFit
from cxmodel.models.say import amount
from cxmodel.results import NotRun
from cxmodel.tables.response_weights import OutcomeTest, ResponseWeights

WARN_UNDER, FAIL_UNDER, REJECT_UNDER = 0.5, 0.25, 0.01


def check_non_response(fit: LiftFit) -> Check:
    """Give the effective share of the sample; test outcomes of those who did not answer.

    Warn under .5; fail under .25, or when the outcome test rejects at .01 (methods 5).
    """
    response = fit.weights.response
    if fit.weights.weight is None:
        return Check.not_run("non_response", fit.outcome, _why_not(fit))
    n_effective, share = fit.weights.effective(fit.rows)
    test = None if response is None else response.tests.get(fit.outcome)
    rejects = isinstance(test, OutcomeTest) and test.p_value < REJECT_UNDER
    verdict: Verdict = "pass"
    if share < FAIL_UNDER or rejects:
        verdict = "fail"
    elif share < WARN_UNDER:
        verdict = "warn"
    return Check(
        name="non_response",
        outcome=fit.outcome,
        verdict=verdict,
        statistic=share,
        p_value=test.p_value if isinstance(test, OutcomeTest) else None,
        text=f"{_of_weights(fit, response, n_effective, share)} {_of_test(fit, test)}",
    )


def _of_weights(
    fit: LiftFit, response: ResponseWeights | None, n_effective: float, share: float
) -> str:
    whom = "others" if response is None else response.population
    strain = "" if share >= WARN_UNDER else ": a few answers stand for very many who did not"
    return (
        f"Weighted to stand for {whom}, {len(fit.rows):,} responses are worth {n_effective:,.0f} "
        f"({share:.0%}){strain}."
    )


def _of_test(fit: LiftFit, test: OutcomeTest | NotRun | None) -> str:
    if test is None:
        return "The weights came with the table, so outcomes of the silent cannot be compared."
    if isinstance(test, NotRun):
        return f"Outcomes of those who did not answer could not be compared: {test.reason}."
    gap = amount(abs(test.gap), fit.outcome, fit.obs.currency)
    more = "more" if test.gap > 0 else "less"
    what = "spent" if fit.outcome == "revenue" else "stayed"
    compared = f"{gap} {more} than customers like them who did not ({p_words(test.p_value)})"
    if test.p_value < REJECT_UNDER:
        return (
            f"Those who answered {what} {compared}: answering depends on more than was known, and "
            "the weights do not mend that. See the tilts for how far it could move the lift."
        )
    return (
        f"Those who answered {what} {compared}, which may be chance: nothing shows that answering "
        "depends on more than was known."
    )


def _why_not(fit: LiftFit) -> str:
    if fit.obs.is_joined:
        return (
            "The table came already joined and holds only those who answered. Surveys, customers "
            "and bookings as separate sources would make it run."
        )
    reason = fit.weights.reason
    if isinstance(fit.obs.response, NotRun):
        return f"{reason[0].upper()}{reason[1:]}."
    return (
        "The responses have no weights for those who did not answer. A study makes them where it "
        "has customers or invitations; in Python, weigh the observations with cx.ResponseModel "
        "first."
    )

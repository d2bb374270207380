"""Tables of what was moved by lot, or as if: arms, instruments and roll-outs, for CSV files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cxmodel.report.reading import Results, as_estimate, part, rows

_SIDES = ("outcome", "rating")


def experiment_tables(results: Results, outcome: str) -> dict[str, list[dict[str, Any]]]:
    """Give the tables of arms, instruments and roll-outs of one outcome, by name.

    Parameters
    ----------
    results : Results
        The sections of ``results.json``.
    outcome : str
        ``"revenue"`` or ``"retention"``.

    Returns
    -------
    dict of str to list of dict
        ``lift_<outcome>_arms``: a row an arm, with its effect on outcome and rating; those too
        small are named and empty. ``lift_<outcome>_instruments``: the lift from the arm and from
        the instrument, with their strength, grade and what must be believed.
        ``lift_<outcome>_rollout``: the effect on outcome and rating, whole and by periods since the
        start. Without rows where not declared.
    """
    return {
        f"lift_{outcome}_arms": _arms(results, outcome),
        f"lift_{outcome}_instruments": _instruments(results, outcome),
        f"lift_{outcome}_rollout": _rollout(results, outcome),
    }


def _arms(results: Results, outcome: str) -> list[dict[str, Any]]:
    experiment = part(results, f"lift.{outcome}.experiment")
    if not isinstance(experiment, Mapping):
        return []
    grade = part(results, f"lift.{outcome}.experiment.evidence.grade")
    return [
        {
            "column": experiment.get("arm"),
            "control": experiment.get("control"),
            **row,
            **_largest(row),
            "grade": None if row.get("suppressed") else grade,
        }
        for row in rows(results, f"lift.{outcome}.experiment.arms")
    ]


def _largest(row: Mapping[str, Any]) -> dict[str, Any]:
    """Write the control that differs most between the arms in two columns."""
    found = row.get("largest_difference")
    found = found if isinstance(found, Mapping) else {}
    return {
        "largest_difference_control": found.get("control"),
        "largest_difference_standard_deviations": found.get("standard_deviations"),
    }


def _instruments(results: Results, outcome: str) -> list[dict[str, Any]]:
    lift = f"lift.{outcome}"
    found = []
    for term, section, name, graded in (
        ("experiment.complier_per_rating_point", "experiment", "arm", "complier_evidence"),
        ("instrumented_per_rating_point", "instrument", "instrument", "evidence"),
    ):
        estimate = part(results, f"{lift}.{term}")
        if as_estimate(estimate) is None:
            continue
        diagnostics = part(results, f"{lift}.{section}.diagnostics") or {}
        kept = diagnostics.get("anderson_rubin") or {}
        found.append(
            {
                "term": term,
                "instrument": part(results, f"{lift}.{section}.{name}"),
                **estimate,
                **diagnostics,
                **{f"anderson_rubin_{key}": value for key, value in kept.items()},
                "grade": part(results, f"{lift}.{section}.{graded}.grade"),
                "evidence": part(results, f"{lift}.{section}.{graded}.text"),
            }
        )
    return found


def _rollout(results: Results, outcome: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for side in _SIDES:
        path = f"lift.{outcome}.rollout.{side}"
        effect = part(results, f"{path}.effect")
        if as_estimate(effect) is None:
            continue
        about = {
            "on": outcome if side == "outcome" else "rating",
            "clustered_by": part(results, f"{path}.clustered_by"),
        }
        trend = part(results, f"{path}.pre_trend") or {}
        found.append(
            {**about, "term": "effect", **effect, "pre_trend_p_value": trend.get("p_value")}
        )
        found += [
            {**about, "term": "by_periods_since_start", **row}
            for row in rows(results, f"{path}.event_study")
        ]
    return found

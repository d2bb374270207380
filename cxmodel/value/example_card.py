"""A small lift card for the examples in docstrings."""

from __future__ import annotations

from typing import Any

from cxmodel.value.card_format import CARD_VERSION
from cxmodel.value.lift_card import LiftCard

MONEY = "USD per rating point per customer per 180 days"
NORMAL = 1.959963984540054


def small_content(**changes: Any) -> dict[str, Any]:
    """Give the content of a card in which a rating point is worth 4 USD, give or take 1."""
    level = {"std_error": 2.0, "conf_level": 0.95, "unit": "USD per customer per 180 days"}
    curve = [
        {"rating": r, "estimate": 80.0 + 4 * r, **level, "conf_low": 76.0 + 4 * r,
         "conf_high": 84.0 + 4 * r, "n_obs": 100, "suppressed": False}
        for r in range(11)
    ]  # fmt: skip
    content: dict[str, Any] = {
        "schema_version": CARD_VERSION,
        "study": {"title": "Acme", "currency": "USD", "rating": "nps"},
        "outcome_days": 180,
        "rating": {"name": "nps", "scale": "nps", "low": 0, "high": 10},
        "observed_range": [0, 10],
        "terms": ["revenue.per_rating_point", "retention.per_rating_point"],
        "coefficients": [4.0, 0.02],
        "covariance": [[1.0, 0.002], [0.002, 0.0001]],
        "units": [MONEY, "probability of staying per rating point per 180 days"],
        "critical_values": [NORMAL, NORMAL],
        "n_obs_of_terms": [1_100, 1_100],
        "conf_level": 0.95,
        "n_obs": 1_100,
        "curve": curve,
        "curve_covariance": [[4.0 * (i == j) for j in range(11)] for i in range(11)],
        "kpi_paths": {
            "uniform_shift": {
                "estimate": 0.2, "std_error": 0.05, "conf_low": 0.1, "conf_high": 0.3,
                "conf_level": 0.95, "n_obs": 1_100,
                "unit": "USD per KPI point (uniform_shift) per customer per 180 days",
            },
            "detractor_to_passive": {"status": "not_run", "reason": "the band passive is empty"},
        },
        "rating_counts": [{"ratings": [r], "n": 100} for r in range(11)],
        "population": "customers",
        "n_customers": 1_100,
        "evidence": {"grade": "association", "text": "Association only. More to it."},
        "checks": [],
        "created_at": "2026-06-30",
        "expires_at": "2027-06-30",
        "caveats": ["Attributes are as of the extract."],
    }  # fmt: skip
    return {**content, **changes}


def small_card(**changes: Any) -> LiftCard:
    """Make that card.

    Examples
    --------
    >>> small_card().observed_range
    (0.0, 10.0)
    """
    return LiftCard(content=small_content(**changes))

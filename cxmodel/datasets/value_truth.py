"""What a rating point truly adds to lifetime value in a simulated company.

As in ``truth.py`` the laws that made the data are asked what other ratings would have brought. Of
``cltv.change_per_rating_point`` in ``results.json``:

``total``, ``total_window_only``
    Mean change of revenue in the 180 days after, times the margin, spread evenly over the window
    and discounted from the end of each month: the gain is taken to last the window.
``staying``, ``spending``
    Its split (methods, section 1), with the mean share of the window that customers are there.
``total_no_fade``
    The same change in every month up to the horizon, among those expected to be there without it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from cxmodel.datasets.behaviour import time_alive
from cxmodel.datasets.calendar import END, WINDOW, WINDOW_DAYS
from cxmodel.datasets.company import Company
from cxmodel.datasets.truth import DAYS_PER_MONTH, choose, expected_retention, share_of_customer

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
GROSS_MARGIN, ANNUAL_DISCOUNT_RATE, HORIZON_MONTHS = 0.6, 0.10, 36
PATH = "cltv.change_per_rating_point"


def true_value_change(company: Company, is_rated: Bools) -> dict[str, float]:
    """Compute the true change in lifetime value per rating point, by its path in the results.

    Parameters
    ----------
    company : Company
        What happened, with the laws behind it.
    is_rated : array of bool
        For each answer, whether its rating got into the tables.
    """
    answers = company.answers
    is_base = is_rated & (answers.at + WINDOW < END)
    if not is_base.any():
        return {}
    law, weight = choose(answers.law, is_base), share_of_customer(answers, is_base)
    rating = answers.rating[is_base].astype(np.float64)
    money = _mean_and_change(law.revenue, rating, weight)
    there = _mean_and_change(lambda given: time_alive(law.stay(given)), rating, weight)
    held = [expected_retention(company, is_rated, month) for month in range(1, HORIZON_MONTHS + 1)]
    return change_of_value(money, there, np.array(held))


def _mean_and_change(
    outcome: Callable[[Floats], Floats], rating: Floats, weight: Floats
) -> tuple[float, float]:
    """Give the mean outcome, and its mean change from half a point below to half a point above."""
    change = outcome(rating + 0.5) - outcome(rating - 0.5)
    return (
        float(np.average(outcome(rating), weights=weight)),
        float(np.average(change, weights=weight)),
    )


def change_of_value(
    money: tuple[float, float], there: tuple[float, float], held: Floats
) -> dict[str, float]:
    """Split the change of money in the window into staying and spending, and carry it on.

    Parameters
    ----------
    money : (float, float)
        Mean revenue in the window per starting customer, and its change per rating point.
    there : (float, float)
        Mean share of the window that a customer is there, and its change per rating point.
    held : array (36,)
        Share of customers there at the end of months 1, 2, ..., as things are.

    Examples
    --------
    Nobody leaves, so all of it is spending:

    >>> found = change_of_value((100.0, 10.0), (1.0, 0.0), np.ones(36))
    >>> round(found[PATH + ".spending"], 4) == round(found[PATH + ".total"], 4)
    True
    """
    window = WINDOW_DAYS / DAYS_PER_MONTH
    months = np.arange(1, HORIZON_MONTHS + 1)
    discounts = (1 + ANNUAL_DISCOUNT_RATE) ** (-months / 12)
    within: Floats = np.diff(np.clip(np.arange(HORIZON_MONTHS + 1, dtype=float), 0.0, window))
    per_month = GROSS_MARGIN * money[1] / window
    before, after = (GROSS_MARGIN * sums / window for sums in (money[0], money[0] + money[1]))
    share, moved = there[0], there[0] + there[1]
    inside = float(within @ discounts)
    staying = inside * (moved - share) * (before / share + after / moved) / 2
    total = inside * per_month
    return {
        f"{PATH}.total": total,
        f"{PATH}.staying": staying,
        f"{PATH}.spending": total - staying,
        f"{PATH}.total_window_only": total,
        f"{PATH}.total_no_fade": total + per_month * float(((1 - within) * held) @ discounts),
    }

"""Whether ratings agree with each other: a scale that is read the wrong way round shows here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cxmodel.scales import Scale
from cxmodel.tables.engines.engine import rows_of

if TYPE_CHECKING:
    from cxmodel.tables.sources import Source

MIN_PAIRS = 30
CLEARLY = 1.96


def direction_notes(surveys: Source) -> list[str]:
    """Say which pairs of ratings run against each other once "better" is taken from their scales.

    An effort question coded low = easy but read as high = easy is the usual reason. Pairs of fewer
    than 30 answers, and correlations within two standard errors of zero, say nothing. Ratings of
    touchpoints are left out: one touchpoint may well be liked by those who dislike another.

    Parameters
    ----------
    surveys : Source
        Responses with two or more ratings.

    Returns
    -------
    list of str
        A sentence for each such pair.

    Examples
    --------
    >>> import pandas as pd
    >>> import cxmodel as cx
    >>> from cxmodel.tables.readers import read_surveys
    >>> frame = pd.DataFrame({"csat": [1, 2, 3, 4, 5] * 20, "ces": [7, 5, 4, 2, 1] * 20})
    >>> ratings = {"csat": ("csat", cx.CSAT5), "ces": ("ces", cx.CES7)}
    >>> direction_notes(read_surveys(frame, ratings=ratings))[0][:54]
    "Those who are better on 'csat' are worse on 'ces' (cor"
    """
    keys = [key for key in surveys.ratings if key not in surveys.touchpoints]
    notes = []
    for place, first in enumerate(keys):
        for second in keys[place + 1 :]:
            pairs = _pairs(surveys, first, second)
            scales = surveys.ratings[first], surveys.ratings[second]
            correlation = _correlation(pairs) * _sign(scales[0]) * _sign(scales[1])
            n = sum(count for _, _, count in pairs)
            if n >= MIN_PAIRS and correlation < -CLEARLY / math.sqrt(n):
                notes.append(
                    f"Those who are better on {first!r} are worse on {second!r} (correlation "
                    f"{correlation:.2f}, {n:,} answers). Check higher_is_better of both scales."
                )
    return notes


def _pairs(surveys: Source, first: str, second: str) -> list[tuple[float, float, int]]:
    """Count the answers by both ratings, on the engine."""
    table = surveys.table
    both = table.select(a=table[f"rating_{first}"], b=table[f"rating_{second}"])
    both = both.filter(both.a.notnull() & both.b.notnull())
    rows = rows_of(both.group_by(["a", "b"]).agg(n=both.count()))
    return sorted((row["a"], row["b"], row["n"]) for row in rows)


def _correlation(pairs: Sequence[tuple[float, float, int]]) -> float:
    """Pearson's correlation of pairs with counts; 0 where one of them does not vary."""
    n = sum(count for _, _, count in pairs)
    if not n:
        return 0.0
    mean_a = sum(a * count for a, _, count in pairs) / n
    mean_b = sum(b * count for _, b, count in pairs) / n
    covariance = sum((a - mean_a) * (b - mean_b) * count for a, b, count in pairs)
    spread_a = sum((a - mean_a) ** 2 * count for a, _, count in pairs)
    spread_b = sum((b - mean_b) ** 2 * count for _, b, count in pairs)
    return covariance / math.sqrt(spread_a * spread_b) if spread_a * spread_b > 0 else 0.0


def _sign(scale: Scale) -> int:
    return 1 if scale.higher_is_better else -1

"""Do bands stay equally long: log-rank, and restricted mean months, from the first answer on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cxmodel.errors import ConfigError, InsufficientDataError
from cxmodel.models.retention.durations import Durations, read_durations
from cxmodel.results import Estimate, Result
from cxmodel.stats.survival import kaplan_meier
from cxmodel.stats.survival_tests import LogRank, RestrictedMean, log_rank, restricted_mean
from cxmodel.tables.observation_table import Observations


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class GroupSurvival(Result):
    """How long the groups of a column stay.

    Parameters
    ----------
    by : str
        The column.
    log_rank : LogRank
        Of equal survival in all groups shown.
    means : dict of str to Estimate
        Months until leaving, counted up to the horizon.
    differences : dict of str to Estimate
        Each group's restricted mean less that of the first group.
    horizon_months : float
        The last month that every group shows.
    n_events : dict of str to int
        Who left.
    """

    by: str
    log_rank: LogRank
    means: dict[str, Estimate]
    differences: dict[str, Estimate]
    horizon_months: float
    n_events: dict[str, int]
    caveats: tuple[str, ...] = ()

    title = "How long groups stay"

    def __repr__(self) -> str:
        return (
            f"GroupSurvival({len(self.means)} of {self.by}; log-rank chi-squared "
            f"{self.log_rank.statistic:.2f}, p {self.log_rank.p_value:.3g})"
        )

    def to_frame(self) -> pd.DataFrame:
        """Give one row a group: its restricted mean, and events seen and expected."""
        return pd.DataFrame(self._rows())

    def _rows(self) -> list[dict[str, Any]]:
        rows = []
        for place, (name, mean) in enumerate(self.means.items()):
            off = self.differences.get(name)
            rows.append(
                {
                    "group": name,
                    **mean.to_dict(),
                    "n_events": self.n_events[name],
                    "n_expected": float(self.log_rank.expected[place]),
                    "difference": None if off is None else off.estimate,
                    "difference_low": None if off is None else off.conf_low,
                    "difference_high": None if off is None else off.conf_high,
                    "difference_p_value": None if off is None else off.p_value,
                }
            )
        return rows

    def to_section(self) -> dict[str, Any]:
        """Give ``retention.by_band`` of ``results.json``."""
        key = "band" if self.by == "band" else "group"
        rows = [
            {key: row["group"] if key == "band" else {self.by: row["group"]}, **row}
            for row in self._rows()
        ]
        for row in rows:
            if key == "band":
                row.pop("group")
        return {
            "status": "ok",
            "reason": None,
            "by": self.by,
            "log_rank": {
                "statistic": self.log_rank.statistic,
                "deg_freedom": self.log_rank.deg_freedom,
                "p_value": self.log_rank.p_value,
            },
            "horizon_months": self.horizon_months,
            "rows": rows,
            "caveats": list(self.caveats),
        }


_TEST_UNWEIGHTED = (
    "Mean months are weighted for those who did not answer; the log-rank test counts every "
    "customer once."
)


def compare_groups(
    obs: Observations, by: str = "band", *, horizon_months: float | None = None
) -> GroupSurvival:
    """Compare how long the groups of a column stay: log-rank test and restricted mean months.

    Every customer counts once, from the first answer at which the customer was at risk, in the
    group of that answer. Mean months are weighted for those who did not answer, where weights
    exist; the log-rank test, which has no weights of customers, is not, and the caveats say so.

    Parameters
    ----------
    obs : Observations
        With durations and who left.
    by : str
        A column of the observations.
    horizon_months : float, optional
        Up to which time is counted; default: the last month that every group shows.

    Returns
    -------
    GroupSurvival

    Raises
    ------
    ConfigError
        If there is no such column.
    InsufficientDataError
        If fewer than two groups are large enough, or under 10 customers left.
    ValueError
        If the horizon is longer than the shortest curve.
    """
    Observations.check(obs)
    if not obs.has(by):
        raise ConfigError(f"The observations have no column {by!r} to compare.")
    every = read_durations(obs, stage="retention")
    values = obs.frame[by].astype("string")[every.chosen]
    shown = _shown(values, obs)
    if len(shown) < 2:
        raise InsufficientDataError(
            f"Fewer than two groups of {by} have {obs.min_group_size} customers at risk, so none "
            "can be compared."
        )
    keep = values.isin(shown).to_numpy(dtype=bool)
    rows, group = every.only(keep), values[keep].to_numpy(dtype=object)
    n_events = int(rows.events.sum())
    if n_events < 10:
        raise InsufficientDataError(f"{n_events} customers left; at least 10 are needed.")
    parts = {name: rows.only(group == name) for name in shown}
    places = np.array([shown.index(str(name)) for name in group])
    test = log_rank(rows.months, rows.events, places, entries=rows.entry_months)
    horizon = _horizon(parts) if horizon_months is None else float(horizon_months)
    found = {name: restricted_mean(_curve(part), horizon) for name, part in parts.items()}
    said = f"months of the first {horizon:g}"
    return GroupSurvival(
        by=by,
        log_rank=test,
        means={
            name: _estimate(mean.estimate, mean.std_error, said, len(parts[name].months), obs)
            for name, mean in found.items()
        },
        differences=_differences(found, shown[0], said, parts, obs),
        horizon_months=horizon,
        n_events={name: int(part.events.sum()) for name, part in parts.items()},
        caveats=(*rows.caveats, *((_TEST_UNWEIGHTED,) if np.ptp(rows.weights) > 0 else ())),
    )


def _shown(values: pd.Series, obs: Observations) -> list[str]:
    """Name the groups that are large enough, bands from the lowest."""
    sizes = values.value_counts()
    large = {str(name) for name in sizes.index[sizes >= obs.min_group_size]}
    order = list(obs.scale.bands) if values.name == "band" and obs.scale else sorted(large)
    return [name for name in order if name in large]


def _curve(rows: Durations) -> Any:
    return kaplan_meier(rows.months, rows.events, weights=rows.weights, entries=rows.entry_months)


def _horizon(parts: dict[str, Durations]) -> float:
    """Give the last whole month that every group shows to at least ten."""
    last = min(part.last_observed_month(min_at_risk=10) for part in parts.values())
    if last < 1:
        raise InsufficientDataError("No group shows ten customers for a whole month.")
    return float(last)


def _differences(
    found: dict[str, RestrictedMean],
    first: str,
    said: str,
    parts: dict[str, Durations],
    obs: Observations,
) -> dict[str, Estimate]:
    rest: dict[str, Estimate] = {}
    for name, mean in found.items():
        if name != first:
            estimate, error, _ = mean.minus(found[first])
            n = len(parts[name].months) + len(parts[first].months)
            rest[name] = _estimate(estimate, error, f"{said}, more than {first}", n, obs)
    return rest


def _estimate(value: float, error: float, unit: str, n: int, obs: Observations) -> Estimate:
    return Estimate.from_std_error(value, error, unit=unit, n_obs=n, conf_level=obs.conf_level)


__all__: Sequence[str] = ("GroupSurvival", "compare_groups")

"""Difference-in-differences where groups begin at different times: group-time effects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

from cxmodel.errors import InsufficientDataError
from cxmodel.stats.sandwich import cluster_sums

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Comparison = Literal["not_yet", "never"]
NEVER = np.inf


@dataclass(frozen=True)
class GroupTimeEffect:
    """The effect on one cohort at one time.

    Parameters
    ----------
    cohort : int
        Number of the cohort: the groups that began in the same period.
    period, base : int
        When it is looked at, and the period before the start that it is compared with.
    others : tuple of int
        Cohorts that stand for what would have happened.
    estimate : float
        Change of the cohort since the base less that of the others.
    weight : float
        Weight of the cohort's rows in the period.
    """

    cohort: int
    period: int
    base: int
    others: tuple[int, ...]
    estimate: float
    weight: float


@dataclass(frozen=True)
class CombinedEffect:
    """A weighted mean of group-time effects, with its error.

    Parameters
    ----------
    estimate, std_error : float
        In the unit of the outcome.
    deg_freedom : float
        Of Student's t, after Welch and Satterthwaite.
    """

    estimate: float
    std_error: float
    deg_freedom: float


@dataclass(frozen=True, eq=False)
class RolloutData:
    """Rows of a programme that groups began at different times.

    Parameters
    ----------
    outcome, weights : array (n,)
        What is explained; positive weights.
    period : array of int (n,)
        ``0 .. n_periods - 1``.
    cohort : array of int (n,)
        Of each row, a position in `starts`.
    starts : array (c,)
        Period in which each cohort began; infinite for those that never did.
    clusters : array of int (n,)
        What errors are clustered by, ``0 .. n_clusters - 1``, within cohorts.
    """

    outcome: Floats
    weights: Floats
    period: Ints
    cohort: Ints
    starts: Floats
    clusters: Ints

    @property
    def n_periods(self) -> int:
        """Periods."""
        return int(self.period.max()) + 1

    @property
    def n_clusters(self) -> int:
        """Clusters."""
        return int(self.clusters.max()) + 1

    @cached_property
    def cells(self) -> tuple[Floats, Floats]:
        """Weight and weighted outcome of each cohort and period, (c, T) each."""
        shape = (len(self.starts), self.n_periods)
        at, size = self.cohort * self.n_periods + self.period, shape[0] * shape[1]
        columns = (self.weights, self.weights * self.outcome)
        weight, total = (
            np.asarray(np.bincount(at, column, minlength=size), dtype=float).reshape(shape)
            for column in columns
        )
        return weight, total

    @cached_property
    def rows_of_cell(self) -> Ints:
        """Number of rows in each cohort and period, (c, T)."""
        shape = (len(self.starts), self.n_periods)
        at = self.cohort * self.n_periods + self.period
        return np.bincount(at, minlength=shape[0] * shape[1]).reshape(shape)

    @cached_property
    def clusters_of_cohort(self) -> Ints:
        """Number of clusters in each cohort, (c,)."""
        pairs = np.unique(self.cohort * self.n_clusters + self.clusters) // self.n_clusters
        return np.bincount(pairs, minlength=len(self.starts))

    @cached_property
    def clusters_of_cell(self) -> Ints:
        """Number of clusters in each cohort and period, (c, T)."""
        cell = self.cohort * self.n_periods + self.period
        at = np.unique(cell * self.n_clusters + self.clusters) // self.n_clusters
        shape = (len(self.starts), self.n_periods)
        return np.bincount(at, minlength=shape[0] * shape[1]).reshape(shape)

    def mean(self, cohorts: Iterable[int], period: int) -> tuple[float, float]:
        """Give weight and mean of some cohorts in a period; the mean of nothing is NaN."""
        weight, total = self.cells
        members = list(cohorts)
        w = float(weight[members, period].sum())
        return w, float(total[members, period].sum()) / w if w > 0 else np.nan


@dataclass(frozen=True, eq=False)
class GroupTimeEffects:
    """Every effect that can be told, and what they add up to.

    Parameters
    ----------
    data : RolloutData
        The rows.
    effects : tuple of GroupTimeEffect
        By cohort and period, before the start and after it.
    """

    data: RolloutData
    effects: tuple[GroupTimeEffect, ...]

    @property
    def after(self) -> tuple[GroupTimeEffect, ...]:
        """Those from the start on."""
        return tuple(e for e in self.effects if e.period >= self.data.starts[e.cohort])

    @property
    def has_enough_clusters(self) -> bool:
        """Whether every mean that is compared is of two clusters or more."""
        return all(map(self._has_error, self.effects))

    def with_errors(self) -> GroupTimeEffects:
        """Keep the effects whose means are all of two clusters or more, so that they have errors.

        Raises
        ------
        InsufficientDataError
            If none from the start on is left.
        """
        kept = GroupTimeEffects(self.data, tuple(filter(self._has_error, self.effects)))
        if not kept.after:
            raise InsufficientDataError(
                "In every period too few are compared for an error. Take longer periods."
            )
        return kept

    def _has_error(self, effect: GroupTimeEffect) -> bool:
        n = self.data.clusters_of_cell
        return all(
            n[effect.cohort, when] > 1 and n[list(effect.others), when].sum() > 1
            for when in (effect.period, effect.base)
        )

    def overall(self) -> CombinedEffect:
        """Average all effects from the start on, each by the weight of its treated rows."""
        return self.combined({e: e.weight for e in self.after})

    def by_event_time(self) -> dict[int, CombinedEffect]:
        """Average by periods since the start; what lies before it should be nothing."""
        grouped: dict[int, dict[GroupTimeEffect, float]] = {}
        for effect in self.effects:
            since = int(effect.period - self.data.starts[effect.cohort])
            grouped.setdefault(since, {})[effect] = effect.weight
        return {since: self.combined(grouped[since]) for since in sorted(grouped)}

    def combined(self, weights: Mapping[GroupTimeEffect, float]) -> CombinedEffect:
        """Average some effects; the weights are taken as given."""
        share = _normed(weights)
        parts = self._influence(share)
        treated = {e.cohort for e in share}
        others = {cohort for e in share for cohort in e.others}
        return CombinedEffect(
            estimate=sum(part * e.estimate for e, part in share.items()),
            std_error=float(np.sqrt(np.sum((parts[0] + parts[1]) ** 2))),
            deg_freedom=self._degrees(parts, treated, others),
        )

    def pre_trend(self, most: int = 6) -> tuple[float, float, int] | None:
        """Test that nothing happened before the start: Hotelling's F, its p-value, periods tested.

        The latest `most` event times before the base are tested together, fewer where clusters are
        few; None where there are none.
        """
        before: dict[int, dict[GroupTimeEffect, float]] = {}
        for e in self.effects:
            if e.period < e.base:
                before.setdefault(int(e.period - self.data.starts[e.cohort]), {})[e] = e.weight
        shares = [_normed(before[since]) for since in sorted(before, reverse=True)]
        degrees = self.data.n_clusters - len(self.data.starts)
        shares = shares[: min(most, degrees // 2)]
        if not shares:
            return None
        columns = np.column_stack([np.sum(self._influence(share), axis=0) for share in shares])
        values = np.array([sum(w * e.estimate for e, w in share.items()) for share in shares])
        covariance = columns.T @ columns
        if np.linalg.matrix_rank(covariance, hermitian=True) < len(shares):
            return None
        # Hotelling: the covariance is estimated from few clusters
        below = degrees - len(shares) + 1
        scale = below / (degrees * len(shares))
        statistic = scale * float(values @ np.linalg.solve(covariance, values))
        return statistic, float(fdtrc(len(shares), below, statistic)), len(shares)

    # -- errors ----------------------------------------------------------------------------------

    def _influence(self, share: Mapping[GroupTimeEffect, float]) -> tuple[Floats, Floats]:
        """Give each cluster's pull, as one that is treated and as one of the others, (G,) each.

        Every mean m of a set of rows has the influence w (y - m) / sum w, so all a row needs is a
        factor and an offset for its cohort and period.
        """
        return (
            self._of_role(
                (sign * part, (e.cohort,), when)
                for e, part in share.items()
                for sign, when in ((1.0, e.period), (-1.0, e.base))
            ),
            self._of_role(
                (-sign * part, e.others, when)
                for e, part in share.items()
                for sign, when in ((1.0, e.period), (-1.0, e.base))
            ),
        )

    def _of_role(self, means: Iterable[tuple[float, tuple[int, ...], int]]) -> Floats:
        data = self.data
        factor, offset = (np.zeros((len(data.starts), data.n_periods)) for _ in range(2))
        for part, members, when in means:
            n = int(data.clusters_of_cell[list(members), when].sum())
            # the spread between n clusters about their own mean is too small by (n - 1) / n
            small = np.sqrt(n / (n - 1)) if n > 1 else np.nan
            weight, mean = data.mean(members, when)
            factor[list(members), when] += small * part / weight
            offset[list(members), when] += small * part / weight * mean
        at = (data.cohort, data.period)
        rows = data.weights * (factor[at] * data.outcome - offset[at])
        return cluster_sums(rows, data.clusters, data.n_clusters)

    def _degrees(self, parts: tuple[Floats, Floats], treated: set[int], others: set[int]) -> float:
        """Give Welch's degrees of freedom from the variances of both sides."""
        of_cohort = self.data.clusters_of_cohort
        variances = [float(part @ part) for part in parts]
        free = (
            int(of_cohort[list(treated)].sum()) - len(treated),
            int(of_cohort[list(others)].sum()) - 1,
        )
        below = sum(v**2 / n for v, n in zip(variances, free, strict=True) if n > 0)
        return sum(variances) ** 2 / below if below > 0 else float(max(min(free), 1))


def group_time_effects(
    data: RolloutData, *, comparison: Comparison = "not_yet"
) -> GroupTimeEffects:
    """Compare each cohort's change since before its start with that of cohorts without it.

    Effects of cohorts and times are kept apart and averaged after, so that groups which began early
    never stand for what would have happened to others (Callaway & Sant'Anna 2021, without
    covariates, on repeated cross-sections). The base is the last period before the start in which
    the cohort has rows; those of the others are of the same two periods.

    Parameters
    ----------
    data : RolloutData
        The rows.
    comparison : {"not_yet", "never"}
        Cohorts that have not begun by then, or that never do.

    Raises
    ------
    InsufficientDataError
        If no cohort can be compared with another.

    References
    ----------
    Callaway, B. and Sant'Anna, P. H. C. (2021). Difference-in-differences with multiple time
    periods. Journal of Econometrics 225(2), 200-230.

    Examples
    --------
    Two groups, two periods: (7 - 3) - (4 - 2) = 2.

    >>> data = RolloutData(
    ...     outcome=np.array([3.0, 7.0, 2.0, 4.0]), weights=np.ones(4),
    ...     period=np.array([0, 1, 0, 1]), cohort=np.array([0, 0, 1, 1]),
    ...     starts=np.array([1.0, NEVER]), clusters=np.array([0, 0, 1, 1]),
    ... )
    >>> group_time_effects(data).effects[0].estimate
    2.0
    """
    weight, _ = data.cells
    effects = []
    for cohort, start in enumerate(data.starts):
        before = [t for t in range(data.n_periods) if t < start and weight[cohort, t] > 0]
        if not np.isfinite(start) or not before:
            continue
        base = before[-1]
        for period in range(data.n_periods):
            if period != base and weight[cohort, period] > 0:
                effect = _effect(data, cohort, period, base, comparison)
                effects += [] if effect is None else [effect]
    found = GroupTimeEffects(data, tuple(effects))
    if not found.after:
        raise InsufficientDataError(
            "No group that began can be compared: it needs rows before its start and after, and "
            "another group that had not begun, with rows in the same two periods."
        )
    return found


def _effect(
    data: RolloutData, cohort: int, period: int, base: int, comparison: Comparison
) -> GroupTimeEffect | None:
    latest = max(period, base)
    others = tuple(
        other
        for other, start in enumerate(data.starts)
        if other != cohort and (start == NEVER if comparison == "never" else start > latest)
    )
    weight, now = data.mean((cohort,), period)
    (now_weight, now_others), (then_weight, then_others) = (
        data.mean(others, when) for when in (period, base)
    )
    if not others or not now_weight > 0 or not then_weight > 0:
        return None
    then = data.mean((cohort,), base)[1]
    estimate = (now - then) - (now_others - then_others)
    return GroupTimeEffect(cohort, period, base, others, estimate, weight)


def _normed(weights: Mapping[GroupTimeEffect, float]) -> dict[GroupTimeEffect, float]:
    total = sum(weights.values())
    return {effect: weight / total for effect, weight in weights.items()}

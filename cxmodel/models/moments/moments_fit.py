"""What a regression on a reduced table says: coefficients, effects, errors, and the way taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxmodel.errors import FitError, nearest
from cxmodel.results import CONF_LEVEL, TIDY_COLUMNS, Estimate, Result
from cxmodel.stats.cluster_moments import ClusterMoments, wild_cluster_p_value
from cxmodel.tables.reduction.route import Route

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class MomentsFit(Result):
    """A fitted regression; made by ``MomentsRegression.fit``.

    Parameters
    ----------
    outcome : str
        The column explained.
    family, errors : str
        How it was fitted, and which standard errors stand here: ``"HC1"``, ``"CR2"`` and so on.
    names : tuple of str
        The k columns of the design.
    coefficients : array (k,)
        NaN for a collinear column.
    covariance : array (k, k)
        NaN in rows and columns of collinear columns.
    effects : tuple of str
        The q numeric columns whose slope of the mean is averaged over the rows.
    effect_values, effect_covariance : array (q,), (q, q)
        Outcome per unit of each, and their covariance.
    deg_freedom : array (k,)
        Of Student's t for each coefficient; infinite where the normal is taken.
    collinear : tuple of str
        Columns left out, since they are constant or repeat columns before them.
    n_obs, n_params : int
        Rows used, and coefficients estimated.
    n_clusters : int or None
        Customers, where errors are clustered.
    missing : mapping of str to int
        Rows left out in which a column has a gap.
    not_used : mapping of str to int
        Observations that are not in a lift, under the reasons of ``LiftModel``.
    route : Route
        The reduction taken, with the reason.
    clusters : ClusterMoments or None
        One matrix a cluster, where clusters are few: for `wild_p_value`.
    """

    outcome: str
    family: str
    errors: str
    names: tuple[str, ...]
    coefficients: Floats
    covariance: Floats
    deg_freedom: Floats
    effects: tuple[str, ...] = ()
    effect_values: Floats = field(default_factory=lambda: np.zeros(0))
    effect_covariance: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    collinear: tuple[str, ...] = ()
    n_obs: int
    n_params: int
    n_clusters: int | None = None
    missing: Mapping[str, int] = field(default_factory=dict)
    not_used: Mapping[str, int] = field(default_factory=dict)
    route: Route
    conf_level: float = CONF_LEVEL
    caveats: tuple[str, ...] = ()
    clusters: ClusterMoments | None = None

    @property
    def title(self) -> str:
        """The name of the result."""
        return f"{self.family} regression of {self.outcome}, {self.errors} errors"

    @property
    def std_errors(self) -> Floats:
        """Standard errors of the coefficients, (k,)."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    def estimate(self, name: str) -> Estimate:
        """Give one coefficient with its interval.

        Raises
        ------
        FitError
            If the column is collinear, so that it has no coefficient.
        ValueError
            If the design has no such column.
        """
        if name not in self.names:
            raise ValueError(f"There is no column {name!r}. {nearest(name, self.names)}")
        if name in self.collinear:
            raise FitError(
                f"{name!r} is constant or repeats columns before it, so it has no coefficient of "
                "its own. Leave one of them out."
            )
        at = self.names.index(name)
        return self._estimate(self.coefficients, self.covariance, at, self._unit(name))

    def effect(self, column: str) -> Estimate:
        """Give the slope of the mean in a numeric column, averaged over the rows.

        Raises
        ------
        ValueError
            If none was computed for that column.
        """
        if column not in self.effects:
            raise ValueError(f"There is no effect of {column!r}. {nearest(column, self.effects)}")
        at = self.effects.index(column)
        unit = f"{self.outcome} per unit of {column}"
        return self._estimate(self.effect_values, self.effect_covariance, at, unit)

    def wild_p_value(
        self, name: str, *, null: float = 0.0, n_draws: int = 9_999, seed: int
    ) -> float:
        """Test one coefficient by the wild cluster bootstrap, for few clusters.

        Raises
        ------
        FitError
            If the fit is not of least squares with a matrix for each of a few clusters.
        """
        if self.clusters is None:
            raise FitError(
                "The wild bootstrap needs least squares with errors clustered by customer, and few "
                'clusters: fit with errors="CR2". For other families it needs the rows.'
            )
        self.estimate(name)
        kept = [known for known in self.names if known not in self.collinear]
        return wild_cluster_p_value(
            self.clusters, kept.index(name), null=null, n_draws=n_draws, seed=seed
        )

    def to_frame(self) -> pd.DataFrame:
        """Give a row for each coefficient and average effect, in the columns results share."""
        import pandas as pd

        kept = [name for name in self.names if name not in self.collinear]
        found = [(name, self.estimate(name)) for name in kept]
        found += [(f"average effect of {name}", self.effect(name)) for name in self.effects]
        rows = [
            {"group": {}, "term": term, "p_value": one.p_value, **one.to_dict()}
            for term, one in found
        ]
        return pd.DataFrame(rows, columns=list(TIDY_COLUMNS))

    def diagnostics(self) -> pd.DataFrame:
        """Give one row about the fit as a whole."""
        import pandas as pd

        return pd.DataFrame([self._facts()])

    def to_section(self) -> dict[str, Any]:
        """Give estimates and facts as plain values."""
        kept = [name for name in self.names if name not in self.collinear]
        return {
            **self._facts(),
            "coefficients": {name: self.estimate(name) for name in kept},
            "average_effects": {name: self.effect(name) for name in self.effects},
            "collinear": list(self.collinear),
            "missing": dict(self.missing),
            "not_used": dict(self.not_used),
            "caveats": list(self.caveats),
        }

    def _facts(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "family": self.family,
            "errors": self.errors,
            "n_obs": self.n_obs,
            "n_params": self.n_params,
            "n_clusters": self.n_clusters,
            "route": self.route.name,
            "route_reason": self.route.reason,
        }

    def _unit(self, name: str) -> str:
        link = {"linear": "", "logit": "log odds of ", "two_part": "log odds of "}
        said = link.get(self.family, "log of ") + self.outcome
        return said if name == "intercept" else f"{said} per unit of {name}"

    def _estimate(self, values: Floats, covariance: Floats, at: int, unit: str) -> Estimate:
        free = float(self.deg_freedom[min(at, len(self.deg_freedom) - 1)])
        if values is self.effect_values:
            free = float(np.min(self.deg_freedom)) if self.family == "linear" else np.inf
        return Estimate.from_std_error(
            float(values[at]),
            float(np.sqrt(covariance[at, at])),
            unit=unit,
            n_obs=self.n_obs,
            conf_level=self.conf_level,
            deg_freedom=None if np.isinf(free) else free,
            caveats=self.caveats,
        )

    def __repr__(self) -> str:
        return f"<MomentsFit: {self.title}, {self.n_obs:,} rows, by {self.route.name}>"

"""A regression on a table that is too large for its rows to be taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from threadpoolctl import threadpool_limits

from cxmodel.models.moments.moments_fit import MomentsFit
from cxmodel.results import CONF_LEVEL
from cxmodel.tables.reduction.cells import MAX_CELLS
from cxmodel.tables.reduction.route import NEEDS_ROWS

if TYPE_CHECKING:
    from cxmodel.tables.engines.engine import Engine

FamilyName = Literal["linear", "logit", "poisson", "gamma", "two_part"]
Errors = Literal["classical", "HC0", "HC1", "HC2", "HC3", "clustered", "CR1", "CR2"]
CLUSTERED = ("clustered", "CR1", "CR2")


@dataclass(frozen=True, kw_only=True)
class MomentsRegression:
    """A regression whose rows stay where they lie: what leaves the engine are sums.

    But for DuckDB, which is inside the process: a logit with continuous columns sets the numbers it
    needs aside there, on disk above 32 MB, and passes over them.

    Coefficients and errors are those of the rows, for tables of any size. Text columns have a level
    for each value; numbers a slope. Where every column has few values, rows that agree are added up
    into one cell and the table is read once; continuous columns take some passes more; errors
    clustered by customer add rows up by customer first. The result says which way was taken.

    Parameters
    ----------
    outcome : str
        The column to explain: a number or a flag.
    explained_by : sequence of str
        Text and numeric columns.
    categories : sequence of str
        Numeric columns among these whose every value has a level of its own.
    interacted : str, optional
        A numeric column whose slope may differ with all others; its slope averaged over the rows is
        then the effect of that name (Wooldridge 2010, Econometric Analysis, 21.3).
    family : {"linear", "logit", "poisson", "gamma", "two_part"}
        Least squares; log odds; logarithm of the mean, with Poisson or gamma weights; or whether
        there is any amount times how much.
    errors : {"HC1", "HC0", "HC2", "HC3", "classical", "clustered", "CR1", "CR2"}
        ``"clustered"`` by customer is CR1, and in least squares CR2 with Satterthwaite's degrees of
        freedom under 50 customers. The default is HC1, and clustered with a customer.
    weight : str, optional
        A column of positive survey weights; errors are those of weighted rows, not of counts.
    customer : str, optional
        A column of customer ids, or of what else belongs together.
    customer_effects : bool
        Give every customer an effect (least squares alone). Errors are clustered; effects lie
        within clusters and are not counted as parameters.
    max_cells : int
        The most cells that count as a reduction.
    conf_level : float
        Of the intervals.

    Raises
    ------
    ValueError
        If settings contradict each other, or a method needs rows: quantiles, trees, row bootstraps.

    Notes
    -----
    Small samples: HC1 has the factor ``n/(n-k)``, CR1 ``G/(G-1) (n-1)/(n-k)``, with n rows, k
    coefficients, the intercept among them, and G customers. These are Stata's, and those of
    pyfixest and fixest by default (``ssc(k_adj=True, G_adj=True)``). With effects of customers k
    counts the slopes alone, which is their ``ssc(k_fixef="none")``; their default, "nonnested",
    counts one more for effects that lie within clusters. pyfixest agrees to 1e-10
    (``tests/models/moments/test_against_pyfixest.py``).

    HC2 and HC3 of a likelihood take a row's leverage from the weighted hat matrix of the last step,
    with the observed information; at leverage 1 a row fits itself and is left as it is. HC2 and HC3
    have no further factor, as in Stata and in statsmodels' OLS; pyfixest multiplies its HC3 by
    ``n/(n-k)`` unless told ``ssc(k_adj=False)``.

    See Also
    --------
    LiftModel : the lift with its checks and its evidence, on rows.

    Examples
    --------
    >>> import pandas as pd
    >>> spent = pd.DataFrame({"rating": [9, 7, 9, 6, 8], "spent": [50, 40, 70, 40, 45]})
    >>> fit = MomentsRegression(outcome="spent", explained_by=["rating"]).fit(spent)
    >>> fit.to_frame()[["term", "estimate", "std_error"]].round(4)
            term  estimate  std_error
    0  intercept   -7.2059    25.3674
    1     rating    7.2059     3.6167
    >>> fit.route.reason
    'The 5 rows fall into 4 cells of rating.'
    """

    outcome: str
    explained_by: Sequence[str] | str
    categories: Sequence[str] | str = ()
    interacted: str | None = None
    family: FamilyName = "linear"
    errors: Errors | None = None
    weight: str | None = None
    customer: str | None = None
    customer_effects: bool = False
    max_cells: int = MAX_CELLS
    conf_level: float = CONF_LEVEL

    def __post_init__(self) -> None:
        for name in ("explained_by", "categories"):
            given = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(given))
        _check(self)

    @property
    def is_clustered(self) -> bool:
        """Whether errors are clustered by customer."""
        if self.errors is None:
            return self.customer is not None
        return self.errors in CLUSTERED

    def fit(self, table: Any, *, engine: Engine | None = None) -> MomentsFit:
        """Reduce the table where it lies, and solve.

        Parameters
        ----------
        table : frame, Ibis table, path of Parquet files, or Observations
            One row per observation. Of observations that lie on an engine, those are taken that
            ``LiftModel`` uses (window over, customer started, not gone, at risk), and the others
            are counted; money is ``revenue_after_units`` (1/10,000 of the currency).
        engine : Engine, optional
            Where to read frames and paths; default: the DuckDB that this process shares.

        Returns
        -------
        MomentsFit

        Raises
        ------
        SchemaError
            If a column is missing, or neither a number nor text.
        DataError
            If a number is infinite, or a weight is not positive; or an outcome is not for the
            family.
        InsufficientDataError
            If rows do not exceed coefficients, the outcome never varies, or there is one cluster.
        SeparationError
            If the columns tell a 0/1 outcome apart without error.
        FitError
            If it cannot be had from a reduced table and the rows are needed.
        """
        from cxmodel.models.moments.fitting import fit_table
        from cxmodel.models.moments.lift_rows import said_of_left_out
        from cxmodel.models.moments.opening import opened

        # One thread: the same digits on every machine, and small solves gain nothing.
        with (
            threadpool_limits(limits=1, user_api="blas"),
            opened(table, engine, [self.outcome]) as found,
        ):
            fit = fit_table(self, found.session, found.table)
        said = list(fit.caveats)
        if fit.missing:
            gaps = ", ".join(f"{name} in {n:,}" for name, n in fit.missing.items())
            said.append(f"Rows with a gap are left out: {gaps}.")
        if found.left_out:
            said.append(said_of_left_out(found.left_out))
        return replace(fit, caveats=tuple(said), not_used=found.left_out)


def _check(model: MomentsRegression) -> None:
    """Refuse settings that contradict each other."""
    if model.family in NEEDS_ROWS:
        raise ValueError(
            f"{model.family!r} cannot be had from a reduced table: {NEEDS_ROWS[model.family]}. "
            "Take the rows out of the engine, all or a sample, and fit there."
        )
    for name, given, known in (
        ("family", model.family, get_args(FamilyName)),
        ("errors", model.errors, (None, *get_args(Errors))),
    ):
        if given not in known:
            said = ", ".join(repr(one) for one in known if one is not None)
            raise ValueError(f"{name} must be one of {said}, not {given!r}.")
    _check_columns(model)
    if (model.is_clustered or model.customer_effects) and model.customer is None:
        raise ValueError("Errors by customer, and effects of customers, need customer=.")
    if model.customer_effects and (model.family != "linear" or not model.is_clustered):
        raise ValueError(
            "Effects of customers are for least squares with clustered errors: leave family and "
            "errors at their defaults."
        )
    if model.errors == "CR2" and (model.family != "linear" or model.customer_effects):
        raise ValueError('errors="CR2" is for least squares without effects of customers.')
    if not 0 < model.conf_level < 1:
        raise ValueError(f"conf_level must lie between 0 and 1, not {model.conf_level}.")


def _check_columns(model: MomentsRegression) -> None:
    columns = tuple(model.explained_by)
    if not columns:
        raise ValueError("explained_by names no column.")
    doubled = sorted({name for name in columns if columns.count(name) > 1})
    own = [n for n in (model.outcome, model.weight, model.customer) if n in columns]
    if doubled or own:
        raise ValueError(f"Columns have one part each; twice named: {', '.join(doubled + own)}.")
    strange = [name for name in model.categories if name not in columns]
    if model.interacted is not None and model.interacted not in columns:
        strange.append(model.interacted)
    if strange:
        raise ValueError(f"Not among explained_by: {', '.join(strange)}.")

"""How often customers will buy again, where no contract says whether they are still there."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt

from cxmodel.errors import CxModelWarning
from cxmodel.results import CONF_LEVEL, critical_value
from cxmodel.stats.purchases import bg_bb, bg_nbd, mbg_nbd, pareto_nbd
from cxmodel.stats.purchases.family import Family
from cxmodel.stats.purchases.histories import Histories, group_equal
from cxmodel.stats.purchases.layout import Scaling
from cxmodel.tables.purchase_summary import PurchaseSummary
from cxmodel.value.purchases.bayes import fit_posterior
from cxmodel.value.purchases.fitting import fit_layout, make_layout
from cxmodel.value.purchases.limits import edge_caveats
from cxmodel.value.purchases.occasions import count_occasions
from cxmodel.value.purchases.reading import covariate_matrix, read_histories, require_repeaters
from cxmodel.value.purchases.result import PurchaseFit

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]
FamilyName = Literal["bg_nbd", "mbg_nbd", "pareto_nbd", "bg_bb"]
Method = Literal["likelihood", "map", "mcmc"]

FAMILIES: dict[str, Family] = {
    module.FAMILY.name: module.FAMILY for module in (bg_nbd, mbg_nbd, pareto_nbd, bg_bb)
}


@dataclass(frozen=True, kw_only=True)
class PurchaseModel:
    """Purchases of customers who may leave without saying so.

    Parameters
    ----------
    family : {"bg_nbd", "mbg_nbd", "pareto_nbd", "bg_bb"}
        BG/NBD: buys at a steady rate, may leave after any repeat purchase. MBG/NBD: also after the
        first. Pareto/NBD: may leave at any time. BG/BB: time is a count of occasions (yearly
        donations, sailings), and frequency, recency and T count these; of
        `cxmodel.summarize_purchases` an occasion comes every `unit_days` from a customer's first
        purchase on, and nobody may buy in between.
    covariates : str or tuple of str
        What is known of customers that makes them buy more or less often, such as a rating; a
        coefficient is the change of the log rate per unit. Not for BG/BB.
    dropout_covariates : str or tuple of str
        The same for leaving; above 0 means sooner. BG/NBD and MBG/NBD have two coefficients for
        each, one on a and one on b.
    method : {"likelihood", "map", "mcmc"}
        Maximum likelihood; or the mode of the posterior, or draws from it, under the priors of
        pymc-marketing (the extra ``bayes``; without covariates).
    conf_level : float
        Of the intervals.
    seed : int
        Of the draws of ``method="mcmc"``.

    Raises
    ------
    ValueError
        If a setting is none of these.

    References
    ----------
    Fader, Hardie & Lee (2005); Batislam et al. (2007); Schmittlein et al. (1987); Fader, Hardie &
    Shang (2010). Covariates: Fader & Hardie (2007), Incorporating time-invariant covariates into
    the Pareto/NBD and BG/NBD models.

    Examples
    --------
    >>> import pandas as pd
    >>> rfm = pd.DataFrame({
    ...     "frequency": [0, 1, 1, 2, 5, 9],
    ...     "recency": [0, 4, 20, 12, 30, 36],
    ...     "T": [39, 38, 38, 37, 36, 39],
    ...     "n_customers": [60, 8, 10, 8, 6, 3],
    ... })
    >>> buys = PurchaseModel(family="bg_nbd").fit(rfm)
    >>> buys
    PurchaseFit(BG/NBD: r=0.2463, alpha=6.748, a=0.2386, b=0.5401; log-likelihood -375.56,
    95 customers)
    >>> buys.prob_alive().round(2).tolist(), round(buys.expected_purchases(52), 2)
    ([1.0, 0.28, 0.54, 0.49, 0.9, 0.95], 1.19)
    """

    family: FamilyName = "bg_nbd"
    covariates: str | tuple[str, ...] = ()
    dropout_covariates: str | tuple[str, ...] = ()
    method: Method = "likelihood"
    conf_level: float = CONF_LEVEL
    seed: int = 20261121

    def __post_init__(self) -> None:
        if self.family not in get_args(FamilyName):
            raise ValueError(f"family must be one of {get_args(FamilyName)}, not {self.family!r}.")
        if self.family == "bg_bb" and (self.covariates or self.dropout_covariates):
            raise ValueError(
                "BG/BB takes no covariates here: fit it within groups, or use another family."
            )
        if self.method not in get_args(Method):
            raise ValueError(f"method must be one of {get_args(Method)}, not {self.method!r}.")
        if self.method != "likelihood" and (self.covariates or self.dropout_covariates):
            raise ValueError(f"method={self.method!r} takes no covariates: use 'likelihood'.")
        critical_value(self.conf_level)

    def fit(self, rfm: PurchaseSummary | pd.DataFrame) -> PurchaseFit:
        """Fit to purchase histories.

        Parameters
        ----------
        rfm : PurchaseSummary or frame
            From `cxmodel.summarize_purchases`, or a frame with ``frequency``, ``recency``, ``T``
            and, where equal rows are together, ``n_customers``.

        Returns
        -------
        PurchaseFit

        Raises
        ------
        SchemaError
            If histories are impossible or, for BG/BB, do not count occasions, or a covariate is
            missing or has one value only.
        InsufficientDataError
            If fewer than 10 customers bought on more than one day.
        ConvergenceError
            If the likelihood has no maximum that can be found.
        ConfigError
            If `method` needs pymc-marketing and it is not installed.

        Warns
        -----
        CxModelWarning
            If the likelihood rises to the edge of the family: which edge, and what to do.
        """
        family = FAMILIES[self.family]
        names = tuple(dict.fromkeys((*_names(self.covariates), *_names(self.dropout_covariates))))
        rows = read_histories(rfm, names)
        require_repeaters(rows, family.title)
        if family.is_discrete:
            rows = count_occasions(rows)
        histories, covariates = _distinct(rows, covariate_matrix(rows, names))
        buying, leaving = _names(self.covariates), _names(self.dropout_covariates)
        layout = make_layout(family.parameters, covariates, scalings_of(family, buying, leaving))
        if self.method == "likelihood":
            fitted = fit_layout(
                layout,
                lambda parameters: family.log_likelihood(parameters, histories),
                covariates=covariates,
                weights=histories.weights,
                start=family.start(histories),
                what=family.title,
            )
        else:
            fitted = fit_posterior(family, layout, histories, method=self.method, seed=self.seed)
        caveats = edge_caveats(fitted, family.title)
        for caveat in caveats:
            warnings.warn(caveat, CxModelWarning, stacklevel=2)
        return PurchaseFit(
            family=family.name,
            method=self.method,
            rows=rows,
            covariates=names,
            conf_level=self.conf_level,
            caveats=(*caveats, *rows.caveats),
            _fitted=fitted,
            _family=family,
        )


def scalings_of(
    family: Family, buying: tuple[str, ...], leaving: tuple[str, ...]
) -> tuple[Scaling, ...]:
    """Say which parameters covariates of buying and of leaving scale; columns are in that order."""
    place = {name: i for i, name in enumerate(dict.fromkeys((*buying, *leaving)))}
    found = []
    if buying and family.purchase_scale is not None:
        found.append(_scaling(family, family.purchase_scale, "purchase", buying, place))
    for scale in family.dropout_scales if leaving else ():
        word = "dropout" if len(family.dropout_scales) == 1 else f"dropout_{scale[0]}"
        found.append(_scaling(family, scale, word, leaving, place))
    return tuple(found)


def _scaling(
    family: Family,
    scale: tuple[str, float],
    word: str,
    names: tuple[str, ...],
    place: dict[str, int],
) -> Scaling:
    return Scaling(
        parameter=family.parameters.index(scale[0]),
        sign=scale[1],
        names=tuple(f"{word}_{name}" for name in names),
        columns=tuple(place[name] for name in names),
    )


def _names(given: str | tuple[str, ...]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _distinct(rows: PurchaseSummary, covariates: FloatArray) -> tuple[Histories, FloatArray]:
    """Put customers together that the likelihood cannot tell apart."""
    columns = (rows.frequency, rows.recency, rows.T, *covariates.T)
    first, group = group_equal(*columns)
    weights = np.bincount(group, weights=rows.n_customers).astype(float)
    histories = Histories(rows.frequency[first], rows.recency[first], rows.T[first], weights)
    return histories, covariates[first]

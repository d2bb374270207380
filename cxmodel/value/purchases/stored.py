"""A purchase model that was saved: what the fit says of any history, without those it learnt from.

The histories of a fit are rows of customers, so no file holds them. Whatever needs histories is
asked with those of today.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from cxmodel.models.model_file import Fields, ModelFile, StoredModel, make_model_file
from cxmodel.models.off_scale import Range
from cxmodel.models.profile import Profile, read_profile
from cxmodel.value.purchases.backtest import MIN_GROUP_SIZE
from cxmodel.value.purchases.model import FAMILIES, scalings_of
from cxmodel.value.purchases.profiles import profile_of_histories, steady
from cxmodel.value.purchases.reading import read_histories
from cxmodel.value.purchases.result import PurchaseFit
from cxmodel.value.purchases.stored_fit import (
    FIT_NAMES,
    MOST_COVARIATES,
    nobody,
    plain_fit,
    plain_ranges,
    read_fit,
    read_ranges,
    refuse_expression,
    rows_of,
)

if TYPE_CHECKING:
    import pandas as pd

    from cxmodel.results import Estimate
    from cxmodel.tables.purchase_summary import PurchaseSummary

FloatArray = npt.NDArray[np.float64]
KIND = "purchases"
ALIVE = "prob_alive"  # whatever the horizon
_COVARIATES = ("purchase_covariates", "dropout_covariates")
_COUNTS = ("n_customers", "n_repeat_customers")
_NAMES = (
    "family", "method", *FIT_NAMES, *_COVARIATES, "ranges", "unit_days", "currency", *_COUNTS,
    "conf_level", "caveats",
)  # fmt: skip
_METHODS = ("likelihood", "map", "mcmc")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class StoredPurchaseModel(StoredModel):
    """A purchase model as a file holds it.

    Made by ``PurchaseFit.save(path)`` and read by ``cxmodel.load_model(path)``.

    Parameters
    ----------
    facts : mapping
        ``n_customers`` and ``n_repeat_customers`` behind the fit.
    profile : Profile
        How purchases, covariates and the probability of being there were spread where it was
        fitted.
    file : ModelFile
        The file: version, days and digest.
    """

    facts: Mapping[str, int]
    profile: Profile
    file: ModelFile
    _fit: PurchaseFit

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value:.4g}" for name, value in self.parameters.items())
        return (
            f"StoredPurchaseModel({self.title}: {values}; version {self.version}; expires "
            f"{self.expires_at or 'never'})"
        )

    # -- What it is --------------------------------------------------------------------------------

    @property
    def title(self) -> str:
        """The family, as the literature writes it."""
        return self._fit._family.title

    @property
    def family(self) -> str:
        """As of `PurchaseModel`."""
        return self._fit.family

    @property
    def covariates(self) -> tuple[str, ...]:
        """Columns that histories must have beside ``frequency, recency, T``."""
        return self._fit.covariates

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that it looks at."""
        return _columns(self._fit)

    @property
    def ranges(self) -> Mapping[str, Range]:
        """The scale of a rating, where it is known; what lies outside is no answer."""
        return self._fit.ranges

    @property
    def unit_days(self) -> float:
        """Days in one unit of time of the histories."""
        return self._fit.rows.unit_days

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader must know."""
        return self._fit.caveats

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters of the family, then the coefficients of covariates."""
        return self._fit.parameters

    @property
    def log_likelihood(self) -> float:
        """At the parameters."""
        return self._fit.log_likelihood

    @property
    def covariance(self) -> FloatArray:
        """The covariance of `parameters`."""
        return self._fit.covariance

    def parameter_draws(self, n: int, seed: int) -> FloatArray:
        """Draw parameters from the normal distribution of their logarithms, (n, k)."""
        return self._fit.parameter_draws(n, seed)

    def to_frame(self) -> pd.DataFrame:
        """Give one row a parameter, with its interval."""
        return self._fit.to_frame().assign(n_obs=self.facts["n_customers"])

    # -- What it says of histories -----------------------------------------------------------------

    def prob_alive(self, rfm: PurchaseSummary | pd.DataFrame) -> FloatArray:
        """Give the probability that each customer is still active, (n,)."""
        return self._fit.prob_alive(rfm)

    def conditional_expected_purchases(
        self, t: float, rfm: PurchaseSummary | pd.DataFrame
    ) -> FloatArray:
        """Give the purchases expected of each customer in the next `t` units of time, (n,)."""
        return self._fit.conditional_expected_purchases(t, rfm)

    def dert(
        self,
        discount_rate_per_period: float | None = None,
        *,
        annual_discount_rate: float | None = None,
        rfm: PurchaseSummary | pd.DataFrame,
    ) -> FloatArray:
        """Give the discounted expected residual transactions of each customer: `PurchaseFit`."""
        return self._fit.dert(
            discount_rate_per_period, annual_discount_rate=annual_discount_rate, rfm=rfm
        )

    def expected_of(self, t: FloatArray, covariates: FloatArray | None = None) -> FloatArray:
        """Give the repeat purchases expected of new customers in the first `t` units of time.

        Parameters
        ----------
        t : array, (n,), or float
            One for each customer, or for all.
        covariates : array, (n, len(covariates)), optional
            Of each customer; needed where the model has covariates.
        """
        if covariates is None and self.covariates:
            raise ValueError(
                f"The model looks at {', '.join(self.covariates)}: pass covariates, one row a "
                "customer."
            )
        given = np.zeros((1, 0)) if covariates is None else np.asarray(covariates, dtype=float)
        return self._fit.expected_of(t, given)

    def expected_total(self, t: float, rfm: PurchaseSummary | pd.DataFrame) -> Estimate:
        """Give the purchases expected of all these customers, with the error of the parameters."""
        rows, _ = rows_of(rfm, self.covariates, self.ranges)
        # a sum needs everybody
        rows = read_histories(rows, self.covariates)
        found = replace(self._fit, rows=rows).expected_total(t)
        return replace(found, n_obs=self.facts["n_customers"])

    def predict(self, rfm: Any, t: float) -> pd.DataFrame:
        """Give each customer's probability of being there, and the purchases still to come.

        What ``PurchaseFit.predict`` gives, to the last bit.

        Parameters
        ----------
        rfm : PurchaseSummary, CustomerPurchases or frame
            Histories in the time units of the fit.
        t : float
            How far to look, in units of time.

        Returns
        -------
        pandas.DataFrame
            ``prob_alive, expected_purchases``, with ``customer_id`` where it is known.

        Examples
        --------
        >>> import pandas as pd
        >>> from cxmodel.value.purchases.model import PurchaseModel
        >>> rfm = pd.DataFrame({"frequency": [0, 1, 1, 2, 5, 9], "recency": [0, 4, 20, 12, 30, 36],
        ...                     "T": [39, 38, 38, 37, 36, 39], "n_customers": [60, 8, 10, 8, 6, 3]})
        >>> buys = PurchaseModel().fit(rfm)
        >>> again = read_purchases(store_purchases(buys), "the file")
        >>> bool((again.predict(rfm, 52) == buys.predict(rfm, 52)).all(axis=None))
        True
        """
        return self._fit.predict(rfm, t)

    def expression(self, table: Any) -> NoReturn:
        """Refuse: the model is not linear, and is scored in batches.

        Raises
        ------
        ValueError
            With what to do.
        """
        refuse_expression(self.title)


# -- To the file, and back ------------------------------------------------------------------------


def store_purchases(fit: PurchaseFit) -> ModelFile:
    """Take the numbers out of a fitted purchase model."""
    rows = fit.rows
    profile = profile_of_histories(
        rows, _columns(fit), {ALIVE: fit.prob_alive()}, min_group_size=MIN_GROUP_SIZE
    )
    content = {**purchase_content(fit), "profile": profile.to_plain()}
    return make_model_file(KIND, content, created_at=rows.learnt_until or rows.as_of)


def _columns(fit: PurchaseFit) -> tuple[str, ...]:
    return ("frequency", "recency", "T", *fit.covariates)


def purchase_content(fit: PurchaseFit) -> dict[str, Any]:
    """Lay the numbers of a fitted purchase model out."""
    buying, leaving = (
        next(
            (
                [fit.covariates[column] for column in scaling.columns]
                for scaling in fit._fitted.layout.scalings
                if scaling.names[0].startswith(f"{word}_")
            ),
            [],
        )
        for word in ("purchase", "dropout")
    )
    return {
        "family": fit.family,
        "method": fit.method,
        **plain_fit(fit._fitted, fit.parameters, fit.conf_level),
        "purchase_covariates": buying,
        "dropout_covariates": leaving,
        "ranges": plain_ranges(fit.ranges),
        "unit_days": float(fit.rows.unit_days),
        "currency": fit.rows.currency,
        "n_customers": fit.rows.total_customers,
        "n_repeat_customers": fit.rows.n_repeat_customers,
        "conf_level": float(fit.conf_level),
        "caveats": list(fit.caveats),
    }


def read_purchases(file: ModelFile, where: str) -> StoredPurchaseModel:
    """Read a purchase model, and check all of it.

    Raises
    ------
    SourceError
        Naming the first thing that is wrong.
    """
    fields = Fields(file.content, where)
    fit = read_purchase_content(fields.but("profile"))
    profile = read_profile(fields.part("profile"), numbers=steady(_columns(fit)), scores=(ALIVE,))
    facts = {name: fields.whole(name) for name in _COUNTS}
    return StoredPurchaseModel(facts=facts, profile=profile, file=file, _fit=fit)


def read_purchase_content(fields: Fields) -> PurchaseFit:
    """Read the numbers of a purchase model: a fit whose histories are not known."""
    fields.only(*_NAMES)
    family = FAMILIES[fields.choice("family", tuple(FAMILIES))]
    buying, leaving = (tuple(fields.texts(name)) for name in _COVARIATES)
    names = tuple(dict.fromkeys((*buying, *leaving)))
    if len(names) > MOST_COVARIATES or (family.is_discrete and names):
        fields.refuse("purchase_covariates", "names that the family takes")
    unit_days = fields.number("unit_days")
    if unit_days <= 0:
        fields.refuse("unit_days", "above 0")
    if not 0 < fields.number("conf_level") < 1:
        fields.refuse("conf_level", "a share between 0 and 1")
    if fields.whole("n_repeat_customers") > fields.whole("n_customers"):
        fields.refuse("n_repeat_customers", "at most n_customers")
    return PurchaseFit(
        family=family.name,
        method=fields.choice("method", _METHODS),
        rows=nobody(
            unit_days=unit_days,
            currency=fields.text_or_none("currency"),
            covariates=names,
            ranges=read_ranges(fields, names),
        ),
        covariates=names,
        conf_level=fields.number("conf_level"),
        caveats=tuple(fields.texts("caveats")),
        _fitted=read_fit(fields, family.parameters, scalings_of(family, buying, leaving)),
        _family=family,
    )

"""A spend model that was saved: mean spend per purchase of any history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from cxmodel.models.model_file import Fields, ModelFile, StoredModel, make_model_file
from cxmodel.models.off_scale import Range
from cxmodel.models.profile import Profile, read_profile
from cxmodel.stats.purchases import gamma_gamma
from cxmodel.value.purchases.backtest import MIN_GROUP_SIZE
from cxmodel.value.purchases.profiles import profile_of_histories
from cxmodel.value.purchases.spend import SpendFit, spend_scalings
from cxmodel.value.purchases.stored_fit import (
    FIT_NAMES,
    MOST_COVARIATES,
    nobody,
    plain_fit,
    plain_ranges,
    read_fit,
    read_ranges,
    refuse_expression,
)

if TYPE_CHECKING:
    import pandas as pd

    from cxmodel.tables.purchase_summary import PurchaseSummary

FloatArray = npt.NDArray[np.float64]
KIND = "spend"
SPEND = "expected_spend"
_NAMES = (
    *FIT_NAMES, "covariates", "ranges", "currency", "mean_spend", "correlation", "n_customers",
    "conf_level", "caveats",
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class StoredSpendModel(StoredModel):
    """A Gamma-Gamma model as a file holds it.

    Made by ``SpendFit.save(path)`` and read by ``cxmodel.load_model(path)``.

    Parameters
    ----------
    facts : mapping
        ``mean_spend`` over the customers of the fit (None where it is infinite), ``correlation``
        of spend and purchases, ``n_customers``.
    profile : Profile
        How purchases, spend and what is expected were spread where it was fitted.
    file : ModelFile
        The file: version, days and digest.
    """

    facts: Mapping[str, Any]
    profile: Profile
    file: ModelFile
    _fit: SpendFit

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value:.4g}" for name, value in self.parameters.items())
        return (
            f"StoredSpendModel(Gamma-Gamma: {values}; version {self.version}; expires "
            f"{self.expires_at or 'never'})"
        )

    @property
    def covariates(self) -> tuple[str, ...]:
        """Columns that histories must have beside ``frequency`` and ``monetary_value``."""
        return self._fit.covariates

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that it looks at."""
        return ("frequency", "recency", "T", "monetary_value", *self.covariates)

    @property
    def ranges(self) -> Mapping[str, Range]:
        """The scale of a rating, where it is known; what lies outside is no answer."""
        return self._fit.ranges

    @property
    def currency(self) -> str | None:
        """Of the amounts."""
        return self._fit.rows.currency

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader must know."""
        return self._fit.caveats

    @property
    def parameters(self) -> dict[str, float]:
        """``p``, ``q``, ``v``, then the coefficients of covariates."""
        return self._fit.parameters

    @property
    def log_likelihood(self) -> float:
        """At the maximum."""
        return self._fit.log_likelihood

    @property
    def covariance(self) -> FloatArray:
        """The covariance of `parameters`."""
        return self._fit.covariance

    @property
    def mean_spend(self) -> float:
        """Mean spend per purchase over the customers of the fit; infinite where q is 1 or less."""
        value = self.facts["mean_spend"]
        return float("inf") if value is None else float(value)

    def to_frame(self) -> pd.DataFrame:
        """Give one row a parameter, with its interval."""
        return self._fit.to_frame()

    def expected_spend(self, rfm: PurchaseSummary | pd.DataFrame) -> FloatArray:
        """Give the mean spend per purchase expected of each customer, (n,)."""
        return self._fit.expected_spend(rfm)

    def predict(self, rfm: Any) -> pd.DataFrame:
        """Give each customer's expected spend per purchase, as ``SpendFit.predict`` does."""
        return self._fit.predict(rfm)

    def expression(self, table: Any) -> NoReturn:
        """Refuse: the model is not linear, and is scored in batches.

        Raises
        ------
        ValueError
            With what to do.
        """
        refuse_expression("Gamma-Gamma")


def store_spend(fit: SpendFit) -> ModelFile:
    """Take the numbers out of a fitted spend model."""
    rows = fit.rows
    profile = profile_of_histories(
        rows, _learnt_of(fit), {SPEND: fit.expected_spend(rows)}, min_group_size=MIN_GROUP_SIZE
    )
    content = {**spend_content(fit), "profile": profile.to_plain()}
    return make_model_file(KIND, content, created_at=rows.learnt_until or rows.as_of)


def _learnt_of(fit: SpendFit) -> tuple[str, ...]:
    """List the columns that spend depends on: not how long ago anybody bought."""
    return ("frequency", "monetary_value", *fit.covariates)


def spend_content(fit: SpendFit) -> dict[str, Any]:
    """Lay the numbers of a fitted spend model out."""
    mean = fit.mean_spend
    return {
        **plain_fit(fit._fitted, fit.parameters, fit.conf_level),
        "covariates": list(fit.covariates),
        "ranges": plain_ranges(fit.ranges),
        "currency": fit.rows.currency,
        "mean_spend": mean if np.isfinite(mean) else None,
        "correlation": float(fit.correlation),
        "n_customers": int(fit.n_spenders),
        "conf_level": float(fit.conf_level),
        "caveats": list(fit.caveats),
    }


def read_spend_model(file: ModelFile, where: str) -> StoredSpendModel:
    """Read a spend model, and check all of it.

    Raises
    ------
    SourceError
        Naming the first thing that is wrong.
    """
    fields = Fields(file.content, where)
    fit = read_spend_content(fields.but("profile"))
    profile = read_profile(fields.part("profile"), numbers=_learnt_of(fit), scores=(SPEND,))
    facts = {name: fields.get(name) for name in ("mean_spend", "correlation", "n_customers")}
    return StoredSpendModel(facts=facts, profile=profile, file=file, _fit=fit)


def read_spend_content(fields: Fields) -> SpendFit:
    """Read the numbers of a spend model: a fit whose histories are not known."""
    fields.only(*_NAMES)
    names = tuple(fields.texts("covariates"))
    if len(names) > MOST_COVARIATES:
        fields.refuse("covariates", f"at most {MOST_COVARIATES} names")
    if fields.get("mean_spend") is not None:
        fields.number("mean_spend")
    if not -1 <= fields.number("correlation") <= 1:
        fields.refuse("correlation", "from -1 to 1")
    if not 0 < fields.number("conf_level") < 1:
        fields.refuse("conf_level", "a share between 0 and 1")
    return SpendFit(
        # what a spend model learns does not depend on the unit of time
        rows=nobody(
            unit_days=1.0,
            currency=fields.text_or_none("currency"),
            covariates=names,
            ranges=read_ranges(fields, names),
        ),
        n_spenders=fields.whole("n_customers"),
        correlation=fields.number("correlation"),
        covariates=names,
        conf_level=fields.number("conf_level"),
        caveats=tuple(fields.texts("caveats")),
        _fitted=read_fit(fields, gamma_gamma.PARAMETERS, spend_scalings(names)),
    )

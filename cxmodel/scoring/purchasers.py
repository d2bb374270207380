"""Every customer with a purchase up to a day, with the purchase history as it was then."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pandas as pd

from cxmodel.errors import ConfigError, SourceError, nearest
from cxmodel.plain_json import said
from cxmodel.scoring.asked_day import horizon_of_day
from cxmodel.scoring.customers import check_currency
from cxmodel.tables.purchase_covariates import offered
from cxmodel.tables.purchase_customers import purchases_by_customer
from cxmodel.tables.sources import Sources
from cxmodel.value.purchases.occasions import count_occasions

if TYPE_CHECKING:
    from cxmodel.scoring.row_models import RowScorer

_HISTORY = ("frequency", "recency", "T", "monetary_value")


def purchasers_at(
    sources: Sources,
    scorer: RowScorer,
    *,
    at: dt.date,
    as_of: dt.date | None = None,
    time_zone: str = "UTC",
) -> pd.DataFrame:
    """Give the purchase history of each customer at the end of a day.

    Covariates are what they were at the fit: attributes of customers (of versions the one in force)
    and mean answers up to the day. Occasions are counted from a customer's first purchase on.

    Parameters
    ----------
    sources : Sources
        Of the study, on one engine.
    scorer : RowScorer
        Of purchases, spend or a lifetime value without a contract.
    at : date
        The day; no booking after it is looked at.
    as_of : date, optional
        Until when the data are complete, where the study states it.
    time_zone : str
        Whose days are meant.

    Returns
    -------
    pandas.DataFrame
        ``customer_id, frequency, recency, T, monetary_value`` and the covariates, in order of the
        customer; a covariate that is not known is missing.

    Raises
    ------
    ConfigError
        If the day lies outside the data, the study has another currency than the model or lacks a
        covariate, or nobody knows when its occasions were.
    SourceError
        If the study has no ledger.
    SchemaError
        If the model counts occasions, and customers bought in between.
    """
    revenue = sources.get("revenue")
    if revenue is None:
        raise SourceError("There are no purchases to score by: add sources.revenue.")
    unit_days = _unit_days(scorer)
    covariates = tuple(name for name in scorer.columns if name not in _HISTORY)
    _require_covariates(scorer, covariates, sources)
    check_currency(scorer.currency, sources)
    horizon_of_day(sources, at, as_of, time_zone)  # refuses a day that the data do not hold
    try:
        found = purchases_by_customer(
            revenue,
            as_of=at,
            unit_days=unit_days,
            covariates=covariates,
            customers=sources.get("customers"),
            surveys=sources.get("surveys"),
        )
    except ValueError as error:
        raise ConfigError(f"--at {at} cannot be scored by purchases: {error}") from error
    rows = count_occasions(found.histories) if scorer.counts_occasions else found.histories
    return pd.DataFrame(
        {
            "customer_id": found.customer_id,
            **{name: getattr(rows, name) for name in _HISTORY},
            **rows.covariates,
        }
    )


def _unit_days(scorer: RowScorer) -> float:
    """Give the days in a unit of time, or between occasions."""
    if scorer.unit_days is None:
        raise ConfigError(
            f"The model ({scorer.title}) was fitted to a table that counts occasions, and does not "
            "say on which days they were. Count them for each customer up to the day (frequency: "
            "occasions with a purchase after the first; recency: the last of these; T: all) and "
            "score that file: cxmodel score MODEL FILE OUTPUT. Or fit to "
            "cxmodel.summarize_purchases(revenue, unit_days=), which knows the days."
        )
    return scorer.unit_days


def _require_covariates(scorer: RowScorer, names: tuple[str, ...], sources: Sources) -> None:
    """Refuse a study that lacks what the model knows of customers."""
    known = offered(sources)
    missing = [name for name in names if name not in known]
    if missing:
        raise ConfigError(
            f"The model ({scorer.title}) looks at {', '.join(map(said, missing))}, which the study "
            "has neither as an attribute of sources.customers nor as a rating of sources.surveys. "
            f"{nearest(missing[0], known)} Add it, or score a file that has it: cxmodel score "
            "MODEL FILE OUTPUT."
        )

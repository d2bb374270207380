"""Every customer with a purchase up to a day, with the purchase history as it was then."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pandas as pd

from cxmodel.errors import ConfigError, SourceError
from cxmodel.scoring.customers import check_day
from cxmodel.tables.purchase_customers import purchases_by_customer
from cxmodel.tables.sources import Sources

if TYPE_CHECKING:
    from cxmodel.scoring.row_models import RowScorer

_HISTORY = {"frequency", "recency", "T", "monetary_value"}


def purchasers_at(
    sources: Sources,
    scorer: RowScorer,
    *,
    at: dt.date,
    as_of: dt.date | None = None,
    time_zone: str = "UTC",
) -> pd.DataFrame:
    """Give the purchase history of each customer at the end of a day.

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
        ``customer_id, frequency, recency, T, monetary_value``, in order of the customer.

    Raises
    ------
    ConfigError
        If the day lies outside the data, the study has another currency than the model, or the
        model looks at what a ledger does not hold.
    SourceError
        If the study has no ledger.
    """
    beyond = [name for name in scorer.columns if name not in _HISTORY]
    if scorer.unit_days is None or beyond:
        needs = ", ".join(beyond) if beyond else "occasions"
        raise ConfigError(
            f"The model ({scorer.title}) looks at {needs}, which the ledger of a study does not "
            "give for a day. Score a file that has it: cxmodel score MODEL FILE OUTPUT."
        )
    revenue = sources.get("revenue")
    if revenue is None:
        raise SourceError("There are no purchases to score by: add sources.revenue.")
    if scorer.currency and sources.currency and scorer.currency != sources.currency:
        raise ConfigError(
            f"The model was learnt with amounts in {scorer.currency}, and the study has "
            f"{sources.currency}. Use the ledger in the same currency, or fit the model again."
        )
    tables = {kind: source.table for kind, source in sources.by_kind.items()}
    check_day(sources, tables, at, as_of, time_zone)
    try:
        found = purchases_by_customer(revenue, as_of=at, unit_days=scorer.unit_days)
    except ValueError as error:
        raise ConfigError(f"--at {at} cannot be scored by purchases: {error}") from error
    rows = found.histories
    return pd.DataFrame(
        {
            "customer_id": found.customer_id,
            "frequency": rows.frequency,
            "recency": rows.recency,
            "T": rows.T,
            "monetary_value": rows.monetary_value,
        }
    )

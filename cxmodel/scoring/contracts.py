"""Every active customer on a day, with the tenure and past spending that a contract value needs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cxmodel.errors import ConfigError
from cxmodel.scoring.active import StudyDay
from cxmodel.scoring.asked_day import AskedDay
from cxmodel.scoring.customers import Beside, CustomersAt, customers_at
from cxmodel.scoring.hazards import TENURE_DAYS, DayColumns, require_start
from cxmodel.stats.rates import DAYS_PER_MONTH
from cxmodel.tables.joining.columns import written
from cxmodel.tables.sources import Sources
from cxmodel.value.cltv.past_spending import BEFORE, DAYS, PastSpending
from cxmodel.value.cltv.rules import MONTHLY, TENURE

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    from cxmodel.tables.joining.observation_join import ObservationJoin
    from cxmodel.tables.observation_table import Windows
    from cxmodel.value.cltv.rules import ContractRule

_UNITS = "_units_in_force"


def contracts_on(
    rule: ContractRule, sources: Sources, asked: AskedDay
) -> tuple[CustomersAt, list[str]]:
    """Find the active customers of a day, and what their value depends on.

    Tenure is the time since the start. Monthly revenue is the sum of the subscriptions in force on
    the day; where the study has none, bookings of the window before the day, per month observed.

    Parameters
    ----------
    rule : ContractRule
        How customers are valued.
    sources : Sources
        Of the study, on one engine.
    asked : AskedDay
        The day; the windows of the model stand where it knows them.

    Returns
    -------
    CustomersAt
    list of str
        What a reader must know of the columns.

    Raises
    ------
    ConfigError
        If the study does not say when customers started, or what they pay.
    """
    then = rule.windows or asked.windows
    by_subscription = MONTHLY in rule.columns and sources.get("subscriptions") is not None
    columns = [name for name in rule.columns if name not in (TENURE, MONTHLY)]
    if TENURE in rule.columns:
        require_start(sources, "The value depends on how long customers have been there")
        columns.append(TENURE_DAYS)
    if MONTHLY in rule.columns and not by_subscription:
        _require_bookings(sources)
    if MONTHLY in rule.columns:
        columns += [MONTHLY] if by_subscription else [BEFORE, DAYS]
    found = customers_at(
        sources,
        DayColumns(
            columns=tuple(dict.fromkeys(columns)),
            windows=then,
            facts={"rating": None, "currency": rule.settings.currency},
        ),
        beside=(_subscribed(),) if by_subscription else (),
        **asked.when,
    )
    frame = _as_the_rule_has_them(found.frame, rule, then)
    return replace(found, frame=frame), _notes(rule, then, by_subscription)


def _notes(rule: ContractRule, then: Windows, by_subscription: bool) -> list[str]:
    """Say over which days money was counted, where the model did not say it."""
    days, said = f"{then.lookback_days:,} days", []
    if MONTHLY in rule.columns and not by_subscription:
        said.append(
            f"{MONTHLY} is what was booked in the {days} before, per month observed: "
            "sources.subscriptions would state it."
        )
    if BEFORE in rule.columns and rule.windows is None:
        said.append(
            f"{BEFORE} counts the {days} of windows.lookback_days; the table that the model was "
            "fitted to does not say how many it counted."
        )
    return said


def _require_bookings(sources: Sources) -> None:
    if sources.get("revenue") is None:
        raise ConfigError(
            f"The value looks at {MONTHLY}, which the study does not say. Add "
            "sources.subscriptions, or sources.revenue."
        )


def _as_the_rule_has_them(frame: pd.DataFrame, rule: ContractRule, then: Windows) -> pd.DataFrame:
    """Turn days of tenure into months, and bookings of a window into those of a month."""
    made: dict[str, Any] = {}
    if TENURE in rule.columns:
        made[TENURE] = _numbers(frame, TENURE_DAYS) / DAYS_PER_MONTH
    if MONTHLY in rule.columns and MONTHLY not in frame:
        lookback = float(then.lookback_days)
        before = PastSpending.in_days(_numbers(frame, BEFORE), _numbers(frame, DAYS), lookback)
        made[MONTHLY] = before.amount * DAYS_PER_MONTH / lookback
    return frame.assign(**made)[["customer_id", *rule.columns]]


def _numbers(frame: pd.DataFrame, name: str) -> Any:
    return frame[name].to_numpy(dtype=float, na_value=np.nan)


def _subscribed() -> Beside:
    """Add up the subscriptions that cover the day; who has none pays nothing."""

    def known(day: StudyDay, join: ObservationJoin) -> ir.Table:
        days, last = join.subscription_days, join.ends_before - 1
        if days is None:
            raise ValueError("There are subscriptions by now.")
        in_force = days.filter(days.start_day <= last, days.end_day > last)
        units = in_force.group_by("customer_id").aggregate(
            **{_UNITS: in_force.monthly_units.sum().cast("int64")}
        )
        people = join.responses.select("row_number", "customer_id")
        return people.inner_join(units, "customer_id").select("row_number", _UNITS)

    return Beside(
        name=MONTHLY,
        known=known,
        write=lambda rows: written(MONTHLY, "money", rows[_UNITS].fill_null(0).cast("int64")),
    )

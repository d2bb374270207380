"""Read a table already joined from Python: the arguments are the keys of cxmodel.toml."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from cxmodel.tables.engines.engine import Engine
from cxmodel.tables.reading import Names, Ratings, given_columns, make_spec, open_spec
from cxmodel.tables.sources import Source
from cxmodel.tables.times.given_days import maybe_day

if TYPE_CHECKING:
    from cxmodel.tables.observation_table import Observations, Windows


def open_observations(
    data: Any,
    *,
    ratings: Ratings | None = None,
    customer_id: str | None = None,
    responded_at: str | None = None,
    churned: str | None = None,
    revenue_after: str | None = None,
    revenue_before: str | None = None,
    monthly_revenue: str | None = None,
    duration_months: str | None = None,
    controls: Names | None = None,
    ignore: Names = (),
    touchpoints: Names = (),
    currency: str | None = None,
    date_format: Names = (),
    time_zone: str | None = None,
    sheet: str | None = None,
    engine: Engine | None = None,
) -> Source:
    """Read a table already joined, one row per customer, as a source.

    Parameters
    ----------
    data : frame, Ibis table or path
        The table.
    ratings, customer_id, responded_at, churned, revenue_after, revenue_before, monthly_revenue, \
duration_months, controls, ignore, touchpoints, currency
        As for `read_observations`.
    date_format, time_zone, sheet, engine
        As for `read_surveys`, which also lists what is raised.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"left": ["No", "Yes"], "plan": ["a", "b"], "seats": [3, 4]})
    >>> open_observations(frame, churned="left").controls
    ('plan', 'seats')
    """
    columns = given_columns(
        customer_id=customer_id,
        responded_at=responded_at,
        churned=churned,
        revenue_after=revenue_after,
        revenue_before=revenue_before,
        monthly_revenue=monthly_revenue,
        duration_months=duration_months,
    )
    spec = make_spec(
        "observations",
        data,
        columns,
        date_format,
        time_zone,
        sheet,
        ratings=ratings or {},
        controls=controls,
        ignore=ignore,
        touchpoints=touchpoints,
    )
    return open_spec(spec, engine, currency)


def read_observations(
    data: Any,
    *,
    ratings: Ratings | None = None,
    customer_id: str | None = None,
    responded_at: str | None = None,
    churned: str | None = None,
    revenue_after: str | None = None,
    revenue_before: str | None = None,
    monthly_revenue: str | None = None,
    duration_months: str | None = None,
    controls: Names | None = None,
    ignore: Names = (),
    touchpoints: Names = (),
    currency: str | None = None,
    windows: Windows | None = None,
    rating: str | None = None,
    as_of: dt.date | str | None = None,
    date_format: Names = (),
    time_zone: str | None = None,
    sheet: str | None = None,
    engine: Engine | None = None,
) -> Observations:
    """Read a table already joined, one row per customer, as observations.

    Parameters
    ----------
    data : frame, Ibis table or path
        The table.
    ratings : mapping, optional
        Key of a question -> (column, scale).
    customer_id, responded_at, churned, revenue_after, revenue_before, monthly_revenue, \
duration_months : str, optional
        Your names of these columns; at least one outcome.
    controls : str or list of str, optional
        Default: every column that is neither mapped nor ignored.
    ignore : str or list of str
        Columns that are no controls.
    touchpoints : str or list of str
        Keys of ratings that stand for touchpoints.
    currency : str, optional
        ISO 4217 code of the amounts.
    windows : Windows, optional
        State its ``outcome_days`` if churn and revenue are of a known number of days; without it
        they are per observation window.
    rating : str, optional
        The key of the rating that counts; default the first.
    as_of : date or ISO text, optional
        The data are complete to the end of this day.
    date_format, time_zone, sheet, engine
        As for `read_surveys`, which also lists what is raised.

    Examples
    --------
    >>> import pandas as pd
    >>> import cxmodel as cx
    >>> frame = pd.DataFrame({"score": [5, 2], "left": ["No", "Yes"], "plan": ["a", "b"]})
    >>> obs = read_observations(frame, ratings={"csat": ("score", cx.CSAT5)}, churned="left")
    >>> obs.n_obs, obs.controls
    (2, ('plan',))
    """
    from cxmodel.tables.flat import flat_observations

    source = open_observations(
        data,
        ratings=ratings,
        customer_id=customer_id,
        responded_at=responded_at,
        churned=churned,
        revenue_after=revenue_after,
        revenue_before=revenue_before,
        monthly_revenue=monthly_revenue,
        duration_months=duration_months,
        controls=controls,
        ignore=ignore,
        touchpoints=touchpoints,
        currency=currency,
        date_format=date_format,
        time_zone=time_zone,
        sheet=sheet,
        engine=engine,
    )
    return flat_observations(
        source,
        rating=rating,
        windows=windows,
        outcome_days=None if windows is None else windows.outcome_days,
        as_of=maybe_day(as_of),
        time_zone=source.time_zone,
        currency=currency,
    )

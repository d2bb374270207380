"""Read one source from Python: the arguments are the keys of cxmodel.toml.

Each reader takes a pandas, polars or pyarrow frame, an Ibis table, or a path (CSV, Parquet, Excel,
glob), holds it to its contract, and gives a `Source`. A column of the same name needs no argument.
"""

from __future__ import annotations

from typing import Any

from cxmodel.tables.engines.engine import Engine
from cxmodel.tables.observation_readers import open_observations, read_observations
from cxmodel.tables.reading import Names, Ratings, given_columns, make_spec, open_spec
from cxmodel.tables.sources import Source

__all__ = [
    "open_observations",
    "read_churn",
    "read_customers",
    "read_interactions",
    "read_invitations",
    "read_observations",
    "read_revenue",
    "read_subscriptions",
    "read_surveys",
]


def read_surveys(
    data: Any,
    *,
    ratings: Ratings,
    customer_id: str | None = None,
    responded_at: str | None = None,
    touchpoint: str | None = None,
    invitation_id: str | None = None,
    agent: str | None = None,
    comment: str | None = None,
    attributes: Names = (),
    date_format: Names = (),
    time_zone: str | None = None,
    sheet: str | None = None,
    engine: Engine | None = None,
) -> Source:
    """Read survey responses, one row each.

    Parameters
    ----------
    data : frame, Ibis table or path
        The responses.
    ratings : mapping
        Key of a question -> (column, scale), for example ``{"nps": ("q1", cx.NPS)}``.
    customer_id, responded_at, touchpoint, invitation_id, agent, comment : str, optional
        Your names of these columns. Without a customer only KPIs can be measured.
    attributes : str or list of str
        Further columns of the response to carry along.
    date_format : str or list of str
        Formats of text dates; each value must match exactly one. ISO 8601 needs none.
    time_zone : str, optional
        Zone of times that have none; default UTC. It must be stated for a column in which some
        times have a distance from UTC and others have none.
    sheet : str, optional
        Sheet of an Excel file.
    engine : Engine, optional
        Where to read; default: the DuckDB that this process shares.

    Returns
    -------
    Source
        In cxmodel's names and types.

    Raises
    ------
    SourceError
        If the file is missing, unreadable, truncated or empty.
    SchemaError
        If a column is missing or of the wrong kind, or dates are ambiguous.
    ScaleError
        If ratings lie outside their scale.
    ValidationError
        If several of these are found.

    Examples
    --------
    >>> import pandas as pd
    >>> import cxmodel as cx
    >>> frame = pd.DataFrame({"cust": ["a", "b"], "date": ["2026-01-05", None], "q1": [9, 3]})
    >>> surveys = read_surveys(
    ...     frame, customer_id="cust", responded_at="date", ratings={"nps": ("q1", cx.NPS)}
    ... )
    >>> surveys.n_rows, surveys.to_frame().rating_nps.tolist()
    (2, [9.0, 3.0])
    """
    columns = given_columns(
        customer_id=customer_id,
        responded_at=responded_at,
        touchpoint=touchpoint,
        invitation_id=invitation_id,
        agent=agent,
        comment=comment,
    )
    spec = make_spec(
        "surveys",
        data,
        columns,
        date_format,
        time_zone,
        sheet,
        ratings=ratings,
        attributes=attributes,
    )
    return open_spec(spec, engine)


def read_customers(
    data: Any,
    *,
    customer_id: str | None = None,
    started_at: str | None = None,
    churned_at: str | None = None,
    valid_from: str | None = None,
    attributes: Names = (),
    date_format: Names = (),
    time_zone: str | None = None,
    sheet: str | None = None,
    engine: Engine | None = None,
) -> Source:
    """Read customers, one row each; with `valid_from` one row per version of a customer.

    Parameters
    ----------
    data : frame, Ibis table or path
        The customers.
    customer_id, started_at, churned_at, valid_from : str, optional
        Your names of these columns. Leave `churned_at` out where there is no contract.
    attributes : str or list of str
        Columns that describe the customer: segment, plan, region.
    date_format, time_zone, sheet, engine
        As for `read_surveys`, which also lists what is raised.

    Raises
    ------
    SchemaError
        If a customer stands more than once and there is no `valid_from`.

    Examples
    --------
    >>> import pandas as pd
    >>> customers = read_customers(
    ...     pd.DataFrame({"customer_id": ["a", "b"], "segment": ["home", "work"]}),
    ...     attributes="segment",
    ... )
    >>> customers.attributes
    ('segment',)
    """
    columns = given_columns(
        customer_id=customer_id,
        started_at=started_at,
        churned_at=churned_at,
        valid_from=valid_from,
    )
    spec = make_spec(
        "customers", data, columns, date_format, time_zone, sheet, attributes=attributes
    )
    return open_spec(spec, engine)


def read_churn(
    data: Any,
    *,
    customer_id: str | None = None,
    churned_at: str | None = None,
    date_format: Names = (),
    time_zone: str | None = None,
    sheet: str | None = None,
    engine: Engine | None = None,
) -> Source:
    """Read churn events, one row each; a customer may leave, come back and leave again.

    Parameters
    ----------
    data : frame, Ibis table or path
        The events.
    customer_id, churned_at : str, optional
        Your names of these columns.
    date_format, time_zone, sheet, engine
        As for `read_surveys`, which also lists what is raised.

    Examples
    --------
    >>> import pandas as pd
    >>> left = pd.DataFrame({"account": ["a"], "day": ["27-10-2024"]})
    >>> churn = read_churn(left, customer_id="account", churned_at="day", date_format="%d-%m-%Y")
    >>> str(churn.to_frame().churned_at[0])
    '2024-10-27 00:00:00'
    """
    columns = given_columns(customer_id=customer_id, churned_at=churned_at)
    return open_spec(make_spec("churn", data, columns, date_format, time_zone, sheet), engine)


def read_revenue(
    data: Any,
    *,
    customer_id: str | None = None,
    booked_at: str | None = None,
    amount: str | None = None,
    currency: str | None = None,
    date_format: Names = (),
    time_zone: str | None = None,
    sheet: str | None = None,
    engine: Engine | None = None,
) -> Source:
    """Read a ledger, one row per booking; refunds are negative.

    Parameters
    ----------
    data : frame, Ibis table or path
        The bookings.
    customer_id, booked_at, amount : str, optional
        Your names of these columns.
    currency : str, optional
        ISO 4217 code of the amounts.
    date_format, time_zone, sheet, engine
        As for `read_surveys`, which also lists what is raised.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"customer_id": ["a"], "paid_at": ["2026-03-01"], "amount": [9.99]})
    >>> read_revenue(frame, booked_at="paid_at", currency="EUR").to_frame().amount_units[0]
    np.int64(99900)
    """
    columns = given_columns(customer_id=customer_id, booked_at=booked_at, amount=amount)
    spec = make_spec("revenue", data, columns, date_format, time_zone, sheet)
    return open_spec(spec, engine, currency)


def read_subscriptions(
    data: Any,
    *,
    customer_id: str | None = None,
    started_at: str | None = None,
    ended_at: str | None = None,
    monthly_amount: str | None = None,
    currency: str | None = None,
    date_format: Names = (),
    time_zone: str | None = None,
    sheet: str | None = None,
    engine: Engine | None = None,
) -> Source:
    """Read recurring amounts over an interval, one row per subscription.

    Parameters
    ----------
    data : frame, Ibis table or path
        The subscriptions. One that has not ended has no `ended_at`.
    customer_id, started_at, ended_at, monthly_amount : str, optional
        Your names of these columns.
    currency : str, optional
        ISO 4217 code of the amounts.
    date_format, time_zone, sheet, engine
        As for `read_surveys`, which also lists what is raised.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"customer_id": ["a"], "started_at": ["2026-03-01"], "mrr": [49]})
    >>> sorted(read_subscriptions(frame, monthly_amount="mrr").columns)
    ['customer_id', 'monthly_units', 'started_at']
    """
    columns = given_columns(
        customer_id=customer_id,
        started_at=started_at,
        ended_at=ended_at,
        monthly_amount=monthly_amount,
    )
    spec = make_spec("subscriptions", data, columns, date_format, time_zone, sheet)
    return open_spec(spec, engine, currency)


def read_interactions(
    data: Any,
    *,
    customer_id: str | None = None,
    started_at: str | None = None,
    stage: str | None = None,
    first_response_at: str | None = None,
    first_response_minutes: str | None = None,
    resolved_at: str | None = None,
    resolve_by: str | None = None,
    issue: str | None = None,
    first_contact_resolution: str | None = None,
    handle_seconds: str | None = None,
    talk_seconds: str | None = None,
    hold_seconds: str | None = None,
    follow_up_seconds: str | None = None,
    agent: str | None = None,
    date_format: Names = (),
    time_zone: str | None = None,
    sheet: str | None = None,
    engine: Engine | None = None,
) -> Source:
    """Read contacts, tickets, visits or deliveries, one row each.

    Parameters
    ----------
    data : frame, Ibis table or path
        The interactions.
    customer_id, started_at : str, optional
        Your names of these columns.
    stage, first_response_at, first_response_minutes, resolved_at, resolve_by, issue, \
first_contact_resolution, handle_seconds, talk_seconds, hold_seconds, follow_up_seconds, \
agent : str, optional
        Your names of columns that may be there: journey stage, times and durations of service, the
        promised time, what makes two contacts one issue, who helped.
    date_format, time_zone, sheet, engine
        As for `read_surveys`, which also lists what is raised.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"customer_id": ["a"], "started_at": ["2026-03-01"]})
    >>> frame["talk_seconds"] = 95
    >>> read_interactions(frame).to_frame().handle_seconds.tolist()
    [95.0]
    """
    columns = given_columns(
        customer_id=customer_id,
        started_at=started_at,
        stage=stage,
        first_response_at=first_response_at,
        first_response_minutes=first_response_minutes,
        resolved_at=resolved_at,
        resolve_by=resolve_by,
        issue=issue,
        first_contact_resolution=first_contact_resolution,
        handle_seconds=handle_seconds,
        talk_seconds=talk_seconds,
        hold_seconds=hold_seconds,
        follow_up_seconds=follow_up_seconds,
        agent=agent,
    )
    return open_spec(
        make_spec("interactions", data, columns, date_format, time_zone, sheet), engine
    )


def read_invitations(
    data: Any,
    *,
    customer_id: str | None = None,
    invited_at: str | None = None,
    invitation_id: str | None = None,
    date_format: Names = (),
    time_zone: str | None = None,
    sheet: str | None = None,
    engine: Engine | None = None,
) -> Source:
    """Read who was asked and when, one row per invitation.

    Parameters
    ----------
    data : frame, Ibis table or path
        The invitations.
    customer_id, invited_at, invitation_id : str, optional
        Your names of these columns.
    date_format, time_zone, sheet, engine
        As for `read_surveys`, which also lists what is raised.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"customer_id": ["a"], "sent_at": ["2026-03-01 09:00"]})
    >>> read_invitations(frame, invited_at="sent_at").n_rows
    1
    """
    columns = given_columns(
        customer_id=customer_id, invited_at=invited_at, invitation_id=invitation_id
    )
    return open_spec(make_spec("invitations", data, columns, date_format, time_zone, sheet), engine)

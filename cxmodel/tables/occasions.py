"""Occasions to answer: when customers could have answered, and whether they did (methods 4).

With invitations every invitation is an occasion, at the moment it was sent. Without, time is cut
into periods of 28 days, and every customer at risk at the beginning of one (a landmark) has an
occasion there. An occasion is joined like a response: what was known before it, and what came after
it, by the same windows. What came after begins when the occasion is over, so that nobody counts as
silent who had left before they could answer.

Where customers times landmarks are too many, customers are sampled by a digest of their ids, which
is the same on every engine; the occasions that were answered are all kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cxmodel.results import NotRun
from cxmodel.tables.joining.columns import Column, stored_table
from cxmodel.tables.joining.observation_columns import observation_columns
from cxmodel.tables.joining.observation_frame import observation_frame
from cxmodel.tables.joining.observation_join import ObservationJoin
from cxmodel.tables.joining.probes import (
    invitation_probes,
    landmark_probes,
    share_near_events,
    with_events_nearby,
)
from cxmodel.tables.joining.stored import StoredObservations
from cxmodel.tables.observation_table import Observations, Windows
from cxmodel.tables.sources import Source, Sources

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    from cxmodel.tables.joining.scratch import Scratch

Population = Literal["invited", "at_risk"]
MOST_OCCASIONS = 200_000
MOSTLY = 0.5
ANSWERED, SAMPLED = "_answered", "_is_sampled"


@dataclass(frozen=True, kw_only=True)
class OccasionSettings:
    """Whom the answers should stand for, and how occasions to answer are made.

    Parameters
    ----------
    population : {"invited", "at_risk"}, optional
        Default: the invited where there are invitations, else customers at risk.
    landmark_days : int
        Days from one landmark to the next.
    within_days : int
        Days after an invitation within which an answer counts.
    most_occasions : int
        Beyond so many customers are sampled.
    seed : int
        Of that sample.
    """

    population: Population | None = None
    landmark_days: int = 28
    within_days: int = 30
    most_occasions: int = MOST_OCCASIONS
    seed: int = 20_261_121

    def __post_init__(self) -> None:
        for name in ("landmark_days", "within_days", "most_occasions"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}.")


@dataclass(frozen=True, eq=False, kw_only=True)
class Occasions:
    """The occasions to answer of a study.

    Parameters
    ----------
    population : {"invited", "at_risk"}
        Whose they are.
    obs : Observations
        One row an occasion, in order of customer and time, without ratings. ``_answered`` says
        whether it was answered, ``_is_sampled`` whether it belongs to the sample of customers.
    of_response : array of int (n_observations,)
        The occasion that each observation answers, as a place in ``obs.frame``; -1 for none.
    period_days : int
        How long an occasion lasts.
    sample_rate : float
        The share of customers sampled.
    share_near_events : float or None
        The share of responses within 2 days after a booking or contact; None where the study has
        neither.
    follows_events : bool
        Whether these are over half: then only customers with a booking or contact in the period
        have an occasion.
    """

    population: Population
    obs: Observations
    of_response: NDArray[np.int64]
    period_days: int
    sample_rate: float = 1.0
    share_near_events: float | None = None
    follows_events: bool = False

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which occasions were answered."""
        return self.obs.frame[ANSWERED].to_numpy(dtype=bool)

    @property
    def sampled(self) -> NDArray[np.bool_]:
        """Which occasions are of customers in the sample."""
        return self.obs.frame[SAMPLED].to_numpy(dtype=bool)

    @property
    def words(self) -> str:
        """Name the population as a reader would."""
        if self.population == "invited":
            return "the customers who were invited"
        if self.follows_events:
            return "customers after a booking or contact"
        return "customers at risk"


def find_occasions(
    join: ObservationJoin,
    obs: Observations,
    people: ir.Table | None,
    settings: OccasionSettings,
    scratch: Scratch,
    *,
    units_per_money: int,
) -> Occasions | NotRun:
    """Make the occasions of a study from what its responses were joined to.

    Parameters
    ----------
    join : ObservationJoin
        Of the responses; its tables must still be there.
    obs : Observations
        The responses, on the engine.
    people : ibis table, optional
        Everyone known (``customer_id``).
    settings : OccasionSettings
        Which occasions.
    scratch : Scratch
        Keeps tables while this runs.
    units_per_money : int
        Whole units in one unit of currency.

    Returns
    -------
    Occasions or NotRun
        Not run where nobody is known who did not answer.
    """
    reason = _why_not(join, obs, people, settings)
    if reason or people is None:
        return NotRun(reason or "nobody is known who did not answer")
    is_invited = _is_invited(join, settings)
    near = share_near_events(join)
    follows = not is_invited and near is not None and near > MOSTLY
    if is_invited:
        probes = invitation_probes(join, people, settings)
    else:
        probes = landmark_probes(join, people, settings)
    kept = scratch.keep(probes.table, "occasions")
    if follows:
        kept = scratch.keep(with_events_nearby(join, kept, settings.landmark_days), "occasions")
    period = settings.within_days if is_invited else settings.landmark_days
    joined = _joined(join, kept, period, probes.first_at, scratch, at_risk_only=not is_invited)
    frame, order = _frame_of(joined, kept, units_per_money)
    return Occasions(
        population="invited" if is_invited else "at_risk",
        obs=_described(joined, obs, frame),
        of_response=_of_response(join, obs, probes.links(kept), order),
        period_days=period,
        sample_rate=probes.sample_rate,
        share_near_events=near,
        follows_events=follows,
    )


def _is_invited(join: ObservationJoin, settings: OccasionSettings) -> bool:
    if settings.population is not None:
        return settings.population == "invited"
    return join.invitations is not None


def _why_not(
    join: ObservationJoin,
    obs: Observations,
    people: ir.Table | None,
    settings: OccasionSettings,
) -> str:
    if obs.n_obs == 0:
        return "there is no response that meets a customer"
    if people is None:
        return (
            "nobody is known who did not answer: add sources.customers, or a ledger of bookings or "
            "subscriptions"
        )
    if _is_invited(join, settings):
        if join.invitations is None:
            return "there are no invitations: add sources.invitations, or take customers at risk"
        if not join.invitations.can_match:
            return "no answer can be given to an invitation: map customer_id or invitation_id"
    return ""


@dataclass(frozen=True, eq=False)
class _Joined:
    """Occasions joined on the engine, and what describes them."""

    join: ObservationJoin
    table: ir.Table
    columns: tuple[Column, ...]
    attributes: tuple[str, ...]


def _joined(
    join: ObservationJoin,
    probes: ir.Table,
    period: int,
    first_at: Any,
    scratch: Scratch,
    *,
    at_risk_only: bool,
) -> _Joined:
    """Join occasions as if they were responses; outcomes begin when the occasion is over."""
    windows = replace(join.windows, gap_days=max(join.windows.gap_days, period))
    calendar = join.horizon.calendar
    calendar = replace(calendar, low=min(calendar.low, first_at))
    of_probes = ObservationJoin(
        sources=_sources_of(join.sources, probes),
        windows=windows,
        horizon=replace(join.horizon, calendar=calendar),
        responses=probes.select("row_number", "customer_id", "responded_at"),
        wanted_plan=join.wanted_plan,
    )
    customers = join.sources.get("customers")
    attributes = () if customers is None else customers.attributes
    rows = of_probes.joined()
    columns = [
        each
        for each in observation_columns(of_probes, rows, rating=None, attributes=attributes)
        if not each.column.name.startswith(_not_needed(windows))
    ]
    stored = stored_table(rows, columns)
    if at_risk_only:
        stored = stored.filter((stored["_status"] == "ok") & stored["_at_risk"])
    layout = (*(each.column for each in columns), Column("row_number", "number"))
    return _Joined(of_probes, scratch.keep(stored, "occasion_rows"), layout, attributes)


def _not_needed(windows: Windows) -> tuple[str, ...]:
    """Name the columns that only the check of timing reads."""
    names = ("_revenue_after_g", "_churned_g", "_complete_g", "_present_g")
    return tuple(f"{name}{gap}" for name in names for gap in windows.timing_gaps)


def _sources_of(sources: Sources, probes: ir.Table) -> Sources:
    """Put occasions in the place of responses."""
    stand_in = Source(
        kind="surveys",
        label="occasions",
        session=sources.session,
        table=probes,
        columns=frozenset({"customer_id", "responded_at"}),
        n_rows=0,
    )
    others: Mapping[str, Source] = {
        kind: source for kind, source in sources.by_kind.items() if kind != "invitations"
    }
    return replace(sources, by_kind={**others, "surveys": stand_in})


def _frame_of(
    joined: _Joined, probes: ir.Table, units_per_money: int
) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Take the occasions out of the engine, with whether they were answered; and their numbers."""
    session = joined.join.sources.session
    stored = StoredObservations(
        session,
        joined.table,
        n_rows=0,
        columns=joined.columns,
        order=("customer_id", "responded_at", "row_number"),
        dress=partial(
            observation_frame,
            columns=joined.columns,
            scale=None,
            units_per_money=units_per_money,
        ),
    )
    frame = stored.frame
    flags = session.arrow(probes.select("row_number", ANSWERED, SAMPLED)).to_pandas()
    flags = flags.set_index("row_number")
    order = frame.pop("row_number").to_numpy(dtype=np.int64)
    for name in (ANSWERED, SAMPLED):
        frame[name] = flags[name].reindex(order).to_numpy(dtype=bool)
    return frame, order


def _described(joined: _Joined, obs: Observations, frame: pd.DataFrame) -> Observations:
    dated = obs.audit.get("dated_after_response") or {}
    attributes = tuple(name for name in joined.attributes if not dated.get(name))
    return replace(
        obs,
        frame=frame,
        windows=joined.join.windows,
        rating=None,
        scale=None,
        attributes=attributes,
        customer_attributes=attributes,
        other_ratings=(),
        audit={},
    )


def _of_response(
    join: ObservationJoin, obs: Observations, links: ir.Table, order: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Give each observation, in order, the place of its occasion; -1 for none."""
    import pandas as pd

    session = join.sources.session
    found = session.arrow(links.select("row_number", "occasion")).to_pandas()
    numbers = pd.Series(obs.row_numbers)
    occasion = numbers.map(found.drop_duplicates("row_number").set_index("row_number")["occasion"])
    places = pd.Series(np.arange(len(order)), index=order)
    return occasion.map(places).fillna(-1).to_numpy(dtype=np.int64)

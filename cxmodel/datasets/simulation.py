"""A simulated company's tables, as frames, with what is true of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxmodel.datasets import files
from cxmodel.datasets.calendar import AS_OF, END, WINDOW_DAYS
from cxmodel.datasets.company import Answers, Company, live
from cxmodel.datasets.people import RESOLVE_WITHIN, Asked, Contacts
from cxmodel.datasets.truth import true_values
from cxmodel.datasets.value_truth import (
    ANNUAL_DISCOUNT_RATE,
    GROSS_MARGIN,
    HORIZON_MONTHS,
    true_value_change,
)
from cxmodel.datasets.worlds import PLANS, REGIONS, SEGMENTS, TOUCHPOINTS, find_world

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

KINDS = ("billing", "fault", "delivery")
MISSING_RATINGS, MISSING_EASE = 0.03, 0.08
FLAWS_PER_RESPONSE = 0.002  # so many responses are stored twice, and as many come from nobody known


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Simulation:
    """A company's tables, with the truth about them.

    The frames carry cxmodel's own column names, so they go straight into the readers; `write` gives
    the files a company's own names and the configuration that maps them.

    Attributes
    ----------
    surveys, customers, revenue, interactions, invitations : pandas.DataFrame
        Times are naive UTC; amounts in `settings` ``["currency"]``, refunds negative.
    truth : dict
        Path in ``results.json`` -> true value; see ``cxmodel/datasets/truth.py``.
    settings : dict
        What the configuration of the study says.
    """

    surveys: pd.DataFrame
    customers: pd.DataFrame
    revenue: pd.DataFrame
    interactions: pd.DataFrame
    invitations: pd.DataFrame
    truth: Mapping[str, float]
    settings: Mapping[str, Any]

    def __repr__(self) -> str:
        return (
            f"<Simulation: {len(self.customers):,} customers, {len(self.surveys):,} responses, "
            f"{len(self.revenue):,} bookings>"
        )

    def write(self, out_dir: str | Path, *, format: Literal["parquet", "csv"] = "parquet") -> Path:
        """Write the tables, ``truth.json`` and a ready ``cxmodel.toml`` into a folder.

        Customers and tickets are always CSV; surveys, bookings and invitations are Parquet unless
        `format` says otherwise. Equal simulations give equal bytes.

        Returns
        -------
        Path
            The configuration file.

        Raises
        ------
        ValueError
            If the format is unknown.
        """
        tables = {
            "surveys": self.surveys,
            "customers": self.customers,
            "revenue": self.revenue,
            "interactions": self.interactions,
            "invitations": self.invitations,
        }
        return files.write_study(
            Path(out_dir),
            tables,
            truth=self.truth,
            configuration=partial(files.company_configuration, self.settings),
            file_format=format,
        )


def simulate(n_customers: int = 5_000, seed: int = 1, world: str = "demo") -> Simulation:
    """Simulate a company: customers, bookings, contacts, invitations and answers.

    Three years of bookings, about 40 a customer, and a year and a half of answers, about 1.2 a
    customer. What a rating does is known, because it was put in; everything else that drives
    ratings, spending and leaving is known to the company before the answer.

    Parameters
    ----------
    n_customers : int
        How many customers, 10 or more.
    seed : int
        The same seed gives the same tables.
    world : str
        A key of `cxmodel.datasets.WORLDS`: ``"demo"``, ``"clean"``, ``"confounded"``,
        ``"no_effect"``, ``"heterogeneous"``, ``"decision_before_answer"`` or ``"older_revenue"``.

    Raises
    ------
    ValueError
        If there are under 10 customers or the world is unknown.

    Examples
    --------
    >>> sim = simulate(n_customers=200, seed=7)
    >>> sim.surveys.columns.tolist()
    ['customer_id', 'responded_at', 'nps', 'ease', 'touchpoint']
    >>> 10 < sim.truth["lift.revenue.per_rating_point"] < 17
    True
    """
    if n_customers < 10:
        raise ValueError(f"A company needs 10 customers or more, not {n_customers}.")
    chosen = find_world(world)
    company = live(chosen, n_customers, seed)
    rng = np.random.default_rng([seed, 1])
    is_rated = np.ones(len(company.answers.at), dtype=bool)
    if chosen.has_flaws:
        is_rated = rng.random(len(company.answers.at)) >= MISSING_RATINGS
    ids = _names("C", n_customers)
    surveys = _survey_frame(company.answers, ids, is_rated)
    revenue = _revenue_frame(company, ids)
    if chosen.has_flaws:
        surveys = _with_flaws(surveys, rng)
        revenue = _with_strangers(revenue, rng)
    return Simulation(
        surveys=surveys,
        customers=_customer_frame(company, ids),
        revenue=revenue,
        interactions=_contact_frame(company.contacts, ids),
        invitations=_invitation_frame(company.asked, company.left, ids),
        truth=true_values(company, is_rated) | true_value_change(company, is_rated),
        settings=_settings(n_customers, seed, world),
    )


def _names(letter: str, n: int) -> npt.NDArray[np.object_]:
    width = max(6, len(str(n)))
    return np.array([f"{letter}{number:0{width}d}" for number in range(1, n + 1)], dtype=object)


def _labels(codes: Ints, names: tuple[str, ...]) -> pd.Series[str]:
    return pd.Series(np.array(names, dtype=object)[codes], dtype="str")


def _ids(ids: npt.NDArray[np.object_], customer: Ints) -> pd.Series[str]:
    # Taking from an Arrow-backed column is far quicker than making as many Python strings.
    return pd.Series(ids, dtype="str").take(customer).reset_index(drop=True)


def _times(at: Ints, *, known: Bools | None = None) -> pd.Series[pd.Timestamp]:
    times = pd.Series(at.astype("datetime64[s]").astype("datetime64[us]"))
    return times if known is None else times.where(known)


def _survey_frame(answers: Answers, ids: npt.NDArray[np.object_], is_rated: Bools) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": _ids(ids, answers.customer),
            "responded_at": _times(answers.at),
            "nps": pd.Series(answers.rating).astype("Int64").where(is_rated),
            "ease": pd.Series(answers.ease).astype("Int64"),
            "touchpoint": _labels(answers.touchpoint, TOUCHPOINTS),
        }
    )


def _with_flaws(surveys: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Leave some ease out, store some responses twice and let strangers answer."""
    surveys = surveys.assign(ease=surveys["ease"].where(rng.random(len(surveys)) >= MISSING_EASE))
    n_flaws = max(1, round(FLAWS_PER_RESPONSE * len(surveys)))
    twice = surveys.iloc[np.sort(rng.integers(0, len(surveys), n_flaws))]
    strangers = surveys.iloc[rng.integers(0, len(surveys), n_flaws)]
    strangers = strangers.assign(customer_id=_names("X", n_flaws))
    together = pd.concat([surveys, twice, strangers], ignore_index=True)
    return together.sort_values(["responded_at", "customer_id"], kind="stable", ignore_index=True)


def _with_strangers(revenue: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Add bookings of customers who are in no other table."""
    n_strange = max(1, round(0.0005 * len(revenue)))
    strange = revenue.iloc[rng.integers(0, len(revenue), n_strange)]
    names = _names("Y", n_strange // 4 + 1)
    strange = strange.assign(customer_id=names[rng.integers(0, len(names), n_strange)])
    return pd.concat([revenue, strange], ignore_index=True)


def _revenue_frame(company: Company, ids: npt.NDArray[np.object_]) -> pd.DataFrame:
    bookings = company.bookings
    return pd.DataFrame(
        {
            "customer_id": _ids(ids, bookings.customer),
            "booked_at": _times(bookings.at),
            "amount": bookings.cents / 100,
        }
    )


def _customer_frame(company: Company, ids: npt.NDArray[np.object_]) -> pd.DataFrame:
    people, left = company.people, company.left
    return pd.DataFrame(
        {
            "customer_id": pd.Series(ids, dtype="str"),
            "started_at": _times(people.started),
            "churned_at": _times(np.minimum(left, END), known=left < END),
            "segment": _labels(people.segment, SEGMENTS),
            "plan": _labels(people.plan, PLANS),
            "region": _labels(people.region, REGIONS),
        }
    )


def _contact_frame(contacts: Contacts, ids: npt.NDArray[np.object_]) -> pd.DataFrame:
    agents = tuple(f"A{number:02d}" for number in range(1, 25))
    return pd.DataFrame(
        {
            "customer_id": _ids(ids, contacts.customer),
            "started_at": _times(contacts.at),
            "stage": _labels(contacts.kind, KINDS),
            "first_response_at": _times(
                contacts.first_response, known=contacts.first_response < END
            ),
            "resolved_at": _times(contacts.resolved, known=contacts.resolved < END),
            "resolve_by": _times(contacts.at + RESOLVE_WITHIN),
            "first_contact_resolution": contacts.settled_first_time,
            "handle_seconds": contacts.handle_seconds,
            "agent": _labels(contacts.agent, agents),
        }
    )


def _invitation_frame(asked: Asked, left: Ints, ids: npt.NDArray[np.object_]) -> pd.DataFrame:
    was_there = asked.at < left[asked.customer]
    return pd.DataFrame(
        {
            "customer_id": _ids(ids, asked.customer[was_there]),
            "invited_at": _times(asked.at[was_there]),
        }
    )


def _settings(n_customers: int, seed: int, world: str) -> dict[str, Any]:
    return {
        "title": "What a point of NPS is worth",
        "world": world,
        "seed": seed,
        "n_customers": n_customers,
        "currency": "USD",
        "as_of": AS_OF,
        "lookback_days": WINDOW_DAYS,
        "outcome_days": WINDOW_DAYS,
        "gross_margin": GROSS_MARGIN,
        "annual_discount_rate": ANNUAL_DISCOUNT_RATE,
        "horizon_months": HORIZON_MONTHS,
        "target_nps": 10,
    }

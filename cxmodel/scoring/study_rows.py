"""The rows of a study that a stored model scores on a day, whatever kind of model it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxmodel.models.churn.stored import StoredChurnModel
from cxmodel.models.retention.covariates_result import RetentionByCovariates
from cxmodel.models.retention.hazard_result import HazardResult
from cxmodel.scoring.active import customers_have, everyone
from cxmodel.scoring.asked_day import AskedDay, tables_of
from cxmodel.scoring.contracts import contracts_on
from cxmodel.scoring.customers import CustomersAt, customers_at
from cxmodel.scoring.hazards import Clock, clock_notes, on_the_clock
from cxmodel.scoring.purchasers import purchasers_at
from cxmodel.scoring.row_models import RowScorer
from cxmodel.tables.sources import Sources
from cxmodel.value.cltv.rules import ContractRule
from cxmodel.value.cltv.stored import StoredCltvModel

if TYPE_CHECKING:
    import pandas as pd


def rows_on(
    model: StoredChurnModel | RowScorer, sources: Sources, asked: AskedDay
) -> tuple[pd.DataFrame, list[str]]:
    """Give the customers of a day with the columns of a model, and what a reader must know.

    Parameters
    ----------
    model : StoredChurnModel or RowScorer
        What scores.
    sources : Sources
        Of the study, on one engine.
    asked : AskedDay
        The day.

    Returns
    -------
    pandas.DataFrame
        ``customer_id`` and the columns of the model, in order of the customer.
    list of str
        Sentences; none names a customer.

    Raises
    ------
    ConfigError, SourceError, SchemaError
        If the study does not say what the model looks at, or not for that day.
    """
    found: CustomersAt
    if isinstance(model, StoredChurnModel):
        found = customers_at(sources, model, **asked.when, answer_days=asked.answer_days)
        said = _churn_notes(found, asked)
    elif (clock := _clock_of(model)) is not None:
        found = on_the_clock(clock, sources, asked)
        said = clock_notes(clock, found, asked)
    elif (rule := _contract_of(model)) is not None:
        found, said = contracts_on(rule, sources, asked)
    else:
        frame = purchasers_at(sources, model, **asked.when)
        return frame, [*_never_bought(sources, frame, asked), *_seen_later(model, asked)]
    others = found.others.sentences(asked.at)
    return found.frame, [*others, *said, *_seen_later(model, asked)]


def _never_bought(sources: Sources, frame: pd.DataFrame, asked: AskedDay) -> list[str]:
    """Say how many customers have no purchase that lasted, and so no history."""
    people = everyone(tables_of(sources))
    n_all = int(sources.session.one_row(people.aggregate(n=people.count()))["n"])
    n_without = n_all - len(frame)
    if not n_without:
        return []
    return [f"{customers_have(n_without)} no purchase up to {asked.at}: not scored."]


def _seen_later(model: StoredChurnModel | RowScorer, asked: AskedDay) -> list[str]:
    """Warn of a day that lies within the data that the model was fitted to."""
    until = model.file.created_at
    if until is None or asked.at >= until:
        return []
    return [
        f"Warning: the model was fitted to data up to {until}, so it knows what came after "
        f"{asked.at}: its numbers for that day show nothing of how well it foretells."
    ]


def looks_at_answers(model: StoredChurnModel | RowScorer) -> bool:
    """Say whether a model looks at the latest answer, whose age matters."""
    if isinstance(model, StoredChurnModel):
        return True
    clock = _clock_of(model)
    return clock is not None and clock.answer == "last"


def _clock_of(scorer: RowScorer) -> Clock | None:
    if isinstance(scorer.model, HazardResult):
        return Clock.of_hazard(scorer.model)
    if isinstance(scorer.model, RetentionByCovariates):
        return Clock.of_retention(scorer.model)
    return None


def _contract_of(scorer: RowScorer) -> ContractRule | None:
    stored = scorer.model
    if isinstance(stored, StoredCltvModel) and isinstance(stored.rule, ContractRule):
        return stored.rule
    return None


def _churn_notes(found: CustomersAt, asked: AskedDay) -> list[str]:
    """Say who has no answer, and how old the answers of the others are."""
    ages, days, said = found.answers, asked.answer_days, []
    if ages is None:
        return []
    if found.n_without_answer:
        when = f"in the {days:,} days up to {asked.at}" if days else f"up to {asked.at}"
        said.append(
            f"{customers_have(found.n_without_answer)} no answer {when}: the model stands on what "
            "else is known of them."
        )
    if ages.n:
        said.append(
            f"The answers are {ages.mean_days:,.0f} days old on average; where the model was "
            "fitted each was of the day itself."
        )
        if ages.n_older:
            said.append(
                f"Warning: the last answer of {ages.n_older:,} of {ages.n:,} customers is older "
                f"than the {ages.lookback_days:,} days that the model looks back, so what they "
                f"said then need not hold now. Ask again, or let such answers count as none: "
                f"--answer-days {ages.lookback_days}."
            )
    return said

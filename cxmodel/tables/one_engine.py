"""Bring the tables of a join onto one engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cxmodel.errors import ConfigError, EngineError
from cxmodel.tables.engines.engine import default_session
from cxmodel.tables.sources import Source, Sources


def one_engine(by_kind: Mapping[str, Source], currency: str | None = None) -> Sources:
    """Bring sources onto one engine: that of the tables that a user brought, if any.

    Raises
    ------
    EngineError
        If tables live on two engines that users brought.
    ConfigError
        If amounts are in different currencies.
    """
    sessions = {id(s.session): s.session for s in by_kind.values()}
    brought = [s for s in sessions.values() if s is not default_session()]
    if len(brought) > 1:
        raise EngineError(
            f"The tables live on {len(brought)} engines. Read them all with the same engine=, "
            "or bring tables of one connection."
        )
    session = brought[0] if brought else default_session()
    moved = {
        kind: source
        if source.session is session
        else replace(
            source,
            session=session,
            table=session.register(source.session.arrow(source.table), kind),
        )
        for kind, source in by_kind.items()
    }
    currencies = sorted({s.currency for s in by_kind.values() if s.currency is not None})
    if len(currencies) > 1 or (currency and currencies and currencies != [currency]):
        raise ConfigError(
            f"Amounts are in {' and '.join(currencies)}"
            + (f", the study in {currency}" if currency else "")
            + ". One study has one currency: convert by sql first."
        )
    return Sources(
        session=session,
        by_kind=moved,
        currency=currency or (currencies[0] if currencies else None),
    )


def check_kinds(by_kind: Mapping[str, Source]) -> None:
    """Refuse what is no source, or a source of another kind.

    Raises
    ------
    TypeError
        Naming the reader to use.
    """
    for kind, source in by_kind.items():
        if not isinstance(source, Source):
            raise TypeError(
                f"{kind} must come from cxmodel.read_{kind}, not {type(source).__name__}."
            )
        if source.kind != kind:
            raise TypeError(f"{kind} was read as {source.kind}: use cxmodel.read_{kind}.")

"""Guess which table is what, and which of its columns is what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cxmodel.init_config import words as w
from cxmodel.init_config.guess import Chooser, Guess
from cxmodel.init_config.keys import Key
from cxmodel.init_config.profile import Column, Table
from cxmodel.init_config.ratings import find_ratings, find_unnamed_ratings
from cxmodel.init_config.words import Sureness, words

_MAX_ATTRIBUTE_LEVELS = 50


def guess_kinds(table: Table, keys: Sequence[Key], joined: Sequence[Table]) -> list[Guess]:
    """List what a table may be.

    Parameters
    ----------
    table : Table
        The table.
    keys : sequence of Key
        Columns that may name the person, its own and joined ones.
    joined : sequence of Table
        Tables that can be joined to it without multiplying rows.
    """
    makers = (
        _surveys,
        _invitations,
        _churn,
        _subscriptions,
        _revenue,
        _interactions,
        _customers,
        _observations,
    )
    guesses = [make(table, tuple(keys), joined) for make in makers]
    return [guess for guess in guesses if guess is not None]


def _label_fits(table: Table, wanted: frozenset[str]) -> float:
    return 3.0 if words(table.label) & wanted else 0.0


def _ends(keys: Sequence[Key]) -> bool:
    return any(not key.steps for key in keys)


def _surveys(table: Table, keys: tuple[Key, ...], joined: Sequence[Table]) -> Guess | None:
    ratings = [rating for rating in find_ratings(table) if not rating.is_touchpoint]
    if not ratings and _ends(keys):
        ratings = find_unnamed_ratings(table, {key.column for key in keys})
    chooser = Chooser(table, joined)
    if not ratings or not chooser.take(
        "responded_at", w.RESPONDED, "date", without=("first", "creation", "purchase")
    ):
        return None
    answered = {rating.column for rating in ratings}
    chooser.take("touchpoint", w.TOUCHPOINT, "text")
    chooser.take("agent", w.AGENT, "text")
    chooser.take("comment", w.COMMENT, "text", without=answered)
    return Guess(
        kind="surveys",
        table=table,
        score=chooser.score + _label_fits(table, w.SURVEY_WORDS) + 2 * len(ratings),
        keys=keys,
        picks=tuple(chooser.picks),
        ratings=tuple(ratings),
    )


def _invitations(table: Table, keys: tuple[Key, ...], joined: Sequence[Table]) -> Guess | None:
    chooser = Chooser(table)
    if not _ends(keys) or not chooser.take("invited_at", w.INVITED, "date"):
        return None
    if not words(table.label) & w.INVITATION_WORDS and chooser.score < 2:
        return None
    score = chooser.score + _label_fits(table, w.INVITATION_WORDS)
    return Guess(
        kind="invitations", table=table, score=score, keys=keys, picks=tuple(chooser.picks)
    )


def _churn(table: Table, keys: tuple[Key, ...], joined: Sequence[Table]) -> Guess | None:
    chooser = Chooser(table)
    is_named = bool(words(table.label) & w.CHURN_DATE)
    if not _ends(keys) or not is_named:
        return None
    if not chooser.take("churned_at", w.CHURNED, "date"):
        return None
    return Guess(
        kind="churn", table=table, score=chooser.score + 3, keys=keys, picks=tuple(chooser.picks)
    )


def _subscriptions(table: Table, keys: tuple[Key, ...], joined: Sequence[Table]) -> Guess | None:
    chooser = Chooser(table)
    has_interval = chooser.take("started_at", w.SUBSCRIPTION_START, "date") and chooser.take(
        "ended_at", w.SUBSCRIPTION_END, "date"
    )
    if not _ends(keys) or not has_interval:
        return None
    if not chooser.take("monthly_amount", w.MONTHLY_AMOUNT, "number", without=w.NOT_AN_AMOUNT):
        return None
    return Guess(
        kind="subscriptions",
        table=table,
        score=chooser.score + _label_fits(table, w.SUBSCRIPTION_WORDS),
        keys=keys,
        picks=tuple(chooser.picks),
    )


def _revenue(table: Table, keys: tuple[Key, ...], joined: Sequence[Table]) -> Guess | None:
    chooser = Chooser(table, joined)
    if not keys or not chooser.take(
        "booked_at",
        w.BOOKED,
        "date",
        without=("limit", "delivered", "delivery", "churn"),
        joined=True,
    ):
        return None
    times = _price_times_quantity(table)
    if times is not None:
        note = "price times quantity, by sql"
        chooser.put("amount", "amount", "likely", note=note)
    elif not chooser.take("amount", w.AMOUNT_RULES, "number", without=w.NOT_AN_AMOUNT):
        return None
    return Guess(
        kind="revenue",
        table=table,
        score=chooser.score + _label_fits(table, w.LEDGER_WORDS),
        keys=keys,
        picks=tuple(chooser.picks),
        times=times,
    )


def _price_times_quantity(table: Table) -> tuple[str, str] | None:
    """Find a price of one and a number of pieces, where there is no amount."""
    numbers = [column.name for column in table.of_kind("number")]
    prices = [name for name in numbers if "price" in words(name)]
    pieces = [name for name in numbers if words(name) & {"quantity", "qty", "units"}]
    return (prices[0], pieces[0]) if prices and pieces else None


def _interactions(table: Table, keys: tuple[Key, ...], joined: Sequence[Table]) -> Guess | None:
    chooser = Chooser(table)
    if not keys or not chooser.take(
        "started_at", w.CONTACT_START, "date", without=("first", "delivered", "estimated", "end")
    ):
        return None
    chooser.take("resolved_at", w.RESOLVED, "date", without=("carrier", "estimated", "expected"))
    chooser.take("resolve_by", w.RESOLVE_BY, "date")
    _first_response(chooser)
    _handling(chooser)
    if len(chooser.picks) < 2 and not words(table.label) & w.TICKET_WORDS:
        return None
    chooser.take("stage", w.STAGE, "text")
    chooser.take("agent", w.AGENT, "text")
    return Guess(
        kind="interactions",
        table=table,
        score=chooser.score + _label_fits(table, w.TICKET_WORDS),
        keys=keys,
        picks=tuple(chooser.picks),
    )


def _first_response(chooser: Chooser) -> None:
    for column in chooser.table.columns:
        found = words(column.name)
        if not {"first", "response"} <= found:
            continue
        if column.kind == "date":
            chooser.put("first_response_at", column.name, "sure")
        elif column.kind == "number" and found & {"minutes", "minute", "min", "mins"}:
            chooser.put("first_response_minutes", column.name, "sure")
        else:
            continue
        return


def _handling(chooser: Chooser) -> None:
    """Pick durations in seconds, and whether the first contact solved it."""
    for column in chooser.table.columns:
        found = words(column.name)
        is_first = bool(found & {"fcr"}) or {"first", "contact"} <= found or {"at", "once"} <= found
        if column.is_flag and is_first:
            chooser.put("first_contact_resolution", column.name, "likely")
        if column.kind != "number" or not found & {"seconds", "secs", "sec", "s"}:
            continue
        for part, wanted in (("handle", {"handle", "aht"}), ("talk", {"talk"}), ("hold", {"hold"})):
            if found & wanted:
                chooser.put(f"{part}_seconds", column.name, "sure")


def _customers(table: Table, keys: tuple[Key, ...], joined: Sequence[Table]) -> Guess | None:
    own = [key for key in keys if not key.steps]
    if not any(table.column(key.column).is_unique for key in own):
        return None
    chooser = Chooser(table)
    chooser.take("started_at", w.SIGNED_UP, "date")
    chooser.take("churned_at", w.CHURNED, "date")
    attributes = _attributes(table, {pick.column for pick in chooser.picks})
    is_named = words(table.label) & w.CUSTOMER_WORDS
    if not (chooser.picks or attributes or is_named):
        return None
    if any(column.kind == "text" for column in table.columns) or chooser.picks:
        score = chooser.score + _label_fits(table, w.CUSTOMER_WORDS) + 1
        return Guess(
            kind="customers",
            table=table,
            score=score,
            keys=tuple(own),
            picks=tuple(chooser.picks),
            attributes=attributes,
        )
    return None


def _attributes(table: Table, taken: set[str]) -> tuple[str, ...]:
    """List what customers can be compared by: text of few levels that is no outcome."""
    return tuple(
        column.name
        for column in table.of_kind("text")
        if column.name not in taken
        and 2 <= column.n_distinct <= _MAX_ATTRIBUTE_LEVELS
        and not column.is_unique
        and not words(column.name) & w.NOT_AN_ATTRIBUTE
    )


def _observations(table: Table, keys: tuple[Key, ...], joined: Sequence[Table]) -> Guess | None:
    own = [key for key in keys if not key.steps]
    if own and not any(table.column(key.column).is_unique for key in own):
        return None
    chooser = Chooser(table)
    _outcomes(chooser)
    ratings = find_ratings(table)
    if not chooser.picks and len(ratings) < 2:
        return None
    score = 1.5 * chooser.score + 2 * bool(ratings) + (len(table.columns) > 10)
    taken = {pick.column for pick in chooser.picks} | {rating.column for rating in ratings}
    return Guess(
        kind="observations",
        table=table,
        score=score,
        keys=tuple(own),
        picks=tuple(chooser.picks),
        ratings=tuple(ratings),
        ignore=_ignored(table, taken, {key.column for key in own}),
    )


def _outcomes(chooser: Chooser) -> None:
    flags = [c for c in chooser.table.columns if c.is_flag and words(c.name) & w.CHURN]
    if flags:
        chooser.put("churned", flags[0].name, "sure")
    for column in chooser.table.of_kind("number"):
        found = words(column.name)
        if "tenure" in found or {"subscription", "length"} <= found:
            sureness: Sureness = "sure" if found & {"month", "months"} else "a guess"
            note = "" if sureness == "sure" else "in months? from start to churn or as_of"
            chooser.put("duration_months", column.name, sureness, note=note)
            break
    # the shortest name is the whole charge: "Avg Monthly Long Distance Charges" is a part of it
    for column in sorted(chooser.table.of_kind("number"), key=lambda c: len(words(c.name))):
        found = words(column.name)
        if found & {"monthly"} and found & {
            "charge",
            "charges",
            "revenue",
            "fee",
            "amount",
            "spend",
        }:
            chooser.put("monthly_revenue", column.name, "likely", note="for lifetime value")
            break


def _ignored(table: Table, taken: set[str], keys: set[str]) -> tuple[str, ...]:
    """List what is no control: outcomes, totals to date, places, names, contact details, ids."""
    return tuple(
        column.name
        for column in table.columns
        if column.name not in taken | keys and _is_no_control(column)
    )


def _is_no_control(column: Column) -> bool:
    found = words(column.name)
    # "Churn Reason", or a status of which one is "Churned": known only once it is over
    if found & w.CHURN or any(words(level) & w.CHURN for level in column.levels):
        return True
    if column.kind == "number":
        return bool(found & (w.TOTAL_TO_DATE | w.PLACES))
    return bool(found & (w.PERSONAL | w.PLACES)) and column.n_distinct > _MAX_ATTRIBUTE_LEVELS


def choose(guesses: Iterable[Guess]) -> tuple[list[Guess], list[Guess]]:
    """Choose one table for each kind of source: related tables, or one table already joined.

    Returns
    -------
    (list of Guess, list of Guess)
        What was chosen, and what else would have fitted.
    """
    ranked = sorted(guesses, key=lambda guess: (-guess.score, -guess.table.n_rows))
    flat = [guess for guess in ranked if guess.kind == "observations"]
    chosen: dict[str, Guess] = {}
    single: set[str] = set()
    for guess in ranked:
        # a table of tickets may hold contacts and answers; other tables are one thing only
        is_single = guess.kind in ("customers", "churn", "revenue", "subscriptions")
        if guess.kind == "observations" or guess.kind in chosen:
            continue
        if is_single and guess.table.name in single:
            continue
        chosen[guess.kind] = guess
        single |= {guess.table.name} if is_single else set()
    is_related = "surveys" in chosen or bool({"revenue", "subscriptions"} & set(chosen))
    taken = list(chosen.values()) if is_related or not flat else flat[:1]
    return taken, [guess for guess in ranked if guess not in taken]

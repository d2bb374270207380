"""Which invitations were answered, and which invitation an answer belongs to.

An answer belongs to the invitation of its ``invitation_id`` where both tables have that, else to
the latest invitation of its customer at or before it. Reminders under one id, or at one time, are
one invitation, and it was sent when the first of them was.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from cxmodel.tables.sources import Source

ANSWER_DAYS = 30
"""An answer without an invitation's id belongs to no invitation older than this (methods 4)."""
INVITED = "_invited_at"


@dataclass(frozen=True, eq=False, kw_only=True)
class Invitations:
    """The invitations of a study and the answers to them.

    Parameters
    ----------
    invitations : Source
        ``customer_id``, ``invited_at`` and perhaps ``invitation_id``.
    answers : ibis table
        Responses: ``row_number`` and either ``invitation_id`` or ``customer_id`` and
        ``responded_at``.
    ends_at : datetime, optional
        The first instant (naive UTC) that is no longer known; later invitations are left out.
    within_days : int, optional
        How many days after an invitation an answer without an id may still belong to it; None: any
        number. An id is believed whatever the times say.
    """

    invitations: Source
    answers: ir.Table
    ends_at: dt.datetime | None = None
    within_days: int | None = ANSWER_DAYS

    @property
    def by_id(self) -> bool:
        """Whether both tables say which answer belongs to which invitation."""
        return (
            "invitation_id" in self.invitations.columns and "invitation_id" in self.answers.columns
        )

    @property
    def can_match(self) -> bool:
        """Whether an answer can be given to an invitation at all."""
        return self.by_id or {"customer_id", "responded_at"} <= set(self.answers.columns)

    @cached_property
    def asked(self) -> ir.Table:
        """One row per invitation: ``customer_id``, ``invited_at``, by id also ``invitation_id``."""
        import ibis

        table = self.invitations.table
        table = table.filter(table.invited_at.notnull())
        if self.ends_at is not None:
            table = table.filter(table.invited_at < ibis.literal(self.ends_at, "timestamp(6)"))
        if not self.by_id:
            named = table.filter(table.customer_id.notnull())
            return named.select("customer_id", "invited_at").distinct()
        named = table.filter(table.invitation_id.notnull())
        return named.group_by("invitation_id").aggregate(
            customer_id=named.customer_id.min(), invited_at=named.invited_at.min()
        )

    def matched(self) -> ir.Table:
        """Give each answer its invitation: ``row_number`` and ``_invited_at``.

        An answer that belongs to none is missing.
        """
        asked = self.asked
        if self.by_id:
            ids = self.answers.select("row_number", asked_id=self.answers.invitation_id)
            found = ids.inner_join(asked, ids.asked_id == asked.invitation_id)
            return found.select("row_number", **{INVITED: found.invited_at})
        pairs = self._pairs()
        return pairs.group_by("row_number").aggregate(**{INVITED: pairs.invited_at.max()})

    def answered(self) -> ir.Table:
        """Say of each invitation whether and when it was first answered.

        Returns
        -------
        ibis table
            `asked` with ``answered_at`` (naive UTC; null without an answer, or where answers have
            no times) and ``is_answered``.
        """
        answers = self._answers_by_invitation()
        key = ["invitation_id"] if self.by_id else ["customer_id", "invited_at"]
        answers = answers.rename({f"_{name}": name for name in key})
        on = [self.asked[name] == answers[f"_{name}"] for name in key]
        joined = self.asked.left_join(answers, on)
        return joined.select(
            *self.asked.columns,
            "answered_at",
            is_answered=joined[f"_{key[0]}"].notnull(),
        )

    def _answers_by_invitation(self) -> ir.Table:
        """Give the first answer to each invitation that has one."""
        import ibis

        if not self.by_id:
            latest = self._pairs()
            latest = latest.group_by("row_number").aggregate(
                customer_id=latest.customer_id.min(),
                responded_at=latest.responded_at.min(),
                invited_at=latest.invited_at.max(),
            )
            return latest.group_by("customer_id", "invited_at").aggregate(
                answered_at=latest.responded_at.min()
            )
        answers = self.answers.filter(self.answers.invitation_id.notnull())
        if "responded_at" not in answers.columns:
            ids = answers.select("invitation_id").distinct()
            return ids.mutate(answered_at=ibis.null("timestamp(6)"))
        return answers.group_by("invitation_id").aggregate(answered_at=answers.responded_at.min())

    def _pairs(self) -> ir.Table:
        """Pair each answer with its customer's invitations at or before it."""
        import ibis

        asked = self.asked
        answers = self.answers.select("row_number", "customer_id", "responded_at")
        on = [
            answers.customer_id == asked.customer_id,
            asked.invited_at <= answers.responded_at,
        ]
        if self.within_days is not None:
            first = answers.responded_at - ibis.interval(days=self.within_days)
            on.append(asked.invited_at >= first)
        return answers.join(asked, on).select(
            "row_number", "customer_id", "responded_at", "invited_at"
        )

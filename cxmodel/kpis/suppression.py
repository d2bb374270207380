"""Which small groups are not shown, so that nobody is read out of a table and its totals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cxmodel.kpis.groups import MISSING_GROUP, Slot

TOTAL = Slot()


def suppressed_slots(sizes: Mapping[Slot, int], min_group_size: int) -> set[Slot]:
    """Choose the slots that are not shown.

    A slot under `min_group_size` rows is suppressed. Where exactly one of the groups of a column,
    or one of the periods and the whole of a group, is suppressed, it would follow from the others:
    so the next smallest goes too, until nowhere a single one is missing. The total over everything
    is always shown. Periods over all groups are suppressed only by their own size: a gap in the
    trend would cost more than one small period is worth. Rows whose group is not known are no
    group: they are hidden when few, but take no group of customers with them.

    Parameters
    ----------
    sizes : mapping of Slot to int
        Rows of each slot, of one KPI.
    min_group_size : int
        Smallest number of rows that is shown.

    Examples
    --------
    >>> sizes = {Slot(): 205, Slot("plan", "a"): 5, Slot("plan", "b"): 80, Slot("plan", "c"): 120}
    >>> sorted(slot.value for slot in suppressed_slots(sizes, 30))
    ['a', 'b']
    """
    hidden = {slot for slot, n in sizes.items() if n < min_group_size and slot != TOTAL}
    families = _families(sizes)
    changed = True
    while changed:
        changed = False
        for siblings in families:
            shown = [slot for slot in siblings if slot not in hidden]
            if len(siblings) - len(shown) == 1 and shown:
                hidden.add(min(shown, key=lambda slot: (sizes[slot], str(slot))))
                changed = True
    return hidden


def _families(slots: Iterable[Slot]) -> list[list[Slot]]:
    """List the slots of which a missing one follows from the others, given the total."""
    families: dict[tuple[object, ...], list[Slot]] = {}
    for slot in sorted(slots, key=str):
        if slot.column is None or slot.value == MISSING_GROUP:
            continue
        families.setdefault(("groups", slot.column, slot.start), []).append(slot)
        families.setdefault(("periods", slot.column, slot.value), []).append(slot)
    return list(families.values())

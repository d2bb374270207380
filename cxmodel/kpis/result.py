"""What measuring KPIs returns: rows for every group and period, small ones suppressed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from cxmodel.kpis.groups import Slot, slot_order
from cxmodel.kpis.periods import period_label
from cxmodel.kpis.suppression import suppressed_slots
from cxmodel.results import TIDY_COLUMNS, NotRun, Result, finite_or_none
from cxmodel.stats.intervals import Interval, detectable_change

if TYPE_CHECKING:
    import pandas as pd

ROW_FIELDS = (
    "kpi",
    "group",
    "period",
    "estimate",
    "std_error",
    "conf_low",
    "conf_high",
    "conf_level",
    "unit",
    "n_obs",
    "n_effective",
    "mean",
    "median",
    "detectable_change",
    "suppressed",
)
SHOWN = (
    "kpi",
    "group",
    "period",
    "estimate",
    "conf_low",
    "conf_high",
    "unit",
    "n_obs",
    "n_effective",
    "mean",
    "median",
    "suppressed",
)
NUMBERS = (
    "estimate",
    "std_error",
    "conf_low",
    "conf_high",
    "n_obs",
    "n_effective",
    "mean",
    "median",
    "detectable_change",
)


class Figure(NamedTuple):
    """A KPI of one slot before it becomes a row."""

    interval: Interval
    n_obs: int
    n_effective: float
    mean: float | None
    median: float | None


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class KpiResult(Result):
    """KPIs by group and period, with their intervals.

    Parameters
    ----------
    rows : tuple of dict
        As ``kpis.rows`` of ``results.json``: ``kpi, group, period``, the estimate's fields,
        ``n_effective, mean, median, detectable_change, suppressed`` and ``target`` where one is
        set. A suppressed row has nulls.
    definitions : mapping of str to str
        What each KPI counts, and out of what.
    dropped : mapping of str to mapping of str to int
        For each KPI, rows left out by reason.
    not_run : mapping of str to NotRun
        KPIs that the data do not give, and why.
    """

    rows: tuple[dict[str, Any], ...]
    definitions: Mapping[str, str] = field(default_factory=dict)
    dropped: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    not_run: Mapping[str, NotRun] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What this result is about."""
        return "KPIs: " + ", ".join(self.kpis) if self.rows else "KPIs: none"

    @property
    def kpis(self) -> tuple[str, ...]:
        """The KPIs that have rows, in order."""
        return tuple(dict.fromkeys(row["kpi"] for row in self.rows))

    def overall(self, kpi: str | None = None) -> dict[str, Any]:
        """Give the row of a KPI over everything; without a name that of the first.

        Raises
        ------
        KeyError
            If there is no such KPI.
        """
        for row in self.rows:
            if row["kpi"] == (kpi or row["kpi"]) and not row["group"] and row["period"] is None:
                return row
        raise KeyError(f"no KPI {kpi!r}; there are: {', '.join(self.kpis) or 'none'}")

    def to_frame(self) -> pd.DataFrame:
        """Give one row per estimate: the columns of every result, then those of a KPI."""
        import pandas as pd

        columns = [
            *TIDY_COLUMNS,
            "period",
            "n_effective",
            "mean",
            "median",
            "detectable_change",
            "suppressed",
            "target",
        ]
        records = [
            {
                **{name: row.get(name) for name in columns},
                "group": group_text(row["group"]),
                "term": row["kpi"],
                "p_value": None,
            }
            for row in self.rows
        ]
        frame = pd.DataFrame.from_records(records, columns=columns)
        floats = [name for name in (*NUMBERS, "p_value", "target") if name != "n_obs"]
        return frame.astype(dict.fromkeys(floats, "float64")).astype({"n_obs": "Int64"})

    def summary(self) -> str:
        """Say each KPI over everything in one line, with its interval and numbers."""
        lines = [self.title]
        for kpi in self.kpis:
            lines.append("  " + _sentence(self.overall(kpi)))
            if kpi in self.definitions:
                lines.append(f"    {self.definitions[kpi]}")
        lines += [f"  {kpi}: not run, {reason.reason}" for kpi, reason in self.not_run.items()]
        n_hidden = sum(row["suppressed"] for row in self.rows)
        if n_hidden:
            lines.append(f"  {n_hidden} of {len(self.rows)} rows are suppressed as too small.")
        return "\n".join(lines)

    def plot(self, kpi: str | None = None) -> Any:
        """Draw a KPI over its periods with intervals; by group where there are no periods.

        Parameters
        ----------
        kpi : str, optional
            Which; default the first.

        Raises
        ------
        ValueError
            If there is nothing to draw.
        """
        from cxmodel.plots.kpis import plot_kpi_groups, plot_kpi_trend

        whole = self.overall(kpi)
        shown = [r for r in self.rows if r["kpi"] == whole["kpi"] and r["estimate"] is not None]
        trend = [row for row in shown if row["period"] is not None and not row["group"]]
        axis = f"{whole['kpi']} ({whole['unit']})"
        if trend:
            return plot_kpi_trend(trend, axis_label=axis, target=whole.get("target"))
        groups = [
            {**row, "label": group_text(row["group"])}
            for row in shown
            if row["group"] and row["period"] is None
        ]
        if not groups:
            raise ValueError(
                f"{whole['kpi']} has no period and no group that is shown, so there is nothing to "
                "draw. Give measure_kpi a period or by."
            )
        return plot_kpi_groups(groups, axis_label=axis, overall=whole["estimate"])

    def to_section(self) -> dict[str, Any]:
        """Give the ``kpis`` section of ``results.json``."""
        if not self.rows:
            reasons = "; ".join(f"{kpi}: {why.reason}" for kpi, why in self.not_run.items())
            return NotRun(reasons or "no ratings and no service data").to_dict()
        return {"status": "ok", "reason": None, "rows": [dict(row) for row in self.rows]}

    def __repr__(self) -> str:
        return f"<KpiResult: {', '.join(self.kpis)}; {len(self.rows)} rows>"

    def _repr_html_(self) -> str:
        from cxmodel.display import to_html

        rows = [{name: row[name] for name in SHOWN} for row in self.rows]
        groups = ({"group": group_text(row["group"])} for row in self.rows)
        return to_html([r | g for r, g in zip(rows, groups, strict=True)], title=self.title)


def combine(results: Sequence[KpiResult]) -> KpiResult:
    """Put several results together, in order, as the ``kpis`` section has them.

    Examples
    --------
    >>> combine([]).to_section()["status"]
    'not_run'
    """
    return KpiResult(
        rows=tuple(row for result in results for row in result.rows),
        definitions={k: v for result in results for k, v in result.definitions.items()},
        dropped={k: v for result in results for k, v in result.dropped.items()},
        not_run={k: v for result in results for k, v in result.not_run.items()},
    )


def group_text(group: Mapping[str, Any]) -> str:
    """Write a group as one text.

    Examples
    --------
    >>> group_text({"segment": "small"}), group_text({})
    ('segment = small', '')
    """
    return ", ".join(f"{column} = {value}" for column, value in group.items())


def build_rows(
    kpi: str,
    figures: Mapping[Slot, Figure],
    *,
    unit: str,
    by: Sequence[str],
    period: Any,
    min_group_size: int,
    conf_level: float,
    target: float | None = None,
) -> list[dict[str, Any]]:
    """Turn the figures of every slot into ordered rows, with small groups suppressed."""
    hidden = suppressed_slots({s: f.n_obs for s, f in figures.items()}, min_group_size)
    rows = []
    for slot in sorted(figures, key=lambda slot: slot_order(slot, by)):
        row = _row(kpi, slot, figures[slot], unit, period, conf_level)
        if slot in hidden:
            row.update(dict.fromkeys(NUMBERS), suppressed=True)
        if target is not None:
            row["target"] = float(target)
        rows.append(row)
    return rows


def _row(
    kpi: str, slot: Slot, figure: Figure, unit: str, period: Any, conf_level: float
) -> dict[str, Any]:
    std_error = figure.interval.std_error
    values = {
        "kpi": kpi,
        "group": {} if slot.column is None else {slot.column: slot.value},
        "period": None if slot.start is None else period_label(slot.start, period),
        **figure.interval._asdict(),
        "conf_level": conf_level,
        "unit": unit,
        "n_obs": figure.n_obs,
        "n_effective": figure.n_effective,
        "mean": figure.mean,
        "median": figure.median,
        "detectable_change": detectable_change(std_error, conf_level=conf_level)
        if math.isfinite(std_error) and std_error > 0
        else None,
        "suppressed": False,
    }
    return {name: finite_or_none(values[name]) for name in ROW_FIELDS}


def _sentence(row: Mapping[str, Any]) -> str:
    if row["estimate"] is None:
        return f"{row['kpi']}: not reached ({row['n_obs']} rows)"
    interval = (
        f" ({row['conf_low']:.1f} to {row['conf_high']:.1f})"
        if row["conf_low"] is not None and row["conf_high"] is not None
        else ""
    )
    return (
        f"{row['kpi']}: {row['estimate']:.1f}{interval} {row['unit']}; "
        f"n {row['n_obs']}, effective {row['n_effective']:.0f}"
    )

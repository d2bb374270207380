"""What a churn model is good for: whom to call, what the rating adds, what it looks at."""

from __future__ import annotations

from typing import Any

from cxmodel.report import words
from cxmodel.report.blocks import (
    Block,
    Callout,
    Column,
    Picture,
    Table,
    Text,
    Words,
    picture,
    strong,
)
from cxmodel.report.reading import Results, as_estimate, estimate, figure_of, part, rows
from cxmodel.report.sections import common

MOST_COLUMNS = 8
_SOURCE = "responses that the model has not seen"
_ADDED = {
    "roc_auc": "Ranking (ROC AUC)",
    "pr_auc": "Ranking of leavers (PR AUC)",
    "brier": "Squared error (Brier score)",
    "log_loss": "Surprise (log loss)",
}


def leak_figures(row: dict[str, Any]) -> str:
    """Give the figures of a suspect column that its reason does not say already.

    Examples
    --------
    >>> leak_figures({"auc": 0.9431, "pure_share": 0.31})
    ' (AUC 0.943; 31% of the rows in levels of one outcome)'
    """
    auc, pure = figure_of(row.get("auc")), figure_of(row.get("pure_share"))
    if auc is None or pure is None:
        return ""
    said = str(row.get("reason") or "")
    figures = [] if "AUC" in said else [f"AUC {words.number(auc, 3)}"]
    if "of the rows" not in said:
        figures.append(f"{words.percent(pure, 0)} of the rows in levels of one outcome")
    return f" ({'; '.join(figures)})" if figures else ""


def not_examined_blocks(results: Results) -> list[Block]:
    """Name the columns that the leak alarm could not look at."""
    names = (part(results, "churn.leaks") or {}).get("not_examined") or []
    if not names:
        return []
    shown = words.listing([str(name) for name in names[:MOST_COLUMNS]])
    more = f", and {len(names) - MOST_COLUMNS} more" if len(names) > MOST_COLUMNS else ""
    return [Text(words=f"Not examined, as it is text of too many values: {shown}{more}.")]


def depth_blocks(results: Results) -> list[Block]:
    """Say what a team finds that calls the customers at most risk."""
    found = part(results, "churn.at_depth") or {}
    leavers = estimate(results, "churn.at_depth.leavers_found")
    precision = estimate(results, "churn.at_depth.precision")
    lift = estimate(results, "churn.at_depth.lift_over_chance")
    share = figure_of(found.get("contact_share"))
    if leavers is None or precision is None or lift is None or share is None:
        return []
    n_contacts = found.get("n_contacts")
    who = f"the {words.percent(share, 0 if share >= 0.01 else 1)} at most risk"
    if n_contacts:
        who += f" ({words.count(n_contacts)} calls)"
    said: list[Words] = [
        f"A team that calls {who} reaches ",
        strong(f"{words.percent(leavers.estimate, 0)} of those who leave"),
        f" ({_ends(leavers.conf_low, leavers.conf_high)}). Of 100 called, "
        f"{words.number(100 * precision.estimate, 0)} leave "
        f"({_counts(precision.conf_low, precision.conf_high)}): "
        f"{words.number(lift.estimate, 1)} times as many as among 100 called at random. "
        "Whether a call keeps them is another question, which only a trial answers.",
    ]
    return [Text(words=said)]


def _ends(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "no interval"
    return f"{words.percent(low, 0)} to {words.percent(high, 0)}"


def _counts(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "no interval"
    return f"{words.number(100 * low, 0)} to {words.number(100 * high, 0)}"


def sample_size_blocks(results: Results) -> list[Block]:
    """Warn where the customers are too few for so many columns."""
    found = part(results, "churn.sample_size") or {}
    verdict, text = found.get("verdict"), found.get("text")
    if verdict not in ("warn", "fail") or not text:
        return []
    return [
        Callout(
            title="Few customers for a model of this size",
            words=str(text),
            tone="bad" if verdict == "fail" else "warn",
        )
    ]


def added_blocks(results: Results) -> list[Block]:
    """Give what the rating adds to behaviour alone, and the model to a rule of one column."""
    columns: list[tuple[str, str, str]] = [
        ("rating", "Added by the rating", "churn.added_by_rating"),
        ("model", "Added to the best single column", "churn.one_column.added_by_model"),
    ]
    columns = [c for c in columns if estimate(results, f"{c[2]}.roc_auc") is not None]
    if not columns:
        return []
    return [
        Table(
            caption=_added_caption(results),
            columns=[
                Column(key="name", label="Measure"),
                *(Column(key=key, label=label, wide=True) for key, label, _ in columns),
            ],
            rows=[
                {
                    "name": label,
                    **{key: _difference(results, f"{path}.{name}") for key, _, path in columns},
                }
                for name, label in _ADDED.items()
            ],
            note=_added_note(results),
        )
    ]


def timing_blocks(results: Results) -> list[Block]:
    """Warn that the rating is no early sign where the decision to leave came before it."""
    fails = any(
        row.get("name") == "timing"
        and row.get("outcome") == "retention"
        and row.get("verdict") == "fail"
        for row in rows(results, "checks")
    )
    if not fails or estimate(results, "churn.added_by_rating.roc_auc") is None:
        return []
    return [
        Callout(
            title="The rating may come too late to warn",
            words="Its link with leaving fades when the outcome begins later (check: timing), as "
            "where customers answered after they had decided to leave. What the rating adds below "
            "is then no early sign, and it will not be there in time for a call.",
            tone="warn",
        )
    ]


def _difference(results: Results, path: str) -> str:
    found = estimate(results, path)
    if found is None:
        return ""
    value = _signed(found.estimate)
    if found.conf_low is None or found.conf_high is None:
        return value
    return f"{value} ({_signed(found.conf_low)} to {_signed(found.conf_high)})"


def _signed(value: float) -> str:
    text = words.number(value, 3)
    return f"+{text}" if value > 0 and text.strip("0.,") else text


def _added_caption(results: Results) -> str:
    """Say whether the rating tells more than behaviour alone; a better rank is a higher area."""
    found = estimate(results, "churn.added_by_rating.roc_auc")
    if found is None:
        return "What the model adds to a plain rule, on responses that it has not seen."
    name = common.rating_name(results)
    if common.is_separated(results):
        return f"What {name} adds in this table, where the outcome may have been known already."
    shown = words.shown(found)
    if shown == "higher":
        return f"{name} tells who leaves beyond what behaviour tells."
    if shown == "lower":
        return f"With {name} the model ranks worse than by behaviour alone."
    return f"It is not shown that {name} tells more than behaviour alone."


def _added_note(results: Results) -> str:
    rule = part(results, "churn.one_column.columns") or {}
    names = [str(name) for name in rule] if isinstance(rule, dict) else []
    said = "Differences with intervals, from customers redrawn for both at once. "
    said += "Above 0 is better in ranking, below 0 in errors. "
    if names:
        shown = words.listing([column_name(results, name) for name in names[:3]])
        when = " in one period or another" if len(names) > 1 else ""
        said += f"The best single column was{when} {shown}."
    return said.strip()


def method_blocks(results: Results) -> list[Block]:
    """Say how the method was chosen, where that was left to the data."""
    method = part(results, "churn.method_choice")
    if not isinstance(method, dict) or not method.get("rows"):
        return []
    listed = [
        f"{words.name(row.get('method'))} {words.number(figure_of(row.get('log_loss')), 4)}"
        for row in method.get("rows") or []
    ]
    chosen = words.name(method.get("method"))
    return [
        Text(
            words=f"The method was chosen on the training rows: {chosen} "
            f"(log loss: {words.listing(listed)}); the simpler one stands unless the other is "
            "better by over one standard error."
        )
    ]


def _is_clear(row: dict[str, Any]) -> bool:
    found = as_estimate(row)
    return found is not None and words.shown(found) == "higher"


def _importance_headline(shown: list[dict[str, Any]]) -> str:
    clear = [str(row["column"]) for row in shown if _is_clear(row)]
    if not clear:
        return "No column alone is shown to matter"
    if _is_clear(shown[0]):
        return f"The model leans most on {clear[0]}"
    return f"Shown to matter: {words.listing(clear)}"


def column_name(results: Results, name: Any) -> str:
    """Name a column as a reader would; the rating by its own name."""
    return common.rating_name(results) if name == "rating" else words.name(str(name).lstrip("_"))


def use_pictures(results: Results) -> list[Picture]:
    """Draw net benefit, importance, and the probability along the leading columns."""
    if common.is_separated(results):
        return []
    return [*_decision_pictures(results), *_importance_pictures(results), *_dependence(results)]


def _decision_pictures(results: Results) -> list[Picture]:
    found = [
        row
        for row in rows(results, "churn.decision_curve")
        if as_estimate(row) and figure_of(row.get("everybody")) is not None
    ]
    if len(found) < 3:
        return []
    from cxmodel.plots.churn_use import plot_decision_curve

    low, high = _useful_range(found)
    headline = "Calling by risk is not shown to beat calling everybody or nobody"
    if low is not None and high is not None:
        headline = (
            f"Calling by risk beats calling everybody or nobody where a call begins to pay at a "
            f"risk of {words.percent(low, 0)} to {words.percent(high, 0)}"
        )
    return [
        picture(
            plot_decision_curve(found),
            headline=headline,
            caption="Net benefit: leavers reached, less needless calls weighed by the odds of the "
            "risk at which a call is just worth it (the cost of a call over what a leaver who is "
            "kept is worth). The highest line at your own threshold is the best rule.",
            alt=_decision_alt(found),
            source=_SOURCE,
        )
    ]


def _useful_range(found: list[dict[str, Any]]) -> tuple[float | None, float | None]:
    """Find the thresholds at which calling by risk beats both others beyond chance."""
    good = []
    for row in found:
        over = as_estimate(row.get("over_everybody"))
        beats_all = over is not None and over.conf_low is not None and over.conf_low > 0
        if beats_all and (row.get("conf_low") or 0) > 0:
            good.append(float(row["threshold"]))
    return (min(good), max(good)) if good else (None, None)


def _decision_alt(found: list[dict[str, Any]]) -> str:
    steps = found[:: max(1, len(found) // 4)]
    said = [
        f"from {words.percent(row['threshold'], 0)}: {words.number(100 * row['estimate'], 1)} "
        f"against {words.number(100 * row['everybody'], 1)} for everybody"
        for row in steps
    ]
    return f"Net leavers reached per 100 customers, {words.listing(said)}."


def _importance_pictures(results: Results) -> list[Picture]:
    found = [row for row in rows(results, "churn.importance") if as_estimate(row)]
    if not found:
        return []
    from cxmodel.plots.churn_use import plot_importance

    shown = [{**row, "column": column_name(results, row["column"])} for row in found[:MOST_COLUMNS]]
    more = len(found) - len(shown)
    tail = f" {words.plural(more, 'column')} more in the tables." if more else ""
    return [
        picture(
            plot_importance(shown),
            headline=_importance_headline(shown),
            caption="How much worse the probabilities become when a column is shuffled among "
            "customers. Columns that say the same share it, and it is no effect: changing the "
            f"column need not change who leaves.{tail}",
            alt="Rise of the log loss: "
            + words.listing(
                [f"{row['column']} {words.number(row['estimate'], 3)}" for row in shown[:6]]
            )
            + ".",
            source=_SOURCE,
        )
    ]


def _dependence(results: Results) -> list[Picture]:
    found = [
        row
        for row in rows(results, "churn.partial_dependence")
        if figure_of(row.get("estimate")) is not None and figure_of(row.get("observed")) is not None
    ]
    if len(found) < 2:
        return []
    from cxmodel.plots.churn_use import MOST_PANELS, plot_dependence

    shown = [{**row, "column": column_name(results, row["column"])} for row in found]
    names = list(dict.fromkeys(str(row["column"]) for row in shown))[:MOST_PANELS]
    return [
        picture(
            plot_dependence(shown),
            headline=f"How the risk runs along {names[0]}"
            if len(names) == 1
            else f"How the risk runs along the {len(names)} columns that matter most",
            caption="Line or large dot: the mean probability if every customer had this value. "
            "Small grey dot: the share of customers with it who left. Curves stop where the data "
            "stop; groups too small to show are left out.",
            alt=_dependence_alt(shown, names),
            source="all responses whose window is over",
        )
    ]


def _dependence_alt(found: list[dict[str, Any]], names: list[str]) -> str:
    said = []
    for name in names:
        inside = [row for row in found if row["column"] == name]
        low = min(inside, key=lambda row: row["estimate"])
        high = max(inside, key=lambda row: row["estimate"])
        said.append(
            f"{name}: {words.percent(low['estimate'], 0)} at {low['label']}, "
            f"{words.percent(high['estimate'], 0)} at {high['label']}"
        )
    return f"Mean probability, lowest and highest. {'; '.join(said)}."


__all__ = [
    "added_blocks",
    "column_name",
    "depth_blocks",
    "leak_figures",
    "not_examined_blocks",
    "method_blocks",
    "sample_size_blocks",
    "timing_blocks",
    "use_pictures",
]

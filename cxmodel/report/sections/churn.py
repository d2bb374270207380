"""Churn: who leaves, how well that is foreseen, and what goes with it."""

from __future__ import annotations

import math
from typing import Any

from cxmodel.report import words
from cxmodel.report.blocks import (
    Block,
    Bullets,
    Callout,
    Column,
    Heading,
    Picture,
    Table,
    Text,
    Words,
    picture,
    strong,
)
from cxmodel.report.reading import Results, as_estimate, figure_of, part, rows
from cxmodel.report.sections import common
from cxmodel.report.sections.churn_use import (
    added_blocks,
    column_name,
    depth_blocks,
    leak_figures,
    method_blocks,
    not_examined_blocks,
    sample_size_blocks,
    timing_blocks,
    use_pictures,
)

_RULES = {
    "churn_events": "a churn event of the customer",
    "churned_at": "the date on which the customer churned",
    "subscription_end": "the end of the customer's last subscription",
    "inactivity": "silence: no booking for as long as the study says",
    "observed": "the churn column of the table",
}
_METRICS = {
    "roc_auc": "ranking: 0.5 is chance, 1 is perfect",
    "pr_auc": "ranking of the churners; the base rate is chance",
    "brier": "mean squared error of the probabilities; lower is better",
    "log_loss": "surprise at what happened; lower is better",
    "calibration_slope": "1 where probabilities are neither too bold nor too timid",
    "calibration_intercept": "0 where probabilities are right on average",
}
_MEASURES = {
    "roc_auc": "Ranking (ROC AUC)",
    "pr_auc": "Ranking of leavers (PR AUC)",
    "brier": "Squared error (Brier score)",
    "log_loss": "Surprise (log loss)",
    "calibration_slope": "Boldness (calibration slope)",
    "calibration_intercept": "Level (calibration intercept)",
}
MOST_TERMS = 10


def churn_section(results: Results) -> list[Block]:
    """Give churn: how many left, how well that is foreseen, and which columns gave it away."""
    if part(results, "churn") is None:
        return []
    is_of_use = has_skill(results)
    return [
        Heading(text=_headline(results), topic="Churn"),
        *_rule_text(results),
        *_leak_blocks(results),
        *_no_forecast(results),
        *([] if is_of_use else [_no_use()]),
        *sample_size_blocks(results),
        *_metric_blocks(results),
        *timing_blocks(results),
        *added_blocks(results),
        *method_blocks(results),
        *(depth_blocks(results) if is_of_use and not common.is_separated(results) else []),
        *(churn_pictures(results) if is_of_use else []),
        *(_coefficient_blocks(results) if is_of_use else []),
    ]


def churn_rule_words(results: Results) -> str:
    """Say what counts as churn here."""
    rule = part(results, "study.churn_rule")
    days = part(results, "study.windows.inactive_days")
    if rule == "inactivity" and days:
        return f"silence: no booking for {words.plural(days, 'day')}"
    return _RULES.get(str(rule), words.name(rule)) if rule else ""


def _headline(results: Results) -> str:
    left = _left_words(results)
    if figure_of(part(results, "churn.metrics.roc_auc")) is None:
        return left
    if common.is_separated(results):
        return f"{left}; what tells them apart is no forecast"
    return f"{left}; who leaves is {_skill(results)}"


def _left_words(results: Results) -> str:
    """Say how often somebody left: the rate counts responses, unless a row is a customer."""
    rate = figure_of(part(results, "churn.base_rate"))
    if rate is None:
        return "Who leaves"
    when = common.within_words(results)
    if common.is_flat(results):
        return f"{words.percent(rate)} of customers left {when}"
    return f"After {words.percent(rate)} of responses the customer left {when}"


def _skill(results: Results) -> str:
    """Say how well leaving is foreseen, on responses that the model has not seen."""
    if not has_skill(results):
        return "foreseen no better than by chance"
    auc = figure_of(part(results, "churn.metrics.roc_auc")) or 0.5
    skill = "hardly" if auc < 0.6 else "partly" if auc < 0.7 else "fairly well"
    return f"foreseen {skill if auc < 0.85 else 'well'}"


def has_skill(results: Results) -> bool:
    """Say whether the model tells more than the base rate: ranking and probabilities both."""
    low = (part(results, "churn.metrics.roc_auc") or {}).get("conf_low")
    loss = figure_of(part(results, "churn.metrics.log_loss"))
    plain = figure_of(part(results, "churn.baseline.log_loss"))
    ranks = low is None or low > 0.5
    return ranks and (loss is None or plain is None or loss < plain)


def _leak_blocks(results: Results) -> list[Block]:
    found = rows(results, "churn.leaks")
    if not found:
        return not_examined_blocks(results)
    items: list[Words] = [
        [
            strong(str(row.get("column") or row.get("name") or row.get("term"))),
            f": {row.get('reason') or row.get('text') or 'it gives churn away'}{leak_figures(row)}",
        ]
        for row in found
    ]
    n_kept = sum(bool(row.get("kept")) for row in found)
    n = len(found) - n_kept
    were = "was" if n == 1 else "were"
    vouched = f" {words.plural(n_kept, 'column')} kept: the study vouches for it." if n_kept else ""
    return [
        Callout(
            title=f"{words.plural(n, 'column')} that may give the outcome away {were} left out",
            words="A column that knows who left is no forecast: it was written after, or because, "
            f"the customer left.{vouched}",
            tone="warn",
        ),
        Bullets(items=items),
        *not_examined_blocks(results),
    ]


def _no_forecast(results: Results) -> list[Block]:
    """Say that nothing is foreseen where the outcome is told apart almost without error."""
    if not common.is_separated(results):
        return []
    return [
        Callout(
            title="No forecast can be claimed",
            words="The rating, or another column, tells those who left from those who stayed "
            "almost without error. It was probably given, or written, when the outcome was "
            "already decided. The measures below describe the table; they promise nothing about "
            "customers whose outcome is still open.",
            tone="bad",
        )
    ]


def _no_use() -> Callout:
    return Callout(
        title="This model should not choose whom to call",
        words="On responses that it had not seen, it did no better than giving every customer the "
        "same probability. What goes with leaving is therefore not listed.",
        tone="warn",
    )


def _metric_blocks(results: Results) -> list[Block]:
    metrics = part(results, "churn.metrics") or {}
    known = [name for name in _METRICS if figure_of(metrics.get(name)) is not None]
    if not known:
        return []
    beside = [
        ("baseline", "Base rate alone", part(results, "churn.baseline") or {}),
        ("without", "Without the rating", part(results, "churn.metrics_without_rating") or {}),
    ]
    beside = [column for column in beside if any(figure_of(column[2].get(n)) for n in known)]
    return [
        Table(
            caption="How well churn is told, on responses that the model has not seen.",
            columns=[
                Column(key="name", label="Measure"),
                Column(key="value", label="Model", align="right"),
                Column(key="interval", label="Interval", align="right"),
                *(Column(key=key, label=label, align="right") for key, label, _ in beside),
                Column(key="meaning", label="How to read it", wide=True),
            ],
            rows=[
                {
                    "name": _MEASURES[name],
                    "value": _measure(metrics, name),
                    "interval": _ends(metrics, name),
                    **{key: _measure(values, name) for key, _, values in beside},
                    "meaning": _METRICS[name],
                }
                for name in known
            ],
            note=_metric_note(results),
        ),
    ]


def _measure(values: dict[str, Any], name: str) -> str:
    found = figure_of(values.get(name))
    return "" if found is None else words.number(found, 3)


def _ends(values: dict[str, Any], name: str) -> str:
    found = as_estimate(values.get(name))
    if found is None or found.conf_low is None or found.conf_high is None:
        return ""
    return f"{words.number(found.conf_low, 3)} to {words.number(found.conf_high, 3)}"


def _metric_note(results: Results) -> str:
    """Say how many left and how the model was judged."""
    events, how = part(results, "churn.n_events"), part(results, "churn.evaluation")
    n = part(results, "churn.n_obs")
    what = "customers" if common.is_flat(results) else "responses were followed by leaving"
    of = f" of {words.count(n)}" if n else ""
    left = f"{words.count(events)}{of} {what}." if events is not None else ""
    left = left.replace("customers.", "customers left.")
    judged = f"Judged {how}." if isinstance(how, str) else ""
    return f"{left} {judged}".strip()


def _rule_text(results: Results) -> list[Block]:
    rule = churn_rule_words(results)
    return [Text(words=f"Churn is read from {rule}.")] if rule else []


def churn_pictures(results: Results) -> list[Picture]:
    """Draw what a list by risk finds, and whether the probabilities hold."""
    blocks: list[Picture] = []
    if common.is_separated(results):
        return blocks
    gain = _known(results, "churn.gain", ("share_of_customers", "share_of_churners"))
    if len(gain) > 2:
        from cxmodel.plots.churn import plot_gain

        tenth = min(gain, key=lambda row: abs(row["share_of_customers"] - 0.2))
        found = words.percent(tenth["share_of_churners"], 0)
        asked = words.percent(tenth["share_of_customers"], 0)
        blocks.append(
            picture(
                plot_gain(gain),
                headline=f"The {asked} of customers at most risk hold {found} of those who left",
                caption="Share of those who left that is found among the customers at most risk, "
                "against a list in random order.",
                alt=f"Curve: {asked} of customers hold {found} of churners.",
                source="responses that the model has not seen",
            )
        )
    calibration = _known(results, "churn.calibration", ("predicted", "observed"))
    if len(calibration) > 2:
        from cxmodel.plots.churn import plot_calibration

        pairs = [
            f"{words.percent(r['predicted'])} / {words.percent(r['observed'])}" for r in calibration
        ]
        blocks.append(
            picture(
                plot_calibration(calibration),
                headline=_calibration_headline(results),
                caption="Share who left against the probability foretold, in groups of like risk.",
                alt=f"Dots, foretold / left: {words.listing(pairs)}.",
                source="responses that the model has not seen",
            )
        )
    return [*blocks, *use_pictures(results)]


def _known(results: Results, path: str, keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """Give the rows that have a number under every key."""
    return [
        row
        for row in rows(results, path)
        if all(figure_of(row.get(key)) is not None for key in keys)
    ]


def _calibration_headline(results: Results) -> str:
    """Say first whether the level of the probabilities holds, then whether they are too bold."""
    level = _level_miss(_known(results, "churn.calibration", ("predicted", "observed")))
    if level:
        return level
    slope = figure_of(part(results, "churn.metrics.calibration_slope"))
    if slope is None:
        return "Probabilities foretold, and what happened"
    if 0.8 <= slope <= 1.25:
        return "The probabilities hold: what was foretold is about what happened"
    kind = "too bold" if slope < 0.8 else "too timid"
    return f"The probabilities are {kind}"


def _level_miss(found: list[dict[str, Any]]) -> str:
    """Compare all that was foretold with all that happened; empty where they agree.

    Examples
    --------
    >>> _level_miss([{"predicted": 0.07, "observed": 0.34, "n": 299}])
    'More left than was foretold: 34.0%, against 7.0%'
    """
    n = sum(row.get("n") or 0 for row in found)
    if not n:
        return ""
    foretold = sum(row["predicted"] * row["n"] for row in found if row.get("n")) / n
    seen = sum(row["observed"] * row["n"] for row in found if row.get("n")) / n
    noise = 1.96 * (seen * (1 - seen) / n) ** 0.5
    if abs(seen - foretold) <= max(noise, 0.1 * seen):
        return ""
    side = "More" if seen > foretold else "Fewer"
    return (
        f"{side} left than was foretold: {words.percent(seen)}, against {words.percent(foretold)}"
    )


def _coefficient_blocks(results: Results) -> list[Block]:
    """List what goes with leaving, the strongest first, as far as its interval shows it."""
    found = [row for row in rows(results, "churn.coefficients") if as_estimate(row)]
    found = [row for row in found if row.get("term") not in ("intercept", "Intercept", "const")]
    clear = [row for row in found if _is_shown(row)]
    if not clear:
        return []
    strongest = sorted(clear, key=lambda row: -abs(_strength(row)))[:MOST_TERMS]
    return [
        Table(
            caption="What goes with leaving, the strongest first.",
            columns=[
                Column(key="term", label="Column"),
                Column(key="value", label="Times the odds of leaving", align="right"),
                Column(key="interval", label="Interval", align="right"),
            ],
            rows=[_odds_row(results, row) for row in strongest],
            note=_odds_note(len(found) - len(strongest)),
        )
    ]


def _is_shown(row: dict[str, Any]) -> bool:
    """Say whether the interval of a coefficient leaves zero out, or there is none."""
    found = as_estimate(row)
    return found is not None and words.shown(found) != "not shown"


def _strength(row: dict[str, Any]) -> float:
    """Compare coefficients per standard deviation, where that is known."""
    known = figure_of(row.get("standardised"))
    return known if known is not None else float(row["estimate"])


def _odds_row(results: Results, row: dict[str, Any]) -> dict[str, Any]:
    """Write a coefficient as odds: of a number per standard deviation, of a category as it is."""
    term = str(row.get("term"))
    is_number = ": " not in term and not term.endswith(" missing")
    per_deviation = is_number and figure_of(row.get("standardised")) is not None
    keys = ("standardised", "standardised_conf_low", "standardised_conf_high")
    value, low, high = (figure_of(row.get(key)) for key in (keys if per_deviation else _PLAIN_KEYS))
    tail = ", one standard deviation more" if per_deviation else ""
    return {
        "term": f"{words.sentence(column_name(results, term))}{tail}",
        "value": _odds(value),
        "interval": f"{_odds(low)} to {_odds(high)}" if low is not None else "",
    }


_PLAIN_KEYS = ("estimate", "conf_low", "conf_high")


def _odds(log_odds: float | None) -> str:
    if log_odds is None:
        return ""
    return words.significant(math.exp(log_odds)) if abs(log_odds) < 50 else "not known"


def _odds_note(n_more: int) -> str:
    more = f" {words.plural(n_more, 'column')} more in the tables." if n_more else ""
    return (
        "Above 1 goes with leaving, below 1 with staying. A category stands against the first of "
        f"its column. These foresee; they do not explain.{more}"
    )


__all__ = ["churn_pictures", "churn_rule_words", "churn_section", "has_skill"]

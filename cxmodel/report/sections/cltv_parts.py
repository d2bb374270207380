"""Parts of the section on lifetime value: how, the change per rating point, cohorts, backtest."""

from __future__ import annotations

from typing import Any

from cxmodel.report import amounts, words
from cxmodel.report.blocks import Block, Callout, Column, Picture, Table, Text, picture
from cxmodel.report.reading import Results, as_estimate, estimate, part, reason, rows
from cxmodel.report.sections import common

# In all, where the interval excludes zero: further off than a plan would bear.
FAR_OFF_PERCENT = 25.0
CHANGES = {
    "staying": "by staying",
    "spending": "by spending",
    "total": "Total",
    "total_window_only": "Total, cut off after the observed window",
    "total_no_fade": "Total, if the gain never faded",
}
_KINDS = {
    "contract": "what the ledger shows in the window, then {benefit} of customers who remain",
    "monthly": "monthly {benefit} while there, times the share of customers still there",
    "purchases": "purchases still expected of each customer, times what a purchase is worth",
}


def how_valued(results: Results) -> str:
    """Say by which of the two ways customers were valued, and why; empty where nobody knows."""
    kind, reason = part(results, "cltv.kind"), part(results, "cltv.kind_reason")
    if kind not in ("contract", "purchases"):
        return ""
    if kind == "purchases":
        return f" The value is {_KINDS[kind]}, as {words.lower_first(words.ended(str(reason)))}"
    benefit = "revenue" if part(results, "cltv.benefit") == "revenue" else "margin"
    how = _KINDS["monthly" if common.is_flat(results) else "contract"]
    return f" The value is {how.format(benefit=benefit)}."


def beside_value(results: Results) -> str:
    """Say what stands beside the value: acquisition cost, and what lies beyond the horizon."""
    said = []
    cost = estimate(results, "cltv.acquisition_cost")
    if cost is not None:
        value = words.quantity(cost.estimate, cost.unit)
        said.append(f" A new customer costs {value} to win: this is not taken off the value.")
    ahead = estimate(results, "cltv.residual_lifetime")
    if ahead is not None:
        what = "purchases" if "purchases" in ahead.unit else "months"
        number = words.number(ahead.estimate, 1)
        low, high = ahead.conf_low, ahead.conf_high
        ends = ""
        if low is not None and high is not None:
            ends = f" ({words.number(low, 1)} to {words.number(high, 1)})"
        said.append(f" Without a horizon, {number} discounted {what}{ends} are still to come.")
    return "".join(said)


def change_pictures(results: Results) -> list[Picture]:
    """Draw what one rating point adds: staying, spending, the total and its two bounds."""
    found = [
        {"key": key, "label": words.sentence(label), **e.to_dict()}
        for key, label in CHANGES.items()
        if (e := estimate(results, f"cltv.change_per_rating_point.{key}"))
    ]
    if not found:
        return []
    from cxmodel.plots.lifetime_value import plot_value_change

    unit = found[0]["unit"]
    figure = plot_value_change(
        found,
        axis_label=f"{amounts.currency_of(unit) or 'Change'} per rating point, per customer",
        format_value=common.writer(unit, common.ends_of(found)),
    )
    values = [f"{row['label']} {words.quantity(row['estimate'], unit)}" for row in found]
    return [
        picture(
            figure,
            headline=_change_headline(results),
            caption="Change in lifetime value per rating point, with intervals. Staying and "
            "spending add up to the total; the last two bars are its bounds.",
            alt=f"Bars with intervals: {words.listing(values)}.",
            source="",
        )
    ]


def _change_headline(results: Results) -> str:
    total = estimate(results, "cltv.change_per_rating_point.total")
    if total is None:
        return "The change in lifetime value per rating point"
    low, high = total.conf_low, total.conf_high
    if low is None or high is None or low <= 0 <= high:
        return "No change in lifetime value per rating point is shown: its interval holds zero"
    more = "more" if total.estimate > 0 else "less"
    size = words.quantity(abs(total.estimate), total.unit)
    point = common.rating_point(results)
    return f"Customers who rate one {point} higher are worth {size} {more} each"


def change_caveats(results: Results) -> str:
    """Say how long the gain is taken to last, and what the split is."""
    return "".join(
        f" {words.ended(str(said))}" for said in part(results, "cltv.change.caveats") or []
    ).strip()


def cohort_table(results: Results) -> list[Block]:
    """Give the value by the period in which customers started."""
    found = common.shown_rows(rows(results, "cltv.by_cohort"))
    if not found:
        return []
    return [
        Table(
            caption="Lifetime value per customer by when they started.",
            columns=[
                Column(key="cohort", label="Started"),
                Column(key="value", label="Per customer", align="right"),
                Column(key="interval", label="Interval", align="right"),
                Column(key="n", label="n", align="right"),
            ],
            rows=[
                {
                    "cohort": str(row.get("cohort")),
                    "value": words.quantity(row["estimate"], row.get("unit")),
                    "interval": words.interval(e) if (e := as_estimate(row)) else "",
                    "n": words.count(row["n_obs"]) if row.get("n_obs") is not None else "",
                }
                for row in found
            ],
        )
    ]


def failed_test(results: Results) -> list[Block]:
    """Warn before the figures where the forecast missed by far, or a plain rule came nearer."""
    error = estimate(results, "cltv.backtest.total_error")
    gain = estimate(results, "cltv.backtest.gain_over_baseline")
    beaten = gain is not None and gain.conf_high is not None and gain.conf_high < 0
    missed = (
        error is not None
        and words.shown(error) in ("higher", "lower")
        and abs(error.estimate) > FAR_OFF_PERCENT
    )
    if error is None or not (missed or beaten):
        return []
    side = "more" if error.estimate > 0 else "less"
    why = f"{words.number(abs(error.estimate), 0)}% {side} was foretold than came"
    if beaten:
        why += ", and a plain rule came nearer" if missed else "; a plain rule came nearer"
    return [
        Callout(
            title="These values failed their test",
            words=f"Held against a later period, {why} (the end of this section). Do not plan with "
            "the sums below, nor rank customers by them.",
            tone="bad",
        )
    ]


def backtest_blocks(results: Results) -> list[Block]:
    """Hold the forecast against what came, in words and as a picture."""
    found = part(results, "cltv.backtest")
    if found is None:
        why = reason(results, "cltv.backtest")
        said = (
            "The value was not held against a later period. "
            f"{words.sentence(words.ended(str(why)))}"
        )
        return [Text(words=said)] if why else []
    return [Text(words=_backtest_words(results, found)), *backtest_pictures(results)]


def _backtest_words(results: Results, found: dict[str, Any]) -> str:
    error = estimate(results, "cltv.backtest.total_error")
    own = estimate(results, "cltv.backtest.mean_absolute_error")
    plain = estimate(results, "cltv.backtest.baseline_mean_absolute_error")
    gain = estimate(results, "cltv.backtest.gain_over_baseline")
    said = [
        f"Held against what came: from what was known on {found['known_until']}, the "
        f"{found['holdout_days']:g} days after it were foretold for "
        f"{words.count(found['n_customers'])} customers."
    ]
    if error is not None:
        side = "more" if error.estimate > 0 else "less"
        said.append(
            f"In all {words.number(abs(error.estimate), 1)}% {side} was foretold than came "
            f"({words.interval(error)})."
        )
    if own is not None and plain is not None:
        said.append(
            f"For one customer the forecast was off by {words.quantity(own.estimate, own.unit)} on "
            f"average; the plain rule ({found['baseline_is']}) by "
            f"{words.quantity(plain.estimate, plain.unit)}."
        )
    if gain is not None and gain.conf_high is not None and gain.conf_high < 0:
        said.append("The plain rule came nearer: do not rank customers by these values.")
    return " ".join(said)


def backtest_pictures(results: Results) -> list[Picture]:
    """Draw the forecast beside what came, by tenth of customers."""
    found = rows(results, "cltv.backtest.deciles")
    if len(found) < 2:
        return []
    from cxmodel.plots.lifetime_value import plot_value_backtest

    unit = part(results, "cltv.backtest.predicted.unit")
    ends = [row[key] for row in found for key in ("predicted", "conf_low", "conf_high")]
    figure = plot_value_backtest(
        found,
        axis_label=f"{amounts.currency_of(unit) or 'Money'} per customer",
        format_value=common.writer(unit, ends),
    )
    top = found[-1]
    return [
        picture(
            figure,
            headline=f"The {words.count(top['n_customers'])} customers with the highest forecast: "
            f"{words.quantity(top['predicted'], unit)} foretold each, "
            f"{words.quantity(top['actual'], unit)} came",
            caption="Forecast and what came in the period after it, per customer, with intervals "
            "of what came.",
            alt="A line of forecasts and dots of what came, by tenth of customers.",
            source=f"n = {words.count(sum(row['n_customers'] for row in found))}",
        )
    ]

"""What programmes would cost and bring, and what the risk comes from."""

from __future__ import annotations

import re
from typing import Any

from cxmodel.report import amounts, words
from cxmodel.report.blocks import Block, Column, Heading, Picture, Table, Text, picture
from cxmodel.report.reading import Results, as_estimate, figure_of, is_not_run, rows
from cxmodel.report.sections import common
from cxmodel.report.sections.decision import prob_words, programme_verdict, why_no_decision

_CUMULATIVE = ("cumulative_discounted", "cumulative_npv", "cumulative")
_DISCOUNTED = ("discounted_net", "discounted", "present_value", "net_present_value", "net")
MOST_PROGRAMMES = 12


def programme_section(results: Results) -> list[Block]:
    """Give the programmes: worth, return, payback, risk, and what the risk comes from."""
    found = rows(results, "programmes")
    if not found:
        return []
    return [
        Heading(text=_programme_headline(results, found), topic="Programmes"),
        Text(words=_programme_text(results)),
        *programme_pictures(results),
        _programme_table(found),
        _sensitivity_table(found),
        *cash_flow_pictures(results),
        *_uncertainty_blocks(found),
    ]


def _programme_headline(results: Results, found: list[dict[str, Any]]) -> str:
    verdicts = [(str(row.get("name")), programme_verdict(row)) for row in found]
    gains = [name for name, verdict in verdicts if verdict == "approve"]
    losses = [name for name, verdict in verdicts if verdict == "decline"]
    condition = "If the lift is an effect, " if why_no_decision(results) else ""
    if gains:
        return words.sentence(f"{condition}{_some(gains)} {_pays(gains)} across the whole interval")
    if losses and len(losses) == len(found):
        return words.sentence(f"{condition}{_some(losses)} {_loses(losses)} money")
    return words.sentence(f"{condition}no programme pays back across the whole interval")


def _some(names: list[str]) -> str:
    return (
        words.listing([words.shortened(name) for name in names])
        if len(names) <= 2
        else f"{len(names)} programmes"
    )


def _pays(names: list[str]) -> str:
    return "pays back" if len(names) == 1 else "pay back"


def _loses(names: list[str]) -> str:
    return "loses" if len(names) == 1 else "lose"


def _programme_text(results: Results) -> str:
    doubt = why_no_decision(results)
    lead = f"{doubt} The figures below hold only if the lift is an effect. " if doubt else ""
    return (
        f"{lead}Margin, not revenue, is counted unless the study says otherwise; it is discounted, "
        "and the uncertainty of lift, gain and costs is drawn jointly."
    )


def programme_pictures(results: Results) -> list[Picture]:
    """Draw the net present value of each programme."""
    known = [row for row in rows(results, "programmes") if as_estimate(row.get("npv"))]
    if not known:
        return []
    from cxmodel.plots.value import plot_programmes

    found = [{**row["npv"], "label": str(row.get("name"))} for row in known[:MOST_PROGRAMMES]]
    unit = found[0].get("unit")
    figure = plot_programmes(
        found,
        axis_label=f"Net present value, {amounts.currency_of(unit) or ''}".rstrip(", "),
        format_value=common.writer(unit, common.ends_of(found)),
    )
    values = [
        f"{row['label']}: {words.with_interval(e)}" for row in found if (e := as_estimate(row))
    ]
    above = sum(programme_verdict(row) == "approve" for row in known)
    return [
        picture(
            figure,
            headline=_value_headline(above, len(known)),
            caption="Net present value with intervals: green above zero, red below, grey where "
            "the interval includes zero.",
            alt=f"Dots with intervals. {'; '.join(values)}.",
            source="joint draws of lift, gain and costs",
        )
    ]


def _value_headline(above: int, n: int) -> str:
    """Count the programmes whose whole interval lies above zero."""
    whole = "above zero across the whole interval"
    if n == 1:
        return f"Its net present value is {'' if above else 'not '}{whole}"
    if above in (0, n):
        return f"{'All programmes are' if above else 'No programme is'} {whole}"
    return f"{above} of {n} programmes {'is' if above == 1 else 'are'} {whole}"


def _programme_table(found: list[dict[str, Any]]) -> Table:
    return Table(
        caption="Programmes: worth, return and risk.",
        columns=[
            Column(key="name", label="Programme"),
            Column(key="npv", label="Net present value", align="right"),
            Column(key="interval", label="Interval", align="right"),
            Column(key="roi", label="Net ROI", align="right"),
            Column(key="bcr", label="Benefit-cost ratio", align="right"),
            Column(key="payback", label="Payback", align="right"),
            Column(key="loss", label="Probability of a loss", align="right"),
        ],
        rows=[_programme_row(row) for row in found],
        note="Net ROI is (gain − cost) / cost; the benefit-cost ratio is gain / cost. The "
        "probability of a loss is the share of draws with a net present value below zero.",
    )


def _programme_row(row: dict[str, Any]) -> dict[str, Any]:
    npv = as_estimate(row.get("npv"))
    roi, ratio = figure_of(row.get("net_roi")), figure_of(row.get("benefit_cost_ratio"))
    months, prob = figure_of(row.get("payback_months")), figure_of(row.get("prob_loss"))
    return {
        "name": row.get("name"),
        "npv": words.central(npv) if npv else "not computed",
        "interval": words.interval(npv) if npv else "",
        "roi": words.percent(roi, 0) if roi is not None else "none",
        "bcr": words.number(ratio, 2) if ratio is not None else "none",
        "payback": _payback(row.get("payback_months"), months),
        "loss": prob_words(prob) if prob is not None else "",
    }


def _payback(value: Any, months: float | None) -> str:
    """Write when a programme has earned its cost back, or within what time it has not."""
    if months is not None:
        return f"{words.number(months, 1)} months"
    why = str(value.get("reason") or "") if is_not_run(value) else ""
    within = re.search(r"within \d+ months", why)
    return within.group().replace("within", "over") if within else "none"


def _sensitivity_table(found: list[dict[str, Any]]) -> Table:
    """Show what the assumption on how long a gain lasts is worth, and the break-even."""
    return Table(
        caption="The same programmes if the gain ends with the observed window, or never fades.",
        columns=[
            Column(key="name", label="Programme"),
            Column(key="window", label="Ends with the window", align="right"),
            Column(key="npv", label="As assumed", align="right"),
            Column(key="fade", label="Never fades", align="right"),
            *_noise_column(found),
            *_within_column(found),
            Column(key="even", label="Breaks even at", align="right"),
        ],
        rows=[
            {
                "name": row.get("name"),
                "window": _amount(row.get("npv_window_only"), row),
                "npv": _amount(row.get("npv"), row),
                "fade": _amount(row.get("npv_no_fade"), row),
                "noise": _amount(row.get("npv_reliability_corrected"), row),
                "within": _amount(row.get("npv_within_customer"), row),
                "even": _break_even(row),
            }
            for row in found
        ],
        note="Net present value. How long a gain lasts is an assumption, never a finding. "
        "Breaks even at: rating points gained among those reached.",
    )


def _noise_column(found: list[dict[str, Any]]) -> list[Column]:
    """Show the value at the lift corrected for noise in one answer, where there is one."""
    if not any(as_estimate(row.get("npv_reliability_corrected")) for row in found):
        return []
    return [Column(key="noise", label="As if answers held no noise", align="right")]


def _within_column(found: list[dict[str, Any]]) -> list[Column]:
    """Show the value at the lift within customers, where that stands before the headline."""
    if not any(as_estimate(row.get("npv_within_customer")) for row in found):
        return []
    return [Column(key="within", label="At the lift within customers", align="right")]


def _amount(value: Any, row: dict[str, Any]) -> str:
    found = figure_of(value)
    inner = row.get("npv") or {}
    unit = value.get("unit") if isinstance(value, dict) else inner.get("unit")
    return words.quantity(found, unit) if found is not None else "none"


def _break_even(row: dict[str, Any]) -> str:
    value = figure_of(row.get("break_even_rating_points"))
    return f"{words.significant(value, 2)} rating points" if value is not None else "none"


def cash_flow_rows(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Give month and cumulative discounted cash of a programme.

    Examples
    --------
    >>> flow = [{"month": 0, "discounted": -5.0}, {"month": 1, "discounted": 7.0}]
    >>> cash_flow_rows({"name": "a", "cash_flow": flow})[1]["cumulative"]
    2.0
    """
    flow = row.get("cash_flow") or []
    flow = flow.get("rows", []) if isinstance(flow, dict) else flow
    found, total = [], 0.0
    for step in flow:
        known = next((figure_of(step[key]) for key in _CUMULATIVE if key in step), None)
        change = next((figure_of(step[key]) for key in _DISCOUNTED if key in step), None)
        total = known if known is not None else total + (change or 0.0)
        if known is not None or change is not None:
            found.append(
                {"label": str(row.get("name")), "month": step["month"], "cumulative": total}
            )
    return found


def cash_flow_pictures(results: Results) -> list[Picture]:
    """Draw the cumulative discounted cash flow of the programmes."""
    programmes = rows(results, "programmes")[:6]
    found = [step for row in programmes for step in cash_flow_rows(row)]
    if len(found) < 2:
        return []
    from cxmodel.plots.value import plot_cash_flow

    unit = next((row["npv"].get("unit") for row in programmes if as_estimate(row.get("npv"))), None)
    figure = plot_cash_flow(
        found,
        axis_label="Cumulative cash, discounted",
        format_value=common.writer(unit, [step["cumulative"] for step in found]),
    )
    ends = {step["label"]: step for step in found}
    values = [f"{k}: {words.quantity(s['cumulative'], unit)}" for k, s in ends.items()]
    return [
        picture(
            figure,
            headline=_payback_headline(programmes),
            caption="Cumulative discounted cash flow by month, at the central estimate.",
            alt=f"Lines ending at: {words.listing(values)}.",
            source="the programmes of the study",
        )
    ]


def _payback_headline(programmes: list[dict[str, Any]]) -> str:
    known = [
        (months, str(row.get("name")))
        for row in programmes
        if (months := figure_of(row.get("payback_months"))) is not None
    ]
    if not known:
        return "No programme earns back its cost within the horizon"
    months, name = min(known)
    when = f"after {words.number(months, 1)} months"
    return f"{words.shortened(name)} earns back its cost soonest, {when}"


def _uncertainty_blocks(found: list[dict[str, Any]]) -> list[Block]:
    listed = [(str(row.get("name")), uncertainty_rows(row)) for row in found]
    lines = [(name, inputs) for name, inputs in listed if inputs]
    if not lines:
        return []
    return [
        Table(
            caption="What the uncertainty of net present value comes from.",
            columns=[
                Column(key="name", label="Programme"),
                Column(key="inputs", label="Inputs by their share of the variance", wide=True),
            ],
            rows=[
                {
                    "name": name,
                    "inputs": ", ".join(f"{label} {prob_words(share)}" for label, share in inputs),
                }
                for name, inputs in lines
            ],
        )
    ]


def uncertainty_rows(row: dict[str, Any]) -> list[tuple[str, float]]:
    """Give the inputs that the uncertainty of a programme comes from, the largest first."""
    found = row.get("drivers_of_uncertainty") or []
    if isinstance(found, dict):
        found = found.get("rows") or [
            {"input": name, "share": share} for name, share in found.items() if name != "status"
        ]
    pairs = [
        (words.name(step.get("input") or step.get("name") or step.get("driver")), share)
        for step in found
        if isinstance(step, dict)
        and (
            share := figure_of(
                next(
                    (step[k] for k in ("share", "share_of_variance", "contribution") if k in step),
                    None,
                )
            )
        )
        is not None
    ]
    return sorted(pairs, key=lambda pair: -pair[1])

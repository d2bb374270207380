"""When customers leave: hazard by rating, how long bands stay, and which curve was chosen."""

from __future__ import annotations

from typing import Any

from cxmodel.report import words
from cxmodel.report.blocks import Block, Column, Table, Text
from cxmodel.report.reading import Results, as_estimate, part, rows
from cxmodel.report.sections import common
from cxmodel.results import Estimate


def survival_blocks(results: Results) -> list[Block]:
    """Say how leaving moves with the rating, and how long bands stay."""
    return [*_hazard(results), *_bands_stay(results)]


def family_blocks(results: Results) -> list[Block]:
    """Show which models could continue the curve, and why one does."""
    found = [row for row in rows(results, "retention.families") if row.get("aic") is not None]
    reason = part(results, "retention.choice")
    if len(found) < 2 or not reason:
        return []
    return [
        Table(
            caption="Models that could continue the curve. The smallest AIC is best.",
            columns=[
                Column(key="model", label="Model"),
                Column(key="n", label="Parameters", align="right"),
                Column(key="fit", label="Log-likelihood", align="right"),
                Column(key="aic", label="AIC", align="right"),
                Column(key="chosen", label="Chosen"),
            ],
            rows=[
                {
                    "model": words.sentence(str(row["model"])),
                    "n": words.count(row["n_parameters"]),
                    "fit": words.number(row["log_likelihood"], 1),
                    "aic": words.number(row["aic"], 1),
                    "chosen": "yes" if row.get("is_chosen") else words.sentence(row["note"] or ""),
                }
                for row in found
            ],
            note=_choice_words(found, str(reason)),
        )
    ]


def _choice_words(found: list[dict[str, Any]], reason: str) -> str:
    """Say what the table does not: that the lowest AIC was passed over, or a family asked for."""
    chosen = next((row for row in found if row.get("is_chosen")), None)
    if chosen is None or not any(row.get("note") for row in found) or "asked for" in reason:
        return words.ended(reason) if "asked for" in reason else ""
    if chosen["aic"] <= min(row["aic"] for row in found):
        return ""
    return (
        "A model that ran to the end of its range, or that the data cannot tell, is not used to "
        "look ahead, however small its AIC."
    )


def _hazard(results: Results) -> list[Block]:
    ratio = as_estimate(part(results, "retention.hazard.hazard_ratio_per_rating_point"))
    if ratio is None:
        return []
    return [Text(words=_said(results, ratio)), *_by_band(results)]


def _said(results: Results, ratio: Estimate) -> str:
    """Say the hazard ratio as a percentage of those who leave in a period."""
    period = str(part(results, "retention.hazard.period") or "month")
    change = 100 * (ratio.estimate - 1)
    way = "fewer" if change < 0 else "more"
    low, high = ratio.conf_low, ratio.conf_high
    ends = (
        f" (hazard ratio {words.number(ratio.estimate, 2)}, {words.level(ratio)} interval "
        f"{words.number(low, 2)} to {words.number(high, 2)})"
    )
    unclear = ""
    if low is not None and high is not None and low <= 1 <= high:
        unclear = " The interval holds 1, so no difference is shown."
    terms = [str(row.get("term")) for row in rows(results, "retention.hazard.terms")]
    columns = dict.fromkeys(term.split(": ")[0] for term in terms if term != "rating")
    others = [words.name(column) for column in columns]
    equal = f" Compared at equal {words.listing(others)}." if others else ""
    if part(results, "retention.hazard.weighted"):
        equal += " Answers are weighted for those who did not answer."
    held = "" if common.is_flat(results) else " Each answer counts from its date until the next."
    return (
        f"Each {common.rating_point(results)} up goes with {words.number(abs(change), 0)}% {way} "
        f"customers leaving in a {period}{ends}.{unclear}{equal}{held} This is an association: it "
        "does not say what raising the rating would do."
    )


def _by_band(results: Results) -> list[Block]:
    found = common.shown_rows(rows(results, "retention.hazard.by_band"))
    reference = part(results, "retention.hazard.by_band.reference")
    if not found or not reference:
        return []
    first = as_estimate(found[0])
    return [
        Table(
            caption=f"How many leave in a {part(results, 'retention.hazard.period') or 'month'}, "
            f"as a multiple of {words.lower_first(_band(reference))}.",
            columns=[
                Column(key="band", label="Band"),
                Column(key="ratio", label="Hazard ratio", align="right"),
                Column(
                    key="interval",
                    label=f"{words.level(first) if first else '95%'} interval",
                    align="right",
                ),
            ],
            rows=[{"band": _band(reference), "ratio": "1", "interval": ""}]
            + [
                {
                    "band": _band(row["band"]),
                    "ratio": words.number(row["estimate"], 2),
                    "interval": _ends(row["conf_low"], row["conf_high"], 2),
                }
                for row in found
            ],
        )
    ]


def _bands_stay(results: Results) -> list[Block]:
    found = common.shown_rows(rows(results, "retention.by_band"))
    horizon = part(results, "retention.by_band.horizon_months")
    p_value = part(results, "retention.by_band.log_rank.p_value")
    if len(found) < 2 or horizon is None or p_value is None:
        return []
    differ = "do not stay equally long" if p_value < 0.05 else "are not shown to differ"
    chance = "p under 0.001" if p_value < 0.001 else f"p = {words.number(p_value, 3)}"
    first = words.lower_first(_band(found[0]["band"]))
    return [
        Table(
            caption=f"How many of the first {horizon:g} months customers stay, by the band of "
            "their first answer.",
            columns=[
                Column(key="band", label="Band"),
                Column(key="mean", label="Months", align="right"),
                Column(key="interval", label="Interval", align="right"),
                Column(key="more", label=f"More than {first}", align="right"),
                Column(key="n", label="Customers", align="right"),
            ],
            rows=[
                {
                    "band": _band(row["band"]),
                    "mean": words.number(row["estimate"], 1),
                    "interval": _ends(row["conf_low"], row["conf_high"], 1),
                    "more": _more(row),
                    "n": words.count(row["n_obs"]),
                }
                for row in found
            ],
            note=f"Log-rank test: bands {differ} ({chance}).",
        )
    ]


def _band(name: Any) -> str:
    return common.BAND_NAMES.get(str(name), words.name(name))


def _more(row: dict[str, Any]) -> str:
    if row.get("difference") is None:
        return ""
    ends = _ends(row.get("difference_low"), row.get("difference_high"), 1)
    return f"{words.number(row['difference'], 1)} ({ends})"


def _ends(low: float | None, high: float | None, digits: int) -> str:
    if low is None or high is None:
        return ""
    return f"{words.number(low, digits)} to {words.number(high, digits)}"

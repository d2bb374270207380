"""What the report says: true in every combination of what was run, and no stronger than it may."""

import re

import pytest

from cxmodel.report import sections
from cxmodel.report.blocks import Picture, Table
from cxmodel.report.sections import common, decision, survival

ORDER = (
    "cover",
    "summary_section",
    "kpi_section",
    "lift_section",
    "checks_section",
    "churn_section",
    "retention_section",
    "cltv_section",
    "programme_section",
    "service_section",
    "data_section",
    "missing_section",
    "method_section",
    "reproducibility_section",
)
pytestmark = pytest.mark.usefixtures("quick_pictures")
STAGES = ("kpis", "lift", "checks", "evidence", "churn", "retention", "cltv", "programmes", "audit")
CAUSAL = re.compile(r"\b(brings?|raises? revenue|causes revenue|leads? to|because of the rating)\b")


def all_blocks(values):
    return [block for name in ORDER for block in getattr(sections, name)(values)]


def all_text(values):
    texts = []
    for block in all_blocks(values):
        texts.append(block.plain_text())
        if isinstance(block, Picture):
            texts += [block.caption, block.source]
        if isinstance(block, Table):
            texts.append(block.note)
    return "\n".join(texts)


def first_page(values):
    return "\n".join(block.plain_text() for block in sections.summary_section(values))


def test_the_notebook_shows_every_section():
    assert set(ORDER) == set(sections.__all__)


def test_the_answer_stands_first_with_interval_and_grade(values):
    text = first_page(values)
    assert (
        "Customers who rate one NPS rating point higher spend $6.10 more over 180 days "
        "(95% interval $3.55 to $8.65)." in text
    )
    assert "it is not shown that raising the rating raises the outcome" in text
    assert "Evidence grade: association" in text
    assert "No decision can rest on the lift yet" in text
    assert "probability of a loss 24%" in text
    assert "Of 10 checks 1 failed, 2 warned and 7 passed; 2 could not be run" in text


def test_an_association_is_never_said_to_bring_anything_about(values):
    assert not CAUSAL.search(all_text(values))


def test_a_lift_whose_interval_holds_zero_is_no_lift(values, helpers):
    changed = helpers.with_lift(values, "revenue", 0.4, -1.0, 1.8)
    changed = helpers.with_lift(changed, "retention", -0.001, -0.004, 0.002)
    text = all_text(changed)
    assert "No lift of revenue is shown: the interval includes zero" in text
    assert "spend $0.40 more" not in text
    assert "No lift of retention is shown" in text
    assert "Higher NPS ratings go with" not in text
    graded = helpers.with_grade(changed, "adjusted")
    assert "No decision can rest on the lift yet" in first_page(graded)


def test_a_negative_lift_is_said_to_be_less(values, helpers):
    text = all_text(helpers.with_lift(values, "revenue", -4.2, -6.0, -2.2))
    assert "spend $4.20 less over 180 days (95% interval −$6.00 to −$2.20)" in text
    assert "Higher NPS ratings go with lower revenue" in text


def test_a_lift_without_interval_decides_nothing(values, helpers):
    text = first_page(
        helpers.with_grade(helpers.with_lift(values, "revenue", 4.0, None, None), "adjusted")
    )
    assert "No decision can rest" in text


def test_only_an_experiment_brings_something_about(values, helpers):
    text = first_page(helpers.with_grade(values, "experiment"))
    assert "One NPS rating point more brings $6.10 more revenue per customer" in text
    for grade in ("adjusted", "within_customer"):
        assert "brings" not in first_page(helpers.with_grade(values, grade))


def test_programmes_are_approved_held_and_declined_by_their_interval(values, helpers):
    text = first_page(helpers.with_grade(values, "adjusted"))
    assert "Decision for the board" in text
    assert "Approve Portal redesign: net present value $142k" in text
    assert "Hold Callbacks within an hour" in text
    assert "Decline Loyalty gifts" in text


def test_a_programme_without_value_says_so(values, helpers):
    row = values["programmes"]["rows"][0]
    for key in ("npv", "net_roi", "benefit_cost_ratio", "prob_loss", "npv_window_only"):
        row[key] = helpers.not_run("the lift was not run")
    row["cash_flow"], row["drivers_of_uncertainty"] = {"rows": []}, {"rows": []}
    text = all_text(values)
    assert "Portal redesign could not be valued" in text
    assert "The lift was not run" in text


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_was_not_run_is_named_with_its_reason(values, helpers, stage):
    reason = f"no data for {stage} were given"
    changed = helpers.without(values, **{stage: reason})
    found = [block for block in sections.missing_section(changed) if isinstance(block, Table)]
    assert any(row["why"].lower() == f"{reason}." for row in found[0].rows)
    all_blocks(changed)


@pytest.mark.parametrize("outcome", ["revenue", "retention"])
def test_one_outcome_alone_makes_a_report(values, helpers, outcome):
    changed = helpers.without(values, **{f"lift__{outcome}": "9 events for 6 terms"})
    text = all_text(changed)
    assert f"Higher NPS ratings go with higher {outcome}" not in text
    assert "9 events for 6 terms" in text


def test_kpis_alone_make_a_report(kpis_only):
    text = all_text(kpis_only)
    assert "NPS is 31.4 (95% interval 29.2 to 33.6)." in text
    assert "What a rating point is worth could not be computed." in text
    assert "$" not in text
    assert "No decision can rest on this study yet" in text


def test_a_study_in_which_nothing_ran_still_says_why(helpers):
    nothing = {name: helpers.not_run("no rows") for name in (*STAGES, "journey")}
    text = all_text({"study": {"title": "Bare"}, "cxmodel_version": "0", **nothing})
    assert "Audit of the join; KPIs; lift" in text or "audit of the join" in text.lower()
    for place in ("KPIs", "churn", "retention curve", "lifetime value", "programmes", "journey"):
        assert place in text
    assert "No rows." in text


def test_levels_are_shown_where_a_rating_separates_the_outcome(values, helpers):
    changed = helpers.without(
        values, lift__retention__per_rating_point="the rating separates churn"
    )
    text = all_text(changed)
    assert "Retention per rating point has no estimate" in text
    assert "The rating separates churn" in text
    assert "Share who stayed by rating" in "\n".join(
        block.alt for block in all_blocks(changed) if isinstance(block, Picture)
    )


def test_an_outcome_told_apart_without_error_is_no_forecast(values):
    values["checks"]["rows"].append(
        {"name": "separation", "outcome": "retention", "verdict": "fail", "text": "separated"}
    )
    text = all_text(values)
    assert "No forecast can be claimed" in text
    assert "foreseen fairly well" not in text
    assert "The probabilities hold" not in text


def test_levels_without_error_are_told_apart(values):
    for row in values["lift"]["retention"]["by_rating"]["rows"]:
        high = row["rating"] > 5
        row |= {"estimate": float(high), "std_error": 0.0}
        row |= {"conf_low": 0.99 if high else 0.0, "conf_high": 1.0 if high else 0.01}
    assert "Adjusted probability of staying is 0% at 0 and 100% at 10" in all_text(values)


def test_suppressed_groups_are_counted_never_named(values):
    text = all_text(values)
    assert "Public sector" not in text
    assert "Charity" not in text
    assert "2 figures of groups with fewer than 30 responses" in text


def test_a_change_within_its_noise_is_no_change(values):
    for row in values["kpis"]["rows"]:
        if row["kpi"] == "nps" and row["period"]:
            row["std_error"] = 30.0
    text = all_text(values)
    assert "no change between Q1 2025 and Q2 2026 is shown".replace(" 20", "\u00a020") in text
    assert "NPS rose" not in text


def test_groups_within_their_noise_are_not_ranked(values):
    for row in values["kpis"]["rows"]:
        row["std_error"] = 30.0
    assert "No difference in NPS between groups of segment is shown" in all_text(values)


def test_a_ledger_that_does_not_add_up_is_said(values):
    assert "The parts add up to the ledger." in all_text(values)
    values["audit"]["revenue_reconciled"]["difference"] = 12.5
    assert "The parts do not add up to the ledger" in all_text(values)


def test_another_currency_and_window_are_taken_from_the_units(values):
    text = str(values["lift"]["revenue"])
    revenue = eval(  # noqa: S307 (a literal of our own fixture)
        text.replace("USD", "JPY").replace("180 days", "observation window")
    )
    values["lift"]["revenue"] = revenue
    assert "spend ¥6 more over the observation window" in first_page(values)


def test_percentage_points_and_kpi_points_are_named(values):
    values["study"]["title"] = "Title"
    text = all_text(values)
    assert "1.21 percentage points more likely to stay" in text
    assert "KPI point" in text
    assert not re.search(r"\b(?:a|per|one) point\b", text)


def test_every_figure_has_a_text_for_the_blind(values):
    pictures = [block for block in all_blocks(values) if isinstance(block, Picture)]
    assert len(pictures) >= 12
    assert all(len(block.alt) > 20 for block in pictures)


def test_a_probability_from_draws_is_never_certain():
    assert decision.prob_words(0.0) == "under 1%"
    assert decision.prob_words(1.0) == "over 99%"


def test_a_difference_is_judged_by_both_errors():
    # worked by hand: 4 against 1.96 x sqrt(1.5^2 + 1.5^2) = 4.16
    low = {"estimate": 30.0, "std_error": 1.5}
    assert common.difference_is_shown(low, {"estimate": 34.0, "std_error": 1.5}) is None
    assert common.difference_is_shown(low, {"estimate": 34.3, "std_error": 1.5}) == pytest.approx(
        4.3
    )


# -- lift by group and within customers -------------------------------------------------------


def test_groups_show_the_test_of_equal_lifts_and_count_what_is_left_out(values):
    groups = values["lift"]["revenue"]["by_group"]
    groups["equal_lifts"] = {"rows": [{"column": "segment", "text": "No difference is shown."}]}
    groups["rows"].append(
        {**dict.fromkeys(groups["rows"][0]), "group": {"segment": "Tiny"}, "suppressed": True}
    )
    unfit = {"group": {"segment": "Large"}, "n_obs": 200, "suppressed": False, "reason": "why not"}
    groups["rows"].append({**dict.fromkeys(groups["rows"][0]), **unfit})
    text = all_text(values)
    assert "Large has no lift of its own: why not." in text
    assert "No difference is shown. The q-value tests each group against the rest" in text
    assert "Shrunken: the lift drawn towards the mean of the groups" in text
    assert "Not shown because too small: 1 group." in text
    assert "Tiny" not in text


def test_what_the_lift_within_customers_rests_on_is_said_with_symbols(values):
    said = "Within customers: 900 answers; the lift within customers, USD 4.88, stands first."
    values["lift"]["revenue"]["within_customer"] = {"text": said}
    assert "the lift within customers, $4.88, stands first." in all_text(values)


def test_page_one_names_a_failed_check_that_does_not_lower_the_grade(values, helpers):
    found = helpers.with_grade(values, "adjusted")
    rows = found["checks"]["rows"]
    for row in rows:
        if row["outcome"] == "revenue":
            row["verdict"] = "fail" if row["name"] == "linearity" else "pass"
    text = first_page(found)
    assert "found nothing against reading it as an effect, but linearity failed" in text
    assert "The checks that could be run found nothing against" not in text


def within_first(values, stands_first):
    revenue = values["lift"]["revenue"]
    revenue["within_customer_per_rating_point"] = {
        **revenue["per_rating_point"], "estimate": 4.88, "conf_low": 4.1, "conf_high": 5.6
    }  # fmt: skip
    revenue["within_customer"] = {"stands_first": stands_first, "text": ""}
    return values


def test_the_grade_within_customers_goes_with_its_own_number(values, helpers):
    found = within_first(helpers.with_grade(values, "within_customer"), "within_customer")
    text = first_page(found)
    assert "than they did themselves spend $4.88 more over 180 days" in text
    assert "Between customers otherwise alike the figure is $6.10" in text
    assert "is the headline that KPI points, groups and programmes are counted with" in text


def test_an_adjusted_number_is_not_said_to_be_of_the_same_customers(values, helpers):
    found = within_first(helpers.with_grade(values, "within_customer"), "adjusted")
    text = first_page(found)
    assert "than they did themselves" not in text
    assert "Of customers otherwise alike, those who rate one NPS rating point higher spend" in text
    assert "compared with themselves at other ratings, show $4.88" in text


@pytest.mark.parametrize("grade", ["adjusted", "association"])
def test_without_the_grade_the_headline_stays_and_names_the_other(values, helpers, grade):
    """One number is the headline everywhere; the other is named beside it, and why."""
    text = first_page(within_first(helpers.with_grade(values, grade), "within_customer"))
    assert text.index("spend $6.10 more") < text.index("show $4.88")
    assert "that figure is nearer to what a change goes with; it has no grade of its own" in text
    assert "are counted with the first" in text
    other = first_page(within_first(helpers.with_grade(values, grade), "adjusted"))
    assert "$4.88" not in other


def test_programmes_are_valued_at_the_lift_within_customers_too(values):
    assert "At the lift within customers" not in all_text(values)
    for row in values["programmes"]["rows"]:
        row["npv_within_customer"] = {**row["npv"], "estimate": 1_234.0}
    assert "At the lift within customers" in all_text(values)


def test_evidence_that_differs_is_said_of_each_outcome(values):
    same = "The checks that could be run found nothing; they cannot see everything."
    grades = {"grade": "adjusted", "text": same}
    values["evidence"] |= {"by_outcome": {"revenue": dict(grades), "retention": dict(grades)}}
    assert "For retention:" not in first_page(values)
    values["evidence"]["by_outcome"]["retention"]["text"] = (
        "The checks that this grade rests on found nothing, but sample_size failed; they cannot "
        "see all. The check sample_size failed, which does not lower the grade: 12 events."
    )
    page = first_page(values)
    assert "For retention: adjusted. The checks that this grade rests on found nothing" in page
    # the check itself stands in a bullet of its own
    assert "12 events" not in page


def test_models_that_were_passed_over_are_explained_once(values):
    def row(model, aic, **more):
        return {"model": model, "n_parameters": 1, "log_likelihood": -aic / 2, "aic": aic,
                "is_chosen": False, "note": "", **more}  # fmt: skip

    rows = [row("geometric", 220.0, is_chosen=True), row("shifted beta-geometric", 210.0)]
    values["retention"] |= {
        "families": {"rows": rows},
        "choice": "The geometric has the lowest AIC.",
    }
    (found,) = survival.family_blocks(values)
    assert found.note == ""
    rows[1]["note"] = "ran to the end of its range"
    (found,) = survival.family_blocks(values)
    assert found.note.startswith("A model that ran to the end of its range")
    assert found.rows[1]["chosen"] == "Ran to the end of its range"
    values["retention"]["choice"] = "The geometric was asked for; by AIC the other fits best"
    (found,) = survival.family_blocks(values)
    assert found.note == "The geometric was asked for; by AIC the other fits best."


def test_a_window_that_repeats_itself_says_nothing_of_new_customers(values):
    # customers of one window are valued at the time they have been there, not from the start
    values["study"] |= {"churn_rule": "observed", "window_words": "91 days"}
    heading = sections.cltv_section(values)[0].plain_text()
    assert "If the one window seen repeated itself, a customer would bring" in heading

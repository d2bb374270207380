"""Without adjustment the demo misleads, with it the truth comes back, by means other than ours.

The observation table is made here with pandas and the slopes with statsmodels' least squares, so
that the simulated worlds are judged apart from the package that they are to judge.
"""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import cxmodel as cx

DAY = pd.Timedelta(days=1)
END = pd.Timestamp("2026-07-01")
CONTROLS = ["before", "before_2", "contacts", "tenure", "observed"]
CATEGORIES = ["segment", "plan", "region", "touchpoint", "month"]


def window_sums(answers, events, values, begin, end):
    """Sum values of each customer's events in [begin, end) days around the answers."""
    ids = {name: number for number, name in enumerate(sorted(answers["customer_id"].unique()))}
    events = events[events["customer_id"].isin(ids)]
    key = events["customer_id"].map(ids).to_numpy(np.int64) * 10**10
    key = key + events.iloc[:, 1].astype("datetime64[s]").astype(np.int64).to_numpy()
    order = np.argsort(key, kind="stable")
    total = np.append(0.0, np.cumsum(values.loc[events.index].to_numpy(float)[order]))
    who = answers["customer_id"].map(ids).to_numpy(np.int64) * 10**10
    at = answers["responded_at"].astype("datetime64[s]").astype(np.int64).to_numpy()
    first, last = (np.searchsorted(key[order], who + at + d * 86_400) for d in (begin, end))
    return total[last] - total[first]


def observations(sim, gap=0):
    """One row per rated answer whose window after `gap` days is over, of those still there then."""
    found = sim.surveys.dropna(subset=["nps"]).drop_duplicates()
    found = found.merge(sim.customers, on="customer_id")
    found = found[found["responded_at"] + (180 + gap) * DAY < END]
    left = found["churned_at"].fillna(END)
    found = found[left > found["responded_at"] + gap * DAY].reset_index(drop=True)
    at, left = found["responded_at"], found["churned_at"].fillna(END)
    contacts = sim.interactions[["customer_id", "started_at"]]
    amount, one = sim.revenue["amount"], pd.Series(1.0, index=contacts.index)
    tenure = (at - found["started_at"]) / DAY
    return found.assign(
        before=window_sums(found, sim.revenue, amount, -180, 0),
        before_2=window_sums(found, sim.revenue, amount, -360, -180),
        before_3=window_sums(found, sim.revenue, amount, -540, -360),
        after=window_sums(found, sim.revenue, amount, gap, 180 + gap),
        contacts=window_sums(found, contacts, one, -180, 0),
        tenure=tenure,
        observed=tenure.clip(upper=360),
        stayed=(left > at + (180 + gap) * DAY).astype(float),
        month=at.dt.strftime("%Y-%m"),
        share=1 / found.groupby("customer_id")["nps"].transform("size"),
    )


def slope(table, outcome, *, adjusted):
    """The rating's slope and its clustered error: alone, or interacted with centred controls.

    For staying it is the average marginal effect of a logit, without interactions.
    """
    rating = table["nps"].astype(float)
    columns = {"const": 1.0, "rating": rating}
    if adjusted:
        dummies = pd.get_dummies(table[CATEGORIES], drop_first=True, dtype=float)
        controls = pd.concat([table[CONTROLS], dummies], axis=1)
        centred = controls - np.average(controls, axis=0, weights=table["share"])
        centred = centred / controls.std()
        columns |= {name: centred[name] for name in centred}
        if outcome != "stayed":
            columns |= {f"rating x {name}": rating * centred[name] for name in centred}
    design = pd.DataFrame(columns, index=table.index)
    groups = pd.factorize(table["customer_id"])[0]
    if outcome == "stayed":
        logit = sm.Logit(table[outcome], design).fit(
            disp=0, cov_type="cluster", cov_kwds={"groups": groups}
        )
        effect = logit.get_margeff(at="overall")
        where = list(design.columns).index("rating") - 1
        return effect.margeff[where], effect.margeff_se[where]
    fit = sm.WLS(table[outcome], design, weights=table["share"]).fit(
        cov_type="cluster", cov_kwds={"groups": groups}
    )
    return fit.params["rating"], fit.bse["rating"]


@pytest.fixture(scope="module")
def demo():
    sim = cx.datasets.simulate(n_customers=6_000, seed=11)
    return sim, observations(sim)


@pytest.mark.parametrize(("outcome", "name"), [("after", "revenue"), ("stayed", "retention")])
def test_adjusting_brings_the_truth_back(demo, outcome, name):
    sim, table = demo
    truth = sim.truth[f"lift.{name}.per_rating_point"]
    raw, raw_error = slope(table, outcome, adjusted=False)
    estimate, error = slope(table, outcome, adjusted=True)
    assert raw - truth > 2.5 * raw_error
    assert abs(estimate - truth) < 2.5 * error
    assert estimate > 3 * error  # there is something to be found


def test_where_nothing_confounds_the_raw_slope_is_right():
    sim = cx.datasets.simulate(n_customers=4_000, seed=12, world="clean")
    raw, error = slope(observations(sim), "after", adjusted=False)
    assert abs(raw - 16) < 3 * error


def test_where_there_is_no_effect_adjusting_finds_none():
    sim = cx.datasets.simulate(n_customers=4_000, seed=13, world="no_effect")
    table = observations(sim)
    raw, raw_error = slope(table, "after", adjusted=False)
    estimate, error = slope(table, "after", adjusted=True)
    assert raw > 5 * raw_error
    assert abs(estimate) < 3 * error


def test_older_revenue_is_clean_in_the_demo_and_not_where_ratings_follow_it(demo):
    _, table = demo
    estimate, error = slope(table, "before_3", adjusted=True)
    assert abs(estimate) < 3 * error
    sim = cx.datasets.simulate(n_customers=3_000, seed=14, world="older_revenue")
    estimate, error = slope(observations(sim), "before_3", adjusted=True)
    assert estimate > 6 * error


def test_a_gap_leaves_the_demo_alone_and_undoes_decisions_taken_before_the_answer(demo):
    sim, table = demo
    at_once, error = slope(table, "stayed", adjusted=True)
    later, _ = slope(observations(sim, gap=90), "stayed", adjusted=True)
    assert abs(later - at_once) < 2 * error
    sim = cx.datasets.simulate(n_customers=5_000, seed=15, world="decision_before_answer")
    at_once, error = slope(observations(sim), "stayed", adjusted=True)
    later, _ = slope(observations(sim, gap=90), "stayed", adjusted=True)
    assert at_once > 3 * error
    assert abs(later) < 0.5 * at_once

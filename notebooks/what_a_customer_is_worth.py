# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What a customer is worth, and what a rating point adds to it
#
# From "who will leave" to "what is a customer worth", on simulated companies whose truth is known.
# First a business with contracts, then one without.

# %%
import cxmodel as cx

company = cx.datasets.simulate(n_customers=3_000, seed=1)
surveys = cx.read_surveys(company.surveys, ratings={"nps": ("nps", cx.NPS)})
customers = cx.read_customers(
    company.customers,
    started_at="started_at",
    churned_at="churned_at",
    attributes=["segment", "plan"],
)
revenue = cx.read_revenue(company.revenue, currency="USD")
observations = cx.join_observations(
    surveys,
    customers=customers,
    revenue=revenue,
    windows=cx.Windows(outcome_days=180),
    as_of="2026-06-30",
)

# %% [markdown]
# ## Who will leave
#
# A calibrated probability, judged on responses that came later than those it was fitted to.

# %%
churn = cx.ChurnModel().fit(observations)
churn

# %% [markdown]
# What the rating knows beyond behaviour, and how many leavers a team finds that calls one in ten:

# %%
print(churn.added_by_rating["roc_auc"])
print(churn.at_depth["leavers_found"])

# %% [markdown]
# The model goes to a file of numbers and words, without pickle, and comes back with the same
# probabilities. `cxmodel score` does the same for files larger than memory.

# %%
churn.save("churn.json")
stored = cx.load_model("churn.json")
stored.predict(observations).head()

# %% [markdown]
# ## When they leave
#
# The hazard of leaving in a month, with the rating as it changes from answer to answer.

# %%
hazard = cx.HazardModel().fit(observations)
hazard

# %% [markdown]
# ## What a customer is worth
#
# Margin per customer while the ledger shows it, then margin per survivor times the retention curve. The
# change per rating point is split into staying and spending: bookkeeping, not two effects.

# %%
value = cx.CltvModel(gross_margin=0.6, annual_discount_rate=0.10, by="segment").fit(observations)
value

# %%
truth = company.truth["cltv.change_per_rating_point.total"]
total = value.change_per_rating_point["total"]
print(f"truth {truth:.2f}, estimate {total.estimate:.2f}")
print(f"interval {total.conf_low:.2f} to {total.conf_high:.2f}")

# %% [markdown]
# ## Without a contract
#
# Nobody says goodbye: purchases stop. A purchase model tells from the gaps who is still there.

# %%
histories = cx.summarize_purchases(revenue, as_of="2026-06-30", unit_days=7)
buys = cx.PurchaseModel(family="bg_nbd").fit(histories)
buys

# %%
spend = cx.SpendModel().fit(histories)
print(f"a purchase brings {spend.mean_spend:.2f} on average")
print(f"half a year brings {buys.expected_purchases(26):.2f} further purchases of a new customer")

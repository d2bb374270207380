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

# %% tags=["parameters"]
results_file = "results.json"
title = ""  # the study's own title where empty
subtitle = ""
footer = ""

# %%
from cxmodel.report import sections
from cxmodel.report.blocks import show
from cxmodel.report.reading import read_values

results = read_values(results_file)

# %%
show(sections.cover(results, title=title, subtitle=subtitle, footer=footer))

# %%
show(sections.summary_section(results))

# %%
show(sections.kpi_section(results))

# %%
show(sections.lift_section(results))

# %%
show(sections.checks_section(results))

# %%
show(sections.churn_section(results))

# %%
show(sections.retention_section(results))

# %%
show(sections.cltv_section(results))

# %%
show(sections.programme_section(results))

# %%
show(sections.service_section(results))

# %%
show(sections.data_section(results))

# %%
show(sections.missing_section(results))

# %%
show(sections.method_section(results))

# %%
show(sections.reproducibility_section(results))

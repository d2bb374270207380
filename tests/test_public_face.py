"""What a user types: the names of the contract, and how quickly they come."""

from __future__ import annotations

import subprocess
import sys

import cxmodel as cx

HEAVY = {
    "pandas",
    "scipy",
    "pyarrow",
    "duckdb",
    "ibis",
    "statsmodels",
    "sklearn",
    "matplotlib",
    "nbclient",
    "typst",
    "numpy",
}
# Section 6 of the contract, as far as it is built.
NAMES = {
    "CES7",
    "CSAT5",
    "CSAT7",
    "ChurnClassifier",
    "ChurnModel",
    "CltvModel",
    "Engine",
    "Estimate",
    "Experiment",
    "LiftCard",
    "LiftModel",
    "NPS",
    "Programme",
    "PurchaseModel",
    "RetentionModel",
    "Rollout",
    "Scale",
    "SpendModel",
    "Study",
    "Windows",
    "datasets",
    "errors",
    "join_observations",
    "measure_kpi",
    "project_roi",
    "read_churn",
    "read_customers",
    "read_interactions",
    "read_invitations",
    "read_lift_card",
    "read_observations",
    "read_results",
    "read_revenue",
    "read_subscriptions",
    "read_surveys",
    "summarize_purchases",
}


def test_every_name_of_the_contract_is_there() -> None:
    assert set(cx.__all__) >= NAMES


def test_every_public_name_resolves_and_has_a_docstring() -> None:
    for name in cx.__all__:
        thing = getattr(cx, name)
        assert thing.__doc__, name
        assert name in dir(cx)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(cx, "no_such_thing")


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_cxmodel_loads_nothing_heavy() -> None:
    assert not loaded_by("import cxmodel") & HEAVY


def test_the_command_line_starts_without_anything_heavy() -> None:
    assert not loaded_by("import cxmodel.cli") & HEAVY


def test_scales_and_estimates_load_nothing_heavy() -> None:
    assert not loaded_by("import cxmodel as cx; cx.NPS, cx.Estimate, cx.Scale") & HEAVY

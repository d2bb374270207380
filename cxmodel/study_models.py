"""What a run fitted and jobs can use again: the files of its folder ``models``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cxmodel.results import NotRun

if TYPE_CHECKING:
    from cxmodel.models.model_file import ModelFile
    from cxmodel.study_results import SavesModel

MODELS_FOLDER = "models"
_WHAT = {
    "churn": "probability of leaving within the window",
    "retention": "share of customers still there, by month",
    "hazard": "probability of staying through the next periods",
    "cltv": "lifetime value",
    "purchases": "purchases still to come",
    "spend": "spend per purchase",
}


def saved_models(fits: Mapping[str, Any]) -> dict[str, SavesModel]:
    """Take the models out of the fits of a run, by name; what did not run has none.

    Parameters
    ----------
    fits : mapping
        ``churn``, ``retention``, ``hazard`` and ``cltv``: results, `NotRun` or None.
    """
    made = {
        name: fit for name, fit in fits.items() if fit is not None and not isinstance(fit, NotRun)
    }
    found: dict[str, SavesModel] = {name: made[name] for name in made if name != "cltv"}
    value = made.get("cltv")
    if value is not None and value.rule is not None:
        from cxmodel.value.cltv.rules import PurchaseRule

        found["cltv"] = value
        if isinstance(value.rule, PurchaseRule):
            found |= {"purchases": value.rule.buys, "spend": value.rule.spend}
    return {name: found[name] for name in _WHAT if name in found}


def model_rows(models: Mapping[str, SavesModel]) -> list[dict[str, Any]]:
    """List the files for ``study.models``: what each gives, its version and its last day."""
    rows = []
    for name, model in models.items():
        file = _file_of(name, model)
        rows.append(
            {
                "model": name,
                "gives": _WHAT[name],
                "file": f"{MODELS_FOLDER}/{name}.json",
                "version": file.version,
                "expires_at": file.expires_at,
            }
        )
    return rows


def _file_of(name: str, model: Any) -> ModelFile:
    from cxmodel.models.churn.stored import store_churn
    from cxmodel.models.retention.stored import store_retention
    from cxmodel.models.retention.stored_hazard import store_hazard
    from cxmodel.value.cltv.stored import store_cltv
    from cxmodel.value.purchases.stored import store_purchases
    from cxmodel.value.purchases.stored_spend import store_spend

    if name == "churn":
        return store_churn(model).file
    store: dict[str, Any] = {
        "retention": store_retention,
        "hazard": store_hazard,
        "cltv": store_cltv,
        "purchases": store_purchases,
        "spend": store_spend,
    }
    file: ModelFile = store[name](model)
    return file

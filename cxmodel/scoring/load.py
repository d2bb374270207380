"""Read any model that cxmodel has saved."""

from __future__ import annotations

import datetime as dt
import importlib
import warnings
from pathlib import Path
from typing import Any

from cxmodel.errors import CxModelWarning, SourceError, nearest
from cxmodel.models.model_file import ModelFile, read_model_file
from cxmodel.plain_json import said

# A kind of model -> where it is read: a function of the file and of its name for messages. A new
# kind needs a line here, and a module that writes it with `make_model_file`.
_KINDS = {
    "churn": ("cxmodel.models.churn.read_stored", "read_churn"),
    "retention": ("cxmodel.models.retention.stored", "read_retention"),
    "retention_covariates": ("cxmodel.models.retention.stored_covariates", "read_covariates"),
    "hazard": ("cxmodel.models.retention.stored_hazard", "read_hazard"),
    "purchases": ("cxmodel.value.purchases.stored", "read_purchases"),
    "spend": ("cxmodel.value.purchases.stored_spend", "read_spend_model"),
    "cltv": ("cxmodel.value.cltv.stored", "read_cltv"),
}


def load_model(path: str | Path, *, at: dt.date | None = None) -> Any:
    """Read a model that ``.save(path)`` or ``cxmodel run`` has written.

    No code is loaded: the file holds numbers and words, and all of them are checked. Its digest
    finds damage, and is no signature: see ``models/model_file.py``.

    Parameters
    ----------
    path : str or Path
        The file.
    at : date, optional
        The day for which the model must still hold; default: today.

    Returns
    -------
    object
        By the kind of model: `StoredChurnModel`, `RetentionFit`, `RetentionByCovariates`,
        `HazardResult`, `StoredPurchaseModel`, `StoredSpendModel` or `StoredCltvModel`.

    Raises
    ------
    SourceError
        If the file is missing, too large, no model, of another version or an unknown kind, was
        changed or cut off, or holds what such a model cannot hold.

    Warns
    -----
    CxModelWarning
        If the model has expired.

    Examples
    --------
    >>> import tempfile, cxmodel as cx
    >>> fit = cx.RetentionModel().fit_counts([1000, 869, 743, 653])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = load_model(fit.save(Path(folder, "retention.json")))
    >>> again.parameters == fit.parameters
    True
    """
    path = Path(path)
    file = read_model_file(path)
    model = model_of(file, str(path))
    if file.expires_at is not None and file.is_expired(at):
        warnings.warn(f"{path} {expired(file.expires_at)}", CxModelWarning, stacklevel=2)
    return model


def model_of(file: ModelFile, where: str) -> Any:
    """Read the content of a model file by its kind; see `load_model`.

    Raises
    ------
    SourceError
        If the kind is unknown, or the content none that such a model can have.
    """
    if file.kind not in _KINDS:
        raise SourceError(
            f"{where} holds a model of the kind {said(file.kind)}. {nearest(file.kind, _KINDS)} "
            "Read it with the version of cxmodel that wrote it."
        )
    module, name = _KINDS[file.kind]
    return getattr(importlib.import_module(module), name)(file, where)


def expired(day: dt.date) -> str:
    """Say that a model is too old."""
    return f"expired on {day}: what was learnt then need not hold now. Fit the model again."

"""The figures of a study as SVG files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cxmodel.errors import OutputError
from cxmodel.report.blocks import Picture
from cxmodel.report.reading import Results, plain_values
from cxmodel.report.sections import (
    churn,
    cltv,
    cltv_parts,
    common,
    estimators,
    kpis,
    lift_pictures,
    programmes,
    retention,
)


def write_figures(results: Any, folder: str | Path) -> list[Path]:
    """Draw every figure that the results allow, as ``<name>.svg``, letters as outlines.

    Parameters
    ----------
    results : StudyResults or mapping
        The sections of ``results.json``.
    folder : str or Path
        Made if missing.

    Returns
    -------
    list of Path
        What was written, in order of name. The same results give the same bytes.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    folder = Path(folder)
    found = figures(plain_values(results))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for name, block in sorted(found.items()):
            path = folder / f"{name}.svg"
            path.write_bytes(block.svg_path.encode("utf-8"))
            written.append(path)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}.") from error
    return written


def figures(results: Results) -> dict[str, Picture]:
    """Draw every figure of the board report, by name."""
    found: dict[str, list[Picture]] = {}
    for place, kpi in enumerate(common.rating_kpis(results)):
        found[f"kpi_{_slug(kpi)}_trend"] = kpis.trend_pictures(results, kpi)
        if place == 0:
            found[f"kpi_{_slug(kpi)}_groups"] = kpis.group_pictures(results, kpi)
    for kpi in common.SERVICE_KPIS:
        found[f"kpi_{kpi}_trend"] = kpis.trend_pictures(results, kpi)
    for outcome in common.OUTCOMES:
        found[f"lift_{outcome}_estimators"] = estimators.estimator_pictures(results, outcome)
        found[f"lift_{outcome}_by_rating"] = lift_pictures.level_pictures(results, outcome)
    found["churn"] = churn.churn_pictures(results)
    found["retention_curve"] = retention.retention_pictures(results)
    found["cltv_by_band"] = cltv.cltv_pictures(results)
    found["cltv_change"] = cltv_parts.change_pictures(results)
    found["cltv_backtest"] = cltv_parts.backtest_pictures(results)
    found["programmes"] = programmes.programme_pictures(results)
    found["programmes_cash_flow"] = programmes.cash_flow_pictures(results)
    return {
        name if place == 0 else f"{name}_{place + 1}": block
        for name, blocks in found.items()
        for place, block in enumerate(blocks)
    }


def _slug(text: str) -> str:
    """Make a name of a file out of a key.

    Examples
    --------
    >>> _slug("Wi-fi / ../speed")
    'wi_fi_speed'
    """
    kept = "".join(c if c.isascii() and c.isalnum() else " " for c in text.lower())
    return "_".join(kept.split()) or "rating"

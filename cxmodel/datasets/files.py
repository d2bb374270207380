"""Simulated tables as files under a company's own names, with the configuration that maps them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from cxmodel.errors import OutputError

FORMATS = ("parquet", "csv")
STEMS = {
    "surveys": "surveys",
    "customers": "customers",
    "revenue": "transactions",
    "interactions": "tickets",
    "invitations": "invitations",
}
ALWAYS_CSV = ("customers", "interactions")  # as the systems they come from give them
DATES = ("signup",)
COLUMNS: dict[str, dict[str, str]] = {
    "surveys": {
        "customer_id": "cust",
        "responded_at": "answered_at",
        "nps": "recommend",
        "ease": "effort",
        "touchpoint": "channel",
    },
    "customers": {"customer_id": "id", "started_at": "signup", "churned_at": "cancelled"},
    "revenue": {"customer_id": "cust", "booked_at": "paid_at"},
    "interactions": {
        "customer_id": "account_id",
        "started_at": "submitted_at",
        "stage": "kind",
        "resolve_by": "promised_by",
        "first_contact_resolution": "solved_at_once",
    },
    "invitations": {"customer_id": "cust", "invited_at": "sent_at"},
}
OURS = ("truth.json", "results.json")


def write_study(
    out_dir: Path,
    tables: Mapping[str, pd.DataFrame],
    *,
    truth: Mapping[str, float],
    configuration: Callable[[Mapping[str, str]], str],
    file_format: Literal["parquet", "csv"] = "parquet",
) -> Path:
    """Write tables, truth and configuration into a folder, all or nothing; give the configuration.

    Parameters
    ----------
    out_dir : Path
        New, empty, or of an earlier simulation.
    tables : mapping
        Frame of each kind of source, under cxmodel's own column names.
    truth : mapping
        Path in ``results.json`` -> true value.
    configuration : callable
        From the file name of each kind to the text of ``cxmodel.toml``.
    file_format : {"parquet", "csv"}
        Of the tables that no system gives as CSV.

    Raises
    ------
    ValueError
        If the format is unknown.
    OutputError
        If the folder holds files, but none of ours, or cannot be written.
    """
    if file_format not in FORMATS:
        raise ValueError(f"format is 'parquet' or 'csv', not {file_format!r}.")
    _refuse_foreign(out_dir)
    names = {
        kind: f"{STEMS[kind]}.{'csv' if kind in ALWAYS_CSV else file_format}" for kind in tables
    }
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out_dir, prefix=".writing-") as unfinished:
            folder = Path(unfinished)
            for kind, frame in tables.items():
                _write_table(frame.rename(columns=COLUMNS[kind]), folder / names[kind])
            _write_text(folder / "truth.json", json.dumps(dict(truth), indent=2) + "\n")
            _write_text(folder / "cxmodel.toml", configuration(names))
            for path in sorted(folder.iterdir()):
                path.replace(out_dir / path.name)
    except OSError as error:
        raise OutputError(f"Cannot write into {out_dir}: {error.strerror or error}.") from error
    return out_dir / "cxmodel.toml"


def _refuse_foreign(out_dir: Path) -> None:
    if out_dir.exists() and not out_dir.is_dir():
        raise OutputError(f"{out_dir} is a file. Name a folder.")
    if not out_dir.exists() or any((out_dir / name).exists() for name in OURS):
        return
    found = sorted(path.name for path in out_dir.iterdir())
    if found:
        raise OutputError(
            f"{out_dir} is not empty and holds neither truth.json nor results.json of ours "
            f"(found {', '.join(found[:5])}). Name another folder, or empty this one."
        )


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _write_table(frame: pd.DataFrame, path: Path) -> None:
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    for index, name in enumerate(table.column_names):
        kind = table.schema.field(name).type
        if name in DATES:
            table = table.set_column(index, name, table[name].cast(pa.date32()))
        elif pa.types.is_timestamp(kind):
            table = table.set_column(index, name, table[name].cast(pa.timestamp("s")))
    if path.suffix == ".csv":
        options = pa.csv.WriteOptions(quoting_style="needed")
        pa.csv.write_csv(table, path, options)
    else:
        pa.parquet.write_table(table, path)


def company_configuration(settings: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Write the text of a ``cxmodel.toml`` for the tables of a `Simulation`.

    Parameters
    ----------
    settings : mapping
        `Simulation.settings`.
    names : mapping
        File name of each kind of table.
    """
    size = settings["n_customers"]
    return COMPANY.format(
        **settings,
        **{f"{kind}_path": name for kind, name in names.items()},
        callback_low=_rounded(1.2 * size),
        callback_mode=_rounded(1.6 * size),
        callback_high=_rounded(2.4 * size),
        callback_monthly=_rounded(0.04 * size),
        portal_upfront=_rounded(9.0 * size),
        portal_monthly=_rounded(0.1 * size),
        portal_saving=_rounded(0.25 * size),
        letter_upfront=_rounded(1.0 * size),
        letter_monthly=_rounded(0.05 * size),
    )


def _rounded(amount: float) -> int:
    return max(10, round(amount / 10) * 10)


COMPANY = """\
# A simulated company ({world}, {n_customers} customers, seed {seed}).
# What is true of it stands in truth.json.
# A line maps cxmodel's name (left) to the column of this company (right).

[study]
title = "{title}"
currency = "{currency}"
rating = "nps"                   # this rating gets the lift; every rating gets KPIs
as_of = {as_of}               # the tables are complete to the end of this day

[sources.surveys]                # one row per response
path = "{surveys_path}"
customer_id = "cust"
responded_at = "answered_at"
touchpoint = "channel"

[sources.surveys.ratings]
nps  = {{ column = "recommend", scale = "nps" }}     # 0-10: how likely are you to recommend us?
ease = {{ column = "effort", scale = "ces7" }}       # 1-7: it was easy to get what I needed

[sources.invitations]            # who was asked
path = "{invitations_path}"
customer_id = "cust"
invited_at = "sent_at"

[sources.customers]              # one row per customer
path = "{customers_path}"
customer_id = "id"
started_at = "signup"
churned_at = "cancelled"
attributes = ["segment", "plan", "region"]

[sources.revenue]                # one row per booking; refunds are negative
path = "{revenue_path}"
customer_id = "cust"
booked_at = "paid_at"
amount = "amount"

[sources.interactions]           # calls and tickets
path = "{interactions_path}"
customer_id = "account_id"
started_at = "submitted_at"
stage = "kind"
first_response_at = "first_response_at"
resolved_at = "resolved_at"
resolve_by = "promised_by"
first_contact_resolution = "solved_at_once"
handle_seconds = "handle_seconds"
agent = "agent"

[windows]
lookback_days = {lookback_days}              # controls: the days before the answer
outcome_days = {outcome_days}               # outcomes: the days after it

[kpis]
by = ["segment"]
period = "quarter"
targets = {{ nps = {target_nps} }}

[value]
gross_margin = {gross_margin}
annual_discount_rate = {annual_discount_rate}
horizon_months = {horizon_months}

# What the company might pay for. Rating points are gained among the customers reached; ranges go
# into the draws, so that the net present value comes with the chance of a loss.

[[programmes]]
name = "Call-backs within a day"
rating_points = {{ mean = 0.8, sd = 0.25 }}
reach = 0.35
upfront_cost = {{ low = {callback_low}, mode = {callback_mode}, high = {callback_high} }}
monthly_cost = {callback_monthly}
ramp_months = 2
lasts_months = 24

[[programmes]]
name = "Portal redesign"
rating_points = {{ low = 0.1, mode = 0.3, high = 0.6 }}
reach = 0.6
upfront_cost = {portal_upfront}
monthly_cost = {portal_monthly}
monthly_cost_saving = {portal_saving}
ramp_months = 3
lasts_months = 24
touchpoint = "portal"

[[programmes]]
name = "Thank-you letters"
kpi_points = 2.0                 # NPS points, everybody moving a little
kpi_path = "uniform_shift"
upfront_cost = {letter_upfront}
monthly_cost = {letter_monthly}
"""

PURCHASES = """\
# A simulated company without contracts ({n_customers} customers, seed {seed}).
# What is true of it stands in truth.json.
# A line maps cxmodel's name (left) to the column of this company (right).

[study]
title = "What a point of NPS is worth to a shop"
currency = "{currency}"
rating = "nps"
as_of = {as_of}               # the tables are complete to the end of this day

[sources.surveys]                # one row per response
path = "{surveys_path}"
customer_id = "cust"
responded_at = "answered_at"

[sources.surveys.ratings]
nps  = {{ column = "recommend", scale = "nps" }}

[sources.customers]              # nobody says goodbye: no churned_at
path = "{customers_path}"
customer_id = "id"
started_at = "signup"

[sources.revenue]                # one row per booking
path = "{revenue_path}"
customer_id = "cust"
booked_at = "paid_at"
amount = "amount"

[windows]
outcome_days = {outcome_days}

[value]
gross_margin = {gross_margin}
annual_discount_rate = {annual_discount_rate}
horizon_months = {horizon_months}
"""


def purchases_configuration(settings: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Write the text of a ``cxmodel.toml`` for the tables of a `PurchaseBusiness`."""
    return PURCHASES.format(**settings, **{f"{kind}_path": name for kind, name in names.items()})

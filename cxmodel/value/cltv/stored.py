"""A lifetime value that was saved: what it says of any customer, in the settings of the fit."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cxmodel.errors import SchemaError, nearest
from cxmodel.models.model_file import Fields, ModelFile, StoredModel, make_model_file
from cxmodel.models.profile import Profile, read_profile
from cxmodel.models.retention.stored import read_retention_content, retention_content
from cxmodel.models.study_facts import read_windows
from cxmodel.tables.joining.columns import exact
from cxmodel.value.cltv.lifetime import Horizon
from cxmodel.value.cltv.past_spending import SpendingLine
from cxmodel.value.cltv.purchase_value import FAMILIES
from cxmodel.value.cltv.rules import STAYS, VALUE, ContractRule, PurchaseRule, Rule
from cxmodel.value.cltv.settings import ValueSettings
from cxmodel.value.purchases.profiles import steady
from cxmodel.value.purchases.stored import purchase_content, read_purchase_content
from cxmodel.value.purchases.stored_spend import read_spend_content, spend_content
from cxmodel.value.settings import MOST_MONTHS, check_value_settings

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    from cxmodel.value.cltv.result import CltvResult

KIND = "cltv"
MOST_CURVE_MONTHS = 10_000
_SHARED = ("business", "settings", "per_customer", "caveats", "profile")
_PER_CUSTOMER = ("estimate", "std_error", "n_obs")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class StoredCltvModel(StoredModel):
    """A lifetime value as a file holds it.

    Made by ``CltvResult.save(path)`` and read by ``cxmodel.load_model(path)``.

    Parameters
    ----------
    rule : PurchaseRule or ContractRule
        From the columns of a customer to a value.
    facts : mapping
        ``estimate, std_error, n_obs`` of the value per customer where it was fitted.
    caveats : tuple of str
        What a reader must know.
    profile : Profile
        How customers, and what is foretold of them, were spread where it was fitted.
    file : ModelFile
        The file: version, days and digest.
    """

    rule: Rule
    facts: Mapping[str, Any]
    caveats: tuple[str, ...]
    profile: Profile
    file: ModelFile

    def __repr__(self) -> str:
        return (
            f"StoredCltvModel({self.kind}: {self.facts['estimate']:,.2f} {self.unit} where it was "
            f"fitted; version {self.version}; expires {self.expires_at or 'never'})"
        )

    @property
    def kind(self) -> str:
        """Which of the two businesses: ``"contract"`` or ``"purchases"``."""
        return "purchases" if isinstance(self.rule, PurchaseRule) else "contract"

    @property
    def unit(self) -> str:
        """Of the values."""
        return self.rule.settings.unit

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that it looks at."""
        return self.rule.columns

    def predict(self, data: Any) -> pd.DataFrame:
        """Give the value of each customer, as ``CltvResult.predict`` does, to the last bit."""
        return self.rule.predict(data)

    def expression(self, table: ir.Table) -> ir.Table:
        """Write the value as an Ibis expression, computed where the table lies.

        Parameters
        ----------
        table : ibis table
            With `columns`.

        Returns
        -------
        ibis table
            `table` with ``prob_stays`` and ``cltv`` added; nothing is computed yet.

        Raises
        ------
        ValueError
            If the value is not linear in its columns: such are valued in batches.
        SchemaError
            If a column is missing.
        """
        if not isinstance(self.rule, ContractRule) or not self.rule.is_linear:
            what = "tenure" if isinstance(self.rule, ContractRule) else "the purchase history"
            raise ValueError(
                f"The value is no linear function of its columns: it bends with {what}. Score in "
                "batches: cxmodel score MODEL INPUT OUTPUT, or predict(frame)."
            )
        for column in self.columns:
            if column not in table.columns:
                raise SchemaError(
                    f"The value looks at {column!r}, which the table does not have. "
                    f"{nearest(column, table.columns)}"
                )
        value = self.rule.value_of(table)
        return table.mutate(**{STAYS: exact(self.rule.flat()[0]), VALUE: value})


# -- To the file ----------------------------------------------------------------------------------


def store_cltv(result: CltvResult) -> ModelFile:
    """Take the numbers out of a lifetime value.

    Raises
    ------
    ValueError
        If it does not say how single customers are valued.
    """
    rule = result.rule
    if rule is None:
        raise ValueError("This result does not say how single customers are valued.")
    value = result.per_customer
    content: dict[str, Any] = {
        "business": "purchases" if isinstance(rule, PurchaseRule) else "contract",
        "settings": dataclasses.asdict(rule.settings),
        "per_customer": {
            "estimate": float(value.estimate),
            "std_error": None if value.std_error is None else float(value.std_error),
            "n_obs": value.n_obs,
        },
        "caveats": list(result.caveats),
        "profile": rule.spread().to_plain(),
        **(_plain_purchases(rule) if isinstance(rule, PurchaseRule) else _plain_contract(rule)),
    }
    return make_model_file(KIND, content, created_at=rule.as_of)


def _plain_purchases(rule: PurchaseRule) -> dict[str, Any]:
    return {"purchases": purchase_content(rule.buys), "spend": spend_content(rule.spend)}


def _plain_contract(rule: ContractRule) -> dict[str, Any]:
    line = None
    if rule.line is not None:
        line = {
            "mean_before": float(rule.line.mean_before),
            "coefficients": [float(one) for one in rule.line.coefficients],
            "lookback_days": rule.lookback_days,
        }
    return {
        "window_months": float(rule.horizon.window_months),
        "gap_months": float(rule.horizon.gap_months),
        "spending_line": line,
        "windows": None if rule.windows is None else dataclasses.asdict(rule.windows),
        "retention": None if rule.retention is None else rule.retention.tolist(),
        "retention_model": None if rule.fit is None else retention_content(rule.fit),
    }


# -- From the file --------------------------------------------------------------------------------


def read_cltv(file: ModelFile, where: str) -> StoredCltvModel:
    """Read a lifetime value, and check all of it.

    Raises
    ------
    SourceError
        Naming the first thing that is wrong.
    """
    fields = Fields(file.content, where)
    business = fields.choice("business", ("contract", "purchases"))
    settings = _read_settings(fields.part("settings"))
    read = _read_purchases if business == "purchases" else _read_contract
    about = fields.part("per_customer")
    about.only(*_PER_CUSTOMER)
    facts = {
        "estimate": about.number("estimate"),
        "std_error": None if about.get("std_error") is None else about.number("std_error"),
        "n_obs": None if about.get("n_obs") is None else about.whole("n_obs"),
    }
    rule = read(fields, settings, file.created_at)
    columns: tuple[str, ...] = rule.columns
    outputs: tuple[str, ...] = rule.outputs
    if isinstance(rule, PurchaseRule):
        columns, outputs = steady(columns), steady(outputs)
    return StoredCltvModel(
        rule=rule,
        profile=read_profile(fields.part("profile"), numbers=columns, scores=outputs),
        facts=facts,
        caveats=tuple(fields.texts("caveats")),
        file=file,
    )


def _read_settings(fields: Fields) -> ValueSettings:
    fields.only(*(field.name for field in dataclasses.fields(ValueSettings)))
    numbers = {n: fields.number(n) for n in ("gross_margin", "annual_discount_rate", "conf_level")}
    wholes = {n: fields.whole(n) for n in ("horizon_months", "min_group_size", "n_draws", "seed")}
    benefit = fields.choice("benefit", ("margin", "revenue"))
    if wholes["horizon_months"] > MOST_MONTHS:
        fields.refuse("horizon_months", f"at most {MOST_MONTHS:,}")
    try:
        check_value_settings(
            numbers["gross_margin"],
            numbers["annual_discount_rate"],
            wholes["horizon_months"],
            benefit,
        )
    except ValueError:
        fields.refuse("gross_margin", "with discount rate and horizon settings that are possible")
    if not 0 < numbers["conf_level"] < 1:
        fields.refuse("conf_level", "a share between 0 and 1")
    return ValueSettings(**numbers, **wholes, benefit=benefit, currency=fields.text("currency"))  # type: ignore[arg-type]


def _read_purchases(fields: Fields, settings: ValueSettings, as_of: dt.date | None) -> PurchaseRule:
    fields.only(*_SHARED, "purchases", "spend")
    purchases = fields.part("purchases")
    purchases.choice("family", FAMILIES)
    return PurchaseRule(
        buys=read_purchase_content(purchases),
        spend=read_spend_content(fields.part("spend")),
        settings=settings,
        as_of=as_of,
    )


def _read_contract(fields: Fields, settings: ValueSettings, as_of: dt.date | None) -> ContractRule:
    names = (
        "window_months", "gap_months", "spending_line", "windows", "retention", "retention_model",
    )  # fmt: skip
    fields.only(*_SHARED, *names)
    window, gap = (fields.number(name) for name in ("window_months", "gap_months"))
    if not (0 <= window <= MOST_CURVE_MONTHS and 0 <= gap <= MOST_CURVE_MONTHS):
        fields.refuse("window_months", f"with gap_months 0 to {MOST_CURVE_MONTHS:,}")
    line, lookback = None, None
    if fields.get("spending_line") is not None:
        line, lookback = _read_line(fields.part("spending_line"))
    if (line is None) != (window == 0):
        fields.refuse(
            "spending_line", "given where there is a window, and null where there is none"
        )
    horizon = Horizon(
        n_months=settings.horizon_months,
        annual_discount_rate=settings.annual_discount_rate,
        window_months=window,
        gap_months=gap,
    )
    fit = None
    if fields.get("retention_model") is not None:
        fit = read_retention_content(fields.part("retention_model"))
    if (fields.get("retention") is None) == (fit is None):
        fields.refuse("retention", "a curve where retention_model is null, and null where not")
    return ContractRule(
        settings=settings,
        horizon=horizon,
        line=line,
        lookback_days=lookback,
        retention=None if fit is not None else _read_curve(fields, horizon),
        fit=fit,
        windows=None if fields.get("windows") is None else read_windows(fields.part("windows")),
        as_of=as_of,
    )


def _read_line(fields: Fields) -> tuple[SpendingLine, float | None]:
    """Read how spending is foretold, and the days of a whole window before."""
    fields.only("mean_before", "coefficients", "lookback_days")
    coefficients = np.array(fields.numbers("coefficients"))
    if len(coefficients) not in (2, 4):
        fields.refuse("coefficients", "two numbers, or four where days observed count")
    lookback = None if fields.get("lookback_days") is None else fields.number("lookback_days")
    if lookback is not None and lookback <= 0:
        fields.refuse("lookback_days", "above 0")
    return SpendingLine(fields.number("mean_before"), coefficients), lookback


def _read_curve(fields: Fields, horizon: Horizon) -> Any:
    """Read a retention curve: from 1, never rising, and as far as the horizon needs it."""
    curve = np.array(fields.numbers("retention"))
    needed = horizon.gap_months + max(horizon.n_months, 0)
    is_right = needed < len(curve) <= MOST_CURVE_MONTHS + 2 * horizon.n_months
    if not is_right or curve[0] != 1 or (curve < 0).any() or (np.diff(curve) > 1e-12).any():
        fields.refuse(
            "retention", f"shares from 1 that never rise, at least {needed:.0f} months of them"
        )
    return curve

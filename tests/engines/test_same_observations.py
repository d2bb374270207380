"""The same observation table and the same study on every engine, to the cent and the second."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pandas as pd
import pytest
from boundary_company import SMALL, make_tables, write_tables
from conftest import LOCAL_SPARK

import cxmodel as cx
from cxmodel.tables.engines.engine import Session
from cxmodel.tables.join_settings import JoinSettings
from cxmodel.tables.joining.observation_join import revenue_totals
from cxmodel.tables.observations import observe
from cxmodel.tables.opening.catalog import Catalog
from cxmodel.tables.opening.fingerprints import fingerprint
from cxmodel.tables.opening.opening import open_source
from cxmodel.tables.plan_choice import PlanChoice
from cxmodel.tables.sources import Source, Sources
from cxmodel.tables.specs import RatingSpec, SourceSpec
from cxmodel.tables.window_sums import totals_in_windows

AS_OF = dt.date(2025, 12, 20)
ENGINES = ["postgres_session", "spark_session"]
# (churn by, sources beside surveys, windows): every rule for leaving, a gap, days by midnights.
STUDIES = {
    "churn dates": (("customers", "revenue", "interactions"), cx.Windows()),
    "subscriptions": (("subscriptions", "revenue"), cx.Windows(gap_days=30, outcome_days=90)),
    "inactivity": (("revenue", "interactions"), cx.Windows(lookback_days=90, outcome_days=120)),
}


@pytest.fixture(scope="module")
def tables():
    return make_tables(SMALL)


def opened(session: Session, tables: dict, kinds: tuple[str, ...]) -> Sources:
    """Open tables of a company on an engine: frames, or paths of files."""
    about = {
        "surveys": {"ratings": {"nps": RatingSpec("score", cx.NPS)}},
        "customers": {"attributes": ("segment",)},
    }
    catalog = Catalog(session, {}, Path())
    found: dict[str, Source] = {}
    for kind in ("surveys", *kinds):
        spec = SourceSpec(kind=kind, data=tables[kind], **about.get(kind, {}))
        found[kind] = open_source(spec, catalog, "USD")
    return Sources(session=session, by_kind=found, currency="USD")


def observed(session, tables, study, plan):
    kinds, windows = STUDIES[study]
    if study == "inactivity":
        # Nothing says who left: the customers' own date is not told.
        tables = tables | {"customers": None}
    settings = JoinSettings(windows=windows, plan=plan, as_of=AS_OF, time_zone="Europe/Berlin")
    sources = opened(session, tables, kinds)
    obs = observe(sources, settings)
    prints = {kind: fingerprint(session, s.table) for kind, s in sources.by_kind.items()}
    return obs.frame, obs.audit, prints


@pytest.fixture(scope="module")
def expected(tables, duckdb_session):
    """What DuckDB says: its own tests hold it against an obvious loop."""
    return {study: observed(duckdb_session, tables, study, "range") for study in STUDIES}


def same(found, wanted):
    pd.testing.assert_frame_equal(found[0], wanted[0], check_exact=True)
    assert found[1] == wanted[1]
    assert found[2] == wanted[2]


# -- Against DuckDB ------------------------------------------------------------------------------


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("plan", ["range", "stack"])
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_and_plan_gives_the_same_rows(request, engine, plan, study, tables, expected):
    session = request.getfixturevalue(engine)
    same(observed(session, tables, study, plan), expected[study])


@pytest.mark.parametrize("step", ["day", "hour", "minute"])
@pytest.mark.parametrize("engine", ["duckdb_session", *ENGINES])
def test_rows_added_up_by_step_give_the_same_sums(request, engine, step, tables):
    session = request.getfixturevalue(engine)
    sources = opened(session, tables, ("revenue",))
    totals = revenue_totals(cx.Windows(), "booked", "amount_units")
    found = {}
    for choice in (PlanChoice(plan="range"), PlanChoice(plan="stack", step=step)):
        summed = totals_in_windows(
            sources.get("surveys").table,
            sources.get("revenue").table,
            totals,
            at="booked_at",
            plan=choice,
        )
        rows = session.rows(session.keep(summed).order_by("row_number"))
        found[choice.plan] = {
            row.pop("row_number"): row for row in rows if any(row[t.name] for t in totals)
        }
    assert found["stack"] == found["range"]
    assert len(found["range"]) > 400


@pytest.mark.parametrize("engine", ENGINES)
def test_the_mixed_plan_gives_the_same_rows(request, engine, tables, expected):
    session = request.getfixturevalue(engine)
    same(observed(session, tables, "inactivity", "mixed"), expected["inactivity"])


@pytest.mark.parametrize("study", STUDIES)
def test_the_other_plan_gives_the_same_rows_on_duckdb(duckdb_session, study, tables, expected):
    same(observed(duckdb_session, tables, study, "stack"), expected[study])


def test_spark_reads_files_itself(spark_session, tables, expected, tmp_path):
    paths = write_tables(tables, tmp_path)
    same(observed(spark_session, paths, "churn dates", "range"), expected["churn dates"])


@pytest.mark.parametrize("engine", ["postgres_session", "spark_session"])
def test_text_files_are_read_alike(request, engine, duckdb_session, tmp_path):
    words = (
        "cust;when;q1;note\n"
        'a;03.01.2025 10:00;9;"line\nbreak; and ""quotes"""\n'
        "A;2.1.2025 9:05;;\n"
        " b ;31.12.2024 23:59; 10 ;x\n"
        "ä;1.1.2025 00:00;0;\n"
    )
    (tmp_path / "answers.csv").write_text(words, encoding="utf-8-sig")
    spec = SourceSpec(
        kind="surveys",
        data=str(tmp_path / "answers.csv"),
        columns={"customer_id": "cust", "responded_at": "when", "comment": "note"},
        ratings={"nps": RatingSpec("q1", cx.NPS)},
        date_format=("%d.%m.%Y %H:%M",),
        time_zone="Europe/Berlin",
    )
    read = {}
    for session in (duckdb_session, request.getfixturevalue(engine)):
        source = open_source(spec, Catalog(session, {}, tmp_path))
        read[session.name] = session.arrow(source.table.order_by("row_number")).to_pylist()
    here, there = read.values()
    assert here == there
    assert [row["customer_id"] for row in there] == ["a", "A", " b ", "ä"]
    assert there[2]["responded_at"] == dt.datetime(2024, 12, 31, 22, 59)


def same_results(folder: Path, name: str, url: str) -> None:
    """Run the study of a small company on DuckDB and at an address: one results.json."""
    cx.datasets.simulate(n_customers=400, seed=3).write(folder)
    settings = (folder / "cxmodel.toml").read_text(encoding="utf-8")
    results = {}
    for engine, address in (("duckdb", "duckdb://"), (name, url)):
        path = folder / f"{engine}.toml"
        path.write_text(f'[engine]\nurl = "{address}"\n{settings}', encoding="utf-8")
        results[engine] = json.loads(cx.Study.from_toml(path).run().to_json())
    assert results["duckdb"]["lift"]["revenue"]["status"] == "ok"
    assert results[name]["study"].pop("engine") != results["duckdb"]["study"].pop("engine")
    assert results[name] == results["duckdb"]


@pytest.mark.parametrize("engine", ["postgres", "spark"])
def test_a_whole_study_has_the_same_results(request, engine, tmp_path):
    if engine == "spark":
        request.getfixturevalue("spark_session")  # Java is there, and one session serves both
    url = LOCAL_SPARK if engine == "spark" else request.getfixturevalue("postgres").url
    same_results(tmp_path, engine, url)

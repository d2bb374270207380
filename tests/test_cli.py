"""The command line: exit codes, what goes where, and nothing heavy at the start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from cxmodel import cli, study
from cxmodel.commands.answer import number, short_answer
from cxmodel.commands.demo import truth_table
from cxmodel.config import parse_config
from cxmodel.datasets.comparison import Comparison
from cxmodel.errors import ConfigError, CxModelWarning, ScaleError, SchemaError
from cxmodel.progress import NoProgress
from cxmodel.study_results import StudyResults
from cxmodel.study_sources import (
    check_named_columns,
    engine_of,
    source_specs,
    table_files,
    windows_of,
)
from cxmodel.tables.sources import Inspection
from cxmodel.tables.specs import Query, TableName

CONFIG = '[sources.surveys]\npath = "nps.csv"\nratings.nps = { column = "score", scale = "nps" }\n'
ESTIMATE = {
    "estimate": 12.345,
    "std_error": 2.0,
    "conf_low": 8.0,
    "conf_high": 16.0,
    "conf_level": 0.95,
    "unit": "USD per rating point per customer per 180 days",
    "n_obs": 1234,
}
RESULTS: dict[str, Any] = {
    "schema_version": 1,
    "study": {"title": "T"},
    "kpis": {
        "status": "ok",
        "rows": [
            {"kpi": "nps", "group": {}, "period": None, **ESTIMATE, "unit": "NPS, -100 to 100"},
            {"kpi": "nps", "group": {"plan": "a"}, "period": None, **ESTIMATE},
        ],
    },
    "lift": {
        "status": "ok",
        "revenue": {"status": "ok", "per_rating_point": ESTIMATE},
        "retention": {"status": "not_run", "reason": "4 events"},
    },
    "checks": {
        "status": "ok",
        "rows": [
            {"name": "timing", "outcome": "revenue", "verdict": "fail"},
            {"name": "join", "outcome": None, "verdict": "pass"},
        ],
    },
    "evidence": {"status": "ok", "by_outcome": {"revenue": {"grade": "within_customer"}}},
    "churn": {"status": "not_run", "reason": "4 events for 6 terms."},
    "programmes": {"status": "ok", "rows": [{"name": "P", "npv": {**ESTIMATE, "unit": "USD"}}]},
}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "acme.toml"
    file.write_text(CONFIG)
    return file


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Let a run give fixed results, and note how it was called."""
    seen: dict[str, Any] = {}

    def run(self: Any, *, only: Any = None, progress: Any = None) -> StudyResults:
        seen.update(only=only, progress=progress)
        with progress.stage("lift") as stage:
            stage.rows(1200)
        return StudyResults(RESULTS)

    def write(self: Any, out_dir: Path, **options: Any) -> list[Path]:
        seen.update(out=out_dir, **options)
        return []

    monkeypatch.setattr(study.Study, "run", run)
    monkeypatch.setattr(StudyResults, "write", write)
    return seen


# -- by hand ---------------------------------------------------------------------------------


def test_help_names_the_commands_that_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    said = capsys.readouterr().out
    for command in ("demo", "init", "validate", "run", "report", "score", "simulate"):
        assert f"\n  {command} " in said
    for later in ("forecast", "monitor"):
        assert later not in said


def test_run_prints_a_short_answer(
    config: Path, calls: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "acme.toml"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "KPI nps (NPS, -100 to 100): 12.3 (95% interval 8.00 to 16.0; n = 1,234)",
        "Lift of revenue: 12.3 USD per rating point per customer per 180 days "
        "(95% interval 8.00 to 16.0; n = 1,234); evidence: within customer",
        "Failed checks: timing (revenue)",
        "Programme P: NPV 12.3 USD (95% interval 8.00 to 16.0; n = 1,234)",
        "Not run: lift of retention: 4 events",
        "Not run: churn: 4 events for 6 terms.",
        "Results: reports/acme/results.json",
        "Report: reports/acme/report.html",
        "Report: reports/acme/report.pdf",
    ]
    assert "lift: 1,200 rows" in said.err
    assert calls["out"] == Path("reports/acme")
    assert (calls["report"], calls["keep_observations"]) == (("html", "pdf"), False)
    assert calls["only"] is None


def test_options_of_run(config: Path, calls: dict[str, Any]) -> None:
    arguments = ["run", "acme.toml", "--out", "x", "--report", "none", "--only", "kpis, lift"]
    assert cli.main([*arguments, "--keep-observations"]) == 0
    assert (calls["out"], calls["report"]) == (Path("x"), ())
    assert calls["only"] == ("kpis", "lift")
    assert calls["keep_observations"] is True


@pytest.mark.parametrize(
    "arguments", [["--quiet", "run", "acme.toml"], ["run", "acme.toml", "--quiet"]]
)
def test_quiet_stands_before_or_after_the_command(
    arguments: list[str],
    config: Path,
    calls: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(arguments) == 0
    assert capsys.readouterr().err == ""
    assert type(calls["progress"]) is NoProgress


def test_truth_beside_estimates() -> None:
    rows = [
        Comparison(path="a", truth=5.0, estimate=4.8, conf_low=2.8, conf_high=6.8, holds=True),
        Comparison(path="bb", truth=1.0, estimate=3.0, conf_low=2.0, conf_high=4.0, holds=False),
        Comparison(path="c", truth=1.0, estimate=None, conf_low=None, conf_high=None, holds=None),
    ]
    assert [line.split() for line in truth_table(rows).splitlines()] == [
        ["truth", "estimate", "interval"],
        ["a", "5.00", "4.80", "2.80", "to", "6.80", "holds", "the", "truth"],
        ["bb", "1.00", "3.00", "2.00", "to", "4.00", "misses", "the", "truth"],
        ["c", "1.00", "not", "run"],
    ]


def test_a_short_answer_of_nothing() -> None:
    assert short_answer({"lift": {"status": "ok"}}, Path("o")) == "Results: o/results.json"
    assert number(-1234567.8) == "-1,234,568"
    assert number(0.000076543) == "0.0000765"


def test_churn_retention_and_value_are_said() -> None:
    def estimate(value: float, unit: str) -> dict[str, Any]:
        ends = {"conf_low": value - 1, "conf_high": value + 1, "conf_level": 0.9}
        return {"estimate": value, "unit": unit, "n_obs": 700, "std_error": 0.6, **ends}

    row = {"conf_low": 0.7, "conf_high": 0.9, "observed": True}
    results = {
        "study": {
            "window_words": "180 days",
            "conf_level": 0.9,
            "models": {"rows": [{"file": "models/churn.json", "gives": "probability of leaving"}]},
        },
        "churn": {
            "status": "ok", "base_rate": 0.125, "n_events": 100, "n_obs": 800,
            "metrics": {"roc_auc": estimate(0.75, "area")},
            "leaks": {"rows": [{"column": "reason"}, {"column": "score"}]},
        },
        "retention": {
            "status": "ok",
            "curve": {"rows": [
                {"month": 0, "retention": 1.0, **row},
                {"month": 12, "retention": 0.8, **row},
                {"month": 24, "retention": 0.625, **row, "observed": False, "conf_low": None},
            ]},
            "hazard": {"hazard_ratio_per_rating_point": estimate(1.25, "ratio")},
        },
        "cltv": {
            "status": "ok",
            "per_customer": estimate(400.0, "USD margin per customer over 36 months"),
            "change_per_rating_point": {"total": estimate(12.0, "USD per rating point")},
            "customer_equity": {"status": "not_run", "reason": "nobody counted them"},
        },
    }  # fmt: skip
    assert short_answer(results, Path("o")).splitlines() == [
        "Churn: 12.5% left within 180 days (100 of 800)",
        "  AUC on rows held out: 0.750 (90% interval -0.250 to 1.75; n = 700)",
        "  columns that seem to know the outcome: reason, score",
        "Retention after 12 months: 80.0% (90% interval 70.0% to 90.0%)",
        "Retention after 24 months, by the model beyond the data: 62.5%",
        "Hazard of leaving, ratio per rating point: 1.25 (90% interval 0.250 to 2.25; n = 700)",
        "Lifetime value: 400 USD margin per customer over 36 months (90% interval 399 to 401; "
        "n = 700)",
        "  change: 12.0 USD per rating point (90% interval 11.0 to 13.0; n = 700)",
        "Results: o/results.json",
        "Model: o/models/churn.json (probability of leaving)",
    ]


def test_demo_writes_everything_and_tells_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(self: Any, *, only: Any = None, progress: Any = None) -> StudyResults:
        return StudyResults(RESULTS)

    def write(self: StudyResults, out_dir: Path, **options: Any) -> list[Path]:
        (out_dir / "results.json").write_text(json.dumps(RESULTS))
        return []

    monkeypatch.setattr(study.Study, "run", run)
    monkeypatch.setattr(StudyResults, "write", write)
    out = tmp_path / "demo"
    for _ in range(2):
        assert cli.main(["demo", "--out", str(out), "--customers", "60", "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "lift.revenue.per_rating_point" in said
    assert "the truth" in said
    assert (out / "data" / "truth.json").exists()
    assert json.loads((out / "results.json").read_text())["schema_version"] == 1


def test_simulate_then_init(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "sim"
    arguments = ["simulate", "--customers", "60", "--out", str(out), "--seed", "4", "--quiet"]
    assert cli.main(arguments) == 0
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert {"truth.json", "cxmodel.toml", "customers.csv"} <= set(first)
    assert cli.main(arguments) == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first
    draft = tmp_path / "cxmodel.toml"
    assert cli.main(["init", str(out), "--out", str(draft), "--quiet"]) == 0
    said = capsys.readouterr()
    assert "sources.surveys: sim/surveys.parquet" in said.out
    assert "To decide: 4 lines" in said.out
    assert cli.main(["init", str(out), "--out", str(draft), "--quiet"]) == 2
    assert "exists and is not overwritten" in capsys.readouterr().err


def test_validate_tells_breaches_and_warnings(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found: list[Any] = [SchemaError("no column 'a'"), ScaleError("14 ratings")]
    rows = {"sources.surveys": 1200, "sources.churn": None}
    none: Any = None
    inspection = Inspection(sources=none, n_rows=rows, breaches=found, warnings=["few bookings"])
    monkeypatch.setattr(study.Study, "inspect", lambda self, **options: inspection)
    assert cli.main(["validate", "acme.toml"]) == 2
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "Warning: few bookings",
        "SchemaError: no column 'a'",
        "ScaleError: 14 ratings",
    ]
    assert said.out == "sources.surveys: 1,200 rows\nsources.churn: not read\n"
    found.clear()
    assert cli.main(["validate", "acme.toml"]) == 0
    assert capsys.readouterr().out.endswith("settings and data are as declared.\n")
    with config.open("a") as file:
        file.write("# decide: currency = ...\n# a note\n# decide: gross_margin = ...\n")
    assert cli.main(["validate", "acme.toml"]) == 0
    assert capsys.readouterr().out.endswith("2 lines begin with '# decide:' still: 4, 6.\n")


def test_report_keeps_what_the_run_wrote(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from cxmodel import report

    def render_report(results_dir: Path, out_dir: Path, **options: Any) -> list[Path]:
        assert (results_dir / "results.json").exists()
        assert options == {"formats": ("html",), "notebook": "board_report"}
        (out_dir / "report.html").write_text("<p>")
        return [out_dir / "report.html"]

    monkeypatch.setattr(report, "render_report", render_report, raising=False)
    folder = Path("out")
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps(RESULTS))
    arguments = ["report", "out", "--to", "html", "--notebook", "board_report", "--quiet"]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out == "out/report.html\n"
    assert (folder / "results.json").exists()
    assert cli.main(["report", "nowhere", "--quiet"]) == 2
    assert "nowhere/results.json does not exist" in capsys.readouterr().err


# -- from settings to stages -----------------------------------------------------------------


def test_sources_engine_and_windows_of_a_configuration(tmp_path: Path) -> None:
    c = parse_config(
        {
            "study": {"time_zone": "America/Sao_Paulo"},
            "engine": {"url": "duckdb:///w.db", "threads": 2, "temp_directory": "t"},
            "tables": {"t": {"path": "t.xlsx", "sheet": "A"}},
            "sources": {
                "revenue": {"sql": "SELECT 1", "time_zone": "UTC"},
                "surveys": {
                    "table": "t",
                    "responded_at": "at",
                    "attributes": "plan",
                    "date_format": "%d.%m.%Y",
                    "ratings": {"csat": {"column": "s", "scale": "csat5"}},
                },
            },
        },
        base_dir=tmp_path,
    )
    surveys, revenue = source_specs(c)
    assert (surveys.kind, surveys.data, surveys.label) == (
        "surveys",
        TableName("t"),
        "sources.surveys",
    )
    assert surveys.columns == {"responded_at": "at"}
    assert surveys.ratings["csat"].scale.name == "csat5"
    assert (surveys.attributes, surveys.date_format) == (("plan",), ("%d.%m.%Y",))
    assert (surveys.time_zone, revenue.time_zone) == ("America/Sao_Paulo", "UTC")
    assert revenue.data == Query("SELECT 1")
    assert table_files(c)["t"].sheet == "A"
    assert engine_of(c).url == f"duckdb:///{tmp_path}/w.db"
    assert engine_of(c).temp_directory == str(tmp_path / "t")
    assert windows_of(c).inactive_days == 90


def test_groups_that_are_no_attribute() -> None:
    raw = {
        "sources": {"churn": {"path": "a"}},
        "kpis": {"by": "segmnt"},
        "lift": {"by": ["plan", "x"]},
    }
    with pytest.raises(
        ConfigError, match=r"(?s)kpis.by has \"segmnt\".*'segment'.*lift.by has \"x\""
    ):
        check_named_columns(parse_config(raw), ["segment", "plan"])
    with pytest.raises(ConfigError, match="List it under attributes"):
        check_named_columns(parse_config(raw), [])


# -- errors ----------------------------------------------------------------------------------


def raising(error: BaseException) -> Any:
    def run(self: Any, **options: Any) -> StudyResults:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ScaleError("14 ratings"), 2, "ScaleError: 14 ratings\n"),
        (KeyError("x"), 1, "A defect of cxmodel, not of your input: KeyError: 'x'. Run again with"),
        (KeyboardInterrupt(), 130, "Interrupted."),
        (type("InterruptException", (RuntimeError,), {})(), 130, "Interrupted."),
    ],
)
def test_exit_codes(
    error: BaseException,
    code: int,
    message: str,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(study.Study, "run", raising(error))
    assert cli.main(["run", "acme.toml", "--quiet"]) == code
    said = capsys.readouterr()
    assert said.err.strip().startswith(message.strip())
    assert "Traceback" not in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    "arguments", [["--debug", "run", "acme.toml"], ["run", "acme.toml", "--debug"]]
)
def test_debug_shows_the_traceback(
    arguments: list[str],
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(study.Study, "run", raising(ScaleError("14 ratings")))
    assert cli.main(arguments) == 2
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.splitlines()[-1] == "ScaleError: 14 ratings"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu"], "No such command 'rnu'"),
        (["run"], "Missing argument 'CXMODEL.TOML'"),
        (["run", "acme.toml", "--report", "doc"], "'doc' is unknown. Choose from: html, pdf, none"),
        (["run", "acme.toml", "--only", ","], "is empty"),
        (["report", "out", "--to", "none"], "'none' is unknown. Choose from: html, pdf."),
        (["simulate", "--customers", "5", "--out", "x"], "5 is not in the range x>=10"),
        (["demo", "--seed", "-1"], "-1 is not in the range"),
        (["run", "nothere.toml"], "nothere.toml does not exist. Found there: acme.toml"),
        (["init", "nothere.csv"], "nothere.csv"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], message: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert "Traceback" not in said.err


def test_the_output_folder_is_refused_before_the_first_slow_step(
    config: Path, calls: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "acme.toml", "--out", "."]) == 2
    assert "is not empty and holds no results of cxmodel" in capsys.readouterr().err
    assert calls == {}


def test_warnings_of_libraries_stay_silent(
    config: Path,
    calls: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(self: Any, **options: Any) -> StudyResults:
        warnings.warn("old function", DeprecationWarning, stacklevel=1)
        warnings.warn("only 12 customers", CxModelWarning, stacklevel=1)
        return StudyResults(RESULTS)

    monkeypatch.setattr(study.Study, "run", run)
    assert cli.main(["run", "acme.toml", "--quiet"]) == 0
    assert capsys.readouterr().err == "Warning: only 12 customers\n"
    assert cli.main(["run", "acme.toml", "--quiet", "--debug"]) == 0
    assert "old function" in capsys.readouterr().err


def test_sigterm_cleans_up_as_ctrl_c_does(
    config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def write(self: Any, out_dir: Path, **options: Any) -> list[Path]:
        from cxmodel.output import OutputFolder

        with OutputFolder(out_dir):
            os.kill(os.getpid(), signal.SIGTERM)
        return []

    monkeypatch.setattr(study.Study, "run", lambda self, **options: StudyResults(RESULTS))
    monkeypatch.setattr(StudyResults, "write", write)
    with pytest.raises(SystemExit) as caught:
        cli.main(["run", "acme.toml", "--quiet"])
    assert caught.value.code == 143
    assert list((tmp_path / "reports").iterdir()) == []


def test_the_start_loads_nothing_heavy() -> None:
    heavy = "pandas numpy scipy pyarrow duckdb ibis sklearn matplotlib nbclient pydantic rich"
    script = (
        "import sys, cxmodel.cli\n"
        "cxmodel.cli.main(['--help'])\n"
        f"print('loaded:', *(set({heavy.split()!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "loaded:"

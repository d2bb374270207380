"""Engines that refuse, are full, or go away: one clear error, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import ibis
import psycopg
import pyarrow as pa
import pytest
from servers import postgres_server

import cxmodel as cx
from cxmodel.errors import EngineError
from cxmodel.progress import NoProgress
from cxmodel.tables.engines.engine import Engine, connect, session_of

ROWS = pa.table({"a": list(range(1000))})


@pytest.fixture
def study(tmp_path) -> Path:
    """A small simulated study; its file has no engine yet."""
    cx.datasets.simulate(n_customers=300, seed=3).write(tmp_path)
    return tmp_path


def on_engine(study: Path, url: str, **limits: str) -> Path:
    lines = [f'{name} = "{value}"' for name, value in {"url": url, **limits}.items()]
    path = study / "engine.toml"
    text = (study / "cxmodel.toml").read_text(encoding="utf-8")
    path.write_text("[engine]\n" + "\n".join(lines) + "\n" + text, encoding="utf-8")
    return path


def temporary_tables(server) -> list[str]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        query = "SELECT relname FROM pg_class WHERE relname LIKE 'cx%'"
        return [name for (name,) in connection.execute(query).fetchall()]


def as_role(server, *statements: str) -> str:
    """Make a role without rights, and give its address."""
    with connect(Engine(server.url)) as session:
        for statement in ("DROP ROLE IF EXISTS poor", "CREATE ROLE poor LOGIN", *statements):
            session.backend.raw_sql(statement).close()
    return server.url_of("poor")


class Interrupting(NoProgress):
    """Progress that does something when a stage begins."""

    def __init__(self, stage: str, action) -> None:
        self._stage, self._action = stage, action

    @contextmanager
    def stage(self, name: str):
        if name == self._stage:
            self._action()
        with super().stage(name) as stage:
            yield stage


# -- PostgreSQL ------------------------------------------------------------------------------------


def test_a_server_that_goes_away_in_the_middle_is_one_clear_error(study):
    with postgres_server() as server:
        path = on_engine(study, server.url)
        progress = Interrupting("observations", server.stop)
        with pytest.raises(EngineError, match=r"PostgreSQL went away.*Nothing was written"):
            cx.Study.from_toml(path).run(progress=progress)


def test_an_interrupted_study_leaves_no_table_on_the_server(postgres, study):
    def interrupt() -> None:
        raise KeyboardInterrupt

    path = on_engine(study, postgres.url)
    with pytest.raises(KeyboardInterrupt):
        cx.Study.from_toml(path).run(progress=Interrupting("lift of revenue", interrupt))
    end = time.monotonic() + 20  # the server cleans up behind a connection in its own time
    while temporary_tables(postgres) and time.monotonic() < end:
        time.sleep(0.1)
    assert temporary_tables(postgres) == []


def test_a_connection_that_a_user_brings_is_left_as_it_was(postgres):
    backend = ibis.connect(postgres.url)
    backend.raw_sql("CREATE TEMPORARY TABLE answers (who text, day date, q1 int)").close()
    backend.raw_sql("INSERT INTO answers VALUES ('a', '2025-01-01', 9)").close()
    surveys = cx.read_surveys(
        backend.table("answers"),
        customer_id="who",
        responded_at="day",
        ratings={"nps": ("q1", cx.NPS)},
    )
    assert surveys.to_frame().rating_nps.tolist() == [9.0]
    session_of(surveys.table).close()
    assert backend.list_tables() == ["answers"]
    backend.disconnect()


def test_without_the_right_to_make_tables_the_error_names_it(postgres, study):
    url = as_role(postgres, "REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC")
    with pytest.raises(EngineError, match=r"does not allow it: .*TEMPORARY on the database"):
        cx.Study.from_toml(on_engine(study, url)).run()
    as_role(postgres, "GRANT TEMPORARY ON DATABASE postgres TO PUBLIC")


def test_a_table_that_may_not_be_read_is_named(postgres):
    url = as_role(postgres, "DROP TABLE IF EXISTS secret", "CREATE TABLE secret (id int)")
    with connect(Engine(url)) as session, pytest.raises(EngineError, match="table secret"):
        session.arrow(session.backend.table("secret"))


def test_a_read_only_database_is_named(postgres, study):
    url = as_role(postgres, "ALTER ROLE poor SET default_transaction_read_only = on")
    with pytest.raises(EngineError, match="PostgreSQL database is read-only"):
        cx.Study.from_toml(on_engine(study, url)).run()


def test_an_address_that_does_not_answer_keeps_its_password(postgres):
    with pytest.raises(EngineError, match="cannot be reached: nobody listens") as caught:
        connect(Engine("postgres://me:secret@127.0.0.1:1/sales"))
    assert "secret" not in str(caught.value)
    with pytest.raises(EngineError, match=r"there is no such database or user"):
        connect(Engine(postgres.url_of("nobody")))


def test_limits_that_a_server_sets_itself_are_refused(postgres):
    with pytest.raises(EngineError, match=r"engine\.memory_limit does not hold for PostgreSQL"):
        connect(Engine(postgres.url, memory_limit="1GB"))


# -- DuckDB ----------------------------------------------------------------------------------------


def warehouse(folder: Path) -> Path:
    path = folder / "warehouse.db"
    backend = ibis.duckdb.connect(path)
    backend.create_table("answers", ibis.memtable(pa.table({"q1": [9, 3]})))
    backend.disconnect()
    return path


def test_a_file_can_be_opened_for_reading_alone(tmp_path):
    path = warehouse(tmp_path)
    before = path.read_bytes()
    with connect(Engine(f"duckdb:///{path}?access_mode=read_only")) as session:
        kept = session.keep(session.backend.table("answers"))
        assert session.one_row(kept.aggregate(n=kept.count())) == {"n": 2}
    assert path.read_bytes() == before


def test_a_file_that_another_program_holds_is_named(tmp_path):
    path = warehouse(tmp_path)
    hold = f"import duckdb; con = duckdb.connect({str(path)!r}); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(EngineError, match=r"Another program has the file open"):
            connect(Engine(f"duckdb:///{path}"))
        other.communicate("\n")


def test_what_does_not_fit_goes_to_a_folder_that_is_removed(tmp_path):
    engine = Engine(memory_limit="60MB", threads=1, temp_directory=str(tmp_path))
    with connect(engine) as session:
        assert [path.name.startswith("cxmodel-") for path in tmp_path.iterdir()] == [True]
        wide = session.query("SELECT i, repeat('x', 100) || i AS word FROM range(1000000) t(i)")
        ordered = session.keep(wide.order_by("word"))
        assert any(next(tmp_path.iterdir()).iterdir())
        assert session.one_row(ordered.aggregate(n=ordered.count())) == {"n": 1_000_000}
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named(tmp_path):
    engine = Engine(memory_limit="60MB", threads=1, temp_directory=str(tmp_path))
    with connect(engine) as session:
        session.backend.raw_sql("SET max_temp_directory_size = '1MB'")
        wide = session.query("SELECT i, repeat('x', 100) || i AS word FROM range(1000000) t(i)")
        with pytest.raises(EngineError, match=r"the disk is full\. Free space"):
            session.keep(wide.order_by("word"))


def test_a_limit_that_is_too_small_is_named():
    with (
        connect(Engine(memory_limit="10MB", threads=1)) as session,
        pytest.raises(EngineError, match=r"memory"),
    ):
        session.arrow(session.query("SELECT list(i) AS all_of_them FROM range(20000000) t(i)"))


def test_a_setting_that_is_not_known_is_named(tmp_path):
    with pytest.raises(EngineError, match=r"has the parameter mode=ro, which is not known"):
        connect(Engine("duckdb:///x.db?mode=ro"))
    with pytest.raises(EngineError, match=r"access_mode=readonly, which is not known"):
        connect(Engine("duckdb:///x.db?access_mode=readonly"))
    with pytest.raises(EngineError, match=r"There is no database nowhere\.db"):
        connect(Engine(f"duckdb:///{tmp_path}/nowhere.db"))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(EngineError, match=r"'duckdb' is no address"):
        connect(Engine("duckdb"))
    with pytest.raises(EngineError, match=r"temp_directory \(No such file or directory\)"):
        connect(Engine(temp_directory=str(tmp_path / "nowhere")))


def test_ctrl_c_ends_a_long_query_and_leaves_nothing(tmp_path):
    script = f"""
import sys
from cxmodel.cli import main
from cxmodel.tables.engines.engine import Engine, connect
import click
def long(*_):
    with connect(Engine(temp_directory={str(tmp_path)!r})) as session:
        print("begun", flush=True)
        pairs = "FROM range(1000000) a(i), range(1000000) b(i)"
        session.keep(session.query(f"SELECT a.i {{pairs}} WHERE (a.i * b.i) % 7 = 8"))
import cxmodel.cli
cxmodel.cli.cli.add_command(click.Command("long", callback=long))
sys.exit(main(["long"]))
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    process.stdout.close()
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_query_raises_here_and_the_session_goes_on():
    with connect() as session:
        table = session.register(ROWS)

        def interrupt_itself() -> None:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(2)

        with pytest.raises(KeyboardInterrupt):
            session.run(interrupt_itself)
        session.drop(table)  # is not waited for
        assert session.one_row(table.aggregate(n=table.count())) == {"n": 1000}


def test_a_query_that_is_interrupted_on_a_server_ends_there(postgres):
    with connect(Engine(postgres.url)) as session:
        threading.Timer(0.5, signal.raise_signal, [signal.SIGINT]).start()
        with pytest.raises(KeyboardInterrupt):
            session.arrow(session.query("SELECT pg_sleep(60)::text AS slept"))
        seen = session.query(
            "SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        )
        assert session.one_row(seen) == {"n": 0}


def test_a_query_that_takes_too_long_for_the_server_says_so(postgres):
    url = as_role(postgres, "ALTER ROLE poor SET statement_timeout = 200")
    with (
        connect(Engine(url)) as session,
        pytest.raises(EngineError, match=r"gave up: .*statement timeout"),
    ):
        session.arrow(session.query("SELECT pg_sleep(60)::text AS slept"))

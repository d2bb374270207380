"""The engine: opening, temporary tables, what is shared."""

from __future__ import annotations

import ibis
import pandas as pd
import pyarrow as pa
import pytest

from cxmodel.errors import EngineError, SchemaError
from cxmodel.tables.engines.engine import Engine, connect, default_session, name_of, session_of
from cxmodel.tables.opening.frames import to_arrow


def test_temporary_tables_go_when_they_are_dropped_and_when_the_session_ends():
    with connect() as session:
        kept = session.register(pd.DataFrame({"a": [1, 2]}))
        viewed = session.view(kept.filter(kept.a > 1))
        assert session.arrow(viewed).to_pylist() == [{"a": 2}]
        assert session.one_row(kept.aggregate(total=kept.a.sum())) == {"total": 3}
        lone = session.keep(kept)
        name = name_of(lone)
        session.drop(lone)
        assert name not in session.backend.list_tables(database=("temp", "main"))


def test_settings_reach_the_engine(tmp_path):
    engine = Engine(memory_limit="256MB", threads=1, temp_directory=str(tmp_path))
    with connect(engine) as session:
        rows = session.backend.raw_sql("SELECT current_setting('threads')").fetchall()
        assert rows == [(1,)]


def test_a_table_brings_its_engine_and_a_memtable_none():
    con = ibis.duckdb.connect()
    table = con.create_table("t", ibis.memtable(pa.table({"a": [1]})))
    assert session_of(table).backend is con
    assert session_of(table) is session_of(table)
    assert session_of(ibis.memtable(pa.table({"a": [1]}))) is default_session()


def test_an_engine_that_cannot_be_opened_keeps_its_address_to_itself():
    with pytest.raises(EngineError, match=r"engine 'nosuch' cannot be opened") as caught:
        connect(Engine("nosuch://user:secret@host/db"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "column",
    [
        pd.Categorical(["a", "b", None]),
        pd.array([1, None, 3], dtype="Int64"),
        pd.array([True, None, False], dtype="boolean"),
        pd.array(["x", None, "y"], dtype="string"),
        [None, None, None],
        pd.to_datetime(["2024-01-01", None, "2024-01-02"]).tz_localize("Europe/Berlin"),
    ],
)
def test_frames_of_every_type_come_through(column):
    frame = pd.DataFrame({"a": column})
    with connect() as session:
        table = session.register(frame)
        found = session.arrow(table)["a"].to_pylist()
    assert [value is None for value in found] == frame.a.isna().tolist()


def test_polars_and_arrow_come_through():
    import polars as pl

    frame = pl.DataFrame({"a": ["x", None], "b": [1, 2]})
    assert to_arrow(frame, "t").to_pylist() == [{"a": "x", "b": 1}, {"a": None, "b": 2}]
    assert to_arrow(frame.lazy(), "t").to_pylist() == to_arrow(frame.to_arrow(), "t").to_pylist()


def test_frames_that_make_no_table_are_refused():
    with pytest.raises(SchemaError, match=r"t: column 'a' holds values .*\(2 int, 1 str\)"):
        to_arrow(pd.DataFrame({"a": [1, 2, "x"]}), "t")
    with pytest.raises(SchemaError, match=r"t: 1 column name\(s\) stand more than once: 'a'"):
        to_arrow(pd.DataFrame([[1, 2]], columns=["a", "a"]), "t")
    with pytest.raises(TypeError, match=r"t: a pandas, polars or pyarrow table.* not list"):
        to_arrow([1], "t")


def test_a_stream_brings_every_row_whatever_is_thrown_away_meanwhile():
    with connect() as session:
        many = session.register(pd.DataFrame({"x": range(200_000)}))
        other = session.register(pd.DataFrame({"y": [1]}))
        found = []

        def take(batch):
            found.append(batch.num_rows)
            # as a collector would, at any moment
            session.discard(other)

        session.stream(many, 10_000, take)
        assert sum(found) == 200_000
        assert max(found) <= 10_000
        assert len(session.rows(many.limit(1))) == 1


def test_nothing_else_is_asked_while_rows_are_read():
    with connect() as session:
        many = session.register(pd.DataFrame({"x": range(20_000)}))
        batches = session.batches(many, 5_000)
        first = next(batches)
        with pytest.raises(EngineError, match="still being read"):
            session.rows(many.limit(1))
        with pytest.raises(EngineError, match="still being read"):
            session.keep(many.limit(1))
        with pytest.raises(EngineError, match="still being read"):
            session.drop(many)
        assert first.num_rows + sum(batch.num_rows for batch in batches) == 20_000
        assert len(session.rows(many.limit(1))) == 1
        # what is given up half way leaves the session free
        given_up = session.batches(many, 5_000)
        next(given_up)
        given_up.close()
        assert len(session.rows(many.limit(1))) == 1
        session.drop(many)
        left = session.run(lambda: session.backend.list_tables())
        assert not [name for name in left if name.startswith("cx_")]

"""Windows, and observations that lie on an engine until somebody asks for their rows."""

import gc
from dataclasses import replace

import pandas as pd
import pytest

import cxmodel as cx
from cxmodel.errors import EngineError
from cxmodel.scales import NPS
from cxmodel.tables.engines.engine import Engine, Session, connect, name_of
from cxmodel.tables.observation_table import Observations, Windows

ANSWERS = pd.DataFrame(
    {
        "customer_id": ["b", "a", "a", "é", "B"],
        "responded_at": ["2025-03-01", "2025-03-02", "2025-03-01", "2025-03-01", "2025-03-01"],
        "q1": [9, 3, 10, 7, 0],
    }
)
BOOKINGS = pd.DataFrame(
    {
        "customer_id": ["a", "b", "b"],
        "booked_at": ["2025-02-27", "2025-02-01", "2025-04-01"],
        "amount": [10.25, 20.0, 35.5],
    }
)


class Reads:
    """Counts how often rows are taken out of engines, and breaks one step on demand."""

    def __init__(self, monkeypatch):
        self.frames = 0
        self.steps = 0
        self.breaks_at = None
        for name in ("arrow", "keep"):
            monkeypatch.setattr(Session, name, self._watched(name, getattr(Session, name)))

    def _watched(self, name, real):
        def step(session, expr, *hint):
            self.steps += 1
            if self.steps == self.breaks_at:
                raise KeyboardInterrupt
            self.frames += name == "arrow" and "responded_at" in expr.columns
            return real(session, expr, *hint)

        return step


@pytest.fixture
def reads(monkeypatch):
    return Reads(monkeypatch)


@pytest.fixture
def session():
    with connect(Engine()) as opened:
        yield opened


def sources(session):
    def brought(frame):
        return session.register(frame)

    surveys = cx.read_surveys(brought(ANSWERS), ratings={"nps": ("q1", NPS)})
    return surveys, cx.read_revenue(brought(BOOKINGS), currency="USD")


def joined(read):
    surveys, revenue = read
    windows = Windows(lookback_days=30, outcome_days=30)
    return cx.join_observations(surveys, revenue=revenue, windows=windows, as_of="2025-12-31")


def tables_of(session):
    return sorted(session.backend.list_tables())


# -- Worked by hand ------------------------------------------------------------------------------


def test_rows_are_taken_out_once_and_only_when_asked(session, reads):
    obs = joined(sources(session))
    before = reads.frames
    assert obs.n_obs == 3  # whoever is in the ledger
    assert obs.has("revenue_after", "band", "_month")
    assert not obs.has("contacts_before")
    assert repr(obs) == "<Observations: 3 rows, rating nps, 30 days>"
    assert reads.frames == before
    assert obs.frame is obs.frame
    assert len(obs.to_frame()) == 3
    assert reads.frames == before + 1


def test_the_table_on_the_engine_is_the_frame_in_whole_units(session):
    obs = joined(sources(session))
    rows = obs.session.arrow(obs.table.order_by(["customer_id", "responded_at"])).to_pylist()
    frame = obs.frame
    assert obs.session.name == "duckdb"
    kinds = {name: str(kind) for name, kind in obs.table.schema().items()}
    assert {kinds[name] for name in kinds if name.endswith(("_units", "_number"))} == {"int64"}
    assert kinds["response_weight"] == kinds["duration_days"] == "float64"
    assert [row["revenue_before_units"] for row in rows] == [102_500, 102_500, 200_000]
    assert [row["revenue_after_units"] for row in rows] == [0, 0, 0]
    assert frame.revenue_before.tolist() == [10.25, 10.25, 20.0]
    assert [row["_month_number"] for row in rows] == [2025 * 12 + 2] * 3
    assert [row["_n_of_customer"] for row in rows] == [2, 2, 1]
    assert frame["_share"].tolist() == [0.5, 0.5, 1.0]
    assert [row["churned"] for row in rows] == [1, 1, 1]
    # gone 30 days after the last booking, on 27 February and on 1 April
    assert [row["duration_days"] for row in rows] == [28.0, 27.0, 61.0]


def test_order_is_that_of_bytes_whatever_the_language_of_a_database(session):
    surveys, _ = sources(session)
    obs = cx.join_observations(surveys)
    assert obs.frame.customer_id.tolist() == ["B", "a", "a", "b", "é"]


def test_only_the_observation_table_stays_and_it_goes_when_closed(session):
    read = sources(session)
    before = tables_of(session)
    obs = joined(read)
    assert set(tables_of(session)) - set(before) == {name_of(obs.table)}
    obs.fetch().close()
    assert tables_of(session) == before
    assert obs.frame.rating.tolist() == [10.0, 3.0, 9.0]
    assert obs.n_obs == 3


def test_it_goes_when_nobody_uses_it(session):
    read = sources(session)
    before = tables_of(session)
    obs = joined(read)
    del obs
    gc.collect()
    session.arrow(read[0].table)  # with the next step: a collector may run at any moment
    assert tables_of(session) == before


def test_a_joined_table_lies_on_the_engine_too(session, reads):
    rows = session.register(pd.DataFrame({"score": [1, 5], "left": [True, False]}))
    before = tables_of(session)
    obs = cx.read_observations(rows, ratings={"nps": ("score", NPS)}, churned="left")
    started = reads.frames
    assert obs.n_obs == 2
    assert reads.frames == started
    assert len(obs.frame) == 2
    obs.close()
    assert len(set(tables_of(session)) - set(before)) <= 1  # what the reader keeps


def test_observations_of_a_frame_need_no_engine():
    frame = pd.DataFrame({"rating": [1.0, 2.0]})
    obs = Observations(frame=frame, windows=Windows())
    assert obs.frame is frame
    assert obs.n_obs == 2
    assert obs.has("rating")
    assert (obs.table, obs.session) == (None, None)
    obs.close()
    assert replace(obs, currency="USD").frame is frame


def test_a_changed_copy_holds_its_rows_itself(session):
    obs = joined(sources(session))
    other = replace(obs, frame=obs.frame.assign(revenue_after=1.0))
    assert other.table is None
    assert other.frame.revenue_after.tolist() == [1.0, 1.0, 1.0]
    assert obs.frame.revenue_after.tolist() == [0.0, 0.0, 0.0]


def test_nothing_is_left_behind_wherever_a_join_is_interrupted(session, reads):
    read = sources(session)
    before = tables_of(session)
    reads.steps = 0
    joined(read).close()
    n_steps = reads.steps
    assert n_steps > 8
    for step in range(1, n_steps + 1):
        reads.steps, reads.breaks_at = 0, step
        with pytest.raises(KeyboardInterrupt):
            joined(read)
        assert tables_of(session) == before, step


# -- Errors --------------------------------------------------------------------------------------


def test_rows_asked_for_after_the_session_say_what_to_do():
    with connect(Engine()) as session:
        obs = joined(sources(session))
        kept = joined(sources(session)).fetch()
    with pytest.raises(EngineError, match=r"its session has ended.*Ask for obs\.frame .* before"):
        _ = obs.frame
    assert obs.n_obs == 3
    assert len(kept.frame) == 3


def test_rows_asked_for_after_closing_say_what_to_do(session):
    obs = joined(sources(session))
    obs.close()
    with pytest.raises(EngineError, match=r"closed before their rows were taken out\. Ask for"):
        _ = obs.frame
    with pytest.raises(EngineError, match=r"no longer on the engine.*Join the tables again"):
        _ = obs.table


def test_observations_without_rows_are_refused():
    with pytest.raises(TypeError, match="frame"):
        Observations(windows=Windows())
    with pytest.raises(AttributeError):
        Observations(frame=pd.DataFrame(), windows=Windows()).frame = pd.DataFrame()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lookback_days": 0}, "windows.lookback_days must lie in 1-36,525, not 0"),
        ({"gap_days": -1}, "windows.gap_days must lie in 0-36,525, not -1"),
        ({"inactive_days": 181}, r"must lie in 1-180 \(windows.outcome_days\), not 181"),
    ],
)
def test_windows_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Windows(**settings)

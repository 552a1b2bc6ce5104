"""Training runs: the queue, its states, its events. A real SQLite file."""

from pathlib import Path

import pytest
from sqlalchemy import update

from heedful.errors import StoreError
from heedful.store.audit import Wanted
from heedful.store.audit import list_events as audit_events
from heedful.store.database import Store, open_store
from heedful.store.schema_runs import TrainingRun
from heedful.store.training_runs import (
    ENDED,
    FOLLOWS,
    append_event,
    claim_next,
    count_runs,
    enqueue,
    get_run,
    list_events,
    list_runs,
    request_cancel,
    running,
    set_state,
)


@pytest.fixture
def store(tmp_path: Path):
    opened = open_store(tmp_path / "heedful.db")
    yield opened
    opened.close()


def ask(store: Store, kind: str = "loop") -> str:
    with store.session() as session:
        return enqueue(session, kind, {"sources": []}, "schedule").id


def state_of(store: Store, run_id: str) -> str:
    with store.snapshot() as session:
        return get_run(session, run_id).state


def test_runs_are_claimed_one_at_a_time_in_the_order_they_were_asked_for(store: Store) -> None:
    first, second = ask(store), ask(store, "fine_tuning")
    with store.session() as session:
        assert claim_next(session).id == first
    with store.session() as session:
        assert claim_next(session) is None
        left = running(session)
        assert (left.id, left.started_at is not None, left.finished_at) == (first, True, None)
        set_state(session, left, "succeeded")
        assert left.finished_at is not None
        assert claim_next(session).id == second
        assert claim_next(session) is None


def test_the_database_itself_refuses_a_second_one_that_runs(store: Store) -> None:
    first, _ = ask(store), ask(store)
    with store.session() as session:
        claim_next(session)
    with pytest.raises(StoreError, match="UNIQUE constraint failed"), store.session() as session:
        session.execute(update(TrainingRun).where(TrainingRun.id != first).values(state="running"))


@pytest.mark.parametrize("before", FOLLOWS)
def test_no_state_follows_but_those_that_may(store: Store, before: str) -> None:
    way = {"queued": (), "running": ("running",), "cancelled": ("cancelled",)}.get(before, ("running", before))
    for after in FOLLOWS:
        run_id = ask(store)
        with store.session() as session:
            run = get_run(session, run_id)
            for state in way:
                set_state(session, run, state)
            assert run.state == before
            if after in FOLLOWS[before]:
                set_state(session, run, after)
                assert run.state == after
            else:
                with pytest.raises(StoreError, match=f"is {before}; it cannot become {after}"):
                    set_state(session, run, after)
                assert run.state == before
            if run.state == "running":
                set_state(session, run, "failed")


def test_a_failure_keeps_its_line(store: Store) -> None:
    run_id = ask(store)
    with store.session() as session:
        claim_next(session)
        set_state(session, get_run(session, run_id), "failed", "no dataset could be built")
    with store.snapshot() as session:
        assert get_run(session, run_id).error == "no dataset could be built"
        newest = list_events(session, run_id)[0]
        assert (newest.level, newest.message) == ("error", "the run failed: no dataset could be built")


def test_cancelling_ends_what_waits_and_asks_what_runs(store: Store) -> None:
    runs, waits = ask(store), ask(store)
    with store.session() as session:
        claim_next(session)
        assert request_cancel(session, waits, "ada").state == "cancelled"
        asked = request_cancel(session, runs, "ada")
        assert (asked.state, asked.cancel_requested_at is not None) == ("running", True)
        at = asked.cancel_requested_at
        assert request_cancel(session, runs, "ada").cancel_requested_at == at
        set_state(session, asked, "cancelled")
        with pytest.raises(StoreError, match=f"{runs} has ended \\(cancelled\\)"):
            request_cancel(session, runs, "ada")
        told = [(event.actor, event.action, event.subject) for event in audit_events(session, Wanted(action="training"))]
    requested = [("schedule", "training.requested", run) for run in (runs, waits)]
    assert told == [*requested, ("ada", "training.cancelled", waits), ("ada", "training.cancelled", runs)]


def test_an_event_with_a_key_is_told_once(store: Store) -> None:
    run_id, other = ask(store), ask(store)
    with store.session() as session:
        assert append_event(session, run_id, "metrics", "step 1", data={"loss": 3.5}, key="step 1") is not None
        assert append_event(session, run_id, "metrics", "step 1", data={"loss": 3.6}, key="step 1") is None
        assert append_event(session, other, "metrics", "step 1", key="step 1") is not None
        append_event(session, run_id, "message", "again")
        append_event(session, run_id, "message", "again", level="warn")
    with store.snapshot() as session:
        found = [(e.kind, e.level, e.message, e.data) for e in list_events(session, run_id)]
        pages = [[e.message for e in list_events(session, run_id, limit=2, after=after)] for after in (None, 5)]
        assert [e.data for e in list_events(session, run_id, kind="metrics")] == [{"loss": 3.5}]
    assert found == [
        ("message", "warn", "again", {}),
        ("message", "info", "again", {}),
        ("metrics", "info", "step 1", {"loss": 3.5}),
        ("state", "info", "the run is queued", {"state": "queued"}),
    ]
    assert pages == [["again", "again"], ["step 1", "the run is queued"]]


def test_runs_are_listed_newest_first_by_kind_state_and_page(store: Store) -> None:
    one, two, three = ask(store), ask(store, "fine_tuning"), ask(store)
    with store.session() as session:
        request_cancel(session, three, "ada")
    with store.snapshot() as session:
        assert [run.id for run in list_runs(session)] == [three, two, one]
        assert [run.id for run in list_runs(session, "loop")] == [three, one]
        assert [run.id for run in list_runs(session, states=ENDED)] == [three]
        assert [run.id for run in list_runs(session, limit=1, after=three)] == [two]
        assert (count_runs(session), count_runs(session, "fine_tuning")) == (3, 1)
        with pytest.raises(StoreError, match="there is no training run 'run-0'"):
            list_runs(session, after="run-0")


def test_a_transaction_that_fails_leaves_no_run(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.session() as session:
        enqueue(session, "loop", {}, "ada")
        raise ZeroDivisionError
    with store.snapshot() as session:
        assert count_runs(session) == 0
        assert audit_events(session, Wanted(action="training")) == []

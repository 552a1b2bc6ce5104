"""What erasures and withdrawals leave to be trained anew: asked for once, tried again, settled. Real store, datasets and erasures.

`test_erasure_round_trip` has a worker do it.
"""

from datetime import timedelta
from pathlib import Path

import pytest

from heedful.config import DatasetSettings, WorkerSettings
from heedful.dataset import build_dataset
from heedful.lifecycle.erasure.erase import erase
from heedful.lifecycle.holdings import person_named
from heedful.lifecycle.ingest import import_file
from heedful.lifecycle.loop.requests import AGAIN, last_try, request_what_is_due
from heedful.lifecycle.strategy import without_permission
from heedful.registry.aliases import CHAMPION, point
from heedful.registry.retrains import open_retrains, settle_retrains, withdrawn_from_champion
from heedful.registry.versions import find_version
from heedful.store.audit import Wanted, list_events
from heedful.store.consent import Statement, decide
from heedful.store.database import Store, open_store
from heedful.store.schema import utc_now
from heedful.store.training_runs import claim_next, request_cancel, set_state
from heedful.workspace import Workspace
from people import PERSONS, person_in, write_chats
from stand_ins import stand_in

SETTINGS = WorkerSettings()


@pytest.fixture
def store(workspace: Workspace, tmp_path: Path):
    opened = open_store(workspace.database)
    import_file(opened, write_chats(tmp_path / "chats.jsonl", *PERSONS, each=4), "tester", basis="consent")
    yield opened
    opened.close()


def built(workspace: Workspace, store: Store) -> str:
    return build_dataset(store, workspace, DatasetSettings(), "Be kind.", "tester").id


def erased(workspace: Workspace, store: Store, name: str) -> int:
    with store.snapshot() as session:
        person = person_named(session, name)
    return erase(workspace, store, person, "tester", lambda stage, done, total: None).erasure


def due(store: Store) -> tuple[str, dict[str, object]] | None:
    """Who asks, and for what; what is asked for begins and fails."""
    with store.session() as session:
        run = request_what_is_due(session, SETTINGS, utc_now())
        if run is None:
            return None
        assert request_what_is_due(session, SETTINGS, utc_now()) is None, "it waits already"
        asked = list_events(session, Wanted(action="training.requested"))[-1]
        set_state(session, claim_next(session), "failed", "no disk")
        assert asked.subject == run.id
        return run.requested_by, {key: value for key, value in asked.detail.items() if key != "kind"}


def test_one_run_for_all_erasures_until_a_clean_version_is_there(workspace: Workspace, store: Store) -> None:
    dataset = built(workspace, store)
    taught = stand_in(workspace, store, dataset, b"one")
    assert due(store) is None
    first = erased(workspace, store, person_in(workspace.datasets / dataset / "train.jsonl"))
    with store.snapshot() as session:
        assert [(plan.model_id, plan.erasure_id, plan.settled_by) for plan in open_retrains(session)] == [(taught, first, None)]
        assert not request_what_is_due(session, WorkerSettings(retrain=False), utc_now())
    assert due(store) == ("erasure", {"erasures": [first]})
    assert due(store) is None  # it failed, and is asked for again only after a day
    with store.session() as session:
        run = request_what_is_due(session, WorkerSettings(schedule="* * * * *"), utc_now() - timedelta(minutes=2))
        request_cancel(session, run.id, "tester")  # a team that says no is not asked again for the same
    assert due(store) is None

    again = built(workspace, store)
    stand_in(workspace, store, again, b"two")
    second = erased(workspace, store, person_in(workspace.datasets / again / "train.jsonl"))
    assert due(store) == ("erasure", {"erasures": [first, second]})
    with store.snapshot() as session:
        assert len(open_retrains(session)) == 2


def test_a_failed_run_counts_for_a_day(store: Store) -> None:
    with store.session() as session:
        run = request_what_is_due(session, WorkerSettings(schedule="* * * * *"), utc_now() - timedelta(minutes=2))
        set_state(session, claim_next(session), "failed", "no disk")
        assert last_try(session) == run.started_at
        run.finished_at = utc_now() - AGAIN - timedelta(minutes=1)
        session.flush()
        assert last_try(session) < run.started_at


def test_a_clean_version_settles_every_plan_and_each_is_an_event(workspace: Workspace, store: Store) -> None:
    dataset = built(workspace, store)
    taught = stand_in(workspace, store, dataset, b"one")
    erasure = erased(workspace, store, person_in(workspace.datasets / dataset / "train.jsonl"))
    clean_data = built(workspace, store)
    clean = stand_in(workspace, store, clean_data, b"two")
    with store.session() as session:
        assert settle_retrains(session, taught, clean_data, "tester") == []  # it is in quarantine itself
        assert settle_retrains(session, clean, "ds-of-a-job", "tester") == []  # nothing of the store is in it
        assert [plan.settled_by for plan in settle_retrains(session, clean, clean_data, "tester")] == [clean]
        assert (open_retrains(session), settle_retrains(session, clean, clean_data, "tester")) == ([], [])
        (event,) = list_events(session, Wanted(action="erase.retrained"))
    assert (event.detail["erasure"], event.detail["retrain"], event.detail["by"]) == (erasure, taught, clean)
    assert (workspace.receipts / f"{event.detail['receipt']}.json").is_file()
    assert due(store) is None


def test_who_withdrew_from_what_the_champion_learned_asks_once(workspace: Workspace, store: Store) -> None:
    dataset = built(workspace, store)
    champion = stand_in(workspace, store, dataset, b"one")
    name = person_in(workspace.datasets / dataset / "train.jsonl")
    held_out = person_in(workspace.datasets / dataset / "test.jsonl")

    def say(who: str, decision: str) -> int:
        with store.session() as session:
            person = person_named(session, who)
            decide(session, person, Statement("training", decision, "tester"))
            return person

    say(held_out, "withdrawn")  # nothing was learned from them
    assert due(store) is None
    say(name, "withdrawn")
    person = say(name, "granted")
    assert due(store) is None
    say(name, "withdrawn")
    with store.snapshot() as session:
        version = find_version(session, champion)
    assert without_permission(store, version) == 4  # so that auto does not continue it
    assert due(store) == ("withdrawal", {"persons": [person]})
    assert due(store) is None
    with store.session() as session:
        point(session, CHAMPION, None, "tester", "")
        assert withdrawn_from_champion(session, utc_now() - timedelta(days=1)) == []

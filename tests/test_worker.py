"""The worker: what is asked for and when, steps that are remembered, failures, cancelling. Real SQLite files and a real DBOS."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from heedful.config import WorkerSettings, load_settings
from heedful.conversation import Conversation, Message
from heedful.errors import ConfigError, DatasetError, StoreError
from heedful.lifecycle.doctor import Finding, check_worker
from heedful.lifecycle.loop.presence import is_working, sole_worker
from heedful.lifecycle.loop.priority import cores
from heedful.lifecycle.loop.requests import (
    count_waiting,
    request_loop,
    request_what_is_due,
    run_as_dict,
    standing_as_dict,
    standing_of,
)
from heedful.lifecycle.loop.schedule import is_due, next_time
from heedful.lifecycle.loop.steps import build, gather
from heedful.lifecycle.loop.work import Step, Work, tell_progress
from heedful.lifecycle.loop.worker import Shop, work_off
from heedful.store.conversations import add_conversations
from heedful.store.database import Store, open_store
from heedful.store.schema import Import, utc_now
from heedful.store.training_runs import claim_next, get_run, list_events, list_runs, request_cancel, set_state
from heedful.training.progress import Progress
from heedful.workspace import Workspace


@pytest.fixture
def store(workspace: Workspace):
    opened = open_store(workspace.database)
    yield opened
    opened.close()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def talk(store: Store, count: int, basis: str = "owned") -> None:
    with store.session() as session:
        entry = Import(path="chat.jsonl", format="chat", sha256="0" * 64, basis=basis)
        session.add(entry)
        session.flush()
        said = [
            (
                row,
                Conversation((Message("user", f"I feel {entry.id} {row}."), Message("assistant", f"Why {entry.id} {row}?"))),
                None,
            )
            for row in range(count)
        ]
        add_conversations(session, entry.id, said)


def ask(store: Store, by: str = "ada") -> str:
    with store.session() as session:
        return request_loop(session, by).id


def shop(workspace: Workspace, store: Store, *steps: Step, seen: list[str] | None = None) -> Shop:
    told = [] if seen is None else seen
    return Shop(
        workspace, store, load_settings(workspace.config_file), lambda run, event: told.append(event.message), {"loop": steps}
    )


def test_the_next_time_is_that_of_the_expression_in_utc() -> None:
    assert next_time("30 3 * * 1", at("2026-11-20T12:00")) == at("2026-11-23T03:30")
    assert next_time("0 3 * * *", at("2026-11-20T03:00")) == at("2026-11-21T03:00")
    assert not is_due("0 3 * * *", at("2026-11-20T03:00"), at("2026-11-21T02:59"))
    assert is_due("0 3 * * *", at("2026-11-20T03:00"), at("2026-11-21T03:00"))
    assert is_due("0 3 * * *", at("2026-11-01T03:00"), at("2026-11-21T03:00"))


@pytest.mark.parametrize("wrong", ["0 3 * *", "0 3 * * * *", "61 3 * * *", "daily"])
def test_a_schedule_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"worker\.schedule = .*must be five fields: minute, hour"):
        load_settings(None, {"worker": {"schedule": wrong}})


def test_asking_twice_is_asking_once_until_it_runs(store: Store) -> None:
    first = ask(store)
    assert ask(store, "key 2") == first
    with store.session() as session:
        claim_next(session)
    assert ask(store) != first


def test_new_conversations_that_may_be_trained_on_ask_once(store: Store) -> None:
    settings = WorkerSettings(after_conversations=3)
    talk(store, 2)
    talk(store, 5, basis="none")  # nobody said why they are here
    with store.session() as session:
        assert (count_waiting(session), request_what_is_due(session, settings, utc_now())) == (2, None)
    talk(store, 1)
    with store.session() as session:
        run = request_what_is_due(session, settings, utc_now())
        assert (run.requested_by, run.request) == ("trigger", {"seen": 8})
        assert request_what_is_due(session, settings, utc_now()) is None
        request_cancel(session, run.id, "ada")
        assert (count_waiting(session), request_what_is_due(session, settings, utc_now())) == (0, None)
    talk(store, 3)
    with store.session() as session:
        assert request_what_is_due(session, settings, utc_now()).request == {"seen": 11}


def test_a_schedule_asks_once_for_all_the_times_it_missed(store: Store) -> None:
    settings, began = WorkerSettings(schedule="* * * * *"), utc_now() - timedelta(minutes=3)
    with store.session() as session:
        assert request_what_is_due(session, settings, utc_now() + timedelta(minutes=1)) is None
        run = request_what_is_due(session, settings, began)
        assert run.requested_by == "schedule"
        assert request_what_is_due(session, settings, began) is None
        claim_next(session)
        set_state(session, run, "succeeded")
        run.requested_at = began
        assert request_what_is_due(session, settings, utc_now()).id != run.id


def test_how_things_stand(store: Store) -> None:
    talk(store, 4)
    with store.session() as session:
        before = standing_as_dict(standing_of(session, WorkerSettings()), worker=False)
    assert before == {
        "trained": False, "total_runs": 0, "worker": False, "running": None, "last_run": None, "next_run": None, "new_records": 4,
        "open_retrains": [], "withdrawn": 0, "recent_runs": [],
    }  # fmt: skip
    run_id = ask(store)
    with store.session() as session:
        claim_next(session)
        now = standing_as_dict(standing_of(session, WorkerSettings(schedule="0 3 * * *")), worker=True)
        assert (now["running"]["id"], now["last_run"], now["new_records"], now["total_runs"]) == (run_id, None, 0, 1)
        assert now["next_run"].endswith("T03:00:00+00:00")
        set_state(session, get_run(session, run_id), "failed", "no disk")
        after = standing_as_dict(standing_of(session, WorkerSettings()), worker=True)
        assert after["running"] is None
        assert after["last_run"] == after["recent_runs"][0] == run_as_dict(get_run(session, run_id))
        assert (after["last_run"]["state"], after["last_run"]["error"]) == ("failed", "no disk")


def test_steps_are_carried_out_in_order_and_once(workspace: Workspace, store: Store) -> None:
    did, told = [], []

    def step(name: str, more: bool = True) -> Step:
        return Step(name, lambda work: did.append((work.run_id, name)) or more)

    first = ask(store)
    assert work_off(shop(workspace, store, step("a"), step("b"), seen=told), forever=False) == 1
    second = ask(store)
    assert work_off(shop(workspace, store, step("a", more=False), step("b")), forever=False) == 1
    assert did == [(first, "a"), (first, "b"), (second, "a")]
    assert told == ["the run is queued", "the run is running", "the run is succeeded"]
    with store.snapshot() as session:
        assert [run.state for run in list_runs(session)] == ["succeeded", "succeeded"]


def test_what_fails_ends_the_run_with_one_line_and_without_words_of_people(workspace: Workspace, store: Store) -> None:
    def refuse(work: Work) -> bool:
        raise DatasetError("there are too few conversations")

    def stumble(work: Work) -> bool:
        raise ValueError("my husband left me")

    runs = [
        (ask(store), work_off(shop(workspace, store, Step("a", fails), Step("b", stumble)), False)) for fails in (refuse, stumble)
    ]
    with store.snapshot() as session:
        errors = [(get_run(session, run_id).state, get_run(session, run_id).error) for run_id, _ in runs]
    assert errors == [
        ("failed", "a: there are too few conversations"),
        ("failed", "a: ValueError; the log of the worker names the place"),
    ]


def test_a_busy_database_is_asked_again(workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heedful.lifecycle.loop.perform.PAUSE_S", 0.01)
    tries = []

    def busy(work: Work) -> bool:
        tries.append(work.run_id)
        if len(tries) < 3:
            raise StoreError("heedful.db is in use by another program")
        return True

    run_id = ask(store)
    work_off(shop(workspace, store, Step("a", busy)), forever=False)
    with store.snapshot() as session:
        assert (len(tries), get_run(session, run_id).state) == (3, "succeeded")


def test_a_run_that_is_cancelled_while_it_works_ends_before_its_next_step(workspace: Workspace, store: Store) -> None:
    did = []

    def cancelled_meanwhile(work: Work) -> bool:
        with store.session() as session:
            request_cancel(session, work.run_id, "ada")
        return True

    run_id = ask(store)
    work_off(shop(workspace, store, Step("a", cancelled_meanwhile), Step("b", lambda work: bool(did.append("b")))), forever=False)
    with store.snapshot() as session:
        assert (did, get_run(session, run_id).state) == ([], "cancelled")


DIES = """
import os, signal, sys
from pathlib import Path
from heedful.config import load_settings
from heedful.lifecycle.loop.work import Step
from heedful.lifecycle.loop.worker import Shop, work_off
from heedful.store.database import open_store
from heedful.workspace import Workspace

workspace = Workspace(Path(sys.argv[1]))
def step(name):
    def did(work):
        with (workspace.root / "did.txt").open("a") as stream:
            stream.write(f"{work.run_id} {name}\\n")
        if name == sys.argv[2]:
            os.kill(os.getpid(), signal.SIGKILL)
        return True
    return Step(name, did)
settings = load_settings(workspace.config_file)
shop = Shop(workspace, open_store(workspace.database), settings, lambda run, event: None, {"loop": tuple(map(step, sys.argv[3]))})
work_off(shop, forever=False)
"""


def dies(workspace: Workspace, at: str, steps: str) -> int:
    """The code with which a worker ended."""
    return subprocess.run([sys.executable, "-c", DIES, str(workspace.root), at, steps], check=False).returncode


def test_steps_that_are_others_after_an_upgrade_begin_anew(workspace: Workspace, store: Store) -> None:
    run_id = ask(store)
    assert [dies(workspace, "b", "ab"), dies(workspace, "", "axb")] == [-9, 0]
    did = (workspace.root / "did.txt").read_text().split("\n")[:-1]
    assert did == [f"{run_id} {name}" for name in ("a", "b", "a", "x", "b")]
    with store.snapshot() as session:
        assert get_run(session, run_id).state == "succeeded"


def test_a_killed_worker_is_followed_by_one_that_goes_on_behind_the_last_step(workspace: Workspace, store: Store) -> None:
    run_id = ask(store)
    assert [dies(workspace, at, "abc") for at in ("b", "c", "")] == [-9, -9, 0]
    did = (workspace.root / "did.txt").read_text().split("\n")[:-1]
    assert did == [f"{run_id} {name}" for name in ("a", "b", "b", "c", "c")]
    with store.snapshot() as session:
        assert get_run(session, run_id).state == "succeeded"
        states = [event.data["state"] for event in list_events(session, run_id, "state")]
    assert states == ["succeeded", "running", "queued"]


def test_there_is_one_worker_in_a_workspace(workspace: Workspace, store: Store) -> None:
    assert not is_working(workspace)
    with sole_worker(workspace):
        assert is_working(workspace)
        with pytest.raises(StoreError, match="a worker of this workspace is running already"):
            work_off(shop(workspace, store), forever=False)
    assert not is_working(workspace)


def test_steps_that_cannot_be_kept_are_told(workspace: Workspace, store: Store) -> None:
    settings = load_settings(workspace.config_file, {"worker": {"database": f"sqlite:///{workspace.root}/missing/jobs.db"}})
    with pytest.raises(StoreError, match=r"the steps of runs cannot be kept at sqlite:///.*/missing/jobs\.db: OperationalError"):
        work_off(Shop(workspace, store, settings, lambda run, event: None), forever=False)


def test_the_doctor_tells_of_work_that_nobody_will_do(workspace: Workspace, store: Store) -> None:
    assert check_worker(workspace) == Finding("worker", "ok", "none, and none is needed")
    workspace.config_file.write_text("base: tiny\nworker: {schedule: '0 3 * * *'}\n")
    ask(store)
    found = "none, but there is worker.schedule, 1 waiting runs"
    assert check_worker(workspace) == Finding("worker", "warning", found, "heedful worker, or heedful serve --worker")
    with sole_worker(workspace):
        assert check_worker(workspace) == Finding("worker", "ok", "running")


def work_of(workspace: Workspace, store: Store) -> Work:
    return Work(workspace, store, load_settings(workspace.config_file), ask(store))


def test_a_run_without_conversations_ends_well(workspace: Workspace, store: Store) -> None:
    work = work_of(workspace, store)
    assert gather(work) is False
    assert work.run.metrics == {"conversations": 0, "new": 0, "seen": 0, "outcome": "nothing to learn from"}


def test_a_dataset_is_noted_in_the_transaction_that_registers_it(workspace: Workspace, store: Store) -> None:
    talk(store, 30)
    work = work_of(workspace, store)
    assert gather(work) is True
    assert (work.run.metrics["conversations"], work.run.metrics["new"]) == (30, 30)
    assert build(work) is True
    built = work.run.dataset_id
    talk(store, 10)
    assert build(work) is True  # after a kill: what came since is for the next run
    assert work.run.dataset_id == built
    assert [folder.name for folder in workspace.datasets.glob("ds-*")] == [built]


def test_a_training_that_goes_on_tells_no_step_twice(workspace: Workspace, store: Store) -> None:
    work = work_of(workspace, store)
    progress = [
        Progress(step, 400, 0.1, 3.0 - step / 100, 100.0, 5.0, 2.5 if step > 3 else None) for step in (0, 1, 2, 3, 4, 5, 400)
    ]
    for seen in (progress[:4], progress[2:]):
        observe = tell_progress(work)
        for one in seen:
            observe(one)
    with store.snapshot() as session:
        steps = [event.data["step"] for event in list_events(session, work.run_id, "metrics")]
    assert steps == [400, 4, 2, 0]  # every second of 400, and where a validation came


def test_a_worker_steps_back_and_leaves_half_of_the_cores() -> None:
    code = (
        "import os, psutil; from heedful.lifecycle.loop.priority import step_back; given = os.environ['GIVEN'];"
        "taken = step_back(int(given) if given else None);"
        "print(taken, os.nice(0), os.environ['OMP_NUM_THREADS'], int(psutil.Process().ionice().ioclass))"
    )
    said = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "GIVEN": given}, check=True)
        for given in ("", "3")
    ]
    half = max(1, cores() // 2)
    assert [one.stdout.split() for one in said] == [[str(half), "19", str(half), "3"], ["3", "19", "3", "3"]]

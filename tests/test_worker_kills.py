"""A worker that is killed while it builds, trains and evaluates: the run completes, and nothing runs twice. Real SIGKILLs."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from heedful.config import load_settings
from heedful.errors import RunCancelled
from heedful.lifecycle.loop.perform import tried
from heedful.lifecycle.loop.steps import build, train
from heedful.lifecycle.loop.work import Step, Work
from heedful.lifecycle.training import is_training
from heedful.store.database import open_store
from heedful.store.training_runs import list_events, request_cancel
from heedful.workspace import Workspace
from test_server import wait_until
from test_worker import ask, talk


@pytest.mark.slow
def test_a_run_whose_workers_are_killed_completes_and_makes_everything_once(tmp_path: Path) -> None:
    """Thirty deaths of worker and server are told in docs/log.md; here are three, at moments of which each has cost something."""
    command = [sys.executable, str(Path(__file__).with_name("killing_loop.py")), str(tmp_path / "w")]
    done = subprocess.run(
        [*command, "--moments", "gather,step 6,train", "--slack", "0.5"],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    told.pop("seconds")
    assert told == {
        "died": {"worker": 3},
        "runs": 1,
        "states": {"succeeded": 1},
        "outcomes": {"promoted": 1},
        "errors": [],
        "made": {"dataset.build": 1, "train": 1, "evaluate": 1, "promote": 1},
        "twice": [],
        "champion_is_newest": True,
        "unfinished": 0,
    }


@pytest.mark.slow
def test_a_training_whose_process_is_killed_goes_on_and_one_that_is_cancelled_leaves_nothing(workspace: Workspace) -> None:
    settings = load_settings(workspace.config_file, {"training": {"epochs": 40, "rank": 4, "batch_size": 4, "patience": 999}})
    store = open_store(workspace.database)
    talk(store, 40)
    work = Work(workspace, store, settings, ask(store))
    assert build(work)
    raised: list[Exception] = []

    def train_until_it_raises() -> None:
        try:
            tried(work, Step("train", train))
        except RunCancelled as cancelled:
            raised.append(cancelled)

    thread = threading.Thread(target=train_until_it_raises)
    thread.start()
    wait_until(lambda: told(work, "metrics"), seconds=120)
    (killed,) = processes_of_training()
    killed.kill()
    wait_until(lambda: any(process != killed for process in processes_of_training()), seconds=120)
    with store.session() as session:
        request_cancel(session, work.run_id, "ada")
    thread.join(120)
    assert [error.text for error in raised] == [f"{work.run_id} was cancelled while it trained"]
    assert work.run.model_id is None
    assert list(workspace.models.iterdir()) == []
    assert not is_training(workspace)
    store.close()


def told(work: Work, kind: str) -> list[str]:
    with work.store.snapshot() as session:
        return [event.message for event in list_events(session, work.run_id, kind)]


def processes_of_training() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [one for one in children if one.status() != psutil.STATUS_ZOMBIE and "heedful.training.process" in one.cmdline()]

"""/api/training: who may ask, what is answered, and a worker beside a server. Real servers on ports, real SQLite files."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from heedful.config import ServerSettings, WorkerSettings
from heedful.lifecycle.loop.presence import is_working
from heedful.server.access import access_to
from heedful.server.app import create_app
from heedful.server.catalog import StaticCatalog
from heedful.server.keeping import Keeper
from heedful.server.training import training_router
from heedful.store.api_keys import create_key
from heedful.store.audit import Wanted, list_events
from heedful.store.database import Store, open_store
from heedful.store.training_runs import claim_next, get_run, set_state
from heedful.workspace import Workspace
from test_server import serving, wait_until


@pytest.fixture
def store(workspace: Workspace) -> Iterator[Store]:
    opened = open_store(workspace.database)
    yield opened
    opened.close()


@pytest.fixture
def clinician(store: Store) -> Iterator[httpx.Client]:
    with store.session() as session:
        secret = create_key(session, "ada", "clinician", "tester")[1]
    with Keeper(store) as keeper:
        rooms = [training_router(keeper, WorkerSettings(schedule="0 3 * * *"), lambda: False)]
        app = create_app(StaticCatalog({}), access_to(store, ServerSettings()), keeper=keeper, rooms=rooms)
        with serving(app) as address, httpx.Client(base_url=address, headers={"Authorization": f"Bearer {secret}"}) as client:
            yield client


def run_of(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()["run"]


def test_a_clinician_asks_looks_and_cancels(clinician: httpx.Client, store: Store) -> None:
    asked = clinician.post("/api/training/run", json={})
    run = run_of(asked)
    assert (asked.json()["worker"], run["state"], run["requested_by"]) == (False, "queued", "key 1, clinician")
    assert run_of(clinician.post("/api/training/run", json={}))["id"] == run["id"]
    status = clinician.get("/api/training/status").json()
    assert status["recent_runs"] == [run]
    assert (status["trained"], status["total_runs"], status["running"], status["last_run"]) == (False, 1, None, None)
    assert status["next_run"].endswith("T03:00:00+00:00")
    with store.session() as session:
        claim_next(session)
    assert run_of(clinician.post(f"/api/training/runs/{run['id']}/cancel", json={}))["state"] == "running"
    with store.session() as session:
        assert get_run(session, run["id"]).cancel_requested_at is not None
        set_state(session, get_run(session, run["id"]), "cancelled")
    status = clinician.get("/api/training/status").json()
    assert (status["running"], status["last_run"]["state"]) == (None, "cancelled")
    with store.snapshot() as session:
        told = [(event.actor, event.action) for event in list_events(session, Wanted(action="training"))]
    assert told == [("key 1, clinician", "training.requested"), ("key 1, clinician", "training.cancelled")]


def test_what_is_asked_wrongly_is_told(clinician: httpx.Client) -> None:
    run = run_of(clinician.post("/api/training/run", json={}))
    assert run_of(clinician.post(f"/api/training/runs/{run['id']}/cancel", json={}))["state"] == "cancelled"
    answers = [
        clinician.post(f"/api/training/runs/{run['id']}/cancel", json={}),
        clinician.post("/api/training/runs/run-0/cancel", json={}),
        clinician.post("/api/training/run", json={"epochs": 3}),
        clinician.post("/api/training/run"),  # what a web page of somebody else could send
    ]
    assert [(a.status_code, a.json()["error"]["code"], a.json()["error"]["param"]) for a in answers] == [
        (409, "refused", "state"),
        (404, "refused", "run"),
        (400, "unknown_parameter", "epochs"),
        (415, "unsupported_content_type", None),
    ]


def test_a_worker_beside_a_server_lives_and_ends_with_it(workspace: Workspace) -> None:
    command = [sys.executable, "-m", "heedful.cli.main", "serve", "--port", "0", "--worker", "-w", str(workspace.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}) as server:
        try:
            address = re.search(r"http://\S+(?=/v1)", server.stdout.readline()).group()
            wait_until(lambda: is_working(workspace), seconds=60)
            wait_until(lambda: answers(address), seconds=60)
            assert httpx.get(f"{address}/api/training/status").json()["worker"] is True
            run = run_of(httpx.post(f"{address}/api/training/run", json={}))
            wait_until(lambda: httpx.get(f"{address}/api/training/status").json()["last_run"] is not None, seconds=60)
            last = httpx.get(f"{address}/api/training/status").json()["last_run"]
            assert (last["id"], last["state"], last["metrics"]["outcome"]) == (run["id"], "succeeded", "nothing to learn from")
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)
    wait_until(lambda: not is_working(workspace))


def test_a_server_that_is_told_to_end_takes_its_worker_with_it(workspace: Workspace) -> None:
    """SIGTERM is how service managers stop a program."""
    command = [sys.executable, "-m", "heedful.cli.main", "serve", "--port", "0", "--worker", "-w", str(workspace.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}) as server:
        address = re.search(r"http://\S+(?=/v1)", server.stdout.readline()).group()
        wait_until(lambda: is_working(workspace) and answers(address), seconds=60)
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
        assert "Traceback" not in server.stderr.read()
    wait_until(lambda: not is_working(workspace))


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz").status_code == 200
    except httpx.TransportError:
        return False

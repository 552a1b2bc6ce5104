"""Keys, roles and limits: a real server on a port, asked by the official client, by plain HTTP and as a browser would."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from openai import OpenAI
from typer.testing import CliRunner

from conftest import REPOSITORY
from heedful.cli import keys, serve
from heedful.companion.turn import Companion
from heedful.config import ServerSettings, load_settings
from heedful.engines.scripted import ScriptedEngine
from heedful.errors import ServerError, StoreError
from heedful.server.access import Access, Allowed, Caller, access_to, allow
from heedful.server.app import create_app
from heedful.server.assembly import assembled
from heedful.server.catalog import StaticCatalog
from heedful.server.errors import ApiError
from heedful.store.api_keys import ROLES, create_key, find_key, list_keys, revoke_key
from heedful.store.database import Store, open_store
from heedful.store.schema_access import ApiKey
from heedful.workspace import Workspace
from test_server import MANY_WORDS, serving, wait_until

CATALOG = StaticCatalog(
    {
        name: Companion(ScriptedEngine(name, [text], delay_s=delay), "")
        for name, text, delay in (("warm-1", "I am here.", 0.0), ("endless", MANY_WORDS, 0.05))
    }
)
HELLO: Any = [{"role": "user", "content": "I cannot sleep before exams."}]
ORIGIN = "https://app.example.org"


@pytest.fixture
def store(workspace: Workspace) -> Iterator[Store]:
    opened = open_store(workspace.database)
    yield opened
    opened.close()


def make(store: Store, name: str, role: str = "client", **limits: int) -> str:
    with store.session() as session:
        return create_key(session, name, role, "tester", **limits)[1]


def client(address: str, secret: str) -> OpenAI:
    return OpenAI(base_url=f"{address}/v1", api_key=secret, max_retries=0)


def test_the_official_client_is_let_in_with_a_key_and_not_without(store: Store) -> None:
    secret = make(store, "app")
    with serving(create_app(CATALOG, access_to(store, ServerSettings()))) as address:
        assert (
            client(address, secret).chat.completions.create(model="warm-1", messages=HELLO).choices[0].message.content
            == "I am here."
        )
        with pytest.raises(openai.AuthenticationError) as wrong:
            client(address, secret + "x").models.list()
        assert (wrong.value.code, wrong.value.type) == ("invalid_api_key", "invalid_request_error")
        with store.session() as session:
            revoke_key(session, "app", "tester")
        with pytest.raises(openai.AuthenticationError, match="was revoked"):
            client(address, secret).models.list()


def test_no_route_answers_without_a_key(store: Store) -> None:
    make(store, "app")
    with whole_app(store) as app, serving(app) as address:
        paths = [(method, route.path) for route in routes_of(app) for method in route.methods]
        assert len(paths) >= 15
        for method, path in [*paths, ("GET", "/no/such"), ("DELETE", "/v1/models")]:
            for headers in ({}, {"Authorization": "Basic aGVsbG8="}, {"Authorization": "Bearer"}):
                answer = httpx.request(method, address + path, headers=headers)
                assert (answer.status_code, answer.json()["error"]["code"]) == (401, "missing_api_key"), (method, path)
                assert answer.headers["www-authenticate"] == "Bearer"


@contextmanager
def whole_app(store: Store) -> Iterator[FastAPI]:
    """As `heedful serve` runs it, with every route there is."""
    settings = load_settings()
    with assembled(Workspace(store.database.parent), store, settings, access_to(store, settings.server)) as (app, _):
        yield app


def routes_of(app: FastAPI) -> list[APIRoute]:
    """Of the application and of the routers in it. A route of another kind would go unseen."""
    found = [
        route for part in app.routes for route in (part.original_router.routes if hasattr(part, "original_router") else [part])
    ]
    assert all(isinstance(route, APIRoute) for route in found)
    return found


def test_the_page_about_the_api_has_every_route_and_its_roles(store: Store) -> None:
    page = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
    told = {}
    for cells in re.findall(r"^\| (`(?:GET|POST|DELETE) .*?) \| (.*?) \|", page, re.MULTILINE):
        told |= dict.fromkeys(
            re.findall(r"`([A-Z]+ .*?)`", cells[0]), set(ROLES) if cells[1] == "all" else set(cells[1].split(", "))
        )
    with whole_app(store) as app:
        there = {
            f"{method} {route.path.replace(':path', '')}": set(one.dependency.roles)
            for route in routes_of(app)
            for method in route.methods
            for one in route.dependencies
            if isinstance(one.dependency, Allowed)
        }
    assert told == there


def test_every_route_says_who_may_ask(store: Store) -> None:
    with whole_app(store) as app:
        for route in routes_of(app):
            declared = [one.dependency for one in route.dependencies if isinstance(one.dependency, Allowed)]
            assert len(declared) == 1, route.path


def test_every_role_gets_403_on_every_route_that_is_not_for_it(store: Store) -> None:
    secrets = {role: make(store, role, role) for role in ROLES}
    refused: dict[str, set[str]] = {role: set() for role in ROLES}
    with whole_app(store) as app, serving(app) as address:
        for route, role in product(routes_of(app), ROLES):
            (allowed,) = [one.dependency for one in route.dependencies if isinstance(one.dependency, Allowed)]
            if role in allowed.roles:
                continue
            for method in route.methods:
                answer = httpx.request(method, address + route.path, headers=bearer(secrets[role]))
                assert (answer.status_code, answer.json()["error"]["code"]) == (403, "insufficient_role"), (method, route.path)
                refused[role].add(route.path)
    assert refused["operator"] == set()
    assert "/metrics" in refused["clinician"] < refused["client"]
    assert refused["client"] >= {
        "/metrics",
        "/api/counters",
        "/api/training/run",
        "/api/training/status",
        "/api/training/runs/{run}/cancel",
    }


def test_another_role_is_refused(store: Store) -> None:
    app = create_app(CATALOG, access_to(store, ServerSettings()))
    secrets = {role: make(store, role, role) for role in ("client", "clinician", "operator")}
    app = create_app(CATALOG, access_to(store, ServerSettings()))
    app.add_api_route("/private", lambda: {"seen": True}, dependencies=[allow({"clinician", "operator"})])
    with serving(app) as address:
        answers = {role: httpx.get(f"{address}/private", headers=bearer(secret)) for role, secret in secrets.items()}
    assert {role: answer.status_code for role, answer in answers.items()} == {"client": 403, "clinician": 200, "operator": 200}
    assert answers["client"].json()["error"] == {
        "message": "A key of role client may not do this; allowed: clinician or operator.",
        "type": "invalid_request_error",
        "param": None,
        "code": "insufficient_role",
    }


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_a_minute_has_so_many_requests() -> None:
    now = [100.0]
    access = Access(clock=lambda: now[0])
    caller = Caller(1, "client", 3, None)

    def ask() -> str | None:
        try:
            with access.turn(caller):
                return None
        except ApiError as refused:
            assert (refused.status, refused.code, refused.type) == (429, "rate_limit_exceeded", "rate_limit_error")
            return refused.headers["Retry-After"]

    assert [ask() for _ in range(4)] == [None, None, None, "20"]
    now[0] += 19.5
    assert ask() == "1"
    now[0] += 0.5
    assert [ask(), ask()] == [None, "20"]
    now[0] += 3_600
    assert [ask() for _ in range(4)] == [None, None, None, "20"]


def test_a_running_stream_holds_its_place_until_its_reader_leaves(store: Store) -> None:
    secret = make(store, "app", concurrent=1)
    access = access_to(store, ServerSettings())
    with serving(create_app(CATALOG, access)) as address:
        with client(address, secret).chat.completions.create(model="endless", messages=HELLO, stream=True) as stream:
            next(iter(stream))
            with pytest.raises(openai.RateLimitError, match="1 requests of this key are running") as full:
                client(address, secret).models.list()
            assert full.value.response.headers["retry-after"] == "1"
        wait_until(lambda: all(usage.running == 0 for usage in access.usages.values()), 1)
        assert len(client(address, secret).models.list().data) == 2


def test_an_open_server_is_for_this_machine_alone() -> None:
    with serving(create_app(CATALOG)) as address:
        assert httpx.get(f"{address}/healthz").status_code == 200
        for host, status in {
            "localhost": 200,
            "localhost:1": 200,
            "[::1]:80": 200,
            "evil.example:80": 403,
            "10.0.0.7": 403,
            "": 403,
        }.items():
            assert httpx.get(f"{address}/healthz", headers={"Host": host}).status_code == status, host


def test_pages_of_named_origins_may_ask(store: Store) -> None:
    secret = make(store, "page")
    with serving(create_app(CATALOG, access_to(store, ServerSettings()), [ORIGIN])) as address:
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
        allowed, other = (
            httpx.options(f"{address}/v1/chat/completions", headers={"Origin": origin, **asked})
            for origin in (ORIGIN, "https://evil.example")
        )
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, ORIGIN)
        assert (other.status_code, "access-control-allow-origin" in other.headers) == (400, False)
        refused = httpx.get(f"{address}/v1/models", headers={"Origin": ORIGIN})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, ORIGIN)
        assert httpx.get(f"{address}/v1/models", headers={"Origin": ORIGIN, **bearer(secret)}).status_code == 200


def test_a_secret_is_kept_nowhere(store: Store, workspace: Workspace) -> None:
    secret = make(store, "app")
    with store.session() as session:
        assert find_key(session, secret) is not None
        assert find_key(session, secret[:-1]) is None
    assert all(secret.encode() not in path.read_bytes() for path in workspace.root.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("name", "role", "said"), [("app", "client", "there already"), ("b", "king", "no role"), ("7", "client", "no name")]
)
def test_keys_that_cannot_be(store: Store, name: str, role: str, said: str) -> None:
    make(store, "app")
    with pytest.raises(StoreError, match=said), store.session() as session:
        create_key(session, name, role, "tester")
    with store.session() as session:
        assert [key.name for key in list_keys(session)] == ["app"]


def test_revoking_the_last_key_does_not_open_the_server(store: Store) -> None:
    assert access_to(store, ServerSettings()).find is None
    make(store, "app")
    with store.session() as session:
        revoke_key(session, "1", "tester")
        assert isinstance(session.get(ApiKey, 1), ApiKey)
    assert access_to(store, ServerSettings()).find is not None


def test_no_route_answers_to_another_name_than_this_machines(store: Store) -> None:
    """A server without keys, asked as a web page would that knows a name for 127.0.0.1 (DNS rebinding)."""
    with whole_app(store) as app, serving(app) as address:
        for route in routes_of(app):
            for method in route.methods:
                answer = httpx.request(method, address + route.path, headers={"Host": "evil.example"})
                assert (answer.status_code, answer.json()["error"]["code"]) == (403, "host_not_allowed"), (method, route.path)


def test_the_server_does_not_start_for_other_machines_without_a_key(workspace: Workspace) -> None:
    found = CliRunner().invoke(serve.app, ["--host", "0.0.0.0", "--port", "0", "--workspace", str(workspace.root)])
    assert (found.exit_code, "there is no key yet" in found.stderr) == (1, True)


def test_other_machines_need_a_key(store: Store) -> None:
    from heedful.cli.serve import check_open

    with pytest.raises(ServerError, match="there is no key yet") as refused:
        check_open(access_to(store, ServerSettings()), "0.0.0.0")
    assert refused.value.next_step == "heedful keys create NAME"
    check_open(access_to(store, ServerSettings()), "::1")
    make(store, "app")
    check_open(access_to(store, ServerSettings()), "0.0.0.0")


def test_the_verb(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace.root)
    run = CliRunner().invoke
    made = run(keys.app, ["create", "app", "--per-minute", "90", "--json"])
    secret = json.loads(made.stdout)["secret"]
    assert (made.exit_code, secret[:3], len(secret)) == (0, "hk-", 46)
    assert "open until it is started again" in made.stderr
    (listed,) = json.loads(run(keys.app, ["list", "--json"]).stdout)["keys"]
    assert {**listed, "created_at": ""} == {
        "key": 1, "name": "app", "role": "client", "requests_per_minute": 90, "concurrent": None, "created_at": "", "state": "good",
    }  # fmt: skip
    assert secret not in run(keys.app, ["list"]).stdout
    again = run(keys.app, ["create", "app"])
    assert (again.exit_code, "there already" in again.stderr) == (1, True)
    assert run(keys.app, ["revoke", "app"]).exit_code == 0
    assert json.loads(run(keys.app, ["list", "--json"]).stdout) == {"keys": []}
    with open_store(Path("heedful.db") if Path("heedful.db").exists() else workspace.database).session() as session:
        assert find_key(session, secret) is None

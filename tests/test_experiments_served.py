"""An experiment in service: the real server on a port, two versions of the bundled base, persons, thumbs over the API, a stop."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from heedful.config import ServerSettings, Settings, load_settings
from heedful.lifecycle.experiments import monitor
from heedful.lifecycle.experiments.joining import membership
from heedful.lifecycle.experiments.pairs import open_pair
from heedful.lifecycle.experiments.reading import Reading, read_experiment
from heedful.lifecycle.experiments.start import Wanted, start
from heedful.lifecycle.modes import switch
from heedful.lifecycle.recording import recording
from heedful.registry.promotion import promote
from heedful.server.access import access_to
from heedful.server.app import create_app
from heedful.server.keeping import Keeper
from heedful.server.registry_catalog import RegistryCatalog
from heedful.store.database import Store
from heedful.store.experiments import End, end_experiment, find_experiment, harms_of, members_of
from heedful.store.schema_experiments import ReplyPair
from heedful.store.schema_turns import TurnTrace
from heedful.workspace import Workspace
from scripted_upstream import Script, speak, upstream_of_script
from test_experiments import GATE, same_draws  # noqa: F401 - a fixture
from test_server import serving
from test_switch_over import proven, store, wait_until_loaded  # noqa: F401 - a fixture

QUICK = {"serving": {"engine": "transformers"}}
PERSONS = [f"person-{n}" for n in range(8)]
SHORT: dict[str, Any] = {"max_tokens": 2, "messages": [{"role": "user", "content": "I cannot sleep before exams."}]}


def ask(url: str, person: str, **extra: Any) -> dict[str, Any]:
    body = {"model": "champion", "safety_identifier": person, **SHORT, **extra}
    answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def tell(url: str, path: str, **body: Any) -> None:
    assert httpx.post(f"{url}/api/{path}", json=body).json()["kept"] is True


def agree(url: str, person: str, decision: str = "granted", purpose: str = "chat") -> None:
    body = {"person": person, "purpose": purpose, "decision": decision}
    assert httpx.post(f"{url}/api/consent", json=body).status_code == 200


def read(store: Store) -> Reading:  # noqa: F811
    with store.snapshot() as session:
        return read_experiment(session, *find_experiment(session, None))


@pytest.fixture
def versions(workspace: Workspace, store: Store) -> tuple[str, str]:  # noqa: F811
    champion, challenger = (proven(workspace, store, seed) for seed in (1, 2))
    promote(store, workspace, GATE, champion, "tester")
    return champion, challenger


@contextmanager
def service(workspace: Workspace, store: Store, settings: Settings) -> Iterator[str]:  # noqa: F811
    with recording(store) as record, Keeper(store) as keeper:
        catalog = RegistryCatalog(workspace, store, settings, record)
        with serving(create_app(catalog, access_to(store, ServerSettings()), (), catalog.lifespan, keeper)) as address:
            yield address


@pytest.fixture
def url(workspace: Workspace, store: Store, versions: tuple[str, str]) -> Iterator[str]:  # noqa: F811
    with service(workspace, store, load_settings(workspace.config_file, QUICK)) as address:
        yield address


def test_persons_are_served_by_their_variant_until_it_ends(
    url: str,
    workspace: Workspace,
    store: Store,  # noqa: F811
    versions: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    champion, challenger = versions
    for person in PERSONS:
        agree(url, person)
    assert {ask(url, person)["model"] for person in PERSONS[:2]} == {champion}
    experiment = start(store, workspace, GATE, Wanted(challenger, window_hours=0.0), "tester")
    wait_until_loaded(f"{url}/v1", champion, challenger)
    first = {person: ask(url, person) for person in PERSONS}
    served = {person: answer["model"] for person, answer in first.items()}
    assert set(served.values()) == {champion, challenger}
    assert {person: ask(url, person)["model"] for person in PERSONS} == served
    assert ask(url, "stranger")["model"] == champion  # never asked whether chats may be kept
    assert ask(url, PERSONS[0], store=False)["model"] == champion
    for person, answer in first.items():
        tell(url, "feedback", reply=answer["id"], thumb="up" if served[person] == challenger else "down")
        tell(url, "feedback", reply=answer["id"], thumb="up")  # a second thumb of the same person counts nothing
    arms = {arm.model: arm for arm in read(store).findings[0].arms}
    count = sum(model == challenger for model in served.values())
    assert (arms[challenger].persons, arms[challenger].with_outcome, arms[challenger].value) == (count, count, 1.0)
    assert (arms[champion].persons, arms[champion].with_outcome, arms[champion].value) == (8 - count, 8 - count, 0.0)
    hers = next(person for person, model in served.items() if model == challenger)
    agree(url, hers, "withdrawn")
    assert ask(url, hers)["model"] == champion
    assert sum(arm.left for arm in read(store).findings[0].arms) == 1
    with store.session() as session:
        end_experiment(session, experiment.id, End("stopped", "tester"))
    assert {ask(url, person)["model"] for person in PERSONS} == {champion}
    check_traces(store, experiment.id, served, champion, challenger)
    stop_by_a_mood(url, workspace, store, champion, challenger, monkeypatch)


def stop_by_a_mood(
    url: str,
    workspace: Workspace,
    store: Store,  # noqa: F811
    champion: str,
    challenger: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With so weak a proof that one person is enough: the server sees it by itself, and she is the champion's again."""
    monkeypatch.setattr(monitor, "LEVEL", 0.9)
    start(store, workspace, GATE, Wanted(challenger, window_hours=0.0), "tester")
    agree(url, PERSONS[0])
    answers = {person: ask(url, person) for person in PERSONS}
    hers, answer = next((person, answer) for person, answer in answers.items() if answer["model"] == challenger)
    tell(url, "moods", person=hers, reply=answer["id"], moment="before", value=6)
    tell(url, "moods", person=hers, reply=answer["id"], moment="after", value=3)
    until = time.monotonic() + 30
    while read(store).end is None and time.monotonic() < until:
        time.sleep(0.1)
    end = read(store).end
    assert end is not None and (end.ending, end.harm, end.actor) == ("harm", "mood", "heedful")
    assert {ask(url, person)["model"] for person in PERSONS} == {champion}


def test_in_shadow_mode_everybody_reads_the_champion_and_pairs_gather(
    url: str,
    workspace: Workspace,
    store: Store,  # noqa: F811
    versions: tuple[str, str],
) -> None:
    champion, challenger = versions
    for person in PERSONS[:2]:
        agree(url, person)
    agree(url, PERSONS[0], purpose="review")
    start(store, workspace, GATE, Wanted(challenger, shadow=True), "tester")
    wait_until_loaded(f"{url}/v1", champion, challenger)
    assert {ask(url, person, max_tokens=12)["model"] for person in PERSONS[:3]} == {champion}
    until = time.monotonic() + 60
    found: list[ReplyPair] = []
    while not found and time.monotonic() < until:
        time.sleep(0.2)
        with store.snapshot() as session:
            found = list(session.scalars(select(ReplyPair)))
    with store.snapshot() as session:
        blind = open_pair(session, found[0].id)
        traced = session.execute(select(TurnTrace.model, TurnTrace.variant)).all()
    assert len(found) == 1
    assert len(set(blind.replies)) == 2 and blind.messages[0].content == SHORT["messages"][0]["content"]
    assert {tuple(row) for row in traced} == {(champion, "")}  # what nobody saw is no turn


def check_traces(store: Store, number: int, served: dict[str, str], champion: str, challenger: str) -> None:  # noqa: F811
    """Two turns of each person under the first experiment, each with the model of its variant."""
    with store.snapshot() as session:
        traced = session.execute(select(TurnTrace.variant, TurnTrace.model).where(TurnTrace.variant != "")).all()
        assert len(members_of(session, number)) == len(PERSONS)
        assert harms_of(session, number) == []
    models = {f"{number}:champion": champion, f"{number}:challenger": challenger}
    assert dict(map(tuple, traced)) == models
    assert len(traced) == 2 * len(served)


def test_the_upstream_as_challenger_answers_those_who_allowed_it_and_were_drawn(
    workspace: Workspace,
    store: Store,  # noqa: F811
    versions: tuple[str, str],
) -> None:
    champion, _ = versions
    script = Script([speak("Somebody", " else", " hears", " you.")])
    with upstream_of_script(script) as upstream:
        settings = load_settings(workspace.config_file, {**QUICK, "mode": "hybrid", "upstream": {"url": upstream, "model": "big"}})
        with service(workspace, store, settings) as url:
            for person in PERSONS:
                agree(url, person)
                agree(url, person, purpose="upstream")
            agree(url, PERSONS[0], "withdrawn", purpose="upstream")
            wanted = Wanted("upstream", window_hours=0.0, reason="we know its maker")
            experiment = start(store, workspace, GATE, wanted, "tester", "hybrid")
            wait_until_loaded(f"{url}/v1", champion)
            read_of = {person: ask(url, person, max_tokens=3)["choices"][0]["message"]["content"] for person in PERSONS}
            with store.snapshot() as session:
                drawn = {membership(session, experiment, person) for person in PERSONS[:1]}
                members = {one.person_id: one.variant for one in members_of(session, experiment.id)}
                variants = {
                    person: members[known[0]] for person in PERSONS[1:] if (known := membership(session, experiment, person))
                }
            assert drawn == {None} and set(variants.values()) == {"champion", "challenger"}
            hers = [person for person, variant in variants.items() if variant == "challenger"]
            assert [person for person, text in read_of.items() if text == "Somebody else hears you."] == hers
            asked_so_far = len(script.bodies)
            assert asked_so_far == len(hers)
            switch(store, settings, "local", "tester")
            assert ask(url, hers[0], max_tokens=3)["choices"][0]["message"]["content"] != "Somebody else hears you."
            assert len(script.bodies) == asked_so_far
            until = time.monotonic() + 30
            while read(store).end is None and time.monotonic() < until:
                time.sleep(0.1)
    end = read(store).end
    assert end is not None and (end.ending, end.reason) == ("stopped", "the mode was switched to local")

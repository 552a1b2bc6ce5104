"""The whole loop with real parts: two runs on the tiny base, promotion, rollback, a live server that follows, and a refusal.

One workspace is trained once for the module; the tests read it in order of the story.
"""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openai import NotFoundError, OpenAI

from heedful.cli import demo
from heedful.companion.turn import Companion, reply_many
from heedful.config import load_settings
from heedful.conversation import Message
from heedful.engines.base import Engine, Health
from heedful.engines.transformers_engine import TransformersEngine
from heedful.lifecycle.companions import find_target, sampling_of
from heedful.lifecycle.evaluation import evaluate_version
from heedful.lifecycle.pipeline import Request, RunOutcome, run_pipeline
from heedful.modeling.bases import context_length, load_tokenizer
from heedful.modeling.merged import merged_network
from heedful.registry.promotion import promote, rollback
from heedful.registry.versions import ADAPTER_FILE, find_version, list_versions
from heedful.server.app import create_app
from heedful.server.listening import running
from heedful.server.registry_catalog import RegistryCatalog
from heedful.store.database import Store, open_store
from heedful.store.schema import DatasetMember, Run
from heedful.workspace import Workspace, create_workspace, read_manifest, sha256
from test_server import wait_until

FLAGS = {"training": {"epochs": 1}, "generation": {"max_new_tokens": 60}, "gate": {"prompts": 12}, "dataset": {"max_samples": 120}}


class Silent:
    """A watcher that remembers the stages."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def imported(self, report: object) -> None:
        self.stages.append("imported")

    def built(self, dataset: object) -> None:
        self.stages.append("built")

    def approve(self, plan: object) -> bool:
        self.stages.append("approve")
        return True

    def reading(self, done: int, total: int | None, note: str) -> None: ...
    def building(self, done: int, total: int | None, note: str) -> None: ...

    def training(self, progress: object) -> None:
        self.stages.append("training") if self.stages[-1] != "training" else None

    def trained(self, version: object) -> None:
        self.stages.append("trained")

    def evaluating(self, done: int, total: int) -> None:
        self.stages.append("evaluating") if self.stages[-1] != "evaluating" else None


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Store]:
    workspace = create_workspace(tmp_path_factory.mktemp("team") / "w", "base: tiny\n")
    return workspace, open_store(workspace.database)


def loop(team: tuple[Workspace, Store], source: Path) -> tuple[RunOutcome, list[str]]:
    watcher = Silent()
    outcome = run_pipeline(*team, load_settings(None, FLAGS), Request((source,), "ann"), watcher)
    assert outcome is not None
    return outcome, watcher.stages


@pytest.fixture(scope="module")
def first(team: tuple[Workspace, Store]) -> RunOutcome:
    outcome, stages = loop(team, demo.SAMPLES / "intents.json")
    assert stages == ["imported", "built", "approve", "training", "trained", "evaluating"]
    return outcome


@pytest.fixture(scope="module")
def second(team: tuple[Workspace, Store], first: RunOutcome) -> RunOutcome:
    return loop(team, demo.SAMPLES / "conversations.jsonl")[0]


def test_a_run_ends_with_a_champion_that_beats_its_base(team: tuple[Workspace, Store], first: RunOutcome) -> None:
    told = first.as_dict()
    assert told["promoted"], told
    assert {"model", "promoted", "gate", "nll", "seconds"} <= set(told)
    assert told["nll"]["tuned"] < told["nll"]["base"]
    gate = {check["check"]: check for check in told["gate"]}
    assert gate["leaked_tags"]["value"] == 0
    assert gate["stop_rate"]["value"] >= 0.95
    assert all({"check", "value", "threshold", "passed"} <= set(check) for check in told["gate"])
    json.dumps(told)


def test_every_row_of_the_dataset_can_be_traced(team: tuple[Workspace, Store], first: RunOutcome) -> None:
    workspace, store = team
    folder = workspace.datasets / first.version.dataset
    lines = {split: (folder / f"{split}.jsonl").read_text().splitlines() for split in ("train", "validation", "test")}
    with store.snapshot() as session:
        members = session.query(DatasetMember).filter_by(dataset_id=first.version.dataset).all()
    assert {(m.split, m.position) for m in members} == {(s, i) for s, rows in lines.items() for i in range(len(rows))}


def test_the_model_directory_says_what_it_came_from(team: tuple[Workspace, Store], first: RunOutcome) -> None:
    manifest = read_manifest(first.version.path)
    assert (manifest["model"], manifest["dataset"], manifest["base"]) == (first.version.model, first.version.dataset, "tiny")
    assert {"plan.yaml", "metrics.jsonl", "adapter_model.safetensors", "tokenizer.json"} <= set(manifest["files"])
    assert (manifest["parent"], manifest["stack"]) == (None, [{"model": first.version.model, "rank": 16}])
    learned = {"dataset": first.version.dataset, "role": "train", "lines": "all"}
    assert manifest["learned_from"] == [learned]
    assert str(team[0].root) not in (first.version.path / "manifest.json").read_text()
    metrics = [json.loads(line) for line in (first.version.path / "metrics.jsonl").read_text().splitlines()]
    assert {"step", "evaluation", "summary"} <= {line["event"] for line in metrics}


def test_a_second_run_promotes_and_rollback_serves_the_former_bytes(
    team: tuple[Workspace, Store], first: RunOutcome, second: RunOutcome
) -> None:
    workspace, store = team
    assert second.promoted, second.refusal
    assert second.version.model != first.version.model
    catalog = RegistryCatalog(workspace, store, load_settings(None, FLAGS))
    with running(create_app(catalog)) as url:
        client = OpenAI(base_url=url, api_key="x", max_retries=0)
        assert ask(client, "champion") == second.version.model
        rollback(store, workspace, "ann")
        wait_until(lambda: ask(client, "champion") == first.version.model, 60)  # without a restart
        assert ask(client, "previous") == second.version.model
        assert ask(client, "base") == "base"
        streamed = client.chat.completions.create(model="champion", messages=TURN, stream=True, seed=3)
        pieces = "".join(chunk.choices[0].delta.content or "" for chunk in streamed if chunk.choices)
        whole = client.chat.completions.create(model="champion", messages=TURN, seed=3).choices[0].message.content
        assert pieces == whole
        with pytest.raises(NotFoundError):
            ask(client, first.version.model[:6])
        names = {name for model in client.models.list() for name in (model.id, *(model.model_extra or {}).get("aliases", ()))}
        assert names == {"base", "champion", "previous", first.version.model, second.version.model}
    asyncio.run(catalog.close())
    assert sha256(first.version.path / ADAPTER_FILE) == find(store, "champion").adapter_sha256


TURN: Any = [{"role": "user", "content": "I feel alone since I moved."}]


def ask(client: OpenAI, model: str) -> str:
    completion = client.chat.completions.create(model=model, messages=TURN, max_tokens=20, seed=1)
    assert completion.choices[0].message.content
    return completion.model


def find(store: Store, name: str):  # type: ignore[no-untyped-def]
    with store.snapshot() as session:
        return find_version(session, name)


def test_the_champion_is_served_by_openvino_in_the_words_of_transformers(team: tuple[Workspace, Store], second: RunOutcome) -> None:
    """Through the server, with the real client, eight at once; the reference has the very weights that are served."""
    workspace, store = team
    settings = load_settings(None, FLAGS)
    chats: list[Any] = [[{"role": "user", "content": f"I feel alone since I moved {number} weeks ago."}] for number in range(8)]
    catalog = RegistryCatalog(workspace, store, settings)
    with running(create_app(catalog)) as url:
        client = OpenAI(base_url=url, api_key="x", max_retries=0)

        def said(chat: Any) -> str:
            found = client.chat.completions.create(model="champion", messages=chat, temperature=0, max_tokens=40)
            return found.choices[0].message.content or ""

        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(said, chats))
        engine = asyncio.run(catalog.resolve("champion")).engine
        assert engine.capabilities.name == "openvino"
        hang_up(client, engine)
    asyncio.run(catalog.close())
    assert [path.name[: len(second.version.model)] for path in workspace.served.glob("m-*")].count(second.version.model) == 1
    target = find_target(workspace, store, settings, "champion")
    network = merged_network(target.base, target.adapter)
    engine = TransformersEngine(target.name, network, load_tokenizer(target.base), context_length(target.base))
    theirs = Companion(engine, target.system_prompt, sampling_of(settings.generation))
    greedy = replace(theirs.sampling, temperature=0, max_new_tokens=40)
    expected = asyncio.run(reply_many(theirs, [[Message("user", chat[0]["content"])] for chat in chats], greedy))
    asyncio.run(theirs.engine.close())
    assert replies == [one.text for one in expected]


def hang_up(client: OpenAI, engine: Engine) -> None:
    """A client that goes away in the middle of a stream frees its place."""
    stream = client.chat.completions.create(
        model="champion", messages=TURN, stream=True, max_tokens=900, temperature=1.9, top_p=1.0, seed=1
    )
    assert next(iter(stream)).choices[0].delta.role == "assistant"
    assert asyncio.run(engine.health()).running == 1
    stream.close()
    deadline = time.monotonic() + 30
    while asyncio.run(engine.health()) != Health(True, 0, 0):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_same_run_again_gives_the_same_weights_and_adds_nothing(
    team: tuple[Workspace, Store], first: RunOutcome, second: RunOutcome
) -> None:
    again, _ = loop(team, demo.SAMPLES / "conversations.jsonl")
    assert again.version.existing
    assert (again.version.model, again.version.dataset) == (second.version.model, second.version.dataset)
    with team[1].snapshot() as session:
        assert len(list_versions(session)) == 2


def test_a_gate_that_cannot_be_reached_refuses_by_name(team: tuple[Workspace, Store], second: RunOutcome) -> None:
    workspace, store = team
    strict = load_settings(None, FLAGS | {"gate": {"prompts": 4, "checks": {"nll_gain": {"limit": 50.0}}}})
    evaluated = evaluate_version(workspace, store, strict, second.version.model)
    assert evaluated.report.failed == ("nll_gain",)
    before = find(store, "champion").id
    with pytest.raises(Exception, match="failed: nll_gain") as caught:
        promote(store, workspace, strict.gate, second.version.model, "ann")
    assert caught.value.next_step  # type: ignore[attr-defined]
    assert find(store, "champion").id == before


def test_runs_tell_how_they_ended(team: tuple[Workspace, Store], second: RunOutcome) -> None:
    with team[1].snapshot() as session:
        runs = session.query(Run).all()
    assert {(run.kind, run.status) for run in runs} == {("train", "done"), ("evaluate", "done")}
    assert all(run.ended_at is not None and run.model_id is not None for run in runs)


def test_a_model_of_another_chat_format_is_not_served(team: tuple[Workspace, Store], second: RunOutcome) -> None:
    workspace, store = team
    manifest = second.version.path / "manifest.json"
    kept = manifest.read_text()
    manifest.write_text(kept.replace(json.loads(kept)["template_fingerprint"], "0" * 64))
    try:
        with pytest.raises(Exception, match="chat template of base 'tiny' changed"):
            find_target(workspace, store, load_settings(None, FLAGS), second.version.model)
    finally:
        manifest.write_text(kept)

"""Switch-over: `heedful serve` as it is, streams running, while other processes promote, roll back and quarantine."""

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import NotFoundError, OpenAI

from heedful.companion.turn import reply
from heedful.config import SYSTEM_PROMPT, load_settings
from heedful.conversation import Message
from heedful.modeling.adapters import linear_targets
from heedful.modeling.bases import load_base_model, load_tokenizer
from heedful.modeling.chat_template import fingerprint
from heedful.registry.aliases import point
from heedful.registry.quarantine import quarantine
from heedful.registry.versions import ADAPTER_FILE, register, version_id
from heedful.server.registry_catalog import RegistryCatalog
from heedful.store.database import Store, open_store
from heedful.store.persons import find_or_add_persons
from heedful.store.schema import DatasetVersion
from heedful.store.schema_trust import Erasure
from heedful.workspace import Workspace, sha256, write_manifest
from test_registry import STOPS, evaluated

HEEDFUL = str(Path(sys.executable).with_name("heedful"))
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("HEEDFUL_")}
READERS = 3
SWITCHED_S = 60.0  # on a machine that is busy; docs/log.md has what it takes
QUESTION: Any = [{"role": "user", "content": "I cannot sleep before exams."}]


@pytest.fixture
def store(workspace: Workspace) -> Iterator[Store]:
    opened = open_store(workspace.database)
    folder = workspace.datasets / "ds-1"
    folder.mkdir()
    (folder / "test.jsonl").write_text("", encoding="utf-8")
    write_manifest(folder, {"kind": "dataset"})
    with opened.session() as session:
        session.add(DatasetVersion(id="ds-1", manifest_sha256="0" * 64, counts={}, settings={}))
    yield opened
    opened.close()


def proven(workspace: Workspace, store: Store, seed: int) -> str:
    """A version with a real adapter of small random numbers, and a report that lets it be promoted."""
    import torch
    from peft import LoraConfig, get_peft_model

    base = load_base_model("tiny", "cpu")
    adapted = get_peft_model(base, LoraConfig(r=2, target_modules=linear_targets(base), task_type="CAUSAL_LM"))
    numbers = torch.Generator().manual_seed(seed)
    for name, weights in adapted.named_parameters():
        if "lora_B" in name:
            weights.data = 0.01 * torch.randn(weights.shape, generator=numbers)
    folder = workspace.models / "aside"
    adapted.save_pretrained(str(folder))
    write_manifest(folder, {"template_fingerprint": fingerprint(load_tokenizer("tiny")), "system_prompt": SYSTEM_PROMPT})
    digest = sha256(folder / ADAPTER_FILE)
    folder.rename(workspace.models / version_id(digest))
    with store.session() as session:
        register(session, version_id(digest), {"dataset_id": "ds-1", "parent_id": None, "base": "tiny", "adapter_sha256": digest})
    evaluated(workspace, store, version_id(digest), STOPS)
    return version_id(digest)


def heedful(workspace: Workspace, *words: str) -> None:
    """A verb in a process of its own."""
    subprocess.run([HEEDFUL, *words, "--workspace", str(workspace.root)], env=ENVIRONMENT, check=True, capture_output=True)


@contextmanager
def served(workspace: Workspace) -> Iterator[str]:
    command = [HEEDFUL, "serve", "--port", "0", "--workspace", str(workspace.root)]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            found = re.search(r"http://\S+/v1", process.stdout.readline())
            assert found is not None
            yield found[0]
        finally:
            process.terminate()
            assert process.wait(60) == 0


@dataclass(frozen=True)
class Read:
    """One streamed reply as a client saw it: the models that its chunks name, how it ended, and when it was asked."""

    models: frozenset[str]
    ending: str | None
    asked: float


@dataclass
class Readers:
    """Clients that ask for one stream after the other, at the same time."""

    url: str
    read: list[Read] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    leaving: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Readers":
        self.threads = [threading.Thread(target=self.ask_on_and_on) for _ in range(READERS)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.leaving.set()
        for thread in self.threads:
            thread.join()

    def ask_on_and_on(self) -> None:
        client = OpenAI(base_url=self.url, api_key="x", max_retries=0)
        while not self.leaving.is_set():
            asked = time.monotonic()
            try:
                stream = client.chat.completions.create(
                    model="champion", messages=QUESTION, stream=True, max_tokens=40, temperature=1.5
                )
                chunks = list(stream)
                self.read.append(Read(frozenset(c.model for c in chunks), chunks[-1].choices[0].finish_reason, asked))
            except Exception as error:
                self.failures.append(error)

    def until(self, model: str) -> float:
        """Seconds until a reply that was asked for from now on was written by `model`."""
        began = time.monotonic()
        while time.monotonic() - began < SWITCHED_S:
            found = [one.asked - began for one in list(self.read) if one.models == {model} and one.asked >= began]
            if found:
                return min(found)
            time.sleep(0.02)
        raise AssertionError(f"{model} answered nobody; seen: {[sorted(one.models) for one in self.read]}, {self.failures}")


def loaded(url: str) -> set[str]:
    text = httpx.get(url.removesuffix("/v1") + "/metrics").text
    return set(re.findall(r'heedful_replies\{model="([^"]+)"', text))


def wait_until_loaded(url: str, *models: str) -> None:
    deadline = time.monotonic() + SWITCHED_S
    while loaded(url) != set(models):
        assert time.monotonic() < deadline, loaded(url)
        time.sleep(0.1)


@pytest.mark.timeout(900)
def test_promotion_and_rollback_reach_a_running_server_and_no_request_fails(workspace: Workspace, store: Store) -> None:
    first, second = proven(workspace, store, 1), proven(workspace, store, 2)
    heedful(workspace, "promote", first)
    taken = {}
    with served(workspace) as url:
        wait_until_loaded(url, first)  # before anybody asked
        with Readers(url) as readers:
            readers.until(first)
            heedful(workspace, "promote", second)
            taken["promotion"] = readers.until(second)
            wait_until_loaded(url, first, second)  # the former one stands by
            heedful(workspace, "rollback")
            taken["rollback"] = readers.until(first)
            wait_until_loaded(url, first, second)
        assert readers.failures == []
        assert {len(one.models) for one in readers.read} == {1}, "a stream ends on the model that began it"
        assert {one.ending for one in readers.read} <= {"stop", "length"}
        order = [next(iter(one.models)) for one in sorted(readers.read, key=lambda one: one.asked)]
        assert [model for place, model in enumerate(order) if order[place - 1 : place] != [model]] == [first, second, first]
        end_the_quarantined(url, workspace, store, first, second)
    print(json.dumps({name: round(seconds, 2) for name, seconds in taken.items()}))


def end_the_quarantined(url: str, workspace: Workspace, store: Store, champion: str, previous: str) -> None:
    """The champion is quarantined while it writes: it is not asked again, and who reads hears that it ended."""
    with Readers(url) as readers:
        readers.until(champion)
        with store.session() as session:
            person = find_or_add_persons(session, ["ann"])["ann"]
            erasure = Erasure(person_id=person.id, state="begun", detail={}, actor="tester")
            session.add(erasure)
            session.flush()
            quarantine(session, workspace, [champion], erasure.id, "tester")
        quarantined = time.monotonic()
        readers.until(previous)
    assert all(one.models == {previous} for one in readers.read if one.asked > quarantined)
    told = f"the engine of {champion} is closed"  # in the stream, or with 503 and Retry-After where none had begun
    assert [str(error) for error in readers.failures if told not in str(error)] == []
    wait_until_loaded(url, previous)
    with pytest.raises(NotFoundError, match="it is quarantined and cannot be used"):
        OpenAI(base_url=url, api_key="x", max_retries=0).chat.completions.create(model=champion, messages=QUESTION)


def test_the_champion_s_casual_turns_go_to_the_base_and_who_asks_for_a_version_gets_it(workspace: Workspace, store: Store) -> None:
    model = proven(workspace, store, 3)
    with store.session() as session:
        point(session, "champion", model, "tester", "for the test")
    flags = {"routing": {"casual": "base"}, "serving": {"engine": "transformers"}, "guards": {"classifier": False}}
    catalog = RegistryCatalog(
        workspace, store, load_settings(workspace.config_file, {**flags, "generation": {"max_new_tokens": 8}})
    )

    async def served() -> list[str]:
        champion, named = await catalog.resolve("champion"), await catalog.resolve(model)
        assert named.routing is None and champion.routing is not None
        assert (champion.engine.model, champion.routing.casual.model) == (model, "base")
        casual, grief = [Message("user", "Good morning!")], [Message("user", "I lie awake since my dad died.")]
        found = [(await reply(mine, chat)).trace.model for mine, chat in ((champion, casual), (champion, grief), (named, casual))]
        await catalog.close()
        return found

    assert asyncio.run(served()) == ["base", model, model]

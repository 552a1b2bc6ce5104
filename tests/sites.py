"""A site: a real server over a real store, with a key of each role, asked by the official client and by plain HTTP."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from openai import OpenAI
from sqlalchemy import select

from heedful.companion.turn import Companion
from heedful.config import ServerSettings
from heedful.engines.base import Sampling
from heedful.engines.scripted import ScriptedEngine
from heedful.server.access import access_to
from heedful.server.app import create_app
from heedful.server.catalog import StaticCatalog
from heedful.server.keeping import Keeper
from heedful.store.api_keys import create_key
from heedful.store.conversations import iterate_conversations
from heedful.store.database import Store, open_store
from heedful.store.schema import ConversationRow
from heedful.store.schema_collection import Assessment, Feedback, Mood, ReplyRow
from heedful.workspace import Workspace
from test_server import serving

ANN = "anneliese-4711"  # of `people`, with nouns of her own
REPLY = "That is a lot to carry by yourself; who is with you this evening?"
TABLES = (ConversationRow, ReplyRow, Mood, Assessment, Feedback)


@dataclass(frozen=True)
class Site:
    """A server in service, asked with a key of each role."""

    address: str
    store: Store
    workspace: Workspace
    keys: dict[str, str]

    def post(self, path: str, role: str = "client", **body: Any) -> httpx.Response:
        return httpx.post(f"{self.address}/api/{path}", json=body, headers={"Authorization": f"Bearer {self.keys[role]}"})

    def get(self, path: str, role: str = "client") -> httpx.Response:
        return httpx.get(f"{self.address}/api/{path}", headers={"Authorization": f"Bearer {self.keys[role]}"})

    def told(self, path: str, role: str = "client", **body: Any) -> dict[str, Any]:
        answer = self.post(path, role, **body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def agree(self, *purposes: str, person: str = ANN) -> None:
        for purpose in purposes:
            self.told("consent", person=person, purpose=purpose, decision="granted", form="2026-05")

    def chat(self, *said: str, **extra: Any) -> Any:
        """One turn through the official client; `said` are the words of person and companion in turn."""
        roles = ("user", "assistant")
        messages: Any = [{"role": roles[n % 2], "content": text} for n, text in enumerate(said)]
        with OpenAI(base_url=f"{self.address}/v1", api_key=self.keys["client"], max_retries=0) as client:
            answer = client.chat.completions.create(model="warm-1", messages=messages, **{"user": ANN, **extra})
            return list(answer) if extra.get("stream") else answer

    def rows(self) -> dict[str, int]:
        with self.store.snapshot() as session:
            return {table.__tablename__: len(session.scalars(select(table)).all()) for table in TABLES}

    def texts(self, corrected: bool = False) -> list[list[str]]:
        with self.store.snapshot() as session:
            return [[m.content for m in one.conversation.messages] for one in iterate_conversations(session, corrected=corrected)]


@contextmanager
def site_of(workspace: Workspace, rooms: Callable[[Keeper], list[Any]] = lambda _: []) -> Iterator[Site]:
    store = open_store(workspace.database)
    with store.session() as session:
        keys = {role: create_key(session, role, role, "tester")[1] for role in ("client", "clinician", "operator")}
    catalog = StaticCatalog({"warm-1": Companion(ScriptedEngine("warm-1", [REPLY]), "Be kind.", Sampling(max_new_tokens=200))})
    access = access_to(store, ServerSettings())
    with Keeper(store) as keeper, serving(create_app(catalog, access, keeper=keeper, rooms=rooms(keeper))) as address:
        yield Site(address, store, workspace, keys)
    store.close()

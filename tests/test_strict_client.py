"""What the server sends, held strictly against the official client's own response models; what these do not have is listed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI
from openai.pagination import SyncCursorPage, SyncPage
from openai.types import CreateEmbeddingResponse, FileDeleted, FileObject, Model, ModerationCreateResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent
from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint
from pydantic import BaseModel

from heedful.config import load_settings
from heedful.server.fine_tuning import fine_tuning_router
from heedful.server.keeping import Keeper
from heedful.store.training_runs import append_event, claim_next, note, set_state
from heedful.workspace import Workspace
from sites import Site, site_of
from test_files import GOOD

HELLO: Any = [{"role": "user", "content": "I cannot sleep before exams."}]
# Heedful's additions, documented in docs/api.md; the last three are OpenAI's own, which its client does not model.
ADDED = {"Model": {"base", "aliases"}, "Moderation": {"heedful"}, "FineTuningJob": {"heedful"}}
PAGES = {"object", "first_id", "last_id"}


@pytest.fixture
def site(workspace: Workspace) -> Iterator[Site]:
    def rooms(keeper: Keeper) -> list[Any]:
        return [fine_tuning_router(keeper, load_settings(workspace.config_file), lambda: False)]

    with site_of(workspace, rooms) as made:
        yield made


@pytest.fixture
def client(site: Site) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{site.address}/v1", api_key=site.keys["operator"], max_retries=0) as made:
        yield made


def strict(model: Any, text: str, extra: set[str] = frozenset()) -> Any:
    """The parsed answer, with no field coerced and none unknown but those that are documented."""
    parsed = model.model_validate_json(text, strict=True)
    for path, kind, unknown in unknown_fields(parsed, ""):
        assert unknown <= ADDED.get(kind, set()) | (extra if path == "" else set()), (path, kind, unknown)
    return parsed


def unknown_fields(value: object, path: str) -> Iterator[tuple[str, str, set[str]]]:
    if isinstance(value, BaseModel):
        yield path, type(value).__name__, set(value.model_extra or {})
        for name in type(value).model_fields:
            yield from unknown_fields(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from unknown_fields(item, f"{path}[{number}]")


def test_an_unknown_field_and_a_number_as_text_are_seen() -> None:
    entry = {"id": "a", "created": 1, "object": "model", "owned_by": "heedful"}
    strict(Model, json.dumps(entry))
    for wrong in ({"created": "1"}, {"object": "models"}, {"warmth": 1}, {"id": None}):
        with pytest.raises((ValueError, AssertionError)):
            strict(Model, json.dumps({**entry, **wrong}))


def test_chat(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="warm-1", messages=HELLO, user="p-1")
    assert strict(ChatCompletion, raw.text).choices[0].finish_reason == "stop"
    asked = {"model": "warm-1", "messages": HELLO, "stream": True, "stream_options": {"include_usage": True}}
    with client.chat.completions.with_streaming_response.create(**asked) as stream:
        events = [line.removeprefix("data: ") for line in stream.iter_lines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]" and len(events) > 4
    chunks = [strict(ChatCompletionChunk, event) for event in events[:-1]]
    assert chunks[-1].usage is not None


def test_models_embeddings_and_moderations(client: OpenAI) -> None:
    assert [one.id for one in strict(SyncPage[Model], client.models.with_raw_response.list().text).data] == ["warm-1"]
    strict(Model, client.models.with_raw_response.retrieve("warm-1").text)
    for form, kind in (("float", list), ("base64", str)):
        raw = client.embeddings.with_raw_response.create(model="all-minilm-l6-v2", input=["a", "b"], encoding_format=form)
        if form == "float":
            assert len(strict(CreateEmbeddingResponse, raw.text).data[1].embedding) == 384
        assert all(isinstance(one["embedding"], kind) for one in json.loads(raw.text)["data"])
    raw = client.moderations.with_raw_response.create(input="I want to end my life.")
    assert strict(ModerationCreateResponse, raw.text).results[0].flagged


def test_files(client: OpenAI) -> None:
    made = strict(FileObject, client.files.with_raw_response.create(file=("a.jsonl", GOOD), purpose="fine-tune").text)
    bad = strict(FileObject, client.files.with_raw_response.create(file=("b.jsonl", b"{"), purpose="fine-tune").text)
    assert (made.status, bad.status, bad.status_details) == ("processed", "error", "row 1: is no JSON in UTF-8")
    page = strict(SyncCursorPage[FileObject], client.files.with_raw_response.list().text, PAGES)
    assert [one.id for one in page.data] == [bad.id, made.id]
    strict(FileObject, client.files.with_raw_response.retrieve(made.id).text)
    assert client.files.with_raw_response.content(made.id).content == GOOD
    strict(FileDeleted, client.files.with_raw_response.delete(made.id).text)


def test_fine_tuning(client: OpenAI, site: Site) -> None:
    jobs = client.fine_tuning.jobs.with_raw_response
    file = client.files.create(file=("a.jsonl", GOOD), purpose="fine-tune").id
    job = strict(FineTuningJob, jobs.create(model="base", training_file=file, metadata={"a": "b"}).text)
    with site.store.session() as session:
        run = claim_next(session)
        assert run is not None
        data = {"step": 1, "steps": 2, "loss": 2.5, "validation_nll": None, "eta_s": 3.0}
        append_event(session, run.id, "metrics", "step 1", data=data)
    assert strict(FineTuningJob, jobs.retrieve(job.id).text).estimated_finish is not None
    with site.store.session() as session:
        told = {"fine_tuned_model": "ft:tiny:heedful::m-1", "verdict": "passed", "report": "r-1"}
        set_state(session, note(session, run.id, **told, steps=2, validation_nll=2.25), "succeeded")
    assert strict(FineTuningJob, jobs.retrieve(job.id).text).fine_tuned_model == "ft:tiny:heedful::m-1"
    cancelled = strict(FineTuningJob, jobs.cancel(client.fine_tuning.jobs.create(model="tiny", training_file=file).id).text)
    assert cancelled.status == "cancelled"
    page = strict(SyncCursorPage[FineTuningJob], jobs.list().text, PAGES)
    assert [one.id for one in page.data] == [cancelled.id, job.id]
    events = strict(SyncCursorPage[FineTuningJobEvent], jobs.list_events(job.id).text, PAGES).data
    assert [event.data for event in events if event.type == "metrics"] == [{"step": 1, "total_steps": 2, "train_loss": 2.5}]
    raw = client.fine_tuning.jobs.checkpoints.with_raw_response.list(job.id)
    [checkpoint] = strict(SyncCursorPage[FineTuningJobCheckpoint], raw.text, PAGES).data
    assert (checkpoint.step_number, checkpoint.metrics.valid_loss) == (2, 2.25)

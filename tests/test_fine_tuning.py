"""Fine-tuning jobs as the official client asks for them: a real server, a real worker, real training steps on the tiny base."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from heedful.config import load_settings
from heedful.lifecycle.fine_tuning.asked import JobRequest, name_of
from heedful.lifecycle.fine_tuning.steps import build, take_in
from heedful.lifecycle.loop.requests import count_waiting
from heedful.lifecycle.loop.work import Work
from heedful.lifecycle.loop.worker import Shop, work_off
from heedful.registry.aliases import current_aliases
from heedful.registry.versions import list_versions
from heedful.server.access import access_to
from heedful.server.assembly import assembled
from heedful.store.api_keys import create_key
from heedful.store.database import Store, open_store
from heedful.store.schema_uploads import Upload
from heedful.store.training_runs import claim_next, enqueue, get_run
from heedful.workspace import Workspace
from test_files import lines
from test_server import serving, wait_until

SUBJECTS = ("kettle", "ladder", "garden", "letter", "winter", "bridge", "violin", "bakery", "harbour")


def rows_about(*subjects: str) -> bytes:
    def row(subject: str, day: int) -> dict[str, Any]:
        asked = f"I keep thinking about the {subject}, {('since', 'until', 'before', 'after')[day]} the {subject} was gone."
        said = f"The {subject} stays with you. What was the {subject} like, {('then', 'now', 'first', 'last')[day]}?"
        return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}

    return lines(*(row(subject, day) for subject in subjects for day in range(4)))


@dataclass(frozen=True)
class House:
    """A workspace in service."""

    workspace: Workspace
    store: Store
    client: OpenAI
    told: list[str]

    def send(self, content: bytes) -> str:
        return self.client.files.create(file=("rows.jsonl", content), purpose="fine-tune").id

    def ask(self, **fields: Any) -> Any:
        return self.client.fine_tuning.jobs.create(**{"model": "base", **fields})

    def work(self) -> None:
        """A worker carries out what waits."""
        settings = load_settings(self.workspace.config_file)
        work_off(Shop(self.workspace, self.store, settings, lambda run, event: self.told.append(event.message)), forever=False)


@pytest.fixture
def house(workspace: Workspace, tmp_path: Path) -> Iterator[House]:
    store = open_store(workspace.database)
    with store.session() as session:
        secret = create_key(session, "team", "clinician", "tester")[1]
    settings = load_settings(workspace.config_file)
    with (
        assembled(workspace, store, settings, access_to(store, settings.server)) as (application, _),
        serving(application) as address,
        OpenAI(base_url=f"{address}/v1", api_key=secret, max_retries=0, timeout=120) as client,
    ):
        yield House(workspace, store, client, [])
    store.close()


@pytest.mark.slow
def test_a_job_trains_proves_and_names_a_model_that_answers(house: House) -> None:
    jobs = house.client.fine_tuning.jobs
    file, held_out = house.send(rows_about(*SUBJECTS[:6])), house.send(rows_about(*SUBJECTS[6:]))
    method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1, "learning_rate_multiplier": 0.5}}}
    asked = house.ask(training_file=file, validation_file=held_out, method=method, seed=11, suffix="warm", metadata={"who": "team"})
    assert (asked.status, asked.fine_tuned_model, asked.hyperparameters.n_epochs, asked.seed) == ("queued", None, 1, 11)
    assert [event.level for event in jobs.list_events(asked.id)] == ["warn", "info"]  # nobody is there to carry it out
    house.work()
    job = jobs.retrieve(asked.id)
    assert job.status == "succeeded", job.error
    assert job.fine_tuned_model is not None and job.fine_tuned_model.startswith("ft:tiny:heedful:warm:m-")
    assert job.finished_at is not None and job.metadata == {"who": "team"} and job.estimated_finish is None
    events = list(jobs.list_events(asked.id, limit=3))  # the client turns the pages itself
    metrics = [event.data for event in reversed(events) if event.type == "metrics"]
    assert metrics[-1]["step"] == metrics[-1]["total_steps"] and metrics[0]["train_loss"] > 0 and metrics[-1]["valid_loss"] > 0
    assert len({event.id for event in events}) == len(events) > 8
    [checkpoint] = jobs.checkpoints.list(asked.id)
    assert checkpoint.fine_tuned_model_checkpoint == job.fine_tuned_model
    answer = house.client.chat.completions.create(
        model=job.fine_tuned_model, messages=[{"role": "user", "content": "I keep thinking about the kettle."}], max_tokens=8
    )
    assert answer.choices[0].message.content and job.fine_tuned_model.endswith(answer.model)
    assert house.client.models.retrieve(job.fine_tuned_model).id == answer.model
    with house.store.snapshot() as session:
        assert set(current_aliases(session)) == {job.fine_tuned_model}  # no champion was made
        assert count_waiting(session) == 0  # and nothing that the loop would learn
        run = get_run(session, asked.id.replace("ftjob-", "run-"))
    dataset = house.workspace.datasets / str(run.dataset_id)
    said = {split: (dataset / f"{split}.jsonl").read_text() for split in ("train", "validation", "test")}
    of_side = {split: {subject for subject in SUBJECTS if subject in text} for split, text in said.items()}
    assert of_side["train"] == set(SUBJECTS[:6]) and of_side["validation"] | of_side["test"] == set(SUBJECTS[6:])


def test_files_and_hyper_parameters_that_cannot_be(house: House) -> None:
    good, bad = house.send(rows_about(*SUBJECTS)), house.send(rows_about(*SUBJECTS) + b'{"messages": []}\n')
    wrong: list[tuple[dict[str, Any], str, str]] = [
        ({"training_file": bad}, "training_file", f"Invalid file {bad}: row 37: messages is missing, empty or no list."),
        ({"training_file": "file-x"}, "training_file", "No such File object: file-x"),
        ({"training_file": good, "validation_file": good}, "validation_file", "another file"),
        ({"training_file": good, "model": "gpt-4o-mini"}, "model", "what can be fine-tuned here is base"),
        ({"training_file": good, "suffix": "a b"}, "suffix", "up to 24 letters"),
        (
            {"training_file": good, "hyperparameters": {"n_epochs": 0}},
            "hyperparameters.n_epochs",
            "auto, or an integer from 1 to 50",
        ),
        ({"training_file": good, "hyperparameters": {"warmth": 1}}, "hyperparameters.warmth", "Unknown"),
        ({"training_file": good, "method": {"type": "dpo"}}, "method.type", "'supervised'"),
        ({"training_file": good, "integrations": [{"type": "wandb"}]}, "integrations", "Not supported"),
    ]
    for fields, param, said in wrong:
        with pytest.raises(openai.BadRequestError) as refused:
            house.ask(**fields)
        assert refused.value.param == param and said in refused.value.message, fields
    assert list(house.client.fine_tuning.jobs.list()) == []
    with pytest.raises(openai.NotFoundError):
        house.client.fine_tuning.jobs.retrieve("ftjob-none")


def test_a_job_that_waits_is_cancelled_at_once_and_pages_turn(house: House) -> None:
    jobs, file = house.client.fine_tuning.jobs, house.send(rows_about(*SUBJECTS))
    first, second = house.ask(training_file=file, metadata={"n": "1"}), house.ask(training_file=file)
    assert [job.id for job in jobs.list(limit=1)] == [second.id, first.id]
    assert [job.id for job in jobs.list(metadata={"n": "1"})] == [first.id]
    assert jobs.cancel(first.id).status == "cancelled"
    for refused in (lambda: jobs.cancel(first.id), lambda: jobs.pause(second.id), lambda: jobs.resume(second.id)):
        with pytest.raises(openai.BadRequestError):
            refused()
    house.client.files.delete(file)
    house.work()
    failed = jobs.retrieve(second.id)
    assert failed.error is not None and failed.status == "failed"
    assert (failed.error.code, failed.error.param) == ("invalid_training_file", "training_file")
    assert "was deleted before the job began" in failed.error.message


def test_a_running_job_is_cancelled(house: House) -> None:
    """The worker looks before each step."""
    jobs, file = house.client.fine_tuning.jobs, house.send(rows_about(*SUBJECTS))
    asked = house.ask(training_file=file)
    with house.store.session() as session:
        assert claim_next(session) is not None
    assert jobs.cancel(asked.id).status == "running"
    house.work()
    ended = jobs.retrieve(asked.id)
    assert (ended.status, ended.fine_tuned_model, ended.error) == ("cancelled", None, None)


@pytest.mark.slow
def test_a_job_is_cancelled_between_two_steps_of_its_training(house: House) -> None:
    """Nothing that it learned stays: no version, no name, no weights on the disk."""
    jobs, file = house.client.fine_tuning.jobs, house.send(rows_about(*SUBJECTS))
    asked = house.ask(training_file=file, hyperparameters={"n_epochs": 50})

    def metrics() -> list[Any]:
        return [event.data for event in jobs.list_events(asked.id, limit=100) if event.type == "metrics"]

    worker = threading.Thread(target=house.work)
    worker.start()
    wait_until(lambda: len(metrics()) >= 2, 240)
    assert jobs.cancel(asked.id).status == "running"
    wait_until(lambda: jobs.retrieve(asked.id).status != "running", 30)
    worker.join(30)
    ended, seen = jobs.retrieve(asked.id), metrics()[0]
    assert not worker.is_alive()
    assert (ended.status, ended.fine_tuned_model, ended.error) == ("cancelled", None, None)
    assert 0 < seen["step"] < seen["total_steps"], "it was cancelled in the middle"
    with house.store.snapshot() as session:
        assert (list_versions(session), current_aliases(session)) == ([], {})
    assert list(house.workspace.models.iterdir()) == []


def test_a_dataset_of_a_file_is_apart_from_that_of_all(house: House) -> None:
    request = JobRequest("tiny", house.send(rows_about(*SUBJECTS)))
    with house.store.session() as session:
        run_id = enqueue(session, "fine_tuning", request.as_dict(), "tester").id
    work = Work(house.workspace, house.store, load_settings(house.workspace.config_file), run_id)
    assert take_in(work) and take_in(work) and build(work)
    manifest = json.loads((house.workspace.datasets / str(work.run.dataset_id) / "manifest.json").read_text())
    assert manifest["input"]["conversations"] == 36
    [source] = manifest["sources"]
    assert (source["path"], source["format"], source["conversations"]) == (request.training_file, "upload", 36)
    with house.store.snapshot() as session:
        assert source["sha256"] == session.get_one(Upload, request.training_file).sha256


def test_a_name_has_room_for_every_base() -> None:
    name = name_of("/models/Qwen2.5 0.5B:chat-and-more", "s" * 24, "m-0123456789")
    assert name == f"ft:Qwen2.5-0.5B-ch:heedful:{'s' * 24}:m-0123456789"
    assert len(name_of("b" * 90, "s" * 24, "m-0123456789")) == 64

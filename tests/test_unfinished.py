"""Unfinished trainings: listed, gone on with, refused when something has changed, removed; no kill between two stages costs one."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from heedful.config import load_settings
from heedful.dataset import build_dataset
from heedful.errors import ModelError, RegistryError, TrainingDiverged, TrainingError, TrainingInterrupted
from heedful.lifecycle.doctor import check_trainings
from heedful.lifecycle.ingest import import_file
from heedful.lifecycle.strategy import plan_training
from heedful.lifecycle.training import TrainedVersion, carried_out, publish_version, resume_version, train_version
from heedful.lifecycle.unfinished import Unfinished, begin, discard, find_unfinished, list_unfinished
from heedful.registry.versions import find_version, list_versions, verified_directory
from heedful.store.database import Store, open_store
from heedful.store.schema import DatasetVersion, Person
from heedful.store.schema_trust import Erasure
from heedful.training.progress import Progress
from heedful.training.recovery import sole_use
from heedful.training.train import TrainedAdapter, train
from heedful.workspace import create_workspace, read_manifest

CONFIG = "base: tiny\nsystem_prompt: Be kind.\ntraining: {epochs: 1, rank: 2, batch_size: 8}\n"


class Team:
    """A workspace with a dataset of short chats."""

    def __init__(self, root: Path) -> None:
        self.workspace = create_workspace(root, CONFIG)
        self.store: Store = open_store(self.workspace.database)
        chats = [
            [{"role": "user", "content": f"I feel {n}."}, {"role": "assistant", "content": f"Why do you feel {n}?"}]
            for n in range(30)
        ]
        samples = root / "samples.jsonl"
        samples.write_text("".join(json.dumps({"messages": chat, "person": f"p-{n}"}) + "\n" for n, chat in enumerate(chats)))
        import_file(self.store, samples, "ann", basis="consent")
        settings = load_settings(self.workspace.config_file)
        self.dataset = build_dataset(self.store, self.workspace, settings.dataset, settings.system_prompt, "ann").id

    def begin(self, flags: dict[str, Any] | None = None) -> Unfinished:
        settings = load_settings(self.workspace.config_file, flags)
        return begin(self.workspace, self.dataset, settings, plan_training(self.workspace, self.store, settings, self.dataset))

    def run(self, carry_out: Callable[..., TrainedAdapter] = train) -> TrainedVersion:
        settings = load_settings(self.workspace.config_file)
        plan = plan_training(self.workspace, self.store, settings, self.dataset)
        return train_version(self.workspace, self.store, self.dataset, settings, plan, "ann", carry_out=carry_out)

    def resume(
        self, training: str | None = None, flags: dict[str, Any] | None = None, carry_out: Callable[..., TrainedAdapter] = train
    ) -> TrainedVersion:
        return resume_version(self.workspace, self.store, training, flags or {}, "ann", carry_out=carry_out)

    def versions(self) -> list[str]:
        with self.store.snapshot() as session:
            return [version.id for version in list_versions(session)]


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path / "w")


def stopping(step: int) -> Callable[..., TrainedAdapter]:
    """Training that is asked to stop at a step."""

    def carry_out(*args: Any, recovery: Path, **_: object) -> TrainedAdapter:
        seen = [Progress(0, 0, 0, 0, 0, 0, None)]
        return train(*args[:4], seen.append, recovery=recovery, stop=lambda: seen[-1].step >= step)

    return carry_out


def never(*args: object, **kwargs: object) -> TrainedAdapter:
    raise AssertionError("nothing is left to train")


def test_stopped_listed_and_gone_on_with(team: Team) -> None:
    with pytest.raises(TrainingInterrupted, match="training was stopped at step 2 of 3") as caught:
        team.run(stopping(2))
    assert caught.value.next_step == "heedful train --resume"
    (one,) = list_unfinished(team.workspace)
    assert (one.step, one.steps, one.running, one.job.dataset) == (2, 3, False, team.dataset)
    found = check_trainings(team.workspace)
    assert (found.level, found.fix) == ("warning", "heedful train --resume, or heedful train --discard")
    assert one.in_words() in found.found
    version = team.resume()
    assert (version.steps, version.existing, team.versions()) == (3, False, [version.model])
    with team.store.snapshot() as session:
        folder = verified_directory(team.workspace, find_version(session, version.model))
    assert [path.name for path in team.workspace.models.iterdir()] == [version.model], "the home is gone"
    manifest = read_manifest(folder)
    assert [kept["folder"] for kept in manifest["checkpoints"]] == [f"checkpoints/step-{n}" for n in (3, 0)]
    assert "checkpoints/step-3/adapter_model.safetensors" in manifest["files"]
    assert check_trainings(team.workspace).level == "ok"


def test_several_are_listed_and_one_is_chosen_or_removed(team: Team) -> None:
    with pytest.raises(TrainingError, match="there is no such unfinished training: none"):
        team.resume()
    first, second = team.begin(), team.begin()
    with pytest.raises(TrainingError, match="there are several unfinished trainings") as caught:
        team.resume()
    assert first.in_words() in caught.value.text
    assert second.in_words() in caught.value.text
    assert caught.value.next_step in {f"heedful train --resume --training {one.id}" for one in (first, second)}
    with pytest.raises(TrainingInterrupted) as stopped:
        team.resume(second.id, carry_out=stopping(0))
    assert stopped.value.next_step == f"heedful train --resume --training {second.id}"
    discard(find_unfinished(team.workspace, second.id, "heedful train --discard"))
    assert [one.id for one in list_unfinished(team.workspace)] == [first.id]
    with sole_use(first.recovery):
        running = find_unfinished(team.workspace, None, "heedful train --discard")
        with pytest.raises(TrainingError, match="is running"):
            discard(running)
        with pytest.raises(TrainingError, match="is running already"):
            team.resume()
        assert check_trainings(team.workspace).level == "ok"


def test_other_settings_are_refused_by_name(team: Team) -> None:
    one = team.begin({"training": {"rank": 4}})
    with pytest.raises(TrainingError, match=r"cannot go on with other settings: training.epochs is 2, was 1.0$"):
        team.resume(flags={"training.epochs": 2})
    with pytest.raises(TrainingError, match=r"settings: dataset is ds-other, was ds-"):
        team.resume(flags={"dataset": "ds-other"})
    config = team.workspace.config_file
    config.write_text(CONFIG.replace("rank: 2", "rank: 8"))
    one_refusal = partial(team.resume, flags={"training.rank": 4})
    config.write_text(CONFIG.replace("batch_size: 8", "batch_size: 4"))
    with pytest.raises(TrainingError, match=r"settings: training.batch_size is 4, was 8$") as caught:
        one_refusal()
    assert caught.value.next_step.endswith(f"heedful train --discard --training {one.id} removes the old one")
    config.write_text(CONFIG.replace("rank: 2", "rank: 8"))
    assert one_refusal().steps == 3, "a flag of the first call stays decided, whatever heedful.yaml says of it now"


def test_a_kill_between_two_stages_costs_nothing(team: Team) -> None:
    one = team.begin()
    folder = team.workspace.datasets / team.dataset
    trained = carried_out(team.workspace, one, folder, None, train)  # killed behind the training
    assert find_unfinished(team.workspace, None, "").step == 3
    version = team.resume(carry_out=never)
    assert (version.model, version.existing) == (trained.model, False)
    again = team.begin()
    carried_out(team.workspace, again, folder, None, train)
    assert team.resume(carry_out=never).existing, "the very same weights"
    assert team.versions() == [version.model]


def test_a_kill_behind_the_name_costs_nothing(team: Team) -> None:
    one = team.begin()
    trained = carried_out(team.workspace, one, team.workspace.datasets / team.dataset, None, train)
    publish_version(team.workspace, team.store, one, trained, "ann")
    assert not one.model.exists()
    assert team.resume(carry_out=never).model == trained.model


def test_what_must_not_be_kept_any_more_is_removed(team: Team) -> None:
    """As an erasure leaves the store: the dataset is marked, and the weights of an unfinished training are all that is left."""
    carried_out(team.workspace, team.begin(), team.workspace.datasets / team.dataset, None, train)
    with team.store.session() as session:
        erasure = Erasure(person_id=session.scalars(select(Person.id)).first(), state="begun", detail={}, actor="ann")
        session.add(erasure)
        session.flush()
        session.get_one(DatasetVersion, team.dataset).erasure_id = erasure.id
    with pytest.raises(RegistryError, match=f"dataset {team.dataset} was removed while the model was trained"):
        team.resume(carry_out=never)
    assert list(team.workspace.models.iterdir()) == []
    assert team.versions() == []


def test_what_cannot_be_gone_on_with_is_removed(team: Team) -> None:
    def failing(error: Exception, steps: int) -> Callable[..., TrainedAdapter]:
        def carry_out(*args: Any, **kwargs: Any) -> TrainedAdapter:
            with pytest.raises(TrainingInterrupted):
                stopping(steps)(*args, **kwargs)
            raise error

        return carry_out

    with pytest.raises(TrainingDiverged):
        team.run(failing(TrainingDiverged("nan"), 2))
    assert not list_unfinished(team.workspace)
    with pytest.raises(ModelError):
        team.run(failing(ModelError("no base"), 0))
    assert not list_unfinished(team.workspace), "nothing was learned"
    with pytest.raises(ModelError):
        team.run(failing(ModelError("no base"), 2))
    assert len(list_unfinished(team.workspace)) == 1, "two steps were learned"
    with pytest.raises(ModelError):
        team.resume(carry_out=failing(ModelError("no base"), 2))

"""Recovery: a training that is stopped and taken up again, in both ways of training, ends as the undisturbed one does."""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from heedful.config import TrainingSettings
from heedful.errors import TrainingError, TrainingInterrupted
from heedful.training.plan import BY_YOU, Choice, TrainingPlan, make_plan
from heedful.training.progress import Progress
from heedful.training.recovery import Point, Recovery, newest, sole_use
from heedful.training.round import Round
from heedful.training.train import TrainedAdapter, train

WORDS = ("tired", "alone", "angry", "lost", "worried", "stuck", "sad", "numb", "tense", "ashamed", "afraid", "empty")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return short_chats(tmp_path_factory.mktemp("data"))


def short_chats(parent: Path) -> Path:
    folder = parent / "ds-test"
    folder.mkdir()
    for split, words in {"train": WORDS[:10], "validation": WORDS[10:]}.items():
        chats = [
            [{"role": "user", "content": f"I feel {word}."}, {"role": "assistant", "content": f"Why {word}, what happened?"}]
            for word in words
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in chats))
    return folder


def plan_for(dataset: Path, path: str = "packed", **settings: Any) -> TrainingPlan:
    """Two passes a step, dropout, a resume point every two steps, an evaluation every three."""
    quick = {"epochs": 4, "batch_size": 4, "rank": 4, "learning_rate": 3e-3, "dropout": 0.1}
    plan = make_plan(dataset, "tiny", "cpu", TrainingSettings(**{**quick, **settings}))
    small = {"micro_batch": 2, "checkpoint_every": 2, "evaluate_every": 3, "path": path}
    return replace(plan, **{name: Choice(value, BY_YOU) for name, value in small.items()})


@dataclass(frozen=True)
class Folders:
    output: Path
    recovery: Path

    @staticmethod
    def make(parent: Path) -> "Folders":
        folders = Folders(parent / "model", parent / "recovery")
        folders.output.mkdir(parents=True)
        folders.recovery.mkdir()
        return folders

    def train(self, dataset: Path, plan: TrainingPlan, stop_at: int = 99, part: Round | None = None) -> TrainedAdapter:
        """Until it is asked to stop, behind the step `stop_at`."""
        seen = [Progress(0, 0, 0, 0, 0, 0, None)]
        stop = lambda: seen[-1].step >= stop_at  # noqa: E731
        return train(dataset, "tiny", plan, self.output, seen.append, part=part, recovery=self.recovery, stop=stop)

    def curve(self) -> list[dict[str, Any]]:
        """Of metrics.jsonl all that is no measure of this machine."""
        lines = [json.loads(line) for line in (self.output / "metrics.jsonl").read_text().splitlines()]
        return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]

    def files(self) -> dict[str, bytes]:
        found = sorted(path for path in self.output.rglob("*") if path.is_file() and path.name != "metrics.jsonl")
        return {str(path.relative_to(self.output)): path.read_bytes() for path in found}


TIMES = {"seconds", "tokens_per_s", "peak_memory_gb", "memory_gb"}


@pytest.mark.parametrize("path", ["packed", "trl"])
def test_stopped_and_taken_up_again_it_ends_in_the_same_bytes(dataset: Path, tmp_path: Path, path: str) -> None:
    plan = plan_for(dataset, path)
    undisturbed, disturbed = Folders.make(tmp_path / "a"), Folders.make(tmp_path / "b")
    undisturbed.train(dataset, plan)
    for step in (1, 4, 7):
        with pytest.raises(TrainingInterrupted, match=f"training was stopped at step {step} of 10") as caught:
            disturbed.train(dataset, plan, step)
        assert caught.value.next_step == "heedful train --resume"
    ended = disturbed.train(dataset, plan)
    assert disturbed.curve() == undisturbed.curve()
    assert [line["step"] for line in disturbed.curve() if line["event"] == "step"] == list(range(1, 11))
    assert disturbed.files() == undisturbed.files()
    assert ended.steps == 10


def test_on_top_of_a_version_too(dataset: Path, tmp_path: Path) -> None:
    """Through TRL, whose Trainer switches the lower adapters off when it takes a checkpoint up."""
    first, undisturbed, disturbed = (Folders.make(tmp_path / name) for name in "abc")
    first.train(dataset, plan_for(dataset, epochs=2))
    plan, part = plan_for(dataset, "trl", epochs=3), Round(first.output, (0, 1, 2, 3, 4, 5), (8,))
    undisturbed.train(dataset, plan, part=part)
    with pytest.raises(TrainingInterrupted, match="at step 2 of 5"):
        disturbed.train(dataset, plan, 2, part)
    with pytest.raises(TrainingError, match="cannot go on: the lines of the round changed since"):
        disturbed.train(dataset, plan, part=replace(part, replay=(9,)))
    disturbed.train(dataset, plan, part=part)
    assert disturbed.curve() == undisturbed.curve()
    assert disturbed.files() == undisturbed.files()


def test_changed_inputs_are_refused_by_name(dataset: Path, tmp_path: Path) -> None:
    plan, folders = plan_for(dataset), Folders.make(tmp_path)
    with pytest.raises(TrainingInterrupted):
        folders.train(dataset, plan, stop_at=0)
    other = tmp_path / "ds-test"
    other.mkdir()
    for split in ("train", "validation"):
        (other / f"{split}.jsonl").write_text((dataset / f"{split}.jsonl").read_text().replace("alone", "Alone"))
    with pytest.raises(TrainingError, match=r"cannot go on: train.jsonl of ds-test changed since it was begun"):
        folders.train(other, plan)
    with pytest.raises(TrainingError, match=r"cannot go on: the plan changed"):
        folders.train(dataset, plan_for(dataset, epochs=3))
    with pytest.raises(TrainingError, match=r"cannot go on: train.jsonl of ds-test, the plan changed") as caught:
        folders.train(other, plan_for(dataset, epochs=3))
    assert caught.value.next_step == "put that back, or begin anew: heedful train"


def test_one_process_a_training(dataset: Path, tmp_path: Path) -> None:
    folders = Folders.make(tmp_path)
    with sole_use(folders.recovery), pytest.raises(TrainingError, match="is under way in another process"):
        folders.train(dataset, plan_for(dataset))


def test_what_a_kill_leaves_half_written_is_swept_out(tmp_path: Path) -> None:
    (tmp_path / ".part-1" / "deep").mkdir(parents=True)
    (tmp_path / "step-4").mkdir()
    (tmp_path / "step-4" / ".part-standing").touch()
    with sole_use(tmp_path):
        assert not (tmp_path / ".part-1").exists()
        assert not (tmp_path / "step-4" / ".part-standing").exists()


def test_there_is_always_one_whole_resume_point(tmp_path: Path) -> None:
    recovery = Recovery(tmp_path, None, 2, lambda: 7)
    assert newest(tmp_path) is None
    assert [step for step in range(1, 5) if recovery.due(step)] == [2, 4]
    seen: list[Point | None] = []

    def fill(folder: Path) -> None:
        seen.append(newest(tmp_path))
        (folder / "state").write_text("x")

    for step in (2, 4):
        recovery.write(step, {"step": step}, fill)
    before, between, after = *seen, newest(tmp_path)
    assert before is None
    assert between is not None
    assert after is not None
    assert (between.step, after.step, after.standing, after.metrics_bytes) == (2, 4, {"step": 4}, 7)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-4"]
    (tmp_path / "step-6").mkdir()  # cut off while it was removed
    assert newest(tmp_path) == after


def test_writing_does_not_take_more_than_its_share(tmp_path: Path) -> None:
    recovery = Recovery(tmp_path, None, 1, lambda: 0)
    assert recovery.due(1)
    recovery.write(1, {}, lambda folder: time.sleep(0.05))
    assert not recovery.due(2), "a twentieth of a second was taken; two percent of the time since are not"

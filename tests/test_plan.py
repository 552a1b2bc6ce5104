"""The plan: thresholds, reasons, overrides and the file it is kept in. Numbers alone, but for one real dataset directory."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from heedful.config import TrainingSettings
from heedful.errors import DatasetError, TrainingError
from heedful.training import rules
from heedful.training.plan import BY_YOU, Choice, TrainingPlan, assemble, describe, make_plan, to_yaml
from heedful.training.profile import Profile
from heedful.training.rules import Machine
from heedful.training.schedule import count_steps, make_schedule

TINY = Machine("cpu", 11_299_520, 1_024)
DEFAULTS = TrainingSettings()


def profile(size: int, length: int = 100) -> Profile:
    return Profile(size, [length] * size, supervised=40 * size, answers=1.0)


@pytest.mark.parametrize(
    ("size", "epochs", "rank", "alpha", "decay"),
    [(99, 10, 8, 16, 0.01), (100, 5, 16, 32, 0.01), (500, 5, 16, 32, 0.01), (501, 3, 32, 64, 0.0)],
)
def test_the_size_of_the_data_decides(size: int, epochs: int, rank: int, alpha: int, decay: float) -> None:
    plan = assemble(profile(size), TINY, DEFAULTS)
    assert (plan.epochs.value, plan.rank.value, plan.alpha.value, plan.weight_decay.value) == (epochs, rank, alpha, decay)
    assert str(size) in plan.epochs.why
    assert plan.batch_size.value == 8
    assert (plan.dropout.value, plan.patience.value, plan.scheduler.value) == (0.05, 3, "cosine")


@pytest.mark.parametrize(("size", "steps"), [(20, 1), (240, 3), (500, 7), (10_000, 7)])
def test_warm_up_is_a_tenth_of_the_examples_and_50_at_most(size: int, steps: int) -> None:
    assert assemble(profile(size), TINY, DEFAULTS).warmup_steps.value == steps


def test_length_is_the_99th_percentile_within_the_context() -> None:
    lengths = sorted([90] * 197 + [130, 300, 5_000])
    plan = assemble(Profile(200, lengths, 1, 1.0), TINY, DEFAULTS)
    assert plan.max_length.value == 192
    assert "at most 130 tokens, the longest 5000" in plan.max_length.why
    assert "2 lose old turns" in plan.max_length.why
    assert assemble(profile(200, 3_000), TINY, DEFAULTS).max_length.value == 1_024


@pytest.mark.parametrize(
    ("parameters", "rate"), [(1_000_000, 5e-3), (11_299_520, 5e-3), (494_000_000, 7.5e-4), (7_000_000_000, 2e-4), (10**12, 1e-4)]
)
def test_the_learning_rate_falls_with_the_size_of_the_base(parameters: int, rate: float) -> None:
    for size in (99, 500, 501):
        assert assemble(profile(size), Machine("cpu", parameters, 1_024), DEFAULTS).learning_rate.value == rate


@pytest.mark.parametrize(("length", "batch", "micro"), [(40, 8, 8), (100, 8, 4), (300, 8, 1), (100, 3, 3), (2_000, 7, 1)])
def test_rows_a_pass_divide_the_batch_and_fit_the_budget(length: int, batch: int, micro: int) -> None:
    assert rules.micro_batch("cpu", batch, profile(200, length), 1_024)[0] == micro


def test_a_gpu_is_filled_by_its_memory() -> None:
    assert rules.micro_batch("cuda", 8, profile(200), 512)[0] == 8
    assert rules.micro_batch("cuda", 8, profile(200), 4_096)[0] == 2
    assert rules.checkpointing(7_000_000_000)[0] is True
    assert rules.checkpointing(500_000_000)[0] is False


def test_evaluation_is_once_or_twice_an_epoch() -> None:
    assert rules.evaluate_every(72, 8, 90)[0] == 9
    assert rules.evaluate_every(240, 8, 150)[0] == 15
    assert rules.evaluate_every(240, 8, 10)[0] == 10


def test_a_round_has_the_room_of_a_fresh_training_and_goes_to_its_end() -> None:
    part = replace(profile(40), replayed=(100,) * 150, known=260)
    plan = assemble(part, TINY, DEFAULTS, below=16)
    assert (plan.epochs.value, plan.rank.value, plan.alpha.value) == (5, 16, 32), "by all 300 conversations"
    assert (plan.steps.value, plan.warmup_steps.value) == (44, 1)
    assert (plan.evaluate_every.value, plan.patience.value) == (9, 5), "an epoch is 40 new rows and a fifth of the replayed ones"
    assert assemble(part, TINY, TrainingSettings(patience=2), below=16).patience.value == 2


@pytest.mark.parametrize(
    ("new", "epochs", "rows"),
    [
        (100, 5, 75),  # 750 of 5 x (250 - 100)
        (105, 3, 43),  # 430 of 3 x (251.25 - 105)
        (250, 3, 22),  # new ones alone cost nearly that much: the least, a quarter of 90
        (900, 3, 22),
    ],
)
def test_replay_fills_what_a_round_may_cost(new: int, epochs: float, rows: int) -> None:
    assert rules.replayed(new, [10] * 90, epochs) == rows


def test_what_you_set_is_taken_and_said_so() -> None:
    yours = {
        "epochs": 2.0,
        "rank": 4,
        "alpha": 4.0,
        "dropout": 0.0,
        "learning_rate": 0.5,
        "weight_decay": 0.3,
        "batch_size": 2,
        "max_length": 64,
        "patience": 9,
    }
    plan = assemble(profile(200), TINY, TrainingSettings(**yours))
    shown = {name: (value, why) for name, value, why in describe(plan)}
    for name, value in yours.items():
        assert shown[name] == (value, BY_YOU)
    assert plan.steps.value == 200
    assert plan.tokens.value == 200 * 64 * 2
    assert assemble(profile(200), TINY, TrainingSettings(rank=5)).alpha.value == 10


def test_the_estimate() -> None:
    plan = assemble(profile(240), TINY, DEFAULTS)
    assert (plan.steps.value, plan.tokens.value, plan.supervised_tokens.value) == (150, 120_000, 48_000)


def test_every_value_has_a_reason() -> None:
    plan = assemble(profile(240), TINY, DEFAULTS)
    assert [name for name, _, _ in describe(plan)] == [field.name for field in fields(TrainingPlan)]
    assert all(len(why) > 10 for _, _, why in describe(plan))
    assert json.loads(json.dumps(plan.as_dict()))["rank"] == {"value": 16, "why": plan.rank.why}


def test_the_file_gives_the_plan_back(tmp_path: Path) -> None:
    plan = assemble(profile(240), TINY, DEFAULTS)
    (tmp_path / "plan.yaml").write_text(to_yaml(plan))
    assert TrainingPlan.load(tmp_path / "plan.yaml") == plan


@pytest.mark.parametrize("text", ["", "rank: 3", "[1]", "rank: {value: 1, why: x}\n", "{", "\x00"])
def test_a_damaged_plan_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(TrainingError, match="is no training plan"):
        TrainingPlan.load(tmp_path / "plan.yaml")
    with pytest.raises(TrainingError, match="is no training plan"):
        TrainingPlan.load(tmp_path / "missing.yaml")


def test_a_choice_can_be_replaced() -> None:
    plan = assemble(profile(240), TINY, DEFAULTS)
    assert replace(plan, rank=Choice(3, BY_YOU)).rank.value == 3


def write_dataset(folder: Path, **splits: list[list[tuple[str, str]]]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, chats in splits.items():
        rows = [{"messages": [{"role": role, "content": text} for role, text in chat]} for chat in chats]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_a_plan_from_a_dataset_directory(tmp_path: Path) -> None:
    chats = [[("user", f"hi {n}"), ("assistant", "Hello, tell me.")] for n in range(20)]
    folder = write_dataset(tmp_path / "ds-1", train=[*chats, [("user", "no answer")]], validation=chats[:2])
    plan = make_plan(folder, "tiny", "cpu", DEFAULTS)
    assert plan.device.value == "cpu"
    assert plan.dtype.value == "float32"
    assert plan.steps.value == 25
    assert plan.max_length.value == 64
    with pytest.raises(TrainingError, match="max_length 2000 is above the context of tiny, 1024 tokens"):
        make_plan(folder, "tiny", "cpu", TrainingSettings(max_length=2_000))


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    chat = [("user", "hi"), ("assistant", "Hello.")]
    with pytest.raises(TrainingError, match="the validation split has 0 conversations"):
        make_plan(write_dataset(tmp_path / "a", train=[chat], validation=[]), "tiny", "cpu", DEFAULTS)
    with pytest.raises(TrainingError, match="the train split has 1 conversations, none of them with an answer"):
        make_plan(write_dataset(tmp_path / "b", train=[chat[:1]], validation=[chat]), "tiny", "cpu", DEFAULTS)
    with pytest.raises(DatasetError):
        make_plan(tmp_path / "nowhere", "tiny", "cpu", DEFAULTS)


def test_a_schedule_reads_every_row_once_an_epoch() -> None:
    lengths = [10 + 7 * row % 13 for row in range(37)]
    schedule = make_schedule(lengths, batch_size=8, epochs=3, seed=1, padded=2)
    assert sorted(schedule.order()) == sorted(list(range(37)) * 3)
    assert [len(step) for step in schedule.steps] == [8] * 13 + [7]
    assert len(schedule.steps) == count_steps(37, 8, 3)
    assert schedule.epochs()[-1] == 3
    for step in schedule.steps:
        assert [lengths[row] for row in step] == sorted((lengths[row] for row in step), reverse=True)
    assert schedule == make_schedule(lengths, 8, 3, 1, 2)
    assert schedule != make_schedule(lengths, 8, 3, 2, 2)


@pytest.mark.parametrize(("rows", "epochs", "expected"), [(40, 0.5, 20), (3, 2, 6), (1, 0.1, 1), (100, 1.5, 150)])
def test_fractions_of_an_epoch(rows: int, epochs: float, expected: int) -> None:
    schedule = make_schedule([5] * rows, batch_size=8, epochs=epochs, seed=0, padded=1)
    assert len(schedule.order()) == expected
    assert len(schedule.steps) == count_steps(rows, 8, epochs)
    if epochs < 1:
        assert len(set(schedule.order())) == expected


def test_rows_that_are_padded_together_are_of_like_length() -> None:
    lengths = [(row * 37) % 200 + 10 for row in range(512)]

    def waste(padded: int) -> float:
        steps = make_schedule(lengths, 8, 1, 0, padded).steps
        return sum(8 * lengths[step[0]] for step in steps) / sum(lengths)

    assert waste(8) < 1.15 < 1.4 < waste(1)

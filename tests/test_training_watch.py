"""The watch around the steps: evaluation, best weights, early stopping, numbers that are none. A scripted learner is the seam."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from heedful.errors import TrainingError
from heedful.training.best import Kept
from heedful.training.progress import Progress, metrics_file
from heedful.training.samples import load_samples
from heedful.training.watch import Course, Learner, Outcome, Watch

LOSS = 1.25


def course(steps: int, every: int, patience: int, log_every: int = 1) -> Course:
    return Course([step / 10 for step in range(1, steps + 1)], [100] * steps, every, log_every, patience)


def follow(scores: Sequence[float], course: Course, losses: Sequence[float] = ()) -> tuple[Outcome, list[Any], list[Progress]]:
    """Steps until the watch stops; the n-th evaluation gets scores[n]. What is kept at the end is the outcome."""
    ahead, lines, seen, kept = iter(scores), list[Any](), list[Progress](), set[int]()

    def score() -> tuple[float, float]:
        value = next(ahead)
        return value, value - 0.1

    watch = Watch(course, Learner(score, kept.add, kept.intersection_update), lines.append, seen.append)
    watch.begin()
    for step in range(1, course.steps + 1):
        loss = losses[step - 1] if losses else LOSS
        if watch.after_step(step, loss, 1e-3):
            break
    outcome = watch.finish()
    assert kept == {one.step for one in outcome.kept}
    return outcome, lines, seen


def test_the_best_three_are_kept_not_the_last() -> None:
    outcome, _, _ = follow([5.0, 3.0, 2.0, 2.5], course(6, 2, patience=3))
    assert outcome.kept == (Kept(2.0, 4), Kept(2.5, 6), Kept(3.0, 2))
    assert (outcome.best_nll, outcome.best_step) == (2.0, 4)
    assert (outcome.first_nll, outcome.steps, outcome.stopped) == (5.0, 6, "end of the plan")


def test_patience_counts_evaluations_without_improvement() -> None:
    outcome, lines, _ = follow([5.0, 3.0, 3.0, 3.1, 3.2, 1.0], course(100, 2, patience=3))
    assert (outcome.steps, outcome.best_step, outcome.stopped) == (8, 2, "patience")
    assert [line["step"] for line in lines if line["event"] == "evaluation"] == [0, 2, 4, 6, 8]
    assert lines[-1] | {"seconds": 0} == {
        "event": "summary",
        "steps": 8,
        "best_step": 2,
        "best_validation_nll": 3.0,
        "first_validation_nll": 5.0,
        "stopped": "patience",
        "tokens": 800,
        "seconds": 0,
    }


def test_an_improvement_resets_patience() -> None:
    outcome, _, _ = follow([5.0, 5.1, 4.0, 4.1, 3.0, 3.1, 3.2], course(6, 1, patience=2))
    assert (outcome.steps, outcome.best_step) == (6, 4)


def test_when_nothing_helps_the_empty_adapter_is_best() -> None:
    outcome, _, _ = follow([2.0, 2.1, 2.2], course(9, 1, patience=2))
    assert (outcome.kept[0], outcome.steps) == (Kept(2.0, 0), 2)


def test_the_last_step_is_evaluated_in_any_case() -> None:
    _, lines, _ = follow([3.0, 2.0, 1.0], course(7, 5, patience=3))
    assert [line["step"] for line in lines if line["event"] == "evaluation"] == [0, 5, 7]


def test_lines_may_be_thinned_out_and_hold_the_mean() -> None:
    _, lines, seen = follow([3.0, 2.0], course(5, 5, 3, log_every=2), losses=[1.0, 2.0, 4.0, 6.0, 5.0])
    steps = [(line["step"], line["loss"]) for line in lines if line["event"] == "step"]
    assert steps == [(1, 1.0), (2, 2.0), (4, 5.0), (5, 5.0)]
    assert [p.step for p in seen] == [0, 1, 2, 4, 5]
    assert [p.validation_nll for p in seen] == [3.0, 3.0, 3.0, 3.0, 2.0]
    assert seen[-1].eta_s == 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_training(bad: float) -> None:
    with pytest.raises(TrainingError, match=f"the training loss at step 2 of 4 is {bad}") as caught:
        follow([3.0, 2.0], course(4, 4, 3), losses=[1.0, bad, 1.0, 1.0])
    assert caught.value.next_step.startswith("heedful train --learning-rate")
    with pytest.raises(TrainingError, match=f"the validation loss at step 0 of 4 is {bad}"):
        follow([bad], course(4, 4, 3))


def test_a_gradient_that_is_no_number_stops_training_with_the_rows_named() -> None:
    ahead = Course([1.0], [9], 1, 1, 1, rows=[{"ds-a": [4, 17], "ds-b": [2]}], peak_rate=3e-3)
    watch = Watch(ahead, Learner(lambda: (1.0, 1.0), lambda step: None, lambda steps: None), lambda line: None)
    watch.begin()
    with pytest.raises(TrainingError) as caught:
        watch.after_step(1, LOSS, 1e-3, float("inf"))
    rows = "ds-a/train.jsonl rows 4, 17; ds-b/train.jsonl rows 2"
    assert caught.value.text == f"the gradient at step 1 of 1 ({rows}) is inf; it must be a number"
    assert caught.value.next_step.startswith("heedful train --learning-rate 0.001, or ")


def spiked(losses: Sequence[float], base: float = 4.0) -> str:
    """What the error says, or nothing."""
    try:
        follow([base] * 99, course(len(losses), len(losses), 99), losses)
    except TrainingError as error:
        return error.text
    return ""


def test_hard_conversations_are_no_spike() -> None:
    usual = [4.0, 3.9, 3.8, 3.7, 3.6, 3.5] * 5
    assert spiked([*usual, *[6.0] * 9, *usual]) == ""
    assert spiked([0.2, 0.1] * 20 + [3.9] * 20) == "", "above the steps before, but not above the base"
    noisy = [2.0, 3.0, 5.0, 6.0, 4.0] * 8
    assert spiked([*noisy, *[6.5] * 30]) == "", "above the base, but as it ever was"
    assert spiked([4.0, 8.9]) == ""
    assert spiked([6.0] * 30) == "", "hard from the beginning"


def test_a_loss_that_stays_high_or_shoots_up_is_a_spike() -> None:
    usual = [4.0, 3.9, 3.8, 3.7, 3.6, 3.5] * 5
    said = "the training loss spiked: 6 at step 40 of 50, high for 10 steps in a row; the base has 4"
    assert spiked([*usual, *[6.0] * 20]) == said
    assert spiked([*usual, 9.1]) == "the training loss spiked: 9.1 at step 31 of 31, high for a single step; the base has 4"
    assert spiked([9.1]) == "the training loss spiked: 9.1 at step 1 of 1, high for a single step; the base has 4"


def test_a_line_is_on_disk_as_soon_as_it_is_written(tmp_path: Path) -> None:
    with metrics_file(tmp_path) as metrics:
        metrics.write({"event": "step", "loss": 1.23456789})
        assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {"event": "step", "loss": 1.23457}
        known = metrics.sync()
        metrics.write({"event": "step", "loss": 2})
    with metrics_file(tmp_path, known) as metrics:
        metrics.write({"event": "step", "loss": 3})
    assert [json.loads(line)["loss"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [1.23457, 3]


def test_rows_that_are_trimmed_or_dropped_are_counted(tmp_path: Path) -> None:
    from heedful.modeling.bases import load_tokenizer

    exchange = [{"role": "user", "content": "I feel low."}, {"role": "assistant", "content": "That is hard."}]
    long = [{"role": "user", "content": "word " * 99}, exchange[1]]
    rows = {"train": [exchange, exchange * 9, long, exchange[:1]], "validation": [exchange]}
    for name, chats in rows.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in chats))
    samples = load_samples(tmp_path, load_tokenizer("tiny"), 32)
    assert (len(samples.train), samples.trimmed, samples.dropped) == (2, 1, 2)
    assert [origin.row for origin in samples.origins] == [1, 2]
    assert all(len(row.ids) <= 32 and row.ids[-1] == 1 for row in samples.train)

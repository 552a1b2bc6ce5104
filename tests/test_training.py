"""Training on the bundled base: a few real steps on tiny conversations, and what lies in the directory afterwards."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from heedful.config import TrainingSettings
from heedful.errors import TrainingError
from heedful.modeling.adapters import load_with_adapter
from heedful.modeling.bases import load_base_model, load_tokenizer, weights_sha256
from heedful.modeling.chat_template import fingerprint
from heedful.modeling.likelihood import negative_log_likelihood
from heedful.training.adapter import adapter_weights, new_adapter
from heedful.training.packed_path import train_packed
from heedful.training.plan import BY_YOU, Choice, TrainingPlan, make_plan
from heedful.training.progress import Progress
from heedful.training.samples import load_samples
from heedful.training.schedule import make_schedule
from heedful.training.sft import make_trainer, to_config, to_dataset, train_sft
from heedful.training.step_rows import rows_of
from heedful.training.train import TrainedAdapter, train
from heedful.training.watch import Course, Learner, Watch
from heedful.workspace import sha256

FEELINGS = (
    "tired",
    "alone",
    "angry",
    "lost",
    "worried",
    "stuck",
    "sad",
    "numb",
    "tense",
    "ashamed",
    "afraid",
    "empty",
    "guilty",
    "low",
)
UNSEEN = Learner(score=lambda: (9.0, 9.0), keep=lambda step: None, drop=lambda steps: None)
SYSTEM = {"role": "system", "content": "Be kind."}


def chat(feeling: str, turns: int = 1) -> dict[str, Any]:
    exchange = [
        {"role": "user", "content": f"I feel {feeling}."},
        {"role": "assistant", "content": f"It makes sense to feel {feeling}. What happened?"},
    ]
    return {"messages": [SYSTEM, *exchange * turns]}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "ds-test"
    folder.mkdir()
    splits = {"train": FEELINGS[:12], "validation": FEELINGS[12:], "test": ()}
    for name, feelings in splits.items():
        rows = [chat(feeling, 1 + number % 3) for number, feeling in enumerate(feelings)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def plan_for(dataset: Path, **settings: Any) -> TrainingPlan:
    quick = {"epochs": 4, "batch_size": 4, "rank": 4, "learning_rate": 3e-3}
    return make_plan(dataset, "tiny", "cpu", TrainingSettings(**{**quick, **settings}))


@dataclass(frozen=True)
class Trained:
    adapter: TrainedAdapter
    plan: TrainingPlan
    progress: list[Progress]
    lines: list[dict[str, Any]]
    output: tuple[str, str]


@pytest.fixture(scope="module")
def trained(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    import contextlib
    import io

    folder, progress, plan = tmp_path_factory.mktemp("model"), list[Progress](), plan_for(dataset)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        adapter = train(dataset, "tiny", plan, folder, progress.append)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return Trained(adapter, plan, progress, lines, (out.getvalue(), err.getvalue()))


def test_it_learns_and_is_silent(trained: Trained) -> None:
    assert trained.output == ("", "")
    first, best = trained.lines[1]["validation_nll"], trained.adapter.best_validation_nll
    assert best < first - 0.5
    assert trained.adapter.steps == 12
    assert trained.adapter.facts["validation_nll"] == {"base": pytest.approx(first, rel=1e-5), "best": best}


def test_the_directory_is_complete_and_names_no_path_of_this_machine(trained: Trained, tiny_checkpoint: Path) -> None:
    files = {path.name for path in trained.adapter.path.iterdir()}
    assert files == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "chat_template.jinja",
        "checkpoints",
        "metrics.jsonl",
        "plan.yaml",
        "schedule.jsonl",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert TrainingPlan.load(trained.adapter.path / "plan.yaml") == trained.plan
    for path in trained.adapter.path.rglob("*"):
        assert path.is_dir() or str(tiny_checkpoint.parents[1]).encode() not in path.read_bytes()
    config = json.loads((trained.adapter.path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tiny"
    assert config["target_modules"] == ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]
    assert (config["r"], config["lora_alpha"], config["lora_dropout"]) == (4, 8, 0.05)


def test_facts_for_the_manifest(trained: Trained, dataset: Path) -> None:
    facts = trained.adapter.facts
    assert json.loads(json.dumps(facts)) == facts
    assert facts["base"] == "tiny"
    assert facts["base_sha256"] == weights_sha256("tiny")
    assert facts["template_fingerprint"] == fingerprint(load_tokenizer("tiny"))
    assert facts["dataset"] == "ds-test"
    assert facts["rows"] == {"train": 12, "replayed": 0, "validation": 2, "trimmed": 0, "dropped": 0}
    assert facts["seed"] == 7
    assert facts["system"]["versions"].keys() == {"torch", "transformers", "trl", "peft"}


def test_the_three_best_are_kept_as_plain_adapters(trained: Trained, dataset: Path) -> None:
    evaluations = [line for line in trained.lines if line["event"] == "evaluation"]
    ranked = sorted((line["validation_nll"], line["step"]) for line in evaluations)[:3]
    kept = trained.adapter.facts["checkpoints"]
    assert [(one["validation_nll"], one["step"]) for one in kept] == [(pytest.approx(nll, rel=1e-5), step) for nll, step in ranked]
    rows = load_samples(dataset, load_tokenizer("tiny"), 1_024).validation
    for one in kept:
        folder = trained.adapter.path / one["folder"]
        assert sha256(folder / "adapter_model.safetensors") == one["adapter_sha256"]
        found = negative_log_likelihood(load_with_adapter("tiny", folder, "cpu"), rows, 1_024)
        assert found.nats_per_token == pytest.approx(one["validation_nll"], rel=1e-4)
    assert kept[0]["adapter_sha256"] == sha256(trained.adapter.path / "adapter_model.safetensors")
    assert sorted(path.name for path in (trained.adapter.path / "checkpoints").iterdir()) == sorted(
        f"step-{step}" for _, step in ranked
    )


def test_the_rows_of_every_step_can_be_told(trained: Trained, dataset: Path) -> None:
    steps = [rows_of(trained.adapter.path, step)["ds-test"] for step in range(1, 13)]
    for epoch in range(4):
        assert sorted(row for rows in steps[3 * epoch : 3 * epoch + 3] for row in rows) == list(range(1, 13))
    start = {"event": "start", "schedule": "schedule.jsonl", "schedule_sha256": sha256(trained.adapter.path / "schedule.jsonl")}
    assert trained.lines[0] == start
    with pytest.raises(TrainingError, match="there is no step 13; this training has steps 1 to 12"):
        rows_of(trained.adapter.path, 13)
    with pytest.raises(TrainingError, match=r"schedule.jsonl cannot be read"):
        rows_of(dataset, 1)


def test_metrics_hold_a_line_a_step_and_one_an_evaluation(trained: Trained) -> None:
    steps = [line for line in trained.lines if line["event"] == "step"]
    assert [line["step"] for line in steps] == list(range(1, 13))
    assert set(steps[0]) == {"event", "step", "epoch", "loss", "learning_rate", "tokens_per_s", "seconds"}
    assert steps[-1]["epoch"] == 4
    evaluations = [line for line in trained.lines if line["event"] == "evaluation"]
    assert [line["step"] for line in evaluations] == [0, 3, 6, 9, 12]
    assert set(evaluations[0]) == {"event", "step", "epoch", "validation_nll", "train_nll", "seconds"}
    summary = trained.lines[-1]
    assert (summary["event"], summary["steps"], summary["stopped"]) == ("summary", 12, "end of the plan")
    assert summary["best_validation_nll"] == pytest.approx(min(line["validation_nll"] for line in evaluations))


def test_the_rate_warms_up_and_falls_as_a_cosine(trained: Trained) -> None:
    rates = [line["learning_rate"] for line in trained.lines if line["event"] == "step"]
    assert trained.plan.warmup_steps.value == 1
    assert rates[:2] == [0.0, pytest.approx(3e-3)]
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert rates[-1] < 2e-4


def test_progress_counts_down(trained: Trained) -> None:
    evaluations = [line for line in trained.lines if line["event"] == "evaluation"]
    told = [(p.step, p.steps) for p in trained.progress if not p.note]
    assert told == [(step, 12) for step in range(13)]
    assert (trained.progress[0].loss, trained.progress[0].eta_s) == (None, trained.plan.seconds.value)
    assert trained.progress[-1].eta_s == 0
    assert all(p.eta_s > 0 and (p.tokens_per_s > 0 or p.loss is None) for p in trained.progress[:-1])
    assert trained.progress[-1].validation_nll == pytest.approx(evaluations[-1]["validation_nll"], rel=1e-5)


def test_plain_peft_loads_it_and_merging_changes_nothing(trained: Trained, dataset: Path) -> None:
    import torch
    from peft import PeftModel

    rows = load_samples(dataset, load_tokenizer("tiny"), 1_024).validation
    plain = PeftModel.from_pretrained(load_base_model("tiny", "cpu"), str(trained.adapter.path)).eval()
    merged = load_with_adapter("tiny", trained.adapter.path, "cpu")
    with torch.no_grad():
        ids = torch.tensor([rows[0].ids])
        assert torch.allclose(plain(ids).logits, merged(ids).logits, atol=1e-3)
    assert not any("lora" in name for name, _ in merged.named_parameters())
    for model in (plain, merged):
        found = negative_log_likelihood(model, rows, 1_024).nats_per_token
        assert found == pytest.approx(trained.adapter.best_validation_nll, rel=1e-4)


def test_the_same_seed_gives_the_same_bytes(dataset: Path, tmp_path: Path) -> None:
    def run(name: str, seed: int) -> bytes:
        (tmp_path / name).mkdir()
        train(dataset, "tiny", plan_for(dataset, epochs=0.7, seed=seed), tmp_path / name)
        return (tmp_path / name / "adapter_model.safetensors").read_bytes()

    first = run("a", 7)
    assert run("b", 7) == first
    assert run("c", 8) != first


def test_the_trainer_sees_exactly_our_labels(dataset: Path, tmp_path: Path) -> None:
    tokenizer, plan = load_tokenizer("tiny"), plan_for(dataset, batch_size=6)
    rows = load_samples(dataset, tokenizer, plan.max_length.value).train
    schedule = make_schedule([len(row.ids) for row in rows], 6, 1, 7, plan.micro_batch.value)
    trainer = make_trainer(
        new_adapter(load_base_model("tiny", "cpu"), plan), tokenizer, to_dataset(rows, schedule), to_config(plan, 2, str(tmp_path))
    )
    seen = []
    for batch in trainer.get_train_dataloader():
        for ids, labels, attention in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
            length = int(attention.sum())
            assert attention.tolist() == [1] * length + [0] * (len(attention) - length)
            assert labels[length:].tolist() == [-100] * (len(labels) - length)
            seen.append((ids[:length].tolist(), labels[:length].tolist()))
    expected = [rows[row] for row in schedule.order()]
    assert seen == [
        (row.ids, [token if supervised else -100 for token, supervised in zip(row.ids, row.mask, strict=True)]) for row in expected
    ]
    answers = [tokenizer.decode([label for label in labels if label >= 0]) for _, labels in seen]
    assert all(answer.endswith("What happened?<|end|>") for answer in answers)


def test_our_loss_is_trls_loss(dataset: Path, tmp_path: Path) -> None:
    import torch
    from trl import SFTTrainer

    tokenizer, plan = load_tokenizer("tiny"), plan_for(dataset, dropout=0.0, batch_size=6)
    plan = replace(plan, micro_batch=Choice(6, BY_YOU))
    rows = load_samples(dataset, tokenizer, 1_024).train
    schedule = make_schedule([len(row.ids) for row in rows], 6, 1, 7, 1)
    model = new_adapter(load_base_model("tiny", "cpu"), plan)
    trainer = make_trainer(model, tokenizer, to_dataset(rows, schedule), to_config(plan, 2, str(tmp_path)))
    batch = next(iter(trainer.get_train_dataloader()))
    assert len(set(batch["attention_mask"].sum(dim=1).tolist())) > 1  # with padding
    for count in (None, torch.tensor(1_000)):
        ours = trainer.compute_loss(model, dict(batch), num_items_in_batch=count)
        theirs = SFTTrainer.compute_loss(trainer, model, dict(batch), num_items_in_batch=count)
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)


def test_accumulation_does_not_change_the_step(dataset: Path) -> None:

    tokenizer, found = load_tokenizer("tiny"), []
    rows = load_samples(dataset, tokenizer, 1_024).train
    schedule = make_schedule([len(row.ids) for row in rows], 6, 1, 7, 1)
    course = Course(schedule.epochs(), [6, 6], evaluate_every=9, log_every=1, patience=9)
    for micro in (1, 6):
        plan = replace(plan_for(dataset, dropout=0.0, batch_size=6), micro_batch=Choice(micro, BY_YOU))
        model = new_adapter(load_base_model("tiny", "cpu"), plan)
        lines: list[Any] = []
        watch = Watch(course, UNSEEN, lines.append)
        train_sft(model, tokenizer, rows, schedule, plan, watch)
        found.append((adapter_weights(model), [line["loss"] for line in lines if line["event"] == "step"]))
    (one, one_losses), (six, six_losses) = found
    assert one_losses == pytest.approx(six_losses, rel=1e-5)
    # By norm: where a gradient is nearly nothing, Adam still steps by the whole rate, to either side.
    apart = sum(float((one[name] - six[name]).norm()) ** 2 for name in one) ** 0.5
    assert apart <= 1e-3 * sum(float(one[name].norm()) ** 2 for name in one) ** 0.5
    assert any(one[name].abs().max() > 1e-3 for name in one if "lora_B" in name)


def test_a_base_with_broken_weights_stops_with_the_reason(dataset: Path, tmp_path: Path, tiny_checkpoint: Path) -> None:
    from safetensors.torch import load_file, save_file

    base, output = tmp_path / "base", tmp_path / "out"
    base.mkdir()
    output.mkdir()
    for file in tiny_checkpoint.iterdir():
        (base / file.name).write_bytes(file.read_bytes())
    weights = load_file(base / "model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingError, match="the validation loss at step 0 of 12 is nan; it must be a number"):
        train(dataset, str(base), plan_for(dataset), output)


def test_a_wild_learning_rate_is_stopped_at_its_first_spike_with_the_rows_named(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        train(dataset, "tiny", plan_for(dataset, learning_rate=0.3), tmp_path)
    place = r"at step (\d+) of 12 \(ds-test/train.jsonl rows ([\d, ]+)\)"
    found = re.fullmatch(rf"the training loss spiked: [\d.]+ {place}, high for a single step; the base has 3.1", caught.value.text)
    assert found is not None, caught.value.text
    rows = rows_of(tmp_path, int(found[1]))
    assert found[2] == ", ".join(map(str, rows["ds-test"]))
    assert caught.value.next_step == "heedful train --learning-rate 0.1, or look into these rows of the data"


def test_both_ways_take_the_same_steps(dataset: Path) -> None:
    """The packed core and TRL from the same adapter, without dropout: the same losses, and the same weights by norm."""
    tokenizer, found = load_tokenizer("tiny"), []
    rows = load_samples(dataset, tokenizer, 1_024).train
    schedule = make_schedule([len(row.ids) for row in rows], 6, 2, 7, 1)
    course = Course(schedule.epochs(), [6] * len(schedule.steps), evaluate_every=99, log_every=1, patience=9)
    plan = plan_for(dataset, dropout=0.0, batch_size=6)
    assert plan.path.value == "packed"
    for way in (train_packed, train_sft):
        model = new_adapter(load_base_model("tiny", "cpu"), plan)
        lines: list[Any] = []
        way(model, tokenizer, rows, schedule, plan, Watch(course, UNSEEN, lines.append))
        found.append((adapter_weights(model), [line["loss"] for line in lines if line["event"] == "step"]))
    (ours, our_losses), (theirs, their_losses) = found
    assert len(our_losses) == len(schedule.steps)
    assert our_losses == pytest.approx(their_losses, rel=1e-4)
    apart = sum(float((ours[name] - theirs[name]).norm()) ** 2 for name in ours) ** 0.5
    assert apart <= 5e-3 * sum(float(theirs[name].norm()) ** 2 for name in theirs) ** 0.5

"""The careful preset, rsLoRA and targets: from a setting to the plan, from the plan into PEFT's own configuration."""

import json
import math
from pathlib import Path

import pytest

from heedful.config import TrainingSettings, load_settings
from heedful.errors import ConfigError, TrainingError
from heedful.modeling.adapters import load_with_adapter
from heedful.modeling.bases import load_base_model, load_tokenizer
from heedful.modeling.likelihood import negative_log_likelihood
from heedful.training.adapter import new_adapter
from heedful.training.plan import BY_YOU, TrainingPlan, assemble, make_plan
from heedful.training.profile import Profile
from heedful.training.rules import Machine
from heedful.training.samples import load_samples
from heedful.training.train import train

ROWS = Profile(600, [100] * 600, supervised=24_000, answers=1.0)


def planned(**settings: object) -> TrainingPlan:
    return assemble(ROWS, Machine("cpu", 11_299_520, 1_024), TrainingSettings.model_validate(settings))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for split, feelings in {"train": ("low", "lost", "tired", "stuck"), "validation": ("sad",)}.items():
        chats = [[{"role": "user", "content": f"I feel {f}."}, {"role": "assistant", "content": f"Why {f}?"}] for f in feelings]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in chats))
    return folder


def test_the_careful_preset() -> None:
    plan, usual = planned(preset="careful"), planned()
    found = (plan.rslora.value, plan.dropout.value, plan.weight_decay.value, plan.clip_norm.value, plan.patience.value)
    assert found == (True, 0.15, 0.01, 1.0, 2)
    assert (usual.rslora.value, usual.dropout.value, usual.weight_decay.value, usual.patience.value) == (False, 0.05, 0.0, 3)
    for choice in (plan.rslora, plan.dropout, plan.weight_decay, plan.patience):
        assert choice.why.startswith("preset careful: ")


def test_what_you_set_beats_the_preset() -> None:
    plan = planned(preset="careful", dropout=0.3, patience=9, rslora=False, max_grad_norm=0.5, targets=["q_proj"])
    for choice, value in (
        (plan.dropout, 0.3),
        (plan.patience, 9),
        (plan.rslora, False),
        (plan.clip_norm, 0.5),
        (plan.targets, ["q_proj"]),
    ):
        assert (choice.value, choice.why) == (value, BY_YOU)
    assert plan.weight_decay.value == 0.01


@pytest.mark.parametrize(("rank", "scale"), [(8, 2.0), (32, 1.0), (128, 0.5)])
def test_rslora_has_the_usual_scale_at_rank_8_and_less_above(rank: int, scale: float) -> None:
    plan = planned(rank=rank, rslora=True)
    assert plan.alpha.value / math.sqrt(rank) == pytest.approx(scale, rel=1e-3)
    assert planned(rank=rank).alpha.value / rank == 2


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"command line: training\.preset = 'bold': Input should be 'default' or 'careful'"):
        load_settings(None, {"training": {"preset": "bold"}})


def test_targets_are_checked_against_the_base(dataset: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        make_plan(dataset, "tiny", "cpu", TrainingSettings(targets=["q_proj", "query", "lm_head"]))
    assert caught.value.text == (
        "training.targets: tiny has no linear module 'query', 'lm_head'; "
        "it has: down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj"
    )
    everything = make_plan(dataset, "tiny", "cpu", TrainingSettings())
    assert everything.targets.value == ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]
    fewer = make_plan(dataset, "tiny", "cpu", TrainingSettings(targets=["q_proj", "v_proj"]))
    assert fewer.memory_gb.value is not None
    assert everything.memory_gb.value is not None
    assert fewer.memory_gb.value < everything.memory_gb.value


def test_peft_gets_the_scale_and_the_targets(dataset: Path) -> None:
    plan = make_plan(
        dataset, "tiny", "cpu", TrainingSettings(rank=4, alpha=8, rslora=True, targets=["q_proj", "model.layers.0.mlp.up_proj"])
    )
    model = new_adapter(load_base_model("tiny", "cpu"), plan)
    layers = {name: module for name, module in model.named_modules() if hasattr(module, "lora_A")}
    assert len(layers) == 8
    assert all(name.endswith(("q_proj", "layers.0.mlp.up_proj")) for name in layers)
    assert {layer.scaling["default"] for layer in layers.values()} == {4.0}


def test_a_careful_adapter_is_saved_and_loads_alike(dataset: Path, tmp_path: Path) -> None:
    plan = make_plan(dataset, "tiny", "cpu", TrainingSettings(preset="careful", epochs=3, batch_size=2, rank=4))
    trained = train(dataset, "tiny", plan, tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["use_rslora"] is True
    assert TrainingPlan.load(tmp_path / "plan.yaml") == plan
    rows = load_samples(dataset, load_tokenizer("tiny"), 1_024).validation
    found = negative_log_likelihood(load_with_adapter("tiny", tmp_path, "cpu"), rows, 1_024).nats_per_token
    assert found == pytest.approx(trained.best_validation_nll, rel=1e-4)
    assert found < trained.facts["validation_nll"]["base"]

"""Other bases and number formats: GPT-2 without a chat template, bfloat16 with activation checkpointing."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from heedful.config import TrainingSettings
from heedful.modeling.adapters import load_with_adapter
from heedful.modeling.bases import load_tokenizer
from heedful.modeling.likelihood import negative_log_likelihood
from heedful.training.plan import BY_YOU, Choice, make_plan
from heedful.training.samples import load_samples
from heedful.training.train import train

SETTINGS = TrainingSettings(epochs=2, batch_size=2, learning_rate=5e-3, rank=2)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "ds-1"
    folder.mkdir()
    for split, feelings in {"train": ("low", "lost", "tired", "stuck"), "validation": ("sad",)}.items():
        chats = [[{"role": "user", "content": f"I feel {f}."}, {"role": "assistant", "content": f"Why {f}?"}] for f in feelings]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in chats))
    return folder


def reloaded_nll(dataset: Path, base: str, adapter: Path) -> float:
    rows = load_samples(dataset, load_tokenizer(base), 1_024).validation
    return negative_log_likelihood(load_with_adapter(base, adapter, "cpu"), rows, 1_024).nats_per_token


def gpt2_base(folder: Path, tokenizer_files: Path) -> str:
    """GPT-2's own tokenizer and architecture, two small layers, random weights."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, GPT2TokenizerFast

    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(n_layer=2, n_head=2, n_embd=16, n_positions=64)).save_pretrained(folder)
    GPT2TokenizerFast.from_pretrained(tokenizer_files).save_pretrained(folder)
    return str(folder)


@pytest.mark.shared
def test_gpt2_trains_with_the_plain_template(dataset: Path, tmp_path: Path, shared_data: Path) -> None:
    base, output = gpt2_base(tmp_path / "gpt2", shared_data / "tokenizers" / "gpt2"), tmp_path / "out"
    output.mkdir()
    plan = make_plan(dataset, base, "cpu", SETTINGS)
    assert plan.max_length.value == 64
    adapter = train(dataset, base, plan, output)
    config: dict[str, Any] = json.loads((output / "adapter_config.json").read_text())
    assert config["target_modules"] == ["c_attn", "c_fc", "c_proj"]
    assert config["fan_in_fan_out"] is True
    assert adapter.best_validation_nll < adapter.facts["validation_nll"]["base"]
    assert reloaded_nll(dataset, base, output) == pytest.approx(adapter.best_validation_nll, rel=1e-4)
    assert load_tokenizer(base).get_chat_template() == (output / "chat_template.jinja").read_text()


def test_bfloat16_with_checkpointing_keeps_the_adapter_in_float32(dataset: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    plan = make_plan(dataset, "tiny", "cpu", SETTINGS)
    plan = replace(plan, dtype=Choice("bfloat16", BY_YOU), checkpointing=Choice(True, BY_YOU))
    output = tmp_path / "out"
    output.mkdir()
    adapter = train(dataset, "tiny", plan, output)
    assert adapter.best_validation_nll < adapter.facts["validation_nll"]["base"]
    assert {tensor.dtype for tensor in load_file(output / "adapter_model.safetensors").values()} == {torch.float32}
    assert reloaded_nll(dataset, "tiny", output) == pytest.approx(adapter.best_validation_nll, rel=0.02)

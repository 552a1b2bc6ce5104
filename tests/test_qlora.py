"""QLoRA: a base of random weights kept in 4 bits learns, on the CPU, and its adapter is plain PEFT on the base as it was."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from heedful.config import TrainingSettings
from heedful.errors import ModelError, TrainingError
from heedful.modeling.bases import load_base_model
from heedful.training import rules
from heedful.training.plan import make_plan
from heedful.training.train import train

SETTINGS = TrainingSettings(epochs=6, batch_size=2, learning_rate=5e-3, rank=4, dropout=0.0, quantization="nf4", patience=20)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("qlora") / "ds-1"
    folder.mkdir()
    for split, feelings in {"train": ("low", "lost", "tired", "stuck"), "validation": ("sad",)}.items():
        chats = [[{"role": "user", "content": f"I feel {f}."}, {"role": "assistant", "content": f"Why {f}?"}] for f in feelings]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in chats))
    return folder


@pytest.fixture(scope="module")
def phi2(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> str:
    """Phi-2's architecture, two small layers, random weights."""
    import torch
    from transformers import AutoTokenizer, PhiConfig, PhiForCausalLM

    folder = tmp_path_factory.mktemp("phi2")
    tokenizer = AutoTokenizer.from_pretrained(tiny_checkpoint)
    torch.manual_seed(0)
    sizes = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4}
    PhiForCausalLM(PhiConfig(vocab_size=len(tokenizer), max_position_embeddings=256, **sizes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def linear_bytes(model: Any) -> int:
    weights = (p for name, p in model.named_parameters() if "layers" in name and name.endswith("weight") and "norm" not in name)
    return sum(p.numel() * p.element_size() for p in weights)


def test_the_base_is_kept_in_four_bits_and_hardly_changed(phi2: str) -> None:
    import torch

    kept, plain = load_base_model(phi2, "cpu", "float32", nf4=True), load_base_model(phi2, "cpu", "float32")
    assert {type(layer.self_attn.q_proj).__name__ for layer in kept.model.layers} == {"Linear4bit"}
    assert linear_bytes(kept) * 8 == linear_bytes(plain)
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        near = torch.nn.functional.cosine_similarity(kept(ids).logits, plain(ids).logits, dim=-1)
    assert near.min() > 0.97


def test_it_trains_and_its_adapter_is_plain_peft(phi2: str, dataset: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from safetensors.torch import load_file

    plan = make_plan(dataset, phi2, "cpu", SETTINGS)
    assert (plan.path.value, plan.path.why) == ("trl", "TRL's SFTTrainer: the base is kept in 4 bits")
    trained = train(dataset, phi2, plan, tmp_path)
    assert trained.best_validation_nll < trained.facts["validation_nll"]["base"] - 0.5
    weights = load_file(tmp_path / "adapter_model.safetensors")
    assert {str(tensor.dtype) for tensor in weights.values()} == {"torch.float32"}
    plain = PeftModel.from_pretrained(load_base_model(phi2, "cpu", "float32"), str(tmp_path))
    assert any(parameter.abs().max() > 0 for name, parameter in plain.named_parameters() if "lora_B" in name)


def test_without_bitsandbytes_the_command_is_named(phi2: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "bitsandbytes" else there(name, *rest))
    with pytest.raises(ModelError, match="needs the package bitsandbytes") as refusal:
        load_base_model(phi2, "cpu", "float32", nf4=True)
    assert refusal.value.next_step == "pip install 'heedful[qlora]'"


def test_four_bits_are_refused_where_they_do_not_run() -> None:
    with pytest.raises(TrainingError, match="nf4 is not there on mps"):
        rules.quantization("nf4", "mps")

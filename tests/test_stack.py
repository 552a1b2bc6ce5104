"""Stacks: a composition of adapters is exactly their sum, a slice of it is the one below, and what cannot be stacked is refused."""

import json
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig

from heedful.errors import ModelError
from heedful.modeling.adapters import has_transposed_weights
from heedful.modeling.bases import Base
from heedful.modeling.stack import compose, keep_ranks, read_adapter, without_generation, write_adapter

IDS = torch.arange(40)[None]
BASE = Base("a base", "nowhere")
LLAMA = LlamaConfig(
    vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2
)
GPT2 = GPT2Config(n_layer=2, n_head=2, n_embd=16, vocab_size=97, n_positions=64)
PLAIN = {"r": 4, "lora_alpha": 8}
RSLORA = {"r": 6, "lora_alpha": 5, "use_rslora": True, "lora_dropout": 0.1}
LOW = {"r": 3, "lora_alpha": 1}


def network(config: Any) -> Any:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=IDS).logits


def make(config: Any, folder: Path, seed: int, targets: Any, **settings: Any) -> Path:
    """A PEFT adapter with B not zero, so that it changes the logits by about as much as they vary."""
    model = network(config)
    lora = peft.LoraConfig(target_modules=targets, task_type="CAUSAL_LM", fan_in_fan_out=has_transposed_weights(model), **settings)
    adapted = peft.get_peft_model(model, lora)
    torch.manual_seed(seed)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn_like(parameter) * 0.3
    adapted.save_pretrained(str(folder))
    return folder


def of_stack(config: Any, *folders: Path) -> torch.Tensor:
    """PEFT's own sum: all adapters active at once."""
    model = peft.PeftModel.from_pretrained(network(config), str(folders[0]), adapter_name="0")
    for number, folder in enumerate(folders[1:], start=1):
        model.load_adapter(str(folder), adapter_name=str(number))
    model.base_model.set_adapter([str(number) for number in range(len(folders))])
    return logits(model)


def of_directory(config: Any, folder: Path) -> torch.Tensor:
    return logits(peft.PeftModel.from_pretrained(network(config), str(folder)))


CASES: dict[str, tuple[Any, list[tuple[Any, dict[str, Any]]]]] = {
    "llama": (LLAMA, [("all-linear", PLAIN), ("all-linear", LOW)]),
    "llama-rslora": (LLAMA, [("all-linear", RSLORA), ("all-linear", PLAIN), ("all-linear", RSLORA | {"r": 2})]),
    "llama-other-modules": (LLAMA, [(["q_proj", "v_proj"], PLAIN), (["v_proj", "down_proj"], RSLORA)]),
    "gpt2-transposed": (GPT2, [(["c_attn", "c_proj"], RSLORA), (["c_attn", "c_fc"], PLAIN)]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_composition_is_the_sum_of_its_stack(name: str, tmp_path: Path) -> None:
    config, generations = CASES[name]
    folders = [make(config, tmp_path / str(n), n, targets, **lora) for n, (targets, lora) in enumerate(generations)]
    whole = read_adapter(folders[0])
    for folder in folders[1:]:
        whole = compose(whole, read_adapter(folder))
    ranks = [lora["r"] for _, lora in generations]
    assert whole.rank == sum(ranks)
    write_adapter(whole, BASE, tmp_path / "whole")
    expected = of_stack(config, *folders)
    assert float((expected - logits(network(config))).abs().max()) > 0.1, "the adapters do nothing, so this would prove nothing"
    assert torch.allclose(of_directory(config, tmp_path / "whole"), expected, rtol=0, atol=1e-5)
    for number in range(len(folders)):
        others = [folder for place, folder in enumerate(folders) if place != number]
        write_adapter(without_generation(read_adapter(tmp_path / "whole"), ranks, number), BASE, tmp_path / "less")
        assert torch.allclose(of_directory(config, tmp_path / "less"), of_stack(config, *others), rtol=0, atol=1e-5)


def test_the_parent_is_a_prefix_bit_by_bit(tmp_path: Path) -> None:
    lower, upper = (read_adapter(make(LLAMA, tmp_path / str(n), n, "all-linear", **RSLORA)) for n in range(2))
    whole = compose(lower, upper)
    for name, factors in keep_ranks(whole, [(0, lower.rank)]).modules.items():
        assert torch.equal(factors.a, lower.modules[name].a) and torch.equal(factors.b, lower.modules[name].b)
    write_adapter(whole, BASE, tmp_path / "once")
    again = read_adapter(tmp_path / "once")
    assert all(torch.equal(again.modules[name].b, factors.b) for name, factors in whole.modules.items())
    config = json.loads((tmp_path / "once" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["use_rslora"], config["lora_dropout"]) == (12, 12, False, 0.0)
    assert (config["base_model_name_or_path"], config["target_modules"]) == ("a base", sorted(config["target_modules"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_dora": True}, "has use_dora True, which cannot be stacked"),
        ({"rank_pattern": {"q_proj": 2}}, "has rank_pattern"),
        ({"target_modules": ".*proj"}, "names its modules by a pattern"),
        ({"r": 5}, "is not LoRA of rank 5 throughout"),
    ],
)
def test_what_is_more_than_plain_lora_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = make(LLAMA, tmp_path / "a", 1, ["q_proj"], **PLAIN)
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match=message):
        read_adapter(folder)


def test_damaged_files_and_other_bases_are_refused_in_one_line(tmp_path: Path) -> None:
    small = read_adapter(make(LLAMA, tmp_path / "a", 1, ["q_proj"], **PLAIN))
    wide = read_adapter(make(LlamaConfig(**LLAMA.to_dict() | {"hidden_size": 64}), tmp_path / "b", 1, ["q_proj"], **PLAIN))
    with pytest.raises(ModelError, match=r"have different sizes at .*q_proj: different bases"):
        compose(small, wide)
    with pytest.raises(ModelError, match="of different bases"):
        compose(small, read_adapter(make(GPT2, tmp_path / "c", 1, ["c_attn"], **PLAIN)))
    with pytest.raises(ModelError, match=r"ranks \[\(2, 5\)\] are not within the 4 of this adapter"):
        keep_ranks(small, [(2, 5)])
    with pytest.raises(ModelError, match="a stack of 7 ranks is not this adapter, which has 4"):
        without_generation(small, [4, 3], 1)
    (tmp_path / "a" / "adapter_model.safetensors").write_bytes(b"broken")
    for folder in (tmp_path / "a", tmp_path / "nowhere"):
        with pytest.raises(ModelError, match="holds no adapter that can be read"):
            read_adapter(folder)

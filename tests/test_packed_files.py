"""What the packed core takes and gives: weights of a model, adapters in PEFT's files, support or a reason."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file
from transformers import GemmaConfig, GPT2Config, LlamaConfig, MistralConfig, Qwen2Config

from heedful.errors import ModelError
from heedful.modeling.adapters import linear_targets
from heedful.training.packed.adapters import LoraSettings
from heedful.training.packed.memory import kept_memory
from heedful.training.packed.model import CoreOptions, build_core
from heedful.training.packed.pack import pack
from heedful.training.packed.peft_files import load_adapters, save_adapters
from heedful.training.packed.products import Plain
from heedful.training.packed.support import TARGETS, can_compile, supports
from heedful.training.packed.weights import choose_dtype
from test_packed import CONFIGS, SIZES, conversations, tiny_model, twin

FLOAT32 = CoreOptions(torch.float32)


@pytest.mark.parametrize("settings", [LoraSettings(4, 8.0), LoraSettings(2, 3.0, 0.1, True, ("v_proj", "gate_proj"))])
def test_plain_peft_reloads_a_saved_adapter(settings: LoraSettings, tmp_path: Path) -> None:
    config = CONFIGS["qwen3"]
    pair, ids = twin(config, settings), torch.arange(50)[None]
    save_adapters(pair.core.adapters, tmp_path, "a base")
    reloaded = peft.PeftModel.from_pretrained(tiny_model(config), str(tmp_path)).eval()
    with torch.no_grad():
        assert torch.equal(reloaded(input_ids=ids).logits, pair.peft.eval()(input_ids=ids).logits)
    facts = json.loads((tmp_path / "adapter_config.json").read_text(encoding="utf-8"))
    assert facts["base_model_name_or_path"] == "a base" and facts["inference_mode"] is True
    assert (facts["r"], facts["lora_alpha"], facts["lora_dropout"]) == (settings.rank, settings.alpha, settings.dropout)
    assert (facts["use_rslora"], sorted(facts["target_modules"])) == (settings.rslora, sorted(settings.targets))


def test_files_are_those_that_peft_writes(tmp_path: Path) -> None:
    pair = twin(CONFIGS["llama"])
    for folder in ("ours", "theirs"):
        (tmp_path / folder).mkdir()
    save_adapters(pair.core.adapters, tmp_path / "ours", "a base")
    pair.peft.save_pretrained(str(tmp_path / "theirs"))
    ours, theirs = (load_file(tmp_path / folder / "adapter_model.safetensors") for folder in ("ours", "theirs"))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    loaded = load_adapters(pair.core.weights, tmp_path / "theirs", 0)
    assert all(torch.equal(one, two) for one, two in zip(loaded.parameters(), pair.core.parameters(), strict=True))
    core = build_core(tiny_model(CONFIGS["llama"]), tmp_path / "theirs", 0, FLOAT32)
    batch = pack(conversations())
    assert core.score(batch) == pair.core.score(batch)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_dora": True}, "use_dora True"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"target_modules": "all-linear"}, "pattern 'all-linear'"),
        ({"target_modules": ["c_attn"]}, "c_attn"),
        ({"target_modules": ["q_proj"]}, "does not fit this base"),
        ({"r": 5}, "does not fit this base"),
    ],
)
def test_an_adapter_that_means_more_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    core = build_core(tiny_model(CONFIGS["llama"]), LoraSettings(4, 8.0), 1, FLOAT32)
    save_adapters(core.adapters, tmp_path, "a base")
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        load_adapters(core.weights, tmp_path, 1)


def test_a_new_adapter_begins_as_peft_does() -> None:
    def made(seed: int) -> list[torch.Tensor]:
        core = build_core(tiny_model(CONFIGS["llama"]), LoraSettings(16, 8.0), seed, FLOAT32)
        return [master.detach() for master in core.parameters()]

    for a, b in zip(made(1)[::2], made(1)[1::2], strict=True):
        bound = a.shape[1] ** -0.5
        assert 0.95 * bound < float(a.abs().max()) <= bound
        assert float(a.std()) == pytest.approx(bound / 3**0.5, rel=0.1) and not b.any()
    assert all(torch.equal(one, two) for one, two in zip(made(1), made(1), strict=True))
    assert not torch.equal(made(1)[0], made(2)[0])


def test_model_and_core_share_their_memory() -> None:
    model = tiny_model(CONFIGS["qwen2"])
    ids = torch.arange(20)[None]
    before = model(input_ids=ids).logits
    weights = build_core(model, LoraSettings(4, 8.0), 1, FLOAT32).weights
    assert torch.equal(model(input_ids=ids).logits, before)
    attention = model.model.layers[1].self_attn
    mapping = weights.layers[1].maps["qkv"]
    assert isinstance(mapping.product, Plain)
    assert attention.k_proj.weight.data_ptr() == mapping.product.weight[len(attention.q_proj.weight) :].data_ptr()
    assert weights.embedding.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    rounded = build_core(model, LoraSettings(4, 8.0), 1, CoreOptions(torch.bfloat16)).weights
    assert rounded.dtype == torch.bfloat16 and torch.equal(model(input_ids=ids).logits, before)


def test_dtype_follows_the_hardware() -> None:
    model = tiny_model(CONFIGS["llama"])
    capabilities = torch.cpu.get_capabilities()
    quick = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    assert choose_dtype(model) == (torch.bfloat16 if quick else torch.float32)
    assert choose_dtype(model.to(torch.float64)) == torch.float64


@pytest.mark.parametrize("name", CONFIGS)
def test_these_are_supported(name: str) -> None:
    assert supports(CONFIGS[name]) is None


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (GPT2Config(), "architecture 'gpt2' is none of llama, mistral, qwen2, qwen3"),
        (GemmaConfig(), "architecture 'gemma' is none of llama, mistral, qwen2, qwen3"),
        (LlamaConfig(**SIZES, attention_dropout=0.1), "it drops 10% of the attention in training"),
        (LlamaConfig(**SIZES, hidden_act="gelu"), "its activation is 'gelu', not silu"),
        (Qwen2Config(**SIZES | {"num_key_value_heads": 3}), "its 4 query heads cannot be shared among 3 key-value heads"),
        (
            LlamaConfig(**SIZES, rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}),
            "its rotary positions are of type 'dynamic', none of default, linear, llama3, yarn",
        ),
        (
            LlamaConfig(
                **SIZES, rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0, "partial_rotary_factor": 0.5}
            ),
            "only a part of its head dimension is rotated",
        ),
        (LlamaConfig(**SIZES, quantization_config={"quant_method": "bitsandbytes"}), "its weights are quantised"),
        (
            Qwen2Config(**SIZES, layer_types=["full_attention"] * 2 + ["chunked_attention"]),
            "it has layers of type chunked_attention",
        ),
    ],
)
def test_these_are_not_and_why(config: Any, reason: str) -> None:
    assert str(supports(config)) == reason


def test_targets_are_those_of_the_model() -> None:
    model = tiny_model(CONFIGS["qwen3"])
    assert sorted(TARGETS) == linear_targets(model)
    assert supports(model.config, ["q_proj", "v_proj"]) is None
    assert str(supports(model.config, ["q_proj", "fc1"])) == f"adapters are wanted in fc1; it has {', '.join(TARGETS)}"
    assert str(supports(model.config, [])) == "adapters are wanted in no module"


def test_what_is_not_supported_is_refused() -> None:
    with pytest.raises(ModelError, match="cannot train this base: it drops 50% of the attention"):
        build_core(tiny_model(MistralConfig(**SIZES, attention_dropout=0.5)), LoraSettings(4, 8.0), 1)
    with pytest.raises(ModelError, match="adapters are wanted in fc1"):
        build_core(tiny_model(CONFIGS["llama"]), replace(LoraSettings(4, 8.0), targets=("fc1",)), 1)


def test_kernels_are_compiled_only_where_that_can_be() -> None:
    assert str(can_compile("mps")) == "kernels are not compiled for mps"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXX", "no-such-compiler")
        assert str(can_compile("cpu")) == "there is no C++ compiler (no-such-compiler)"


def test_kept_memory_changes_no_number() -> None:
    core, batch = twin(CONFIGS["llama"]).core, pack(conversations())
    outside = core.score(batch)
    with kept_memory():
        inside = core.score(batch)
    assert inside == outside

"""The packed core's gradients equal those of transformers and PEFT, for every family and every way of going through a batch.

The other tests of the core take their twins, a core and a PEFT model with the same weights and adapters, from here.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import peft
import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, PreTrainedConfig, Qwen2Config, Qwen3Config

from heedful.modeling.chat_template import Sample
from heedful.training.packed.adapters import Adapters, LoraSettings
from heedful.training.packed.model import CoreOptions, PackedCore, build_core
from heedful.training.packed.pack import pack

VOCABULARY, PREFIX = 97, 11
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
    "use_cache": False,
}
LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
CONFIGS: dict[str, PreTrainedConfig] = {
    "llama": LlamaConfig(**SIZES),
    "llama-tied": LlamaConfig(**SIZES, tie_word_embeddings=True),
    "llama-no-groups": LlamaConfig(**SIZES | {"num_key_value_heads": 4}),
    "llama-one-group": LlamaConfig(**SIZES | {"num_key_value_heads": 1}),
    "llama-biased": LlamaConfig(**SIZES, attention_bias=True, mlp_bias=True),
    "llama-rope-llama3": LlamaConfig(
        **SIZES, rope_parameters={"rope_type": "llama3", "rope_theta": 10_000.0, "factor": 8.0, **LLAMA3}
    ),
    "llama-rope-linear": LlamaConfig(**SIZES, rope_parameters={"rope_type": "linear", "rope_theta": 10_000.0, "factor": 2.0}),
    "llama-rope-yarn": LlamaConfig(
        **SIZES,
        rope_parameters={"rope_type": "yarn", "rope_theta": 10_000.0, "factor": 16.0, "original_max_position_embeddings": 32},
    ),
    "mistral-window": MistralConfig(**SIZES, sliding_window=7),
    "mistral-head-dim": MistralConfig(**SIZES, sliding_window=None, head_dim=16),
    "qwen2": Qwen2Config(**SIZES),
    "qwen2-window-above": Qwen2Config(**SIZES, use_sliding_window=True, sliding_window=9, max_window_layers=1),
    "qwen3": Qwen3Config(**SIZES, head_dim=16),
}


@dataclass(frozen=True)
class Twin:
    core: PackedCore
    peft: Any


class ExactNorm(torch.nn.Module):
    """RMSNorm in the precision of its input; transformers rounds to float32 inside, which hides what a float64 proof is about."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.weight, self.variance_epsilon = norm.weight, norm.variance_epsilon

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)


def tiny_model(config: PreTrainedConfig, dtype: torch.dtype = torch.float32) -> Any:
    """Random weights, also where transformers begins with zeros and ones."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").to(dtype).eval()
    for name, parameter in model.named_parameters():
        if "norm" in name or name.endswith("bias"):
            parameter.data += torch.randn_like(parameter) * 0.2
    if dtype == torch.float64:
        for module in list(model.modules()):
            for name, child in list(module.named_children()):
                if type(child).__name__.endswith("RMSNorm"):
                    setattr(module, name, ExactNorm(child))
    return model


def twin(
    config: PreTrainedConfig,
    settings: LoraSettings | None = None,
    dtype: torch.dtype = torch.float32,
    compiled: bool = False,
) -> Twin:
    """A core and a PEFT model with the same base and the same adapters, B not zero any more."""
    settings = LoraSettings(4, 8.0) if settings is None else settings
    model = tiny_model(config, dtype)
    core = build_core(model, settings, 3, CoreOptions(dtype, compile=compiled))
    for master in core.parameters():
        master.data += torch.randn_like(master) * 0.1
    adapted = peft.get_peft_model(
        model,
        peft.LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            use_rslora=settings.rslora,
            target_modules=list(settings.targets),
            task_type="CAUSAL_LM",
        ),
        autocast_adapter_dtype=False,
    )
    for (a, b), (_, from_a, from_b) in zip(peft_masters(adapted, core.adapters), core.adapters.modules(), strict=True):
        a.data.copy_(from_a)
        b.data.copy_(from_b)
    return Twin(core, adapted)


def peft_masters(adapted: Any, adapters: Adapters) -> Iterator[tuple[Any, Any]]:
    modules = dict(adapted.named_modules())
    for name, _, _ in adapters.modules():
        module = modules[f"base_model.model.{name}"]
        yield module.lora_A["default"].weight, module.lora_B["default"].weight


def conversations(lengths: Sequence[int] = (39, 12, 30, 21), seed: int = 1) -> list[Sample]:
    """A common system prompt, turns of five tokens, every other one supervised; in the second the first answer follows at once."""
    rng = random.Random(seed)
    system = [rng.randrange(VOCABULARY) for _ in range(PREFIX)]
    rows = []
    for number, length in enumerate(lengths):
        ids = [rng.randrange(VOCABULARY) for _ in range(length)]
        mask = [(place // 5) % 2 == (0 if number == 1 else 1) for place in range(length)]
        rows.append(Sample(system + ids, [False] * PREFIX + mask))
    return rows


def reference_loss(adapted: Any, samples: Sequence[Sample]) -> torch.Tensor:
    """Token-mean loss of the padded batch, from the logits: transformers' own loss rounds them to float32."""
    width = max(len(sample.ids) for sample in samples)
    ids = torch.tensor([sample.ids + [0] * (width - len(sample.ids)) for sample in samples])
    attention = torch.tensor([[1] * len(sample.ids) + [0] * (width - len(sample.ids)) for sample in samples])
    supervised = torch.tensor([sample.mask + [False] * (width - len(sample.ids)) for sample in samples])[:, 1:]
    logits = adapted(input_ids=ids, attention_mask=attention).logits[:, :-1]
    return torch.nn.functional.cross_entropy(logits[supervised], ids[:, 1:][supervised])


def gradients(core: PackedCore) -> list[torch.Tensor]:
    """Gradients of A and B of every module, in the order of `Adapters.modules`. Clears them."""
    layers = [
        {group: replace(adapter, a=adapter.a.grad, b=adapter.b.grad) for group, adapter in layer.items()}
        for layer in core.adapters.layers
    ]
    found = [part.clone() for _, a, b in replace(core.adapters, layers=tuple(layers)).modules() for part in (a, b)]
    for master in core.parameters():
        master.grad = None
    return found


def reference_gradients(pair: Twin, samples: Sequence[Sample]) -> list[torch.Tensor]:
    pair.peft.zero_grad()
    reference_loss(pair.peft, samples).backward()
    return [part.grad for masters in peft_masters(pair.peft, pair.core.adapters) for part in masters]


def difference(found: Iterable[torch.Tensor], expected: Iterable[torch.Tensor]) -> float:
    """The largest relative difference of any one matrix."""
    return max(float((one - two).norm() / two.norm()) for one, two in zip(found, expected, strict=True))


def packed(core: PackedCore, samples: Sequence[Sample]) -> list[torch.Tensor]:
    return [core.loss(pack(samples, share_prefix=False))]


def prefix_shared(core: PackedCore, samples: Sequence[Sample]) -> list[torch.Tensor]:
    batch = pack(samples)
    assert batch.prefix == PREFIX
    return [core.loss(batch)]


def checkpointed(core: PackedCore, samples: Sequence[Sample]) -> list[torch.Tensor]:
    return [replace(core, checkpointing=True).loss(pack(samples))]


def in_micro_batches(core: PackedCore, samples: Sequence[Sample]) -> list[torch.Tensor]:
    tokens = pack(samples).supervised
    return [core.loss(pack(samples[:3]), tokens), core.loss(pack(samples[3:]), tokens)]


WAYS = (packed, prefix_shared, checkpointed, in_micro_batches)


def check_every_way(pair: Twin, samples: Sequence[Sample], tolerance: float) -> None:
    expected, loss = reference_gradients(pair, samples), float(reference_loss(pair.peft, samples).detach())
    for way in WAYS:
        losses = way(pair.core, samples)
        torch.autograd.backward(losses)
        assert float(sum(losses).detach()) == pytest.approx(loss, rel=tolerance), way.__name__
        assert difference(gradients(pair.core), expected) <= tolerance, way.__name__


@pytest.mark.parametrize("name", CONFIGS)
def test_gradients_equal_peft(name: str) -> None:
    check_every_way(twin(CONFIGS[name]), conversations(), 1e-5)


@pytest.mark.parametrize("name", ["llama-biased", "mistral-window", "qwen3"])
def test_what_differs_is_rounding(name: str) -> None:
    check_every_way(twin(CONFIGS[name], dtype=torch.float64), conversations(), 1e-11)


@pytest.mark.parametrize("window", [7, 150, None])
def test_conversations_longer_than_a_tile(window: int | None) -> None:
    pair = twin(MistralConfig(**SIZES, sliding_window=window), dtype=torch.float64)
    check_every_way(pair, conversations((300, 129, 1, 257)), 1e-11)


@pytest.mark.parametrize(
    "settings",
    [
        LoraSettings(4, 8.0, rslora=True),
        LoraSettings(4, 8.0, targets=("q_proj", "v_proj")),
        LoraSettings(4, 8.0, targets=("k_proj", "up_proj")),
        LoraSettings(3, 5.0, targets=("down_proj",)),
        LoraSettings(3, 5.0, targets=("o_proj", "gate_proj")),
    ],
    ids=["rslora", "q-v", "k-up", "down", "o-gate"],
)
def test_settings(settings: LoraSettings) -> None:
    pair = twin(CONFIGS["qwen2"], settings)
    assert {name.rpartition(".")[2] for name, _, _ in pair.core.adapters.modules()} == set(settings.targets)
    check_every_way(pair, conversations(), 1e-5)


def test_a_single_layer() -> None:
    check_every_way(twin(LlamaConfig(**SIZES | {"num_hidden_layers": 1})), conversations(), 1e-5)


@pytest.mark.slow
def test_compiled_kernels() -> None:
    """Qwen3 has every kernel; drop is called beside, as gradients with dropout are another test's."""
    from heedful.training.packed.kernels import compiled, plain

    check_every_way(twin(CONFIGS["qwen3"], compiled=True), conversations(), 1e-5)
    x, key = torch.randn(9, 33), torch.tensor(-5, dtype=torch.int32)
    for share in (torch.tensor(0.3), torch.tensor(0.1)):
        found, expected = compiled().drop(x, key, share), plain().drop(x, key, share)
        assert torch.equal(found == 0, expected == 0) and torch.allclose(found, expected, rtol=1e-6)


def test_bfloat16_points_the_same_way() -> None:
    """Loss within half a percent, and every matrix's gradient at an angle below eight degrees to that of float32."""
    samples = conversations()
    exact = twin(CONFIGS["llama"]).core
    rough = twin(CONFIGS["llama"]).core
    rough = replace(
        build_core(tiny_model(CONFIGS["llama"]), LoraSettings(4, 8.0), 3, CoreOptions(torch.bfloat16)), adapters=exact.adapters
    )
    losses, found = [], []
    for core in (exact, rough):
        losses.append(core.loss(pack(samples)))
        losses[-1].backward()
        found.append(gradients(core))
    assert float(losses[1].detach()) == pytest.approx(float(losses[0].detach()), rel=5e-3)
    assert rough.weights.dtype == torch.bfloat16 and all(part.dtype == torch.float32 for part in found[1])
    assert min(float(torch.cosine_similarity(one.flatten(), two.flatten(), dim=0)) for one, two in zip(*found, strict=True)) > 0.99


def test_scores_are_sums_over_each_conversation() -> None:
    pair, samples = twin(CONFIGS["qwen3"]), conversations()
    silent = Sample(samples[0].ids, [False] * len(samples[0].ids))
    scores = pair.core.score(pack([samples[0], silent, *samples[1:]]))
    assert scores.pop(1) == (0.0, 0)
    for (nats, tokens), sample in zip(scores, samples, strict=True):
        assert tokens == sum(sample.mask)
        assert nats / tokens == pytest.approx(float(reference_loss(pair.peft, [sample]).detach()), rel=1e-5)


def test_training_memorises() -> None:
    core = build_core(tiny_model(CONFIGS["llama"]), LoraSettings(8, 16.0), 1, CoreOptions(torch.float32))
    batch, optimizer = pack(conversations()), torch.optim.AdamW(core.parameters(), lr=3e-2)
    losses = []
    for _ in range(30):
        losses.append(core.loss(batch))
        losses[-1].backward()
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < losses[0] / 5

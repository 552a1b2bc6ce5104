"""Support: a base's configuration in; None, or why the packed core cannot train it, out. Imports no torch."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
ROPE_TYPES = ("default", "linear", "llama3", "yarn")
LAYER_TYPES = ("full_attention", "sliding_attention")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why not, in one clause: it goes into the plan behind "trained by TRL: "."""

    text: str

    def __str__(self) -> str:
        return self.text


def supports(config: Any, targets: Sequence[str] = TARGETS) -> Reason | None:
    """None when the packed core gives this base, with adapters in these modules, the gradients of transformers and PEFT.

    `config` is the base's transformers configuration.
    """
    for check in (check_family, check_options, check_rope, check_layers):
        reason = check(config)
        if reason is not None:
            return reason
    return check_targets(targets)


def check_family(config: Any) -> Reason | None:
    family = getattr(config, "model_type", None)
    if family not in FAMILIES:
        return Reason(f"architecture {family!r} is none of {', '.join(FAMILIES)}")
    if getattr(config, "quantization_config", None) is not None:
        return Reason("its weights are quantised")
    return None


def check_options(config: Any) -> Reason | None:
    if config.hidden_act not in ("silu", "swish"):
        return Reason(f"its activation is {config.hidden_act!r}, not silu")
    if config.attention_dropout:
        return Reason(f"it drops {config.attention_dropout:.0%} of the attention in training")
    heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
    if heads % kv_heads:
        return Reason(f"its {heads} query heads cannot be shared among {kv_heads} key-value heads")
    return None


def check_rope(config: Any) -> Reason | None:
    rope = config.rope_parameters
    kind = rope.get("rope_type") if isinstance(rope, dict) else None
    if kind not in ROPE_TYPES:
        return Reason(f"its rotary positions are of type {kind!r}, none of {', '.join(ROPE_TYPES)}")
    if rope.get("partial_rotary_factor", 1.0) != 1.0:
        return Reason("only a part of its head dimension is rotated")
    return None


def check_layers(config: Any) -> Reason | None:
    unknown = sorted(set(getattr(config, "layer_types", None) or ()) - set(LAYER_TYPES))
    if unknown:
        return Reason(f"it has layers of type {', '.join(unknown)}")
    if config.model_type == "mistral" and getattr(config, "layer_types", None) is not None:
        return Reason("it is a Mistral with layer types, which transformers ignores")
    return None


def check_targets(targets: Sequence[str]) -> Reason | None:
    unknown = sorted(set(targets) - set(TARGETS))
    if unknown:
        return Reason(f"adapters are wanted in {', '.join(unknown)}; it has {', '.join(TARGETS)}")
    return None if targets else Reason("adapters are wanted in no module")


def can_compile(device: str) -> Reason | None:
    """None when inductor can compile the kernels here: it needs a C++ compiler on a CPU, Triton on CUDA."""
    if device == "cuda":
        return None if find_spec("triton") is not None else Reason("Triton is not installed")
    if device != "cpu":
        return Reason(f"kernels are not compiled for {device}")
    return None if compiler() is not None else Reason(f"there is no C++ compiler ({', '.join(compilers())})")


def compiler() -> str | None:
    return next((name for name in compilers() if shutil.which(name)), None)


def compilers() -> list[str]:
    """Those that torch asks for, too."""
    return [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++"]

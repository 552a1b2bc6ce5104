"""Weights: a transformers model of a supported family in; its frozen weights, laid out for the packed core, out.

Modules that read the same input are one matrix (q, k, v; gate, up). Where the dtype stays as it is, the model's own parameters
become views of that matrix, so that model and core share their memory and both stay usable.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from heedful.errors import ModelError
from heedful.modeling.devices import has_bfloat16
from heedful.modeling.stack import FROZEN
from heedful.training.packed.functions import Below, Linear, Norm
from heedful.training.packed.memory import let_go
from heedful.training.packed.products import Kind, make_product
from heedful.training.packed.support import supports

if TYPE_CHECKING:
    from transformers import PreTrainedModel

GROUPS = {"qkv": ("q_proj", "k_proj", "v_proj"), "o": ("o_proj",), "gate_up": ("gate_proj", "up_proj"), "down": ("down_proj",)}
BLOCKS = {"qkv": "self_attn", "o": "self_attn", "gate_up": "mlp", "down": "mlp"}


@dataclass(frozen=True, slots=True)
class Shape:
    """Heads and angles. `frequencies` [D / 2] turn a token by position times frequency; both ends are scaled by `rope_scale`."""

    kv_heads: int
    head_size: int
    frequencies: Tensor
    rope_scale: float


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """`maps` by group; `widths`: output rows of each module of a group; `head_norms`: Qwen3's; `window` None: no limit."""

    attention_norm: Norm
    mlp_norm: Norm
    maps: dict[str, Linear]
    widths: dict[str, tuple[int, ...]]
    head_norms: tuple[Tensor, Tensor] | None
    window: int | None


@dataclass(frozen=True, slots=True)
class FrozenWeights:
    """embedding and head are [V, H], and one tensor where they are tied."""

    embedding: Tensor
    layers: tuple[LayerWeights, ...]
    norm: Norm
    head: Tensor
    shape: Shape

    @property
    def dtype(self) -> torch.dtype:
        return self.embedding.dtype

    @property
    def device(self) -> torch.device:
        return self.embedding.device


def choose_dtype(model: "PreTrainedModel") -> torch.dtype:
    """bfloat16 where the device has it in hardware, else float32. A float64 model stays one: that is for proofs."""
    if model.dtype == torch.float64:
        return torch.float64
    return torch.bfloat16 if has_bfloat16(model.device.type) else torch.float32


def take_weights(model: "PreTrainedModel", dtype: torch.dtype, kind: Kind = "plain") -> FrozenWeights:
    """`kind` is that of the linear maps. Raises ModelError when the model's family or options are not supported."""
    reason = supports(model.config)
    if reason is not None:
        raise ModelError(f"the packed core cannot train this base: {reason}", "set training through TRL")
    body: Any = model.get_decoder()
    layers = tuple(take_layer(layer, window_of(model.config, number), dtype, kind) for number, layer in enumerate(body.layers))
    return FrozenWeights(
        embedding=frozen(body.embed_tokens.weight, dtype),
        layers=layers,
        norm=take_norm(body.norm, dtype),
        head=frozen(model.get_output_embeddings().weight, dtype),
        shape=take_shape(model, body),
    )


def take_layer(layer: Any, window: int | None, dtype: torch.dtype, kind: Kind) -> LayerWeights:
    wrapped = {group: [getattr(getattr(layer, BLOCKS[group]), name) for name in names] for group, names in GROUPS.items()}
    modules = {group: [unwrapped(module) for module in found] for group, found in wrapped.items()}
    attention = layer.self_attn
    normed = hasattr(attention, "q_norm")
    return LayerWeights(
        attention_norm=take_norm(layer.input_layernorm, dtype),
        mlp_norm=take_norm(layer.post_attention_layernorm, dtype),
        maps={
            group: replace(fuse(modules[group], dtype, kind), below=take_below(found, dtype)) for group, found in wrapped.items()
        },
        widths={group: tuple(linear.weight.shape[0] for linear in linears) for group, linears in modules.items()},
        head_norms=(frozen(attention.q_norm.weight, dtype), frozen(attention.k_norm.weight, dtype)) if normed else None,
        window=window,
    )


def unwrapped(module: Any) -> Any:
    """The base's own module, where PEFT has put an adapter around it."""
    return getattr(module, "base_layer", module)


def take_below(modules: Sequence[Any], dtype: torch.dtype) -> Below | None:
    """The frozen generations that PEFT holds beside modules of one input, as one update of their fused output."""
    if not any(FROZEN in getattr(module, "lora_A", ()) for module in modules):
        return None
    parts = [frozen_factors(module) for module in modules]
    return Below(torch.cat([a for a, _ in parts]).to(dtype), torch.block_diag(*(b for _, b in parts)).to(dtype))  # type: ignore[no-untyped-call]


def frozen_factors(module: Any) -> tuple[Tensor, Tensor]:
    """A and scaled B; without any rank where no generation touched the module."""
    if FROZEN in getattr(module, "lora_A", ()):
        return module.lora_A[FROZEN].weight.detach(), module.lora_B[FROZEN].weight.detach() * module.scaling[FROZEN]
    weight = unwrapped(module).weight
    outputs, inputs = weight.shape
    return weight.new_zeros(0, inputs), weight.new_zeros(outputs, 0)


def fuse(modules: Sequence[Any], dtype: torch.dtype, kind: Kind) -> Linear:
    """One map for modules of one input. Raises ModelError when one is not a plain linear module."""
    for module in modules:
        if type(module) is not torch.nn.Linear:
            raise ModelError(f"a plain linear module was expected, not {type(module).__name__}", "load the base unquantised")
    weights = [module.weight for module in modules]
    biases = [module.bias for module in modules if module.bias is not None]
    read = [weight.detach() for weight in weights]
    weight, bias = join(weights, dtype), join(biases, dtype) if biases else None
    if kind == "plain":
        lend(weight, weights)
    if kind != "plain" or len(modules) > 1:
        let_go(read)
    return Linear(make_product(weight, kind), bias)


def join(parameters: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    parts = [frozen(parameter, dtype) for parameter in parameters]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def lend(joined: Tensor, parameters: Sequence[torch.nn.Parameter]) -> None:
    """Where the dtype is theirs, parameters become views of what they were joined to."""
    if len(parameters) > 1 and all(parameter.dtype == joined.dtype for parameter in parameters):
        for parameter, part in zip(parameters, torch.split(joined, [len(parameter) for parameter in parameters]), strict=True):
            parameter.data = part


def frozen(parameter: Tensor, dtype: torch.dtype) -> Tensor:
    return parameter.detach().to(dtype)


def take_norm(module: Any, dtype: torch.dtype) -> Norm:
    return Norm(frozen(module.weight, dtype), module.variance_epsilon)


def take_shape(model: "PreTrainedModel", body: Any) -> Shape:
    """Frequencies come from transformers' own functions, in float32, not from the model's buffer, which `.to(bfloat16)` rounds."""
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    config = model.config
    kind = config.rope_parameters["rope_type"]
    make = body.rotary_emb.compute_default_rope_parameters if kind == "default" else ROPE_INIT_FUNCTIONS[kind]
    frequencies, scale = make(config)
    return Shape(config.num_key_value_heads, 2 * len(frequencies), frequencies.float().to(model.device), float(scale))


def window_of(config: Any, layer: int) -> int | None:
    """The sliding window of a layer: Mistral has one for all, Qwen by layer type, Llama none."""
    if config.model_type == "mistral":
        window = config.sliding_window
    else:
        types = getattr(config, "layer_types", None)
        sliding = types is not None and types[layer] == "sliding_attention"
        window = config.sliding_window if sliding else None
    return None if window is None else int(window)

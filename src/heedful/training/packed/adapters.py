"""Adapters: frozen weights and LoRA settings in; float32 masters that an optimiser can train, out.

A base may be trained in some modules only. Modules of one fused map share one A and one B (see `low_rank`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b

import torch
from torch import Tensor
from torch.nn import Parameter

from heedful.errors import ModelError
from heedful.training.packed.kernels import Kernels
from heedful.training.packed.low_rank import Lora, Masks, Slot, split_b
from heedful.training.packed.support import TARGETS, check_targets
from heedful.training.packed.weights import BLOCKS, GROUPS, FrozenWeights, LayerWeights


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """rsLoRA scales by alpha / sqrt(rank) instead of alpha / rank. https://arxiv.org/abs/2312.03732"""

    rank: int
    alpha: float
    dropout: float = 0.0
    rslora: bool = False
    targets: tuple[str, ...] = TARGETS

    @property
    def scale(self) -> float:
        return self.alpha / (math.sqrt(self.rank) if self.rslora else self.rank)


@dataclass(frozen=True, slots=True)
class Adapter:
    """Adapters of the modules `names` of one fused map."""

    a: Parameter
    b: Parameter
    slot: Slot
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Adapters:
    """One dictionary a layer, by group of modules; groups without adapters are not in it. `seed` makes the dropout masks."""

    settings: LoraSettings
    layers: tuple[dict[str, Adapter], ...]
    seed: int

    def parameters(self) -> list[Parameter]:
        """For the optimiser, always in the same order."""
        return [master for layer in self.layers for adapter in layer.values() for master in (adapter.a, adapter.b)]

    def modules(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        """(name in the model, A [rank, in], B [out, rank]) of every adapted module: views of the masters."""
        for number, layer in enumerate(self.layers):
            for group, adapter in layer.items():
                parts = zip(adapter.names, torch.split(adapter.a, adapter.slot.rank), split_b(adapter.b, adapter.slot), strict=True)
                for name, a, b in parts:
                    yield f"model.layers.{number}.{BLOCKS[group]}.{name}", a, b


def make_adapters(weights: FrozenWeights, settings: LoraSettings, seed: int) -> Adapters:
    """New adapters as PEFT begins them: A uniform within 1 / sqrt(in), B zero, so that the model is the base at first.

    Masters are float32 (float64 beside float64 weights). Raises ModelError when a target is no module of these families.
    """
    reason = check_targets(settings.targets)
    if reason is not None:
        raise ModelError(str(reason), "choose among the modules named")
    generator = torch.Generator().manual_seed(seed)
    return Adapters(settings, tuple(make_layer(layer, settings, generator, weights) for layer in weights.layers), seed)


def make_layer(
    layer: LayerWeights, settings: LoraSettings, generator: torch.Generator, weights: FrozenWeights
) -> dict[str, Adapter]:
    adapted = {group: [name for name in names if name in settings.targets] for group, names in GROUPS.items()}
    made = {}
    for group, names in adapted.items():
        if names:
            outputs, inputs = layer.maps[group].product.shape
            slot = Slot(output_spans(group, names, layer.widths[group]), outputs, settings.rank, settings.scale)
            made[group] = make_adapter(slot, inputs, tuple(names), generator, weights)
    return made


def make_adapter(slot: Slot, inputs: int, names: tuple[str, ...], generator: torch.Generator, weights: FrozenWeights) -> Adapter:
    dtype = torch.float64 if weights.dtype == torch.float64 else torch.float32
    # as float32 whatever the masters are, so that a seed means one adapter
    a = torch.rand(slot.rank * len(names), inputs, generator=generator) * 2 - 1
    b = torch.zeros(sum(stop - start for start, stop in slot.spans), slot.rank, dtype=dtype, device=weights.device)
    return Adapter(Parameter((a / math.sqrt(inputs)).to(weights.device, dtype)), Parameter(b), slot, names)


def output_spans(group: str, names: list[str], widths: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Rows of the fused output that belong to each adapted module."""
    spans, start = [], 0
    for name, width in zip(GROUPS[group], widths, strict=True):
        if name in names:
            spans.append((start, start + width))
        start += width
    return tuple(spans)


def loras_of_pass(adapters: Adapters, draw: int | None, kernels: Kernels) -> list[dict[str, Lora]]:
    """What every layer adds in one pass, by group. `draw` numbers the pass and makes its dropout masks; None is without dropout."""
    masks: list[Masks | None] = [None] * len(adapters.layers)
    if adapters.settings.dropout and draw is not None:
        keys = mask_keys(adapters, draw)
        share = torch.tensor(adapters.settings.dropout, device=keys.device)
        masks = [Masks(share, of_layer, kernels) for of_layer in keys]
    return [
        {group: lora_of(adapter, of_layer) for group, adapter in layer.items()}
        for layer, of_layer in zip(adapters.layers, masks, strict=True)
    ]


def lora_of(adapter: Adapter, masks: Masks | None) -> Lora:
    """`masks` has the keys of all modules of the layer, in the order of TARGETS."""
    if masks is not None:
        masks = replace(masks, keys=masks.keys[[TARGETS.index(name) for name in adapter.names]])
    return Lora(adapter.a, adapter.b, adapter.slot, masks)


def mask_keys(adapters: Adapters, draw: int) -> Tensor:
    """[layers, modules of a layer]: hashes of seed and draw, so that no state has to survive a resume."""
    digest = blake2b(f"{adapters.seed}/{draw}".encode(), digest_size=7).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest))
    keys = torch.randint(-(2**31), 2**31, (len(adapters.layers), len(TARGETS)), generator=generator)
    return keys.to(adapters.parameters()[0].device, torch.int32)

"""Packed core: frozen weights and adapters in; the loss of a packed batch, with gradients on the adapters' masters, out.

Run training and scoring inside `modeling.devices.fast_matmul`: the core computes in whatever precision is set.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.utils.checkpoint import checkpoint

from heedful.training.packed.adapters import Adapters, LoraSettings, loras_of_pass, make_adapters
from heedful.training.packed.attention import Field, attend, make_field
from heedful.training.packed.functions import Linear, add_linear, normed, normed_linear
from heedful.training.packed.head import nats, supervised_loss
from heedful.training.packed.heads import Angles, make_angles, split
from heedful.training.packed.kernels import Kernels, compiled, plain
from heedful.training.packed.pack import PackedBatch
from heedful.training.packed.peft_files import load_adapters
from heedful.training.packed.products import Kind
from heedful.training.packed.weights import FrozenWeights, LayerWeights, choose_dtype, take_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class CoreOptions:
    """dtype of frozen weights and activations; None lets the hardware decide (bfloat16 or float32).

    compile: one pass over memory for each kernel; ask `support.can_compile` first. It costs up to half a minute at the first step.
    products: how frozen matrices multiply, see `products`; ask `can_multiply` first.
    checkpointing: keep one [T, H] a layer and compute the rest again, for about a third more time.
    """

    dtype: torch.dtype | None = None
    compile: bool = False
    checkpointing: bool = False
    products: Kind = "plain"


@dataclass(frozen=True, slots=True)
class PackedCore:
    weights: FrozenWeights
    adapters: Adapters
    kernels: Kernels
    checkpointing: bool

    def parameters(self) -> list[Parameter]:
        """The masters, for the optimiser and for clipping."""
        return self.adapters.parameters()

    def loss(self, batch: PackedBatch, total_tokens: int | None = None, draw: int | None = None) -> Tensor:
        """Mean cross-entropy of the supervised tokens, in nats; call `.backward()` on it.

        `total_tokens`: supervised tokens of all micro-batches of a step; then their losses and gradients add up to exactly those of
        the whole batch. `draw` numbers the pass: with the seed it makes the dropout masks, so a resumed run sees the same ones.
        """
        if draw is None and self.adapters.settings.dropout > 0:
            raise ValueError("dropout needs the number of the pass: loss(batch, draw=...)")
        hidden = self.hidden(batch, draw)
        tokens = batch.supervised if total_tokens is None else total_tokens
        return supervised_loss(hidden, self.weights.head, batch.targets, tokens, self.kernels)

    @torch.no_grad()
    def score(self, batch: PackedBatch) -> list[tuple[float, int]]:
        """(sum of nats, supervised tokens) of each sample that was packed, without dropout; (0.0, 0) for those left out."""
        losses = nats(self.hidden(batch, None), self.weights.head, batch.targets, self.kernels)
        sums = torch.zeros(batch.samples, dtype=torch.float64, device=losses.device).index_add_(0, batch.owners, losses.double())
        counts = torch.bincount(batch.owners, minlength=batch.samples)
        return list(zip(sums.tolist(), counts.tolist(), strict=True))

    def hidden(self, batch: PackedBatch, draw: int | None) -> Tensor:
        """Normed hidden states [S, H] of the tokens that predict."""
        weights = self.weights
        angles = make_angles(weights, batch.positions)
        fields = {
            window: make_field(batch.segments, batch.prefix, window, weights.device)
            for window in {layer.window for layer in weights.layers}
        }
        loras = loras_of_pass(self.adapters, draw, self.kernels)
        x = weights.embedding[batch.ids]
        last = len(weights.layers) - 1
        for number, frozen in enumerate(weights.layers):
            maps = {group: replace(mapping, lora=loras[number].get(group)) for group, mapping in frozen.maps.items()}
            layer = Layer(frozen, maps, angles, fields[frozen.window], self.kernels)
            if number == last:
                x = layer.run(x, batch.rows)
            elif self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(layer.run, x, use_reentrant=False, preserve_rng_state=False)
            else:
                x = layer.run(x)
        return normed(x, weights.norm, self.kernels)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer in one pass: `maps` are its frozen maps with this pass's adapters."""

    frozen: LayerWeights
    maps: dict[str, Linear]
    angles: Angles
    field: Field
    kernels: Kernels

    def run(self, x: Tensor, rows: Tensor | None = None) -> Tensor:
        """[T, H] -> [T, H]; with `rows`, behind the attention only these: nobody reads the others of the last layer."""
        frozen, maps, kernels = self.frozen, self.maps, self.kernels
        x, qkv = normed_linear(x, frozen.attention_norm, maps["qkv"], kernels)
        queries, keys, values = split(qkv, self.angles, frozen.head_norms, kernels)
        gathered = attend(queries, keys, values, self.field, kernels)
        if rows is not None:
            x, gathered = x[rows], gathered[rows]
        x = add_linear(x, gathered, maps["o"], kernels)
        x, gate_up = normed_linear(x, frozen.mlp_norm, maps["gate_up"], kernels)
        return add_linear(x, gate_up, maps["down"], kernels, gated=True)


def build_core(
    model: "PreTrainedModel", adapters: LoraSettings | Path, seed: int, options: CoreOptions | None = None
) -> PackedCore:
    """The core of a base model, with new adapters made from settings and seed, or with those of a PEFT directory.

    `model` stays usable; where the dtype stays as it is, both share their memory. Raises ModelError when it is not supported.
    """
    options = CoreOptions() if options is None else options
    weights = take_weights(model, choose_dtype(model) if options.dtype is None else options.dtype, options.products)
    made = load_adapters(weights, adapters, seed) if isinstance(adapters, Path) else make_adapters(weights, adapters, seed)
    return PackedCore(weights, made, compiled() if options.compile else plain(), options.checkpointing)

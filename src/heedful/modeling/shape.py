"""Shape: a base in; the sizes that memory and time of a training depend on, out. No weight is read or fetched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heedful.modeling.adapters import is_linear, last, linear_targets
from heedful.modeling.bases import Base, as_base, build_empty

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a causal language model. `linear`: (inputs, outputs) of each linear module but the head, by its whole name.

    `targets` are the names under which LoRA finds them. `keeps_scores`: attention writes its [tokens, tokens] scores out for each
    of `heads`, instead of computing them in pieces.
    """

    parameters: int
    hidden: int
    layers: int
    heads: int
    vocabulary: int
    linear: Mapping[str, tuple[int, int]]
    targets: tuple[str, ...]
    keeps_scores: bool

    def chosen(self, targets: Sequence[str]) -> list[tuple[int, int]]:
        """Sizes of the modules that `targets` name, by whole or short name."""
        wanted = set(targets)
        return [size for name, size in self.linear.items() if name in wanted or last(name) in wanted]

    def unknown(self, targets: Sequence[str]) -> list[str]:
        """Those of `targets` that name no linear module of this base."""
        known = {*self.targets, *self.linear}
        return [name for name in targets if name not in known]

    def adapter_parameters(self, rank: int, targets: Sequence[str]) -> int:
        """LoRA's two matrices, [rank, inputs] and [outputs, rank], of every target."""
        return sum(rank * (inputs + outputs) for inputs, outputs in self.chosen(targets))


def measure_shape(base: Base | str) -> Shape:
    """Raises ModelError when the base is no causal language model."""
    return shape_of(build_empty(as_base(base)))


def shape_of(model: "PreTrainedModel") -> Shape:
    head = model.get_output_embeddings()
    modules = {name: module for name, module in model.named_modules() if is_linear(module) and module is not head}
    config = model.config.get_text_config()
    return Shape(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        hidden=config.hidden_size,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        vocabulary=config.vocab_size,
        linear={name: sizes(module) for name, module in modules.items()},
        targets=tuple(linear_targets(model)),
        keeps_scores=config._attn_implementation == "eager",
    )


def sizes(module: Any) -> tuple[int, int]:
    """(inputs, outputs). The Conv1D of GPT-2 keeps its weight as [inputs, outputs], a Linear the other way round."""
    first, second = module.weight.shape
    return (second, first) if hasattr(module, "in_features") else (first, second)

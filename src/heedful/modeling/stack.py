"""Stack: directories of PEFT adapters in; one plain adapter that is exactly their sum, or a part of one, out.

Notation: LoRA adds s B A to a linear module, A [rank, in], B [out, rank], s its scale. Two such updates add up to
[s1 B1, s2 B2] [A1; A2]: ranks one behind the other, nothing rounded away. So the lower adapter is a prefix of the ranks, and any
generation can be cut out again. Every scale is folded into B and the sum has scale 1 (alpha = rank, no rsLoRA): PEFT's own "cat"
keeps the rsLoRA flag of its first adapter, and its logits are then off by 0.9.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heedful.errors import ModelError
from heedful.modeling.adapters import ADAPTER_FILES
from heedful.modeling.bases import Base

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, WEIGHTS = ADAPTER_FILES
FROZEN = "stack"  # name of the earlier generations in a PEFT model that learns on top of them
# what PEFT can be told that makes an adapter more than s B A, and the values under which it is just that
PLAIN: dict[str, tuple[object, ...]] = {
    "peft_type": ("LORA",),
    "bias": (None, "none"),
    "use_dora": (None, False),
    "lora_bias": (None, False),
    "use_qalora": (None, False),
    "rank_pattern": (None, {}),
    "alpha_pattern": (None, {}),
    "modules_to_save": (None, []),
    "target_parameters": (None, []),
    "layers_to_transform": (None, []),
    "layer_replication": (None, []),
    "exclude_modules": (None, []),
    "trainable_token_indices": (None, [], {}),
}


@dataclass(frozen=True, slots=True)
class Factors:
    """The update of one module: B A, with A [rank, in] and B [out, rank] in float32. The scale is in B."""

    a: "Tensor"
    b: "Tensor"

    def ranks(self, start: int, stop: int) -> "Factors":
        return Factors(self.a[start:stop], self.b[:, start:stop])


@dataclass(frozen=True, slots=True)
class Adapter:
    """`modules` by the name of PEFT's files; all have the same rank. `targets` are the names under which PEFT finds them."""

    rank: int
    targets: tuple[str, ...]
    transposed: bool  # PEFT's fan_in_fan_out: the base keeps its weights as [in, out]
    modules: Mapping[str, Factors]


def read_adapter(folder: Path) -> Adapter:
    """Read what PEFT wrote, its scale folded in. Raises ModelError when it is missing, damaged or more than plain LoRA."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        stored = load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"{folder} holds no adapter that can be read: {error}", "heedful models lists what is there") from error
    return fold(config, stored, f"the adapter in {folder}")


def fold(config: Mapping[str, Any], stored: Mapping[str, "Tensor"], what: str) -> Adapter:
    """Configuration and weights in PEFT's words; the adapter they mean. `what` begins the sentence of a ModelError."""
    check_plain(config, what)
    rank, scale = config["r"], scale_of(config)
    names = sorted({name.rpartition(".lora_")[0] for name in stored})
    try:
        modules = {
            name: Factors(stored[f"{name}.lora_A.weight"].float(), stored[f"{name}.lora_B.weight"].float() * scale)
            for name in names
        }
    except KeyError as error:
        raise ModelError(f"{what} lacks {error}", "restore it from a backup, or train again") from None
    if len(stored) != 2 * len(names) or any((len(one.a), one.b.shape[1]) != (rank, rank) for one in modules.values()):
        raise ModelError(f"{what} is not LoRA of rank {rank} throughout", "train again: heedful train")
    return Adapter(rank, tuple(sorted(config["target_modules"])), bool(config.get("fan_in_fan_out")), modules)


def check_plain(config: Mapping[str, Any], what: str) -> None:
    for key, plain in PLAIN.items():
        if config.get(key) not in plain:
            raise ModelError(f"{what} has {key} {config[key]!r}, which cannot be stacked", "heedful train")
    if isinstance(config["target_modules"], str):
        raise ModelError(f"{what} names its modules by a pattern, which cannot be stacked", "heedful train")


def scale_of(config: Mapping[str, Any]) -> float:
    rank = float(config["r"])
    return float(config["lora_alpha"] / (math.sqrt(rank) if config.get("use_rslora") else rank))


def compose(lower: Adapter, upper: Adapter) -> Adapter:
    """Their exact sum: the ranks of `lower`, then those of `upper`. A module that only one of them has gets zeros for the other.

    Raises ModelError when they are not of one base.
    """
    if lower.transposed != upper.transposed:
        raise ModelError("the two adapters are of different bases, and cannot be stacked", "heedful models shows the bases")
    names = [*lower.modules, *(name for name in upper.modules if name not in lower.modules)]
    return Adapter(
        rank=lower.rank + upper.rank,
        targets=tuple(sorted({*lower.targets, *upper.targets})),
        transposed=lower.transposed,
        modules={name: join(lower, upper, name) for name in names},
    )


def join(lower: Adapter, upper: Adapter, name: str) -> Factors:
    import torch

    below, above = lower.modules.get(name), upper.modules.get(name)
    like = above if below is None else below
    assert like is not None
    first, second = padded(below, lower.rank, like), padded(above, upper.rank, like)
    if (first.a.shape[1], len(first.b)) != (second.a.shape[1], len(second.b)):
        raise ModelError(f"the two adapters have different sizes at {name}: different bases", "heedful models shows the bases")
    return Factors(torch.cat([first.a, second.a]), torch.cat([first.b, second.b], dim=1))


def padded(factors: Factors | None, rank: int, like: Factors) -> Factors:
    if factors is not None:
        return factors
    return Factors(like.a.new_zeros(rank, like.a.shape[1]), like.b.new_zeros(len(like.b), rank))


def keep_ranks(adapter: Adapter, spans: Sequence[tuple[int, int]]) -> Adapter:
    """Only the ranks (start, stop) of `spans`, in their order: `[(0, n)]` is the first generation, all but one span take one off.

    Raises ModelError for a span that is not within the rank, or for none at all.
    """
    import torch

    if not spans or any(not 0 <= start < stop <= adapter.rank for start, stop in spans):
        raise ModelError(f"ranks {list(spans)} are not within the {adapter.rank} of this adapter", "heedful models shows the stack")

    def cut(factors: Factors) -> Factors:
        parts = [factors.ranks(start, stop) for start, stop in spans]
        return Factors(torch.cat([part.a for part in parts]), torch.cat([part.b for part in parts], dim=1))

    return Adapter(
        rank=sum(stop - start for start, stop in spans),
        targets=adapter.targets,
        transposed=adapter.transposed,
        modules={name: cut(factors) for name, factors in adapter.modules.items()},
    )


def without_generation(adapter: Adapter, ranks: Sequence[int], number: int) -> Adapter:
    """Take generation `number`, from 0, off a stack whose generations have `ranks`. What was trained above it stays as it is."""
    if sum(ranks) != adapter.rank:
        raise ModelError(f"a stack of {sum(ranks)} ranks is not this adapter, which has {adapter.rank}", "restore its manifest")
    return keep_ranks(adapter, [span for place, span in enumerate(spans_of(ranks)) if place != number])


def spans_of(ranks: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(start, stop) of each generation."""
    start = 0
    for rank in ranks:
        yield start, start + rank
        start += rank


def write_adapter(adapter: Adapter, base: Base, folder: Path) -> None:
    """Plain PEFT files, over what lies there. The base stands in them by name, not by a path of this machine."""
    from safetensors.torch import save_file

    config = peft_config(adapter)
    config.base_model_name_or_path, config.revision = base.name, base.revision
    config.target_modules = list(adapter.targets)  # PEFT made a set of it, which has another order in every process
    config.save_pretrained(str(folder))
    save_file(peft_weights(adapter), str(folder / WEIGHTS), metadata={"format": "pt"})


def put_below(adapted: Any, below: Adapter) -> None:
    """Let the adapter of a PEFT model learn on top of `below`, which is frozen, float32 and without dropout.

    Raises ModelError when it does not fit.
    """
    from peft import set_peft_model_state_dict

    try:
        adapted.add_adapter(FROZEN, peft_config(below))
        found = set_peft_model_state_dict(adapted, peft_weights(below), adapter_name=FROZEN)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(f"the adapter below does not fit this base: {reason}", "heedful models shows the bases") from error
    misfits = [*found.unexpected_keys, *(key for key in found.missing_keys if f".{FROZEN}." in key)]
    if misfits:
        raise ModelError(f"the adapter below does not fit this base: {misfits[0]}", "heedful models shows the bases")
    learn_on_top(adapted)


def learn_on_top(adapted: Any) -> None:
    """Switch all adapters of a PEFT model on, those that lie below frozen. Nothing changes where nothing lies below."""
    if FROZEN not in adapted.peft_config:
        return
    adapted.base_model.set_adapter([*(name for name in adapted.peft_config if name != FROZEN), FROZEN])
    for name, parameter in adapted.named_parameters():
        if f".{FROZEN}." in name:
            parameter.requires_grad_(False)


def whole_adapter(adapted: Any, learned: Mapping[str, "Tensor"]) -> Adapter | None:
    """What lies below in a PEFT model and, on top, what its own adapter has `learned`; None where nothing lies below."""
    from peft import get_peft_model_state_dict

    if FROZEN not in adapted.peft_config:
        return None
    stored = get_peft_model_state_dict(adapted, adapter_name=FROZEN, save_embedding_layers=False)
    below = fold(adapted.peft_config[FROZEN].to_dict(), {name: tensor.cpu() for name, tensor in stored.items()}, "the stack below")
    return compose(below, fold(adapted.peft_config["default"].to_dict(), learned, "the adapter that learned"))


def peft_config(adapter: Adapter) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=adapter.rank,
        lora_alpha=adapter.rank,
        lora_dropout=0.0,
        target_modules=list(adapter.targets),
        fan_in_fan_out=adapter.transposed,
        inference_mode=True,
    )


def peft_weights(adapter: Adapter) -> dict[str, "Tensor"]:
    """By the names of PEFT's files."""
    return {
        f"{name}.lora_{letter}.weight": part.contiguous()
        for name, factors in adapter.modules.items()
        for letter, part in (("A", factors.a), ("B", factors.b))
    }

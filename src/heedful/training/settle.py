"""Settle: a model at the end of a round in; how strongly what it learned counts on top of the version below, out.

A round reads its few new rows again and again. Its best look is an early one, before they are learned; its end has learned them and
lost some of the old. Between parent and end lies a line of weights, on which a point inside is often better than both ends, for
new and old alike (WiSE-FT, Wortsman et al., 2022). With a stack that line is the scale of the newest adapter, so a point costs one
look at the validation split, which holds every domain, and no token of training.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from heedful.modeling.stack import Adapter, Factors

STRENGTHS = (1.0, 0.75, 0.5, 0.25)  # looked at in this order, until it gets worse
TOLERANCE = 0.005  # of the best NLL: of what is as good, the strongest, for validation holds few of the new rows


@dataclass(frozen=True, slots=True)
class Settled:
    """`adapter`: all generations, the newest at `strength`; `validation_nll` is its score."""

    adapter: Adapter
    strength: float
    validation_nll: float


def settle(model: Any, whole: Adapter, below: int, score: Callable[[], float]) -> Settled:
    """`whole` is the stack at the end of the round, its first `below` ranks the frozen ones. `score` scores `model`.

    The learning adapter of `model` is written over.
    """
    tried: list[Settled] = []
    for strength in STRENGTHS:
        adapter = weakened(whole, below, strength)
        take_newest(model, adapter, below)
        tried.append(Settled(adapter, strength, score()))
        if len(tried) > 1 and tried[-1].validation_nll >= tried[-2].validation_nll:
            break
    least = min(one.validation_nll for one in tried)
    return next(one for one in tried if one.validation_nll <= least * (1 + TOLERANCE))


def weakened(whole: Adapter, below: int, strength: float) -> Adapter:
    """The ranks from `below` on count `strength` as much."""
    return replace(whole, modules={name: weaken(factors, below, strength) for name, factors in whole.modules.items()})


def weaken(factors: Factors, below: int, strength: float) -> Factors:
    b = factors.b.clone()
    b[:, below:] *= strength
    return Factors(factors.a, b)


def take_newest(model: Any, whole: Adapter, below: int) -> None:
    """Let the learning adapter of a PEFT model be the ranks of `whole` from `below` on."""
    import torch

    with torch.no_grad():
        for name, factors in whole.modules.items():
            module = model.get_submodule(name)
            if "default" not in module.lora_A:
                continue
            newest = factors.ranks(below, whole.rank)
            module.lora_A["default"].weight.copy_(newest.a)
            module.lora_B["default"].weight.copy_(newest.b / module.scaling["default"])

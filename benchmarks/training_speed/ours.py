"""Ours: Heedful's own way, from the base on disk as `heedful train` goes it; and how much of the processor it uses."""

import time
from dataclasses import dataclass, replace
from typing import Any

from heedful.config import TrainingSettings
from heedful.modeling.bases import context_length, load_base_model, load_config, resolve_base
from heedful.modeling.devices import fast_matmul
from heedful.modeling.shape import measure_shape
from heedful.training import rules
from heedful.training.adapter import new_adapter
from heedful.training.packed_path import accumulate, lend_memory, train_packed
from heedful.training.plan import Choice, TrainingPlan, assemble, choose_way, complete
from heedful.training.profile import profile
from heedful.training.resources import memory_there
from heedful.training.samples import Samples
from heedful.training.schedule import Schedule
from training_speed.clock import Clock
from training_speed.peers import ALPHA, RANK, RATE
from training_speed.rows import BATCH, LONGEST, Steps

PEAK_SIZE, PEAK_S = 2_048, 1.0


def make_plan(base: str, steps: Steps, products: str = "auto") -> TrainingPlan:
    """What `heedful plan` would decide, with the adapter, the batch and the rate that the peers have."""
    settings = TrainingSettings(
        rank=RANK, alpha=ALPHA, dropout=0.0, batch_size=BATCH, learning_rate=RATE, epochs=1, max_length=LONGEST
    )
    found = resolve_base(base)
    shape, rows = measure_shape(found), profile(Samples(steps.rows, [], steps.rows[:1], trimmed=0, dropped=0))
    machine = rules.Machine("cpu", shape.parameters, context_length(found), shape.targets)
    draft = choose_way(load_config(found), assemble(rows, machine, settings), products)
    return complete(draft, rows, shape, memory_there("cpu"))


def schedule(steps: Steps) -> Schedule:
    sizes = [len(batch) for batch in steps.batches]
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return Schedule([list(range(start, start + size)) for start, size in zip(starts, sizes, strict=True)], sum(sizes))


@dataclass(frozen=True)
class Trained:
    model: Any
    plan: TrainingPlan
    peak: float  # operations a second


def train_heedful(base: str, tokenizer: Any, steps: Steps, clock: Clock, products: str = "auto") -> Trained:
    plan = make_plan(base, steps, products)
    peak = product_peak(plan.dtype.value)
    model = new_adapter(load_base_model(base, "cpu", plan.dtype.value), plan)
    train_packed(model, tokenizer, steps.rows, schedule(steps), plan, clock)  # type: ignore[arg-type]
    return Trained(model, plan, peak)


def peak_share(trained: Trained, steps: Steps, clock: Clock) -> float:
    """Of the processor's peak that whole steps reached."""
    operations = product_operations(trained.model, trained.plan, steps) / steps.tokens[-1]
    return operations * clock.tokens_per_s() / trained.peak


def product_operations(model: Any, plan: TrainingPlan, steps: Steps) -> float:
    """In the matrix products of the last step, counted by torch in one more pass; it knows those of plain products only."""
    from torch.utils.flop_counter import FlopCounterMode

    core = lend_memory(model, replace(plan, products=Choice("plain", "for the count")))
    with FlopCounterMode(display=False) as counter:
        accumulate(core, steps.batches[-1], plan.pass_tokens.value, 0)
    return float(counter.get_total_flops())


def product_peak(dtype: str) -> float:
    """Operations a second of one large matrix product after the other, in the number format that is trained in."""
    import torch

    left, right = (torch.randn(PEAK_SIZE, PEAK_SIZE).to(getattr(torch, dtype)) for _ in range(2))
    with fast_matmul("cpu"):
        left @ right
        started, done = time.perf_counter(), 0
        while time.perf_counter() - started < PEAK_S:
            left @ right
            done += 1
    return 2.0 * PEAK_SIZE**3 * done / (time.perf_counter() - started)

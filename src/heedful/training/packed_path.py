"""The packed way: a PEFT model, tokenised rows and a schedule in; the model's adapter trained in place, under the watch.

The core's masters lend their memory to the adapter of the PEFT model. So whoever scores or saves that model sees every step, and
both ways of training begin with the same weights. Same signature as `sft.train_sft`.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from heedful.modeling.chat_template import Sample
from heedful.modeling.devices import fast_matmul
from heedful.modeling.protect import Tokenizer
from heedful.training.packed.support import can_compile
from heedful.training.passes import group
from heedful.training.plan import TrainingPlan
from heedful.training.schedule import Schedule
from heedful.training.watch import Watch

if TYPE_CHECKING:
    from heedful.training.packed.model import PackedCore

STATE = "packed.pt"  # of a resume point
WORTH_COMPILING = 50_000_000  # parameters; below, compiling the kernels takes longer than it saves


def train_packed(
    model: Any, tokenizer: Tokenizer, rows: Sequence[Sample], schedule: Schedule, plan: TrainingPlan, watch: Watch
) -> None:
    """Raises ModelError when the core has no such architecture."""
    from heedful.training.packed.memory import kept_memory

    with fast_matmul(plan.device.value), kept_memory():
        follow_schedule(lend_memory(model, plan), rows, schedule, plan, watch)


def lend_memory(model: Any, plan: TrainingPlan) -> "PackedCore":
    """A core that begins as the adapter of `model` is; from then on that adapter is a view of the core's masters."""
    import torch

    from heedful.training.packed.adapters import LoraSettings
    from heedful.training.packed.model import CoreOptions, build_core
    from heedful.training.packed.products import Kind

    base = model.get_base_model()
    settings = LoraSettings(plan.rank.value, plan.alpha.value, plan.dropout.value, plan.rslora.value, tuple(plan.targets.value))
    large = sum(parameter.numel() for parameter in base.parameters()) >= WORTH_COMPILING
    compiling = large and can_compile(plan.device.value) is None
    options = CoreOptions(getattr(torch, plan.dtype.value), compiling, plan.checkpointing.value, cast(Kind, plan.products.value))
    core = build_core(base, settings, plan.seed.value, options)
    with torch.no_grad():
        for name, a, b in core.adapters.modules():
            module = base.get_submodule(name)
            for own, lent in ((module.lora_A["default"], a), (module.lora_B["default"], b)):
                lent.copy_(own.weight)
                own.weight.data = lent.detach()
    return core


def follow_schedule(core: "PackedCore", rows: Sequence[Sample], schedule: Schedule, plan: TrainingPlan, watch: Watch) -> None:
    """AdamW with the plan's rates, until the schedule ends or the watch says stop. Goes on where the watch does."""
    import torch
    from transformers import get_scheduler

    optimiser = torch.optim.AdamW(core.parameters(), lr=plan.learning_rate.value, weight_decay=plan.weight_decay.value, fused=True)
    rates = get_scheduler(plan.scheduler.value, optimiser, plan.warmup_steps.value, len(schedule.steps))
    done, draw = (0, 0) if watch.point is None else (watch.point.step, restore(watch.point.folder, core, optimiser, rates))
    watch.begin()
    for number, step in enumerate(schedule.steps[done:], start=done + 1):
        loss, draw = accumulate(core, [rows[row] for row in step], plan.pass_tokens.value, draw)
        norm = torch.nn.utils.clip_grad_norm_(core.parameters(), plan.clip_norm.value)
        rate = rates.get_last_lr()[0]
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        rates.step()
        if watch.after_step(number, loss, rate, norm.item()):
            return
        watch.secure(partial(store, core=core, optimiser=optimiser, rates=rates, draw=draw))


def store(folder: Path, core: "PackedCore", optimiser: Any, rates: Any, draw: int) -> None:
    """`draw` is the state of the dropout; torch's own generators are kept too, for whoever draws from them one day."""
    import torch

    state = {
        "masters": [master.detach().cpu() for master in core.parameters()],
        "optimiser": optimiser.state_dict(),
        "rates": rates.state_dict(),
        "draw": draw,
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    torch.save(state, folder / STATE)


def restore(folder: Path, core: "PackedCore", optimiser: Any, rates: Any) -> int:
    """Everything as it was after the step of the resume point; the number of the next pass."""
    import torch

    state = torch.load(folder / STATE, map_location="cpu", weights_only=True)
    with torch.no_grad():
        for master, stored in zip(core.parameters(), state["masters"], strict=True):
            master.copy_(stored)
    optimiser.load_state_dict(state["optimiser"])
    rates.load_state_dict(state["rates"])
    torch.set_rng_state(state["random"])
    if state["random_cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["random_cuda"])
    return int(state["draw"])


def accumulate(core: "PackedCore", batch: Sequence[Sample], pass_tokens: int, draw: int) -> tuple[float, int]:
    """Gradients of the batch's token-mean loss. Each pass gets a number of its own, for its dropout masks."""
    from heedful.training.packed.pack import count_predicted, pack

    total, loss = sum(map(count_predicted, batch)), 0.0
    for part in group([len(row.ids) for row in batch], pass_tokens):
        part_loss = core.loss(pack([batch[row] for row in part], core.weights.device), total, draw)
        part_loss.backward()  # type: ignore[no-untyped-call]
        loss, draw = loss + part_loss.item(), draw + 1
    return loss, draw

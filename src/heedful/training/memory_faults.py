"""Memory faults: whatever a library raises when memory runs out in; one error of ours, and the same steps in smaller passes, out.

Half as much goes through the model together and twice as many passes add up, so every step has the rows, and but for rounding the
gradient, that it had. When one row at a time is still too much, activations are computed twice. What was tried is noted beside the
resume points, so that a training that goes on later does not begin with what did not fit.
"""

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from heedful.errors import OutOfMemory
from heedful.training import rules
from heedful.training.plan import Choice, TrainingPlan

FAULTS = "memory_faults.jsonl"
WORDS = (  # of torch, of oneDNN (which has none for memory alone), of C++ and of the system
    "DefaultCPUAllocator",
    "not enough memory",
    "out of memory",
    "could not create a primitive",
    "could not create a memory",
    "bad_alloc",
    "Cannot allocate memory",
)
REMEDY = "set training.max_length lower in heedful.yaml, or choose a smaller base"


@dataclass(frozen=True, slots=True)
class Fault:
    """Memory ran out with `passes`, behind the resume point of `step`."""

    step: int
    passes: str


@contextmanager
def told_as_ours(plan: TrainingPlan) -> Iterator[None]:
    """Raises OutOfMemory for each of the many ways in which libraries say so."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not is_memory(error):
            raise
        raise OutOfMemory(f"memory of {plan.device.value} ran out with {passes_of(plan)}", REMEDY) from None


def is_memory(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or any(words in str(error) for words in WORDS)


def passes_of(plan: TrainingPlan) -> str:
    size = f"{plan.pass_tokens.value} tokens" if plan.path.value == "packed" else f"{plan.micro_batch.value} rows"
    return f"passes of {size}" + (", activations computed twice" if plan.checkpointing.value else "")


def lighter(plan: TrainingPlan) -> TrainingPlan | None:
    """The next smaller way to take the same steps; None when there is none. A row is never cut, so a pass holds one at least.

    Copies of the base that only save time go along with the first step down.
    """
    why = f"memory ran out with {passes_of(plan)}"
    if plan.products.value == "blocked":
        plan = replace(plan, products=Choice("plain", f"{rules.PLAIN}: {why}"))
    if plan.path.value == "packed" and plan.pass_tokens.value > plan.max_length.value:
        return replace(plan, pass_tokens=Choice(max(plan.max_length.value, plan.pass_tokens.value // 2), why))
    if plan.path.value != "packed" and plan.micro_batch.value > 1:
        return replace(plan, micro_batch=Choice(half_of(plan.micro_batch.value, plan.batch_size.value), f"rows a pass: {why}"))
    if not plan.checkpointing.value:
        return replace(plan, checkpointing=Choice(True, f"activations are computed twice: {why}"))
    return None


def half_of(rows: int, batch_size: int) -> int:
    """The largest divisor of the batch that is at most half of `rows`, so that accumulation comes out even."""
    return max(size for size in range(1, rows // 2 + 1) if batch_size % size == 0)


def lighten(plan: TrainingPlan, faults: int) -> TrainingPlan:
    """As the plan is carried out after so many faults."""
    for _ in range(faults):
        following = lighter(plan)
        plan = plan if following is None else following
    return plan


def read_faults(recovery: Path) -> list[Fault]:
    path = recovery / FAULTS
    if not path.exists():
        return []
    return [Fault(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def note_fault(recovery: Path, fault: Fault) -> None:
    with (recovery / FAULTS).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(asdict(fault)) + "\n")

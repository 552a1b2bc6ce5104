"""Fitting: one pass of a plan, a base and the memory there is in; a pass that fits, or a refusal with the nearest that would, out.

What changes nothing in the result is tried by itself: the base without copies of it, fewer rows a pass with the same effective
batch, then activations computed twice. What would change it, a shorter length or a smaller base, is for a person to decide.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from heedful.errors import TrainingError
from heedful.modeling.shape import Shape
from heedful.training.estimate import FLOAT, POINT_COPIES, Memory, Work, gigabytes, memory

FILL = 0.9  # of the memory there is; the rest is for the error of the estimate and for other programs
SHORTEST, STEP = 64, 64  # tokens
ADAPTERS_ON_DISK = 8  # the best three, those of the newest resume point, one being written, and the version's own
SPARE_DISK = 100_000_000  # bytes for tokenizer, plan and metrics, generously


@dataclass(frozen=True, slots=True)
class Fitted:
    """`why` says what was changed to make it fit; empty when nothing was."""

    work: Work
    memory: Memory
    why: str


def fit(work: Work, batch_size: int, shape: Shape, there: int, device: str) -> Fitted:
    """Raises TrainingError with the need, what is there and the nearest that fits."""
    for candidate in candidates(work, batch_size):
        need = memory(shape, candidate)
        if need.total <= FILL * there:
            return Fitted(candidate, need, reason(work, candidate, shape, there))
    raise refusal(next(candidates(smallest(work), 1)), shape, there, device)


def candidates(work: Work, batch_size: int) -> Iterator[Work]:
    """Copies of the base go first; then most rows first; checkpointing only when a single row does not fit without."""
    if work.products == "blocked":
        yield work
        work = replace(work, products="plain")
    for rows in range(work.rows, 0, -1):
        if batch_size % rows == 0:
            yield replace(work, rows=rows)
    if not work.checkpointing:
        yield replace(work, rows=1, checkpointing=True)


def smallest(work: Work) -> Work:
    return replace(work, rows=1, checkpointing=True, products="plain" if work.products == "blocked" else work.products)


def reason(asked: Work, found: Work, shape: Shape, there: int) -> str:
    if found == asked:
        return ""
    need = memory(shape, asked).total
    blocked = ", laid out for this processor," if asked.products == "blocked" else ""
    return f"{asked.rows} rows a pass{blocked} would need {gigabytes(need):g} GB of {gigabytes(there):g} GB"


def refusal(work: Work, shape: Shape, there: int, device: str) -> TrainingError:
    need = memory(shape, work)
    text = (
        f"this plan needs {gigabytes(need.total):g} GB of {device} memory even with one row of {work.length} tokens a pass "
        f"({need.in_words()}); {gigabytes(there):g} GB are there, {FILL:.0%} of them for training"
    )
    shorter = [replace(work, length=length) for length in range(work.length // STEP * STEP, SHORTEST - 1, -STEP)]
    fitting = next((one for one in shorter if one.length < work.length and memory(shape, one).total <= FILL * there), None)
    if fitting is not None:
        needed = gigabytes(memory(shape, fitting).total)
        return TrainingError(text, f"set training.max_length: {fitting.length} in heedful.yaml ({needed:g} GB), or free memory")
    in_four_bits = memory(shape, replace(work, four_bits=True)).total
    if device == "cuda" and in_four_bits <= FILL * there:
        return TrainingError(text, f"set training.quantization: nf4 in heedful.yaml ({gigabytes(in_four_bits):g} GB)")
    room = max(0.0, FILL * there - need.libraries) / (need.total - need.libraries)
    largest = shape.parameters * room / 1e6
    return TrainingError(
        text, f"set base: in heedful.yaml to one of at most about {largest:.0f} million parameters, or free memory"
    )


def check_disk(free: int, shape: Shape, rank: int, below: int, targets: Sequence[str]) -> None:
    """Raises TrainingError when adapters, on top of `below` ranks, and two resume points would not find their place."""
    adapters = ADAPTERS_ON_DISK * shape.adapter_parameters(rank + below, targets)
    points = 2 * POINT_COPIES * shape.adapter_parameters(rank, targets)
    need = FLOAT * (adapters + points) + SPARE_DISK
    if need > free:
        text = f"the training needs {gigabytes(need):g} GB of disk, {gigabytes(free):g} GB are free"
        raise TrainingError(text, "free some disk, or put the workspace on another one, then heedful train")

"""Outlook: what the plan foretold and what steps really took in; time that is left, and whether memory will do, out.

The first step sets libraries up and may compile, so its time is not counted. Memory grows with the tokens of a pass: what a pass
took beyond what was held before foretells what the largest one will take, once a pass of at least half that size was seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from heedful.errors import OutOfMemory
from heedful.training.estimate import gigabytes
from heedful.training.resources import held_memory, memory_there, peak_memory

EARLY = 5  # steps until the plan's estimate is corrected
APART = 2.0  # times: from here on a wrong estimate of time is told
MORE = 1.25  # times: likewise of memory
REMEDY = "set training.max_length lower in heedful.yaml, choose a smaller base, or free memory"


@dataclass(frozen=True, slots=True)
class Foretold:
    """By the plan. `passes`: tokens of the largest pass of each step; `fixed`: bytes of optimiser and gradients, at any size."""

    seconds: float | None = None
    memory_gb: float | None = None
    device: str = "cpu"
    fixed: float = 0.0
    passes: Sequence[int] = ()


@dataclass
class Outlook:
    """Of one process. `tokens` are those of each step of the whole course."""

    tokens: Sequence[int]
    evaluate_every: int
    foretold: Foretold
    steps: int = 0
    seconds: float = 0.0
    counted: int = 0  # tokens that `seconds` were for
    looks: list[float] = field(default_factory=list)
    before: tuple[int, int] | None = None  # bytes held, and the peak until then
    seen: int = 0  # tokens of the largest pass until now
    foreseen: int | None = None  # bytes, of the largest pass of all

    def looked(self, seconds: float) -> None:
        """At the validation split."""
        self.looks.append(seconds)

    def begin(self) -> None:
        """Everything is loaded, and no step was taken."""
        if self.foretold.passes:
            self.before = held_memory(self.foretold.device), peak_memory(self.foretold.device)

    def stepped(self, step: int, seconds: float) -> None:
        """Raises OutOfMemory when the largest pass that is ahead will not fit."""
        self.steps += 1
        if self.steps > 1:
            self.seconds += seconds
            self.counted += self.tokens[step - 1]
        if self.before is not None and self.foreseen is None:
            self.look_at_memory(step)

    def look_at_memory(self, step: int) -> None:
        told, largest = self.foretold, max(self.foretold.passes)
        self.seen = max(self.seen, told.passes[step - 1])
        if 2 * self.seen < largest:
            return
        assert self.before is not None
        (held, highest), peak = self.before, peak_memory(told.device)
        self.foreseen = foresee(held, peak, told.fixed, self.seen, largest) if peak > highest else peak
        check_room(self.foreseen, memory_there(told.device), largest)

    def left(self, step: int) -> float | None:
        """Seconds from here to the end of the plan; None when nobody knows yet."""
        ahead = sum(self.tokens[step:])
        if self.counted == 0:
            return None if self.foretold.seconds is None else self.foretold.seconds * ahead / sum(self.tokens)
        last = len(self.tokens)
        looks = last // self.evaluate_every - step // self.evaluate_every + (last % self.evaluate_every > 0 and step < last)
        a_look = sum(self.looks) / len(self.looks) if self.looks else 0.0
        return ahead * self.seconds / self.counted + looks * a_look

    def correction(self, elapsed: float, left: float | None) -> tuple[dict[str, float | None], str]:
        """(for metrics.jsonl, what is to be told, if anything)."""
        told = self.foretold
        total = None if left is None else elapsed + left
        peak = gigabytes(peak_memory(told.device)) if self.foreseen is None else gigabytes(self.foreseen)
        facts = {"seconds": total, "planned_seconds": told.seconds, "memory_gb": peak, "planned_memory_gb": told.memory_gb}
        notes = []
        if told.seconds and total and not 1 / APART <= total / told.seconds <= APART:
            notes.append(f"the first steps foretell {total:.0f} s in all, the plan said {told.seconds:.0f} s")
        if told.memory_gb and peak > MORE * told.memory_gb:
            notes.append(f"it takes {peak:g} GB, the plan said {told.memory_gb:g} GB")
        return facts, "; ".join(notes)


def check_room(foreseen: int, there: int, largest: int) -> None:
    """Raises OutOfMemory: better now, with smaller passes, than later, when the system kills."""
    if foreseen > there:
        need = f"by the first steps, a pass of {largest} tokens will take {gigabytes(foreseen):g} GB"
        raise OutOfMemory(f"{need}, and {gigabytes(there):g} GB are there", REMEDY)


def foresee(before: int, peak: int, fixed: float, seen: int, largest: int) -> int:
    """Bytes at the peak of the largest pass, from those of the largest that was `seen`."""
    grown = max(0.0, peak - before - fixed)
    return round(peak + grown * (largest / seen - 1))

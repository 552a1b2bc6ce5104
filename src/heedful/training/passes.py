"""Passes: lengths of the rows of a step in; which of them go through the model together, and how many tokens at most, out."""

from collections.abc import Iterator, Sequence

from heedful.training.plan import TrainingPlan


def group(lengths: Sequence[int], pass_tokens: int) -> Iterator[list[int]]:
    """Numbers of rows, in their order, at most `pass_tokens` together; a longer row is alone. Nothing is padded."""
    part: list[int] = []
    held = 0
    for row, length in enumerate(lengths):
        if part and held + length > pass_tokens:
            yield part
            part, held = [], 0
        part.append(row)
        held += length
    yield part


def largest_pass(lengths: Sequence[int], plan: TrainingPlan) -> int:
    """Tokens of the largest pass of a step, padding included where there is any."""
    if plan.path.value == "packed":
        return max(sum(lengths[row] for row in part) for part in group(lengths, plan.pass_tokens.value))
    rows = plan.micro_batch.value
    padded = [lengths[start : start + rows] for start in range(0, len(lengths), rows)]
    return max(len(part) * max(part) for part in padded)

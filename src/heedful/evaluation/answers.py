"""Answers: a companion and prompts in, its replies out. The very turn that the server runs, in slices, so that progress shows."""

from collections.abc import Callable, Sequence

from heedful.companion.turn import Companion, Reply, reply_many
from heedful.engines.base import Sampling
from heedful.errors import EngineError, EvaluationError
from heedful.evaluation.prompts import Prompt

SLICE = 16  # prompts handed over at once: a batch for the engine, a step of the progress bar


async def ask(
    companion: Companion, prompts: Sequence[Prompt], sampling: Sampling, observe: Callable[[int], None]
) -> list[Reply | None]:
    """A reply to every prompt, in order; None where the engine refuses the prompt, for instance as too long for its context.

    `observe` is told how many more are done. Raises EvaluationError when not one prompt is answered.
    """
    replies: list[Reply | None] = []
    refusals: list[EngineError] = []
    for start in range(0, len(prompts), SLICE):
        part = prompts[start : start + SLICE]
        try:
            replies += await reply_many(companion, [prompt.messages for prompt in part], sampling)
        except EngineError:
            # One prompt that cannot be answered fails its whole slice; asked for alone, it fails alone.
            for prompt in part:
                try:
                    replies += await reply_many(companion, [prompt.messages], sampling)
                except EngineError as refusal:
                    replies.append(None)
                    refusals.append(refusal)
        observe(len(part))
    if len(refusals) == len(prompts) and refusals:
        text = f"{companion.engine.model} answered none of {len(prompts)} prompts: {refusals[-1].text}"
        raise EvaluationError(text, refusals[-1].next_step)
    return replies

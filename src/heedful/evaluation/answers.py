"""Answers: a companion and prompts in, its replies out. The very turn that the server runs, in slices, so that progress shows."""

from collections.abc import Callable, Iterator, Sequence

from heedful.companion.turn import Companion, Reply, reply_many
from heedful.engines.base import Sampling
from heedful.errors import EngineError, EvaluationError
from heedful.evaluation.prompts import Prompt

SLICE = 32  # prompts handed over at once: a batch for the engine, a step of the progress bar, what a kill may lose


async def ask(
    companion: Companion, prompts: Sequence[Prompt], sampling: Sampling, observe: Callable[[int], None]
) -> list[Reply | None]:
    """A reply to every prompt, in order; None where the engine refuses the prompt, for instance as too long for its context.

    `observe` is told how many more are done. Raises EvaluationError when not one prompt is answered.
    """
    replies: dict[int, Reply] = {}
    refusals: list[EngineError] = []
    for places in slices(prompts):
        try:
            found = await reply_many(companion, [prompts[place].messages for place in places], sampling)
            replies.update(zip(places, found, strict=True))
        except EngineError:
            # One prompt that cannot be answered fails its whole slice; asked for alone, it fails alone.
            for place in places:
                try:
                    replies[place] = (await reply_many(companion, [prompts[place].messages], sampling))[0]
                except EngineError as refusal:
                    refusals.append(refusal)
        observe(len(places))
    if len(refusals) == len(prompts) and refusals:
        text = f"{companion.engine.model} answered none of {len(prompts)} prompts: {refusals[-1].text}"
        raise EvaluationError(text, refusals[-1].next_step)
    return [replies.get(place) for place in range(len(prompts))]


def slices(prompts: Sequence[Prompt]) -> Iterator[list[int]]:
    """Places of prompts that are asked together: of one suite, so that another choice of suites asks the same slices, and of like
    length, so that little is padded. They depend on the prompts alone, never on what was answered before."""
    suites: dict[str, list[int]] = {}
    for place, prompt in enumerate(prompts):
        suites.setdefault(prompt.suite, []).append(place)
    for places in suites.values():
        ordered = sorted(places, key=lambda place: sum(len(message.content) for message in prompts[place].messages))
        yield from (ordered[start : start + SLICE] for start in range(0, len(ordered), SLICE))

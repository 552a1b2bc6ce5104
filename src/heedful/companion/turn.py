"""One turn of the companion: a chat in, a clean reply out. Server, command line and evaluation all take a turn here."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from heedful.conversation import FinishReason, Message
from heedful.engines.base import Engine, Finished, Sampling
from heedful.errors import EngineError
from heedful.guards.reply.cleaning import Cleaned, Cleaner, clean


@dataclass(frozen=True, slots=True)
class Companion:
    """An engine, how it is to behave, and how its replies are drawn unless a call says otherwise."""

    engine: Engine
    system_prompt: str
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True, slots=True)
class Reply:
    """`text` is for people; `raw` is what the model wrote, tags included; `cleaned` has a reason for each thing taken out.

    Counts are tokens. `finish_reason` is the engine's, whatever was cleaned. `dropped_messages` counts the oldest messages of the
    chat that the model could not see, because they did not fit in its context.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    raw: str
    cleaned: tuple[str, ...]
    dropped_messages: int = 0


async def reply(companion: Companion, messages: Sequence[Message], sampling: Sampling | None = None) -> Reply:
    """The whole reply. Raises EngineError."""
    async with aclosing(stream_reply(companion, messages, sampling)) as events:
        async for event in events:
            if isinstance(event, Reply):
                return event
    raise AssertionError("a streamed reply ends with a Reply")


async def stream_reply(
    companion: Companion, messages: Sequence[Message], sampling: Sampling | None = None
) -> AsyncGenerator[str | Reply, None]:
    """Pieces of clean text, none of them empty, then the Reply, whose text is the pieces joined. Closing it early stops the engine.

    Raises EngineError.
    """
    cleaner = Cleaner()
    raw, shown = "", ""
    finished: Finished | None = None
    async with aclosing(companion.engine.stream(prompt(companion, messages), choose(companion, sampling))) as events:
        async for event in events:
            if isinstance(event, Finished):
                finished = event
                break
            raw += event.text
            text = cleaner.feed(event.text)
            shown += text
            if text:
                yield text
    if finished is None:
        raise EngineError(f"the engine of {companion.engine.model} stopped in the middle of a reply", "try again")
    rest = cleaner.finish(finished.reason)
    if rest.text:
        yield rest.text
    yield settle(raw, Cleaned(shown + rest.text, rest.reasons), finished)


async def reply_many(companion: Companion, chats: Sequence[Sequence[Message]], sampling: Sampling | None = None) -> list[Reply]:
    """Replies to many chats, in their order, batched where the engine can. Raises EngineError."""
    prompts = [prompt(companion, messages) for messages in chats]
    generations = await companion.engine.generate(prompts, choose(companion, sampling))
    return [settle(found.text, clean(found.text, found.finished.reason), found.finished) for found in generations]


def prompt(companion: Companion, messages: Sequence[Message]) -> tuple[Message, ...]:
    """The chat as the engine gets it: one system message first, the companion's prompt and below it what the client's own say.

    A text that says the same again (a row of a dataset brings the prompt with it) is left out.
    """
    said = [companion.system_prompt, *(message.content for message in messages if message.role == "system")]
    system = "\n\n".join(dict.fromkeys(text.strip() for text in said if text.strip()))
    turns = tuple(message for message in messages if message.role != "system")
    return (Message("system", system), *turns) if system else turns


def choose(companion: Companion, sampling: Sampling | None) -> Sampling:
    return companion.sampling if sampling is None else sampling


def settle(raw: str, cleaned: Cleaned, finished: Finished) -> Reply:
    return Reply(
        text=cleaned.text,
        finish_reason=finished.reason,
        prompt_tokens=finished.prompt_tokens,
        completion_tokens=finished.completion_tokens,
        raw=raw,
        cleaned=cleaned.reasons,
        dropped_messages=finished.dropped_messages,
    )

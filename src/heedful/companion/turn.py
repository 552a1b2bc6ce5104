"""One turn of the companion: a chat in, a clean reply out. Server, command line and evaluation all take a turn here."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from heedful.companion.asking import ask_model
from heedful.companion.guarding import LOG, Guards, GuardTrace, Look, look, reply_rules
from heedful.conversation import FinishReason, Message
from heedful.engines.base import Engine, Finished, Generation, Sampling
from heedful.errors import EngineError
from heedful.guards.reply.guard import Guarded, ReplyGuard


@dataclass(frozen=True, slots=True)
class Companion:
    """An engine, how it is to behave, how its replies are drawn unless a call says otherwise, how they are guarded."""

    engine: Engine
    system_prompt: str
    sampling: Sampling = field(default_factory=Sampling)
    guards: Guards = field(default_factory=Guards)


@dataclass(frozen=True, slots=True)
class Reply:
    """`text` is for people; `raw` is what the model wrote, tags included; `cleaned` has a reason for each thing taken out.

    Counts are tokens. `finish_reason` is the engine's, whatever was cleaned. `dropped_messages` counts the oldest messages of the
    chat that the model could not see, because they did not fit in its context. `guard` has what the guards saw, without text.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    raw: str
    cleaned: tuple[str, ...]
    dropped_messages: int = 0
    guard: GuardTrace = field(default_factory=GuardTrace)


class CrisisResponse(str):
    """A piece that the crisis guard wrote: whoever passes it on cuts nothing from it."""

    __slots__ = ()


async def reply(companion: Companion, messages: Sequence[Message], sampling: Sampling | None = None, subject: str = "") -> Reply:
    """The whole reply. Raises EngineError."""
    async with aclosing(stream_reply(companion, messages, sampling, subject)) as events:
        async for event in events:
            if isinstance(event, Reply):
                return event
    raise AssertionError("a streamed reply ends with a Reply")


async def stream_reply(
    companion: Companion, messages: Sequence[Message], sampling: Sampling | None = None, subject: str = ""
) -> AsyncGenerator[str | Reply, None]:
    """Pieces of guarded text, none empty, then the Reply, whose text is the pieces joined. Closing it early stops the engine.

    A person in danger gets a response of the crisis guard, and the engine is not asked. `subject` says whose chat it is, for the
    hand-over to the team; it may be empty. Raises EngineError.
    """
    seen = await looked(companion, messages, subject)
    if seen.response is not None:
        yield CrisisResponse(seen.response)
        yield await answered(companion, messages, sampling, seen)
        return
    asked = prompt(companion, messages)
    guard = ReplyGuard(reply_rules(companion.guards, asked))
    raw, shown = "", ""
    finished: Finished | None = None
    async with aclosing(companion.engine.stream(asked, choose(companion, sampling))) as events:
        async for event in events:
            if isinstance(event, Finished):
                finished = event
                break
            raw += event.text
            text = guard.feed(event.text)
            shown += text
            if text:
                yield text
    if finished is None:
        raise EngineError(f"the engine of {companion.engine.model} stopped in the middle of a reply", "try again")
    rest = guard.finish(finished.reason)
    behind = rest.text + (f"\n\n{seen.addition}" if seen.addition else "")
    if behind:
        yield behind
    yield settle(raw, replace(rest, text=shown + behind), finished, seen)


async def looked(companion: Companion, messages: Sequence[Message], subject: str) -> Look:
    """The crisis guard's look at the chat; the model is asked first where that is set."""
    guards = companion.guards
    says_yes = guards.crisis and guards.ask_model and await ask_model(companion.engine, messages)
    return await asyncio.to_thread(look, guards, messages, subject, says_yes)


async def answered(companion: Companion, messages: Sequence[Message], sampling: Sampling | None, seen: Look) -> Reply:
    """The Reply of a crisis response. With `also_generate` it keeps what the model wrote, for those who judge the model."""
    assert seen.response is not None, "only a chat in danger is answered"
    if companion.guards.also_generate:
        found = (await companion.engine.generate([prompt(companion, messages)], choose(companion, sampling)))[0]
        return settle(found.text, Guarded(seen.response, (), ()), found.finished, seen)
    return settle("", Guarded(seen.response, (), ()), Finished("stop", 0, 0), seen)


async def reply_many(companion: Companion, chats: Sequence[Sequence[Message]], sampling: Sampling | None = None) -> list[Reply]:
    """Replies to many chats, in their order, batched where the engine can. Raises EngineError."""
    seen = [await looked(companion, messages, "") for messages in chats]
    asking = [place for place, one in enumerate(seen) if one.response is None or companion.guards.also_generate]
    prompts = [prompt(companion, chats[place]) for place in asking]
    generations = await companion.engine.generate(prompts, choose(companion, sampling)) if prompts else []
    generated = dict(zip(asking, zip(prompts, generations, strict=True), strict=True))
    return [settle_whole(companion, one, *generated.get(place, (None, None))) for place, one in enumerate(seen)]


def settle_whole(companion: Companion, seen: Look, asked: Sequence[Message] | None, found: Generation | None) -> Reply:
    """One of many: the model's whole text, guarded as if it had been streamed; or the response of the crisis guard."""
    if asked is None or found is None:
        assert seen.response is not None, "a chat without a response is asked"
        return settle("", Guarded(seen.response, (), ()), Finished("stop", 0, 0), seen)
    if seen.response is not None:
        return settle(found.text, Guarded(seen.response, (), ()), found.finished, seen)
    guard = ReplyGuard(reply_rules(companion.guards, asked))
    text = guard.feed(found.text)
    rest = guard.finish(found.finished.reason)
    behind = rest.text + (f"\n\n{seen.addition}" if seen.addition else "")
    return settle(found.text, replace(rest, text=text + behind), found.finished, seen)


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


def settle(raw: str, guarded: Guarded, finished: Finished, seen: Look) -> Reply:
    if guarded.found:
        LOG.info("in a reply of %d tokens: %s", finished.completion_tokens, ", ".join(guarded.found))
    return Reply(
        text=guarded.text,
        finish_reason=finished.reason,
        prompt_tokens=finished.prompt_tokens,
        completion_tokens=finished.completion_tokens,
        raw=raw,
        cleaned=guarded.reasons,
        dropped_messages=finished.dropped_messages,
        guard=replace(seen.trace, found=guarded.found),
    )

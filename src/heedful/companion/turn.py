"""One turn of the companion: a chat in, a clean reply out. Server, command line and evaluation all take a turn here.

guard in -> consent and mode -> route -> retrieve -> generate -> guard out -> record. Each stage has a file of its own; here they
are put in a row.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from heedful.companion.asking import ask_model
from heedful.companion.deliberating import Question, deliberate, guard_whole
from heedful.companion.guarding import LOG, Guards, GuardTrace, Look, look, reply_rules
from heedful.companion.hybrid import Hybrid, Plan, plan_turn
from heedful.companion.retrieving import Retrieve, Retrieved, Source
from heedful.companion.routing import Routing, route_turn
from heedful.companion.trace import Account, Record, Served, Trace
from heedful.companion.writing import Writing, cite_whole
from heedful.conversation import FinishReason, Message
from heedful.engines.base import Engine, Finished, Generation, Sampling
from heedful.errors import EngineError
from heedful.guards.reply.guard import Guarded
from heedful.guards.reply.screen import Rules

NOTHING = Finished("stop", 0, 0)  # what an engine that was not asked has written


@dataclass(frozen=True, slots=True)
class Companion:
    """An engine, how it is to behave, how its replies are drawn unless a call says otherwise, how they are guarded.

    `prompt` names the system prompt and its version; `variant` is the arm of an experiment that this companion is. `routing` sends
    casual turns to another engine, `hybrid` some turns to an upstream; `retrieve` looks something up for the model, `record` keeps
    the trace of every turn, `after` is told of it with its words. None leaves them out.
    """

    engine: Engine
    system_prompt: str
    sampling: Sampling = field(default_factory=Sampling)
    guards: Guards = field(default_factory=Guards)
    prompt: str = ""
    variant: str = ""
    routing: Routing | None = None
    hybrid: Hybrid | None = None
    retrieve: Retrieve | None = None
    record: Record | None = None
    after: "After | None" = None


@dataclass(frozen=True, slots=True)
class Reply:
    """`text` is for people; `raw` is what the model wrote, tags included; `cleaned` has a reason for each thing taken out.

    Counts are tokens. `finish_reason` is the engine's, whatever was cleaned. `dropped_messages` counts the oldest messages of the
    chat that the model could not see, because they did not fit in its context. `trace` is the turn without its text. `sources` are
    the passages that the model was shown.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    raw: str
    cleaned: tuple[str, ...]
    dropped_messages: int = 0
    trace: Trace = field(default_factory=Trace)
    sources: tuple[Source, ...] = ()

    @property
    def guard(self) -> GuardTrace:
        return self.trace.guard


# Told of a whole turn when its reply is ready: what was asked, the reply, whose turn it was. It must not wait, and must not raise.
After = Callable[[Sequence[Message], Reply, str], None]


class CrisisResponse(str):
    """A piece that the crisis guard wrote: whoever passes it on cuts nothing from it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Ready:
    """A turn before a model is asked. `rules` are of the guard out; `retrieved` is the prompt, what was looked up included.

    `engine` is the local one that is to answer. `plan` is None where there is no upstream.
    """

    look: Look
    rules: Rules
    retrieved: Retrieved
    engine: Engine
    plan: Plan | None = None


async def reply(
    companion: Companion, messages: Sequence[Message], sampling: Sampling | None = None, subject: str = "", turn: str = ""
) -> Reply:
    """The whole reply. Raises EngineError."""
    async with aclosing(stream_reply(companion, messages, sampling, subject, turn)) as events:
        async for event in events:
            if isinstance(event, Reply):
                return event
    raise AssertionError("a streamed reply ends with a Reply")


async def stream_reply(
    companion: Companion, messages: Sequence[Message], sampling: Sampling | None = None, subject: str = "", turn: str = ""
) -> AsyncGenerator[str | Reply, None]:
    """Pieces of guarded text, none empty, then the Reply, whose text is the pieces joined. Closing it early stops the engine.

    A person in danger gets a response of the crisis guard, and the engine is not asked. `subject` says whose chat it is, for the
    hand-over to the team; it may be empty. `turn` is an id for the trace, which is recorded however the turn ends.

    Raises EngineError.
    """
    account = open_account(companion, turn)
    try:
        async with aclosing(take_turn(companion, messages, choose(companion, sampling), subject, account)) as events:
            async for event in events:
                if isinstance(event, Reply):
                    keep(companion, account, subject)
                    if companion.after is not None:
                        companion.after(messages, event, subject)
                elif event:
                    account.shown()
                yield event
    except BaseException as stopped:
        if account.trace.finish_reason is None:  # else it is recorded already
            left = isinstance(stopped, GeneratorExit | asyncio.CancelledError)
            account.close("closed" if left else "failed")
            keep(companion, account, subject)
        raise


async def take_turn(
    companion: Companion, messages: Sequence[Message], sampling: Sampling, subject: str, account: Account
) -> AsyncGenerator[str | Reply, None]:
    """The stages in their order."""
    ready = await prepare(companion, messages, subject, account)
    if ready.look.response is not None:
        yield CrisisResponse(ready.look.response)
        yield await answered(companion, ready, sampling, account)
        return
    if companion.hybrid is not None and ready.plan is not None and ready.plan.order != "local":
        question = Question(ready.retrieved.messages, ready.rules, sampling, subject)
        draft = await deliberate(companion.hybrid, ready.plan, ready.engine, question, account)
        if draft is not None:
            whole, sources = await asyncio.to_thread(cite_whole, draft.guarded, ready.retrieved)
            text = whole.text + behind_reply(ready.look)
            if text:
                yield text
            account.trace = replace(account.trace, model=draft.model)
            found = draft.found
            yield settle(found.text, replace(whole, text=text), found.finished, draft.served, account, sources)
            return
    async with aclosing(speak(ready, sampling, account)) as events:
        async for event in events:
            yield event


async def speak(ready: Ready, sampling: Sampling, account: Account) -> AsyncGenerator[str | Reply, None]:
    """The local model, heard while it speaks."""
    writing = Writing(ready.rules, ready.retrieved)
    raw, shown = "", ""
    finished: Finished | None = None
    async with aclosing(ready.engine.stream(ready.retrieved.messages, sampling)) as events:
        async for event in events:
            account.lap("generate")
            if isinstance(event, Finished):
                finished = event
                break
            raw += event.text
            text = await asyncio.to_thread(writing.feed, event.text) if writing.waits else writing.feed(event.text)
            shown += text
            account.lap("guard_out")
            if text:
                yield text
    if finished is None:
        raise EngineError(f"the engine of {ready.engine.model} stopped in the middle of a reply", "try again")
    rest = await asyncio.to_thread(writing.finish, finished.reason) if writing.waits else writing.finish(finished.reason)
    behind = rest.text + behind_reply(ready.look)
    account.lap("guard_out")
    if behind:
        yield behind
    yield settle(raw, replace(rest, text=shown + behind), finished, "local", account, writing.sources)


async def prepare(companion: Companion, messages: Sequence[Message], subject: str, account: Account) -> Ready:
    """Guard in, who may answer, who is to, and what they are to be shown."""
    asked = prompt(companion, messages)
    seen, rules = await looked(companion, messages, asked, subject)
    ready = Ready(seen, rules, Retrieved(asked), companion.engine)
    account.trace = replace(account.trace, guard=seen.trace)
    account.lap("guard_in")
    if seen.response is not None:
        return ready
    if companion.hybrid is not None:
        plan = await plan_turn(companion.hybrid, companion.guards, messages, seen.trace, subject)
        account.trace, ready = replace(account.trace, mode=plan.mode, why=plan.why), replace(ready, plan=plan)
        account.lap("terms")
    if companion.routing is not None:
        route = await route_turn(companion.routing, messages, seen.trace)
        engine = companion.routing.casual if route.name == "casual" else companion.engine
        account.trace, ready = replace(account.trace, route=route, model=engine.model), replace(ready, engine=engine)
        account.lap("route")
    if companion.retrieve is not None:
        retrieved = await companion.retrieve(asked)
        if seen.trace.tier != "none":  # who is in distress reads the model's words as they are
            retrieved = replace(retrieved, support=None)
        account.trace, ready = replace(account.trace, sources=retrieved.sources), replace(ready, retrieved=retrieved)
        account.lap("retrieve")
    return ready


async def looked(companion: Companion, messages: Sequence[Message], asked: Sequence[Message], subject: str) -> tuple[Look, Rules]:
    """The crisis guard's look at the chat, the model asked first where that is set; and the rules of the guard out.

    In a thread: both read whole chats, and the loop that serves everybody does not wait for that.
    """
    guards = companion.guards
    says_yes = guards.crisis and guards.ask_model and await ask_model(companion.engine, messages)
    return await asyncio.to_thread(lambda: (look(guards, messages, subject, says_yes), reply_rules(guards, asked)))


async def answered(companion: Companion, ready: Ready, sampling: Sampling, account: Account) -> Reply:
    """The Reply of a crisis response. With `also_generate` it keeps what the model wrote, for those who judge the model."""
    if not companion.guards.also_generate:
        return settle_response(ready, None, account)
    found = (await companion.engine.generate([ready.retrieved.messages], sampling))[0]
    account.lap("generate")
    return settle_response(ready, found, account)


async def reply_many(companion: Companion, chats: Sequence[Sequence[Message]], sampling: Sampling | None = None) -> list[Reply]:
    """Replies to many chats, in their order, batched where the engine can. Raises EngineError.

    What more than one engine may answer is asked one by one.
    """
    if companion.hybrid is not None or companion.routing is not None:
        return [await reply(companion, chat, sampling) for chat in chats]
    accounts = [open_account(companion, "") for _ in chats]
    ready = [await prepare(companion, chat, "", account) for chat, account in zip(chats, accounts, strict=True)]
    asking = [place for place, one in enumerate(ready) if one.look.response is None or companion.guards.also_generate]
    prompts = [ready[place].retrieved.messages for place in asking]
    generations = await companion.engine.generate(prompts, choose(companion, sampling)) if prompts else []
    generated = dict(zip(asking, generations, strict=True))
    replies = []
    for place, (one, account) in enumerate(zip(ready, accounts, strict=True)):
        account.lap("generate")
        replies.append(settle_whole(one, generated.get(place), account))
        keep(companion, account, "")
    return replies


def settle_whole(ready: Ready, found: Generation | None, account: Account) -> Reply:
    """One of many: the model's whole text, guarded as if it had been streamed; or the response of the crisis guard."""
    if ready.look.response is not None:
        return settle_response(ready, found, account)
    assert found is not None, "a chat without a response is asked"
    cited, sources = cite_whole(guard_whole(ready.rules, found, account), ready.retrieved)
    whole = replace(cited, text=cited.text + behind_reply(ready.look))
    return settle(found.text, whole, found.finished, "local", account, sources)


def settle_response(ready: Ready, found: Generation | None, account: Account) -> Reply:
    """A template of the crisis guard; `found` is what the model wrote unseen."""
    assert ready.look.response is not None, "only a chat in danger is answered"
    raw, finished = ("", NOTHING) if found is None else (found.text, found.finished)
    return settle(raw, Guarded(ready.look.response, (), ()), finished, "guard", account)


def behind_reply(seen: Look) -> str:
    return f"\n\n{seen.addition}" if seen.addition else ""


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


def open_account(companion: Companion, turn: str) -> Account:
    return Account(Trace(turn=turn, model=companion.engine.model, prompt=companion.prompt, variant=companion.variant))


def settle(
    raw: str, guarded: Guarded, finished: Finished, served: Served, account: Account, sources: tuple[Source, ...] = ()
) -> Reply:
    if guarded.found:
        LOG.info("in a reply of %d tokens: %s", finished.completion_tokens, ", ".join(guarded.found))
    account.trace = replace(
        account.trace,
        served=served,
        guard=replace(account.trace.guard, found=guarded.found),
        finish_reason=finished.reason,
        prompt_tokens=finished.prompt_tokens,
        completion_tokens=finished.completion_tokens,
        dropped_messages=finished.dropped_messages,
        attributed=tuple(source.number for source in sources if source.attributed),
    )
    return Reply(
        text=guarded.text,
        finish_reason=finished.reason,
        prompt_tokens=finished.prompt_tokens,
        completion_tokens=finished.completion_tokens,
        raw=raw,
        cleaned=guarded.reasons,
        dropped_messages=finished.dropped_messages,
        trace=account.close("done"),
        sources=sources,
    )


def keep(companion: Companion, account: Account, subject: str) -> None:
    if companion.record is not None:
        companion.record(account.trace, subject)

"""Deliberating: a question that local model and upstream may both answer, in; the whole reply of the one that is read, out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from heedful.companion.hybrid import Hybrid, Plan, ask_upstream, collect
from heedful.companion.trace import Account, Served
from heedful.conversation import Message
from heedful.engines.base import Engine, Generation, Sampling
from heedful.errors import EngineError
from heedful.guards.reply.cleaning import EMPTY
from heedful.guards.reply.guard import Guarded, ReplyGuard
from heedful.guards.reply.screen import Rules


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of whoever answers, and by which rules the answer is guarded. `subject` is whose turn it is."""

    messages: Sequence[Message]
    rules: Rules
    sampling: Sampling
    subject: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A whole reply: as it was written, and as a person may read it."""

    found: Generation
    guarded: Guarded
    served: Served
    model: str

    @property
    def is_sound(self) -> bool:
        """Nothing had to be taken out, something is left, and the model saw the whole chat."""
        return not self.guarded.found and EMPTY not in self.guarded.reasons and not self.found.finished.dropped_messages


async def deliberate(hybrid: Hybrid, plan: Plan, local: Engine, question: Question, account: Account) -> Draft | None:
    """None: the local model is to answer, and may be heard while it speaks. Why, and what it cost, goes into the account.

    Raises EngineError when neither can answer.
    """
    if plan.order == "upstream":
        return await from_upstream(hybrid, question, account)
    error: EngineError | None = None
    draft: Draft | None = None
    try:
        draft = await from_local(local, question, account)
    except EngineError as failure:
        error = failure
    if draft is not None and draft.is_sound:
        return draft
    reason = "local_failed" if draft is None else "guard" if not draft.found.finished.dropped_messages else "context"
    better = await from_upstream(hybrid, question, account)
    if better is not None:
        account.trace = replace(account.trace, why=reason)
        return better
    if draft is None and error is not None:
        raise error
    return draft


async def from_local(engine: Engine, question: Question, account: Account) -> Draft:
    found = await collect(engine, question.messages, question.sampling)
    account.lap("generate")
    return Draft(found, guard_whole(question.rules, found, account), "local", engine.model)


async def from_upstream(hybrid: Hybrid, question: Question, account: Account) -> Draft | None:
    """None where it failed, or left nothing to read."""
    answer = await ask_upstream(hybrid, question.messages, question.sampling, question.subject)
    account.lap("generate")
    account.trace = replace(
        account.trace, cost=account.trace.cost + answer.cost, why=answer.why if answer.why else account.trace.why
    )
    if answer.found is None:
        return None
    draft = Draft(answer.found, guard_whole(question.rules, answer.found, account), "upstream", hybrid.upstream.model)
    if EMPTY in draft.guarded.reasons:
        account.trace = replace(account.trace, why="empty")
        return None
    return draft


def guard_whole(rules: Rules, found: Generation, account: Account) -> Guarded:
    """As if it had been streamed."""
    guard = ReplyGuard(rules)
    text = guard.feed(found.text)
    rest = guard.finish(found.finished.reason)
    account.lap("guard_out")
    return replace(rest, text=text + rest.text)

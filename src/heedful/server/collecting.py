"""/api/conversations, moods, assessments and feedback: what an app knows of a chat goes in; whether it was kept comes out.

It is kept while the person allows the purpose `chat`; else it is counted and forgotten. A conversation is named by its number, or
by one of its replies: the id of a chat completion, or one that /api/conversations gave.
"""

from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter, Request
from sqlalchemy.orm import Session

from heedful.conversation import Conversation
from heedful.errors import StatementRefused
from heedful.server.access import actor_of, allow, caller_of
from heedful.server.body import read_json
from heedful.server.collection_schemas import KeptConversation, KeptStatement, ReplyReference
from heedful.server.consents import PERSON
from heedful.server.errors import failures, refusal
from heedful.server.keeping import Keeper
from heedful.server.kinds import integer, name, number, one_of, rows, text
from heedful.server.messages import MESSAGE_SCHEMA, read_message
from heedful.server.parameters import Parameter, check, request_body
from heedful.store.collection import About, Told, keep_assessment, keep_conversation, keep_mood, replies_of
from heedful.store.feedback import Said, keep_feedback
from heedful.store.instruments import check_score, spell
from heedful.store.schema_collection import MOMENTS, THUMBS

MOOD = integer(0, 10)
LATEST = 253_402_300_799  # the last second of the year 9999
MOST_WORDS = 8_000  # characters
ABOUT = (
    Parameter("person", "used", PERSON, required=True),
    Parameter("conversation", "used", integer(1, 2**53 - 1)),
    Parameter("reply", "used", name(64)),
)
CONVERSATION = (
    Parameter("person", "used", PERSON, required=True),
    Parameter("messages", "used", rows(MESSAGE_SCHEMA), required=True),
    Parameter("model", "used", name(64)),
    Parameter("mood_before", "used", MOOD),
    Parameter("mood_after", "used", MOOD),
)
MOODS = (*ABOUT, Parameter("moment", "used", one_of(*MOMENTS), required=True), Parameter("value", "used", MOOD, required=True))
ASSESSMENTS = (
    *ABOUT,
    Parameter("instrument", "used", name(32), required=True),
    Parameter("score", "used", number(-1e9, 1e9), required=True),
    Parameter("taken_at", "used", integer(0, LATEST)),
)
FEEDBACK = (
    Parameter("reply", "used", name(64), required=True),
    Parameter("thumb", "used", one_of(*THUMBS)),
    Parameter("comment", "used", text(MOST_WORDS)),
    Parameter("corrected", "used", text(MOST_WORDS)),
)


def collecting_router(keeper: Keeper) -> APIRouter:
    router = APIRouter(dependencies=[allow()], responses=failures(400, 404, 409, 413, 415))

    @router.post("/api/conversations", openapi_extra=request_body(CONVERSATION))
    async def tell_conversation(request: Request) -> KeptConversation:
        """A conversation that was held elsewhere, as a whole. The same one told again keeps its number."""
        asked = check(CONVERSATION, await read_json(request))
        told = Told(asked["person"], read_conversation(asked["messages"]), asked.get("model", ""))
        return await keeper.write(lambda session: take_conversation(session, told, asked))

    @router.post("/api/moods", openapi_extra=request_body(MOODS))
    async def tell_mood(request: Request) -> KeptStatement:
        """How a person feels before or after: 0 is as bad as can be, 10 as good."""
        asked = check(MOODS, await read_json(request))
        kept = await keeper.write(lambda session: keep_mood(session, about(asked), asked["moment"], asked["value"]))
        return statement("mood", kept)

    @router.post("/api/assessments", openapi_extra=request_body(ASSESSMENTS))
    async def tell_assessment(request: Request) -> KeptStatement:
        """The total of a questionnaire. PHQ-9, GAD-7 and others that are known are checked for their range."""
        asked = check(ASSESSMENTS, await read_json(request))
        instrument, score = read_score(asked)
        taken = datetime.fromtimestamp(asked["taken_at"], UTC) if "taken_at" in asked else None
        kept = await keeper.write(lambda session: keep_assessment(session, about(asked), instrument, score, taken))
        return statement("assessment", kept)

    @router.post("/api/feedback", openapi_extra=request_body(FEEDBACK))
    async def tell_feedback(request: Request) -> KeptStatement:
        """A thumb, a comment, a better answer. The next dataset has the better answer in place of the reply."""
        asked = check(FEEDBACK, await read_json(request))
        said = Said(**asked, actor=actor_of(request), over=caller_of(request).role != "client")
        if not said.kinds():
            raise refusal(None, "The feedback is empty; allowed: at least one of thumb, comment, corrected.")
        return statement("feedback", await keeper.write(lambda session: keep_feedback(session, said)))

    return router


def read_conversation(given: list[Any]) -> Conversation:
    messages = tuple(read_message(row, f"messages[{number}]") for number, row in enumerate(given))
    if not {"user", "assistant"} <= {message.role for message in messages}:
        raise refusal("messages", "messages has no question or no answer; a conversation has both.")
    return Conversation(messages)


def take_conversation(session: Session, told: Told, asked: dict[str, Any]) -> KeptConversation:
    number = keep_conversation(session, told)
    for moment in MOMENTS:
        if f"mood_{moment}" in asked:
            keep_mood(session, About(told.person, number), moment, asked[f"mood_{moment}"])
    replies = [] if number is None else replies_of(session, number)
    references = [ReplyReference(id=reply.id, position=reply.position) for reply in replies]
    return KeptConversation(object="conversation", kept=number is not None, id=number, replies=references)


def about(asked: dict[str, Any]) -> About:
    if "conversation" in asked and "reply" in asked:
        raise refusal("reply", "conversation and reply are both set; either says which conversation it is: set one.")
    return About(asked["person"], asked.get("conversation"), asked.get("reply"))


def read_score(asked: dict[str, Any]) -> tuple[str, float]:
    try:
        instrument = spell(asked["instrument"])
        check_score(instrument, asked["score"])
    except StatementRefused as refused:
        raise refusal(refused.param, f"{refused.text}.") from None
    return instrument, float(asked["score"])


def statement(kind: Literal["mood", "assessment", "feedback"], kept: Any) -> KeptStatement:
    return KeptStatement(object=kind, kept=kept is not None, conversation=None if kept is None else kept.conversation_id)

"""/api/consent: what a person decides goes in; the newest decision on each purpose comes out."""

from fastapi import APIRouter, Query, Request
from sqlalchemy.orm import Session

from heedful.server.access import actor_of, allow
from heedful.server.body import read_json
from heedful.server.collection_schemas import ConsentState, DecisionEntry
from heedful.server.errors import failures
from heedful.server.keeping import Keeper
from heedful.server.kinds import name, one_of, text
from heedful.server.parameters import Parameter, check, request_body
from heedful.store.consent import Statement, decide_by_name, history
from heedful.store.persons import find_person

PERSON = name(256)
PARAMETERS = (
    Parameter("person", "used", PERSON, required=True),
    Parameter("purpose", "used", one_of("chat", "review", "training", "upstream"), required=True),
    Parameter("decision", "used", one_of("granted", "withdrawn"), required=True),
    Parameter("form", "used", text(64)),
)


def consents_router(keeper: Keeper) -> APIRouter:
    router = APIRouter(dependencies=[allow()], responses=failures(400, 409, 413, 415))

    @router.post("/api/consent", openapi_extra=request_body(PARAMETERS))
    async def decide_consent(request: Request) -> ConsentState:
        """A person allows a purpose, or no longer does. A new entry each time; nothing is overwritten."""
        asked = check(PARAMETERS, await read_json(request))
        statement = Statement(asked["purpose"], asked["decision"], actor_of(request), asked.get("form", ""))

        def enter(session: Session) -> ConsentState:
            decide_by_name(session, asked["person"], statement)
            return state_of(session, asked["person"])

        return await keeper.write(enter)

    @router.get("/api/consent")
    async def show_consent(person: str = Query(min_length=1, max_length=256)) -> ConsentState:
        """The newest decisions of a person; none for somebody who was never here, or is erased."""
        return await keeper.read(lambda session: state_of(session, person))

    return router


def state_of(session: Session, person: str) -> ConsentState:
    known = find_person(session, person)
    events = [] if known is None or known.erased else history(session, known.id)
    newest = {event.purpose: event for event in events}
    decisions = [
        DecisionEntry(
            purpose=event.purpose,
            decision=event.decision,
            version=event.version,
            form=event.form,
            actor=event.actor,
            decided_at=int(event.created_at.timestamp()),
        )
        for _, event in sorted(newest.items())
    ]
    return ConsentState(object="consent", person=person, decisions=decisions)

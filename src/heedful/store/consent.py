"""Consent: who allowed what, as an append-only history; a purpose in, the conversations that may serve it out.

The rule. The newest decision of the person counts, whatever an import said. A person who never decided is covered by a record that
the team owns or that is public. A record that names nobody is covered by any basis that its import stated. Nothing covers a record
without a basis. It is asked anew for every build, so a late consent and a late withdrawal both count from the next one on.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from heedful.errors import StatementRefused
from heedful.store.audit import record
from heedful.store.persons import find_or_add_persons
from heedful.store.schema import ConversationRow, Decision, Person, Purpose
from heedful.store.schema_trust import ConsentEvent
from heedful.store.scope import not_uploaded

OURS = ("owned", "public")  # a basis that needs nobody's consent, but gives way to a withdrawal


@dataclass(frozen=True, slots=True)
class Statement:
    """What is decided, who enters it, and what it rests on: the wording of a form, or an import."""

    purpose: Purpose
    decision: Decision
    actor: str
    form: str = ""
    import_id: int | None = None


def decide(session: Session, person_id: int, statement: Statement) -> ConsentEvent:
    """Append one event, with the next version of this person and purpose, and vouch for it in the audit trail."""
    newest = select(func.max(ConsentEvent.version)).where(
        ConsentEvent.person_id == person_id, ConsentEvent.purpose == statement.purpose
    )
    event = ConsentEvent(
        person_id=person_id,
        purpose=statement.purpose,
        version=(session.scalar(newest) or 0) + 1,
        decision=statement.decision,
        form=statement.form,
        import_id=statement.import_id,
        actor=statement.actor,
    )
    session.add(event)
    session.flush()
    detail = {"purpose": statement.purpose, "version": event.version}
    record(session, statement.actor, f"consent.{statement.decision}", f"person {person_id}", detail, [event])
    return event


def decide_by_name(session: Session, name: str, statement: Statement) -> int:
    """The same for somebody who may not be known yet. Returns the id of the person. Raises StatementRefused for an erased one."""
    person = find_or_add_persons(session, [name])[name]
    if session.get_one(Person, person.id).erased_at is not None:
        raise StatementRefused("this person was erased; whoever comes back on their own wish needs another name", "person")
    decide(session, person.id, statement)
    return person.id


def grant_undecided(session: Session, persons: Iterable[int], statement: Statement) -> list[ConsentEvent]:
    """Record what an import states for those who never decided on this purpose; who withdrew stays withdrawn.

    Returns the new events; the caller vouches for them with the event of its import.
    """
    decided = set(session.scalars(select(ConsentEvent.person_id).where(ConsentEvent.purpose == statement.purpose).distinct()))
    undecided = sorted(set(persons) - decided)
    events = [ConsentEvent(person_id=person, version=1, **asdict(statement)) for person in undecided]
    session.add_all(events)
    session.flush()
    return sorted(events, key=lambda event: event.id)


def history(session: Session, person_id: int) -> list[ConsentEvent]:
    """Oldest first."""
    return list(session.scalars(select(ConsentEvent).where(ConsentEvent.person_id == person_id).order_by(ConsentEvent.id)))


def newest_decision(session: Session, person_id: int, purpose: Purpose) -> Decision | None:
    """None when the person never decided."""
    query = select(ConsentEvent.decision).where(ConsentEvent.person_id == person_id, ConsentEvent.purpose == purpose)
    return session.scalars(query.order_by(ConsentEvent.version.desc()).limit(1)).first()


def permitted(purpose: Purpose, scope: ColumnElement[bool] | None = None) -> Select[int]:
    """Ids of the conversations that may serve a purpose, as a query to be used within others.

    `scope` is a condition of `store.scope`; without it, what was uploaded for a job of its own is not among them.
    """
    newest = aliased(ConsentEvent)
    later = aliased(ConsentEvent)
    overtaken = (
        select(later.id)
        .where(later.person_id == newest.person_id, later.purpose == newest.purpose, later.version > newest.version)
        .exists()
    )
    decided = and_(newest.person_id == ConversationRow.person_id, newest.purpose == purpose, ~overtaken)
    undecided = and_(newest.id.is_(None), ConversationRow.basis.in_(OURS))
    nobody = and_(ConversationRow.person_id.is_(None), ConversationRow.basis != "none")
    return (
        select(ConversationRow.id)
        .outerjoin(Person, Person.id == ConversationRow.person_id)
        .outerjoin(newest, decided)
        .where(Person.erased_at.is_(None), or_(newest.decision == "granted", undecided, nobody))
        .where(not_uploaded() if scope is None else scope)
    )


def consent_snapshot(session: Session) -> dict[str, int]:
    """What a dataset says of the consent it was built under: events so far, persons, and records by basis."""
    events, persons = session.scalar(select(func.max(ConsentEvent.id))), session.scalar(select(func.count(Person.id)))
    counted = session.execute(
        select(ConversationRow.basis, func.count()).group_by(ConversationRow.basis).order_by(ConversationRow.basis)
    )
    return {"events": events or 0, "persons": persons or 0, **{f"basis_{basis}": count for basis, count in counted}}


def count_withheld(session: Session, purpose: Purpose, scope: ColumnElement[bool] | None = None) -> int:
    """How many stored conversations of the scope may not serve a purpose."""
    within = not_uploaded() if scope is None else scope
    there = select(func.count()).select_from(ConversationRow).where(within, ConversationRow.id.not_in(permitted(purpose, scope)))
    return session.scalar(there) or 0

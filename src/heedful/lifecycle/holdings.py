"""Holdings: a person in; what is held of them, what they decided, and every dataset and model that their words are in, out."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from heedful.errors import StoreError
from heedful.registry.aliases import current_aliases
from heedful.registry.lineage import Learner, learners
from heedful.registry.versions import quarantined_models
from heedful.store.collection import count_statements
from heedful.store.consent import history
from heedful.store.database import Store
from heedful.store.persons import find_person, name_of
from heedful.store.schema import Basis, ConversationRow, DatasetMember, Decision, MessageRow, Person, Purpose
from heedful.store.schema_trust import ConsentEvent


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision, as it was entered. `rests_on` is the form or the import behind it."""

    purpose: Purpose
    version: int
    decision: Decision
    rests_on: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Lines:
    """How many lines of a dataset the person's conversations are in, by split. `removed`: the files are gone."""

    dataset: str
    lines: dict[str, int]


@dataclass(frozen=True, slots=True)
class Reached:
    """A model that the person's words reached; see `registry.lineage.Learner`."""

    model: str
    via: str
    roles: tuple[str, ...]
    aliases: tuple[str, ...]
    quarantined: bool


@dataclass(frozen=True, slots=True)
class Holdings:
    """All that the workspace knows of one person, without a word of theirs."""

    person: str
    erased_at: datetime | None
    conversations: int
    messages: int
    statements: dict[str, int]  # moods, assessments, feedback
    basis: dict[Basis, int]
    since: datetime
    decisions: tuple[Decided, ...]
    datasets: tuple[Lines, ...]
    models: tuple[Reached, ...]

    def decision(self, purpose: Purpose) -> Decision | None:
        """The newest; None when they never decided."""
        return next((decided.decision for decided in reversed(self.decisions) if decided.purpose == purpose), None)


@dataclass(frozen=True, slots=True)
class Listed:
    """One person in the list."""

    person: str
    conversations: int
    decisions: dict[Purpose, Decision]


def person_named(session: Session, name: str) -> int:
    """Raises StoreError for a name that was never here."""
    known = find_person(session, name)
    if known is None:
        raise StoreError(f"nobody is known as {name!r}", "heedful consent list shows who is")
    return known.id


def holdings_of(store: Store, name: str) -> Holdings:
    """Raises StoreError for a name that was never here. An erased person is shown as erased."""
    with store.snapshot() as session:
        return look_up(session, session.get_one(Person, person_named(session, name)), name)


def look_up(session: Session, person: Person, name: str) -> Holdings:
    rows = session.scalars(select(ConversationRow).where(ConversationRow.person_id == person.id)).all()
    ids = [row.id for row in rows]
    owned = select(ConversationRow.id).where(ConversationRow.person_id == person.id)
    messages = session.scalar(select(func.count()).select_from(MessageRow).where(MessageRow.conversation_id.in_(owned)))
    return Holdings(
        person=name,
        erased_at=person.erased_at,
        conversations=len(ids),
        messages=messages or 0,
        statements=count_statements(session, person.id),
        basis=dict(sorted(Counter(row.basis for row in rows).items())),
        since=person.created_at,
        decisions=tuple(map(to_decided, history(session, person.id))),
        datasets=tuple(lines_of(session, person.id)),
        models=tuple(to_reached(session, learner) for learner in learners(session, person.id)),
    )


def lines_of(session: Session, person_id: int) -> list[Lines]:
    query = (
        select(DatasetMember.dataset_id, DatasetMember.split, func.count())
        .join(ConversationRow, ConversationRow.id == DatasetMember.conversation_id)
        .where(ConversationRow.person_id == person_id)
        .group_by(DatasetMember.dataset_id, DatasetMember.split)
        .order_by(DatasetMember.dataset_id, DatasetMember.split)
    )
    found: dict[str, dict[str, int]] = {}
    for dataset, split, count in session.execute(query):
        found.setdefault(dataset, {})[split] = count
    return [Lines(dataset, counts) for dataset, counts in found.items()]


def to_decided(event: ConsentEvent) -> Decided:
    rests_on = event.form if event.import_id is None else f"import {event.import_id}"
    return Decided(event.purpose, event.version, event.decision, rests_on, event.actor, event.created_at)


def to_reached(session: Session, learner: Learner) -> Reached:
    aliases = tuple(sorted(alias for alias, model in current_aliases(session).items() if model == learner.model))
    return Reached(learner.model, learner.via, learner.roles, aliases, learner.model in quarantined_models(session))


def list_persons(store: Store) -> list[Listed]:
    """Everybody who is not erased, in the order in which they came."""
    with store.snapshot() as session:
        held = select(ConversationRow.person_id, func.count()).group_by(ConversationRow.person_id)
        counts = dict(session.execute(held).all())
        decisions: dict[int, dict[Purpose, Decision]] = {}
        for event in session.scalars(select(ConsentEvent).order_by(ConsentEvent.id)):
            decisions.setdefault(event.person_id, {})[event.purpose] = event.decision
        persons = session.scalars(select(Person).where(Person.erased_at.is_(None)).order_by(Person.id))
        return [Listed(name_of(session, p) or "", counts.get(p.id, 0), decisions.get(p.id, {})) for p in persons]

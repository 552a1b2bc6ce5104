"""Lineage: what a model learned from, recorded when it is registered, in; the models that learned from a person out.

A row says that a model learned from a conversation (train, replay, knowledge) or was chosen by it (eval: its validation split stops
training, its test split proves the result). What an ancestor learned is not repeated: parents are followed when somebody asks, so
that the answer is closed over all generations. Nothing is subtracted: a generation that was taken off a stack has still shaped
those that were trained on top of it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from heedful.errors import RegistryError
from heedful.store.batches import batches
from heedful.store.consent import permitted
from heedful.store.schema import ConversationRow, DatasetMember, DatasetVersion, LineageRole, ModelVersion, Person, Split
from heedful.store.schema_trust import LEARNING, Membership
from heedful.store.scope import everything

BATCH = 4_000
ALL = "all"


Line = tuple[str, LineageRole, int, int | None]  # dataset, role, conversation, person


@dataclass(frozen=True, slots=True)
class Share:
    """What was taken from one dataset: a role, and the lines of train.jsonl from 0, or None for all of them."""

    dataset: str
    role: LineageRole
    lines: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Learner:
    """A model that a person's words reached. `via` is the ancestor that learned from them, or the model itself."""

    model: str
    via: str
    roles: tuple[LineageRole, ...]

    @property
    def learned(self) -> bool:
        """False when the person's words only judged the model."""
        return bool(LEARNING & set(self.roles))


def shares_of(manifest: Mapping[str, Any]) -> list[Share]:
    """`learned_from` of a model's manifest; without it, all train lines of its dataset. Raises RegistryError for a wrong role."""
    told = manifest.get("learned_from")
    if told is None:
        return [Share(manifest["dataset"], "train")]
    return [share_of(entry) for entry in told]


def share_of(entry: Mapping[str, Any]) -> Share:
    role, lines = entry["role"], entry.get("lines", ALL)
    if role not in LEARNING:
        raise RegistryError(f"learned_from has the role {role!r}; there is: {', '.join(sorted(LEARNING))}")
    return Share(entry["dataset"], role, None if lines == ALL else frozenset(lines))


def record_lineage(session: Session, model_id: str, dataset_id: str, shares: Iterable[Share]) -> None:
    """Rows of one model, in the transaction that registers it. Rows that it has already, for equal weights, are left as they are.

    Raises RegistryError when a dataset was removed, or a person in it erased, since the training began: the model must not be kept.
    """
    found = {row for share in shares for row in learned(session, share)} | set(judged(session, dataset_id))
    columns = (Membership.dataset_id, Membership.role, Membership.conversation_id, Membership.person_id)
    there = set(session.execute(select(*columns).where(Membership.model_id == model_id)))
    for batch in batches(sorted(found - there, key=itemgetter(0, 1, 2)), BATCH):
        rows = [
            {"model_id": model_id, "dataset_id": dataset, "role": role, "conversation_id": conversation, "person_id": person}
            for dataset, role, conversation, person in batch
        ]
        session.execute(insert(Membership), rows)


def learned(session: Session, share: Share) -> Iterator[Line]:
    version = session.get(DatasetVersion, share.dataset)
    if version is not None and version.erasure_id is not None:
        raise erased_meanwhile(f"dataset {share.dataset} was removed")
    for split, position, conversation, person, erased in members(session, share.dataset):
        if split != "train" or (share.lines is not None and position not in share.lines):
            continue
        if erased:
            raise erased_meanwhile("a person it learned from was erased")
        yield share.dataset, share.role, conversation, person


def judged(session: Session, dataset_id: str) -> Iterator[Line]:
    for split, _, conversation, person, _ in members(session, dataset_id):
        if split != "train":
            yield dataset_id, "eval", conversation, person


def members(session: Session, dataset_id: str) -> Iterator[tuple[Split, int, int, int | None, bool]]:
    """(split, line, conversation, person, whether the person is erased) of every member of a dataset."""
    query = (
        select(
            DatasetMember.split,
            DatasetMember.position,
            DatasetMember.conversation_id,
            ConversationRow.person_id,
            Person.erased_at.is_not(None),
        )
        .join(ConversationRow, ConversationRow.id == DatasetMember.conversation_id)
        .outerjoin(Person, Person.id == ConversationRow.person_id)
        .where(DatasetMember.dataset_id == dataset_id)
    )
    yield from session.execute(query)


def erased_meanwhile(what: str) -> RegistryError:
    return RegistryError(
        f"{what} while the model was trained, so the model is not kept", "heedful dataset build, then heedful train"
    )


def learners(session: Session, person_id: int) -> list[Learner]:
    """Every model that learned from a person or was judged by them, itself or through an ancestor; oldest first."""
    direct: dict[str, set[LineageRole]] = {}
    query = select(Membership.model_id, Membership.role).where(Membership.person_id == person_id).distinct()
    for model, role in session.execute(query):
        direct.setdefault(model, set()).add(role)
    parents = parents_of(session)
    found = (reached(model, direct, parents) for model in parents)
    return [learner for learner in found if learner is not None]


def reached(model: str, direct: Mapping[str, set[LineageRole]], parents: Mapping[str, str | None]) -> Learner | None:
    """How a person's words came to a model, along the shortest way. What only judged an ancestor went no further."""
    for via in generations(model, parents):
        roles = direct.get(via, set())
        if roles & LEARNING:
            return Learner(model, via, tuple(sorted(roles if via == model else roles & LEARNING)))
    return Learner(model, model, tuple(sorted(direct[model]))) if model in direct else None


def withdrawn(session: Session, model_id: str) -> tuple[int, int]:
    """(conversations without permission any more, all conversations) that a model or an ancestor of it learned from."""
    known = list(generations(model_id, parents_of(session)))
    learned = select(Membership.conversation_id).where(Membership.model_id.in_(known), Membership.role.in_(LEARNING)).distinct()
    rows = learned.subquery()
    without = select(func.count()).select_from(rows).where(rows.c.conversation_id.not_in(permitted("training", everything())))
    return session.scalar(without) or 0, session.scalar(select(func.count()).select_from(rows)) or 0


def parents_of(session: Session) -> dict[str, str | None]:
    """Every model with its parent, oldest first."""
    query = select(ModelVersion.id, ModelVersion.parent_id).order_by(ModelVersion.created_at, ModelVersion.id)
    return dict(session.execute(query).all())


def generations(model: str, parents: Mapping[str, str | None]) -> Iterator[str]:
    """The model, its parent, the parent of that, and so on."""
    current: str | None = model
    while current is not None:
        yield current
        current = parents.get(current)

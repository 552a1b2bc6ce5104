"""Reviews: conversations that met a rule, in; what a reviewer decided about each, kept for every later build, out.

A decision belongs to a conversation and a rule. The same conversation imported again is the same row, so it is decided still.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, delete, func, insert, select
from sqlalchemy.orm import Session

from heedful.errors import StoreError
from heedful.store.audit import record
from heedful.store.batches import batches
from heedful.store.cipher import seal
from heedful.store.consent import permitted
from heedful.store.conversations import place_of_correction
from heedful.store.schema import ConversationRow, ReviewStatus, utc_now
from heedful.store.schema_review import Correction, ReviewItem
from heedful.store.scope import everything, not_uploaded
from heedful.store.vault import find_key

BATCH = 2_000
Spans = Sequence[Sequence[int]]  # [position, start, end] each; none: the conversation as a whole
Met = Mapping[str, Spans]  # rule -> where it was met


@dataclass(frozen=True, slots=True)
class Waiting:
    """One item of the queue."""

    id: int
    conversation: int
    rule: str
    spans: Spans


def enqueue(session: Session, met: Mapping[int, Met], scope: ColumnElement[bool] | None = None) -> None:
    """What awaits a reviewer is exactly this from now on, as far as it is not decided, of the scope as `permitted` takes it.

    `met` is by id of the conversation.
    """
    items = list(session.scalars(select(ReviewItem).where(ReviewItem.conversation_id.in_(of(scope)))))
    for item in items:
        if item.status == "awaiting" and item.rule not in met.get(item.conversation_id, {}):
            session.delete(item)
    known = {(item.conversation_id, item.rule) for item in items}
    there = set(session.scalars(select(ConversationRow.id)))  # somebody may have been erased since they were read
    fresh = (
        {"conversation_id": conversation, "rule": rule, "spans": [list(span) for span in spans]}
        for conversation, rules in met.items()
        for rule, spans in rules.items()
        if (conversation, rule) not in known and conversation in there
    )
    for batch in batches(fresh, BATCH):
        session.execute(insert(ReviewItem), batch)


def of(scope: ColumnElement[bool] | None) -> Select[int]:
    return select(ConversationRow.id).where(not_uploaded() if scope is None else scope)


def is_current(session: Session, met: Mapping[int, Met], scope: ColumnElement[bool] | None = None) -> bool:
    """Whether `enqueue` would change nothing."""
    query = select(ReviewItem.conversation_id, ReviewItem.rule, ReviewItem.status)
    rows = session.execute(query.where(ReviewItem.conversation_id.in_(of(scope)))).all()
    wanted = {(conversation, rule) for conversation, rules in met.items() for rule in rules}
    known = {(conversation, rule) for conversation, rule, _ in rows}
    stale = any(status == "awaiting" and (conversation, rule) not in wanted for conversation, rule, status in rows)
    return wanted <= known and not stale


def decisions(session: Session) -> dict[int, dict[str, ReviewStatus]]:
    """By id of the conversation and rule, those that were made."""
    found: dict[int, dict[str, ReviewStatus]] = defaultdict(dict)
    query = select(ReviewItem.conversation_id, ReviewItem.rule, ReviewItem.status).where(ReviewItem.status != "awaiting")
    for conversation, rule, status in session.execute(query):
        found[conversation][rule] = status
    return dict(found)


def waiting(session: Session) -> list[Waiting]:
    """What a person may look at now, oldest conversation first: those who did not allow a review are not shown."""
    query = (
        select(ReviewItem)
        .where(ReviewItem.status == "awaiting", ReviewItem.conversation_id.in_(permitted("review", everything())))
        .order_by(ReviewItem.conversation_id, ReviewItem.rule)
    )
    return [Waiting(item.id, item.conversation_id, item.rule, item.spans) for item in session.scalars(query)]


def count_reviews(session: Session) -> dict[str, dict[str, int]]:
    """Rule -> status -> how many."""
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    query = select(ReviewItem.rule, ReviewItem.status, func.count()).group_by(ReviewItem.rule, ReviewItem.status)
    for rule, status, count in session.execute(query.order_by(ReviewItem.rule)):
        counted[rule][status] = count
    return {rule: dict(counts) for rule, counts in counted.items()}


def decide_review(session: Session, item_id: int, status: ReviewStatus, actor: str) -> ReviewStatus:
    """`awaiting` opens it again. Returns what it was. Raises StoreError when it is gone: its person was erased meanwhile."""
    item = session.get(ReviewItem, item_id)
    if item is None:
        raise StoreError("what was shown is no longer there; it was erased meanwhile", "heedful review")
    before, item.status, item.actor = item.status, status, actor
    item.decided_at = None if status == "awaiting" else utc_now()
    record(session, actor, "review", f"conversation {item.conversation_id}", {"rule": item.rule, "status": status})
    return before


def correct(session: Session, conversation_id: int, texts: Mapping[int, str]) -> None:
    """What stands in place of these messages from the next dataset on. The messages stay as they came."""
    row = session.get_one(ConversationRow, conversation_id)
    key, place = find_key(session, row.key_id), f"{row.fingerprint}:{row.occurrence}"
    for position, text in texts.items():
        sealed = seal(key, text.encode(), place_of_correction(place, position))
        session.merge(Correction(conversation_id=conversation_id, position=position, sealed_content=sealed))


def uncorrect(session: Session, conversation_id: int, positions: Sequence[int]) -> None:
    here = (Correction.conversation_id == conversation_id) & Correction.position.in_(positions)
    session.execute(delete(Correction).where(here))

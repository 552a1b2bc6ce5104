"""Retrains: what erasures and withdrawals left to be trained anew, out; a clean version that was registered, in, settles it."""

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, aliased

from heedful.registry.aliases import CHAMPION, current_aliases
from heedful.registry.lineage import generations, parents_of
from heedful.registry.versions import quarantined_models
from heedful.store.audit import record
from heedful.store.schema import ConversationRow, DatasetMember, Person, utc_now
from heedful.store.schema_trust import LEARNING, ConsentEvent, Erasure, Membership, PlannedRetrain
from heedful.store.scope import not_uploaded


def open_retrains(session: Session) -> list[PlannedRetrain]:
    """Oldest first."""
    return list(session.scalars(select(PlannedRetrain).where(PlannedRetrain.settled_at.is_(None)).order_by(PlannedRetrain.id)))


def retrains_due(session: Session, since: datetime) -> list[PlannedRetrain]:
    """Those of erasures that ended after `since`. One that is under way would stop the build of a dataset, so it is waited for."""
    ended = select(Erasure.id).where(Erasure.state == "done", Erasure.ended_at > since)
    return [plan for plan in open_retrains(session) if plan.erasure_id in set(session.scalars(ended))]


def withdrawn_from_champion(session: Session, since: datetime) -> list[int]:
    """Persons who no longer allow training, said so after `since`, and are in what the champion or one below it learned from."""
    champion = current_aliases(session).get(CHAMPION)
    if champion is None:
        return []
    known = list(generations(champion, parents_of(session)))
    taught = exists().where(
        Membership.person_id == ConsentEvent.person_id, Membership.model_id.in_(known), Membership.role.in_(LEARNING)
    )
    later = aliased(ConsentEvent)
    overtaken = exists().where(
        later.person_id == ConsentEvent.person_id, later.purpose == "training", later.version > ConsentEvent.version
    )
    query = (
        select(ConsentEvent.person_id)
        .join(Person, Person.id == ConsentEvent.person_id)
        .where(ConsentEvent.purpose == "training", ConsentEvent.decision == "withdrawn", ConsentEvent.created_at > since)
        .where(Person.erased_at.is_(None), ~overtaken, taught)
    )
    return sorted(session.scalars(query))


def settle_retrains(session: Session, model_id: str, dataset_id: str, actor: str) -> list[PlannedRetrain]:
    """A clean version is there: what was planned is done, and the trail says so for each erasure.

    The model of a fine-tuning job learned from its file alone, so it is nobody's successor.
    """
    plans = open_retrains(session)
    if not plans or model_id in quarantined_models(session) or not learned_from_all(session, dataset_id):
        return []
    for plan in plans:
        plan.settled_by, plan.settled_at = model_id, utc_now()
        erasure = session.get_one(Erasure, plan.erasure_id)
        told = {"erasure": erasure.id, "receipt": erasure.detail["receipt"], "retrain": plan.model_id, "by": model_id}
        record(session, actor, "erase.retrained", f"person {erasure.person_id}", told)
    return plans


def learned_from_all(session: Session, dataset_id: str) -> bool:
    """Whether a dataset is of the store, not of the files of a job."""
    same = ConversationRow.id == DatasetMember.conversation_id
    own = select(DatasetMember.dataset_id).join(ConversationRow, same).where(DatasetMember.dataset_id == dataset_id, not_uploaded())
    return session.scalars(own.limit(1)).first() is not None

"""Aliases: names that point to a version. Append-only events; the newest event of an alias is what it points to."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from heedful.store.audit import record
from heedful.store.schema import AliasEvent

CHAMPION, PREVIOUS = "champion", "previous"
FINE_TUNED = "ft:"  # what the name of a fine-tuning job's model begins with; it points to one version, or to none any more


def current_aliases(session: Session) -> dict[str, str]:
    """Alias -> model id, for aliases that point somewhere."""
    pointing: dict[str, str | None] = {}
    for event in session.scalars(select(AliasEvent).order_by(AliasEvent.id)):
        pointing[event.alias] = event.to_model
    return {alias: model for alias, model in pointing.items() if model is not None}


def point(session: Session, alias: str, to_model: str | None, actor: str, reason: str, report_id: str | None = None) -> None:
    """Append one event, and vouch for it in the audit trail. Moving an alias to where it points already writes nothing."""
    before = current_aliases(session).get(alias)
    if before == to_model:
        return
    event = AliasEvent(alias=alias, from_model=before, to_model=to_model, actor=actor, reason=reason, report_id=report_id)
    session.add(event)
    session.flush()
    record(session, actor, "alias", alias, {"from": before, "to": to_model}, [event])


def fell_to_base(session: Session) -> bool:
    """Whether there was a champion and none is left: an erasure quarantined it, and no clean version could take its place."""
    newest = session.scalars(select(AliasEvent).where(AliasEvent.alias == CHAMPION).order_by(AliasEvent.id.desc()).limit(1)).first()
    return newest is not None and newest.to_model is None

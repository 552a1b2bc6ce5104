"""The audit trail: who did what to which thing, in; one row that nobody can change, out."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from heedful.store.schema import AuditEvent


def record(session: Session, actor: str, action: str, subject: str, detail: Mapping[str, Any]) -> None:
    """Append one event to the caller's transaction, so that the act and its trace are kept or lost together.

    `detail` takes ids, hashes and counts; never the text of a person.
    """
    session.add(AuditEvent(actor=actor, action=action, subject=subject, detail=dict(detail)))
    session.flush()

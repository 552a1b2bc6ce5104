"""Imports: which files the stored conversations came from."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from heedful.store.schema import ConversationRow, Import


@dataclass(frozen=True, slots=True)
class Contribution:
    """A file and how many of the stored conversations came from that reading of it."""

    path: str
    format: str
    sha256: str
    conversations: int


def contributions(session: Session) -> list[Contribution]:
    """Oldest import first. A reading that added nothing is not among them."""
    query = (
        select(Import.path, Import.format, Import.sha256, func.count(ConversationRow.id))
        .join(ConversationRow, ConversationRow.import_id == Import.id)
        .group_by(Import.id, Import.path, Import.format, Import.sha256)
        .order_by(Import.id)
    )
    return [Contribution(*found) for found in session.execute(query)]

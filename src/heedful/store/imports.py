"""Imports: which files the stored conversations came from."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from heedful.store.consent import permitted
from heedful.store.schema import ConversationRow, Import


@dataclass(frozen=True, slots=True)
class Contribution:
    """A file and how many of the stored conversations came from that reading of it."""

    path: str
    format: str
    sha256: str
    conversations: int


def contributions(session: Session, scope: ColumnElement[bool] | None = None) -> list[Contribution]:
    """Of what may be trained on, within a scope as `permitted` takes it.

    Oldest import first; a reading that added nothing of it is not among them.

    A path may name a person, so a dataset must not list the file of somebody who is not in it.
    """
    query = (
        select(Import.path, Import.format, Import.sha256, func.count(ConversationRow.id))
        .join(ConversationRow, ConversationRow.import_id == Import.id)
        .where(ConversationRow.id.in_(permitted("training", scope)))
        .group_by(Import.id, Import.path, Import.format, Import.sha256)
        .order_by(Import.id)
    )
    return [Contribution(*found) for found in session.execute(query)]

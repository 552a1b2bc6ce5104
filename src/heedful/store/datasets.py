"""Dataset versions and their membership: which conversation is which line of which file. One call writes all of a version."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from heedful.store.batches import batches
from heedful.store.schema import DatasetMember, DatasetVersion, Split

BATCH = 5_000


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """What the store keeps of a dataset directory."""

    id: str
    manifest_sha256: str
    counts: dict[str, int]
    settings: dict[str, Any]
    created_at: datetime


def is_registered(session: Session, record: DatasetRecord) -> bool:
    """Whether the store holds this version with this very manifest."""
    version = session.get(DatasetVersion, record.id)
    return version is not None and version.manifest_sha256 == record.manifest_sha256 and version.pruned_at is None


def register_dataset(session: Session, record: DatasetRecord, members: Iterable[tuple[int, Split, int]]) -> None:
    """Write a version and its (conversation id, split, line) rows.

    Rows of a version whose directory was lost are replaced: the texts are the same, for the id is a hash of them, but the
    conversations may have been imported anew since, under other ids.
    """
    session.execute(delete(DatasetMember).where(DatasetMember.dataset_id == record.id))
    session.merge(DatasetVersion(**asdict(record), pruned_at=None))
    session.flush()
    for batch in batches(members, BATCH):
        values = [{"dataset_id": record.id, "conversation_id": key, "split": split, "position": line} for key, split, line in batch]
        session.execute(insert(DatasetMember), values)

"""Uploads: the bytes of a file in; sealed parts with a key of their own, and later conversations for the jobs on it, out."""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import delete, exists, func, insert, select
from sqlalchemy.orm import Session

from heedful.conversation import Conversation
from heedful.store.audit import record
from heedful.store.batches import batches
from heedful.store.cipher import seal, unseal
from heedful.store.conversations import Fresh, Identity, insert_messages, insert_rows, stored_identities
from heedful.store.occurrences import counting
from heedful.store.schema import ConversationRow, DatasetMember, Import
from heedful.store.schema_trust import DataKey
from heedful.store.schema_uploads import Purpose, Upload, UploadPart, UploadRow
from heedful.store.scope import UPLOADED
from heedful.store.vault import digest, find_key, make_keys, seal_text, unseal_text

PART_BYTES = 2**20
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Sent:
    """A file as it came. Of one to learn from, `rows` were counted; `problem` is empty where all of them can be learned from."""

    owner: int
    name: str
    content: bytes
    sha256: str
    rows: int = 0
    problem: str = ""
    purpose: Purpose = "fine-tune"


def add_upload(session: Session, sent: Sent, actor: str) -> Upload:
    (key_id,) = make_keys(session, 1)
    file_id = f"file-{uuid.uuid4().hex}"
    made = Upload(
        id=file_id,
        owner=sent.owner,
        purpose=sent.purpose,
        key_id=key_id,
        sealed_name=seal_text(session, key_id, sent.name, f"file name:{file_id}"),
        size=len(sent.content),
        rows=sent.rows,
        sha256=sent.sha256,
        status="error" if sent.problem else "processed",
        problem=sent.problem,
    )
    session.add(made)
    session.flush()
    key = find_key(session, key_id)
    pieces = (sent.content[start : start + PART_BYTES] for start in range(0, len(sent.content), PART_BYTES))
    for number, piece in enumerate(pieces):
        session.add(UploadPart(upload_id=file_id, number=number, sealed_content=seal(key, piece, place_of_part(file_id, number))))
    record(session, actor, "file.uploaded", file_id, {"bytes": made.size, "rows": made.rows, "status": made.status})
    return made


def name_of(session: Session, upload: Upload) -> str:
    return unseal_text(session, upload.key_id, upload.sealed_name, f"file name:{upload.id}")


def content_of(session: Session, upload: Upload) -> bytes:
    key = find_key(session, upload.key_id)
    query = select(UploadPart.number, UploadPart.sealed_content).where(UploadPart.upload_id == upload.id)
    parts = session.execute(query.order_by(UploadPart.number))
    return b"".join(unseal(key, sealed, place_of_part(upload.id, number)) for number, sealed in parts)


def place_of_part(file_id: str, number: int) -> str:
    return f"file:{file_id}:{number}"


def list_uploads(session: Session, owner: int | None) -> list[Upload]:
    """The newest first; those of one key, or all."""
    query = select(Upload).order_by(Upload.created_at.desc(), Upload.id.desc())
    return list(session.scalars(query if owner is None else query.where(Upload.owner == owner)))


def remove_upload(session: Session, upload: Upload, actor: str) -> None:
    """The file and its key. Its conversations go too, but for those that a dataset was made of: these are lineage."""
    elsewhere = exists().where(UploadRow.conversation_id == ConversationRow.id, UploadRow.file_id != upload.id)
    of_it = select(UploadRow.conversation_id).where(UploadRow.file_id == upload.id)
    in_datasets = exists().where(DatasetMember.conversation_id == ConversationRow.id)
    session.execute(delete(ConversationRow).where(ConversationRow.id.in_(of_it), ~elsewhere, ~in_datasets))
    session.execute(delete(UploadRow).where(UploadRow.file_id == upload.id))
    session.delete(upload)
    session.flush()
    session.execute(delete(DataKey).where(DataKey.id == upload.key_id))
    record(session, actor, "file.deleted", upload.id, {"bytes": upload.size})


def take_rows(session: Session, file_id: str, sha256: str, conversations: Iterable[Conversation], actor: str) -> int:
    """The conversations of a file, for the jobs on it; how many there are. Done once, whoever asks again.

    What another file or an import brought as well is apart from it: an upload serves its own jobs only. The team owns what it
    uploads; that is the basis.
    """
    known = session.scalar(select(func.count()).select_from(UploadRow).where(UploadRow.file_id == file_id)) or 0
    if known:
        return known
    entry = Import(path=file_id, format=UPLOADED, sha256=sha256, basis="owned")
    session.add(entry)
    session.flush()
    with counting(session) as count:
        for batch in batches(conversations, BATCH):
            prints = [digest(session, "conversation", f"upload\0{one.fingerprint()}") for one in batch]
            identified = dict(zip(zip(prints, count(prints), strict=True), batch, strict=True))
            entry.rows += len(batch)
            entry.added += insert_missing(session, entry, identified)
            rows = [{"file_id": file_id, "conversation_id": one} for one in ids_of(session, identified)]
            session.execute(insert(UploadRow), rows)
    entry.known = entry.rows - entry.added
    record(session, actor, "import", f"import {entry.id}", {"added": entry.added, "known": entry.known, "basis": entry.basis})
    return entry.rows


def insert_missing(session: Session, entry: Import, identified: dict[Identity, Conversation]) -> int:
    stored = stored_identities(session, {fingerprint for fingerprint, _ in identified})
    missing = {identity: one for identity, one in identified.items() if identity not in stored}
    if not missing:
        return 0
    if entry.key_id is None:
        (entry.key_id,) = make_keys(session, 1)
    key_id = entry.key_id
    fresh = {identity: Fresh(number, one, None, key_id) for number, (identity, one) in enumerate(missing.items(), entry.rows)}
    insert_messages(session, insert_rows(session, entry, fresh), fresh)
    return len(fresh)


def ids_of(session: Session, identities: Iterable[Identity]) -> Iterator[int]:
    wanted = set(identities)
    query = select(ConversationRow.id, ConversationRow.fingerprint, ConversationRow.occurrence)
    for key, fingerprint, occurrence in session.execute(query.where(ConversationRow.fingerprint.in_({one for one, _ in wanted}))):
        if (fingerprint, occurrence) in wanted:
            yield key

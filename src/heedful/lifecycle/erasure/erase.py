"""Erase: a person in; everything of theirs gone, in an order in which a kill at any moment does no harm, and a receipt out.

1. begun     one transaction: the person counts as erased, models that learned from them are quarantined, aliases point to clean
             versions, a retrain is planned, all of it is in the audit trail. From here on nothing serves, trains on or imports
             them. Then the ledger, which outlives the database.
2. files     reports, datasets, unfinished work.
3. searched  with the texts still at hand, every byte of the workspace.
4. removed   one transaction: rows, name, key.
5. compact   pages and log of the database hold nothing that was removed.
6. done      every byte again, and the receipt.

Each step can be done again, so the next call goes on where a kill stopped this one.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import select
from sqlalchemy.orm import Session

from heedful.errors import StoreError
from heedful.knowledge.index import open_index
from heedful.lifecycle.erasure.affected import affected_by, conversations_of, reports_about
from heedful.lifecycle.erasure.files import (
    fingerprints_of,
    redact_report,
    remove,
    remove_datasets,
    remove_orphans,
    remove_served,
    remove_unfinished,
)
from heedful.lifecycle.erasure.rows import count_naming, forget_names, mark_removed, remove_rows
from heedful.lifecycle.erasure.traces import Found, Hit, Needles, Observe, is_searched, is_short, names, needles_of, search
from heedful.lifecycle.receipts import Receipt, new_name, write_receipt
from heedful.registry.quarantine import quarantine
from heedful.store.audit import Wanted, head, list_events, record
from heedful.store.collection import COLLECTED
from heedful.store.conversations import iterate_conversations
from heedful.store.database import Store
from heedful.store.feedback import comments_of
from heedful.store.ledger import Entry, add_entry
from heedful.store.persons import find_person, name_of
from heedful.store.schema import ConversationRow, Import, Person, utc_now
from heedful.store.schema_trust import Erasure, PlannedRetrain, VaultRow
from heedful.workspace import MANIFEST, Workspace

LOCK = ".erasing.lock"
KNOWLEDGE = "knowledge"  # the folder of the workspace
CARDS = ("card.md", "card.html")  # of a dataset: counts and file names, no words
Watch = Callable[[str, int, int | None], None]  # stage, done, total


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure came to. `found` are places where something of the person is left: nothing, if all went well."""

    erasure: int
    receipt: Path
    detail: dict[str, Any]
    found: Found
    remaining: tuple[str, ...]


def erase(workspace: Workspace, store: Store, person_id: int, actor: str, watch: Watch, name: str | None = None) -> Erased:
    """Begin, or go on with what was begun. `name` is only needed for the search when the row's own is gone already.

    Raises StoreError while another erasure runs, or when another program reads the database all the time.
    """
    try:
        with FileLock(workspace.root / LOCK, timeout=0):
            erasure_id = begin(workspace, store, person_id, actor)
            watch("begun", 0, None)
            return carry_on(workspace, store, erasure_id, watch, name)
    except Timeout:
        raise StoreError("another erasure is running", "wait for it, then try again") from None


def verify(
    workspace: Workspace, store: Store, name: str, phrases: Iterable[str], observe: Observe | None = None
) -> tuple[Found, Needles]:
    """Search every byte of the workspace for a name and phrases; those parts that somebody else said too are not searched."""
    with store.snapshot() as session:
        known = find_person(session, name)
        needles = needles_of(name, phrases, texts_of(session, -1 if known is None else known.id, own=False))
    return look(workspace, store, needles, observe), needles


def look(workspace: Workspace, store: Store, needles: Needles, observe: Observe | None) -> Found:
    """Every byte; and, where pages could hold a short name by chance, the columns of the database and the documents as well."""
    found = search(workspace.root, needles, observe)
    if needles.name is None or not is_short(needles.name):
        return found
    with store.snapshot() as session:
        rows = count_naming(session, needles.name)
    index = open_index(workspace)
    chunks = 0 if index is None else sum(names(text, needles.name) for text in index.texts())
    places = ((workspace.database.name, rows), (workspace.knowledge.name, chunks))
    return replace(found, hits=(*found.hits, *(Hit(place, count, 0) for place, count in places if count)))


def begin(workspace: Workspace, store: Store, person_id: int, actor: str) -> int:
    """The transaction from which on the person is erased for everybody who looks. Returns the id of the erasure."""
    with store.session() as session:
        there = session.scalars(select(Erasure).where(Erasure.person_id == person_id)).first()
        if there is not None:
            return there.id
        person = session.get_one(Person, person_id)
        person.erased_at = utc_now()
        affected = affected_by(session, workspace, person_id)
        erasure = Erasure(person_id=person_id, state="begun", detail={}, actor=actor)
        session.add(erasure)
        session.flush()
        moved = quarantine(session, workspace, affected.models, erasure.id, actor)
        erasure.detail = {
            **affected.as_detail(),
            "moved": [asdict(change) for change in moved],
            "retrain": None,
            "receipt": new_name(),
        }
        if affected.models:
            former = next((change.before for change in moved if change.alias == "champion"), affected.models[-1])
            session.add(PlannedRetrain(model_id=former, erasure_id=erasure.id))
            erasure.detail = {**erasure.detail, "retrain": former}
        record(session, actor, "erase.begun", f"person {person_id}", {"erasure": erasure.id, **erasure.detail})
        return erasure.id


def carry_on(workspace: Workspace, store: Store, erasure_id: int, watch: Watch, name: str | None) -> Erased:
    with store.session() as session:
        erasure = session.get_one(Erasure, erasure_id)
        person = session.get_one(Person, erasure.person_id)
        sealed = session.get_one(VaultRow, 1).sealed_index_key
        assert person.erased_at is not None, "the first transaction sets it"
        add_entry(workspace.ledger, sealed, Entry(person.lookup, person.erased_at))
        state, known_name = erasure.state, name_of(session, person)
    watch("ledger", 0, None)
    needles = Needles(name if known_name is None else known_name, frozenset())
    if state == "begun":
        needles = clean(workspace, store, erasure_id, needles, watch)
    store.compact()
    watch("compact", 0, None)
    found = look(workspace, store, needles, lambda done, total: watch("search", done, total))
    return finish(workspace, store, erasure_id, needles, found)


def clean(workspace: Workspace, store: Store, erasure_id: int, needles: Needles, watch: Watch) -> Needles:
    """Files first, then rows, so that the texts are at hand for the search until nothing but the rows is left of them."""
    with store.snapshot() as session:
        erasure = session.get_one(Erasure, erasure_id)
        person_id, detail = erasure.person_id, dict(erasure.detail)
        needles = needles_of(needles.name, texts_of(session, person_id, own=True), texts_of(session, person_id, own=False))
        sources = sources_of(session, person_id)
        detail["sources"] = [path for path in sources if not names(path, needles.name)]
        detail["sources_naming"] = len(sources) - len(detail["sources"])
        quoted = fingerprints_of(session, workspace, detail["datasets"], person_id)
    detail["reports"] = sorted({*detail["reports"], *reports_about(workspace, {*detail["datasets"], *detail["models"]})})
    transcripts = sum(redact_report(store, workspace.reports / name, quoted, detail["models"]) for name in detail["reports"])
    remove(workspace.replies)
    watch("reports", 0, None)
    remove_datasets(workspace, detail["datasets"])
    watch("datasets", 0, None)
    unfinished = remove_unfinished(workspace, (*detail["datasets"], *detail["models"]))
    remove_served(workspace, detail["models"])
    with store.session() as session:  # whoever gives a directory its name holds this lock, so none is taken for an orphan
        orphans = remove_orphans(session, workspace)
    watch("unfinished", 0, None)
    found = look(workspace, store, needles, lambda done, total: watch("search", done, total))
    quoting = remove_quoting(workspace, found)
    watch("searched", 0, None)
    with store.session() as session:
        detail["removed"] = {
            "rows": remove_rows(session, person_id),
            "names": forget_names(session, needles.name),
            "transcripts": transcripts,
            "unfinished": unfinished,
            "orphans": orphans,
            "quoting": quoting,
        }
        detail["needles"] = {"fragments": len(needles.fragments), "too_short": needles.too_short, "shared": needles.shared}
        mark_removed(session, [*detail["datasets"], *quoting], erasure_id)
        erasure = session.get_one(Erasure, erasure_id)
        erasure.state, erasure.detail = "removed", detail
        record(session, erasure.actor, "erase.removed", f"person {person_id}", {"erasure": erasure_id, **detail["removed"]})
    watch("removed", 0, None)
    return needles


def texts_of(session: Session, person_id: int, own: bool) -> Iterator[str]:
    """What was said in the person's conversations, or in all others, before and after a correction, and to their replies.

    The system's words are the team's.
    """
    yield from (comment for person, comment in comments_of(session) if own == (person == person_id))
    for corrected in (False, True):
        for one in iterate_conversations(session, conversations_of(person_id) if own else None, corrected):
            if own or one.person != person_id:
                yield from (message.content for message in one.conversation.messages if message.role != "system")


def sources_of(session: Session, person_id: int) -> list[str]:
    """Files that the person was imported from; copies of them are outside of what Heedful can reach."""
    query = select(Import.path).join(ConversationRow, ConversationRow.import_id == Import.id).where(Import.format != COLLECTED)
    return sorted(set(session.scalars(query.where(ConversationRow.person_id == person_id))))


def remove_quoting(workspace: Workspace, found: Found) -> list[str]:
    """Reports and datasets in which the search met the person after all. They are ours, so they go as a whole.

    What lineage knows of is gone already: this is a quote in another kind of report, or a file's name in a dataset's manifest.
    """
    inside = {folder for hit in found.hits if (folder := folder_of_ours(workspace, hit)) is not None}
    for folder in sorted(inside):
        remove(workspace.root / folder)
    return sorted(folder.name for folder in inside)


def folder_of_ours(workspace: Workspace, hit: Hit) -> Path | None:
    """The report or dataset that holds words of the person, or that names them in a file without words of others."""
    path = Path(hit.path)
    if len(path.parts) < 3 or path.parts[0] not in {workspace.reports.name, workspace.datasets.name}:
        return None
    return Path(*path.parts[:2]) if hit.words > 0 or path.name in {MANIFEST, *CARDS} else None


def finish(workspace: Workspace, store: Store, erasure_id: int, needles: Needles, found: Found) -> Erased:
    """The receipt first, then the event that holds its hash: a kill between the two only writes it again."""
    with store.session() as session:
        erasure = session.get_one(Erasure, erasure_id)
        person = session.get_one(Person, erasure.person_id)
        assert person.erased_at is not None, "the first transaction sets it"
        backups = [event.subject for event in list_events(session, Wanted(action="backup", limit=10_000))]
        told = without_name(found, needles.name)
        remaining = tuple(left_to_do(erasure.detail, needles, told, backups))
        before = head(session)
        receipt = Receipt(
            erasure=erasure_id,
            person=person.lookup,
            erased_at=person.erased_at,
            actor=erasure.actor,
            detail=erasure.detail,
            search={**asdict(told), "with_words": bool(needles.fragments), "with_name": needles.name is not None},
            remaining=remaining,
            audit=before,
        )
        path, digest = write_receipt(workspace, erasure.detail["receipt"], receipt)
        written = {"erasure": erasure_id, "receipt": erasure.detail["receipt"], "receipt_sha256": digest}
        record(session, erasure.actor, "erase", f"person {person.id}", written)
        erasure.state, erasure.ended_at = "done", utc_now()
    return Erased(erasure_id, path, receipt.detail, found, remaining)


def without_name(found: Found, name: str | None) -> Found:
    """For the receipt: a path that names the person is not spelled out."""

    def masked(path: str) -> str:
        return "(a file whose path names the person)" if names(path, name) else path

    return replace(
        found,
        hits=tuple(replace(hit, path=masked(hit.path)) for hit in found.hits),
        unreadable=tuple(map(masked, found.unreadable)),
    )


def left_to_do(detail: dict[str, Any], needles: Needles, found: Found, backups: list[str]) -> Iterator[str]:
    """What Heedful cannot do itself, one line each, without the person's name."""
    for hit in found.hits:
        what = " and ".join(word for word, count in (("the name", hit.name), ("words", hit.words)) if count)
        if Path(hit.path).parts[0] == KNOWLEDGE:
            yield f"{hit.path} holds {what} of the person: heedful knowledge search, then remove or edit that document"
        else:
            yield f"{hit.path} holds {what} of the person and is not Heedful's to remove: remove or edit it"
    for path in found.unreadable:
        yield f"{path} could not be read, so nobody knows what it holds: make it readable, then verify"
    if needles.name is None:
        yield "the name was gone when the erasure went on, so the last search had nothing to look for: verify with the name"
    elif not is_searched(needles.name):
        yield "the name is too short to be searched; only words were"
    if detail.get("retrain"):
        yield f"retrain: {detail['retrain']} is quarantined; a worker does it, or heedful dataset build, then heedful train"
    for model in detail["models"]:
        yield f"models/{model} keeps its weights in quarantine; remove the directory when nobody needs it for comparison"
    for path in detail.get("sources", []):
        yield f"the file it was imported from, if it still exists: {path}"
    if detail.get("sources_naming"):
        yield f"files it was imported from whose paths name the person, and are therefore not listed: {detail['sources_naming']}"
    for backup in backups:
        yield f"{backup} may hold the person, sealed; a restore that has the ledger erases them again; remove it when you can"

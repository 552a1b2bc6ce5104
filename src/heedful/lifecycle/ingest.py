"""Import: a file of conversations and why the team may hold them, in; rows of the store and a count of everything left out, out.

All or nothing: one bad row refuses the file, unless `skip_bad`, which counts them. One transaction, so a stop leaves nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import update
from sqlalchemy.orm import Session

from heedful.conversation import Conversation
from heedful.errors import Place, SourceError
from heedful.sources import BadRow, Columns, Source, detect, read
from heedful.store.audit import record
from heedful.store.consent import Statement, grant_undecided
from heedful.store.conversations import add_conversations
from heedful.store.database import Store
from heedful.store.schema import Basis, ConversationRow, Import
from heedful.store.schema_trust import ConsentEvent
from heedful.workspace import sha256

Observe = Callable[[int, int | None, str], None]
REPORT_EVERY = 200  # rows
MAX_NAMED = 5  # bad rows named in the report; all are counted


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What came of one file. `known` were there already; `skipped` are bad rows; `repaired` texts had a broken encoding;
    `passed_over` counts by reason what holds no conversation and is no mistake. `persons` are named by its rows; of them `consents`
    had never decided about training and are recorded as agreeing; `erased` rows belong to persons who are erased and stay out."""

    source: str
    format: str
    mapping: dict[str, str]
    conversations: int
    added: int
    known: int
    skipped: int
    repaired: int
    passed_over: dict[str, int]
    basis: Basis
    persons: int
    consents: int
    erased: int
    bad_rows: tuple[str, ...]


@dataclass
class Tally:
    """Counts of one pass over a source."""

    usable: int = 0
    bad: int = 0
    named: list[str] = field(default_factory=list)


def import_file(
    store: Store,
    path: Path,
    actor: str,
    columns: Columns | None = None,
    skip_bad: bool = False,
    observe: Observe | None = None,
    basis: Basis = "none",
) -> ImportReport:
    """Raises SourceError for a file or a row that cannot be read; the store is then as it was.

    A `basis` that is not stated is taken as owned where no row names a person, and else stays none: such rows are kept, and train
    nothing until their persons consent.
    """
    source, tally, digest = detect(path, columns), Tally(), sha256(path)
    with store.session() as session:
        entry = Import(path=str(path), format=source.format, sha256=digest, basis=basis)
        session.add(entry)
        session.flush()
        added = add_conversations(session, entry.id, usable_rows(source, skip_bad, tally, observe))
        if tally.usable == 0:
            raise SourceError("no row of it is a usable conversation", Place(path), "heedful import --help shows each format")
        entry.rows, entry.skipped, entry.repaired = tally.usable + tally.bad, tally.bad, source.repaired
        entry.added, entry.known = added.added, added.known
        consents = settle_basis(session, entry, added.persons, actor)
        counts = {"added": added.added, "known": added.known, "erased": added.erased, "consents": len(consents)}
        record(session, actor, "import", f"import {entry.id}", {**counts, "sha256": digest, "basis": entry.basis}, consents)
    return ImportReport(
        source=str(path),
        format=source.format,
        mapping=dict(source.mapping),
        conversations=tally.usable,
        added=added.added,
        known=added.known,
        skipped=tally.bad,
        repaired=source.repaired,
        passed_over=dict(source.counts.passed_over),
        basis=entry.basis,
        persons=len(added.persons),
        consents=len(consents),
        erased=added.erased,
        bad_rows=tuple(tally.named),
    )


def settle_basis(session: Session, entry: Import, persons: frozenset[int], actor: str) -> list[ConsentEvent]:
    """Own what names nobody; record the consent that an import states. Returns the new decisions."""
    if entry.basis == "consent":
        return grant_undecided(session, persons, Statement("training", "granted", actor, import_id=entry.id))
    if entry.basis == "none" and not persons:
        entry.basis = "owned"
        session.execute(update(ConversationRow).where(ConversationRow.import_id == entry.id).values(basis=entry.basis))
    return []


def usable_rows(
    source: Source, skip_bad: bool, tally: Tally, observe: Observe | None
) -> Iterator[tuple[int, Conversation, str | None]]:
    """Rows for the store. The first bad row raises, or is counted with `skip_bad`."""
    for row in read(source):
        if isinstance(row, BadRow):
            if not skip_bad:
                raise SourceError(row.reason, Place(source.path, row.number), "mend the row, or leave bad rows out with --skip-bad")
            tally.bad += 1
            if len(tally.named) < MAX_NAMED:
                tally.named.append(f"row {row.number}: {row.reason}")
            continue
        tally.usable += 1
        if observe is not None and tally.usable % REPORT_EVERY == 0:
            observe(tally.usable, None, "")
        yield row.number, row.conversation, row.person

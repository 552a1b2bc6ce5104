"""Import: conversations somewhere and why the team may hold them, in; rows of the store and a count of everything left out, out.

All or nothing: one bad row refuses the file, folder or archive, unless `skip_bad`, which counts them. One transaction, so a stop
leaves nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import update
from sqlalchemy.orm import Session

from heedful.conversation import Conversation
from heedful.errors import Place, SourceError
from heedful.sources import BadRow, Hints, Location, Passed, Source, find, name_of_location, place_of_location, read
from heedful.store.audit import record
from heedful.store.consent import Statement, grant_undecided
from heedful.store.conversations import Added, add_conversations
from heedful.store.database import Store
from heedful.store.schema import Basis, ConversationRow, Import, Purpose
from heedful.store.schema_trust import ConsentEvent

Observe = Callable[[int, int | None, str], None]
NumberedRow = tuple[int, Conversation, str | None]
REPORT_EVERY = 200  # rows
MAX_NAMED = 5  # bad rows named in the report; all are counted


@dataclass(frozen=True, slots=True)
class Reading:
    """How one or more files were read: `mapping` says where the texts lay."""

    format: str
    container: str
    mapping: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What came of one location. `known` were there already; `skipped` are bad rows; `repaired` texts had a broken encoding;
    `passed_over` counts by reason what holds no conversation and is no mistake, `noted` what was taken, but not as it stood.
    `persons` are named by its rows; of them `consents` had never decided about training and are recorded as agreeing; `erased` rows
    belong to persons who are erased and stay out."""

    source: str
    format: str
    mapping: dict[str, str]
    files: int
    readings: tuple[Reading, ...]
    conversations: int
    added: int
    known: int
    skipped: int
    repaired: int
    passed_over: dict[str, int]
    noted: dict[str, int]
    basis: Basis
    persons: int
    consents: int
    erased: int
    bad_rows: tuple[str, ...]
    passed_files: tuple[str, ...]


@dataclass
class Tally:
    """Counts of all the sources at one location, whose name is `place`."""

    usable: int = 0
    bad: int = 0
    repaired: int = 0
    place: Path = field(default_factory=Path)
    named: list[str] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    readings: list[Reading] = field(default_factory=list)

    def refuse(self, source: Source, row: BadRow) -> None:
        """Count a bad row, and name the first ones; beside other files with the file."""
        self.bad += 1
        if len(self.named) < MAX_NAMED:
            file = "" if source.path == self.place else f"{source.path}, "
            self.named.append(f"{file}row {row.number}: {row.reason}")

    def note(self, source: Source) -> None:
        """After a source was read."""
        self.repaired += source.repaired
        self.passed_over += source.counts.passed_over
        self.noted += source.counts.noted
        reading = Reading(source.format, source.records.container, dict(source.mapping))
        if reading not in self.readings:
            self.readings.append(reading)


@dataclass(frozen=True, slots=True)
class Terms:
    """Who imports, and why the team may hold the records; with the basis consent, what their persons agreed to."""

    actor: str
    basis: Basis
    purposes: Sequence[Purpose]


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of one source."""

    added: Added
    basis: Basis
    consents: int


def import_file(
    store: Store,
    location: Location,
    actor: str,
    hints: Hints | None = None,
    skip_bad: bool = False,
    observe: Observe | None = None,
    basis: Basis = "none",
    purposes: Sequence[Purpose] = ("training",),
) -> ImportReport:
    """Import a file, a folder, an archive, a query or a hub data set.

    A `basis` that is not stated is taken as owned where no row of a file names a person, and else stays none: such rows are kept,
    and train nothing until their persons consent. With the basis consent, the persons agreed to `purposes`.

    Raises SourceError for what cannot be read; the store is then as it was.
    """
    place = place_of_location(location)
    tally, passed = Tally(place=place), Passed()
    imported = []
    with store.session() as session:
        for source in find(location, Hints() if hints is None else hints, passed):
            rows = usable_rows(source, skip_bad, tally, observe)
            imported.append(import_source(session, source, rows, tally, Terms(actor, basis, purposes)))
        if tally.usable == 0:
            raise SourceError("no row of it is a usable conversation", Place(place), "heedful import --help shows each format")
    return report_on(location, imported, tally, passed)


def import_source(session: Session, source: Source, rows: Iterable[NumberedRow], tally: Tally, terms: Terms) -> Imported:
    before = tally.usable, tally.bad
    entry = Import(path=str(source.path), format=source.format, sha256="", basis=terms.basis)
    session.add(entry)
    session.flush()
    added = add_conversations(session, entry.id, rows)
    tally.note(source)
    usable, bad = tally.usable - before[0], tally.bad - before[1]
    entry.rows, entry.skipped, entry.repaired, entry.sha256 = usable + bad, bad, source.repaired, source.records.digest()
    entry.added, entry.known = added.added, added.known
    consents = settle_basis(session, entry, added.persons, terms)
    agreed = len({event.person_id for event in consents})
    counts = {"added": added.added, "known": added.known, "erased": added.erased, "consents": agreed}
    record(session, terms.actor, "import", f"import {entry.id}", {**counts, "sha256": entry.sha256, "basis": entry.basis}, consents)
    return Imported(added, entry.basis, agreed)


def settle_basis(session: Session, entry: Import, persons: frozenset[int], terms: Terms) -> list[ConsentEvent]:
    """Own what names nobody; record the consent that an import states. Returns the new decisions."""
    if entry.basis == "consent":
        stated = [Statement(purpose, "granted", terms.actor, import_id=entry.id) for purpose in terms.purposes]
        return [event for statement in stated for event in grant_undecided(session, persons, statement)]
    if entry.basis == "none" and not persons:
        entry.basis = "owned"
        session.execute(update(ConversationRow).where(ConversationRow.import_id == entry.id).values(basis=entry.basis))
    return []


def report_on(location: Location, imported: list[Imported], tally: Tally, passed: Passed) -> ImportReport:
    """One report for a location. A folder of which one file has no basis has none."""
    bases = {one.basis for one in imported}
    return ImportReport(
        source=name_of_location(location),
        format=", ".join(dict.fromkeys(reading.format for reading in tally.readings)),
        mapping=dict(tally.readings[0].mapping) if len(tally.readings) == 1 else {},
        files=len(imported),
        readings=tuple(tally.readings),
        conversations=tally.usable,
        added=sum(one.added.added for one in imported),
        known=sum(one.added.known for one in imported),
        skipped=tally.bad,
        repaired=tally.repaired,
        passed_over=dict(tally.passed_over + passed.counts),
        noted=dict(+tally.noted),
        basis="none" if "none" in bases else imported[0].basis,
        persons=len(frozenset().union(*(one.added.persons for one in imported))),
        consents=sum(one.consents for one in imported),
        erased=sum(one.added.erased for one in imported),
        bad_rows=tuple(tally.named),
        passed_files=tuple(passed.named),
    )


def usable_rows(source: Source, skip_bad: bool, tally: Tally, observe: Observe | None) -> Iterator[NumberedRow]:
    """Rows for the store. The first bad row raises, or is counted with `skip_bad`."""
    for row in read(source):
        if isinstance(row, BadRow):
            if not skip_bad:
                raise SourceError(row.reason, Place(source.path, row.number), "mend the row, or leave bad rows out with --skip-bad")
            tally.refuse(source, row)
            continue
        tally.usable += 1
        if observe is not None and tally.usable % REPORT_EVERY == 0:
            tell(observe, source, tally)
        yield row.number, row.conversation, row.person


def tell(observe: Observe, source: Source, tally: Tally) -> None:
    """How far the reading came: in bytes of a file, of which the size is known, else in conversations."""
    part = source.records.part
    done, size = (tally.usable, None) if part is None else (part.position, part.size)
    observe(done, size, f"{tally.usable:,} conversations")

"""Preview: conversations somewhere in; how an import would read them, and the first ones, out. Nothing is written."""

from dataclasses import dataclass

from heedful.errors import Place, SourceError
from heedful.lifecycle.ingest import REPORT_EVERY, Observe, Reading, Tally, tell
from heedful.sources import BadRow, Hints, Location, Passed, SourceRow, find, name_of_location, place_of_location, read

SHOWN = 3  # conversations


@dataclass(frozen=True, slots=True)
class Preview:
    """Every row was looked at. `first` are conversations as they would be stored, with the person they belong to."""

    source: str
    files: int
    readings: tuple[Reading, ...]
    conversations: int
    persons: int
    bad: int
    repaired: int
    passed_over: dict[str, int]
    noted: dict[str, int]
    bad_rows: tuple[str, ...]
    passed_files: tuple[str, ...]
    first: tuple[SourceRow, ...]


def preview(location: Location, hints: Hints, observe: Observe | None = None) -> Preview:
    """Raises SourceError for what cannot be read as a whole; bad rows are counted."""
    place = place_of_location(location)
    tally, passed = Tally(place=place), Passed()
    first: list[SourceRow] = []
    persons: set[str] = set()
    files = 0
    for source in find(location, hints, passed):
        files += 1
        for row in read(source):
            if isinstance(row, BadRow):
                tally.refuse(source, row)
                continue
            tally.usable += 1
            if row.person is not None:
                persons.add(row.person)
            if len(first) < SHOWN:
                first.append(row)
            if observe is not None and tally.usable % REPORT_EVERY == 0:
                tell(observe, source, tally)
        tally.note(source)
    if tally.usable + tally.bad == 0:
        raise SourceError("no row of it is a usable conversation", Place(place), "heedful import --help shows each format")
    return Preview(
        source=name_of_location(location),
        files=files,
        readings=tuple(tally.readings),
        conversations=tally.usable,
        persons=len(persons),
        bad=tally.bad,
        repaired=tally.repaired,
        passed_over=dict(tally.passed_over + passed.counts),
        noted=dict(+tally.noted),
        bad_rows=tuple(tally.named),
        passed_files=tuple(passed.named),
        first=tuple(first),
    )

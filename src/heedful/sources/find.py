"""A location in: a file, a folder, an archive, a query or a hub data set; the sources in it, one after the other, out."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from heedful.errors import Place, SourceError
from heedful.sources.archives import is_hidden, unpacked
from heedful.sources.containers.hub import PREFIX, HubSet, parse_hub, splits
from heedful.sources.containers.sql import Query, rows_of_query
from heedful.sources.detect import HELP, detect, in_shape
from heedful.sources.parts import Part, file_part, is_folder
from heedful.sources.refusals import UnknownFormat
from heedful.sources.rows import Hints, Source

Location = Path | Query | HubSet
MAX_NAMED = 5


@dataclass(slots=True)
class Passed:
    """What a folder or an archive holds beside conversations: counted by reason, and the first ones named."""

    counts: Counter[str] = field(default_factory=Counter)
    named: list[str] = field(default_factory=list)

    def add(self, error: UnknownFormat) -> None:
        self.counts["files that hold no conversations"] += 1
        if len(self.named) < MAX_NAMED:
            self.named.append(str(error.place))


def locate(text: str) -> Location:
    """What a person wrote. A file that is called like a hub data set is a file."""
    return parse_hub(text) if text.startswith(PREFIX) and not Path(text).exists() else Path(text)


def name_of_location(location: Location) -> str:
    """For messages and progress; the password of a URL is not in it."""
    return "query" if isinstance(location, Query) else str(location.path if isinstance(location, HubSet) else location)


def place_of_location(location: Location) -> Path:
    return Path(name_of_location(location))


def find(location: Location, hints: Hints, passed: Passed) -> Iterator[Source]:
    """Sources in a steady order. Each can be read until the next one is asked for.

    A file by itself must hold conversations. In a folder or an archive, one that looks like none is passed over and named in
    `passed`. Raises SourceError for what cannot be read, and when there is nothing to read at all.
    """
    seen: set[str] = set()
    for source in find_any(location, hints, passed):
        seen |= {source.format, source.records.container}
        yield source
    for option, given, used in (
        ("--speaker", hints.speakers or hints.no_speakers, {"chat", "turns"}),
        ("--separator", hints.separator, {"transcript"}),
    ):
        if given and seen.isdisjoint(used):
            problem = f"{option} says nothing here: nothing was read as {' or '.join(sorted(used))}"
            raise SourceError(
                problem, Place(place_of_location(location)), f"leave out {option}, or see how it is read with --dry-run"
            )


def find_any(location: Location, hints: Hints, passed: Passed) -> Iterator[Source]:
    if isinstance(location, Query):
        yield in_shape(rows_of_query(location), hints)
    elif isinstance(location, HubSet):
        yield from (in_shape(records, hints) for records in splits(location))
    else:
        yield from find_files(location, hints, passed)


def find_files(path: Path, hints: Hints, passed: Passed) -> Iterator[Source]:
    found = 0
    for part, alone in parts(path, passed.counts):
        try:
            source = detect(part, hints)
        except UnknownFormat as error:
            if alone:
                raise
            passed.add(error)
            continue
        found += 1
        yield source
    if not found:
        named = f"; it holds {', '.join(passed.named)}" if passed.named else ""
        raise SourceError(f"there is no file of conversations in it{named}", Place(path), HELP)


def parts(path: Path, passed: Counter[str]) -> Iterator[tuple[Part, bool]]:
    """Every file, and whether it stands for itself."""
    if not is_folder(path):
        yield from ((part, not inside) for part, inside in unpacked(file_part(path), passed))
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not is_hidden(name, passed))
        for name in sorted(names):
            if not is_hidden(name, passed):
                yield from ((part, False) for part, _ in unpacked(file_part(Path(folder, name)), passed))

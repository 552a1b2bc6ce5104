"""Rows that pass once, from a database or a hub: numbered records and a digest of what passed, for there are no bytes to hash."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from heedful.sources.rows import Fields, Record, Records

ROWS_LOOKED_AT = 20


@dataclass(slots=True)
class Passing:
    """`rows` begins anew each time. The digest is that of the last whole pass."""

    rows: Callable[[], Iterable[Fields]]
    sha256: str = ""

    def read(self) -> Iterator[Record]:
        running = hashlib.sha256()
        for number, row in enumerate(self.rows(), 1):
            running.update(json.dumps(row, default=str, ensure_ascii=False).encode(errors="surrogatepass") + b"\n")
            yield Record(number, row)
        self.sha256 = running.hexdigest()

    def digest(self) -> str:
        return self.sha256


def passing_records(path: Path, container: str, names: tuple[str, ...], rows: Callable[[], Iterable[Fields]]) -> Records:
    passing = Passing(rows)
    sample = tuple(record.fields for record in islice(passing.read(), ROWS_LOOKED_AT))
    found = names if names else tuple(dict.fromkeys(name for row in sample for name in row))
    return Records(path, container, found, sample, passing.read, passing.digest)

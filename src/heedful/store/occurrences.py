"""Occurrences: fingerprints in, batch by batch; how many equal ones came before each within one import, out.

The counts lie in a temporary table of the database, so memory stays flat for a file of any number of rows. A rollback takes the
table with it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, insert, select, update
from sqlalchemy.orm import Session

SEEN = Table(
    "import_occurrences",
    MetaData(),
    Column("fingerprint", String(64), primary_key=True),
    Column("count", Integer, nullable=False),
    prefixes=["TEMPORARY"],
)

COUNTED = select(SEEN.c.fingerprint, SEEN.c.count).where(SEEN.c.fingerprint.in_(bindparam("names", expanding=True)))
RECOUNT = update(SEEN).where(SEEN.c.fingerprint == bindparam("name")).values(count=bindparam("total"))


@contextmanager
def counting(session: Session) -> Iterator[Callable[[Sequence[str]], list[int]]]:
    """A function that numbers the fingerprints of a batch, each from 0."""
    connection = session.connection()
    SEEN.create(connection)
    yield lambda fingerprints: number(session, fingerprints)
    SEEN.drop(connection)


def number(session: Session, fingerprints: Sequence[str]) -> list[int]:
    before = dict(session.execute(COUNTED, {"names": list(set(fingerprints))}).all())
    counts = dict(before)
    numbers = []
    for fingerprint in fingerprints:
        numbers.append(counts.get(fingerprint, 0))
        counts[fingerprint] = numbers[-1] + 1
    fresh = [{"fingerprint": name, "count": count} for name, count in counts.items() if name not in before]
    again = [{"name": name, "total": counts[name]} for name in before]
    if fresh:
        session.execute(insert(SEEN), fresh)
    if again:
        session.execute(RECOUNT, again)
    return numbers

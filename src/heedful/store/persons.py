"""Persons: what a source calls somebody, in; the row that stands for them out. Their names are sealed and found by a keyed hash."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from heedful.store.batches import batches
from heedful.store.schema import Person
from heedful.store.vault import digest, make_keys, seal_text, unseal_text

BATCH = 5_000


@dataclass(frozen=True, slots=True)
class Known:
    """A person that the store knows. `key_id` is None after an erasure."""

    id: int
    key_id: str | None

    @property
    def erased(self) -> bool:
        return self.key_id is None


def lookup_of(session: Session, name: str) -> str:
    """The keyed hash under which a person is found."""
    return digest(session, "person", name)


def find_person(session: Session, name: str) -> Known | None:
    """None when nobody of that name was ever here; an erased person is still found, as erased."""
    return find_persons(session, [name]).get(name)


def find_persons(session: Session, names: Iterable[str]) -> dict[str, Known]:
    """Name -> person, for those that are known."""
    by_lookup = {lookup_of(session, name): name for name in names}
    found: dict[str, Known] = {}
    for batch in batches(by_lookup, BATCH):
        query = select(Person.lookup, Person.id, Person.key_id).where(Person.lookup.in_(batch))
        found |= {by_lookup[lookup]: Known(key, key_id) for lookup, key, key_id in session.execute(query)}
    return found


def find_or_add_persons(session: Session, names: Iterable[str]) -> dict[str, Known]:
    """Every name with its person, known or new. An erased person stays erased."""
    wanted = sorted(set(names))
    known = find_persons(session, wanted)
    missing = [name for name in wanted if name not in known]
    if not missing:
        return known
    rows = []
    for name, key_id in zip(missing, make_keys(session, len(missing)), strict=True):
        lookup = lookup_of(session, name)
        rows.append({"lookup": lookup, "key_id": key_id, "sealed_name": seal_text(session, key_id, name, place_of_name(lookup))})
    session.execute(insert(Person), rows)
    return known | find_persons(session, missing)


def name_of(session: Session, person: Person) -> str | None:
    """What the source called them; None after an erasure."""
    if person.key_id is None or person.sealed_name is None:
        return None
    return unseal_text(session, person.key_id, person.sealed_name, place_of_name(person.lookup))


def place_of_name(lookup: str) -> str:
    return f"name:{lookup}"

"""Uploads: files for a fine-tuning job in; which conversations its dataset is made of, and the side of each, out."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from heedful.dataset.look import own_keys
from heedful.store.assignments import assignments
from heedful.store.consent import permitted
from heedful.store.conversations import iterate_conversations
from heedful.store.schema import Split
from heedful.store.scope import uploaded


@dataclass(frozen=True, slots=True)
class Uploads:
    """`learned` is learned from, `held_out` is not; without the second, the first is divided like any dataset."""

    learned: str
    held_out: str | None = None

    def condition(self) -> ColumnElement[bool]:
        return uploaded([self.learned] if self.held_out is None else [self.learned, self.held_out])

    def sides(self, session: Session, keys: Iterable[str]) -> dict[str, Split]:
        """Where keys stand: as in an earlier dataset, for a side is for ever; else as their file says, the held out one first."""
        asked = set(keys)
        wanted: dict[str, Split] = {}
        if self.held_out is not None:
            learned, held_out = (self.keys_in(session, file) for file in (self.learned, self.held_out))
            wanted |= dict.fromkeys(learned, "train")
            wanted |= {key: "test" if number % 2 else "validation" for number, key in enumerate(sorted(held_out))}
        return {key: side for key, side in wanted.items() if key in asked} | assignments(session, asked)

    def keys_in(self, session: Session, file: str) -> set[str]:
        found = iterate_conversations(session, permitted("training", uploaded([file])), corrected=True)
        return {key for one in found for key in own_keys(one.conversation, one.person)}

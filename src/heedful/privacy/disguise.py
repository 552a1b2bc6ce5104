"""Disguise: a chat that is to leave the machine, in; the same chat about persons who do not exist, and the way back, out.

The way back lives as long as one turn. It is taken only where it is sure: a surrogate that stands for two things, or that may be a
number of something else, is not put back, and a reply that uses one is given up.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from heedful.conversation import Conversation, Message
from heedful.privacy.pseudonymise import replace_identifiers

PARTS = frozenset({"name", "place", "employer", "school", "address"})  # a reply may use one word of these
BARE = frozenset({"age", "date"})  # a reply may use one word of these as well, which then may mean anything
LEAST = 3  # letters of such a word
WORD = re.compile(r"\w+")
NUMBER = re.compile(r"[\d\s.,:/-]+")


@dataclass(frozen=True, slots=True)
class Disguise:
    """`messages` is what may leave. `counts` has the replaced places by kind."""

    messages: tuple[Message, ...]
    counts: dict[str, int]
    back: dict[str, str] = field(repr=False)  # surrogate -> original
    unsure: frozenset[str] = field(repr=False)

    def restore(self, reply: str) -> str | None:
        """The reply with the originals put back; None where it uses a surrogate that cannot be put back for certain."""
        known = sorted((*self.back, *self.unsure), key=len, reverse=True)
        if not known:
            return reply
        used = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, known))})(?!\w)")
        if any(match[0] in self.unsure for match in used.finditer(reply)):
            return None
        return used.sub(lambda match: self.back[match[0]], reply)


def disguise(messages: Sequence[Message], seed: int, known: Sequence[str] = ()) -> Disguise:
    """`known` is what is known of the person: names, e-mail addresses. May take a second the first time, then milliseconds."""
    found = replace_identifiers(Conversation(tuple(messages)), seed, known)
    meanings: dict[str, set[str]] = {}
    for kind, original, surrogate in found.pairs:
        for made, meant in spellings(kind, original, surrogate):
            if made != meant:
                meanings.setdefault(made, set()).add(meant)
    said = "\n".join(message.content for message in messages)
    unsure = {made for made, meant in meanings.items() if is_unsure(made, meant, said)}
    back = {made: meant.copy().pop() for made, meant in meanings.items() if made not in unsure}
    return Disguise(found.conversation.messages, found.counts, back, frozenset(unsure))


def spellings(kind: str, original: str, surrogate: str) -> list[tuple[str, str]]:
    """A surrogate and what it stands for: as it is, with a capital, and by its words; empty where nobody can say for what."""
    pairs = [(surrogate, original)]
    made, meant = WORD.findall(surrogate), WORD.findall(original)
    by_word = kind in PARTS and len(made) == len(meant)
    if len(made) > 1:
        words = [(word, meant[place] if by_word else "") for place, word in enumerate(made) if kind in PARTS | BARE]
        pairs += [(word, of) for word, of in words if word not in meant and (len(word) >= LEAST or word.isdigit())]
    return [*pairs, *((a.title(), b.title()) for a, b in pairs if kind == "name" and a.islower())]


def is_unsure(made: str, meant: set[str], said: str) -> bool:
    """It stands for two things, for a part of something, or for a number; or the person used the very word themselves."""
    spoken = re.search(rf"(?<!\w){re.escape(made)}(?!\w)", said) is not None
    return len(meant) > 1 or "" in meant or NUMBER.fullmatch(made) is not None or spoken

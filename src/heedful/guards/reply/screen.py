"""Screen: clean words of a reply in, one after the other; words that may be read out, and what was found in the others.

The text never depends on how it arrived. A word is decided when it is whole; only a number waits for the word behind it, because
two numbers may be one phone number, and a number may be a dose. Nothing is taken back: a claim is turned at the word that completes
it, and goes on in a true way.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from heedful.conversation import Message
from heedful.guards.reply.addresses import Allowed, allowed, digits, find_addresses
from heedful.guards.reply.claims import find_claims, true_words
from heedful.guards.reply.cleaning import ELLIPSIS, SENTENCE_END
from heedful.guards.reply.findings import ACTIONS, KINDS, FindingKind
from heedful.guards.reply.repeats import prompt_grams, recites, repeats, words_of
from heedful.guards.resources import Countries, load_countries

Identify = Callable[[str], Iterable[tuple[int, int]]]  # a text in; where it identifies people out
PIECE = re.compile(r"\s*\S+|\s+")
MAY_GO_ON = re.compile(r"\s*[(+*]*\d[\d()./+*\-\u2010-\u2013]*")  # a number, or part of one
TELLING = re.compile(r"[A-Z\d@]")  # a word without any of these identifies nobody
REACH = 240  # characters of a sentence that are read again with its next word; a model that never ends one writes thousands
ADDRESSED = re.compile(r"[\d@.:]")  # nor does an address, or a number, end in a word without any of these
REWRITTEN, REPLACED, ENDED = (
    frozenset(kind for kind, action in ACTIONS.items() if action == one) for one in ("rewritten", "replaced", "ended")
)
IN_PLACE: dict[FindingKind, str] = {
    "url": "[address removed]",
    "email": "[address removed]",
    "phone": "[number removed]",
    "identifier": "[removed]",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What a reply is measured against; `kinds` is what is looked for at all.

    `said`, `context`: what the person, and what everybody wrote, in small letters.
    """

    may: Allowed
    grams: frozenset[tuple[str, ...]]
    said: str
    context: str
    kinds: frozenset[FindingKind] = field(default_factory=lambda: frozenset(KINDS))
    identify: Identify | None = None


def rules_for(
    messages: Sequence[Message],
    countries: Countries | None = None,
    known: Sequence[str] = (),
    kinds: frozenset[FindingKind] = frozenset(KINDS),
    identify: Identify | None = None,
) -> Rules:
    """`known` are texts whose addresses and numbers may be repeated, such as passages of the knowledge base."""
    return Rules(
        may=allowed(load_countries() if countries is None else countries, messages, known),
        grams=prompt_grams([message.content for message in messages if message.role == "system"]),
        said=" ".join(m.content for m in messages if m.role == "user").lower(),
        context=" ".join([*(message.content for message in messages), *known]).lower(),
        kinds=kinds,
        identify=identify,
    )


def ending_of(text: str) -> str:
    """Its last whole words, REACH characters at most."""
    cut = max(0, len(text) - REACH)
    space = text.find(" ", cut)
    return text[space if cut and space >= 0 else cut :]


class Screen:
    """Screens one reply: feed it clean text in order, whole words only; then finish it once. `found` counts what was met."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._sentence = ""  # as shown, since it began; of a long one, the ending
        self._heard = ""  # as the model wrote it
        self._held = ""  # a number that may go on
        self._begun = ""  # what of it was shown, because it begins like one that may be named
        self._words: list[str] = []
        self._dropping = False  # the rest of this sentence
        self._ended = False
        self.found: list[FindingKind] = []

    def feed(self, text: str) -> str:
        """What may be shown now."""
        return "".join(self._piece(match[0]) for match in PIECE.finditer(text))

    def finish(self) -> str:
        """What was still held back."""
        rest = "" if self._ended or self._dropping else self._decide("")
        if self._dropping and not self._ended:
            rest += "."
        return rest

    def _piece(self, piece: str) -> str:
        if self._ended:
            return ""
        if self._dropping:
            return self._drop(piece)
        if MAY_GO_ON.fullmatch(piece):
            return self._hold(piece)
        return self._decide(piece)

    def _hold(self, piece: str) -> str:
        """A number waits for what follows; once it can become one that may be named, only its last part waits."""
        before, whole = "", digits(self._begun + self._held + piece)
        if self._held and any(number.startswith(whole) for number in self._rules.may.numbers):
            before, self._held = self._held, ""
            self._begun += before
            self._sentence += before
            self._heard += before
        self._held += piece
        return before

    def _drop(self, piece: str) -> str:
        """Leave out the rest of a sentence, but not the mark at its end."""
        if "\n" in piece[: len(piece) - len(piece.lstrip())]:
            self._dropping, self._sentence, self._heard = False, "", ""
            return "." + self._piece(piece)
        end = SENTENCE_END.search(piece)
        if end is None:
            return ""
        self._dropping, self._sentence, self._heard = False, "", ""
        return end[0][0]

    def _decide(self, piece: str) -> str:
        """A word together with the number before it."""
        fresh, self._held, self._begun = self._held + piece, "", ""
        if "\n" in fresh[: len(fresh) - len(fresh.lstrip())]:
            self._sentence = self._heard = ""
        turned = self._turn(fresh)
        if turned is not None:
            return turned
        fresh = self._replace(fresh)
        if self._circles(fresh):
            self._ended = True
            return ELLIPSIS
        self._sentence = ending_of(self._sentence + fresh)
        if SENTENCE_END.search(fresh):
            self._sentence = self._heard = ""
        return fresh

    def _turn(self, fresh: str) -> str | None:
        """Where a claim is completed by this word, how the sentence goes on instead."""
        if self._rules.kinds.isdisjoint(REWRITTEN):
            return None
        for claim in find_claims(self._sentence + fresh, self._rules.said):
            if claim.kind in self._rules.kinds and claim.end > len(self._sentence):
                self.found.append(claim.kind)
                self._dropping = True
                return self._instead(claim.kind, fresh, claim.end - len(self._sentence))
        return None

    def _instead(self, kind: FindingKind, fresh: str, end: int) -> str:
        """True words, as a sentence of their own where the claim is its first word; then the mark that ended the sentence."""
        words, gap = true_words(kind), ""
        if not self._sentence.strip():
            words = re.sub(r"^ … (?:no, |but )", "", words).capitalize()
            gap = fresh[: len(fresh) - len(fresh.lstrip())]
        self._words += words_of(words)
        return gap + words + self._drop(fresh[end - 1 :])

    def _replace(self, fresh: str) -> str:
        """Addresses and identifiers in the new word, each by what stands in for it."""
        blank = len(fresh) - len(fresh.lstrip())
        spans = [*self._addresses(fresh), *(("identifier", a, b) for a, b in self._unknown(fresh))]
        for kind, begin, end in sorted(spans, key=lambda span: -span[1]):
            if kind in self._rules.kinds and 0 < end <= len(fresh):
                self.found.append(kind)
                fresh = fresh[: max(begin, blank)] + IN_PLACE[kind] + fresh[end:]
        return fresh

    def _addresses(self, fresh: str) -> list[tuple[FindingKind, int, int]]:
        """Kind and place of all up to the new word; none where none can end in it. A word without a space before it may be half."""
        whole = not self._sentence or fresh[:1].isspace()
        if self._rules.kinds.isdisjoint(REPLACED) or (whole and not ADDRESSED.search(fresh)):
            return []
        start = len(self._sentence)
        return [(f.kind, f.start - start, f.end - start) for f in find_addresses(self._sentence + fresh, self._rules.may)]

    def _unknown(self, fresh: str) -> list[tuple[int, int]]:
        """Where the new word, or a part of it, identifies somebody who is not part of the chat."""
        self._heard = ending_of(self._heard)
        start = len(self._heard)
        self._heard += fresh
        if self._rules.identify is None or "identifier" not in self._rules.kinds or not TELLING.search(fresh):
            return []
        found = [span for span in self._rules.identify(self._heard) if span[1] > start]
        return [(a - start, b - start) for a, b in found if self._heard[a:b].lower() not in self._rules.context]

    def _circles(self, fresh: str) -> bool:
        """Whether the reply recites its instructions or goes in circles with this word."""
        if self._rules.kinds.isdisjoint(ENDED):
            return False
        for word in words_of(fresh):
            self._words.append(word)
            for kind, size in (("system_prompt", recites(self._words, self._rules.grams)), ("loop", repeats(self._words))):
                if size and kind in self._rules.kinds:
                    self.found.append(kind)
                    return True
        return False

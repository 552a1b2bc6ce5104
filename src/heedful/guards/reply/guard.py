"""The output guard. `check_reply` judges a whole reply; `ReplyGuard` makes one fit to read while it is streamed. Same rules."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from heedful.conversation import FinishReason, Message
from heedful.guards.crisis.assess import as_message
from heedful.guards.reply.addresses import find_addresses
from heedful.guards.reply.claims import find_claims
from heedful.guards.reply.cleaning import Cleaner
from heedful.guards.reply.findings import Finding, FindingKind, finding
from heedful.guards.reply.repeats import WORD, recites, repeats
from heedful.guards.reply.screen import Identify, Rules, Screen, rules_for
from heedful.guards.reply.turn_marks import BROKEN_TAG, HALF_CHARACTER, MARK, Label, read_label
from heedful.guards.resources import Countries

SENTENCE = re.compile(r"[^.!?…\n]*(?:[.!?…](?=\S)[^.!?…\n]*)*[.!?…\"'”)\]]*")
LINE = re.compile(r"^[^\n]+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Guarded:
    """The rest of a reply, the reasons of its cleaning, and the kinds of what was turned, replaced or ended."""

    text: str
    reasons: tuple[str, ...]
    found: tuple[FindingKind, ...]


class ReplyGuard:
    """Guards one reply: feed it the model's raw text in pieces of any size, then finish it once."""

    def __init__(self, rules: Rules) -> None:
        self._cleaner, self._screen = Cleaner(), Screen(rules)

    def feed(self, piece: str) -> str:
        """What is safe to show now; often empty."""
        return self._screen.feed(self._cleaner.feed(piece))

    def finish(self, ending: FinishReason) -> Guarded:
        rest = self._cleaner.finish(ending)
        text = self._screen.feed(rest.text) + self._screen.finish()
        return Guarded(text, rest.reasons, tuple(self._screen.found))


def check_reply(
    messages: Sequence[Message | Mapping[str, str]],
    reply: str,
    countries: Countries | None = None,
    known: Sequence[str] = (),
    identify: Identify | None = None,
) -> list[Finding]:
    """Everything in `reply` (as the model wrote it) that must not reach the person who wrote `messages`, in order of the text.

    A system message among `messages` is the instructions that must not be recited. `known` are texts whose addresses may be named.
    """
    rules = rules_for([as_message(message) for message in messages], countries, known, identify=identify)
    found = [*tags(reply), *claims(reply, rules), *find_addresses(reply, rules.may), *circles(reply, rules)]
    if identify is not None:
        found += [finding("identifier", a, b) for a, b in identify(reply) if reply[a:b].lower() not in rules.context]
    return sorted(found, key=lambda one: (one.start, one.end))


def tags(reply: str) -> Iterator[Finding]:
    for match in MARK.finditer(reply):
        if match[0] != HALF_CHARACTER:
            yield finding("chat_tag", *match.span())
    broken = BROKEN_TAG.search(reply.rstrip())
    if broken is not None and not MARK.search(broken[0]):
        yield finding("chat_tag", *broken.span())
    for line in LINE.finditer(reply):
        text = line[0].lstrip()
        label = read_label(text, complete=True)
        if isinstance(label, Label) and label.sure:
            start = line.end() - len(text)
            yield finding("chat_tag", start, start + label.end)


def claims(reply: str, rules: Rules) -> Iterator[Finding]:
    """One a sentence and kind; it reaches to the end of the sentence, which is what is turned."""
    for sentence in SENTENCE.finditer(reply):
        first: dict[FindingKind, int] = {}
        for claim in find_claims(sentence[0], rules.said):
            first[claim.kind] = min(claim.start, first.get(claim.kind, claim.start))
        for kind, start in first.items():
            yield finding(kind, sentence.start() + start, sentence.end())


def circles(reply: str, rules: Rules) -> Iterator[Finding]:
    """The first recital and the first loop, each to where it was noticed."""
    words: list[str] = []
    places: list[int] = []
    met: set[FindingKind] = set()
    for match in WORD.finditer(reply):
        words.append(match[0].lower().replace("’", "'"))
        places.append(match.start())
        sizes: tuple[tuple[FindingKind, int], ...] = (("system_prompt", recites(words, rules.grams)), ("loop", repeats(words)))
        for kind, size in sizes:
            if size and kind not in met:
                met.add(kind)
                yield finding(kind, places[-size], match.end())

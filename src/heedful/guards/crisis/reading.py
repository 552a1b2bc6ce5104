"""Reading: one message of the person in; the signals in it out. No memory of other messages, and no classifier."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from heedful.guards.crisis.contexts import Context, contexts_of, cues, look_around, speaks_of_another
from heedful.guards.crisis.foreign import find_foreign
from heedful.guards.crisis.lexicon import TIERS, Kind, Phrase, Tier, find_hints, find_phrases
from heedful.guards.crisis.life import life_kinds
from heedful.guards.crisis.words import Sentence, Words, read_words

# Nobody's own danger now. What is past or somebody else's weighs on the person all the same.
QUIET: frozenset[Context] = frozenset({"negated", "idiom", "trifle", "education", "fiction"})
WEIGHS: frozenset[Context] = frozenset({"others", "reported", "past"})
AGGRAVATING = frozenset({"hopeless", "burden", "means", "preparing", "farewell"})


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that was said. `rule` names what found it; it never holds words of the person. `unsure` as the rule's."""

    kind: Kind
    tier: Tier
    explicit: bool
    rule: str
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """`signals` are the person's own and present. `hints` say little alone. `heavy`: something past, or of somebody else, was told.

    `someone_else`: somebody else may be in danger. `quieted`: what made phrases harmless. `leaning`: what the classifier thinks,
    where that is not sure enough to count by itself.
    """

    signals: tuple[Signal, ...] = ()
    hints: frozenset[str] = frozenset()
    life: frozenset[Kind] = frozenset()
    heavy: bool = False
    someone_else: bool = False
    quieted: frozenset[Context] = frozenset()
    words: int = 0
    leaning: Signal | None = None


def read_message(text: str) -> Reading:
    words = read_words(text)
    if not words.sentences and not words.letters.strip():
        return Reading()
    signals = [Signal(kind, "active", True, "other language") for kind in find_foreign(words.letters)]
    contexts: set[Context] = set()
    whole, before = words.text, ""
    for sentence in words.sentences:
        for phrase, found in read_sentence(sentence, before, whole):
            contexts |= found
            if not found:
                signals.append(
                    Signal(phrase.rule.kind, phrase.rule.tier, phrase.rule.explicit, phrase.rule.name, phrase.rule.unsure)
                )
        if speaks_of_another(sentence.text):
            contexts.add("others")
        before = sentence.text
    return Reading(
        signals=tuple(dict.fromkeys(raised(signals, words))),
        hints=frozenset(hints_of(words)),
        life=life_kinds(words),
        heavy=bool(contexts & WEIGHS),
        someone_else=bool(contexts & {"others", "reported"}),
        quieted=frozenset(contexts),
        words=len(whole.split()),
    )


def read_sentence(sentence: Sentence, before: str, whole: str) -> list[tuple[Phrase, frozenset[Context]]]:
    """Every phrase with the contexts that take its weight away; most sentences have none and cost no more."""
    phrases = list(find_phrases(sentence.text))
    if not phrases:
        return []
    around = look_around(sentence.text, sentence.asks, before, whole)
    return [(phrase, weighed(phrase, sentence.text, contexts_of(phrase, around), whole)) for phrase in phrases]


def weighed(phrase: Phrase, sentence: str, found: frozenset[Context], whole: str) -> frozenset[Context]:
    """Contexts that count. Who speaks of himself is not asking in general; who despairs does not speak of a trifle."""
    if found & {"education", "fiction"} and is_own(phrase, sentence):
        found -= {"education"}
        if not is_quoted(phrase, sentence):
            found -= {"fiction"}
    if "trifle" in found and AGGRAVATING & find_hints(whole):
        found -= {"trifle"}
    return found


def is_own(phrase: Phrase, sentence: str) -> bool:
    """Said of the speaker: `i`, `me`, `my` in the phrase or just before it."""
    near = [*sentence[: phrase.start].split()[-6:], *sentence[phrase.start : phrase.end].split()]
    return not (cues().selves - {"myself"}).isdisjoint(near)


def is_quoted(phrase: Phrase, sentence: str) -> bool:
    before = sentence[: phrase.start]
    return before.count('"') % 2 == 1 or cues().blocks["cited"].search(before) is not None


def raised(signals: Sequence[Signal], words: Words) -> list[Signal]:
    """Active signals become imminent where the message says that it will be done, and soon."""
    intent, soon = cues().blocks["intent"], cues().blocks["soon"]
    if not any(intent.search(s.text) and soon.search(s.text) for s in words.sentences):
        return list(signals)
    own = ("suicide", "harm_to_others", "self_harm")
    return [replace(s, tier="imminent") if s.kind in own and s.tier == "active" and s.explicit else s for s in signals]


def hints_of(words: Words) -> set[str]:
    found: set[str] = set()
    for sentence in words.sentences:
        found |= find_hints(sentence.text)
    return found


def highest(tiers: Sequence[Tier]) -> Tier:
    return max(tiers, key=TIERS.index, default="none")

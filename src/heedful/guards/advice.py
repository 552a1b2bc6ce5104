"""Advice: a conversation in; the places where an answer says what a careful team does not want to be learned out.

Five rules: a diagnosis, a dosage, a promise of cure, a dismissive or harmful word, and a crisis turn that is answered without
handing over to people. A rule is a hint for a reviewer, never a verdict: it looks at one sentence, weighs negation, conditions and
what others said, and stays quiet where a sentence asks. Its patterns are data: `assets/guards/advice.yaml`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from heedful.conversation import Conversation
from heedful.guards.crisis.reading import read_message
from heedful.guards.tables import lines, table

CRISIS, CRISIS_WORDS = "crisis_without_handover", "answers a person in danger without naming anybody who could help"
PARTS = ("patterns", "before", "anywhere", "questions")
IN_DANGER, OWN_LIFE = ("active", "imminent"), ("suicide", "self_harm", "harm_to_others")
SENTENCE = re.compile(r"[^.!?\n]*(?:\.(?=[a-z0-9])[^.!?\n]*)*[.!?\n]*")  # a dot within a number or an abbreviation ends nothing
STRAIGHT = str.maketrans("’‘", "''")  # as long as before, so places stay


@dataclass(frozen=True, slots=True)
class AdviceHit:
    """`rule` was met by `start:end` of the message at `position`."""

    rule: str
    position: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class AdviceRule:
    """`words` tell a reviewer what was met."""

    name: str
    words: str
    patterns: re.Pattern[str]
    before: re.Pattern[str]
    anywhere: re.Pattern[str]
    asked: re.Pattern[str]


def find_advice(conversation: Conversation) -> tuple[AdviceHit, ...]:
    """In the order of the messages, each rule at most once a message."""
    found = []
    for position, message in enumerate(conversation.messages):
        if message.role == "assistant":
            text = message.content.translate(STRAIGHT)
            found += [AdviceHit(rule.name, position, *span) for rule in rules() if (span := first_span(rule, text)) is not None]
    return (*found, *unanswered(conversation))


def first_span(rule: AdviceRule, text: str) -> tuple[int, int] | None:
    if rule.patterns.search(text) is None:
        return None  # nearly always
    return next((span for start, end in sentences(text) for span in spans(rule, text, start, end)), None)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    return ((found.start(), found.end()) for found in SENTENCE.finditer(text) if found[0].strip())


def spans(rule: AdviceRule, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    sentence = text[start:end]
    patterns = rule.asked if sentence.rstrip().endswith("?") else rule.patterns
    for found in patterns.finditer(sentence):
        if rule.before.search(sentence[: found.start()]) is None and rule.anywhere.search(sentence) is None:
            yield start + found.start(), start + found.end()


def unanswered(conversation: Conversation) -> Iterator[AdviceHit]:
    """Answers to a message that tells of danger, in which no person, place or number is named that could help."""
    messages = conversation.messages
    for position, (asked, answered) in enumerate(pairwise(messages), 1):
        if (asked.role, answered.role) != ("user", "assistant") or handover().search(answered.content):
            continue
        if tells_of_danger(asked.content):
            yield AdviceHit(CRISIS, position, 0, len(answered.content))


def tells_of_danger(text: str) -> bool:
    """Whether a message by itself says that a life is in danger now."""
    signals = read_message(text).signals
    return any(one.tier == "imminent" or (one.tier in IN_DANGER and one.explicit and one.kind in OWN_LIFE) for one in signals)


def words_of_rules() -> dict[str, str]:
    """Name -> what it says to a reviewer."""
    return {
        **{rule.name: rule.words for rule in rules()},
        CRISIS: "answers a person in danger without naming anybody who could help",
    }


@lru_cache(maxsize=1)
def rules() -> tuple[AdviceRule, ...]:
    found = table("advice")["rules"]
    return tuple(AdviceRule(rule["name"], rule["words"], *(compiled(rule.get(part, "")) for part in PARTS)) for rule in found)


@lru_cache(maxsize=1)
def handover() -> re.Pattern[str]:
    return compiled(table("advice")["handover"])


def compiled(block: str) -> re.Pattern[str]:
    """One pattern of all lines; one that matches nothing when there are none."""
    return re.compile("|".join(f"(?:{expand(line)})" for line in lines(block)) or r"(?!)", re.IGNORECASE)


def expand(pattern: str) -> str:
    """Macros and gaps filled in."""
    macros: dict[str, str] = table("advice")["macros"]
    while (
        filled := re.sub(r"<([a-z]+)>", lambda found: macros[found[1]], re.sub(r"<g(\d)>", r"(?:[\\w'-]+ ?){0,\1}", pattern))
    ) != pattern:
        pattern = filled
    return pattern

"""Rewriting: a chat in; what to look for out. "And for children?" is looked for together with what it goes on from.

No model is asked. A turn leans on the chat when it points back (it, that, there), begins as one goes on (and, what about),
or has hardly a word of its own. Then the words of the person's turn before it are looked for too; a turn that stands by
itself is looked for alone, so that a change of subject is one. What was measured: docs/log.md.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from heedful.conversation import Message

POINTING = """
it its they them their theirs he him his she her hers this that these those there one ones such same both either neither
former latter else other others instead
"""
GOING_ON = re.compile(r"\W*(and|or|but|so|then|also|what about|how about|what if|why|how so|which ones?)\b", re.I)
EMPTY = """
a about again all also am an and any anything are as at be because been before being but by can could did do does doing done
for from get gets getting give given go goes going got had has have having help helps how i if in into is just kind know like
look looks made make makes many may me mean means might more most much must my no not of on only or our out over part people
play please really said say says should show so some something tell than the then thing things think through to too up us use
used very want was way we well were what when where which while who whom whose why will with without work works would yes you
your
"""
BACK = frozenset(POINTING.split())
LITTLE = BACK | frozenset(EMPTY.split())
FEW = 2  # content words: with so many or fewer a turn has hardly a word of its own
LONG = 14  # words: a turn of more says by itself what it is about
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Question:
    """`text` is what the person said last; `context` the words before it that it leans on, or empty."""

    text: str
    context: str = ""


def question_of(messages: Sequence[Message]) -> Question:
    """An empty text where nobody said anything."""
    said = [message.content.strip() for message in messages if message.role == "user"]
    if not said:
        return Question("")
    text = said[-1]
    before = next((turn for turn in reversed(said[:-1]) if content_words(turn)), "")
    return Question(text, " ".join(content_words(before)) if before and leans_back(text) else "")


def leans_back(text: str) -> bool:
    """Whether a turn cannot be understood without the one before it."""
    words = [word.lower() for word in WORD.findall(text)]
    if len(words) > LONG:
        return False
    return bool(BACK & set(words)) or GOING_ON.match(text) is not None or len(content_words(text)) <= FEW


def content_words(text: str) -> list[str]:
    """In their order, each once."""
    return list(dict.fromkeys(word for word in WORD.findall(text) if word.lower() not in LITTLE))

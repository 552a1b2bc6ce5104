"""Answers: what the companion asked and what the person answered in; the danger that lies in the answer out.

"Are you thinking about suicide?" - "yeah, sometimes" is as plain as a sentence of one's own.
"""

import re
from functools import lru_cache
from typing import cast

from heedful.guards.crisis.lexicon import Kind
from heedful.guards.crisis.reading import Signal
from heedful.guards.crisis.words import Words, read_words
from heedful.guards.tables import lines, table

LONGEST = 14  # words of an answer; what is longer speaks for itself
SHORT_FORMS = (("'m", " am"), ("n't", " not"), ("dont", "do not"), ("idk", "i do not know"), ("ca not", "can not"))


@lru_cache(maxsize=16)
def expression(block: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(lines(block))})(?!\w)")


def fits(name: str, text: str) -> bool:
    return expression(table("answers")[name]).search(text) is not None


def begins(name: str, text: str) -> bool:
    return expression(table("answers")[name]).match(text) is not None


def asked_about(question: str) -> Kind | None:
    asked = table("answers")["asked"]
    return next((cast(Kind, entry["kind"]) for entry in asked if expression(entry["patterns"]).search(question)), None)


def read_answer(question: str, answer: str) -> Signal | None:
    """`question` is what the companion said last. None where the answer says nothing of danger."""
    said = raw_words(answer)
    if "?" not in question or not said or len(said.split()) > LONGEST:
        return None
    asked = questions(read_words(question))
    no, evasive = begins("no", said), begins("evasive", said)
    kind = asked_about(asked)
    if fits("safe_at_home", asked):
        return Signal("abuse", "active", False, "answer: not safe at home") if no else None
    if fits("safe", asked) and kind not in ("suicide", "self_harm"):
        return Signal("suicide", "active" if no else "passive", False, "answer: not safe") if no or evasive else None
    if kind is not None and begins("yes", said):
        return Signal(kind, "active", True, "answer: yes")
    if kind is not None and evasive:
        return Signal(kind, "passive", False, "answer: evasive")
    if fits("open", asked) and begins("means", said):
        return Signal("suicide", "active", True, "answer: means")
    return None


def raw_words(answer: str) -> str:
    """The typed words, spelled out but with the small ones kept."""
    letters = re.sub(r"[^\w' ]+", " ", answer.lower().replace("’", "'"))
    for short, whole in SHORT_FORMS:
        letters = letters.replace(short, whole)
    return " ".join(letters.split())


def questions(words: Words) -> str:
    """The last two sentences that ask."""
    return " . ".join([sentence.text for sentence in words.sentences if sentence.asks][-2:])

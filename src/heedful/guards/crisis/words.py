"""Words: what a person typed in; the plain sentences that the rules are written for, and the text for other languages, out."""

import re
from dataclasses import dataclass

from heedful.guards.crisis.letters import plain_letters, without_lookalikes
from heedful.guards.crisis.vocabulary import plain_word, vocabulary
from heedful.guards.tables import table

MOST_CHARACTERS = 6_000  # of one message; of a longer one, its beginning and its end are read
ADDRESS = re.compile(r"(?:https?://|www\.)\S+")
SPACED_OUT = re.compile(
    r"(?<![^\W_])[a-z0-9@!$](?:([ .\-_*|/]{1,3})[a-z0-9@!$](?![a-z0-9]))(?:[ .\-_*|/]{1,3}[a-z0-9@!$](?![a-z0-9]))+"
)
SEPARATED = re.compile(r"[ .\-_*|/]+")
BROKEN_LINE = re.compile(r"(?<![.!?\n])\n(?=[a-z])")
PAUSE = re.compile(r"\.{2,}(?=\s*[a-z])")
PIECES = re.compile(r"[.!?]+|[,;:()\[\]{}]|\n+|\"|[^\s.,;:()\[\]{}\"!?]+(?:[!?.*][^\s.,;:()\[\]{}\"!?]+)*")
ENDS = re.compile(r"[.!?\n]+")


@dataclass(frozen=True, slots=True)
class Sentence:
    """Plain words with one space between; `,` stands for any inner mark and `"` for a quote.

    `asks`: it ended with a question mark.
    """

    text: str
    asks: bool


@dataclass(frozen=True, slots=True)
class Words:
    """`letters` is the whole text in small letters of its own script; `sentences` are its plain words."""

    letters: str
    sentences: tuple[Sentence, ...]

    @property
    def text(self) -> str:
        return " . ".join(sentence.text for sentence in self.sentences)


def read_words(text: str) -> Words:
    if len(text) > MOST_CHARACTERS:
        text = f"{text[: MOST_CHARACTERS // 2]}\n{text[-MOST_CHARACTERS // 2 :]}"
    letters = plain_letters(text)
    joined = SPACED_OUT.sub(read_spaced_out, ADDRESS.sub(" address ", letters))
    joined = PAUSE.sub(" ", BROKEN_LINE.sub(" ", joined))
    sentences: list[Sentence] = []
    words: list[str] = []
    for piece in PIECES.findall(joined):
        if ENDS.fullmatch(piece):
            close(sentences, words, "?" in piece)
        elif piece in '"':
            words.append('"')
        elif piece in ",;:()[]{}":
            words.append(",")
        else:
            words += words_of(piece)
    close(sentences, words, asks=False)
    return Words(letters, tuple(sentences))


def close(sentences: list[Sentence], words: list[str], asks: bool) -> None:
    if words:
        text = without_fillers(respelled(words))
        if text:
            sentences.append(Sentence(text, asks))
        words.clear()


def read_spaced_out(match: re.Match[str]) -> str:
    """`k i l l  m y s e l f` becomes words, where that can be read; an abbreviation or a list of letters stays."""
    letters = SEPARATED.sub("", match[0])
    word = plain_word(letters)
    return word if word != letters or letters in vocabulary().known else match[0]


def words_of(piece: str) -> list[str]:
    """The plain words of what stands between two spaces."""
    known = vocabulary()
    word = without_lookalikes(piece).strip("'*_~#<>^")
    if word in known.spellings or word.isalpha():
        return plain_word(word).split()
    parts = re.split(r"[-/&+~]|(?<=[a-z]{2})\.(?=[a-z]{2})", word) if not re.search(r"[0-9$@!*]", word) else [word]
    if len(parts) > 1:
        whole = plain_word("".join(parts))
        if whole in known.known and whole not in parts:
            return whole.split()
    found: list[str] = []
    for part in parts:
        found += plain_word(part).split()
    return found


def respelled(words: list[str]) -> list[str]:
    """Spellings of several words (`toaster bath`), and words that were broken in two (`sui cide`)."""
    known, found, place = vocabulary(), [], 0
    while place < len(words):
        for length in range(min(known.longest, len(words) - place), 1, -1):
            phrase = " ".join(words[place : place + length])
            if phrase in known.spellings:
                found += known.spellings[phrase].split()
                place += length
                break
        else:
            pair = "".join(words[place : place + 2])
            if pair in known.fuzzy or pair in ("kill", "killing"):
                found.append(pair)
                place += 2
            else:
                found.append(words[place])
                place += 1
    return found


def without_fillers(words: list[str]) -> str:
    text = " ".join(word for word in words if word not in vocabulary().fillers)
    for phrase in table("words")["filler_phrases"]:
        if phrase in text:
            text = re.sub(rf"(?<!\w){phrase} ?(?!\w)", "", text)
    return text.strip(" ,")

"""A model's raw text in, in pieces of any size; what a person may read out, and a reason for each thing taken out.

The text never depends on where the pieces were split: whole and streamed replies are cleaned by the same decisions, each taken
once it cannot change any more. At most the current word (or what may still be a role label) is held back, and nothing is taken
back. That is why a reply cut by the token limit loses only its last, perhaps half word and gets an ellipsis: the beginning of its
last sentence was sent already.
"""

import re
from dataclasses import dataclass

from heedful.conversation import FinishReason
from heedful.guards.reply.turn_marks import (
    BROKEN_TAG,
    HALF_CHARACTER,
    MARK,
    OTHER_ROLES_IN_TAGS,
    OWN_ROLES_IN_TAGS,
    PENDING,
    Label,
    TagKind,
    read_label,
    tag_kind,
)
from heedful.guards.reply.urls import UNSPACED, find_urls

FALLBACK = "I am here, and I am listening. Could you tell me a little more about what is on your mind?"

# The reasons.
CHAT_TAG = "chat tag"
OTHER_TURN = "turn of another role"
ROLE_LABEL = "role label"
THOUGHT = "hidden reasoning"
BROKEN_CHARACTER = "broken character"
BROKEN_URL = "broken URL"
CUT_SENTENCE = "sentence cut by the token limit"
EMPTY = "empty reply, fallback given"

ELLIPSIS = "…"
WORD = re.compile(rf"[^\s{UNSPACED}]*[{UNSPACED}]|[^\s{UNSPACED}]+(?=\s)")  # a word that no further text can change
ITEM = re.compile(r"\d{1,2}[.)]|[-*•+–]|#{1,6}|>")  # begins an item, a heading or a quote; waits for its first word
SENTENCE_END = re.compile(r"[.!?…。！？؟।][\"'”’»)\]*_]*$")
UNSURE_END = re.compile(r"\W*[\d.,]+\W*|.*[./@]\w.*")  # "3." may go on as 3.50, "help.org." as help.org.uk
TAIL = 16  # characters; enough to see how a text ends


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Text fit to read, and the reasons in order of the text."""

    text: str
    reasons: tuple[str, ...]


def clean(raw: str, ending: FinishReason) -> Cleaned:
    """A whole reply at once."""
    cleaner = Cleaner()
    text = cleaner.feed(raw)
    rest = cleaner.finish(ending)
    return Cleaned(text + rest.text, rest.reasons)


class Cleaner:
    """Cleans one reply: feed it pieces in order, then finish it once."""

    def __init__(self) -> None:
        self._raw = ""  # arrived, not decided
        self._gap = ""  # white space and item marks since the last word
        self._ready: list[str] = []  # decided, not yet returned
        self._tail = ""  # how the text ends so far; empty as long as there is none
        self._ends_in_url = False
        self._cut = False
        self._role_next = False
        self._thinking = False
        self._reasons: list[str] = []

    def feed(self, piece: str) -> str:
        """More raw text. Returns what is safe to show now; often empty."""
        self._raw += piece
        self._decide(None)
        return self._take()

    def finish(self, ending: FinishReason) -> Cleaned:
        """The rest of the text, and the reasons of the whole reply. A reply without text becomes the fallback."""
        self._decide(ending)
        if not self._cut and ending == "stop" and self._gap.strip():
            self._say("")  # an item mark is all that was left to say
        if not self._cut and ending == "length" and self._tail and not SENTENCE_END.search(self._tail):
            self._ready.append(f" {ELLIPSIS}" if self._ends_in_url else ELLIPSIS)
            self._reasons += [CUT_SENTENCE] if CUT_SENTENCE not in self._reasons else []
        if not self._tail:
            self._ready.append(FALLBACK)
            self._reasons.append(EMPTY)
        return Cleaned(self._take(), tuple(self._reasons))

    def _take(self) -> str:
        text = "".join(self._ready)
        self._ready.clear()
        return text

    def _decide(self, ending: FinishReason | None) -> None:
        """Read the raw text as far as it is certain; with `ending`, to its end."""
        while not self._cut and self._step(ending):
            pass
        if self._cut:
            self._raw = ""

    def _step(self, ending: FinishReason | None) -> bool:
        """Read what comes first. False: nothing is left, or only more text can tell what it is."""
        text = self._raw.lstrip()
        self._gap += self._raw[: len(self._raw) - len(text)]
        self._raw = text
        if not text:
            return False
        mark = MARK.match(text)
        if mark is not None:
            self._raw = text[mark.end() :]
            self._read_mark(mark[0])
            return True
        label = read_label(text, ending is not None) if self._line_begins() and not self._thinking else None
        if label is PENDING:
            return False
        if isinstance(label, Label) and (label.sure or (label.own and not self._tail)):
            self._raw = text[label.end :]
            self._begin_turn(label.own, ROLE_LABEL)
            return True
        return self._read_word(ending)

    def _line_begins(self) -> bool:
        space = self._gap[len(self._gap.rstrip()) :]
        return "\n" in space or not (self._tail or self._gap.strip())

    def _read_mark(self, mark: str) -> None:
        self._gap += " "  # else the words around it could grow together to another tag
        if mark == HALF_CHARACTER:
            self._reasons.append(BROKEN_CHARACTER)
            return
        self._reasons.append(CHAT_TAG)
        kind = tag_kind(mark)
        if kind is TagKind.THOUGHT:
            self._thinking = True
            self._reasons.append(THOUGHT)
        elif kind is TagKind.THOUGHT_ENDS:
            self._thinking = False
        elif kind is TagKind.OTHER:
            self._begin_turn(own=False, reason=OTHER_TURN)
        elif kind is not TagKind.NOISE:
            self._cut = bool(self._tail)
            self._role_next = kind is TagKind.ROLE_NEXT

    def _begin_turn(self, own: bool, reason: str) -> None:
        """A turn's first mark: the assistant's own may open the reply, any other ends it."""
        self._role_next = False
        self._cut = not own or bool(self._tail)
        self._reasons.append(OTHER_TURN if self._cut else reason)

    def _read_word(self, ending: FinishReason | None) -> bool:
        """A word ends at white space, at a mark, or behind a character of an unspaced script. False: it has not ended."""
        text, last = self._raw, False
        certain = WORD.match(text)
        mark = MARK.search(text, 0, certain.end() if certain is not None else len(text))
        if mark is not None:
            end = mark.start()
        elif certain is not None:
            end = certain.end()
        elif ending is not None:
            end, last = len(text), True
        else:
            return False
        self._raw = text[end:]
        if last and ending is not None:
            self._accept_last(text[:end], ending)
        else:
            self._accept(text[:end])
        return True

    def _accept(self, word: str) -> None:
        if self._thinking:
            return
        name = word.lower().rstrip(":")
        if self._role_next and name in OWN_ROLES_IN_TAGS | OTHER_ROLES_IN_TAGS:
            self._begin_turn(name in OWN_ROLES_IN_TAGS, ROLE_LABEL)
            return
        self._role_next = False
        word = self._without_broken_tag(word)
        urls = find_urls(word)
        if not all(url.whole for url in urls):
            self._reasons.append(BROKEN_URL)
        elif ITEM.fullmatch(word) and self._line_begins():
            self._gap += word
        elif word:
            self._say(word)
            self._ends_in_url = bool(urls)

    def _without_broken_tag(self, word: str) -> str:
        whole = BROKEN_TAG.sub("", word)
        self._reasons += [CHAT_TAG] if whole != word else []
        return whole

    def _accept_last(self, word: str, ending: FinishReason) -> None:
        """The word at which the reply ends. At the token limit nobody knows whether it is whole, unless it ends a sentence."""
        sure = SENTENCE_END.search(word) and not UNSURE_END.fullmatch(word)
        if ending == "stop" or BROKEN_TAG.search(word):
            self._accept(word)
        elif find_urls(word):
            self._reasons.append(BROKEN_URL)
        elif sure or not self._tail:
            self._accept(word)
        else:
            self._reasons.append(CUT_SENTENCE)

    def _say(self, word: str) -> None:
        gap = self._gap if self._tail else self._gap.lstrip()
        self._gap = ""
        self._ready.append(re.sub(r"\s+", lay_out, gap if word else gap.rstrip()) + word)
        self._tail = (self._tail + self._ready[-1])[-TAIL:]


def lay_out(space: re.Match[str]) -> str:
    """One space, one line break, or one empty line; the indentation of nested items and code stays."""
    breaks = space[0].count("\n")
    indentation = space[0].rpartition("\n")[2]
    return "\n" * min(breaks, 2) + (indentation if len(indentation) > 1 else "") if breaks else " "

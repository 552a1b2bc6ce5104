"""Boiler-plate: answers in, their signatures out; and the same answer without those that stand under many others.

A signature is a last line that names a person, an office, a number or an address: `J. Doe, PhD`, `NIH: ...`, `call 555-0100`. It is
cut off when it stands under the answers to several questions. Kind closings such as "I wish you well" are no signature, however
often they occur: how a team ends a letter is its own. Where to find help in a crisis is never cut off.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable

from heedful.conversation import Conversation, Message

LAST, TAIL = 3, 600  # pieces of an answer that may be its signature, within so many characters of its end
LONGEST, TELLING_WORDS = 15, 4  # words of a signature; its last ones, by which it is known
LEAST_QUESTIONS = 5  # that a signature stands under before it is boiler-plate
ABBREVIATED = "".join(rf"(?<!\b{word}\.)" for word in ("[A-Z]", "Dr", "Mr", "Ms", "Mrs", "Dept"))  # no sentence ends there
PIECE_END = re.compile(rf"(?<=[.!?]){ABBREVIATED}\s+|\s*\n\s*|\s{{3,}}")
REACHABLE = re.compile(r"https?://|www\.|\S@\S+\.\w|\b\w+\.(?:com|org|net|ca|uk|de|eu)\b|(?:\d[\s().-]*){7,}")
HELP = re.compile(r"help|hotline|lifeline|crisis|emergenc|suicid|samaritan|\b(?:988|911|999|112|741741)\b", re.IGNORECASE)
NAME_WORD = re.compile(r"[^\W\d_][\w.'’&/-]*")
LEAST_NAMES, NAMES_SHARE = 2, 0.6  # capitalised words of a signature, and their share of its longer words


def last_pieces(text: str) -> list[tuple[int, int]]:
    """Start and end of the last sentences or lines, the last one first."""
    skipped = max(0, len(text) - TAIL)
    tail = text[skipped:]
    ends = [0, *(place for found in PIECE_END.finditer(tail) for place in found.span()), len(tail)]
    there = [(skipped + start, skipped + end) for start, end in zip(ends[::2], ends[1::2], strict=True) if tail[start:end].strip()]
    return there[: -LAST - 1 : -1]


def is_signature(piece: str) -> bool:
    """Names somebody, or says how to reach somebody; never a question, and never where to find help."""
    if piece.endswith("?") or len(piece.split()) > LONGEST or HELP.search(piece):
        return False
    if REACHABLE.search(piece):
        return True
    long_words = [word for word in NAME_WORD.findall(piece) if len(word) > 3 or word[0].isupper()]
    names = [word for word in long_words if word[0].isupper()]
    return len(names) >= LEAST_NAMES and len(names) >= NAMES_SHARE * len(long_words)


def piece_hash(piece: str) -> int:
    """Of its last words, so that `Be well. J. Doe, PhD, LPC` and `J. Doe, PhD, LPC` are one signature."""
    return int.from_bytes(hashlib.sha256(" ".join(piece.casefold().split()[-TELLING_WORDS:]).encode()).digest()[:8])


def signatures(conversation: Conversation) -> tuple[int, ...]:
    """Hashes of what may be a signature, at the end of any answer."""
    found = (
        piece_hash(answer[start:end])
        for answer in conversation.answers
        for start, end in last_pieces(answer)
        if is_signature(answer[start:end])
    )
    return tuple(dict.fromkeys(found))


def widespread(found: Iterable[tuple[int, int]]) -> frozenset[int]:
    """Of (signature, question) pairs, the signatures that stand under the answers to several questions."""
    questions: dict[int, set[int]] = defaultdict(set)
    for signature, question in found:
        questions[signature].add(question)
    return frozenset(signature for signature, under in questions.items() if len(under) >= LEAST_QUESTIONS)


def without_signatures(conversation: Conversation, known: Collection[int]) -> Conversation:
    """The answers without `known` signatures at their end. What is left may be empty."""
    cut = [Message(m.role, trim(m.content, known)) if m.role == "assistant" else m for m in conversation.messages]
    return conversation if tuple(cut) == conversation.messages else Conversation(tuple(cut), conversation.group)


def trim(answer: str, known: Collection[int]) -> str:
    end = len(answer)
    for start, stop in last_pieces(answer):
        if piece_hash(answer[start:stop]) not in known:
            break
        end = start
    return answer if end == len(answer) else answer[:end].rstrip()

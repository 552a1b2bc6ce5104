"""Text of people cannot forge control tokens: a chat in; token ids out in which only the template writes `<|end|>` and the like.

Before rendering, control tokens inside a message are wrapped in two private-use characters. After rendering, the wrapped pieces are
encoded as plain text and everything else normally. transformers does the same (`sanitize_control_tokens`, 5.23), but hands back
no text, and the renderer needs the text to find the turns.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Tokenizer: TypeAlias = "PreTrainedTokenizerBase"

OPEN, CLOSE = "\U000f0000", "\U000f0001"
MARKS = re.compile(f"{OPEN}([^{OPEN}{CLOSE}]*){CLOSE}|[{OPEN}{CLOSE}]")


def control_tokens(tokenizer: Tokenizer) -> dict[str, int]:
    """Text and id of every special token, and of other added tokens that the template writes (but white space, which is text)."""
    template = tokenizer.get_chat_template()
    return {
        token.content: number
        for number, token in tokenizer.added_tokens_decoder.items()
        if token.special or (token.content in template and not token.content.isspace())
    }


@lru_cache(maxsize=16)
def control_pattern(tokenizer: Tokenizer, template: str) -> re.Pattern[str]:
    """Matches any control token, the longest first; nothing when there are none. `template` is in the key as it can be replaced."""
    longest_first = sorted(control_tokens(tokenizer), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")


def protect(text: str, pattern: re.Pattern[str]) -> str:
    """Wrap control tokens in a message. Marks that are in it already are taken out, so that nobody can bring their own."""
    return pattern.sub(f"{OPEN}\\g<0>{CLOSE}", text.replace(OPEN, "").replace(CLOSE, ""))


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    """Ids of a rendered chat. Without marks, that is one call for the whole text."""
    ids: list[int] = []
    for number, (piece, plain) in enumerate(pieces(text)):
        ids += encode_first(tokenizer, piece, plain) if number == 0 else encode_later(tokenizer, piece, plain)
    return ids


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """(text, is it a wrapped control token), in order. A lone mark, its partner cut off by the template, only separates."""
    end = 0
    for match in MARKS.finditer(text):
        yield from [(text[end : match.start()], False)] if match.start() > end else []
        yield from [(match[1], True)] if match[1] else []
        end = match.end()
    yield from [(text[end:], False)] if end < len(text) else []


def encode_first(tokenizer: Tokenizer, piece: str, plain: bool) -> list[int]:
    if plain:
        return list(tokenizer._encode_without_added_tokens(piece))
    return list(tokenizer(piece, add_special_tokens=False, verbose=False)["input_ids"])


def encode_later(tokenizer: Tokenizer, piece: str, plain: bool) -> list[int]:
    """Behind a line break that is taken off again: SentencePiece would put a space before what it takes for the start of a text."""
    line_break = encode_first(tokenizer, "\n", plain)
    ids = encode_first(tokenizer, f"\n{piece}", plain)
    return ids[len(line_break) :] if ids[: len(line_break)] == line_break else encode_first(tokenizer, piece, plain)

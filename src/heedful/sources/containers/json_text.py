"""JSON text, piece by piece: a stream in; values out one at a time, so that a list of any length needs the memory of one item.

The standard decoder does the work; what cannot be decoded yet is tried again with more text. Errors name line and column and quote
nothing, for what stands there was written by people.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

from heedful.sources.rows import RowError

PIECE = 1 << 16  # characters read at a time
MAX_VALUE = 1 << 22  # characters of one value
NEAR_END = 32  # an error this near to the end of what was read may only mean that the rest is missing
WHITE = re.compile(r"[ \t\n\r]*")


def explain(error: ValueError | RecursionError) -> str:
    """What is wrong, without the text around it."""
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    return "lists or objects nested too deeply" if isinstance(error, RecursionError) else "a number that is too long"


class JsonText:
    """A position in a JSON text: `peek` at the next character that counts, `take` it, or read the `value` that begins there."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._text, self._at, self._ended = stream, "", 0, False
        self._line, self._column = 1, 1  # of the first character of _text
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """The next character behind white space; empty at the end."""
        while True:
            self._at = WHITE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self, allowed: str) -> str:
        """Pass one of the allowed characters. Raises RowError at any other."""
        found = self.peek()
        if not found or found not in allowed:
            raise self.unexpected(" or ".join(allowed))
        self._at += 1
        return found

    def value(self) -> Any:
        self.peek()
        wanted = PIECE
        while True:
            try:
                decoded, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                unfinished = error.msg.startswith("Unterminated string") or error.pos + NEAR_END > len(self._text)
                if self._ended or not unfinished:
                    raise self.error(error.msg, error.pos) from None
            except (ValueError, RecursionError) as error:
                raise self.error(explain(error), self._at) from None
            else:
                if end < len(self._text) or self._ended:  # a number at the end may go on
                    self._at = end
                    return decoded
            if len(self._text) - self._at > MAX_VALUE:
                raise self.error(f"a value of more than {MAX_VALUE:,} characters", self._at)
            wanted *= 2
            self._more(wanted)

    def items(self) -> Iterator[Any]:
        """The items of the list that begins here, one by one."""
        self.take("[")
        if self.peek() == "]":
            self.take("]")
            return
        while True:
            yield self.value()
            if self.take(",]") == "]":
                return

    def members(self) -> Iterator[str]:
        """The keys of the object that begins here. The caller reads the value of each before it asks for the next."""
        self.take("{")
        if self.peek() == "}":
            self.take("}")
            return
        while True:
            if self.peek() != '"':
                raise self.unexpected("a key in quotes")
            key = str(self.value())
            self.take(":")
            yield key
            if self.take(",}") == "}":
                return

    def unexpected(self, wanted: str) -> RowError:
        return self.error(f"expected {wanted}", self._at)

    def error(self, problem: str, position: int) -> RowError:
        before = self._text[:position]
        line = self._line + before.count("\n")
        column = len(before) - before.rfind("\n") if "\n" in before else self._column + len(before)
        return RowError(f"is not valid JSON at line {line}, column {column}: {problem}")

    def _more(self, size: int = PIECE) -> bool:
        """Forget what was passed, read on. False at the end."""
        passed = self._text[: self._at]
        newlines = passed.count("\n")
        self._column = len(passed) - passed.rfind("\n") if newlines else self._column + len(passed)
        self._line += newlines
        piece = self._stream.read(size)
        self._text, self._at, self._ended = self._text[self._at :] + piece, 0, not piece
        return bool(piece)

"""Tokens of one reply in, its text out in pieces: never half a character, special tokens as text, the end of turn left out."""

from collections.abc import Callable, Sequence

from heedful.conversation import FinishReason

INCOMPLETE = "\ufffd"  # what decoders put for bytes that are no whole character


class ReplyText:
    """The text of one reply while its tokens arrive.

    A token is decoded together with the piece before it, because some decoders strip the space of a first token. As long as the
    text ends in an incomplete character nothing is given out.
    """

    def __init__(self, decode: Callable[[list[int]], str], ends: Sequence[int]) -> None:
        self._decode = decode
        self._ends = frozenset(ends)
        self._ids: list[int] = []
        self._before = 0  # where the piece before starts
        self._given = 0  # how many ids have been given out as text
        self.ended = False
        self.tokens = 0  # the end-of-turn token included

    @property
    def reason(self) -> FinishReason:
        return "stop" if self.ended else "length"

    def push(self, token: int) -> str:
        """Text that became certain with this token; often empty. Tokens after the end of turn are ignored."""
        if self.ended:
            return ""
        self.tokens += 1
        if token in self._ends:
            self.ended = True
            return ""
        self._ids.append(token)
        text = self._new_text()
        if not text or text.endswith(INCOMPLETE):
            return ""
        self._before, self._given = self._given, len(self._ids)
        return text

    def rest(self) -> str:
        """What was held back, without the half character at its end."""
        return self._new_text().rstrip(INCOMPLETE) if self._given < len(self._ids) else ""

    def _new_text(self) -> str:
        known = self._decode(self._ids[self._before : self._given])
        return self._decode(self._ids[self._before :])[len(known) :]


def reply_text(tokens: Sequence[int], decode: Callable[[list[int]], str], ends: Sequence[int]) -> tuple[str, ReplyText]:
    """The whole text of a finished reply, made by the same steps as a streamed one, and the state at its end."""
    state = ReplyText(decode, ends)
    pieces = [state.push(token) for token in tokens]
    return "".join(pieces) + state.rest(), state

"""Stop sequences: pieces of a reply go in, the text before the first stop sequence comes out, however the pieces were cut."""

from dataclasses import dataclass


@dataclass(slots=True)
class StopCutter:
    """Cuts a reply at the stop sequence that is complete first. No part of a stop sequence that is met is ever let out.

    `held` is the tail that may yet become a stop sequence; it is shorter than the longest of them.
    """

    sequences: tuple[str, ...]
    held: str = ""
    hit: bool = False

    def feed(self, text: str) -> str:
        """What may be sent now. After a hit: nothing."""
        if self.hit:
            return ""
        text = self.held + text
        found = [(at + len(sequence), at) for sequence in self.sequences if (at := text.find(sequence)) >= 0]
        if found:
            # The first to be complete wins, so that the cut does not depend on where the pieces were cut.
            self.hit, self.held = True, ""
            return text[: min(found)[1]]
        keep = max((overlap(text, sequence) for sequence in self.sequences), default=0)
        self.held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """The held tail once the reply is over: it did not become a stop sequence."""
        text, self.held = self.held, ""
        return text


def overlap(text: str, sequence: str) -> int:
    """Length of the longest end of `text` that is a proper beginning of `sequence`."""
    return next((n for n in range(min(len(text), len(sequence) - 1), 0, -1) if text.endswith(sequence[:n])), 0)

"""Examples: text files of a plain form in; chats with what is true of them out. For training the head, and for benchmarks.

A line that begins with `#` says what follows: `benign`, `hard`, `calm`, or `positive` with kind, tier and, where it is said
outright, `explicit`. Turns of a chat are separated by `||`; the last one is the person's, before it person and companion
alternate. The heading is true of the last message; `calm` of every message of the person: a whole talk without danger.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from heedful.conversation import Message
from heedful.guards.crisis.lexicon import Kind, Tier

Label = Literal["positive", "benign", "hard", "calm", "ordinary", "burdened"]  # the last two are in no file: see the script


@dataclass(frozen=True, slots=True)
class Example:
    """`kind` and `tier` are of positives; others have tier none."""

    messages: tuple[Message, ...]
    label: Label
    kind: Kind | None = None
    tier: Tier = "none"
    explicit: bool = False

    @property
    def text(self) -> str:
        return self.messages[-1].content

    @property
    def looks(self) -> list[tuple[Message, ...]]:
        """The chat as it stood at every message of the person."""
        return [self.messages[: place + 1] for place, message in enumerate(self.messages) if message.role == "user"]


def read_examples(folder: Path) -> list[Example]:
    """Of every .txt file of a folder, in the order of their names."""
    return [
        example for path in sorted(folder.glob("*.txt")) for example in read_lines(path.read_text(encoding="utf-8").splitlines())
    ]


def read_lines(lines: Iterable[str]) -> list[Example]:
    found: list[Example] = []
    heading: list[str] = []
    for line in filter(None, map(str.strip, lines)):
        if line.startswith("#"):
            heading = line[1:].split()
            continue
        found.append(to_example(heading, line))
    return found


def to_example(heading: list[str], line: str) -> Example:
    turns = [turn.strip() for turn in line.split("||")]
    last = len(turns) - 1
    messages = tuple(Message("user" if (last - place) % 2 == 0 else "assistant", turn) for place, turn in enumerate(turns))
    if heading[0] != "positive":
        return Example(messages, cast(Label, heading[0]))
    return Example(messages, "positive", cast(Kind, heading[1]), cast(Tier, heading[2]), "explicit" in heading)


def fingerprint(folder: Path) -> str:
    """SHA-256 over the files, so that a head says what it was trained on."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.txt")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()

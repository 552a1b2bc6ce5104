"""Traces: a name and texts in; every file of a folder that holds them, byte for byte, out.

Texts are searched as fragments of some words, so that a text is found too where a part of it was replaced or cut. A fragment that
somebody else's text holds as well says nothing and is left out, in the open. Letter case of ASCII does not count.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ahocorasick_rs import BytesAhoCorasick

FRAGMENT_BYTES = 24  # so many hold enough words to be somebody's own
SHORTEST_BYTES = 16  # a whole text shorter than this is not searched: "thank you" is everybody's
NAME_BYTES = 3  # a shorter name would be found in every file
BINARY_NAME_BYTES = 6  # in weights and pages a shorter name turns up by chance
CHUNK = 8 * 2**20
CUT = re.compile(r"[\n\r\t\"\\<>&']+")  # what JSON or HTML write in another way
WORD = re.compile(r"\S+")
VOCABULARIES = {"tokenizer.json", "vocab.json", "vocab.txt", "merges.txt"}  # they list words of the language, names among them

Observe = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Needles:
    """What is searched. `too_short` texts and `shared` fragments are not, because they could be anybody's."""

    name: str | None
    fragments: frozenset[str]
    too_short: int = 0
    shared: int = 0


@dataclass(frozen=True, slots=True)
class Hit:
    """`path` is relative to the folder; counts of the name and of fragments in it."""

    path: str
    name: int
    words: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a search went through, and where it met something."""

    files: int
    bytes: int
    hits: tuple[Hit, ...]
    unreadable: tuple[str, ...]


def needles_of(name: str | None, texts: Iterable[str], others: Iterable[str] = ()) -> Needles:
    """Fragments of `texts` that none of the texts of `others` holds."""
    fragments: set[str] = set()
    too_short = 0
    for text in texts:
        found = set(fragments_of(text))
        fragments |= found
        too_short += not found
    own = without_shared(fragments, others)
    return Needles(name, frozenset(own), too_short, len(fragments) - len(own))


def fragments_of(text: str) -> Iterator[str]:
    """Runs of whole words of at least FRAGMENT_BYTES, one after the other, in lower case; a last one that ends with the text."""
    for line in CUT.split(lower(text)):
        piece = line.strip()
        if size(piece) < FRAGMENT_BYTES:
            if size(piece) >= SHORTEST_BYTES:
                yield piece
            continue
        starts = [match.start() for match in WORD.finditer(piece)]
        yield from runs(piece, starts if len(starts) > 1 else list(range(len(piece))))


def runs(piece: str, starts: list[int]) -> Iterator[str]:
    """A text without spaces, as Chinese is written, is cut between any two characters."""
    begin = 0
    for start in [*starts[1:], len(piece)]:
        run = piece[begin:start].rstrip()
        if size(run) >= FRAGMENT_BYTES:
            yield run
            begin = start
    if begin < len(piece):
        yield next(piece[start:] for start in reversed(starts) if size(piece[start:]) >= FRAGMENT_BYTES)


def lower(text: str) -> str:
    """ASCII letters only, as bytes are lowered: the length in bytes stays the same."""
    return text.encode().lower().decode()


def size(text: str) -> int:
    return len(text.encode())


def without_shared(fragments: set[str], others: Iterable[str]) -> set[str]:
    if not fragments:
        return set()
    listed = sorted(fragments)
    machine = BytesAhoCorasick([fragment.encode() for fragment in listed])
    shared: set[int] = set()
    for text in others:
        shared |= {number for number, _, _ in machine.find_matches_as_indexes(lower(text).encode(), overlapping=True)}
    return {fragment for number, fragment in enumerate(listed) if number not in shared}


@dataclass(frozen=True, slots=True)
class Search:
    """Needles made ready: one automaton for all. `short_name`: it would turn up by chance where bytes are random."""

    machine: BytesAhoCorasick
    has_name: bool
    short_name: bool
    longest: int


def prepare(needles: Needles) -> Search | None:
    """Each fragment as UTF-8 and as JSON escapes it; the name comes first. None when there is nothing to search."""
    has_name = needles.name is not None and is_searched(needles.name)
    name = [lower(needles.name).encode()] if needles.name is not None and has_name else []
    written = {form for fragment in needles.fragments for form in (fragment.encode(), json.dumps(fragment)[1:-1].encode())}
    patterns = [*name, *sorted(written)]
    if not patterns:
        return None
    return Search(
        BytesAhoCorasick(patterns), has_name, needles.name is not None and is_short(needles.name), max(map(len, patterns))
    )


def search(root: Path, needles: Needles, observe: Observe | None = None) -> Found:
    """Every regular file below `root`, hidden ones too; links are not followed."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    ready = prepare(needles)
    hits: list[Hit] = []
    unreadable: list[str] = []
    total = 0
    for number, path in enumerate(files, start=1):
        shown = str(path.relative_to(root))
        try:
            name, words = (0, 0) if ready is None else search_file(path, ready)
            total += path.stat().st_size
        except FileNotFoundError:
            continue  # SQLite takes its log away when it likes
        except OSError:
            unreadable.append(shown)
            continue
        name += names(shown, needles.name)
        if name or words:
            hits.append(Hit(shown, name, words))
        if observe is not None:
            observe(number, len(files))
    return Found(len(files), total, tuple(hits), tuple(unreadable))


def search_file(path: Path, ready: Search) -> tuple[int, int]:
    """How often the name and fragments stand in a file. Chunks overlap, and what lies in the overlap is counted once."""
    name = words = 0
    kept, before = b"", b""
    with path.open("rb") as stream:
        binary = b"\0" in stream.read(8192)
        stream.seek(0)
        # Any name may be in the list of words that a base came with; a short one turns up in weights and pages by chance.
        look_for_name = ready.has_name and path.name not in VOCABULARIES and not (binary and ready.short_name)
        while chunk := stream.read(CHUNK):
            data = kept + chunk.lower()
            for number, start, end in ready.machine.find_matches_as_indexes(data, overlapping=True):
                if end <= len(kept):
                    continue
                if number > 0 or not ready.has_name:
                    words += 1
                elif look_for_name and stands_alone(data[start - 1 : start] if start else before, data[end : end + 1]):
                    name += 1
            kept, before = data[-ready.longest :], data[-ready.longest - 1 : -ready.longest]
    return name, words


def is_searched(name: str) -> bool:
    """Whether a name is long enough to be told from any other letters."""
    return size(name) >= NAME_BYTES


def is_short(name: str) -> bool:
    """Whether a name may turn up by chance where bytes are random, and is not searched there."""
    return size(name) < BINARY_NAME_BYTES


def stands_alone(before: bytes, after: bytes) -> bool:
    """Whether no letter or digit touches the name: p-17 is not in p-170."""
    return not any(byte == 0x5F or byte >= 0x80 or chr(byte).isalnum() for byte in before + after)


def names(text: str, name: str | None) -> bool:
    """Whether a short text, such as a path, names the person."""
    if name is None or not is_searched(name):
        return False
    found = re.search(rf"(?<![\w]){re.escape(lower(name))}(?![\w])", lower(text))
    return found is not None

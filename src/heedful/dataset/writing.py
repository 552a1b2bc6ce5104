"""Writing: a selection in; the three files of a dataset, and which conversation is which line, out.

Members are in the order of the store, so one more pass over it writes them line by line.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TextIO

import numpy as np

from heedful.config import DatasetSettings
from heedful.dataset.canaries import make_canaries, plant
from heedful.dataset.compose import Exchange, compose
from heedful.dataset.grounding import Ground, Outcome
from heedful.dataset.pool import ordered_map
from heedful.dataset.render import Member, Rendered, Style, measure, render_all
from heedful.dataset.rows import from_line
from heedful.dataset.selection import Selection
from heedful.dataset.splits import SPLITS
from heedful.dataset.survey import BATCH, Survey
from heedful.dataset.topics import MOST_TEXTS
from heedful.store.batches import batches
from heedful.store.conversations import Stored
from heedful.store.schema import Split

LEARNED: tuple[Split, ...] = ("train", "validation")
KnownOf = Callable[[int | None], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Draft:
    """All that decides a version, before anything is written."""

    found: Survey
    selection: Selection
    settings: DatasetSettings
    system_prompt: str
    reviews: Mapping[str, Mapping[str, int]]


@dataclass(slots=True)
class Lengths:
    """How many lines have so many messages, so many characters; how many answers have so many characters."""

    messages: Counter[int] = field(default_factory=Counter)
    characters: Counter[int] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)

    def add(self, line: Rendered) -> None:
        self.messages[line.messages] += 1
        self.characters[line.characters] += 1
        self.answers.update(line.answers)


@dataclass(slots=True)
class Written:
    """`places` are (conversation id, file, line from 0). `cut` conversations lost a signature, `empty` ones were nothing else.

    `composed` lines of the training file were made from `exchanges` of it; the places name all that they were made from.
    """

    places: list[tuple[int, Split, int]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    lengths: Lengths = field(default_factory=Lengths)
    cut: int = 0
    empty: int = 0
    planted: int = 0  # lines with a made-up secret, behind all others of train.jsonl
    composed: int = 0
    grounded: Counter[Outcome] = field(default_factory=Counter)
    grounded_lines: tuple[int, int] = (0, 0)  # of train.jsonl: the first that shows passages, and behind the last
    documents: set[str] = field(default_factory=set)  # whose passages they show
    exchanges: list[Exchange] = field(default_factory=list)
    telling: list[frozenset[str]] = field(default_factory=list)
    identifiers: Counter[str] = field(default_factory=Counter)  # replaced, by kind
    pseudonymised: int = 0  # conversations with at least one
    id: str = ""


def write_lines(
    stored: Iterable[Stored], known_of: KnownOf, folder: Path, draft: Draft, workers: int, ground: Ground | None = None
) -> Written:
    """`known_of` says what the store knows of a person, by id; `ground` makes examples that show passages."""
    seed = draft.settings.seed if draft.settings.identifiers == "replace" else None
    style = Style(draft.system_prompt, draft.selection.signatures, draft.settings.min_characters, seed, for_topics(draft))
    ids, sides = draft.found.rows["id"][draft.selection.members], draft.selection.sides
    side_of = dict(zip(ids.tolist(), (SPLITS[side] for side in sides), strict=True))
    members = (Member(one, known_of(one.person)) for one in stored if one.id in side_of)
    written = Written()
    with ExitStack() as stack:
        files = {split: stack.enter_context(open_lines(folder / f"{split}.jsonl")) for split in SPLITS}
        for rendered in lines_of(members, style, workers):
            put(written, files, side_of[rendered.id], rendered)
        if ground is not None:
            put_grounded(written, files, ground)
        if draft.settings.augment:
            put_composed(written, files["train"], draft)
        for file in files.values():
            file.flush()
            os.fsync(file.fileno())
    if draft.settings.canaries:
        written.planted = plant(folder, make_canaries(draft.settings.seed), draft.system_prompt)
    written.id = content_id(folder, written.counts, draft.settings)
    return written


def for_topics(draft: Draft) -> frozenset[int]:
    """Ids of members, one a question, or a question with fifty answers would make its words everybody's; drawn by lottery."""
    members = draft.found.rows[draft.selection.members]
    _, first = np.unique(members["question"], return_index=True)
    asked = members[first]
    return frozenset(asked["id"][np.argsort(asked["draw"], kind="stable")[:MOST_TEXTS]].tolist())


def open_lines(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", newline="\n")


def lines_of(members: Iterable[Member], style: Style, workers: int) -> Iterator[Rendered]:
    for batch in ordered_map(partial(render_all, style=style), batches(members, BATCH), workers):
        yield from batch


def put(written: Written, files: dict[Split, TextIO], split: Split, rendered: Rendered) -> None:
    if not rendered.line:
        written.empty += 1
        return
    files[split].write(rendered.line)
    written.places.append((rendered.id, split, written.counts[split]))
    written.counts[split] += 1
    written.cut += rendered.cut
    written.identifiers.update(rendered.identifiers)
    written.pseudonymised += bool(rendered.identifiers)
    written.lengths.add(rendered)
    if rendered.telling:
        written.telling.append(rendered.telling)
    if rendered.exchange is not None and split == "train":
        written.exchanges.append(rendered.exchange)


def put_grounded(written: Written, files: dict[Split, TextIO], ground: Ground) -> None:
    """Behind the lines of both files that a training reads: what it stops by has to show passages as well. test.jsonl stays."""
    members = list(written.places)
    for split in LEARNED:
        file, first = files[split], written.counts[split]
        file.flush()
        with Path(file.name).open(encoding="utf-8") as lines:
            for key, line in zip([key for key, side, _ in members if side == split], lines, strict=False):
                made = ground(from_line(line))
                written.grounded[made.outcome] += 1
                if made.conversation is None:
                    continue
                rendered = measure(key, made.conversation, "")
                file.write(rendered.line)
                written.places.append((key, split, written.counts[split]))
                written.counts[split] += 1
                written.documents.update(made.documents)
                written.lengths.add(rendered)
        if split == "train":
            written.grounded_lines = (first, written.counts[split])


def put_composed(written: Written, file: TextIO, draft: Draft) -> None:
    for made in compose(written.exchanges, draft.settings.seed):
        rendered = measure(made.sources[0], made.conversation, draft.system_prompt)
        file.write(rendered.line)
        written.places += [(source, "train", written.counts["train"]) for source in made.sources]
        written.counts["train"] += 1
        written.composed += 1
        written.lengths.add(rendered)


def content_id(folder: Path, counts: dict[str, int], settings: DatasetSettings) -> str:
    """`ds-` and ten hex digits of a SHA-256 over the settings that decide the content, and the three files."""
    content = hashlib.sha256(json.dumps(content_settings(settings), sort_keys=True).encode())
    for split in SPLITS:
        content.update(f"\n{split} {counts[split]}\n".encode())
        with (folder / f"{split}.jsonl").open("rb") as file:
            content.update(hashlib.file_digest(file, "sha256").digest())
    return f"ds-{content.hexdigest()[:10]}"


def content_settings(settings: DatasetSettings) -> dict[str, object]:
    """All but how many processes did the work: that changes no line."""
    return settings.model_dump(mode="json", exclude={"workers"})

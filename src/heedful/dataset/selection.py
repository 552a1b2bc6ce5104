"""Selection: the candidates in; an id, and for each chosen conversation its file and line, out. Nothing is written yet."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from heedful.config import DatasetSettings
from heedful.dataset.candidates import Survey
from heedful.dataset.splits import SPLITS, cluster, split_clusters
from heedful.errors import DatasetError
from heedful.store.schema import Split

MIN_CONVERSATIONS, MIN_GROUPS = 10, 3


@dataclass(frozen=True, slots=True)
class Selection:
    """`members` has the conversation ids of each file, line by line; `assigned` the side of every key that ties them; `held_out`
    conversations are tied to two sides."""

    id: str
    members: dict[Split, list[int]]
    groups: dict[Split, int]
    largest_group: int
    assigned: dict[str, Split]
    held_out: int

    @property
    def counts(self) -> dict[str, int]:
        return {split: len(self.members[split]) for split in SPLITS}

    def places(self) -> Iterator[tuple[int, Split, int]]:
        """(conversation id, file, line from 0)."""
        for split in SPLITS:
            yield from ((key, split, line) for line, key in enumerate(self.members[split]))


def select_members(found: Survey, settings: DatasetSettings, frozen: Mapping[str, Split]) -> Selection:
    """Split the candidates and name the result. Raises DatasetError when there are too few, or none is free for a side."""
    clusters = cluster([c.ties for c in found.candidates], [c.draw for c in found.candidates], frozen, settings.seed)
    placed = [(one, name) for one, name in zip(found.candidates, clusters.of, strict=True) if name is not None]
    check_enough(found, len(placed), len({name for _, name in placed}))
    sides = split_clusters([name for _, name in placed], settings.split, clusters.sides)
    members: dict[Split, list[int]] = {split: [] for split in SPLITS}
    lines: dict[Split, list[bytes]] = {split: [] for split in SPLITS}
    for candidate, name in placed:
        members[sides[name]].append(candidate.id)
        lines[sides[name]].append(candidate.line_sha256)
    check_sides(members)
    return Selection(
        id=content_id(lines, settings),
        members=members,
        groups={split: sum(side == split for side in sides.values()) for split in SPLITS},
        largest_group=max(Counter(name for _, name in placed).values()),
        assigned={key: side for name, side in sides.items() for key in clusters.keys[name]},
        held_out=len(found.candidates) - len(placed),
    )


def check_enough(found: Survey, kept: int, groups: int) -> None:
    if kept >= MIN_CONVERSATIONS and groups >= MIN_GROUPS:
        return
    dropped = ", ".join(f"{reason} {count}" for reason, count in found.dropped.items() if count) or "none"
    raise DatasetError(
        f"{kept} usable conversations with {groups} different questions or groups are too few; a dataset needs at least "
        f"{MIN_CONVERSATIONS} and {MIN_GROUPS} (in the store: {found.conversations}; dropped: {dropped})",
        "heedful import FILE",
    )


def check_sides(members: Mapping[Split, list[int]]) -> None:
    empty = [split for split in SPLITS if not members[split]]
    if empty:
        raise DatasetError(
            f"nothing is left for {' and '.join(empty)}: every question that is here stood on another side in an earlier dataset, "
            "and stays there",
            "heedful import FILE adds new questions",
        )


def content_id(lines: dict[Split, list[bytes]], settings: DatasetSettings) -> str:
    """`ds-` and ten hex digits of a SHA-256 over the settings and the hash of every line of the three files, in order."""
    content = hashlib.sha256(json.dumps(settings.model_dump(mode="json"), sort_keys=True).encode())
    for split in SPLITS:
        content.update(f"\n{split} {len(lines[split])}\n".encode())
        for line in lines[split]:
            content.update(line)
    return f"ds-{content.hexdigest()[:10]}"

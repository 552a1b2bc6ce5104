"""Selection: the survey in; the side of every conversation that goes into the dataset out. Nothing is written yet."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heedful.config import DatasetSettings
from heedful.dataset.boilerplate import widespread
from heedful.dataset.filters import BETWEEN_SPLITS, NEAR_DUPLICATE, NOT_SAMPLED
from heedful.dataset.splits import SPLITS, Ties, cluster, keys_of, split_clusters
from heedful.dataset.survey import NOBODY, Numbers, Survey
from heedful.dataset.twins import Load, near_duplicates, twin_questions
from heedful.errors import DatasetError
from heedful.store.schema import Split

MIN_CONVERSATIONS, MIN_GROUPS = 10, 3

Frozen = Callable[[Iterable[str]], Mapping[str, Split]]  # those of the keys that have a side


@dataclass(frozen=True, slots=True)
class Tied:
    """Rows that tie questions to sides, and which questions are versions of one another.

    Also what is dropped later on ties: a question whose only answer awaits a review keeps its side meanwhile.
    """

    rows: Numbers
    twins: Mapping[int, set[int]]


def tie(found: Survey, workers: int = 1) -> Tied:
    return Tied(found.kept(), twin_questions(found, workers))


@dataclass(frozen=True, slots=True)
class Selection:
    """`members` are rows of the survey in order, `sides` the index in SPLITS of each. `assigned` is the side of every key that ties
    them, `moved` those of the keys that had another one. `signatures` are to be cut off their answers.

    `versions` questions were asked in nearly the words of another one.
    """

    members: Numbers
    sides: NDArray[np.int8]
    groups: dict[Split, int]
    largest_group: int
    assigned: dict[str, Split]
    moved: frozenset[str]
    signatures: frozenset[int]
    versions: int


def select_members(found: Survey, tied: Tied, settings: DatasetSettings, frozen: Frozen, load: Load, workers: int = 1) -> Selection:
    """Drop what needs all conversations to be seen, then divide. Raises DatasetError when too little is left."""
    found.drop(near_duplicates(found, load, workers), NEAR_DUPLICATE)
    found.drop(not_drawn(found, settings.max_samples), NOT_SAMPLED)
    ties = [ties_of(found, row, tied.twins) for row in tied.rows]
    known = frozen({key for one in ties for key in (*one.own, *one.twins)})
    clusters = cluster(ties, found.rows["draw"][tied.rows].tolist(), known, settings.seed)
    found.drop([row for row, name in zip(tied.rows, clusters.of, strict=True) if name is None], BETWEEN_SPLITS)
    names = {
        row: name for row, name in zip(tied.rows.tolist(), clusters.of, strict=True) if name is not None and not found.out[row]
    }
    check_enough(found, len(names), len(set(names.values())))
    sides = split_clusters(list(names.values()), settings.split, clusters.sides)
    check_sides(set(sides.values()))
    moved = [name for name, side in clusters.sides.items() if sides.get(name, side) != side]
    return Selection(
        members=np.array(list(names), np.int64),
        sides=np.array([SPLITS.index(sides[name]) for name in names.values()], np.int8),
        groups={split: sum(side == split for side in sides.values()) for split in SPLITS},
        largest_group=max(Counter(names.values()).values()),
        assigned={key: side for name, side in sides.items() for key in clusters.keys[name]},
        moved=frozenset(key for name in moved for key in clusters.keys[name]),
        signatures=widespread(found.signatures),
        versions=len(tied.twins),
    )


def not_drawn(found: Survey, most: int | None) -> Numbers:
    """All but the `most` smallest lottery numbers.

    The numbers come from seed and text, so the draw does not depend on the order of imports, and more data moves it little.
    """
    kept = found.kept()
    return kept[:0] if most is None else kept[np.argsort(found.rows["draw"][kept], kind="stable")[most:]]


def ties_of(found: Survey, row: int, twins: Mapping[int, set[int]]) -> Ties:
    question, group, person = (int(found.rows[name][row]) for name in ("question", "group", "person"))
    own = keys_of(question, group, None if person == NOBODY else person)
    return Ties(own, tuple(key for twin in sorted(twins.get(question, ())) for key in keys_of(twin, 0, None)))


def check_enough(found: Survey, kept: int, groups: int) -> None:
    if kept >= MIN_CONVERSATIONS and groups >= MIN_GROUPS:
        return
    dropped = ", ".join(f"{reason} {count}" for reason, count in found.dropped.items() if count) or "none"
    there = f"(in the store: {found.conversations}; dropped: {dropped})"
    if kept >= MIN_CONVERSATIONS:
        raise DatasetError(
            f"{kept} usable conversations are only {groups} bundle{'' if groups == 1 else 's'}, and each of the three files needs "
            f"one of its own: all of one person, of one question and of one group stay together {there}",
            "heedful import FILE with conversations of other persons, or texts of the team's own",
        )
    raise DatasetError(
        f"{kept} usable conversations with {groups} different questions or groups are too few; a dataset needs at least "
        f"{MIN_CONVERSATIONS} and {MIN_GROUPS} {there}",
        "heedful import FILE",
    )


def check_sides(there: set[Split]) -> None:
    empty = [split for split in SPLITS if split not in there]
    if empty:
        raise DatasetError(
            f"nothing is left for {' and '.join(empty)}: what is here was used otherwise in an earlier dataset, "
            "and must not change sides",
            "heedful import FILE adds new questions",
        )

"""Splits: what ties conversations together, shares and frozen sides in; train, validation or test for every conversation out.

All answers to one question must fall on one side, or the test would ask what training has answered. So a question is never cut
in two, and neither is a group that a source named (the tag of an intent), nor a person. Conversations that share one of these
belong together, also along a chain: one tag's questions may turn up under another tag.

**A side is for ever.** Questions, groups and persons that once had a side keep it in every later round, whatever the seed and the
shares; only when nothing is left of a side does it take from the one beside it, and never from train into test. A new conversation
joins the side of what it is tied to. One that is tied to two sides is held out: it would carry the test into training, and moving
what is there would do the same.

Free clusters are ordered by SHA-256 of seed and key, which no other row can change. The held-out sides are filled in that order
until they have their share of conversations. A plain threshold on the hash would not do: of ten clusters none falls into a tenth
one time in three, and one large cluster can upset the shares. A cluster that would take more than a fifth of a held-out side waits
until the smaller ones had their turn, because a proof on many different questions is worth more than one on a single large tag.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from heedful.store.schema import Split

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
LARGE = 0.2  # share of a held-out side


@dataclass(frozen=True, slots=True)
class Ties:
    """`own` keys of a conversation: its question, its group, its person. `twins` are keys of questions that are nearly its own.

    A key is `q:` or `g:` and a hash, or `p:` and the id of the person.
    """

    own: tuple[str, ...]
    twins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clusters:
    """`of` has the cluster of each conversation, None for one that is held out. `sides` has those that are frozen already,
    `keys` all keys of a cluster."""

    of: list[str | None]
    sides: dict[str, Split]
    keys: dict[str, list[str]]


def keys_of(question: int, group: int, person: int | None) -> tuple[str, ...]:
    """The keys of a conversation, from the hashes of its question and its group (0: none) and the id of its person."""
    named = [f"q:{question:016x}"]
    if group:
        named.append(f"g:{group:016x}")
    if person is not None:
        named.append(f"p:{person}")
    return tuple(named)


def rank(key: str, seed: int) -> str:
    """Place in the order of clusters. That of a person comes last: an id depends on the order of imports, a text does not."""
    return key if key.startswith("p:") else hashlib.sha256(f"{seed}\n{key}".encode()).hexdigest()


class Forest:
    """Union-find over keys, where a tree has a side or none. Trees of different sides never become one."""

    def __init__(self, frozen: Mapping[str, Split]) -> None:
        self.frozen = frozen
        self.above: dict[str, str] = {}
        self.side: dict[str, Split] = {}

    def root(self, key: str) -> str:
        if key not in self.above:
            self.above[key] = key
            if key in self.frozen:
                self.side[key] = self.frozen[key]
        while self.above[key] != key:
            self.above[key] = self.above[self.above[key]]
            key = self.above[key]
        return key

    def sides(self, keys: Sequence[str]) -> set[Split]:
        return {self.side[root] for root in map(self.root, keys) if root in self.side}

    def join(self, keys: Sequence[str]) -> None:
        """The caller has seen that these have one side at most."""
        roots = sorted({self.root(key) for key in keys})
        for other in roots[1:]:
            self.above[other] = roots[0]
            if other in self.side:
                self.side[roots[0]] = self.side.pop(other)


def cluster(ties: Sequence[Ties], order: Sequence[int], frozen: Mapping[str, Split], seed: int) -> Clusters:
    """Who belongs together. `order` decides who comes first where a new conversation ties two sides, so that imports do not."""
    forest = Forest(frozen)
    held_out = set()
    for number in sorted(range(len(ties)), key=lambda n: order[n]):
        own, twins = ties[number].own, ties[number].twins
        if all(key in frozen for key in own) and len(forest.sides(own)) == 1:  # it has its side; a twin cannot take it away
            twins = tuple(twin for twin in twins if forest.sides((*own, twin)) == forest.sides(own))
        if len(forest.sides((*own, *twins))) > 1:
            held_out.add(number)
        else:
            forest.join((*own, *twins))
    return name_clusters(ties, held_out, forest, seed)


def name_clusters(ties: Sequence[Ties], held_out: set[int], forest: Forest, seed: int) -> Clusters:
    """A cluster is named by the smallest rank among its keys."""
    placed = {key for number, tied in enumerate(ties) if number not in held_out for key in tied.own}
    names: dict[str, str] = {}
    members: dict[str, list[str]] = {}
    for key in sorted(placed):
        top = forest.root(key)
        names[top] = min(names.get(top, rank(key, seed)), rank(key, seed))
        members.setdefault(top, []).append(key)
    return Clusters(
        of=[None if number in held_out else names[forest.root(tied.own[0])] for number, tied in enumerate(ties)],
        sides={names[top]: side for top, side in forest.side.items() if top in names},
        keys={names[top]: keys for top, keys in members.items()},
    )


def split_clusters(clusters: Sequence[str], shares: tuple[float, float, float], frozen: Mapping[str, Split]) -> dict[str, Split]:
    """A side for every cluster. `clusters` has the cluster of each conversation; `shares` are those of train, validation and test.

    A side without a frozen cluster gets at least one, as far as there are free ones. What does not fit goes to train. A held-out
    side that stays empty, because all of it was erased or withdrawn, is refilled: see `refill`.
    """
    sizes = Counter(clusters)
    sides: dict[str, Split] = {name: frozen.get(name, "train") for name in sizes}
    free = {name: size for name, size in sizes.items() if name not in frozen}
    there = Counter({side: sum(size for name, size in sizes.items() if frozen.get(name) == side) for side in SPLITS})
    _, validation, test = shares
    order: tuple[tuple[Split, float, tuple[Split, ...]], ...] = (
        ("test", test, ("train", "validation")),
        ("validation", validation, ("train",)),
    )
    for side, share, later in order:
        most = len(free) - sum(there[other] == 0 for other in later)
        whole = max(1, round(share * len(clusters)))
        taken = fill(free, whole - there[side], most, LARGE * whole)
        if not taken and not there[side] and free:
            taken = [smallest(free)]
        sides |= dict.fromkeys(taken, side)
        free = {name: size for name, size in free.items() if name not in taken}
    return refill(sides, sizes)


def refill(sides: dict[str, Split], sizes: Mapping[str, int]) -> dict[str, Split]:
    """An empty test side takes the smallest cluster of validation, and an empty validation side the smallest of train.

    Nothing that was learned from ever comes into the test, and nothing leaves it.
    """
    steps: tuple[tuple[Split, Split], ...] = (("validation", "test"), ("train", "validation"))
    for giver, taker in steps:
        givers = {name: sizes[name] for name, side in sides.items() if side == giver}
        if taker not in sides.values() and givers:
            sides = {**sides, smallest(givers): taker}
    return sides


def smallest(sizes: Mapping[str, int]) -> str:
    return min(sizes, key=lambda name: (sizes[name], name))


def fill(free: Mapping[str, int], room: int, most: int, large: float) -> list[str]:
    """At most `most` of the free clusters (with their sizes), as far as they fit into `room`."""
    taken: list[str] = []
    for name in sorted(free, key=lambda name: (free[name] > large, name)):
        if free[name] <= room and len(taken) < most:
            taken.append(name)
            room -= free[name]
    return taken

"""Splits: group keys and shares in; train, validation or test for every conversation out.

All answers to one question must fall on one side, or the test would ask what training has answered. So a question is never cut
in two, and neither is a group that a source named (the tag of an intent). Conversations that share either belong together, also
along a chain: one tag's questions may turn up under another tag.

Groups are ordered by SHA-256 of seed and key, which no other row can change. The held-out sides are filled first, in that order,
until they have their share of conversations. A plain threshold on the hash would not do: of ten groups none falls into a tenth
one time in three, and one large group can upset the shares. The price: a group next to a border may change sides when data is
added. A group that would take more than a fifth of a held-out side waits until the smaller ones had their turn, because a proof
on many different questions is worth more than one on a single large tag.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from heedful.conversation import Conversation
from heedful.dataset.normalise import normalise
from heedful.store.schema import Split

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
LARGE = 0.2  # share of a held-out side


def group_ranks(conversation: Conversation, seed: int) -> tuple[str, ...]:
    """Ranks of everything that ties this conversation to others: its question, and its group when the source named one."""
    keys = [f"question:{normalise(conversation.question)}"]
    if conversation.group:
        keys.append(f"group:{conversation.group}")
    return tuple(hashlib.sha256(f"{seed}\n{key}".encode()).hexdigest() for key in keys)


def join_groups(ranks: Iterable[tuple[str, ...]]) -> list[str]:
    """For each conversation the smallest rank that it is tied to, directly or along a chain (union-find)."""
    above: dict[str, str] = {}

    def smallest(rank: str) -> str:
        while above.setdefault(rank, rank) != rank:
            above[rank] = above[above[rank]]
            rank = above[rank]
        return rank

    firsts = []
    for tied in ranks:
        firsts.append(tied[0])
        found = {smallest(rank) for rank in tied}
        for rank in found:
            above[rank] = min(found)
    return [smallest(first) for first in firsts]


def split_groups(groups: Sequence[str], shares: tuple[float, float, float]) -> dict[str, Split]:
    """A side for every group. `groups` has the group of each conversation; `shares` are those of train, validation and test.

    With three groups or more each side gets at least one. A group that does not fit into a held-out side goes to train.
    """
    sizes = Counter(groups)
    sides: dict[str, Split] = dict.fromkeys(sizes, "train")
    _, validation, test = shares
    held_out: tuple[tuple[Split, float, int], ...] = (("test", test, 2), ("validation", validation, 1))
    for side, share, others in held_out:
        free = {group: size for group, size in sizes.items() if sides[group] == "train"}
        room = max(1, round(share * len(groups)))
        sides |= dict.fromkeys(fill(free, room, len(free) - others), side)
    return sides


def fill(free: Mapping[str, int], room: int, most: int) -> list[str]:
    """At most `most` of the free groups (with their sizes), as far as they fit into `room`; the smallest one when none fits."""
    taken: list[str] = []
    left = room
    for group in sorted(free, key=lambda group: (free[group] > LARGE * room, group)):
        if free[group] <= left and len(taken) < most:
            taken.append(group)
            left -= free[group]
    return taken if taken else [min(free, key=lambda group: (free[group], group))]

"""Blocks of the key-value cache: token ids in; which blocks hold what is known of them already, and which are free, out.

A block holds BLOCK tokens. A full one is kept under (the block before it, its token ids) after its reply has ended, so that the
next turn of a chat, and every chat with the same system prompt, begins where the texts first differ. The key is exact, not a hash:
nobody can be answered from another person's words. What was used longest ago makes room.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

BLOCK = 32
ROOT = 0  # what stands before the first block

Key = tuple[int, tuple[int, ...]]


@dataclass(slots=True)
class Chain:
    """The blocks of one text in order. `computed` tokens of it are in the cache; `last` names its last block of known content."""

    blocks: list[int] = field(default_factory=list)
    computed: int = 0
    kept: int = 0  # of its full blocks, how many are known by their content
    last: int = ROOT


class BlockPool:
    """`count` blocks. One thread only."""

    def __init__(self, count: int) -> None:
        self._free = list(range(count - 1, -1, -1))
        self._users = [0] * count
        self._names: dict[Key, int] = {}  # content -> name, a number that is never given again
        self._block_of: dict[int, int] = {}  # name -> block
        self._key_of: dict[int, tuple[Key, int]] = {}  # block -> its content and name
        self._unused: OrderedDict[int, None] = OrderedDict()  # blocks of known content without a user, oldest first
        self._next_name = ROOT + 1

    @property
    def available(self) -> int:
        return len(self._free) + len(self._unused)

    def begin(self, ids: Sequence[int]) -> Chain:
        """What is in the cache of a text, but never its last token: that one must be computed to know what follows."""
        chain = Chain()
        while chain.computed + BLOCK < len(ids):
            name = self._names.get((chain.last, tuple(ids[chain.computed : chain.computed + BLOCK])))
            if name is None:
                break
            self._use(self._block_of[name])
            chain.blocks.append(self._block_of[name])
            chain.last, chain.kept, chain.computed = name, chain.kept + 1, chain.computed + BLOCK
        return chain

    def extend(self, chain: Chain, tokens: int) -> bool:
        """Blocks for the first `tokens` of a text; False, and nothing taken, when there are not enough."""
        missing = -(-tokens // BLOCK) - len(chain.blocks)
        if missing > self.available:
            return False
        chain.blocks += [self._take() for _ in range(missing)]
        return True

    def keep(self, chain: Chain, ids: Sequence[int]) -> None:
        """Make the blocks that became full findable. When two texts computed the same, the later one's stay its own."""
        while (chain.kept + 1) * BLOCK <= chain.computed:
            start = chain.kept * BLOCK
            key = (chain.last, tuple(ids[start : start + BLOCK]))
            block = chain.blocks[chain.kept]
            name = self._names.get(key)
            if name is None:
                name, self._next_name = self._next_name, self._next_name + 1
                self._names[key], self._block_of[name], self._key_of[block] = name, block, (key, name)
            chain.last, chain.kept = name, chain.kept + 1

    def release(self, chain: Chain) -> None:
        """The text needs its blocks no more; the last are given away first."""
        for block in reversed(chain.blocks):
            self._users[block] -= 1
            if self._users[block] == 0 and block in self._key_of:
                self._unused[block] = None
            elif self._users[block] == 0:
                self._free.append(block)
        chain.blocks, chain.computed, chain.kept, chain.last = [], 0, 0, ROOT

    def _use(self, block: int) -> None:
        self._unused.pop(block, None)
        self._users[block] += 1

    def _take(self) -> int:
        block = self._free.pop() if self._free else self._forget()
        self._users[block] = 1
        return block

    def _forget(self) -> int:
        block, _ = self._unused.popitem(last=False)
        key, name = self._key_of.pop(block)
        del self._names[key], self._block_of[name]
        return block

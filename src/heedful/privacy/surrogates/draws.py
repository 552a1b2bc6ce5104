"""Draws: the seed and one conversation in; the random choices for its surrogates, each made once and remembered, out.

Nothing of this is ever stored: the memory lives as long as one call, so no mapping from surrogate to person exists anywhere.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from heedful.privacy.identifiers.lexicon import fold

T = TypeVar("T")
TRIES = 200


@dataclass(frozen=True, slots=True)
class Draws:
    """`taken` are the original values of the conversation, and the surrogates given out: no surrogate may be one of them."""

    random: random.Random
    taken: set[str]
    memory: dict[tuple[str, str], str] = field(default_factory=dict)

    def once(self, kind: str, value: str, make: Callable[[], str]) -> str:
        """The surrogate of this value: made the first time, remembered after. Made again while it is, or holds, an original."""
        key = (kind, fold(value))
        if key not in self.memory:
            self.memory[key] = self.fresh(value, make)
        return self.memory[key]

    def fresh(self, value: str, make: Callable[[], str]) -> str:
        """Where every try gives an original back, as when a conversation names all countries of a continent, a word of nobody."""
        original = fold(value)
        for _ in range(TRIES):
            made = make()
            if fold(made) not in self.taken and not (len(original) >= 3 and original in fold(made)):
                self.taken.add(fold(made))
                return made
        return self.fresh(value, self.syllables)

    def syllables(self) -> str:
        return "".join(self.pick("bdfgklmnprstvz") + self.pick("aeiou") for _ in range(5)).title()

    def pick(self, choices: Sequence[T]) -> T:
        return self.random.choice(choices)

    def digits(self, count: int) -> str:
        return "".join(str(self.random.randrange(10)) for _ in range(count))


def new_draws(seed: int, fingerprint: str, originals: Iterable[str]) -> Draws:
    return Draws(random.Random(f"{seed}\n{fingerprint}"), {fold(value) for value in originals})


def like(model: str, made: str) -> str:
    """`made` in the letter case of `model`."""
    if model.isupper() and sum(map(str.isalpha, model)) > 1:
        return made.upper()
    if model.islower():
        return made.lower()
    return made

"""Classifier: what a person said, and what was said before it, in; how likely it is danger, of which kind and how near, out.

The packaged MiniLM with low-rank factors of ours on its upper layers, and a linear head (scripts/train_crisis_head.py). It knows no
rule; it catches what is said in ways that nobody wrote down. What was said before is read, so that "tonight" has its sense, but the
head sees the mean over the person's own last words alone: a companion's question is no evidence. One pass of some milliseconds for
each new message; the scores of messages seen before are kept by a hash of their words. The layers below the factors are the
packaged ones, and what they made of the newest messages is kept for the router: so a turn is read once.
"""

import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from heedful.conversation import Message
from heedful.errors import HeedfulError
from heedful.guards.crisis.lexicon import Kind, Tier
from heedful.modeling.embedder import MAX_TOKENS, Embedder, Vectors, load_embedder

Kept = TypeVar("Kept")

LOG = logging.getLogger("heedful.guards")
ASSET = "assets/guards/crisis_head.safetensors"
OUTPUTS = ("danger", "suicide", "self_harm", "harm_to_others", "abuse", "active", "imminent")
KINDS: tuple[Kind, ...] = ("suicide", "self_harm", "harm_to_others", "abuse")
BEFORE = 4  # messages before the last that are read with it
BEFORE_TOKENS = 64  # of these, the nearest
KEPT = 512  # scores of messages
NEWEST = 64  # messages whose views are kept: as many turns as may stand between guard and router


@dataclass(frozen=True, slots=True)
class Thresholds:
    """On calibrated danger, chosen by grouped cross-validation.

    `alone`: it counts by itself. `backing`: it lets an unsure rule, or weak signs, count. `quieted`: it counts by itself although
    rules saw something harmless (past, of others, an idiom). `later`: in a talk that has gone on, where each message is one more
    occasion to be wrong, it counts by itself; between `alone` and `later` two messages must agree.
    """

    alone: float
    backing: float
    quieted: float
    later: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """`danger` is calibrated: of messages with .8, about 80% are dangerous. `kind` and `tier` are the likeliest if it is."""

    danger: float
    kind: Kind
    tier: Tier


@dataclass(frozen=True, slots=True)
class Unit:
    """What is read for one message of the person: `said` is judged, `before` gives it its sense, the oldest first."""

    said: str
    before: tuple[str, ...] = ()


def unit_of(chat: Sequence[Message]) -> Unit:
    """For the last message of `chat`. Instructions to the companion are nothing that was said."""
    texts = [message.content for message in chat if message.role in ("user", "assistant")]
    return Unit(texts[-1], tuple(texts[-1 - BEFORE : -1]))


def tokens_of(unit: Unit, tokenise: Callable[[Sequence[str]], list[list[int]]]) -> tuple[list[int], int]:
    """Ids of one row, begin and end included, and the place of the first token of what is judged."""
    said, *before = tokenise([unit.said, *unit.before])
    said = [*said[: MAX_TOKENS - 1], said[-1]] if len(said) > MAX_TOKENS else said
    room = min(BEFORE_TOKENS, MAX_TOKENS - len(said))
    context = [token for ids in before for token in ids[1:]][-room:] if room else []
    return [said[0], *context, *said[1:]], len(context) + 1 if context else 0


class Classifier:
    """`estimate` is all there is. Threads may share it."""

    def __init__(self, embedder: Embedder, weight: NDArray[np.float32], bias: NDArray[np.float32], about: dict[str, Any]) -> None:
        self._embedder, self._weight, self._bias, self.about = embedder, weight, bias, about
        self.thresholds = Thresholds(**about["thresholds"])
        self._kept: OrderedDict[bytes, Estimate] = OrderedDict()
        self._views: OrderedDict[bytes, Vectors] = OrderedDict()
        self._lock = Lock()

    def estimate(self, chat: Sequence[Message]) -> Estimate:
        """For the last message of `chat`, the person's."""
        unit = unit_of(chat)
        key = key_of(unit)
        found = self._known(self._kept, key)
        return self._read(unit, key)[0] if found is None else found

    def lower(self, chat: Sequence[Message]) -> Vectors:
        """[2, 384] for the last message of `chat`: what the layers below the factors make of it, and of what was said before it."""
        unit = unit_of(chat)
        key = key_of(unit)
        views = self._known(self._views, key)
        return (self._read(unit, key)[1] if views is None else views)[1:]

    def has_read(self, chat: Sequence[Message]) -> bool:
        """Whether `lower` has it at hand."""
        return self._known(self._views, key_of(unit_of(chat))) is not None

    def _known(self, kept: OrderedDict[bytes, Kept], key: bytes) -> Kept | None:
        with self._lock:
            if key in kept:
                kept.move_to_end(key)
            return kept.get(key)

    def forget(self) -> None:
        """Drop the scores that were kept."""
        with self._lock:
            self._kept.clear()
            self._views.clear()

    def _read(self, unit: Unit, key: bytes) -> tuple[Estimate, Vectors]:
        ids, start = tokens_of(unit, self._embedder.tokenise)
        views = self._embedder.read_ids([ids], [start])[0]
        found = to_estimate(views[0] @ self._weight.T + self._bias, *self.about["platt"])
        with self._lock:
            self._kept[key], self._views[key] = found, views
            for kept, most in ((self._kept, KEPT), (self._views, NEWEST)):
                while len(kept) > most:
                    kept.popitem(last=False)
        return found, views


def key_of(unit: Unit) -> bytes:
    return hashlib.blake2b("\0".join((unit.said, *unit.before)).encode(), digest_size=16).digest()


def to_estimate(logits: NDArray[np.float32], slope: float, offset: float) -> Estimate:
    kind = KINDS[int(np.argmax(logits[1:5]))]
    tier: Tier = "imminent" if logits[6] > 0 else "active" if logits[5] > 0 or kind != "suicide" else "passive"
    return Estimate(float(1 / (1 + np.exp(-(slope * logits[0] + offset)))), kind, tier)


@lru_cache(maxsize=1)
def load_classifier() -> Classifier | None:
    """One a process. None where the embedder cannot be loaded: then the rules stand alone, and the log says so once."""
    try:
        with as_file(files("heedful").joinpath(ASSET)) as path:
            return read_classifier(path)
    except (HeedfulError, ImportError, OSError, RuntimeError) as error:  # RuntimeError: what OpenVINO and torch raise
        reason = " ".join(str(error).split())[:200]
        LOG.warning("the crisis guard stands on its rules alone, the classifier cannot be loaded: %s; see heedful doctor", reason)
        return None


def read_classifier(path: Path) -> Classifier:
    """Raises ModelError when the package with the embedding weights is missing."""
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        about = json.loads(file.metadata()["about"])
        return Classifier(load_embedder(path), file.get_tensor("head.weight"), file.get_tensor("head.bias"), about)

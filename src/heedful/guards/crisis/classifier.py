"""Classifier: what a person said, and was asked, in; how likely it is danger, of which kind and how near, out.

The packaged MiniLM with low-rank factors of ours on its upper layers, and a linear head (scripts/train_crisis_head.py). It knows no
rule; it catches what is said in ways that nobody wrote down. One pass of some milliseconds for each new message; the scores of
messages seen before are kept by a hash of their words.
"""

import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedful.conversation import Message
from heedful.errors import HeedfulError
from heedful.guards.crisis.lexicon import Kind, Tier
from heedful.modeling.embedder import Embedder, load_embedder

LOG = logging.getLogger("heedful.guards")
ASSET = "assets/guards/crisis_head.safetensors"
OUTPUTS = ("danger", "suicide", "self_harm", "harm_to_others", "abuse", "active", "imminent")
KINDS: tuple[Kind, ...] = ("suicide", "self_harm", "harm_to_others", "abuse")
SHORT_ANSWER = 12  # words; a shorter message is read together with the question before it
KEPT = 512  # scores of messages


@dataclass(frozen=True, slots=True)
class Thresholds:
    """On calibrated danger, chosen by grouped cross-validation.

    `alone`: it counts by itself. `backing`: it lets an unsure rule, or weak signs, count. `quieted`: it counts by itself although
    rules saw something harmless (past, of others, an idiom).
    """

    alone: float
    backing: float
    quieted: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """`danger` is calibrated: of messages with .8, about 80% are dangerous. `kind` and `tier` are the likeliest if it is."""

    danger: float
    kind: Kind
    tier: Tier


def units_of(chat: Sequence[Message]) -> list[str]:
    """What is embedded for the last message: a long one by itself; a short one with the question, and with the turn before that."""
    text = chat[-1].content
    if len(chat) < 2 or len(text.split()) > SHORT_ANSWER:
        return [text]
    answer = f"{chat[-2].content} {text}"
    return [answer] if len(chat) < 3 else [answer, f"{chat[-3].content} {answer}"]


class Classifier:
    """`estimate` is all there is. Threads may share it."""

    def __init__(self, embedder: Embedder, weight: NDArray[np.float32], bias: NDArray[np.float32], about: dict[str, Any]) -> None:
        self._embedder, self._weight, self._bias, self.about = embedder, weight, bias, about
        self.thresholds = Thresholds(**about["thresholds"])
        self._kept: OrderedDict[bytes, Estimate] = OrderedDict()
        self._lock = Lock()

    def estimate(self, chat: Sequence[Message]) -> Estimate:
        """For the last message of `chat`, the person's; the greatest danger of its units."""
        units = units_of(chat)
        key = hashlib.blake2b("\0".join(units).encode(), digest_size=16).digest()
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = max(self._read(units), key=lambda one: one.danger)
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found

    def forget(self) -> None:
        """Drop the scores that were kept."""
        with self._lock:
            self._kept.clear()

    def _read(self, units: Sequence[str]) -> list[Estimate]:
        logits = self._embedder.embed(units) @ self._weight.T + self._bias
        slope, offset = self.about["platt"]
        return [to_estimate(row, slope, offset) for row in logits]


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

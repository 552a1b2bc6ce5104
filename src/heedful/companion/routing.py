"""Routing: a chat in; whether its last turn is casual or therapeutic, with the score that says so, out.

A linear head (`scripts/train_router.py`) over what the lower layers of the packaged MiniLM make of the last message, and of what
was said before it, so that a short answer is read with what it answers and stays where the talk was. The crisis guard has read both
with the same layers already, and keeps what they made of it: beside the guard, a route costs next to nothing. It knows English
only. What the crisis guard noticed is therapeutic whatever the score: the turn sees to that. Its card, with its error, is
`assets/routing/README.md`.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from heedful.companion.guarding import GuardTrace
from heedful.conversation import Message
from heedful.engines.base import Engine
from heedful.errors import ModelError
from heedful.guards.crisis.assess import as_message
from heedful.guards.crisis.classifier import load_classifier

RouteName = Literal["casual", "therapeutic"]
HEAD = Path(__file__).resolve().parents[1] / "assets" / "routing" / "head.npz"
SHORT = 5  # words; a message of no more says little by itself

PATTERNS = (  # cues of wording in the last message, one idea a line; what each is worth is learned
    r"\b(?:i feel|i felt|feel(?:ing)?s?)\b",
    r"\b(?:i'?m|i am|im|been|so|too) (?:\w+ ){0,2}(?:sad|low|down|lost|numb|empty|scared|afraid|anxious|tired|exhausted|ashamed"
    r"|angry|lonely|alone|overwhelmed|stuck|worthless|broken|nervous|stressed|struggling|worried|unhappy|depressed|desperate|hopeless"
    r"|terrified|ugly)\b",
    r"\b(?:cr(?:y|ied|ying)|tears|panic\w*|anxi\w+|depress\w*|griev\w+|grief|guilt\w*|sham\w+|lonel\w+|nightmares?|trauma\w*|hurts?"
    r"|hate)\b",
    r"\b(?:died|dead|passed away|funeral|cancer|miscarriage|divorc\w+|broke up|break ?up|left me|cheat\w*|dumped|ghosted|abus\w+"
    r"|bull\w+|laid off|fired|debts?|relapse\w*)\b",
    r"\b(?:my (?:mum|mom|mother|dad|father|husband|wife|boyfriend|girlfriend|ex|partner|son|daughter|brother|sister|family|parents"
    r"|boss))\b",
    r"\b(?:can'?t|cannot|couldn'?t|don'?t know|never|nobody|no one|nothing|any ?more|always|every (?:day|night)|again)\b",
    r"\b(?:sleep|awake|insomnia|bed|exhausted)\b",
    r"^(?:what|who|where|when|which|how (?:many|much|long|far|old|often|do you|tall)|is|are|does|do you|can you|could you|will)\b",
    r"^(?:hi|hello|hey|good (?:morning|evening|night)|bye|thanks?|thank you|thx|cheers|ok|okay|lol|haha)\b",
    r"\b(?:appointment|book|cancel|reschedule|slot|opening|address|parking|password|account|app|invoice|link|website|receipt"
    r"|register)\b",
    r"\b(?:recipe|weather|joke|movie|film|song|match|game|weekend|holiday|lunch|dinner|coffee|poem|translate|write|spell|excel"
    r"|python)\b",
    r"\b(?:lol|haha\w*|yay|love it|awesome|great|lovely|perfect|cool|nice)\b|!$|:\)",
    r"\?\s*$",
    r"\b(?:i|me|my|myself|i'm|im|i've|i'd)\b",
)
CUES = tuple(re.compile(pattern, re.IGNORECASE) for pattern in PATTERNS)

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Route:
    """`score` is the probability that the turn is therapeutic; from `threshold` on it is."""

    name: RouteName
    score: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Routing:
    """`casual` answers the casual turns of a companion; `threshold` None means the packaged one."""

    casual: Engine
    threshold: float | None = None


async def route_turn(routing: Routing, messages: Sequence[Message], seen: GuardTrace) -> Route:
    """What the crisis guard noticed is therapeutic. Where the guard has read the last message too, no thread is worth its start."""
    classifier, chat = load_classifier(), turns_to_last(messages)
    if classifier is not None and (not chat or classifier.has_read(chat)):
        found = classify(chat, routing.threshold)
    else:
        found = await asyncio.to_thread(classify, chat, routing.threshold)
    return found if seen.tier == "none" else replace(found, name="therapeutic")


def classify(messages: Sequence[Message | Mapping[str, str]], threshold: float | None = None) -> Route:
    """The route of the person's last message; `threshold` None means the packaged one. A chat without one is casual.

    Raises ModelError when the embedder cannot be loaded.
    """
    limit = default_threshold() if threshold is None else threshold
    chat = turns_to_last(messages)
    if not chat:
        return Route("casual", 0.0, limit)
    weight, bias, _ = head()
    score = float(1 / (1 + np.exp(-(features([chat])[0] @ weight + bias))))
    return Route("therapeutic" if score >= limit else "casual", score, limit)


def turns_to_last(messages: Sequence[Message | Mapping[str, str]]) -> list[Message]:
    """Up to the person's last message, without system messages."""
    chat = [message for message in map(as_message, messages) if message.role != "system"]
    while chat and chat[-1].role != "user":
        chat.pop()
    return chat


def features(chats: Sequence[Sequence[Message]]) -> Vectors:
    """[chats, 4 x 384 + cues + 2]: the message, where it is long, where it is short; what was before likewise; cues; two flags.

    Raises ModelError when the embedder cannot be loaded.
    """
    classifier = load_classifier()
    if classifier is None:
        raise ModelError("the router has nothing to read a message with", "heedful doctor says what is missing")
    lower = np.stack([classifier.lower(chat) for chat in chats])
    said, before = lower[:, 0], lower[:, 1]
    short = np.array([[len(chat[-1].content.split()) <= SHORT] for chat in chats], dtype=np.float32)
    within = np.array([[len(chat) > 1] for chat in chats], dtype=np.float32)
    texts = [chat[-1].content.replace("’", "'") for chat in chats]
    cues = np.array([[cue.search(text) is not None for cue in CUES] for text in texts], dtype=np.float32)
    columns = (said * (1 - short), said * short, before * (1 - short), before * short, cues, short, within)
    return np.concatenate(columns, axis=1).astype(np.float32)


@lru_cache(maxsize=1)
def head() -> tuple[Vectors, float, float]:
    """Weight [features], bias and the packaged threshold."""
    with np.load(HEAD) as kept:
        return kept["weight"], float(kept["bias"]), float(kept["threshold"])


def default_threshold() -> float:
    return head()[2]

"""Empathy: what a person wrote and a reply in; how far the reply reacts, interprets and explores (0, 1, 2 on each axis) out.

The axes are those of EPITOME (Sharma et al. 2020, arXiv:2009.08441). Each sentence of the reply is rated by three small linear
heads over its embedding (the packaged MiniLM) and a few cues of wording; the reply gets the highest rating of its sentences. The
heads were trained by `scripts/train_empathy.py` on 326 sentences written for this project.

Its error on 256 short replies of a blind set by another author (`benchmarks/empathy.py`): right 89 %, 94 % and 97 % of the time
on the three axes, quadratic kappa .88, .89 and .97. Replies of a model are longer and less plain, and nobody has measured those.
Read it as a coarse instrument: it sees a model that stops reacting, it does not rank two good replies. It knows English only.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heedful.modeling.embedder import load_embedder

HEADS = Path(__file__).resolve().parents[1] / "assets" / "empathy" / "heads.npz"
AXES = ("emotional_reaction", "interpretation", "exploration")
LEVELS = 3
SENTENCE = re.compile(r"[^.!?…\n]+[.!?…]*")
OWN_SUBJECT = r"i|i'm|i've|my|it|that|you|your|what|how|do|did|are|is|was|were|does|why|can|could|would|have"
CLAUSE = re.compile(rf",\s+(?=(?:{OWN_SUBJECT})\b)", re.IGNORECASE)
FEELING = (
    r"(?:sad\w*|lone\w*|alone|afraid|scar\w+|fright\w+|terrif\w+|anxi\w+|worr\w+|nerv\w+|angr\w+|anger|mad|furious|upset\w*|hurt\w*"
    r"|guilt\w*|asham\w*|shame|embarrass\w*|humiliat\w+|exhaust\w+|tired|drain\w+|worn out|overwhelm\w+|hopeless\w*|helpless\w*"
    r"|lost|empty|numb|heartbr\w+|heart|devastat\w+|disappoint\w+|betray\w+|reject\w+|abandon\w+|trapp\w+|torn|confus\w+"
    r"|frustrat\w+|jealous|worthless|invisible|small|unsafe|safe|stress\w*|pressure|panic\w*|grie\w+|miss\w*|proud|happy|glad"
    r"|relie\w+|excit\w+|thrill\w*|delight\w*|dread\w*|burden\w*|blame\w*|ignored|left out|isolat\w+|heavy|painful|pain\w*"
    r"|sting\w*|unfair|insecure|stuck|crush\w+)"
)
MINE = r"\b(?:i(?:'m| am| was| feel| felt|'ve been| got)|makes? me|made me|me (?:so |really )?)\b[^,;]{0,24}?"
YOURS = (
    r"\b(?:you(?:'re| are| must| sound| seem| feel| felt| were| might| may|r)?|must (?:be|have been|feel)"
    r"|it(?:'s| is| must| sounds?)|that(?:'s| must| sounds?)|being|feeling|so)\b"
)
PATTERNS = (  # a list, one idea a line; what each is worth is learned
    r"\b(?:sorry|condolences|hugs?|hugging|sending (?:you )?(?:love|strength|warmth))\b",
    r"\b(?:(?:be|turn out) (?:ok|okay|alright|all right|fine)|get(?:s|ting)? (?:better|easier)|here for you|not alone|hang in there"
    r"|work out)\b",
    r"\b(?:awful|terrible|horrible|heart goes out|wish(?:ing)? (?:i|you)|hope you|hope (?:it|things)|congrat\w+|thinking of you)\b",
    MINE + FEELING + r"\b",
    r"\b(?:my heart|breaks my|tear(?:s|ed)? up|saddens me|hurts me|pains me|i(?:'m| am) (?:so |really |truly )?"
    r"(?:proud|happy|glad|worried|concerned|sad|angry|furious|scared|heartbroken))\b",
    r"\bi (?:totally |completely |really |fully |do |so )*"
    r"(?:understand|get (?:it|that|you|what)|hear you|see (?:what|why|how)|know (?:how|what|the|that|it)"
    r"|can (?:relate|imagine|see))\b",
    r"\b(?:makes (?:total |perfect |complete )?sense|understandable|valid|normal to feel|been there|me too|same here"
    r"|(?:sounds?|must be) (?:really |so |very |pretty )?(?:hard|tough|rough|difficult))\b",
    YOURS + r"[^,;?]{0,40}?\b" + FEELING + r"\b",
    r"\b(?:you(?:'re| are| must| sound| seem| feel)|must (?:be|have been|feel)|it(?:'s| is) like"
    r"|it (?:sounds|seems) (?:like|as))\b",
    r"\b(?:i (?:also|too|once|used to|lost|went through|had|struggled?|failed|remember|felt)|when (?:i|my)|happened to me|my own"
    r"|i was)\b",
    r"\?",
    r"\?.*$|^(?:tell me more|want to|care to|feel free)",
    r"\b(?:what happened|what's (?:wrong|up|going on)|tell me more|talk about it|how are you|are you ok(?:ay)?|how come"
    r"|more about)\b",
    FEELING + r"[^?]*\?",
    r"\b(?:you|your)\b[^?]*\?",
)
CUES = tuple(re.compile(pattern, re.IGNORECASE) for pattern in PATTERNS)

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EmpathyScore:
    """0: nothing of it; 1: weak, such as `I'm sorry`, `I understand`, `what happened?`; 2: strong: a feeling of the responder is
    named, the person's feeling is inferred or a like experience told, the question names what the person may feel."""

    emotional_reaction: int
    interpretation: int
    exploration: int


def empathy(seeker: str, response: str) -> EmpathyScore:
    """Raises ModelError when the package with the embedding weights is missing."""
    return rate_all([(seeker, response)])[0]


def rate_all(exchanges: Sequence[tuple[str, str]]) -> list[EmpathyScore]:
    """Many at once: their sentences are embedded together."""
    replies = [own_sentences(seeker, response) for seeker, response in exchanges]
    parts = [part for own in replies for part in own]
    levels = iter(rate(features(parts)).tolist() if parts else [])
    rated = []
    for reply in replies:
        own = [next(levels) for _ in reply]
        rated.append(EmpathyScore(*(max(axis) for axis in zip(*own, strict=True))) if own else EmpathyScore(0, 0, 0))
    return rated


def own_sentences(seeker: str, response: str) -> list[str]:
    """Those of the response; what only says again what the seeker said is no reply to it."""
    said = {sentence.lower() for sentence in sentences(seeker)}
    return [sentence for sentence in sentences(response) if sentence.lower() not in said]


def sentences(text: str) -> list[str]:
    """Sentences, and the parts of them that a comma sets off and that have a subject of their own."""
    straight = text.replace("’", "'")
    whole = [found[0].strip() for found in SENTENCE.finditer(straight) if re.search(r"\w", found[0])]
    return [part for sentence in whole for part in CLAUSE.split(sentence)]


def features(parts: Sequence[str]) -> Vectors:
    """[parts, 384 + cues + 1]: embedding, cues of wording, length."""
    cues = np.array([[cue.search(part) is not None for cue in CUES] for part in parts])
    length = np.array([min(len(part.split()), 20) / 20 for part in parts])
    return np.column_stack([load_embedder().embed(parts), cues, length]).astype(np.float32)


@lru_cache(maxsize=1)
def heads() -> tuple[Vectors, Vectors]:
    """Weights [axes, features, levels] and biases [axes, levels]."""
    with np.load(HEADS) as kept:
        return kept["weights"], kept["biases"]


def rate(found: Vectors) -> NDArray[np.int64]:
    """[parts, axes]"""
    weights, biases = heads()
    return np.stack([(found @ weight + bias).argmax(axis=1) for weight, bias in zip(weights, biases, strict=True)], axis=1)

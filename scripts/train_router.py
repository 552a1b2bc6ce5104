"""Train the head of the router: chats with their route in; `assets/routing/head.npz` and its error, cross-validated, out.

Run: python scripts/train_router.py [--save]. Regularisation and threshold are chosen by cross-validation on these chats
alone; chats that begin alike stay in one fold, so that an answer is never judged by a model that saw its question.
"""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from heedful.companion.routing import HEAD, features
from heedful.conversation import Message

HERE = Path(__file__).parent
SAMPLES = HERE.parent / "src" / "heedful" / "assets" / "samples"
FOLDS, SEED = 10, 7
PENALTIES = (0.00001, 0.00003, 0.0001, 0.0003, 0.001)
THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5)
CASUAL_TAGS = ("greeting", "good_morning", "good_night", "goodbye", "thanks", "who_are_you", "are_you_human", "privacy_question")
OTHER_TAGS = ("can_you_diagnose", "medication_question", "finding_a_therapist", "journaling_how")  # neither, or both
DISTRESS = ("benign_distress.txt", "benign_distress2.txt", "benign_distress3.txt", "long_benign.txt")
EVERY = 2  # each so manieth line of the distress that the crisis guard learned from
TROUBLE = re.compile(
    r"can't|hate|scared|afraid|anxi|\bcr(?:y|ied|ying)\b|sad|lone|alone|\bmiss\b|hurt|guilt|asham|exhaust|tired|overwhelm|worthless|grie"
    r"|died|passed away|divorce|panic|worr|stress|angry|heart|broke|feel|lost|fail|nightmare|numb|empty|nobody|ghosted"
)  # the files have harmless lines of other kinds, too
FILLERS = ("yes", "no", "ok", "yeah", "not sure", "sometimes", "a little", "why?", "maybe", "please", "i think so", "tell me more",
           "not really", "i guess", "nope")  # fmt: skip
FILLED = 8  # of them behind each question


@dataclass(frozen=True)
class Example:
    """`kind` says where it is from."""

    chat: tuple[Message, ...]
    therapeutic: bool
    kind: str

    @property
    def group(self) -> str:
        return self.chat[0].content.lower()


def chat_of(line: str) -> tuple[Message, ...]:
    parts = [part.strip() for part in line.split("||")]
    if len(parts) % 2 == 0:  # the companion spoke first
        parts = ["hi", *parts]
    return tuple(Message("user" if place % 2 == 0 else "assistant", part) for place, part in enumerate(parts))


def written() -> list[Example]:
    found = []
    for path in sorted((HERE / "routing_examples").glob("*.txt")):
        therapeutic = False
        for line in filter(None, map(str.strip, path.read_text(encoding="utf-8").splitlines())):
            if line.startswith("#"):
                therapeutic = line == "# therapeutic"
            else:
                found.append(Example(chat_of(line), therapeutic, path.stem))
    return found


def filled(examples: list[Example]) -> list[Example]:
    """Answers of a word or two to the questions of the exchanges: only the exchange tells where they belong."""
    draw = np.random.default_rng(SEED)
    asked = {one.chat[:-1]: one for one in examples if one.kind == "exchanges" and one.chat[-2].content.endswith("?")}
    made = []
    for opening, one in asked.items():
        for filler in draw.choice(FILLERS, FILLED, replace=False):
            made.append(Example((*opening, Message("user", str(filler))), one.therapeutic, "filler"))
    return made


def bundled() -> list[Example]:
    found = []
    for intent in json.loads((SAMPLES / "intents.json").read_text(encoding="utf-8"))["intents"]:
        if intent["tag"] not in OTHER_TAGS:
            casual = intent["tag"] in CASUAL_TAGS
            found += [Example((Message("user", text),), not casual, "bundled") for text in intent["patterns"]]
    for line in (SAMPLES / "conversations.jsonl").read_text(encoding="utf-8").splitlines():
        turns = [Message(row["role"], row["content"]) for row in json.loads(line)["messages"] if row["role"] != "system"]
        places = [place for place, turn in enumerate(turns[:-2]) if turn.role == "user" and place > 0]
        found += [Example(tuple(turns[: place + 1]), True, "bundled exchange") for place in places[:2]]
    return found


def distress() -> list[Example]:
    lines = [line for name in DISTRESS for line in (HERE / "crisis_examples" / name).read_text(encoding="utf-8").splitlines()]
    return [Example(chat_of(line), True, "distress") for line in lines[::EVERY] if TROUBLE.search(line)]


def fit(inputs: np.ndarray, labels: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Logistic regression, both routes weighed alike."""
    x, y = torch.tensor(inputs, dtype=torch.float64), torch.tensor(labels, dtype=torch.float64)
    weight = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros((), dtype=torch.float64, requires_grad=True)
    each = torch.where(y > 0, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=300, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(x @ weight + bias, y, weight=each)
        loss = loss + penalty * weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return weight.detach().numpy(), float(bias.detach())


def crossed(inputs: np.ndarray, examples: list[Example], penalty: float) -> np.ndarray:
    """Scores of every example by a head that saw none of its group."""
    labels = np.array([one.therapeutic for one in examples])
    names = sorted({one.group for one in examples})
    order = np.random.default_rng(SEED).permutation(len(names))
    fold_of = {names[place]: rank % FOLDS for rank, place in enumerate(order)}
    folds = np.array([fold_of[one.group] for one in examples])
    scores = np.zeros(len(examples))
    for fold in range(FOLDS):
        held = folds == fold
        weight, bias = fit(inputs[~held], labels[~held], penalty)
        scores[held] = 1 / (1 + np.exp(-(inputs[held] @ weight + bias)))
    return scores


def balanced(scores: np.ndarray, labels: np.ndarray, threshold: float) -> float:
    said = scores >= threshold
    return float(((said[labels]).mean() + (~said[~labels]).mean()) / 2)


def main() -> None:
    own = written()
    examples = [*own, *filled(own), *bundled(), *distress()]
    labels = np.array([one.therapeutic for one in examples])
    inputs = features([one.chat for one in examples])
    print(f"{len(examples)} chats, {labels.sum()} therapeutic, {len({one.group for one in examples})} beginnings")
    found = {penalty: crossed(inputs, examples, penalty) for penalty in PENALTIES}
    best, threshold = max(((p, t) for p in PENALTIES for t in THRESHOLDS), key=lambda pt: balanced(found[pt[0]], labels, pt[1]))
    for penalty in PENALTIES:
        print(penalty, [round(balanced(found[penalty], labels, t), 4) for t in THRESHOLDS])
    said = found[best] >= threshold
    print(f"penalty {best}, threshold {threshold}: balanced {balanced(found[best], labels, threshold):.3f}")
    for kind in sorted({one.kind for one in examples}):
        for route in (True, False):
            held = np.array([one.kind == kind and one.therapeutic == route for one in examples])
            if held.any():
                print(f"  {kind}, {'therapeutic' if route else 'casual'}: {(said == labels)[held].mean():.3f} of {held.sum()}")
    if "--wrong" in sys.argv:
        for one, score in sorted(zip(examples, found[best], strict=True), key=lambda pair: pair[1]):
            if one.therapeutic != (score >= threshold):
                print(f"{score:.2f} {one.therapeutic!s:5} {' || '.join(m.content for m in one.chat[-3:])}")
    if "--save" in sys.argv:
        weight, bias = fit(inputs, labels, best)
        HEAD.parent.mkdir(parents=True, exist_ok=True)
        np.savez(HEAD, weight=weight.astype(np.float32), bias=np.float32(bias), threshold=np.float32(threshold))
        print(f"wrote {HEAD.name}, {HEAD.stat().st_size} bytes")


if __name__ == "__main__":
    main()

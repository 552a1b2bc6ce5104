"""Trains the head of the crisis guard: `crisis_examples/*.txt` in; `assets/guards/crisis_head.safetensors` out.

    python scripts/train_crisis_head.py --corpora ../shared/data/pretrain

The upper layers of the packaged MiniLM get low-rank factors (a linear head on the frozen vectors is much weaker, docs/log.md has
the figures), and a linear head with seven outputs: danger at all, its four kinds, at least active, imminent. The lower layers stay
as they are, so their output is computed once. What is said with alike words is one group; each third of the groups is judged by a
network that has not seen it, and on these judgements the head is calibrated (Platt 1999) and the thresholds are chosen. Then a
network is trained on everything. Ordinary talk from public dialogue corpora (orders, bookings, small talk) is learned
from as well: without it, the head had only seen people who write to a counsellor, and took a question about a ticket for danger.
The file says what it was trained on (SHA-256), with which seed, and how it did.
"""

import argparse
import json
import lzma
import math
import random
import time
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer

from heedful.conversation import Message
from heedful.guards.crisis import assess
from heedful.guards.crisis.assess import assess_messages
from heedful.guards.crisis.classifier import OUTPUTS, SHORT_ANSWER, Estimate, Thresholds, to_estimate, units_of
from heedful.guards.crisis.examples import Example, fingerprint, read_examples
from heedful.guards.crisis.reading import read_message
from heedful.guards.crisis.words import read_words
from heedful.modeling.embedder import load_embedder, weights_folder

EXAMPLES = Path(__file__).with_name("crisis_examples")
HEAD = Path(__file__).parents[1] / "src" / "heedful" / "assets" / "guards" / "crisis_head.safetensors"
BATCH, MAX_TOKENS, SMOOTHING, PLAIN_SHARE, SCALE = 32, 96, 0.04, 0.3, 20
ALIKE = 0.8  # cosine of the frozen vectors; above it two examples are of one group
FOLDS = 3
CHOSEN = ("platt", "thresholds", "out_of_fold")
MOST_BENIGN, MOST_HARD, MOST_ORDINARY = 0.05, 0.15, 0.005  # false alarms out of fold, below what is promised on unseen texts
DIALOGUES = ("dialog_sgd", "dialog_taskmaster", "dialog_topical_chat")
TALKS = 900  # of each corpus
LINEAR = ("query", "key", "value", "dense")
# Said by the companion before some of the short examples, so that a message means the same behind any opening.
OPENINGS = (
    *("How are you today?", "What's on your mind?", "I'm here and I'm listening.", "Hello, how can I help?", "Tell me more."),
    *("That sounds hard.", "How has your week been?", "What happened?", "Would you like to say more about it?", "Welcome back."),
)
# Said by the person around some examples: danger stays danger in the middle of a long message, and nothing becomes one by length.
AROUND = (
    *("I work in a bakery and get up at four.", "My sister visited last week.", "It has been raining for days.", "I can't sleep."),
    *(
        "I had an argument with my mum.",
        "Work is stressful at the moment.",
        "I'm sorry for writing so late.",
        "School was long today.",
    ),
    *("I don't really talk to anyone about this.", "My therapist is on holiday.", "I made soup today.", "I moved here in spring."),
    *(
        "We broke up in March.",
        "My dad is ill again.",
        "I've been crying a lot.",
        "I don't know how to say this.",
        "The kids are asleep.",
    ),
    *(
        "I lost my job.",
        "ok so",
        "idk how to explain it",
        "sorry if this is weird",
        "I feel like nobody listens.",
        "My dog is next to me.",
    ),
    *(
        "Thank you for being here.",
        "I haven't slept in two days.",
        "It started last year.",
        "My wife doesn't know I'm writing this.",
    ),
)


def ordinary_talk(corpora: Path, seed: int) -> list[Example]:
    """From each of TALKS talks a corpus one message of the person, half of the time with what was said before it."""
    numbers, found = random.Random(seed), []
    for name in DIALOGUES:
        with lzma.open(corpora / f"{name}.txt.xz", "rt", encoding="utf-8") as file:
            talks = [talk.splitlines() for talk in file.read(20_000_000).split("\n\n")[:-1]]
        for talk in numbers.sample(talks, TALKS):
            turns = [Message("user" if line.startswith("User: ") else "assistant", line.partition(": ")[2]) for line in talk]
            own = [place for place, turn in enumerate(turns) if turn.role == "user" and turn.content]
            if own:
                place = numbers.choice(own)
                found.append(Example(tuple(turns[max(0, place - numbers.choice((0, 2))) : place + 1]), "ordinary"))
    return found


@dataclass(frozen=True)
class Given:
    epochs: int
    rank: int
    rate: float
    layers: int
    seed: int


class Frozen:
    """The lower layers, which are not trained: texts in, hidden states [tokens, 384] out."""

    def __init__(self, trained: int) -> None:
        folder = weights_folder()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.network = AutoModel.from_pretrained(folder, attn_implementation="eager", local_files_only=True).eval()
        self.below = len(self.network.encoder.layer) - trained

    @torch.no_grad()
    def states(self, texts: Sequence[str]) -> list[torch.Tensor]:
        found: list[torch.Tensor] = [torch.empty(0)] * len(texts)
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        for start in range(0, len(order), 64):
            rows = order[start : start + 64]
            chosen = [texts[row] for row in rows]
            batch = self.tokenizer(chosen, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
            hidden = self.network.embeddings(input_ids=batch["input_ids"], token_type_ids=batch["token_type_ids"])
            for layer in self.network.encoder.layer[: self.below]:
                hidden = layer(hidden, blinds(batch["attention_mask"]))
            for row, state, mask in zip(rows, hidden, batch["attention_mask"], strict=True):
                found[row] = state[: int(mask.sum())].half()
        return found


def blinds(mask: torch.Tensor) -> torch.Tensor:
    """Mask [texts, tokens] of ones and zeros -> what is added to attention scores [texts, 1, 1, tokens]."""
    return (1.0 - mask[:, None, None, :].float()) * -1e9


class Trainer:
    """The upper layers with their factors, and the head."""

    def __init__(self, given: Given) -> None:
        torch.manual_seed(given.seed)
        network = AutoModel.from_pretrained(weights_folder(), attn_implementation="eager", local_files_only=True)
        count = len(network.encoder.layer)
        config = LoraConfig(
            r=given.rank,
            lora_alpha=2 * given.rank,
            lora_dropout=0.05,
            target_modules=list(LINEAR),
            layers_to_transform=list(range(count - given.layers, count)),
            layers_pattern="layer",
        )
        self.network = get_peft_model(network, config)
        self.layers = self.network.base_model.model.encoder.layer[count - given.layers :]
        self.head = torch.nn.Linear(384, len(OUTPUTS))

    def logits(self, states: Sequence[torch.Tensor]) -> torch.Tensor:
        hidden = torch.nn.utils.rnn.pad_sequence(list(states), batch_first=True).float()
        lengths = torch.tensor([len(state) for state in states])
        mask = (torch.arange(hidden.shape[1])[None, :] < lengths[:, None]).float()
        with torch.autocast("cpu", torch.bfloat16):
            for layer in self.layers:
                hidden = layer(hidden, blinds(mask))
        weight = mask.unsqueeze(-1)
        pooled = functional.normalize((hidden.float() * weight).sum(1) / weight.sum(1), dim=1)
        return self.head(functional.dropout(pooled * SCALE, 0.1, self.network.training))

    @torch.no_grad()
    def scores(self, states: Sequence[torch.Tensor]) -> np.ndarray:
        """Logits [texts, OUTPUTS]."""
        self.network.eval()
        found = np.zeros((len(states), len(OUTPUTS)), dtype=np.float32)
        order = sorted(range(len(states)), key=lambda row: len(states[row]))
        for start in range(0, len(order), 64):
            rows = order[start : start + 64]
            found[rows] = self.logits([states[row] for row in rows]).numpy()
        return found


@dataclass(frozen=True)
class Unit:
    """One text that is learned from: as typed and in plain words, both behind the frozen layers."""

    example: Example
    typed: torch.Tensor
    plain: torch.Tensor


def learnable(examples: Sequence[Example], frozen: Frozen) -> list[Unit]:
    pairs = [(example, unit) for example in examples for unit in units_of(example.messages)]
    for example in examples:
        number, short = zlib.crc32(example.text.encode()), len(example.text.split()) <= SHORT_ANSWER
        if len(example.messages) == 1 and short and number % 4 == 0:
            pairs.append((example, f"{OPENINGS[number // 4 % len(OPENINGS)]} {example.text}"))
        if len(example.messages) == 1 and number % 4 == 1:
            around = AROUND[number // 8 % len(AROUND)]
            pairs.append((example, f"{around} {example.text}" if number & 4 else f"{example.text} {around}"))
    typed = frozen.states([text for _, text in pairs])
    plain = frozen.states([read_words(text).text for _, text in pairs])
    return [Unit(example, *both) for (example, _), *both in zip(pairs, typed, plain, strict=True)]


def targets(examples: Sequence[Example]) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels and which of them count: kinds and tiers are only asked of positives. [examples, OUTPUTS] each."""
    labels, counts = torch.zeros(len(examples), len(OUTPUTS)), torch.zeros(len(examples), len(OUTPUTS))
    for row, example in enumerate(examples):
        positive = example.label == "positive"
        kinds = [example.kind == kind for kind in OUTPUTS[1:5]]
        truth = [positive, *kinds, example.tier in ("active", "imminent"), example.tier == "imminent"]
        labels[row] = torch.tensor(truth, dtype=torch.float32)
        counts[row] = torch.tensor([1.0, *[1.0 if positive else 0.3] * 4, *[1.0 if positive else 0.0] * 2])
    return labels, counts


def train(units: Sequence[Unit], given: Given, name: str) -> Trainer:
    trainer, numbers = Trainer(given), random.Random(given.seed)
    labels, counts = targets([unit.example for unit in units])
    factors = [parameter for parameter in trainer.network.parameters() if parameter.requires_grad]
    groups = [{"params": factors, "weight_decay": 0.01}, {"params": trainer.head.parameters()}]
    optimiser = torch.optim.AdamW(groups, lr=given.rate)
    steps, step = given.epochs * math.ceil(len(units) / BATCH), 0
    for epoch in range(given.epochs):
        trainer.network.train()
        total, began = 0.0, time.time()
        for rows in batches(units, numbers):
            step += 1
            for group, times in zip(optimiser.param_groups, (1, 3), strict=True):
                group["lr"] = times * given.rate * min(1, step / 40) * max(0.02, 1 - step / steps)
            states = [units[row].plain if numbers.random() < PLAIN_SHARE else units[row].typed for row in rows]
            wanted = labels[rows] * (1 - SMOOTHING) + SMOOTHING / 2
            each = functional.binary_cross_entropy_with_logits(trainer.logits(states), wanted, reduction="none")
            loss = (each * counts[rows]).sum() / counts[rows].sum()
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(factors, 1.0)
            optimiser.step()
            total += loss.item() * len(rows)
        print(f"{name}, epoch {epoch}: loss {total / len(units):.4f}, {time.time() - began:.0f} s", flush=True)
    return trainer


def batches(units: Sequence[Unit], numbers: random.Random) -> list[list[int]]:
    """Shuffled; rows of a batch are of like length, so that little is padded."""
    order = list(range(len(units)))
    numbers.shuffle(order)
    pools = [sorted(order[i : i + 512], key=lambda row: len(units[row].typed)) for i in range(0, len(order), 512)]
    made = [pool[i : i + BATCH] for pool in pools for i in range(0, len(pool), BATCH)]
    numbers.shuffle(made)
    return made


def folds_of(examples: Sequence[Example], seed: int) -> np.ndarray:
    """The fold of each example; examples that are alike, directly or over others, have the same."""
    vectors = load_embedder().embed([" ".join(message.content for message in e.messages[-3:]) for e in examples])
    group = np.arange(len(examples))
    for row, vector in enumerate(vectors):
        near = group[np.flatnonzero(vectors[:row] @ vector > ALIKE)]
        group[np.isin(group, near)] = row
    order = random.Random(seed).sample(sorted(set(group.tolist())), len(set(group.tolist())))
    sizes, fold = [0] * FOLDS, {}
    for name in sorted(order, key=lambda one: -int((group == one).sum())):
        fold[name] = sizes.index(min(sizes))
        sizes[fold[name]] += int((group == name).sum())
    print(
        f"{len(examples)} examples in {len(order)} groups, the largest of {max(np.bincount(group))}; folds of {sizes}", flush=True
    )
    return np.array([fold[name] for name in group.tolist()])


class Recorded:
    """The classifier's place in the guard, filled with judgements of networks that had not seen the example."""

    def __init__(self, logits: dict[str, np.ndarray], platt: tuple[float, float]) -> None:
        self.thresholds = Thresholds(0.5, 0.5, 0.5)
        self._found = {text: to_estimate(row, *platt) for text, row in logits.items()}

    def estimate(self, chat: Sequence[Message]) -> Estimate:
        return max((self._found[unit] for unit in units_of(chat)), key=lambda one: one.danger)


def all_units(example: Example) -> Iterable[str]:
    """What the guard will ask the classifier about: every turn of the person."""
    for place, message in enumerate(example.messages):
        if message.role == "user":
            yield from units_of(example.messages[: place + 1])


def out_of_fold(examples: Sequence[Example], frozen: Frozen, units: Sequence[Unit], given: Given) -> list[dict[str, np.ndarray]]:
    """For each example, the logits of its units by the network that has not seen its group."""
    fold = dict(zip(map(id, examples), folds_of(examples, given.seed), strict=True))
    found: list[dict[str, np.ndarray]] = [{} for _ in examples]
    for number in range(FOLDS):
        trainer = train([unit for unit in units if fold[id(unit.example)] != number], given, f"fold {number}")
        rows = [row for row, example in enumerate(examples) if fold[id(example)] == number]
        asked = [(row, text) for row in rows for text in dict.fromkeys(all_units(examples[row]))]
        logits = trainer.scores(frozen.states([text for _, text in asked]))
        for (row, text), values in zip(asked, logits, strict=True):
            found[row][text] = values
    return found


def platt(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Slope and offset with the least log loss (Platt 1999), by Newton's method."""
    slope, offset = 1.0, 0.0
    for _ in range(50):
        p = 1 / (1 + np.exp(-(slope * logits + offset)))
        gradient = np.array([((p - labels) * logits).sum() + 1e-3 * (slope - 1), (p - labels).sum()])
        w = p * (1 - p)
        hessian = np.array([[(w * logits**2).sum() + 1e-3, (w * logits).sum()], [(w * logits).sum(), w.sum() + 1e-6]])
        slope, offset = np.array([slope, offset]) - np.linalg.solve(hessian, gradient)
    return float(slope), float(offset)


def figures_of(examples: Sequence[Example], found: Sequence[bool]) -> dict[str, float]:
    pairs = list(zip(examples, found, strict=True))
    return {
        "recall": share(hit for e, hit in pairs if e.label == "positive"),
        "explicit": share(hit for e, hit in pairs if e.explicit),
        "benign": share(hit for e, hit in pairs if e.label == "benign"),
        "hard": share(hit for e, hit in pairs if e.label == "hard"),
        "ordinary": share(hit for e, hit in pairs if e.label == "ordinary"),
    }


def share(hits: Iterable[bool]) -> float:
    counted = list(hits)
    return round(sum(counted) / max(1, len(counted)), 4)


def choose(examples: Sequence[Example], recorded: Sequence[Recorded]) -> tuple[Thresholds, dict[str, float]]:
    """The thresholds that find most of the examples with few false alarms, by the very path that serves people."""
    assess.read_message = lru_cache(maxsize=None)(read_message)  # no threshold changes what the rules read; they are asked once
    best: tuple[float, Thresholds, dict[str, float]] | None = None
    grid = product((0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9), (0.05, 0.1, 0.2, 0.3), (0.75, 0.85, 0.95))
    for thresholds in (Thresholds(*values) for values in grid if values[1] < values[0] <= values[2]):
        for one in recorded:
            one.thresholds = thresholds
        hits = [assess_messages(e.messages, one).is_crisis for e, one in zip(examples, recorded, strict=True)]
        figures = figures_of(examples, hits)
        # A miss weighs as much as four false alarms; alarms beyond the allowed shares weigh ten times as much.
        most = {"benign": MOST_BENIGN, "hard": MOST_HARD, "ordinary": MOST_ORDINARY}
        beyond = sum(max(0.0, figures[label] - allowed) for label, allowed in most.items())
        loss = 4 * (1 - figures["recall"]) + figures["benign"] + figures["hard"] / 2 + figures["ordinary"] + 10 * beyond
        if best is None or loss < best[0]:
            best = (loss, thresholds, figures)
    assert best is not None, "the grid is not empty"
    return best[1], best[2]


def save(trainer: Trainer, path: Path, about: dict[str, object]) -> None:
    """Factors in float16 by the name of their layer (`.a` [rank, in], `.b` [out, rank], scale folded in), the head, its origin."""
    tensors = {"head.weight": trainer.head.weight.detach().clone() * SCALE, "head.bias": trainer.head.bias.detach().clone()}
    for name, module in trainer.network.base_model.model.named_modules():
        if hasattr(module, "lora_A"):
            tensors[f"{name}.a"] = module.lora_A["default"].weight.detach().half()
            tensors[f"{name}.b"] = (module.lora_B["default"].weight.detach() * module.scaling["default"]).half()
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, {"about": json.dumps(about)})
    print(f"{path}: {path.stat().st_size} bytes")


def choose_by_folds(
    examples: Sequence[Example], frozen: Frozen, units: Sequence[Unit], given: Given, judgements: Path | None
) -> dict[str, object]:
    """Calibration and thresholds, from judgements of networks that had not seen the example."""
    logits = out_of_fold(examples, frozen, units, given)
    danger = np.array([max(row[unit][0] for unit in units_of(e.messages)) for e, row in zip(examples, logits, strict=True)])
    calibration = platt(danger, np.array([float(e.label == "positive") for e in examples]))
    if judgements is not None:
        rows = [
            {"danger": float(d), "text": " || ".join(m.content for m in e.messages)} for d, e in zip(danger, examples, strict=True)
        ]
        judgements.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    recorded = [Recorded(row, calibration) for row in logits]
    thresholds, figures = choose(examples, recorded)
    print(f"out of fold: {thresholds}: {figures}", flush=True)
    return {"platt": calibration, "thresholds": asdict(thresholds), "out_of_fold": {**figures, "examples": len(examples)}}


def read_about(path: Path) -> dict[str, object]:
    with safe_open(path, "pt") as file:
        found: dict[str, object] = json.loads(file.metadata()["about"])
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="folder with the dialogue corpora, xz")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--layers", type=int, default=4, help="upper layers that are trained")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--output", type=Path, default=HEAD)
    parser.add_argument("--judgements", type=Path, help="keep the judgements out of fold here, to read what was missed")
    parser.add_argument(
        "--keep-thresholds", action="store_true", help="those of the packaged head: no folds, a quarter of the time"
    )
    parser.add_argument("--alone", type=float, help="this threshold by hand, for recall (docs/log.md); the others stay as chosen")
    asked = vars(parser.parse_args())
    output, judgements, keep, corpora = (asked.pop(name) for name in ("output", "judgements", "keep_thresholds", "corpora"))
    alone = asked.pop("alone")
    given = Given(**asked)
    torch.set_num_threads(1)
    examples, trained_on, frozen = read_examples(EXAMPLES), fingerprint(EXAMPLES), Frozen(given.layers)
    examples += ordinary_talk(corpora, given.seed)
    units = learnable(examples, frozen)
    if keep:
        chosen: dict[str, Any] = {name: read_about(HEAD)[name] for name in CHOSEN}
    else:
        chosen = choose_by_folds(examples, frozen, units, given, judgements)
    if alone is not None:
        chosen |= {"thresholds": {**chosen["thresholds"], "alone": alone}, "by_hand": "alone; out_of_fold is of the chosen one"}
    about = {"examples_sha256": trained_on, "examples": len(examples), **asdict(given), "outputs": list(OUTPUTS)}
    save(train(units, given, "all"), output, about | chosen)


if __name__ == "__main__":
    main()

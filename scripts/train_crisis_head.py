"""Trains the head of the crisis guard: `crisis_examples/*.txt` in; `assets/guards/crisis_head.safetensors` out.

    python scripts/train_crisis_head.py --corpora ../shared/data                      # all, half an hour of a quiet core
    python scripts/train_crisis_head.py --corpora ../shared/data --onward next/fresh.txt next/plain.txt

The upper layers of the packaged MiniLM get low-rank factors (a linear head on the frozen vectors is much weaker, docs/log.md has
the figures), and a linear head with seven outputs: danger at all, its four kinds, at least active, imminent. The lower layers
stay as they are, so their output is computed once. What is said with alike words is one group. The network learns from two
thirds of the groups, then goes on over the third, twice, and half of the rest, at half the rate. Its thresholds are chosen, by the
very path that serves people, on two sets that it never learns from (VALIDATION): single messages that look alike, and whole talks.
On these it is also calibrated (Platt 1999). Interrupted, it goes on after the last whole epoch and ends at the very same weights.

Every text is read as it is served, behind what was said before it: where an example has nothing before it, half are also read
behind a piece of a calm talk, so that a beginning says nothing about what follows. Beside the examples it learns from every
message of whole calm talks, from ordinary talk of public dialogue corpora (orders, bookings, small talk), and from sentences of
burdened people in public questions to counsellors (those in which the rules find nothing, and no word of SUSPECT; subjects of
danger are left out). The file says what it was trained on (SHA-256), with which seed, and how it did.
"""

import argparse
import csv
import hashlib
import json
import lzma
import math
import random
import re
import time
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch.nn import functional
from transformers import AutoModel

from heedful.conversation import Message
from heedful.guards.crisis import assess
from heedful.guards.crisis.assess import assess_messages
from heedful.guards.crisis.classifier import OUTPUTS, Estimate, Thresholds, Unit, to_estimate, tokens_of, unit_of
from heedful.guards.crisis.examples import Example, fingerprint, read_examples, read_lines
from heedful.guards.crisis.reading import read_message
from heedful.guards.crisis.words import read_words
from heedful.modeling.embedder import Embedder, load_embedder, load_tokenizer, weights_folder

EXAMPLES = Path(__file__).with_name("crisis_examples")
HEAD = Path(__file__).parents[1] / "src" / "heedful" / "assets" / "guards" / "crisis_head.safetensors"
BATCH, LONGEST, SMOOTHING, PLAIN_SHARE, SCALE = 32, 128, 0.04, 0.6, 20  # LONGEST: tokens of a row, the last ones
ALIKE = 0.8  # cosine of the frozen vectors; above it two examples are of one group
FOLDS = 3
WORK = Path(__file__).parents[1] / "build" / "crisis_head"
VALIDATION = [Path(__file__).parents[1] / "benchmarks" / "data" / name for name in ("crisis_contrast", "crisis_talks")]
MOST = {"benign": 0.13, "hard": 0.14, "talks": 0.2}  # false alarms on VALIDATION: the first two as of the head before this one
MOST_OLD, GOING_ON = 1200, 2  # from a head that knows them: how many examples are read again, and how often
TIMES_NEW, SHARE_OLD = 2, 0.5  # when it goes on: how often the third is read, and how much of the rest
DIALOGUES = ("dialog_sgd", "dialog_taskmaster", "dialog_topical_chat")
TALKS = 900  # of each corpus
LINEAR = ("query", "key", "value", "dense")
# Asked before some of the examples: a question about danger makes no danger, and an answer to it can be one.
ASKED = (
    *("Are you having thoughts of suicide?", "Do you ever think about hurting yourself?", "Are you safe right now?"),
    *("Have you had any thoughts of not wanting to live?", "Is anybody hurting you?", "Do you think of ending your life?"),
)
# Subjects of the questions to counsellors that are not learned from as harmless, and words that none of them may have.
OUTSIDE = frozenset(
    (
        *("self-harm", "domestic-violence", "trauma", "eating-disorders", "depression"),
        *("substance-abuse", "addiction", "military-issues"),
    )
)
SUSPECT = re.compile(
    r"harm|suicid|kill|abus|\b(hit|beat|hurt|cut|chok)|rape|assault|\bdie|dead|death|weapon|knife|\bgun|violen|threat|touch",
    re.IGNORECASE,
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
                found.append(Example(tuple(turns[max(0, place - numbers.choice((0, 2, 4))) : place + 1]), "ordinary"))
    return found


def burdened_people(questions: Path, seed: int, split: str = "train") -> list[Example]:
    """Of each question to a counsellor two pieces of one to three sentences, where the rules find nothing in all of it."""
    numbers, found, seen = random.Random(seed), [], set()
    with questions.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split and row["topic"] not in OUTSIDE]
    for row in rows:
        text = " ".join(row["questionText"].split())
        reading = read_message(text)
        if text in seen or reading.signals or reading.heavy or reading.hints or SUSPECT.search(text):
            continue
        seen.add(text)
        sentences = re.split(r"(?<=[.!?])\s+", text)
        for _ in range(min(2, len(sentences))):
            first, count = numbers.randrange(len(sentences)), numbers.choice((1, 2, 3))
            found.append(Example((Message("user", " ".join(sentences[first : first + count])[:600]),), "burdened"))
    return found


@dataclass(frozen=True)
class Given:
    epochs: int
    rank: int
    rate: float
    layers: int
    seed: int


@dataclass(frozen=True)
class State:
    """A row behind the frozen layers: hidden states [tokens, 384], and the first token of what is judged."""

    hidden: torch.Tensor
    start: int


class Frozen:
    """The lower layers, which are not trained: units in, states out."""

    def __init__(self, trained: int) -> None:
        folder = weights_folder()
        self.tokenise = Embedder(load_tokenizer(folder), encode=None, backend="none").tokenise  # type: ignore[arg-type]
        self.network = AutoModel.from_pretrained(folder, attn_implementation="eager", local_files_only=True).eval()
        self.below = len(self.network.encoder.layer) - trained

    @torch.no_grad()
    def states(self, units: Sequence[Unit]) -> list[State]:
        rows = [tokens_of(unit, self.tokenise) for unit in units]
        cut = [(ids[-LONGEST:], max(0, start - max(0, len(ids) - LONGEST))) for ids, start in rows]
        found: dict[int, State] = {}
        order = sorted(range(len(cut)), key=lambda row: len(cut[row][0]))
        for start in range(0, len(order), 64):
            chosen = order[start : start + 64]
            ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(cut[row][0]) for row in chosen], batch_first=True)
            mask = (torch.arange(ids.shape[1])[None, :] < torch.tensor([len(cut[row][0]) for row in chosen])[:, None]).long()
            hidden = self.network.embeddings(input_ids=ids)
            with torch.autocast("cpu", torch.bfloat16):
                for layer in self.network.encoder.layer[: self.below]:
                    hidden = layer(hidden, blinds(mask))
            found |= {row: State(state[: len(cut[row][0])].half(), cut[row][1]) for row, state in zip(chosen, hidden, strict=True)}
        return [found[row] for row in range(len(cut))]


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

    def take_over(self, path: Path) -> None:
        """The factors and the head of a file that `save` wrote."""
        kept = load_file(path)
        for name, module in self.network.base_model.model.named_modules():
            if hasattr(module, "lora_A"):
                module.lora_A["default"].weight.data.copy_(kept[f"{name}.a"])
                module.lora_B["default"].weight.data.copy_(kept[f"{name}.b"].float() / module.scaling["default"])
        self.head.weight.data.copy_(kept["head.weight"] / SCALE)
        self.head.bias.data.copy_(kept["head.bias"])

    def logits(self, states: Sequence[State]) -> torch.Tensor:
        hidden = torch.nn.utils.rnn.pad_sequence([state.hidden for state in states], batch_first=True).float()
        lengths, starts = (
            torch.tensor(numbers)[:, None] for numbers in zip(*((len(s.hidden), s.start) for s in states), strict=True)
        )
        places = torch.arange(hidden.shape[1])[None, :]
        mask = (places < lengths).float()
        with torch.autocast("cpu", torch.bfloat16):
            for layer in self.layers:
                hidden = layer(hidden, blinds(mask))
        weight = (mask * (places >= starts)).unsqueeze(-1)
        pooled = functional.normalize((hidden.float() * weight).sum(1) / weight.sum(1), dim=1)
        return self.head(functional.dropout(pooled * SCALE, 0.1, self.network.training))

    @torch.no_grad()
    def scores(self, states: Sequence[State]) -> np.ndarray:
        """Logits [rows, OUTPUTS]."""
        self.network.eval()
        found = np.zeros((len(states), len(OUTPUTS)), dtype=np.float32)
        order = sorted(range(len(states)), key=lambda row: len(states[row].hidden))
        for start in range(0, len(order), 64):
            rows = order[start : start + 64]
            found[rows] = self.logits([states[row] for row in rows]).numpy()
        return found


@dataclass(frozen=True)
class Row:
    """One text that is learned from: as typed and in plain words, both behind the frozen layers. `example` has the label."""

    example: Example
    typed: State
    plain: State | None  # of every other row


def learnable(examples: Sequence[Example], fold: Sequence[int], frozen: Frozen) -> list[Row]:
    """`fold` of each example: a piece of a talk is only put before examples of the talk's own fold."""
    pieces: dict[int, list[tuple[str, ...]]] = {}
    for example, number in zip(examples, fold, strict=True):
        if example.label == "calm":
            looks = (look[-5:-1] for look in example.looks[1:])
            pieces.setdefault(number, []).extend(tuple(message.content for message in look) for look in looks)
    pairs = [(example, unit_of(look)) for example in examples for look in looks_of(example)]
    for example, number in zip(examples, fold, strict=True):
        if len(example.messages) == 1:
            pairs += [(example, unit) for unit in variants(example.text, pieces[number])]
    typed = frozen.states([unit for _, unit in pairs])
    plain = frozen.states([Unit(read_words(unit.said).text, unit.before) for _, unit in pairs[::2]])
    each = enumerate(zip(pairs, typed, strict=True))
    return [Row(example, state, None if place % 2 else plain[place // 2]) for place, ((example, _), state) in each]


def looks_of(example: Example) -> list[tuple[Message, ...]]:
    """What is judged of an example: every message of a calm talk, the last one otherwise."""
    return example.looks if example.label == "calm" else [example.messages]


def variants(text: str, pieces: Sequence[tuple[str, ...]]) -> Iterable[Unit]:
    """The text behind a piece of a talk (half of the texts), behind a question about danger (an eighth), in a longer message."""
    number = zlib.crc32(text.encode())
    if number % 2 == 0:
        yield Unit(text, pieces[number // 2 % len(pieces)])
    if number % 8 == 1 and len(text.split()) > 4:
        yield Unit(text, (ASKED[number // 8 % len(ASKED)],))
    if number % 4 == 3:
        around = AROUND[number // 8 % len(AROUND)]
        yield Unit(f"{around} {text}" if number & 4 else f"{text} {around}")


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


@dataclass(frozen=True)
class Progress:
    """Where an interrupted training goes on: after each epoch the network, the optimiser and the dice are written down.

    `key` names what is learned from and how; what was written for another is not gone on with.
    """

    path: Path
    key: str

    def epochs_done(self, trainer: Trainer, optimiser: torch.optim.Optimizer, numbers: random.Random) -> int:
        """Puts all three back as they were; 0 where there is nothing to go on with."""
        if not self.path.exists():
            return 0
        kept = torch.load(self.path, weights_only=True)
        if kept["key"] != self.key:
            return 0
        trainer.network.load_state_dict(kept["factors"], strict=False)
        trainer.head.load_state_dict(kept["head"])
        optimiser.load_state_dict(kept["optimiser"])
        numbers.setstate(kept["numbers"])
        torch.set_rng_state(kept["torch"])
        return int(kept["epochs"])

    def keep(self, trainer: Trainer, optimiser: torch.optim.Optimizer, numbers: random.Random, epochs: int) -> None:
        named = trainer.network.named_parameters()
        kept = {
            "key": self.key,
            "epochs": epochs,
            "numbers": numbers.getstate(),
            "torch": torch.get_rng_state(),
            "factors": {name: parameter.detach() for name, parameter in named if parameter.requires_grad},
            "head": trainer.head.state_dict(),
            "optimiser": optimiser.state_dict(),
        }
        aside = self.path.with_suffix(".aside")
        torch.save(kept, aside)
        aside.replace(self.path)


def train(trainer: Trainer, rows: Sequence[Row], given: Given, progress: Progress) -> None:
    """`given.epochs` over the rows, the rate rising over 40 steps and falling to nearly nothing."""
    numbers = random.Random(given.seed)
    labels, counts = targets([row.example for row in rows])
    factors = [parameter for parameter in trainer.network.parameters() if parameter.requires_grad]
    groups = [{"params": factors, "weight_decay": 0.01}, {"params": trainer.head.parameters()}]
    optimiser = torch.optim.AdamW(groups, lr=given.rate)
    done = progress.epochs_done(trainer, optimiser, numbers)
    of_epoch = math.ceil(len(rows) / BATCH)
    steps, step = given.epochs * of_epoch, done * of_epoch
    for epoch in range(done, given.epochs):
        trainer.network.train()
        total, began = 0.0, time.time()
        for batch in batches(rows, numbers):
            step += 1
            for group, times in zip(optimiser.param_groups, (1, 3), strict=True):
                group["lr"] = times * given.rate * min(1, step / 40) * max(0.02, 1 - step / steps)
            plain = [rows[row].plain if numbers.random() < PLAIN_SHARE else None for row in batch]
            states = [rows[row].typed if state is None else state for row, state in zip(batch, plain, strict=True)]
            wanted = labels[batch] * (1 - SMOOTHING) + SMOOTHING / 2
            each = functional.binary_cross_entropy_with_logits(trainer.logits(states), wanted, reduction="none")
            loss = (each * counts[batch]).sum() / counts[batch].sum()
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(factors, 1.0)
            optimiser.step()
            total += loss.item() * len(batch)
        progress.keep(trainer, optimiser, numbers, epoch + 1)
        print(f"{progress.path.stem}, epoch {epoch}: loss {total / len(rows):.4f}, {time.time() - began:.0f} s", flush=True)


def to_go_on(rows: Sequence[Row], later: Sequence[bool], seed: int) -> list[Row]:
    """`later` says of each row whether its example was left out so far."""
    new = [row for row, is_later in zip(rows, later, strict=True) if is_later]
    old = [row for row, is_later in zip(rows, later, strict=True) if not is_later]
    return TIMES_NEW * new + random.Random(seed).sample(old, int(SHARE_OLD * len(old)))


def batches(rows: Sequence[Row], numbers: random.Random) -> list[list[int]]:
    """Shuffled; rows of a batch are of like length, so that little is padded."""
    order = list(range(len(rows)))
    numbers.shuffle(order)
    pools = [sorted(order[i : i + 512], key=lambda row: len(rows[row].typed.hidden)) for i in range(0, len(order), 512)]
    made = [pool[i : i + BATCH] for pool in pools for i in range(0, len(pool), BATCH)]
    numbers.shuffle(made)
    return made


def folds_of(examples: Sequence[Example], seed: int) -> list[int]:
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
    return [fold[name] for name in group.tolist()]


class Recorded:
    """The classifier's place in the guard, filled with judgements of networks that had not seen the example."""

    def __init__(self, logits: dict[Unit, np.ndarray], platt: tuple[float, float]) -> None:
        self.thresholds = Thresholds(0.5, 0.5, 0.5, 0.5)
        self._found = {unit: to_estimate(row, *platt) for unit, row in logits.items()}

    def estimate(self, chat: Sequence[Message]) -> Estimate:
        return self._found[unit_of(chat)]


def judgements_of(trainer: Trainer, frozen: Frozen, examples: Sequence[Example]) -> list[dict[Unit, np.ndarray]]:
    """For each example what the guard will ask the classifier about: every message of the person."""
    asked = [(place, unit_of(look)) for place, example in enumerate(examples) for look in example.looks]
    found: list[dict[Unit, np.ndarray]] = [{} for _ in examples]
    for (place, unit), values in zip(asked, trainer.scores(frozen.states([unit for _, unit in asked])), strict=True):
        found[place][unit] = values
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
        "late": share(hit for e, hit in pairs if e.label == "positive" and len(e.looks) > assess.FIRST),
        "explicit": share(hit for e, hit in pairs if e.explicit),
        "benign": share(hit for e, hit in pairs if e.label == "benign"),
        "hard": share(hit for e, hit in pairs if e.label == "hard"),
        "talks": share(hit for e, hit in pairs if e.label == "calm"),  # an alarm at any of their messages
    }


def share(hits: Iterable[bool]) -> float:
    counted = list(hits)
    return round(sum(counted) / max(1, len(counted)), 4)


def choose(examples: Sequence[Example], recorded: Sequence[Recorded]) -> tuple[Thresholds, dict[str, float]]:
    """The thresholds that find most of the examples with few false alarms, by the very path that serves people."""
    assess.read_message = lru_cache(maxsize=None)(read_message)  # no threshold changes what the rules read; they are asked once
    best: tuple[float, Thresholds, dict[str, float]] | None = None
    grid = product((0.55, 0.6, 0.65, 0.7, 0.75, 0.8), (0.1, 0.2), (0.75, 0.8, 0.85, 0.9), (0.7, 0.75, 0.8, 0.85, 0.9))
    for thresholds in (Thresholds(*values) for values in grid if values[0] <= min(values[2:])):
        for one in recorded:
            one.thresholds = thresholds
        hits = [
            any(assess_messages(look, one).is_crisis for look in looks_of(e)) for e, one in zip(examples, recorded, strict=True)
        ]
        figures = figures_of(examples, hits)
        # A miss weighs as much as four false alarms, one late in a talk as two calm talks with an alarm; alarms beyond the allowed
        # shares weigh ten times as much.
        beyond = sum(max(0.0, figures[label] - allowed) for label, allowed in MOST.items())
        alarms = figures["benign"] + figures["hard"] / 2 + figures["talks"] / 2
        loss = 4 * (1 - figures["recall"]) + (1 - figures["late"]) + alarms + 10 * beyond
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


def calibrate(examples: Sequence[Example], logits: Sequence[dict[Unit, np.ndarray]]) -> dict[str, object]:
    """Calibration and thresholds, from judgements of examples that the network did not learn from."""
    pairs = zip(examples, logits, strict=True)
    looks = [(row[unit_of(look)][0], e.label == "positive") for e, row in pairs for look in looks_of(e)]
    calibration = platt(np.array([danger for danger, _ in looks]), np.array([float(positive) for _, positive in looks]))
    thresholds, figures = choose(examples, [Recorded(row, calibration) for row in logits])
    print(f"validation: {thresholds}: {figures}", flush=True)
    return {"platt": calibration, "thresholds": asdict(thresholds), "validation": {**figures, "examples": len(examples)}}


def from_nothing(examples: Sequence[Example], given: Given, frozen: Frozen, work: Path, trained_on: str) -> Trainer:
    """Two thirds of the examples, then on over the third."""
    fold = folds_of(examples, given.seed)
    rows = learnable(examples, fold, frozen)
    third = {id(example) for example, number in zip(examples, fold, strict=True) if number == 0}
    later = [id(row.example) in third for row in rows]
    trainer, key = Trainer(given), json.dumps([trained_on, asdict(given), len(rows)])
    first = [row for row, is_later in zip(rows, later, strict=True) if not is_later]
    train(trainer, first, given, Progress(work / "two thirds.pt", key))
    last = replace(given, epochs=1, rate=given.rate / 2)
    train(trainer, to_go_on(rows, later, given.seed), last, Progress(work / "all.pt", key))
    return trainer


def onward(head: Path, new: Sequence[Example], old: Sequence[Example], given: Given, frozen: Frozen, work: Path) -> Trainer:
    """From a head that knows `old` over `new` and MOST_OLD of the old, GOING_ON times; the new twice as often."""
    known = random.Random(given.seed).sample(list(old), min(len(old), MOST_OLD))
    rows = learnable([*new, *known], [0] * (len(new) + len(known)), frozen)
    unseen = {id(example) for example in new}
    fresh = [row for row in rows if id(row.example) in unseen]
    rest = [row for row in rows if id(row.example) not in unseen]
    trainer, key = Trainer(given), json.dumps([file_hash(head), asdict(given), len(new), len(rows)])
    trainer.take_over(head)
    last = replace(given, epochs=GOING_ON, rate=given.rate / 2)
    train(trainer, TIMES_NEW * fresh + rest, last, Progress(work / "onward.pt", key))
    return trainer


def file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="folder with pretrain/ (dialogues, xz) and counsel_chat/")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1.2e-3)
    parser.add_argument("--layers", type=int, default=3, help="upper layers that are trained")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--output", type=Path, default=HEAD)
    parser.add_argument("--work", type=Path, default=WORK, help="where a training that was interrupted goes on")
    parser.add_argument("--onward", nargs="+", metavar="NEW.txt", help="go on from the packaged head over these files, in minutes")
    asked = vars(parser.parse_args())
    output, corpora, work, new_files = (asked.pop(name) for name in ("output", "corpora", "work", "onward"))
    work.mkdir(parents=True, exist_ok=True)
    given = Given(**asked)
    torch.set_num_threads(1)
    examples, trained_on, frozen = read_examples(EXAMPLES), fingerprint(EXAMPLES), Frozen(given.layers)
    examples += ordinary_talk(corpora / "pretrain", given.seed)
    examples += burdened_people(corpora / "counsel_chat" / "counsel_chat.csv", given.seed)
    about = {"examples_sha256": trained_on, "examples": len(examples), **asdict(given), "outputs": list(OUTPUTS)}
    if new_files is None:
        trainer = from_nothing(examples, given, frozen, work, trained_on)
    else:
        new = [example for name in new_files for example in read_lines((EXAMPLES / name).read_text(encoding="utf-8").splitlines())]
        seen = set(new)
        trainer = onward(HEAD, new, [example for example in examples if example not in seen], given, frozen, work)
        about["onward_from"] = file_hash(HEAD)
    validation = [example for folder in VALIDATION for example in read_examples(folder)]
    save(trainer, output, about | calibrate(validation, judgements_of(trainer, frozen, validation)))


if __name__ == "__main__":
    main()

"""Near-duplicates on edited real rows: recall and precision, and speed beside a named peer where it is installed.

    python benchmarks/duplicates.py --json

Positives: a real question and the same with an edit, drawn by seed: typing errors, turned words, letter case, greetings and thanks,
a sentence left out, words replaced by others of the same meaning, or several of these. Negatives: for each real question the two
most similar other questions of its file, by letter triples, all pairs compared. Rows are halved by hash: thresholds were set on the
half `tuned`, the figures are of the half `reported`. All questions and edits of a file go in at once; a pair counts as found when
signatures and words lead from the one to the other, also along a chain, as in a build.

The peer is datasketch's MinHash with as many values, on the same pieces of text. The last line is one JSON object.
"""

import argparse
import csv
import hashlib
import json
import random
import re
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from heedful.conversation import Conversation
from heedful.dataset.scratch import Scratch
from heedful.dataset.similarity import is_near
from heedful.dataset.sketch import candidate_pairs, pieces, sketch
from heedful.dataset.twins import components
from heedful.dataset.words import words
from heedful.sources import Hints, Passed, SourceRow, find, read

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
FILES = (
    "counsel_chat/counsel_chat.csv",
    "esconv_dev/esconv_dev_reconstructed.jsonl",
    "faq/Mental_Health_FAQ.csv",
    "medquad/9_CDC_QA.jsonl",
)
LEAST_LETTERS = 30  # "hi" and its edits are no test of anything

SAME_MEANING = {
    "mom": "mother", "dad": "father", "really": "truly", "always": "constantly", "sad": "unhappy", "boyfriend": "partner",
    "husband": "spouse", "scared": "afraid", "angry": "mad", "kids": "children", "because": "since", "think": "believe",
    "stop": "quit", "about": "regarding", "tired": "exhausted", "job": "work", "started": "began", "anxious": "nervous",
    "can't": "cannot", "don't": "do not", "i'm": "i am", "talk": "speak", "couple": "pair", "often": "frequently",
}  # fmt: skip
GREETINGS = ("Hi, ", "Hello, ", "Hey there, ", "Good evening. ", "Hello everyone, ")
THANKS = (" Thanks.", " Thank you so much!", " Please help.", " Any advice?", "")
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")

Edit = Callable[[str, random.Random], str | None]  # None: this edit does not apply


def mistype(text: str, draw: random.Random) -> str:
    """About one error in fifty letters."""
    letters = list(text)
    for _ in range(max(1, len(letters) // 50)):
        place = draw.randrange(len(letters) - 1)
        if letters[place].isalpha():
            letters[place] = draw.choice(("", letters[place] * 2, draw.choice("etaoinshrdlu"), letters[place + 1] + letters[place]))
    return "".join(letters)


def turn_words(text: str, draw: random.Random) -> str | None:
    spoken = text.split()
    if len(spoken) < 6:
        return None
    for _ in range(max(1, len(spoken) // 25)):
        place = draw.randrange(len(spoken) - 1)
        spoken[place], spoken[place + 1] = spoken[place + 1], spoken[place]
    return " ".join(spoken)


def change_case(text: str, draw: random.Random) -> str:
    return draw.choice((str.upper, str.lower, str.title))(text)


def greet(text: str, draw: random.Random) -> str:
    return draw.choice(GREETINGS) + text + draw.choice(THANKS)


def leave_out(text: str, draw: random.Random) -> str | None:
    """One sentence of three or more."""
    sentences = [part for part in SENTENCE.split(text) if part.strip()]
    if len(sentences) < 3:
        return None
    sentences.pop(draw.randrange(len(sentences)))
    kept = " ".join(sentences)
    return kept if len(kept) >= 0.6 * len(text) else None


def reword(text: str, draw: random.Random) -> str | None:
    """One word in twelve at most, by another one of the same meaning."""
    known = [word for word in SAME_MEANING if re.search(rf"\b{word}\b", text, re.IGNORECASE)]
    chosen = draw.sample(known, min(len(known), len(text.split()) // 12))
    for word in chosen:
        text = re.sub(rf"\b{word}\b", SAME_MEANING[word], text, count=1, flags=re.IGNORECASE)
    return text if chosen else None


def several(text: str, draw: random.Random) -> str:
    return change_case(mistype(greet(text, draw), draw), draw)


EDITS: dict[str, Edit] = {
    "typing errors": mistype, "turned words": turn_words, "letter case": change_case, "greeting": greet,
    "sentence left out": leave_out, "other words": reword, "several": several,
}  # fmt: skip


def conversations_of(path: Path) -> list[Conversation]:
    rows = (row for source in find(path, Hints(), Passed()) for row in read(source))
    return [row.conversation for row in rows if isinstance(row, SourceRow)]


def questions_of(shared: Path, name: str, half: str) -> list[str]:
    wanted = half == "reported"
    questions = (conversation.question.strip() for conversation in conversations_of(shared / name))
    kept = {text for text in questions if len(text) >= LEAST_LETTERS}
    return sorted(text for text in kept if bool(hashlib.sha256(text.encode()).digest()[0] % 2) == wanted)


def triples(text: str) -> set[str]:
    plain = " ".join(re.findall(r"\w+", text.casefold()))
    return {plain[n : n + 3] for n in range(len(plain) - 2)}


def hard_negatives(texts: Sequence[str], each: int = 2) -> set[tuple[int, int]]:
    """For each text its most similar others. Equal wordings are left out: they are the same question."""
    sets = [triples(text) for text in texts]
    found = set()
    for one, here in enumerate(sets):
        shares = [(len(here & there) / len(here | there), other) for other, there in enumerate(sets) if other != one]
        nearest = sorted((share, other) for share, other in shares if share < 0.95)[-each:]
        found |= {(min(one, other), max(one, other)) for _, other in nearest}
    return found


def edited(texts: Sequence[str], draw: random.Random) -> list[tuple[int, str, str]]:
    """(number of the text, name of the edit, the edited text)."""
    made = ((number, name, edit(text, draw)) for number, text in enumerate(texts) for name, edit in EDITS.items())
    return [(number, name, text) for number, name, text in made if text is not None]


def clusters(texts: Sequence[str]) -> list[int]:
    """For each text the smallest number of a text that it is a version of, also along a chain."""
    spoken = [words(text) for text in texts]
    hashed = [pieces(one) for one in spoken]
    with tempfile.TemporaryDirectory() as folder, Scratch(Path(folder)) as scratch:
        for one in hashed:
            scratch.add("", sketch(one).tobytes(), b"")
        sizes = np.array([len(one) for one in hashed], np.uint16)
        pairs = candidate_pairs(scratch.opening_signatures, sizes, np.arange(len(texts)))
    near: dict[int, set[int]] = defaultdict(set)
    for one, other in pairs.tolist():
        if is_near(spoken[one], spoken[other]):
            near[one].add(other)
            near[other].add(one)
    smallest = components(near)
    return [smallest.get(number, number) for number in range(len(texts))]


def measure(shared: Path, rows: int, half: str, seed: int = 11) -> dict[str, object]:
    """Recall by kind of edit, and precision over positives and hard negatives alike."""
    draw, hits, asked, wrong, negatives = random.Random(seed), Counter[str](), Counter[str](), 0, 0
    for name in FILES:
        texts = questions_of(shared, name, half)
        texts = draw.sample(texts, min(rows, len(texts)))
        made = edited(texts, draw)
        cluster = clusters([*texts, *(text for _, _, text in made)])
        for place, (number, kind, _) in enumerate(made, len(texts)):
            asked[kind] += 1
            hits[kind] += cluster[place] == cluster[number]
        pairs = hard_negatives(texts)
        negatives += len(pairs)
        wrong += sum(cluster[one] == cluster[other] for one, other in pairs)
    found = sum(hits.values())
    return {
        "recall": round(found / sum(asked.values()), 4),
        "precision": round(found / (found + wrong), 4),
        "positives": sum(asked.values()),
        "negatives": negatives,
        "wrong": wrong,
        "recall_by_edit": {kind: round(hits[kind] / asked[kind], 4) for kind in EDITS},
    }


def write_edited(rows: Sequence[Conversation], path: Path, seed: int, count: int) -> None:
    """A CSV of `count` of the rows, each with one edit in its question; the answers stay."""
    draw = random.Random(seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("question", "answer"))
        for row in draw.sample(list(rows), count):
            text = draw.choice(list(EDITS.values()))(row.question, draw)
            writer.writerow((greet(row.question, draw) if text is None else text, row.answers[0]))


def speed(shared: Path) -> dict[str, float]:
    """Signatures a second, ours and the peer's, on the same pieces; the peer is left out where it is not installed."""
    texts = [words(text) for name in FILES for half in ("tuned", "reported") for text in questions_of(shared, name, half)]
    hashed = [pieces(text) for text in texts]
    started = time.perf_counter()
    for one in hashed:
        sketch(one)
    ours = len(hashed) / (time.perf_counter() - started)
    try:
        from datasketch import MinHash
    except ImportError:
        return {"signatures_per_s": round(ours)}
    encoded = [[int(number).to_bytes(4) for number in one] for one in hashed]
    started = time.perf_counter()
    for one in encoded:
        MinHash(num_perm=128).update_batch(one)
    peer = len(hashed) / (time.perf_counter() - started)
    return {"signatures_per_s": round(ours), "datasketch_signatures_per_s": round(peer), "ratio_datasketch": round(ours / peer, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400, help="questions of each file")
    parser.add_argument("--half", choices=("reported", "tuned"), default="reported")
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    given = parser.parse_args()
    found = measure(SHARED, given.rows, given.half) | speed(SHARED)
    if not given.json:
        for key, value in found.items():
            print(key, value)
    print(json.dumps(found))


if __name__ == "__main__":
    main()

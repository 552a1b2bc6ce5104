"""Identifiers found in labelled chats, beside Presidio's defaults, and the time it takes, in one process.

    python benchmarks/identifiers.py --json

Sets: `heldout` was written blind by another author and is the one to report; `tuning` is what the rules were tuned on; `pii`
is `../shared/data/pii`, whose labels are mapped below. A labelled span is found when every letter and digit of it (a leading
article aside) lies inside found spans, and partly found when some do; a found span is right when it overlaps a labelled one.
Presidio runs with its predefined recognizers and no NER model, for none is available offline, so it finds no names and no
places.
"""

import argparse
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heedful.evaluation.intervals import wilson
from heedful.privacy import DIRECT, find_identifiers

DATA = Path(__file__).resolve().parent / "data"
SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
SETS = {
    "heldout": DATA / "identifiers_heldout.jsonl",
    "tuning": DATA / "identifiers_tuning.jsonl",
    "pii": SHARED / "pii" / "generated_small.json",
}
# Labels of the pii set; a title alone identifies nobody, so it is not asked for.
PII_KINDS = {
    "PERSON": "name",
    "PHONE_NUMBER": "phone",
    "ADDRESS": "address",
    "LOCATION": "place",
    "CREDIT_CARD": "card",
    "ORGANIZATION": "employer",
    "DATE_TIME": "date",
    "IP_ADDRESS": "ip",
    "DOMAIN_NAME": "url",
    "EMAIL_ADDRESS": "email",
    "US_SSN": "national_id",
    "US_DRIVER_LICENSE": "national_id",
}
ARTICLES = ("the ", "The ", "a ")

Span = tuple[int, int, str]
Finder = Callable[[str, Sequence[str]], list[Span]]


@dataclass(frozen=True)
class Row:
    text: str
    spans: list[Span]
    known: list[str] = field(default_factory=list)


@dataclass
class Score:
    """Labelled spans and found ones, by kind; `right` found spans of `given`; `agree` on the kind among those found."""

    asked: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    partly: Counter[str] = field(default_factory=Counter)
    asked_form: Counter[str] = field(default_factory=Counter)
    found_form: Counter[str] = field(default_factory=Counter)
    given: int = 0
    right: int = 0
    agree: int = 0

    def share(self, kinds: Sequence[str]) -> dict[str, Any]:
        asked, found = sum(self.asked[k] for k in kinds), sum(self.found[k] for k in kinds)
        return estimate(found, asked)


def estimate(hits: int, n: int) -> dict[str, Any]:
    low, high = wilson(hits, n) if n else (0.0, 1.0)
    return {"value": round(hits / n, 4) if n else None, "n": n, "low": round(low, 4), "high": round(high, 4)}


def read_set(path: Path) -> list[Row]:
    if path.suffix == ".jsonl":
        loaded = [json.loads(line) for line in path.open(encoding="utf-8")]
        return [Row(r["text"], [(s["start"], s["end"], s["kind"]) for s in r["spans"]], r.get("known") or []) for r in loaded]
    rows = []
    for entry in json.loads(path.read_text(encoding="utf-8")):
        spans = [
            (s["start_position"], s["end_position"], PII_KINDS[s["entity_type"]])
            for s in entry["spans"]
            if s["entity_type"] in PII_KINDS
        ]
        rows.append(Row(entry["full_text"], spans))
    return rows


def score(rows: Sequence[Row], find: Finder, misses: list[str] | None = None) -> Score:
    total = Score()
    for row in rows:
        found = find(row.text, row.known)
        covered = {place for start, end, _ in found for place in range(start, end)}
        for start, end, kind in row.spans:
            value = row.text[start:end]
            first = start + next((len(article) for article in ARTICLES if value.startswith(article)), 0)
            form = form_of(value, row.known) if kind == "name" else ""
            total.asked[kind] += 1
            total.asked_form[form] += 1
            if all(place in covered for place in range(first, end) if row.text[place].isalnum()):
                total.found[kind] += 1
                total.found_form[form] += 1
                total.agree += any(s < end and e > start and k == kind for s, e, k in found)
                continue
            total.partly[kind] += any(s < end and e > start for s, e, _ in found)
            if misses is not None:
                misses.append(f"missed {kind}: {value!r} in {row.text!r}")
        for start, end, kind in found:
            total.given += 1
            right = any(s < end and e > start for s, e, _ in row.spans)
            total.right += right
            if not right and misses is not None:
                misses.append(f"wrong {kind}: {row.text[start:end]!r} in {row.text!r}")
    return total


def form_of(value: str, known: Sequence[str]) -> str:
    """How a name is written, and whether the account had said it."""
    if known:
        return "known"
    return "lower case" if value.islower() else "several words" if " " in value else "a capital"


def ours(text: str, known: Sequence[str]) -> list[Span]:
    return [(one.start, one.end, one.kind) for one in find_identifiers(text, known)]


def presidio_recognizers() -> list[Any]:
    from presidio_analyzer import RecognizerRegistry

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    return [recognizer for recognizer in registry.recognizers if recognizer.name != "SpacyRecognizer"]


def presidio_finder() -> Finder:
    """The engine with its defaults, without a model."""
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NoOpNlpEngine

    nlp = NoOpNlpEngine([{"lang_code": "en", "model_name": ""}])
    nlp.load()
    engine = AnalyzerEngine(registry=RecognizerRegistry(recognizers=presidio_recognizers()), nlp_engine=nlp)
    return lambda text, known: [(r.start, r.end, r.entity_type) for r in engine.analyze(text, "en")]


def describe(rows: Sequence[Row], find: Finder, misses: list[str] | None = None) -> dict[str, Any]:
    total = score(rows, find, misses)
    quasi = [kind for kind in total.asked if kind not in DIRECT]
    direct = [kind for kind in total.asked if kind in DIRECT]
    every = total.share(list(total.asked))
    return {
        "direct_recall": total.share(direct),
        "quasi_recall": total.share(quasi),
        "recall": every,
        "precision": estimate(total.right, total.given),
        "kind_agrees": estimate(total.agree, sum(total.found.values())),
        "by_kind": {kind: f"{total.found[kind]}/{total.asked[kind]}, partly {total.partly[kind]}" for kind in sorted(total.asked)},
        "names_by_form": {form: f"{total.found_form[form]}/{n}" for form, n in sorted(total.asked_form.items()) if form},
    }


def speed_texts() -> list[str]:
    """Real answers where the folder of shared data is there, else the labelled sets."""
    path = SHARED / "counsel_chat" / "context_response.jsonl"
    if path.exists():
        loaded = [json.loads(line) for line in path.open(encoding="utf-8")][:400]
        return [text for row in loaded for text in (row["Context"], row["Response"]) if text]
    return [row.text for path in SETS.values() if path.exists() for row in read_set(path)] * 5


def measure_speed(repeats: int) -> dict[str, float]:
    """Median processor time a million characters, alternating; Presidio's recognizers are called without their engine."""
    texts, recognizers = speed_texts(), presidio_recognizers()
    size = sum(map(len, texts))
    for text in texts[:20]:
        find_identifiers(text)
    times: dict[str, list[float]] = {"heedful": [], "presidio": []}
    for _ in range(repeats):
        times["heedful"].append(timed(lambda: [find_identifiers(text) for text in texts]))
        times["presidio"].append(timed(lambda: [r.analyze(text, r.supported_entities) for text in texts for r in recognizers]))
    ours_, theirs = (statistics.median(times[who]) / size * 1e6 for who in ("heedful", "presidio"))
    return {
        "characters": size,
        "heedful_s_per_million": round(ours_, 3),
        "presidio_s_per_million": round(theirs, 3),
        "ratio_presidio_patterns": round(theirs / ours_, 2),
    }


def timed(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=[*SETS, "all"], default="all")
    parser.add_argument("--file", type=Path, help="another labelled JSON Lines file")
    parser.add_argument("--misses", action="store_true", help="print what was missed and what was wrong")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-speed", action="store_true")
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    given = parser.parse_args()
    paths = (
        {given.file.stem: given.file} if given.file else {name: path for name, path in SETS.items() if given.set in (name, "all")}
    )
    presidio = presidio_finder()
    line: dict[str, Any] = {}
    for name, path in paths.items():
        if not path.exists():
            continue
        misses: list[str] | None = [] if given.misses else None
        rows = read_set(path)
        line[name] = {"heedful": describe(rows, ours, misses), "presidio_without_model": describe(rows, presidio)}
        print(*(misses or []), sep="\n", end="\n" if misses else "")
    if not given.no_speed:
        line["speed"] = measure_speed(given.repeats)
    print(json.dumps(line) if given.json else json.dumps(line, indent=1))


if __name__ == "__main__":
    main()

"""Rounds: five domains brought one after the other to a team that trains on each, by four strategies, on the bundled base.

    python benchmarks/rounds.py --json --page rounds.html

| strategy | what it is |
| --- | --- |
| fresh | `--strategy fresh`: after each domain all of the data from the base |
| naive | `--strategy continue` with `training.replay: 0`: only what is new, on top of the last version |
| replay | `--strategy continue` as it is: what is new, and a part of what was learned before |
| auto | `--strategy auto` with a budget that the third fresh training just keeps to: fresh three times, then continue |

Domains: Counsel Chat, three sets of MedQuAD (topics of MedlinePlus, NIDDK, CDC) and the intents, from ../shared/data; of each so
many rows as `--first` and `--rest` say, short ones, drawn by a seed. All is done with the functions behind `heedful import`,
`dataset build`, `train` and `models --matrix`; each version becomes the champion. The first round is the same for all strategies
and is trained once.

| in the JSON line | |
| --- | --- |
| matrices | NLL of every generation (rows, the base first) on the test conversations that each domain brought (columns) |
| tokens | trained on in each round, until early stopping ended it |
| above_fresh | the last version of a strategy beside the last fresh one on each earlier domain, as a share, with its 95% interval |
| token_share | tokens of each later round beside the fresh training's |
| forgetting | the last version beside the best earlier one of the same strategy, as a share |
"""

import argparse
import csv
import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from heedful.config import Settings, load_settings
from heedful.dataset import build_dataset
from heedful.evaluation.gain import estimate_gain
from heedful.evaluation.matrix import Matrix, plot, table
from heedful.lifecycle.ingest import import_file
from heedful.lifecycle.matrix import fill_matrix, grid_of, read_cell
from heedful.lifecycle.strategy import plan_training
from heedful.lifecycle.training import train_version
from heedful.modeling.likelihood import Nll
from heedful.registry.aliases import CHAMPION, point
from heedful.store.database import open_store
from heedful.training.progress import METRICS
from heedful.workspace import Workspace, create_workspace, read_manifest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
DOMAINS = {
    "counsel_chat": "counsel_chat/counsel_chat.csv",
    "medlineplus": "medquad/4_MPlus_Health_Topics_QA.jsonl",
    "niddk": "medquad/5_NIDDK_QA.jsonl",
    "cdc": "medquad/9_CDC_QA.jsonl",
    "intents": "intents/intents.json",
}
STRATEGIES = ("fresh", "naive", "replay", "auto")
LONGEST = 900  # characters of question and answer, about 220 tokens: the benchmark must end within half an hour
SPLIT = (0.55, 0.05, 0.4)  # a large test part, because it is what is compared
SEED, ACTOR = 7, "benchmark"
AFFORDABLE = 3  # fresh trainings that the budget of auto allows


@dataclass(frozen=True, slots=True)
class Round:
    """What one training took. `estimate` is the plan's, in seconds."""

    model: str
    strategy: str
    tokens: int
    rows: int
    replayed: int
    estimate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Chain:
    """All rounds of one strategy, the matrix at their end, and what the last version scored on what each domain brought."""

    rounds: list[Round]
    matrix: Matrix
    last: dict[str, Nll]


def cut_csv(source: Path, target: Path, count: int) -> None:
    with source.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if len(row["questionText"]) + len(row["answerText"]) <= LONGEST]
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(random.Random(SEED).sample(rows, min(count, len(rows))))


def cut_lines(source: Path, target: Path, count: int) -> None:
    lines = source.read_text(encoding="utf-8").splitlines()
    short = [line for line in lines if len(json.loads(line)["question"]) + len(json.loads(line)["answer"]) <= LONGEST]
    target.write_text("".join(f"{line}\n" for line in random.Random(SEED).sample(short, min(count, len(short)))), encoding="utf-8")


def cut_intents(source: Path, target: Path, count: int) -> None:
    """Whole intents, for a tag stays on one side of a split."""
    intents = json.loads(source.read_text(encoding="utf-8"))["intents"]
    random.Random(SEED).shuffle(intents)
    taken: list[Any] = []
    while intents and sum(len(intent["patterns"]) for intent in taken) < count:
        taken.append(intents.pop())
    target.write_text(json.dumps({"intents": taken}), encoding="utf-8")


CUTTERS: dict[str, Callable[[Path, Path, int], None]] = {".csv": cut_csv, ".jsonl": cut_lines, ".json": cut_intents}


def cut_sources(folder: Path, first: int, rest: int) -> list[Path]:
    found = []
    for place, (name, source) in enumerate(DOMAINS.items()):
        path = SHARED / source
        target = folder / f"{name}{path.suffix}"
        CUTTERS[path.suffix](path, target, rest if place else first)
        found.append(target)
    return found


def settings_for(strategy: str, given: argparse.Namespace, budget_s: float) -> Settings:
    """What a team would write into heedful.yaml."""
    training: dict[str, Any] = {"epochs": given.epochs, "strategy": "continue" if strategy in {"naive", "replay"} else strategy}
    if strategy == "auto":
        training["budget_hours"] = budget_s / 3_600
    if strategy == "naive":
        training["replay"] = 0.0
    return load_settings(None, {"training": training, "dataset": {"split": SPLIT}})


def take_round(workspace: Workspace, settings: Settings, source: Path) -> Round:
    """Import, build, train, and make the new version the champion."""
    store = open_store(workspace.database)
    try:
        import_file(store, source, ACTOR, basis="public")
        dataset = build_dataset(store, workspace, settings.dataset, settings.system_prompt, ACTOR).id
        planned = plan_training(workspace, store, settings, dataset)
        version = train_version(workspace, store, dataset, settings, planned, ACTOR)
        with store.session() as session:
            point(session, CHAMPION, version.model, ACTOR, "the benchmark takes every version")
    finally:
        store.close()
    summary = json.loads((version.path / METRICS).read_text(encoding="utf-8").splitlines()[-1])
    rows = read_manifest(version.path, verify=False)["rows"]
    return Round(
        model=version.model,
        strategy=planned.plan.strategy.value,
        tokens=summary["tokens"],
        rows=rows["train"],
        replayed=rows["replayed"],
        estimate=planned.plan.seconds.value or 0.0,
        seconds=round(version.seconds, 1),
    )


def run_chain(folder: Path, first: Round, strategy: str, given: argparse.Namespace, sources: list[Path], budget_s: float) -> Chain:
    """All rounds but the first, which lies in `folder`/first already."""
    shutil.copytree(folder / "first", folder / strategy)
    workspace, rounds = Workspace((folder / strategy).resolve()), [first]
    settings = settings_for(strategy, given, budget_s)
    for source in sources[1:]:
        rounds.append(take_round(workspace, settings, source))
        if not given.json:
            print(strategy, source.stem, rounds[-1], flush=True)
    store = open_store(workspace.database)
    try:
        matrix, grid = fill_matrix(workspace, store, settings, rounds[-1].model), grid_of(workspace, store, rounds[-1].model)
    finally:
        store.close()
    scores = {one.suite.label: read_cell(workspace, grid.rows[-1].target, one) for one in grid.brought}
    return Chain(rounds, matrix, {label: score for label, score in scores.items() if score is not None})


def run(folder: Path, given: argparse.Namespace) -> dict[str, Chain]:
    sources = cut_sources(folder, given.first, given.rest)
    first = take_round(create_workspace(folder / "first", "base: tiny\n"), settings_for("fresh", given, 0.0), sources[0])
    chains: dict[str, Chain] = {}
    budget = 0.0
    for strategy in STRATEGIES:
        chains[strategy] = run_chain(folder, first, strategy, given, sources, budget)
        if strategy == "fresh":  # between the estimates of the last training that is affordable and the first that is not
            budget = sum(one.estimate for one in chains["fresh"].rounds[AFFORDABLE - 1 : AFFORDABLE + 1]) / 2
    return chains


def to_line(chains: dict[str, Chain], seconds: float) -> dict[str, Any]:
    fresh = chains["fresh"]
    suites = fresh.matrix.suites
    earlier = [suite.label for suite in suites[:-1]]
    return {
        "domains": [suite.label for suite in suites],
        "test_conversations": [suite.conversations for suite in suites],
        "matrices": {
            name: [[None if cell is None else round(cell.nll, 4) for cell in row] for row in chain.matrix.cells]
            for name, chain in chains.items()
        },
        "tokens": {name: [one.tokens for one in chain.rounds] for name, chain in chains.items()},
        "rows": {name: [[one.rows, one.replayed] for one in chain.rounds] for name, chain in chains.items()},
        "trained_as": {name: [one.strategy for one in chain.rounds] for name, chain in chains.items()},
        "above_fresh": {
            name: {label: beside(chain.last[label], fresh.last[label]) for label in earlier}
            for name, chain in chains.items()
            if name != "fresh"
        },
        "token_share": {
            name: [round(one.tokens / other.tokens, 3) for one, other in zip(chain.rounds, fresh.rounds, strict=True)][1:]
            for name, chain in chains.items()
        },
        "forgetting": {
            name: {
                suite.label: round(lost.share, 4)
                for suite in suites
                for lost in chain.matrix.forgotten
                if lost.dataset == suite.dataset
            }
            for name, chain in chains.items()
        },
        "train_seconds": {name: round(sum(one.seconds for one in chain.rounds), 1) for name, chain in chains.items()},
        "seconds": round(seconds, 1),
    }


def beside(score: Nll, fresh: Nll) -> dict[str, Any]:
    """How much higher than the fresh one, as a share of it, with the paired interval over test conversations."""
    found = estimate_gain(fresh, score)
    assert found.value is not None, "a number was not finite"
    low, high = (None, None) if found.interval is None else (edge / fresh.nats_per_token for edge in found.interval)
    return {"share": shown(found.value / fresh.nats_per_token), "low": shown(low), "high": shown(high), "n": found.n}


def shown(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def to_page(chains: dict[str, Chain], line: dict[str, Any]) -> str:
    """One self-contained page: a heat-map and the tokens of each strategy."""
    style = files("heedful.evaluation").joinpath("report.css").read_text(encoding="utf-8")
    parts = []
    for name, chain in chains.items():
        shares = ", ".join(f"{tokens:,}" for tokens in line["tokens"][name])
        parts.append(f"<h2>{name}</h2><p>{chain.matrix.words}</p>{plot(chain.matrix)}<p class='soft'>Tokens a round: {shares}.</p>")
    head = f"<!doctype html><meta charset='utf-8'><title>Rounds</title><style>{style}</style>"
    return f"{head}<main><h1>Rounds</h1>{''.join(parts)}</main>"


def show(chains: dict[str, Chain], line: dict[str, Any]) -> None:
    for name, chain in chains.items():
        columns, rows = table(chain.matrix)
        print(f"\n{name}: {', '.join(one.strategy for one in chain.rounds)}")
        for row in [columns, *rows]:
            print("  ".join(f"{cell:>16}" for cell in row))
        print("tokens", line["tokens"][name], "share of fresh", line["token_share"][name])
        print("above fresh", line["above_fresh"].get(name, "–"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=560, help="rows of the first domain")
    parser.add_argument("--rest", type=int, default=80, help="rows of each later domain")
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--page", type=Path, default=Path("rounds.html"), help="where the heat-maps are written")
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    given = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        chains = run(Path(folder), given)
    line = to_line(chains, time.perf_counter() - started)
    given.page.write_text(to_page(chains, line), encoding="utf-8")
    if not given.json:
        show(chains, line)
    print(json.dumps(line))


if __name__ == "__main__":
    main()

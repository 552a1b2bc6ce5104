"""Rounds: five domains brought one after the other to a team that trains on each, by four strategies, on the bundled base.

    python benchmarks/rounds.py --json --page rounds.html --folder FOLDER

| strategy | what it is |
| --- | --- |
| fresh | `--strategy fresh`: after each domain all of the data from the base |
| naive | `--strategy continue` with `training.replay: 0`: only what is new, on top of the last version |
| replay | `--strategy continue` as it is: what is new, and a part of what was learned before |
| auto | `--strategy auto` with a budget that the second fresh training just keeps to: fresh twice, then continue |

Domains: Counsel Chat, three sets of MedQuAD (topics of MedlinePlus, NIDDK, CDC) and the intents, from ../shared/data; of each so
many rows as `--first` and `--rest` say, short ones, drawn by a seed. All is done with the functions behind `heedful import`,
`dataset build`, `train` and `models --matrix`; each version becomes the champion. Every hyper-parameter but the epochs is
the plan's own.

With `--folder` it can be killed at any moment and called again: the datasets, each finished training (by a hash of what went into
it: data, plan, lines, the version below) and each cell of the matrices are kept there. What two strategies share, such as the
training of the first round, is done once. The hash does not know the code: after a change in how a training is done, take another
folder.

| in the JSON line | |
| --- | --- |
| matrices | NLL of every generation (rows, the base first) on the test conversations that each domain brought (columns) |
| tokens | trained on in each round, until early stopping ended it |
| strengths | of each round's own adapter, as `training/settle.py` chose it |
| above_fresh | the last version of a strategy beside the last fresh one on each earlier domain, as a share, with its 95% interval |
| token_share | tokens of each later round beside the fresh training's |
| forgetting | the last version beside the best earlier one of the same strategy, as a share |
"""

import argparse
import csv
import hashlib
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
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
from heedful.lifecycle.training import CarryOut, train_version
from heedful.modeling.likelihood import Nll
from heedful.registry.aliases import CHAMPION, point
from heedful.store.database import open_store
from heedful.training.plan import Choice, TrainingPlan
from heedful.training.progress import METRICS, Progress
from heedful.training.round import Round as Part
from heedful.training.train import TrainedAdapter, input_hashes, train
from heedful.workspace import Workspace, create_workspace, read_manifest, staged_directory, write_text

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
DOMAINS = {
    "counsel_chat": "counsel_chat/counsel_chat.csv",
    "medlineplus": "medquad/4_MPlus_Health_Topics_QA.jsonl",
    "niddk": "medquad/5_NIDDK_QA.jsonl",
    "cdc": "medquad/9_CDC_QA.jsonl",
    "intents": "intents/intents.json",
}
STRATEGIES = ("fresh", "replay", "naive", "auto")
LONGEST = 600  # characters of question and answer, about 190 tokens with the system prompt: it has to end on a busy machine
SPLIT = (0.5, 0.1, 0.4)  # a large test part, because it is what is compared
MEASURED = {"seconds", "memory_gb", "checkpoint_every"}  # of a plan: what this machine can do now, which changes no weight
EPOCHS = 3.0  # the plan of 100 to 500 rows would take 5
SEED, ACTOR = 7, "benchmark"
DATASETS, TRAINED = "datasets.json", "trained.json"
AFFORDABLE = 2  # fresh trainings that the budget of auto allows


@dataclass(frozen=True, slots=True)
class Round:
    """What one training took. `steps`: the best, the last, the last planned one. `estimate` is the plan's, in seconds."""

    model: str
    strategy: str
    tokens: int
    planned_tokens: int
    rows: int
    replayed: int
    steps: tuple[int, int, int]
    strength: float
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


def prepare(folder: Path, first: int, rest: int) -> None:
    """Fill `folder`: a workspace in which the domains came one after the other, and the ids of the datasets built after each."""
    with staged_directory(folder) as aside:
        sources, datasets = cut_sources(aside, first, rest), []
        workspace = create_workspace(aside / "workspace", "base: tiny\n")
        settings = settings_for("fresh")
        store = open_store(workspace.database)
        try:
            for source in sources:
                import_file(store, source, ACTOR, basis="public")
                datasets.append(build_dataset(store, workspace, settings.dataset, settings.system_prompt, ACTOR).id)
        finally:
            store.close()
        write_text(aside / DATASETS, json.dumps(datasets))


def settings_for(strategy: str, budget_s: float = 0.0) -> Settings:
    """What a team would write into heedful.yaml."""
    training: dict[str, Any] = {"epochs": EPOCHS, "strategy": "continue" if strategy in {"naive", "replay"} else strategy}
    if strategy == "auto":
        training["budget_hours"] = budget_s / 3_600
    if strategy == "naive":
        training["replay"] = 0.0
    return load_settings(None, {"training": training, "dataset": {"split": SPLIT}})


def kept_in(folder: Path) -> CarryOut:
    """Trainings in this process, without resume points of their own; one that was done before is copied."""

    def carry_out(
        dataset_dir: Path,
        base: str,
        plan: TrainingPlan,
        output: Path,
        observe: Callable[[Progress], None] | None = None,
        *,
        part: Part | None = None,
        recovery: Path | None = None,
    ) -> TrainedAdapter:
        place = folder / key_of(dataset_dir, plan, part)
        if not place.exists():
            trained = train(dataset_dir, base, plan, output, observe, part=part)
            with staged_directory(place) as aside:
                shutil.copytree(output, aside / "model")
                write_text(aside / TRAINED, json.dumps(asdict(trained) | {"path": ""}))
            return trained
        shutil.copytree(place / "model", output, dirs_exist_ok=True)
        return TrainedAdapter(**json.loads((place / TRAINED).read_text(encoding="utf-8")) | {"path": output})

    return carry_out


def key_of(dataset_dir: Path, plan: TrainingPlan, part: Part | None) -> str:
    """A hash of all that decides about the weights. The reasons of a plan and what it measured do not."""
    values = {one.name: None if one.name in MEASURED else getattr(plan, one.name).value for one in fields(plan)}
    plain = TrainingPlan(**{name: Choice(value, "") for name, value in values.items()})
    return hashlib.sha256(json.dumps(input_hashes(dataset_dir, plain, part)).encode()).hexdigest()[:24]


def take_round(workspace: Workspace, settings: Settings, dataset: str, carry_out: CarryOut) -> Round:
    """Train on a dataset, make the new version the champion, and measure it."""
    store = open_store(workspace.database)
    try:
        planned = plan_training(workspace, store, settings, dataset)
        version = train_version(workspace, store, dataset, settings, planned, ACTOR, carry_out=carry_out)
        with store.session() as session:
            point(session, CHAMPION, version.model, ACTOR, "the benchmark takes every version")
        fill_matrix(workspace, store, settings, version.model)
    finally:
        store.close()
    summary = json.loads((version.path / METRICS).read_text(encoding="utf-8").splitlines()[-1])
    manifest = read_manifest(version.path, verify=False)
    return Round(
        model=version.model,
        strategy=planned.plan.strategy.value,
        tokens=summary["tokens"],
        planned_tokens=planned.plan.tokens.value,
        rows=manifest["rows"]["train"],
        replayed=manifest["rows"]["replayed"],
        steps=(summary["best_step"], summary["steps"], planned.plan.steps.value),
        strength=manifest.get("strength", 1.0),
        estimate=planned.plan.seconds.value or 0.0,
        seconds=round(version.seconds, 1),
    )


def run_chain(folder: Path, data: Workspace, datasets: list[str], strategy: str, budget_s: float) -> Chain:
    """All rounds of one strategy, in a copy of the workspace with the data."""
    with tempfile.TemporaryDirectory(dir=folder) as copy:
        workspace = Workspace(Path(copy) / "workspace")
        shutil.copytree(data.root, workspace.root)
        share_cells(workspace, folder / "cells")
        settings, rounds = settings_for(strategy, budget_s), []
        for number, dataset in enumerate(datasets):
            once = settings_for("fresh") if number == 0 else settings
            rounds.append(take_round(workspace, once, dataset, kept_in(folder / "trained")))
            print(strategy, dataset, rounds[-1], file=sys.stderr, flush=True)
        store = open_store(workspace.database)
        try:
            matrix = fill_matrix(workspace, store, settings, rounds[-1].model)
            grid = grid_of(workspace, store, rounds[-1].model)
            scores = {one.suite.label: read_cell(workspace, grid.rows[-1].target, one) for one in grid.brought}
        finally:
            store.close()
    return Chain(rounds, matrix, {label: score for label, score in scores.items() if score is not None})


def share_cells(workspace: Workspace, cells: Path) -> None:
    """A cell is named by a hash of what it measured, so all chains may read those of the others."""
    cells.mkdir(exist_ok=True)
    workspace.reports.mkdir(exist_ok=True)
    (workspace.reports / "cells").symlink_to(cells, target_is_directory=True)


def run(folder: Path, given: argparse.Namespace) -> Iterator[dict[str, Chain]]:
    """The chains that are there, after each of them."""
    place = folder / f"data-{given.first}-{given.rest}"
    if not place.exists():
        prepare(place, given.first, given.rest)
    datasets = json.loads((place / DATASETS).read_text(encoding="utf-8"))
    chains: dict[str, Chain] = {}
    budget = 0.0
    for strategy in STRATEGIES:
        chains[strategy] = run_chain(folder, Workspace(place / "workspace"), datasets, strategy, budget)
        if strategy == "fresh":  # between the estimates of the last training that is affordable and the first that is not
            budget = sum(one.estimate for one in chains["fresh"].rounds[AFFORDABLE - 1 : AFFORDABLE + 1]) / 2
        yield chains


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
        "planned_tokens": {name: [one.planned_tokens for one in chain.rounds] for name, chain in chains.items()},
        "strengths": {name: [one.strength for one in chain.rounds] for name, chain in chains.items()},
        "steps": {name: [one.steps for one in chain.rounds] for name, chain in chains.items()},
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
    parser.add_argument("--first", type=int, default=288, help="rows of the first domain")
    parser.add_argument("--rest", type=int, default=64, help="rows of each later domain")
    parser.add_argument("--page", type=Path, default=Path("rounds.html"), help="where the heat-maps are written")
    parser.add_argument("--folder", type=Path, help="where what is finished is kept, so that it can go on; none: nowhere")
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    given = parser.parse_args()
    started = time.perf_counter()
    if given.folder is not None:
        given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() if given.folder is None else nullcontext(given.folder) as folder:
        for chains in run(Path(folder).resolve(), given):  # a page of what is there, should it be stopped
            line = to_line(chains, time.perf_counter() - started)
            given.page.write_text(to_page(chains, line), encoding="utf-8")
            print(json.dumps(line), file=sys.stderr, flush=True)
    if not given.json:
        show(chains, line)
    print(json.dumps(line))


if __name__ == "__main__":
    main()

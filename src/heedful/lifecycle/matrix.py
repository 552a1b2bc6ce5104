"""Matrix: the registered generations and the datasets they came from in; the NLL of each on every round's test conversations out.

A generation is a version that was champion once, an ancestor of the judged one, or that one itself; what was only tried is not.
A cell is measured once: it is kept by the hashes of base, adapter, chat format and conversations, and holds numbers only.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from heedful.config import Settings
from heedful.conversation import Conversation
from heedful.dataset import load_split
from heedful.dataset.rows import to_line
from heedful.errors import HeedfulError
from heedful.evaluation.matrix import Generation, Matrix, Suite, build_matrix
from heedful.lifecycle.companions import BASE, Target, load_network, target_of
from heedful.lifecycle.rounds import ancestry, held_out_lines
from heedful.modeling.bases import context_length, load_tokenizer, resolve_base, weights_sha256
from heedful.modeling.chat_template import fingerprint
from heedful.modeling.likelihood import Nll, negative_log_likelihood
from heedful.modeling.trimming import trim
from heedful.registry.aliases import CHAMPION
from heedful.registry.versions import ADAPTER_FILE, Version, find_version, list_versions
from heedful.store.database import Store
from heedful.store.schema import AliasEvent
from heedful.workspace import MANIFEST, Workspace, read_manifest, sha256, write_text

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Observe = Callable[[int, int], None]  # models done, models in all
BATCH_TOKENS = 4_096  # of one likelihood batch, padding included


@dataclass(frozen=True, slots=True)
class Brought:
    """The test conversations that came with one round, in order."""

    suite: Suite
    rows: tuple[Conversation, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class Row:
    """A generation, and the suites that were there when it was made: those of its dataset and of what came before."""

    target: Target
    asked: tuple[Brought, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """`rows`: the base, then the oldest first, the judged one last. `unusable` are generations that cannot be loaded any more."""

    rows: tuple[Row, ...]
    brought: tuple[Brought, ...]
    unusable: tuple[str, ...]


def grid_of(workspace: Workspace, store: Store, judged: str) -> Grid:
    """Raises RegistryError or ModelError when the judged version itself cannot be used."""
    with store.snapshot() as session:
        versions = generations_until(session, find_version(session, judged))
        brought = brought_by(workspace, session, [one.dataset for one in versions])
    newest = target_of(workspace, versions[-1])
    rows, unusable = [Row(replace(newest, name=BASE, adapter=None), tuple(brought))], []
    for place, version in enumerate(versions, start=1):
        datasets = {one.dataset for one in versions[:place]}
        try:
            target = newest if place == len(versions) else target_of(workspace, version)
        except HeedfulError:  # damaged, lost, or of another chat format: an old version must not keep a new one from its proof
            unusable.append(version.id)
            continue
        rows.append(Row(target, tuple(one for one in brought if one.suite.dataset in datasets)))
    return Grid(tuple(rows), tuple(brought), tuple(unusable))


def generations_until(session: Session, judged: Version) -> list[Version]:
    """The oldest first; all on one base, none of them quarantined."""
    served = set(session.scalars(select(AliasEvent.to_model).where(AliasEvent.alias == CHAMPION)))
    wanted = served | set(ancestry(session, judged.id))
    earlier = [
        one
        for one in list_versions(session)
        if one.id in wanted and one.base == judged.base and not one.quarantined and one.created_at <= judged.created_at
    ]
    return [*(one for one in earlier if one.id != judged.id), judged]


def brought_by(workspace: Workspace, session: Session, datasets: Iterable[str]) -> list[Brought]:
    """What each dataset has in its test split that no earlier one had. Datasets that are gone bring nothing."""
    seen: set[int] = set()
    known: set[str] = set()
    found: list[Brought] = []
    for dataset in dict.fromkeys(datasets):
        folder = workspace.datasets / dataset
        if not (folder / MANIFEST).is_file():
            continue
        keys, rows = held_out_lines(session, dataset, "test"), load_split(folder, "test")
        new = tuple(rows[line] for line, key in sorted(keys.items()) if key not in seen)
        sources = {PurePath(source["path"]).stem for source in read_manifest(folder, verify=False)["sources"]}
        if new:
            label = ", ".join(sorted(sources - known)) or dataset
            digest = hashlib.sha256("".join(map(to_line, new)).encode()).hexdigest()
            found.append(Brought(Suite(dataset, label, len(new)), new, digest))
        seen |= set(keys.values())
        known |= sources
    return found


def measure(workspace: Workspace, settings: Settings, row: Row, network: "PreTrainedModel | None" = None) -> None:
    """Fill the cells of one model that are missing. It is loaded only when there is one, unless the caller has it at hand."""
    target = row.target
    missing = [one for one in row.asked if not is_kept(cell_path(workspace, target, one))]
    if not missing:
        return
    loaded = load_network(target, settings) if network is None else network
    tokenizer, limit = load_tokenizer(target.base), context_length(target.base)
    for one in missing:
        trimmed = (trim(tokenizer, row, limit).sample for row in one.rows)
        score = negative_log_likelihood(loaded, [sample for sample in trimmed if sample is not None], BATCH_TOKENS)
        path = cell_path(workspace, target, one)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps({"per_sample": score.per_sample}))


def is_kept(path: Path) -> bool:
    """Whether it was measured. It counts as used now, for `retention`."""
    if path.is_file():
        path.touch()
        return True
    return False


def cell_path(workspace: Workspace, target: Target, brought: Brought) -> Path:
    base = resolve_base(target.base)
    adapter = "" if target.adapter is None else sha256(target.adapter / ADAPTER_FILE)
    parts = (weights_sha256(base) or f"{base.name}@{base.revision}", adapter, fingerprint(load_tokenizer(base)), brought.sha256)
    return workspace.cells / f"{hashlib.sha256('/'.join(parts).encode()).hexdigest()[:24]}.json"


def read_cell(workspace: Workspace, target: Target, brought: Brought) -> Nll | None:
    path = cell_path(workspace, target, brought)
    if not is_kept(path):
        return None
    per_sample = [(float(nats), int(tokens)) for nats, tokens in json.loads(path.read_text(encoding="utf-8"))["per_sample"]]
    tokens = sum(count for _, count in per_sample)
    return Nll(sum(nats for nats, _ in per_sample) / tokens if tokens else float("nan"), tokens, per_sample)


def whole_split(workspace: Workspace, row: Row, dataset: str, conversations: int) -> Nll | None:
    """A test split that was measured as a cell already: all of it came with this dataset. Else None."""
    own = next((one for one in row.asked if one.suite.dataset == dataset and len(one.rows) == conversations), None)
    return None if own is None else read_cell(workspace, row.target, own)


def read_matrix(workspace: Workspace, grid: Grid) -> Matrix:
    """From the cells that were measured."""
    scores: dict[tuple[str, str], Nll] = {}
    for row in grid.rows:
        found = {one.suite.dataset: read_cell(workspace, row.target, one) for one in grid.brought}
        scores |= {(row.target.name, dataset): score for dataset, score in found.items() if score is not None}
    generations = [Generation(row.target.name, depth_of(row.target)) for row in grid.rows]
    return build_matrix(generations, [one.suite for one in grid.brought], scores, grid.unusable)


def depth_of(target: Target) -> int:
    """Adapters of its stack; the base has none."""
    return 0 if target.adapter is None else len(read_manifest(target.adapter, verify=False)["stack"])


def fill_matrix(workspace: Workspace, store: Store, settings: Settings, judged: str, observe: Observe | None = None) -> Matrix:
    """Measure every cell that is missing, each version on what was there when it was made, and the base on everything."""
    grid = grid_of(workspace, store, judged)
    for done, row in enumerate(grid.rows, start=1):
        measure(workspace, settings, row)
        if observe is not None:
            observe(done, len(grid.rows))
    return read_matrix(workspace, grid)

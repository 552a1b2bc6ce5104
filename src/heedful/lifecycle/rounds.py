"""Rounds: a dataset and a parent version in; which of its rows are new to the parent, and which are replayed, out.

A row is known by what was said, whatever the system prompt. What may be learned from today is the dataset, built under today's
consent and filters: so replay is drawn from those of its rows that the parent's chain has learned, never from an older dataset.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from heedful.config import Settings
from heedful.conversation import Conversation
from heedful.dataset import dataset_dir, load_split
from heedful.dataset.filters import sameness
from heedful.dataset.normalise import normalise
from heedful.errors import ModelError, RegistryError, TrainingError
from heedful.modeling.bases import resolve_base, weights_sha256
from heedful.registry.aliases import CHAMPION, current_aliases
from heedful.registry.lineage import ALL
from heedful.registry.versions import Version, find_version, model_directory, verified_directory
from heedful.store.database import Store
from heedful.store.schema import Split
from heedful.training.replay import Learned, draw_replay
from heedful.training.round import Round
from heedful.workspace import MANIFEST, Workspace, read_manifest

FRESH = "heedful train --strategy fresh"

Key = bytes  # what was said in a conversation, by its hash


@dataclass(frozen=True, slots=True)
class NextRound:
    """`part` is None when the dataset has nothing new. `gone` are earlier versions and datasets that are not there any more."""

    parent: Version
    part: Round | None
    gone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Taught:
    """Lines of a dataset that round `generation`, from 0, learned; None is all of them."""

    generation: int
    dataset: str
    lines: tuple[int, ...] | None


def find_parent(store: Store, name: str | None) -> Version | None:
    """The version of that name; without one the champion, None when there is none. Raises RegistryError for an unknown name."""
    with store.snapshot() as session:
        if name is None and CHAMPION not in current_aliases(session):
            return None
        return find_version(session, CHAMPION if name is None else name)


def next_round(workspace: Workspace, settings: Settings, dataset_id: str, parent: Version) -> NextRound:
    """What `parent` would learn from the dataset.

    Raises ModelError when it is of another base, TrainingError when a row to learn was a test row of an earlier round.
    """
    folder = verified_directory(workspace, parent)
    check_base(parent, read_manifest(folder, verify=False), settings.base)
    taught, gone = history_of(workspace, parent.id)
    known = learned_keys(workspace, taught)
    rows = [(key_of(row), normalise(row.question)) for row in load_split(dataset_dir(workspace, dataset_id), "train")]
    check_held_out(workspace, {one.dataset for one in taught}, dataset_id, {key for key, _ in rows})
    new = tuple(line for line, (key, _) in enumerate(rows) if key not in known)
    learned = [Learned(line, known[key], group) for line, (key, group) in enumerate(rows) if key in known]
    replay = draw_replay(learned, round(settings.training.replay * len(learned)), settings.training.seed)
    return NextRound(parent, Round(folder, new, replay) if new else None, gone)


def history_of(workspace: Workspace, model_id: str) -> tuple[list[Taught], tuple[str, ...]]:
    """All that a version and its ancestors learned, the oldest first; and what of that is not there any more."""
    chain, gone = ancestry(workspace, model_id)
    taught = [
        Taught(generation, entry["dataset"], None if entry["lines"] == ALL else tuple(entry["lines"]))
        for generation, manifest in enumerate(chain)
        for entry in manifest["learned_from"]
    ]
    lost = {one.dataset for one in taught if not (workspace.datasets / one.dataset / MANIFEST).is_file()}
    return [one for one in taught if one.dataset not in lost], (*gone, *sorted(lost))


def ancestry(workspace: Workspace, model_id: str) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Manifests of a version and its parents, the oldest first, as far as they are there; and the first that is not."""
    chain: list[dict[str, Any]] = []
    current: str | None = model_id
    while current is not None:
        folder = model_directory(workspace, current)
        if not (folder / MANIFEST).is_file():
            return chain[::-1], (current,)
        chain.append(read_manifest(folder, verify=False))
        current = chain[-1]["parent"]
    return chain[::-1], ()


def learned_keys(workspace: Workspace, taught: Iterable[Taught]) -> dict[Key, int]:
    """What was said in every row that a chain has learned -> the round that learned it first."""
    known: dict[Key, int] = {}
    for one in taught:
        keys = split_keys(workspace, one.dataset, "train")
        for line in range(len(keys)) if one.lines is None else one.lines:
            known.setdefault(keys[line], one.generation)
    return known


def check_held_out(workspace: Workspace, earlier: Iterable[str], dataset_id: str, rows: set[Key]) -> None:
    """What an earlier round was proven on must stay unseen, or the matrix of the generations would flatter the later ones."""
    for one in sorted(earlier):
        seen = rows.intersection(split_keys(workspace, one, "test"))
        if seen:
            raise TrainingError(
                f"{len(seen)} training rows of {dataset_id} are test rows of {one}, on which an earlier round was proven",
                "heedful dataset build, which keeps each conversation on its side; then heedful train",
            )


def split_keys(workspace: Workspace, dataset_id: str, split: Split) -> list[Key]:
    return [key_of(row) for row in load_split(dataset_dir(workspace, dataset_id), split)]


def check_base(parent: Version, manifest: Mapping[str, Any], base: str) -> None:
    if parent.base != base or manifest["base_sha256"] != weights_sha256(resolve_base(base)):
        what = f"base {parent.base!r}" if parent.base != base else f"other weights of base {base!r}"
        raise ModelError(f"{parent.id} was trained on {what}, so nothing can be put on top of it here", FRESH)


def key_of(conversation: Conversation) -> Key:
    return sameness(Conversation(tuple(message for message in conversation.messages if message.role != "system")))


def require_parent(parent: Version | None) -> Version:
    if parent is None:
        raise RegistryError("there is no champion to continue from", f"{FRESH}, or name a version with --parent")
    return parent


def made_of(model_id: str, dataset_id: str, rank: int, part: Round | None) -> dict[str, Any]:
    """Fields of a version's manifest: its stack from the base upwards, and the rows that this training learned from.

    What its ancestors learned from stands in their manifests.
    """
    below: dict[str, Any] = {"model": None, "stack": []} if part is None else read_manifest(part.below, verify=False)
    return {
        "parent": below["model"],
        "stack": [*below["stack"], {"model": model_id, "rank": rank}],
        "learned_from": list(learned_from(dataset_id, part)),
    }


def learned_from(dataset_id: str, part: Round | None) -> Iterator[dict[str, Any]]:
    """Lines are those of the dataset's train.jsonl, from 0."""
    yield {"dataset": dataset_id, "role": "train", "lines": ALL if part is None else list(part.new)}
    if part is not None and part.replay:
        yield {"dataset": dataset_id, "role": "replay", "lines": list(part.replay)}

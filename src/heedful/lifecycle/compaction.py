"""Compaction: a version on a deep stack in; a new version with one adapter of fewer ranks, as near to it as said, out.

Nothing is learned: the update of the whole stack is factorised anew. The deep version stays as it is and is the parent; the new one
has to pass the same gate. Whoever wants no approximation at all trains anew: heedful train --strategy fresh.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from heedful.errors import RegistryError
from heedful.lifecycle.runs import recorded_run
from heedful.modeling.bases import resolve_base
from heedful.modeling.compaction import Compacted, compact, smallest_rank, spectra
from heedful.modeling.stack import read_adapter, write_adapter
from heedful.registry.versions import ADAPTER_FILE, Version, find_version, model_directory, register, verified_directory, version_id
from heedful.store.audit import record
from heedful.store.database import Store
from heedful.training.best import FOLDER as CHECKPOINTS
from heedful.training.round import ROUND_FILE
from heedful.workspace import MANIFEST, Workspace, read_manifest, sha256, staging, write_manifest

TOLERANCE = 0.1  # of the norm of the whole update; measured: half the ranks for a thousandth more NLL (docs/log.md)


@dataclass(frozen=True, slots=True)
class CompactedVersion:
    """`error` is the share of the update's norm that was left out; `worst` that of the module that lost most."""

    model: str
    path: Path
    parent: str
    depth_before: int
    rank_before: int
    rank: int
    error: float
    worst: float
    existing: bool


def compact_version(workspace: Workspace, store: Store, name: str, rank: int | None, actor: str) -> CompactedVersion:
    """Without a rank, the smallest one that is within TOLERANCE.

    Raises RegistryError when there is nothing to compact, ModelError for a rank that the stack has not.
    """
    with store.snapshot() as session:
        version = find_version(session, name)
    folder = verified_directory(workspace, version)
    manifest = read_manifest(folder, verify=False)
    deep = read_adapter(folder)
    found = spectra(deep)
    small = compact(deep, found, smallest_rank(found, deep.rank, TOLERANCE) if rank is None else rank)
    if small.adapter.rank == deep.rank:
        raise RegistryError(
            f"{version.id} has {deep.rank} ranks in {len(manifest['stack'])} generations, and needs them all: "
            f"one less would lose more than {TOLERANCE:.0%}",
            "choose what to lose with --rank, or train anew: heedful train --strategy fresh",
        )
    with recorded_run(store, "compact", version.dataset) as outcome, staging(workspace.models) as aside:
        copy_beside(folder, aside)
        write_adapter(small.adapter, resolve_base(version.base), aside)
        digest = sha256(aside / ADAPTER_FILE)
        model_id = version_id(digest)
        write_manifest(aside, to_manifest(manifest, version, model_id, small))
        target = model_directory(workspace, model_id)
        existing = target.exists()
        with store.session() as session:
            fields = {"dataset_id": version.dataset, "parent_id": version.id, "base": version.base, "adapter_sha256": digest}
            register(session, model_id, fields, ())
            record(session, actor, "compact", model_id, {"parent": version.id, "rank": small.adapter.rank, "error": small.error})
            if not existing:
                aside.rename(target)
        outcome.model_id = model_id
        outcome.detail = {"parent": version.id, "rank": small.adapter.rank, "error": small.error}
    return CompactedVersion(
        model=model_id,
        path=target,
        parent=version.id,
        depth_before=len(manifest["stack"]),
        rank_before=deep.rank,
        rank=small.adapter.rank,
        error=small.error,
        worst=small.worst,
        existing=existing,
    )


def copy_beside(folder: Path, aside: Path) -> None:
    """All that a version needs besides its weights: tokenizer, plan, metrics. What is about its own training alone stays behind."""
    own = {MANIFEST, ADAPTER_FILE, ROUND_FILE, CHECKPOINTS}
    for path in folder.iterdir():
        if path.name not in own and path.is_file():
            shutil.copyfile(path, aside / path.name)


def to_manifest(manifest: dict[str, object], version: Version, model_id: str, small: Compacted) -> dict[str, object]:
    """As the parent's, but for what it is made of: nothing was learned here, so lineage goes through the parent."""
    kept = {key: value for key, value in manifest.items() if key not in {"files", "checkpoints"}}
    return {
        **kept,
        "model": model_id,
        "parent": version.id,
        "stack": [{"model": model_id, "rank": small.adapter.rank}],
        "learned_from": [],
        "compacted": {"error": small.error, "worst_module": small.worst, "rank_before": sum(rank_of(manifest))},
    }


def rank_of(manifest: dict[str, object]) -> list[int]:
    stack = manifest["stack"]
    assert isinstance(stack, list)
    return [int(one["rank"]) for one in stack]

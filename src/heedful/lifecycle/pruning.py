"""Pruning: a workspace in; without the files that nobody needs any more, out. Rows stay, for an erasure follows them.

What stays: the newest versions; whatever an alias points to; whatever was champion, for an erasure may need it at once and later
versions are measured beside it; what these stand on; the datasets of all of them; their newest reports, and reports that an alias
was moved by. What is in use stays too. Quarantined versions are the business of the erasure.

What can be made again, and what was only ever counted, goes by its age: see `retention`.

The rows are marked and the trail says so first; then the directories go. Killed between the two, the next call finds them.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from heedful.dataset import list_datasets
from heedful.errors import StoreError
from heedful.lifecycle.erasure.erase import LOCK
from heedful.lifecycle.erasure.files import remove
from heedful.lifecycle.retention import find_outdated, remove_outdated
from heedful.lifecycle.unfinished import list_unfinished
from heedful.registry.aliases import current_aliases
from heedful.registry.lineage import generations, parents_of
from heedful.registry.promotion import newest_run
from heedful.registry.quarantine import never_pruned
from heedful.registry.versions import Version, list_versions, model_directory
from heedful.store.audit import record
from heedful.store.database import Store
from heedful.store.schema import AliasEvent, AuditEvent, DatasetVersion, ModelVersion, Run, utc_now
from heedful.store.schema_trust import Membership
from heedful.store.training_runs import list_runs
from heedful.workspace import ASIDE, MANIFEST, Workspace

ABANDONED = timedelta(days=1)  # a run that says so long that it runs was killed
LEFT = timedelta(days=7)  # what was begun to be written so long ago


@dataclass(frozen=True, slots=True)
class Prunable:
    """Names of directories that nobody needs, what is older than it has to be, and what all that takes on the disk."""

    models: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()
    served: tuple[str, ...] = ()
    leavings: tuple[str, ...] = ()  # what a process that was killed had been writing
    curves: tuple[str, ...] = ()  # reports of learning curves
    traces: int = 0
    replies: int = 0
    cells: int = 0
    bytes: int = 0

    def counts(self) -> dict[str, int]:
        return {name: value if isinstance(value, int) else len(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class InUse:
    """Versions and datasets that work under way needs, and reports that it writes."""

    models: set[str] = field(default_factory=set)
    datasets: set[str] = field(default_factory=set)
    reports: set[str] = field(default_factory=set)


def prune(workspace: Workspace, store: Store, keep: int, actor: str, dry_run: bool = False, days: int | None = None) -> Prunable:
    """`keep` is how many of the newest versions stay in any case; `days`: how long what can be made again does, None for ever.

    Raises StoreError while an erasure or a backup is running.
    """
    before = None if days is None else utc_now() - timedelta(days=days)
    try:
        with FileLock(workspace.root / LOCK, timeout=0):
            with store.snapshot() if dry_run else store.session() as session:
                found = with_outdated(find_prunable(session, workspace, keep), session, workspace, before)
                if found != Prunable() and not dry_run:
                    mark(session, found, actor)
            if not dry_run:
                for path in paths_of(workspace, found):
                    remove(path)
                if before is not None:
                    remove_outdated(workspace, store, before)
    except Timeout:
        raise StoreError("an erasure or a backup is running", "wait for it, then: heedful models prune") from None
    return found


def with_outdated(found: Prunable, session: Session, workspace: Workspace, before: datetime | None) -> Prunable:
    if before is None:
        return found
    old = find_outdated(session, workspace, before)
    return replace(found, curves=old.curves, traces=old.traces, replies=old.replies, cells=old.cells, bytes=found.bytes + old.bytes)


def mark(session: Session, found: Prunable, actor: str) -> None:
    for table, names in ((ModelVersion, found.models), (DatasetVersion, found.datasets)):
        session.execute(update(table).where(table.id.in_(names)).values(pruned_at=utc_now()))
    record(session, actor, "prune", "workspace", asdict(found))


def find_prunable(session: Session, workspace: Workspace, keep: int) -> Prunable:
    versions = [version for version in list_versions(session) if not version.quarantined]
    used = in_use(session, workspace)
    kept = kept_versions(session, versions, keep, used)
    gone = {version.id for version in versions if version.id not in kept}
    found = Prunable(
        models=tuple(sorted(model for model in gone if model_directory(workspace, model).is_dir())),
        datasets=tuple(sorted(prunable_datasets(session, workspace, kept, used))),
        reports=tuple(sorted(prunable_reports(session, workspace, kept, gone, used))),
        served=tuple(sorted(path.name for model in gone for path in workspace.served.glob(f"{model}-*"))),
    )
    found = replace(found, leavings=tuple(leavings(workspace)))
    size = sum(path.stat().st_size for folder in paths_of(workspace, found) for path in folder.rglob("*") if path.is_file())
    return replace(found, bytes=size)


def leavings(workspace: Workspace) -> Iterator[str]:
    """Below the workspace. Work under way has such directories too, so only old ones."""
    before = (utc_now() - LEFT).timestamp()
    for path in sorted(path for folder in workspace.folders for path in folder.glob(f"{ASIDE}*")):
        if path.stat().st_mtime < before:
            yield str(path.relative_to(workspace.root))


def paths_of(workspace: Workspace, found: Prunable) -> Iterator[Path]:
    rooms = {workspace.models: found.models, workspace.datasets: found.datasets, workspace.reports: found.reports}
    for room, names in {**rooms, workspace.served: found.served, workspace.root: found.leavings}.items():
        yield from (room / name for name in names)


def in_use(session: Session, workspace: Workspace) -> InUse:
    used = InUse()
    for one in list_unfinished(workspace):
        used.datasets.add(one.job.dataset)
        if one.part is not None:
            used.models.add(one.part.below.name)
    for run in list_runs(session, states=["queued", "running"]):
        used.reports.add(f"r-{run.id.removeprefix('run-')}")
        add_named(used, run.model_id, run.dataset_id)
    for work in session.scalars(select(Run).where(Run.status == "running", Run.started_at > utc_now() - ABANDONED)):
        add_named(used, work.model_id, work.dataset_id)
    return used


def add_named(used: InUse, model: str | None, dataset: str | None) -> None:
    used.models.update(() if model is None else (model,))
    used.datasets.update(() if dataset is None else (dataset,))


def kept_versions(session: Session, versions: Iterable[Version], keep: int, used: InUse) -> set[str]:
    """With all that they stand on."""
    newest = [version.id for version in versions if not version.pruned][-keep:]
    roots = {*newest, *current_aliases(session).values(), *never_pruned(session), *used.models}
    parents = parents_of(session)
    return {below for root in roots for below in generations(root, parents)}


def prunable_datasets(session: Session, workspace: Workspace, kept: set[str], used: InUse) -> set[str]:
    """Of those that are registered. The newest one stays: a training may be about to begin."""
    there = [str(dataset["id"]) for dataset in list_datasets(workspace)]
    known = set(session.scalars(select(DatasetVersion.id).where(DatasetVersion.erasure_id.is_(None))))
    trained = set(session.scalars(select(ModelVersion.dataset_id).where(ModelVersion.id.in_(kept))))
    learned = set(session.scalars(select(Membership.dataset_id).where(Membership.model_id.in_(kept)).distinct()))
    return (set(there[:-1]) & known) - trained - learned - used.datasets


def prunable_reports(session: Session, workspace: Workspace, kept: set[str], gone: set[str], used: InUse) -> Iterator[str]:
    """Of versions that go, and of those that stay all but the newest; never one that an alias or an override was moved by."""
    newest = {str(run.detail["report"]) for run in (newest_run(session, model) for model in kept) if run is not None}
    moved_by = set(session.scalars(select(AliasEvent.report_id).where(AliasEvent.report_id.is_not(None))))
    overridden = session.scalars(select(AuditEvent).where(AuditEvent.action.startswith("override.")))
    pinned = newest | moved_by | used.reports | {event.detail.get("report") for event in overridden}
    for path in sorted(workspace.reports.glob(f"r-*/{MANIFEST}")):
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if manifest.get("kind") == "report" and manifest["model"] in kept | gone and path.parent.name not in pinned:
            yield path.parent.name

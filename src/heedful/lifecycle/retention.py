"""Retention: a moment in; what is older and can be made again, or was only ever counted, gone, out.

Traces of turns, kept replies, measured cells and learning curves. No alias was moved by any of them: a promotion names a report
and what that rests on, and those are the business of `pruning`. Replies and cells count from their last use, for who reads one
touches it. Traces stay from the beginning of an experiment that runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from heedful.lifecycle.erasure.files import remove
from heedful.store.database import Store
from heedful.store.experiments import running_experiment
from heedful.store.traces import count_traces, remove_traces
from heedful.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Outdated:
    """`bytes` are those of the files; what rows took is used again by the database."""

    traces: int
    replies: int
    cells: int
    curves: tuple[str, ...]
    bytes: int


def find_outdated(session: Session, workspace: Workspace, before: datetime) -> Outdated:
    replies, cells = list(older(workspace.replies, before)), list(older(workspace.cells, before))
    curves = list(older_curves(workspace, before))
    inside = (path for folder in curves for path in folder.rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in (*replies, *cells, *inside))
    traces = count_traces(session, traces_until(session, before))
    return Outdated(traces, len(replies), len(cells), tuple(path.name for path in curves), size)


def remove_outdated(workspace: Workspace, store: Store, before: datetime) -> None:
    """Rows in many short transactions, for turns are recorded meanwhile."""
    for path in (*older(workspace.replies, before), *older(workspace.cells, before)):
        path.unlink(missing_ok=True)
    for folder in older_curves(workspace, before):
        remove(folder)
    with store.snapshot() as session:
        until = traces_until(session, before)
    remaining = True
    while remaining:
        with store.session() as session:
            remaining = remove_traces(session, until)


def traces_until(session: Session, before: datetime) -> datetime:
    experiment = running_experiment(session)
    return before if experiment is None else min(before, experiment.created_at)


def older(folder: Path, before: datetime) -> Iterator[Path]:
    yield from (path for path in sorted(folder.glob("*.json")) if path.stat().st_mtime < before.timestamp())


def older_curves(workspace: Workspace, before: datetime) -> Iterator[Path]:
    yield from (path for path in sorted(workspace.reports.glob("lc-*")) if path.stat().st_mtime < before.timestamp())

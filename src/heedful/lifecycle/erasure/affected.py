"""Affected: a person in; what an erasure will touch, as ids and counts that can be shown before and journalled, out."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from heedful.registry.lineage import learners
from heedful.store.collection import count_statements
from heedful.store.schema import ConversationRow, DatasetMember, MessageRow
from heedful.workspace import MANIFEST, Workspace


@dataclass(frozen=True, slots=True)
class Affected:
    """`models` learned from the person; `judged` were only measured on their words. `reports` are about such a model or dataset.

    `statements` are moods, scores and feedback.
    """

    conversations: int
    messages: int
    statements: int
    datasets: tuple[str, ...]
    models: tuple[str, ...]
    judged: tuple[str, ...]
    reports: tuple[str, ...]

    def as_detail(self) -> dict[str, Any]:
        return asdict(self)


def affected_by(session: Session, workspace: Workspace, person_id: int) -> Affected:
    owned = conversations_of(person_id)
    query = select(DatasetMember.dataset_id).where(DatasetMember.conversation_id.in_(owned)).distinct()
    datasets = tuple(session.scalars(query.order_by(DatasetMember.dataset_id)))
    reached = learners(session, person_id)
    models = tuple(learner.model for learner in reached if learner.learned)
    return Affected(
        conversations=session.scalar(select(func.count()).select_from(owned.subquery())) or 0,
        messages=session.scalar(select(func.count(MessageRow.id)).where(MessageRow.conversation_id.in_(owned))) or 0,
        statements=sum(count_statements(session, person_id).values()),
        datasets=datasets,
        models=models,
        judged=tuple(learner.model for learner in reached if not learner.learned),
        reports=tuple(sorted(reports_about(workspace, {*datasets, *models}))),
    )


def conversations_of(person_id: int) -> Select[int]:
    return select(ConversationRow.id).where(ConversationRow.person_id == person_id)


def reports_about(workspace: Workspace, ids: set[str]) -> Iterator[str]:
    """Names of report directories whose manifest names one of these datasets or models, or cannot be read."""
    for folder in sorted(path for path in workspace.reports.glob("*") if path.is_dir() and not path.name.startswith(".")):
        if ids & set(named_in(folder / MANIFEST, ids)):
            yield folder.name


def named_in(manifest: Path, ids: set[str]) -> set[str]:
    """Of the ids, those that a manifest names; all of them when it cannot be read, so that nothing is passed over."""
    try:
        fields = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ids
    return {value for value in fields.values() if isinstance(value, str)} & ids

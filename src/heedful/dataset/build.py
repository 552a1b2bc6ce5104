"""Build: the store and the settings in; a dataset directory with manifest and card, and its rows in the store, out.

An id is a hash of the content, so the same content is the same version: building again writes nothing.
"""

import os
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from heedful.config import DatasetSettings
from heedful.dataset.candidates import Survey, survey
from heedful.dataset.card import render_card
from heedful.dataset.filters import BETWEEN_SPLITS, NO_BASIS
from heedful.dataset.rows import to_line, with_system_prompt
from heedful.dataset.selection import Selection, select_members
from heedful.dataset.splits import SPLITS
from heedful.errors import DatasetError
from heedful.store.assignments import assignments, freeze
from heedful.store.audit import record
from heedful.store.consent import consent_snapshot, count_withheld, permitted
from heedful.store.conversations import iterate_conversations
from heedful.store.database import Store
from heedful.store.datasets import DatasetRecord, is_registered, register_dataset
from heedful.store.imports import contributions
from heedful.store.schema import utc_now
from heedful.workspace import MANIFEST, Workspace, read_manifest, sha256, staged_directory, write_manifest, write_text


@dataclass(frozen=True, slots=True)
class BuiltDataset:
    """`counts` are conversations a split; `dropped` are those left out, by reason; `existing`: it was there before."""

    id: str
    path: Path
    counts: dict[str, int]
    dropped: dict[str, int]
    existing: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """All that decides a version, before anything is written."""

    found: Survey
    selection: Selection
    settings: DatasetSettings
    system_prompt: str

    @property
    def dropped(self) -> dict[str, int]:
        return {**self.found.dropped, BETWEEN_SPLITS: self.selection.held_out}


def build_dataset(store: Store, workspace: Workspace, settings: DatasetSettings, system_prompt: str, actor: str) -> BuiltDataset:
    """Raises DatasetError when there are too few conversations, WorkspaceError when the existing version was changed on disk."""
    with store.snapshot() as snapshot:
        found = survey_permitted(snapshot, settings, system_prompt)
        keys = {key for candidate in found.candidates for key in (*candidate.ties.own, *candidate.ties.twins)}
        draft = Draft(found, select_members(found, settings, assignments(snapshot, keys)), settings, system_prompt)
        target = workspace.datasets / draft.selection.id
        existing = target.exists()
        if existing:
            heal(store, snapshot, target, draft, actor)
        else:
            publish(store, snapshot, target, draft, actor)
    return BuiltDataset(draft.selection.id, target, draft.selection.counts, draft.dropped, existing)


def survey_permitted(snapshot: Session, settings: DatasetSettings, system_prompt: str) -> Survey:
    """The survey of what may be trained on. What may not is counted, and its text is not read."""
    found = survey(iterate_conversations(snapshot, permitted("training")), settings, system_prompt)
    withheld = count_withheld(snapshot, "training")
    return replace(found, conversations=found.conversations + withheld, dropped={NO_BASIS: withheld, **found.dropped})


def publish(store: Store, snapshot: Session, target: Path, draft: Draft, actor: str) -> None:
    """Write the directory and its rows, so that no row is ever without its directory.

    The contexts end from the inside out: the directory gets its name first, then the rows are committed. A refused row, for
    instance because a conversation was erased meanwhile, undoes both. A crash in between leaves a directory without rows, which
    `heal` completes. The writer's lock is taken last and held only for the rows.
    """
    with ExitStack() as after_rename, staged_directory(target) as folder:
        write_lines(snapshot, folder, draft)
        manifest = describe(snapshot, draft)
        write_text(folder / "card.md", render_card(manifest, draft.found.candidates, draft.settings, draft.system_prompt))
        write_manifest(folder, manifest)
        session = after_rename.enter_context(store.session())
        if target.exists():  # whoever made it held the same lock, so it is whole
            raise DatasetError(
                f"dataset {target.name} was built by another program just now", f"heedful dataset show {target.name}"
            )
        register(session, to_record(folder), draft, actor)


def heal(store: Store, snapshot: Session, target: Path, draft: Draft, actor: str) -> None:
    """The directory is there: check that it is whole, and add its rows if a crash kept them out."""
    read_manifest(target)
    written = to_record(target)
    if not is_registered(snapshot, written):
        with store.session() as session:
            register(session, written, draft, actor)


def register(session: Session, written: DatasetRecord, draft: Draft, actor: str) -> None:
    """Raises DatasetError when somebody withdrew, or was erased, or another build gave a question another side meanwhile."""
    still = set(session.scalars(permitted("training")))
    if any(key not in still for key, _, _ in draft.selection.places()):
        raise DatasetError("a person withdrew or was erased while the dataset was built", "heedful dataset build")
    if not freeze(session, draft.selection.assigned):
        raise DatasetError("another program built a dataset of the same questions just now", "heedful dataset build")
    register_dataset(session, written, draft.selection.places())
    record(session, actor, "dataset.build", written.id, {"counts": written.counts, "dropped": draft.dropped})


def to_record(folder: Path) -> DatasetRecord:
    manifest = read_manifest(folder, verify=False)
    return DatasetRecord(
        id=manifest["id"],
        manifest_sha256=sha256(folder / MANIFEST),
        counts=manifest["counts"],
        settings=manifest["settings"],
        created_at=datetime.fromisoformat(manifest["created_at"]),
    )


def write_lines(snapshot: Session, folder: Path, draft: Draft) -> None:
    """The three files. Members are in the order of the store, so one more pass over it writes them line by line."""
    splits = {key: split for key, split, _ in draft.selection.places()}
    with ExitStack() as stack:
        streams = {
            split: stack.enter_context((folder / f"{split}.jsonl").open("w", encoding="utf-8", newline="\n")) for split in SPLITS
        }
        for one in iterate_conversations(snapshot, permitted("training")):
            if one.id in splits:
                streams[splits[one.id]].write(to_line(with_system_prompt(one.conversation, draft.system_prompt)))
        for stream in streams.values():
            stream.flush()
            os.fsync(stream.fileno())


def describe(session: Session, draft: Draft) -> dict[str, Any]:
    """Fields of the manifest: what went in, what was left out, and how it was divided."""
    found, selection = draft.found, draft.selection
    return {
        "kind": "dataset",
        "id": selection.id,
        "created_at": utc_now().isoformat(),
        "settings": draft.settings.model_dump(mode="json"),
        "system_prompt": draft.system_prompt,
        "input": {"conversations": found.conversations, "fingerprints_sha256": found.fingerprints_sha256},
        "consent": consent_snapshot(session),
        "sources": [asdict(contribution) for contribution in contributions(session)],
        "counts": selection.counts,
        "dropped": draft.dropped,
        "groups": selection.groups,
        "largest_group": selection.largest_group,
    }

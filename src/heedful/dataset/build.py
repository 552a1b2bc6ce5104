"""Build: the store and the settings in; a dataset directory with manifest and card, and its rows in the store, out.

An id is a hash of the content, so the same content is the same version: building again changes nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache, partial
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from heedful.config import DatasetSettings
from heedful.conversation import Conversation
from heedful.dataset.card import render_card
from heedful.dataset.filters import BOILERPLATE, reasons
from heedful.dataset.grounding import OUTCOMES, Ground, Grounded
from heedful.dataset.page import render_page
from heedful.dataset.pool import choose_workers
from heedful.dataset.review import hold_back
from heedful.dataset.scratch import Scratch
from heedful.dataset.selection import select_members, tie
from heedful.dataset.survey import languages_of, survey
from heedful.dataset.topics import find_topics
from heedful.dataset.uploads import Uploads
from heedful.dataset.writing import Draft, KnownOf, Written, content_settings, write_lines
from heedful.errors import DatasetError
from heedful.store.assignments import assignments, freeze
from heedful.store.audit import record
from heedful.store.consent import consent_snapshot, count_withheld, permitted
from heedful.store.conversations import Stored, iterate_conversations
from heedful.store.database import Store
from heedful.store.datasets import DatasetRecord, is_registered, register_dataset
from heedful.store.feedback import replies_to_look_at
from heedful.store.imports import contributions
from heedful.store.persons import name_of
from heedful.store.reviews import count_reviews, decisions, enqueue, is_current
from heedful.store.schema import Person, utc_now
from heedful.workspace import MANIFEST, Workspace, read_manifest, sha256, staging, write_manifest, write_text

Observe = Callable[[int, int | None, str], None]  # conversations done, of how many, the stage
Note = Callable[[Session, str], None]  # the transaction that registers a version, and its id
TOLD_EVERY, TOLD_EVERY_EXAMPLE = 200, 20  # conversations; looking up takes longer
NAMES_KEPT = 1_000  # persons; conversations of one stand close together


@dataclass(frozen=True, slots=True)
class BuiltDataset:
    """`counts` are conversations a split; `dropped` are those left out, by reason; `existing`: it was there before.

    `grounded` counts what became of the conversations of which examples with passages were to be made.
    """

    id: str
    path: Path
    counts: dict[str, int]
    dropped: dict[str, int]
    existing: bool
    grounded: dict[str, int]


def build_dataset(
    store: Store,
    workspace: Workspace,
    settings: DatasetSettings,
    system_prompt: str,
    actor: str,
    observe: Observe | None = None,
    note: Note | None = None,
    uploads: Uploads | None = None,
    ground: Ground | None = None,
) -> BuiltDataset:
    """Of all that may be trained on, or of uploaded files alone. `ground` makes examples that cite of what is learned from.

    `note` is called in the transaction that registers the version, so that whoever asked for it knows of it for certain.

    Raises DatasetError when there are too few conversations, WorkspaceError when the existing version was changed on disk.
    """
    with store.snapshot() as snapshot, Scratch(workspace.datasets) as scratch, staging(workspace.datasets) as aside:
        scope = None if uploads is None else uploads.condition()
        there = count_permitted(snapshot, scope)
        workers = choose_workers(settings.workers, there)
        watch = Progress(there, observe)
        found = survey(read_permitted(snapshot, scope, watch, "read"), settings, system_prompt, scratch, workers)
        found.withhold(count_withheld(snapshot, "training", scope))
        tied = tie(found, workers)
        met = hold_back(found, tied.twins, replies_to_look_at(snapshot), decisions(snapshot), settings)
        if not is_current(snapshot, met, scope):
            with store.session() as session:
                enqueue(session, met, scope)
        load = partial(iterate_conversations, snapshot, corrected=True)
        frozen = partial(assignments if uploads is None else uploads.sides, snapshot)
        selection = select_members(found, tied, settings, frozen, load, workers)
        with store.snapshot() as now:  # with what has just been queued
            reviews = count_reviews(now)
        draft = Draft(found, selection, settings, system_prompt, reviews)
        written = write_lines(
            read_permitted(snapshot, scope, watch, "write"), names_known(snapshot), aside, draft, workers, watch.grounding(ground)
        )
        manifest = describe(snapshot, scope, draft, written)
        target = workspace.datasets / written.id
        existing = target.exists()
        result = Result(draft, written, manifest, actor, note, scope)
        if existing:
            heal(store, snapshot, target, result)
        else:
            publish(store, aside, target, result)
    return BuiltDataset(written.id, target, written.counts, manifest["dropped"], existing, manifest["grounded"]["outcomes"])


@dataclass(frozen=True, slots=True)
class Result:
    """A dataset that is whole, but has no name and no rows in the store yet."""

    draft: Draft
    written: Written
    manifest: dict[str, Any]
    actor: str
    note: Note | None
    scope: ColumnElement[bool] | None


@dataclass(frozen=True, slots=True)
class Progress:
    """Tells how far a pass over the store is."""

    total: int
    observe: Observe | None

    def of(self, stored: Iterable[Stored], stage: str) -> Iterator[Stored]:
        for number, one in enumerate(stored, 1):
            if self.observe is not None and number % TOLD_EVERY == 0:
                self.observe(number, self.total, stage)
            yield one

    def grounding(self, ground: Ground | None) -> Ground | None:
        if ground is None:
            return None
        done = count(1)

        def told(conversation: Conversation) -> Grounded:
            number = next(done)
            if self.observe is not None and number % TOLD_EVERY_EXAMPLE == 0:
                self.observe(min(number, self.total), self.total, "cite")
            return ground(conversation)

        return told


def count_permitted(session: Session, scope: ColumnElement[bool] | None) -> int:
    return session.scalar(select(func.count()).select_from(permitted("training", scope).subquery())) or 0


def read_permitted(session: Session, scope: ColumnElement[bool] | None, watch: Progress, stage: str) -> Iterator[Stored]:
    """What may be trained on. The text of what may not is not read."""
    return watch.of(iterate_conversations(session, permitted("training", scope), corrected=True), stage)


def names_known(session: Session) -> KnownOf:
    """What the source called a person: it may be a name, or an address, and then stands in the texts as well."""

    @lru_cache(maxsize=NAMES_KEPT)
    def known(person: int | None) -> tuple[str, ...]:
        row = None if person is None else session.get(Person, person)
        name = None if row is None else name_of(session, row)
        return () if name is None else (name,)

    return known


def publish(store: Store, aside: Path, target: Path, result: Result) -> None:
    """Give the directory its name and write its rows, so that no row is ever without its directory.

    The directory is renamed before the rows are committed. A refused row, for instance because a conversation was erased
    meanwhile, undoes both. A crash in between leaves a directory without rows, which `heal` completes. The writer's lock is taken
    last and held only for the rows.
    """
    draft, written = result.draft, result.written
    write_text(aside / "card.md", render_card(result.manifest, written.lengths, draft.settings, draft.system_prompt))
    write_text(aside / "card.html", render_page(result.manifest, written.lengths, draft.settings))
    write_manifest(aside, result.manifest)
    with store.session() as session:
        if target.exists():  # whoever made it held the same lock, so it is whole
            raise DatasetError(
                f"dataset {target.name} was built by another program just now", f"heedful dataset show {target.name}"
            )
        register(session, to_record(aside), result)
        aside.rename(target)


def heal(store: Store, snapshot: Session, target: Path, result: Result) -> None:
    """The directory is there: check that it is whole, and add its rows if a crash kept them out."""
    read_manifest(target)
    written = to_record(target)
    if not is_registered(snapshot, written):
        with store.session() as session:
            register(session, written, result)
    elif result.note is not None:
        with store.session() as session:
            result.note(session, written.id)


def register(session: Session, record_: DatasetRecord, result: Result) -> None:
    """Raises DatasetError when somebody withdrew, or was erased, or another build gave a question another side meanwhile."""
    still = set(session.scalars(permitted("training", result.scope)))
    if any(key not in still for key, _, _ in result.written.places):
        raise DatasetError("a person withdrew or was erased while the dataset was built", "heedful dataset build")
    if not freeze(session, result.draft.selection.assigned, result.draft.selection.moved):
        raise DatasetError("another program built a dataset of the same questions just now", "heedful dataset build")
    register_dataset(session, record_, result.written.places)
    record(session, result.actor, "dataset.build", record_.id, {"counts": record_.counts, "dropped": result.manifest["dropped"]})
    if result.note is not None:
        result.note(session, record_.id)


def to_record(folder: Path) -> DatasetRecord:
    manifest = read_manifest(folder, verify=False)
    return DatasetRecord(
        id=manifest["id"],
        manifest_sha256=sha256(folder / MANIFEST),
        counts=manifest["counts"],
        settings=manifest["settings"],
        created_at=datetime.fromisoformat(manifest["created_at"]),
    )


def describe(session: Session, scope: ColumnElement[bool] | None, draft: Draft, written: Written) -> dict[str, Any]:
    """Fields of the manifest: what went in, what was left out, what was changed, and how it was divided."""
    found, selection = draft.found, draft.selection
    counted = {**found.dropped, BOILERPLATE: written.empty}
    return {
        "kind": "dataset",
        "id": written.id,
        "created_at": utc_now().isoformat(),
        "settings": content_settings(draft.settings),
        "system_prompt": draft.system_prompt,
        "input": {"conversations": found.conversations, "fingerprints_sha256": found.fingerprints_sha256},
        "consent": consent_snapshot(session),
        "sources": [asdict(contribution) for contribution in contributions(session, scope)],
        "counts": written.counts,
        "dropped": {name: counted.get(name, 0) for name in reasons(draft.settings)},
        "changed": {"signature_cut": written.cut},
        "composed": written.composed,
        "planted": written.planted,
        "grounded": {
            "outcomes": {outcome: written.grounded.get(outcome, 0) for outcome in OUTCOMES},
            "train": list(written.grounded_lines),
            "documents": sorted(written.documents),
        },
        "topics": [asdict(topic) for topic in find_topics(written.telling, draft.settings.seed)],
        "languages": languages_of(found),
        "questions_with_versions": selection.versions,
        "review": draft.reviews,
        "identifiers": {
            "mode": draft.settings.identifiers,
            "conversations": written.pseudonymised,
            "places": dict(sorted(written.identifiers.items())),
        },
        "groups": selection.groups,
        "largest_group": selection.largest_group,
    }

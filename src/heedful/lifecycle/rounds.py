"""Rounds: a dataset and a parent version in; which of its rows are new to the parent, and which are replayed, out.

A row is known by the conversation it is made of, so another system prompt or another rendering does not make it new; a correction
that a reviewer wrote since does. What may be learned from today is the dataset, built under today's consent and filters: so replay
is drawn from those of its rows that the parent's chain has learned, never from an older dataset.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from heedful.config import Settings, TrainingSettings
from heedful.conversation import Conversation
from heedful.dataset import dataset_dir, load_split
from heedful.dataset.normalise import normalise
from heedful.errors import ModelError, RegistryError, TrainingError
from heedful.modeling.bases import resolve_base, weights_sha256
from heedful.registry.aliases import CHAMPION, current_aliases
from heedful.registry.lineage import ALL, generations, parents_of
from heedful.registry.versions import Version, find_version, verified_directory
from heedful.store.database import Store
from heedful.store.schema import DatasetMember, DatasetVersion, ModelVersion, Split
from heedful.store.schema_review import Correction
from heedful.store.schema_trust import LEARNING, Membership
from heedful.training import rules
from heedful.training.replay import Learned, draw_replay
from heedful.training.round import Round
from heedful.workspace import Workspace, read_manifest

FRESH = "heedful train --strategy fresh"


@dataclass(frozen=True, slots=True)
class Taught:
    """What a chain of versions learned, and what they were proven on.

    `conversations`: by id the round, from 0, that learned it first; `tested`: by id the dataset whose test split it is in.
    """

    conversations: Mapping[int, int]
    tested: Mapping[int, str]


def find_parent(store: Store, name: str | None) -> Version | None:
    """The version of that name; without one the champion, None when there is none. Raises RegistryError for an unknown name."""
    with store.snapshot() as session:
        if name is None and CHAMPION not in current_aliases(session):
            return None
        return find_version(session, CHAMPION if name is None else name)


def require_parent(parent: Version | None) -> Version:
    if parent is None:
        raise RegistryError("there is no champion to continue from", f"{FRESH}, or name a version with --parent")
    return parent


def next_round(workspace: Workspace, store: Store, settings: Settings, dataset_id: str, parent: Version) -> Round | None:
    """What `parent` would learn from the dataset; None when nothing of it is new.

    Raises ModelError when it is of another base, TrainingError when a row to learn was a test row of an earlier round.
    """
    folder = verified_directory(workspace, parent)
    check_base(parent, read_manifest(folder, verify=False), settings.base)
    with store.snapshot() as session:
        taught, sources = history_of(session, parent.id), sources_of(session, dataset_id)
        citing = cited_by(session, parent.id)
    check_held_out(taught, dataset_id, set().union(*sources.values()))
    grounded = grounded_lines(workspace, dataset_id)
    known = {line: of for line, of in known_lines(sources, taught).items() if line not in grounded or sources[line] <= citing}
    new = tuple(sorted(sources.keys() - known.keys()))
    rows = load_split(dataset_dir(workspace, dataset_id), "train")
    learned = [Learned(line, generation, normalise(rows[line].question)) for line, generation in sorted(known.items())]
    order = draw_replay(learned, len(learned), settings.training.seed)
    return Round(folder, new, order[: count_replayed(settings.training, rows, new, order)]) if new else None


def count_replayed(training: TrainingSettings, rows: Sequence[Conversation], new: Sequence[int], order: Sequence[int]) -> int:
    """How many of the known lines, in the order in which they were drawn: a share that was asked for, or what is affordable."""
    if training.replay is not None:
        return round(training.replay * len(order))
    epochs = rules.epochs(len(new), len(order))[0] if training.epochs is None else training.epochs
    sizes = [sum(len(message.content) for message in row.messages) for row in rows]
    return rules.replayed(sum(sizes[line] for line in new), [sizes[line] for line in order], epochs)


def history_of(session: Session, model_id: str) -> Taught:
    """All that a version and its ancestors learned as it stands today, and all that their datasets kept out to test them."""
    chain = ancestry(session, model_id)
    conversations: dict[int, int] = {}
    tested: dict[int, str] = {}
    for generation, model in enumerate(chain):
        for key in session.scalars(learned_by(model)):
            conversations.setdefault(key, generation)
        dataset = session.get_one(ModelVersion, model).dataset_id
        tested |= dict.fromkeys(held_out_lines(session, dataset, "test").values(), dataset)
    return Taught(conversations, tested)


def cited_by(session: Session, model_id: str) -> set[int]:
    """Conversations that a version and its ancestors learned to answer with citations: without them is another lesson."""
    query = select(Membership.conversation_id).where(
        Membership.model_id.in_(ancestry(session, model_id)), Membership.role == "knowledge"
    )
    return set(session.scalars(query))


def grounded_lines(workspace: Workspace, dataset_id: str) -> range:
    """Lines of train.jsonl, from 0, that show passages of documents."""
    return range(*read_manifest(dataset_dir(workspace, dataset_id))["grounded"]["train"])


def learned_by(model_id: str) -> Select[int]:
    """Conversations that one training read, but for those that were corrected after its dataset was built."""
    corrected = exists().where(
        Correction.conversation_id == Membership.conversation_id, Correction.created_at > DatasetVersion.created_at
    )
    return (
        select(Membership.conversation_id)
        .join(DatasetVersion, DatasetVersion.id == Membership.dataset_id)
        .where(Membership.model_id == model_id, Membership.role.in_(LEARNING), ~corrected)
    )


def ancestry(session: Session, model_id: str) -> list[str]:
    """A version and its parents, the oldest first."""
    return list(generations(model_id, parents_of(session)))[::-1]


def known_lines(sources: Mapping[int, set[int]], taught: Taught) -> dict[int, int]:
    """Line -> the round that learned the last part of it. A line with anything new in it is left out."""
    whole = {line: keys for line, keys in sources.items() if keys <= taught.conversations.keys()}
    return {line: max(taught.conversations[key] for key in keys) for line, keys in whole.items()}


def sources_of(session: Session, dataset_id: str) -> dict[int, set[int]]:
    """Line of train.jsonl, from 0 -> the conversations that it was made of: one, or several of a composed line."""
    found: dict[int, set[int]] = defaultdict(set)
    for line, key in members_of(session, dataset_id, "train"):
        found[line].add(key)
    return dict(found)


def held_out_lines(session: Session, dataset_id: str, split: Split) -> dict[int, int]:
    """Line from 0 -> its conversation, of a file in which nothing is composed."""
    return dict(members_of(session, dataset_id, split))


def members_of(session: Session, dataset_id: str, split: Split) -> Iterator[tuple[int, int]]:
    query = select(DatasetMember.position, DatasetMember.conversation_id).where(
        DatasetMember.dataset_id == dataset_id, DatasetMember.split == split
    )
    yield from session.execute(query)


def check_held_out(taught: Taught, dataset_id: str, conversations: Iterable[int]) -> None:
    """What an earlier round was proven on must stay unseen, or the matrix of the generations would flatter the later ones."""
    seen = [taught.tested[key] for key in conversations if key in taught.tested]
    if seen:
        raise TrainingError(
            f"{len(seen)} training rows of {dataset_id} are test rows of {seen[0]}, on which an earlier round was proven",
            "heedful dataset build, which keeps each conversation on its side; then heedful train",
        )


def check_base(parent: Version, manifest: Mapping[str, Any], base: str) -> None:
    if parent.base != base or manifest["base_sha256"] != weights_sha256(resolve_base(base)):
        what = f"base {parent.base!r}" if parent.base != base else f"other weights of base {base!r}"
        raise ModelError(f"{parent.id} was trained on {what}, so nothing can be put on top of it here", FRESH)


def made_of(model_id: str, manifest: Mapping[str, Any], rank: int, part: Round | None) -> dict[str, Any]:
    """Fields of a version's manifest: its stack from the base upwards, and the rows that this training learned from.

    `manifest` is the dataset's. What its ancestors learned from stands in their manifests.
    """
    below: dict[str, Any] = {"model": None, "stack": []} if part is None else read_manifest(part.below, verify=False)
    return {
        "parent": below["model"],
        "stack": [*below["stack"], {"model": model_id, "rank": rank}],
        "learned_from": list(learned_from(manifest, part)),
    }


def learned_from(manifest: Mapping[str, Any], part: Round | None) -> Iterator[dict[str, Any]]:
    """Lines are those of the dataset's train.jsonl, from 0. Those that show passages have the role `knowledge`."""
    dataset_id, grounded = manifest["id"], range(*manifest["grounded"]["train"])
    new = range(manifest["counts"]["train"]) if part is None else part.new
    plain: str | list[int] = [line for line in new if line not in grounded]
    shown = [line for line in new if line in grounded]
    yield {"dataset": dataset_id, "role": "train", "lines": ALL if part is None and not shown else plain}
    if shown:
        yield {"dataset": dataset_id, "role": "knowledge", "lines": shown}
    if part is not None and part.replay:
        yield {"dataset": dataset_id, "role": "replay", "lines": list(part.replay)}

"""Model versions: rows of the store and directories under `models/`, kept in step. An id or an alias in, a version out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from heedful.errors import RegistryError
from heedful.registry.aliases import current_aliases
from heedful.registry.lineage import Share, record_lineage
from heedful.store.schema import ModelVersion
from heedful.store.schema_trust import QuarantineEvent
from heedful.workspace import Workspace, read_manifest, sha256

ADAPTER_FILE = "adapter_model.safetensors"


@dataclass(frozen=True, slots=True)
class Version:
    """One trained model. `parent` is the version it was trained on top of, or None for one trained from the base.

    A quarantined one learned from a person who was erased: it is listed, and refused for every use. Of a pruned one only the row is
    left, so that it stays known what learned from whom.
    """

    id: str
    base: str
    dataset: str
    parent: str | None
    adapter_sha256: str
    created_at: datetime
    aliases: tuple[str, ...]
    quarantined: bool = False
    pruned: bool = False

    @property
    def usable(self) -> bool:
        return not (self.quarantined or self.pruned)


def version_id(adapter_sha256: str) -> str:
    """Content decides the name: equal weights are one version."""
    return f"m-{adapter_sha256[:10]}"


def model_directory(workspace: Workspace, model_id: str) -> Path:
    return workspace.models / model_id


def register(session: Session, model_id: str, fields: Mapping[str, Any], shares: Iterable[Share] | None = None) -> None:
    """One row; `fields` are dataset_id, parent_id, base and adapter_sha256. A version that is there already is left as it is, but
    that its files are back if they were pruned.

    `shares` say what it learned from; None means all train lines of its dataset. Raises RegistryError when it must not be kept,
    because a person it learned from was erased meanwhile, or because its parent is quarantined.
    """
    parent = fields.get("parent_id")
    if parent is not None and parent in quarantined_models(session):
        raise quarantine_refusal(parent)
    there = session.get(ModelVersion, model_id)
    if there is None:
        session.add(ModelVersion(id=model_id, **fields))
    else:
        there.pruned_at = None
    session.flush()
    dataset = fields["dataset_id"]
    record_lineage(session, model_id, dataset, [Share(dataset, "train")] if shares is None else shares)


def is_registered(session: Session, model_id: str) -> bool:
    return session.get(ModelVersion, model_id) is not None


def list_versions(session: Session) -> list[Version]:
    """All versions, oldest first."""
    aliases, quarantined = current_aliases(session), quarantined_models(session)
    rows = session.scalars(select(ModelVersion).order_by(ModelVersion.created_at, ModelVersion.id))
    return [to_version(row, aliases, row.id in quarantined) for row in rows]


def quarantined_models(session: Session) -> set[str]:
    """Ids of the versions that learned from a person who was erased."""
    return set(session.scalars(select(QuarantineEvent.model_id)))


def quarantine_refusal(model_id: str) -> RegistryError:
    return RegistryError(
        f"{model_id} learned from a person who was erased; it is quarantined and cannot be used",
        "heedful models shows clean versions; heedful dataset build, then heedful train, makes one",
    )


def find_version(session: Session, name: str) -> Version:
    """By id, alias or unambiguous beginning of an id. Raises RegistryError that lists what there is."""
    aliases = current_aliases(session)
    versions = list_versions(session)
    wanted = aliases.get(name, name)
    found = [v for v in versions if v.id == wanted] or [v for v in versions if len(wanted) > 3 and v.id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    known = ", ".join([*sorted(aliases), *(v.id for v in versions)]) or "none yet"
    problem = "names several models" if found else "is no model or alias"
    raise RegistryError(f"{name!r} {problem}; there is: {known}", "heedful models" if versions else "heedful train")


def to_version(row: ModelVersion, aliases: Mapping[str, str], quarantined: bool) -> Version:
    return Version(
        id=row.id,
        base=row.base,
        dataset=row.dataset_id,
        parent=row.parent_id,
        adapter_sha256=row.adapter_sha256,
        created_at=row.created_at,
        aliases=tuple(sorted(alias for alias, model in aliases.items() if model == row.id)),
        quarantined=quarantined,
        pruned=row.pruned_at is not None,
    )


def verified_directory(workspace: Workspace, version: Version) -> Path:
    """The directory of a clean version whose adapter still has the registered hash.

    Raises RegistryError or WorkspaceError otherwise.
    """
    if version.quarantined:
        raise quarantine_refusal(version.id)
    if version.pruned:
        raise RegistryError(f"the files of {version.id} were removed, for nobody needed them (models prune)", "heedful models")
    folder = model_directory(workspace, version.id)
    adapter = folder / ADAPTER_FILE
    if not adapter.is_file():
        raise RegistryError(f"the files of {version.id} are not at {folder}", "restore them from a backup, or run: heedful train")
    if sha256(adapter) != version.adapter_sha256:
        raise RegistryError(f"{adapter} is not the adapter that was registered (its hash differs)", "restore it from a backup")
    read_manifest(folder)
    return folder

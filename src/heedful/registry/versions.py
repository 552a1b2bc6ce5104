"""Model versions: rows of the store and directories under `models/`, kept in step. An id or an alias in, a version out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from heedful.errors import RegistryError
from heedful.registry.aliases import current_aliases
from heedful.store.schema import ModelVersion
from heedful.workspace import Workspace, read_manifest, sha256

ADAPTER_FILE = "adapter_model.safetensors"


@dataclass(frozen=True, slots=True)
class Version:
    """One trained model. `parent` is the version it was trained on top of, or None for one trained from the base."""

    id: str
    base: str
    dataset: str
    parent: str | None
    adapter_sha256: str
    created_at: datetime
    aliases: tuple[str, ...]


def version_id(adapter_sha256: str) -> str:
    """Content decides the name: equal weights are one version."""
    return f"m-{adapter_sha256[:10]}"


def model_directory(workspace: Workspace, model_id: str) -> Path:
    return workspace.models / model_id


def register(session: Session, model_id: str, fields: Mapping[str, str | None]) -> None:
    """One row; `fields` are dataset_id, parent_id, base and adapter_sha256. A version that is there already is left as it is."""
    if session.get(ModelVersion, model_id) is None:
        session.add(ModelVersion(id=model_id, **fields))
        session.flush()


def list_versions(session: Session) -> list[Version]:
    """All versions, oldest first."""
    aliases = current_aliases(session)
    rows = session.scalars(select(ModelVersion).order_by(ModelVersion.created_at, ModelVersion.id))
    return [to_version(row, aliases) for row in rows]


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


def to_version(row: ModelVersion, aliases: Mapping[str, str]) -> Version:
    return Version(
        id=row.id,
        base=row.base,
        dataset=row.dataset_id,
        parent=row.parent_id,
        adapter_sha256=row.adapter_sha256,
        created_at=row.created_at,
        aliases=tuple(sorted(alias for alias, model in aliases.items() if model == row.id)),
    )


def verified_directory(workspace: Workspace, version: Version) -> Path:
    """The directory of a version whose adapter still has the registered hash. Raises RegistryError or WorkspaceError otherwise."""
    folder = model_directory(workspace, version.id)
    adapter = folder / ADAPTER_FILE
    if not adapter.is_file():
        raise RegistryError(f"the files of {version.id} are not at {folder}", "restore them from a backup, or run: heedful train")
    if sha256(adapter) != version.adapter_sha256:
        raise RegistryError(f"{adapter} is not the adapter that was registered (its hash differs)", "restore it from a backup")
    read_manifest(folder)
    return folder

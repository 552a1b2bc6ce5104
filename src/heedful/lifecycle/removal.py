"""Removal: the name of one version that somebody wants gone in; its fine-tuning names and files gone, its row kept, out.

What pruning would keep is refused: whatever serves, served or is about to serve people, what other versions stand on, and what
work under way needs. The row stays, so an erasure still knows who learned from whom. Trained again, equal weights are there again.
"""

from collections.abc import Iterator

from filelock import FileLock, Timeout
from sqlalchemy.orm import Session

from heedful.errors import RegistryError, StatementRefused, StoreError
from heedful.lifecycle.companions import BASE
from heedful.lifecycle.erasure.erase import LOCK
from heedful.lifecycle.erasure.files import remove
from heedful.lifecycle.pruning import in_use
from heedful.registry.aliases import FINE_TUNED, current_aliases, point
from heedful.registry.quarantine import never_pruned
from heedful.registry.versions import Version, list_versions, model_directory
from heedful.store.audit import record
from heedful.store.database import Store
from heedful.store.experiments import running_experiment
from heedful.store.schema import ModelVersion, utc_now
from heedful.workspace import Workspace


def remove_version(workspace: Workspace, store: Store, name: str, actor: str) -> str:
    """Returns the id of the version. `name` is exact: an id or an alias.

    The row is marked and the trail says so first, then the files go; killed between the two, `prune` finds them.
    Raises RegistryError for an unknown name, StatementRefused when the version is needed, StoreError beside an erasure or a backup.
    """
    try:
        with FileLock(workspace.root / LOCK, timeout=0):
            with store.session() as session:
                version = named(session, name)
                reasons = list(needed_by(session, workspace, version))
                if reasons:
                    raise StatementRefused(f"{version.id} stays: {'; '.join(reasons)}", "model")
                mark_removed(session, version, actor)
            for path in (model_directory(workspace, version.id), *workspace.served.glob(f"{version.id}-*")):
                remove(path)
    except Timeout:
        raise StoreError("an erasure or a backup is running", "wait for it, then ask again") from None
    return version.id


def named(session: Session, name: str) -> Version:
    if name == BASE:
        raise StatementRefused("base is no version: it is what all versions stand on", "model")
    wanted = current_aliases(session).get(name, name)
    found = next((version for version in list_versions(session) if version.id == wanted and not version.pruned), None)
    if found is None:
        raise RegistryError(f"unknown model {name[:80]!r}", "heedful models")
    return found


def needed_by(session: Session, workspace: Workspace, version: Version) -> Iterator[str]:
    """Every reason why it must stay."""
    if version.quarantined:
        yield "it learned from a person who was erased, and is the business of that erasure"
    names = [alias for alias in version.aliases if not alias.startswith(FINE_TUNED)]
    if names:
        yield f"it is {', '.join(names)}"
    elif version.id in never_pruned(session):
        yield "it was champion, so a rollback or an erasure may need it at once"
    children = [other.id for other in list_versions(session) if other.parent == version.id and other.usable]
    if children:
        yield f"trained on top of it: {', '.join(children)}"
    experiment = running_experiment(session)
    if experiment is not None and version.id in (experiment.champion, experiment.challenger):
        yield "an experiment that runs serves it"
    if version.id in in_use(session, workspace).models:
        yield "work under way needs it"


def mark_removed(session: Session, version: Version, actor: str) -> None:
    for alias in version.aliases:
        point(session, alias, None, actor, f"{version.id} is removed")
    session.get_one(ModelVersion, version.id).pruned_at = utc_now()
    record(session, actor, "model.removed", version.id, {"aliases": list(version.aliases)})

"""Versions that were never trained: for tests that are about files and lineage, not about replies."""

from heedful.registry.aliases import CHAMPION, point
from heedful.registry.versions import ADAPTER_FILE, register, version_id
from heedful.store.database import Store
from heedful.workspace import Workspace, sha256, write_manifest


def stand_in(workspace: Workspace, store: Store, dataset: str, weights: bytes, alias: str | None = CHAMPION) -> str:
    """The id of a registered version of a dataset; its adapter is these bytes."""
    aside = workspace.models / "aside"
    aside.mkdir()
    (aside / ADAPTER_FILE).write_bytes(weights)
    write_manifest(aside, {"kind": "model", "stack": []})
    digest = sha256(aside / ADAPTER_FILE)
    aside.rename(workspace.models / version_id(digest))
    with store.session() as session:
        register(session, version_id(digest), {"dataset_id": dataset, "parent_id": None, "base": "tiny", "adapter_sha256": digest})
        if alias is not None:
            point(session, alias, version_id(digest), "tester", "")
    return version_id(digest)

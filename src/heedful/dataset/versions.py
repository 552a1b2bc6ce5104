"""Versions: dataset directories that were built. A workspace and an id in; a path, a manifest or a list of conversations out."""

from pathlib import Path
from typing import Any

from heedful.conversation import Conversation
from heedful.dataset.rows import from_line
from heedful.dataset.splits import SPLITS
from heedful.errors import DatasetError
from heedful.store.schema import Split
from heedful.workspace import MANIFEST, Workspace, read_manifest

BUILD = "heedful dataset build"


def list_datasets(workspace: Workspace) -> list[dict[str, Any]]:
    """id, created_at and counts of every version, oldest first."""
    manifests = [read_manifest(folder, verify=False) for folder in folders(workspace)]
    shown = [{"id": m["id"], "created_at": m["created_at"], "counts": m["counts"]} for m in manifests]
    return sorted(shown, key=lambda dataset: (dataset["created_at"], dataset["id"]))


def dataset_dir(workspace: Workspace, dataset_id: str) -> Path:
    """Raises DatasetError for an unknown id, naming the known ones."""
    known = folders(workspace)
    for folder in known:
        if folder.name == dataset_id:
            return folder
    names = ", ".join(folder.name for folder in known) or "none yet"
    raise DatasetError(f"there is no dataset {dataset_id!r}; there is: {names}", "heedful dataset list" if known else BUILD)


def show_dataset(workspace: Workspace, dataset_id: str) -> dict[str, Any]:
    """The manifest. Raises WorkspaceError when a file of the version was changed or lost."""
    return read_manifest(dataset_dir(workspace, dataset_id))


def load_split(folder: Path, split: Split) -> list[Conversation]:
    """Conversations of one file, in order. Raises DatasetError when it is missing or a line is damaged."""
    if split not in SPLITS:
        raise DatasetError(f"there is no split {split!r}; there is: {', '.join(SPLITS)}")
    path = folder / f"{split}.jsonl"
    conversations: list[Conversation] = []
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            conversations.extend(from_line(line) for line in lines)
    except FileNotFoundError:
        raise DatasetError(f"{path} does not exist, so {folder.name} is no whole dataset", BUILD) from None
    except (ValueError, KeyError, TypeError):
        raise DatasetError(f"{path}, row {len(conversations) + 1}: damaged", "restore the directory from a backup") from None
    return conversations


def folders(workspace: Workspace) -> list[Path]:
    """Directories that are whole: one gets its manifest before it gets its name."""
    return sorted(path.parent for path in workspace.datasets.glob(f"ds-*/{MANIFEST}"))

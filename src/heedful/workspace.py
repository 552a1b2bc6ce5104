"""Workspace: one directory that holds everything of a team. Paths, atomic writes, and manifests with SHA-256 of every input.

Nothing half-written can exist under its final name: files and directories are written aside, synced, then renamed.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heedful.config import CONFIG_FILE
from heedful.errors import WorkspaceError

MANIFEST = "manifest.json"
ASIDE = ".part-"  # prefix of what is being written


@dataclass(frozen=True, slots=True)
class Workspace:
    """Paths of one workspace. Making the value touches no disk."""

    root: Path

    @property
    def config_file(self) -> Path:
        return self.root / CONFIG_FILE

    @property
    def database(self) -> Path:
        return self.root / "heedful.db"

    @property
    def jobs(self) -> Path:
        """Steps of training runs, kept by the workflow engine: ids only. Lost, a run begins its steps again and finds them done."""
        return self.root / "jobs.db"

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def replies(self) -> Path:
        """What models answered in evaluations. It can be made again, so whoever erases a person removes all of it."""
        return self.reports / "replies"

    @property
    def cells(self) -> Path:
        """Measured cells of the matrix."""
        return self.reports / "cells"

    @property
    def knowledge(self) -> Path:
        return self.root / "knowledge"

    @property
    def served(self) -> Path:
        """Models as an engine reads them; each can be made again. The folder is made with the first one."""
        return self.root / "served"

    @property
    def prompts(self) -> Path:
        """The team's own system prompts, NAME@VERSION.md. The team makes it."""
        return self.root / "prompts"

    @property
    def ledger(self) -> Path:
        """Of erasures; see `store.ledger`."""
        return self.root / "erasures.jsonl"

    @property
    def receipts(self) -> Path:
        """Of erasures. The folder is made with the first one."""
        return self.root / "receipts"

    @property
    def folders(self) -> tuple[Path, ...]:
        return self.datasets, self.models, self.reports, self.knowledge


def create_workspace(root: Path, config_text: str) -> Workspace:
    """A new workspace with `config_text` as its heedful.yaml. Raises WorkspaceError when there is one already."""
    workspace = Workspace(root.resolve())
    if workspace.config_file.exists():
        raise WorkspaceError(f"{workspace.root} is a workspace already", f"cd {root} && heedful doctor")
    try:
        for folder in workspace.folders:
            folder.mkdir(parents=True, exist_ok=True)
        write_text(workspace.config_file, config_text)
    except OSError as error:
        raise WorkspaceError(
            f"cannot write {error.filename or root}: {error.strerror}", "choose a directory you may write to"
        ) from None
    return workspace


def find_workspace(start: Path) -> Workspace:
    """The workspace that `start` lies in. Raises WorkspaceError when there is none."""
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / CONFIG_FILE).is_file():
            return Workspace(folder)
    raise WorkspaceError(f"no workspace at {start.resolve()} or above it (no {CONFIG_FILE})", "heedful init . makes one here")


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write aside, sync, rename."""
    aside = path.with_name(f"{ASIDE}{path.name}-{uuid.uuid4().hex[:8]}")
    try:
        with aside.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def sync_tree(folder: Path) -> None:
    """Everything in `folder`, and the folder itself, is on the disk when this returns: a power cut cannot take it away any more."""
    for path in [*folder.rglob("*"), folder]:
        sync(path)


def sync(path: Path) -> None:
    """A file, or the names in a directory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove what a killed process was writing aside in `folder`. Only for whoever has the folder to himself."""
    for path in sorted(folder.rglob(f"{ASIDE}*")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def staging(parent: Path) -> Iterator[Path]:
    """A directory to fill under a name that nobody reads. Rename it when it is whole; what is left at the end is removed."""
    parent.mkdir(parents=True, exist_ok=True)
    aside = parent / f"{ASIDE}{uuid.uuid4().hex[:12]}"
    aside.mkdir()
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def staged_directory(target: Path) -> Iterator[Path]:
    """A directory to fill; it gets its name `target` only when the block ends well, else it is removed."""
    if target.exists():
        raise WorkspaceError(f"{target} exists already and is immutable")
    with staging(target.parent) as aside:
        yield aside
        aside.rename(target)


def write_manifest(folder: Path, fields: Mapping[str, Any]) -> None:
    """manifest.json with `fields` and the SHA-256 of every other file in `folder`."""
    files = {str(p.relative_to(folder)): sha256(p) for p in sorted(folder.rglob("*")) if p.is_file() and p.name != MANIFEST}
    write_text(folder / MANIFEST, json.dumps({**fields, "files": files}, indent=2, ensure_ascii=False) + "\n")


def read_manifest(folder: Path, verify: bool = True) -> dict[str, Any]:
    """The manifest of an artefact. Raises WorkspaceError when it is missing or, with `verify`, a file was changed or lost."""
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WorkspaceError(
            f"{folder} has no {MANIFEST}", "it is no artefact of Heedful, or it was damaged; restore it from a backup"
        ) from None
    except ValueError:
        raise WorkspaceError(f"{path} is damaged", "restore it from a backup") from None
    if verify:
        for name, expected in manifest["files"].items():
            if not (folder / name).is_file() or sha256(folder / name) != expected:
                raise WorkspaceError(
                    f"{folder / name} is not the file that was written ({MANIFEST} has another hash)",
                    "restore it from a backup",
                )
    return manifest

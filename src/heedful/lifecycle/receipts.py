"""Receipts: what an erasure did, in; a file that a team can keep, and a head of the audit trail that it pins down, out."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from heedful.errors import WorkspaceError
from heedful.store.audit import Head
from heedful.store.audit_check import Anchor
from heedful.workspace import Workspace, sha256, write_text


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was removed, what was searched and found, and what remains to be done. `person` is a keyed hash, never a name."""

    erasure: int
    person: str
    erased_at: datetime
    actor: str
    detail: dict[str, Any]
    search: dict[str, Any]
    remaining: tuple[str, ...]
    audit: Head


def new_name() -> str:
    """Random: a restored database counts its erasures anew, and must not overwrite a receipt."""
    return f"er-{uuid.uuid4().hex[:10]}"


def path_of(workspace: Workspace, name: str) -> Path:
    return workspace.receipts / f"{name}.json"


def write_receipt(workspace: Workspace, name: str, receipt: Receipt) -> tuple[Path, str]:
    """(path, SHA-256). A receipt of that name is replaced: its audit event was not written yet."""
    workspace.receipts.mkdir(exist_ok=True)
    path = path_of(workspace, name)
    write_text(path, json.dumps(asdict(receipt), indent=2, ensure_ascii=False, default=str) + "\n")
    return path, sha256(path)


def anchors_of(workspace: Workspace) -> Iterator[Anchor]:
    """The heads that the receipts name. Raises WorkspaceError for a receipt that cannot be read."""
    for path in sorted(workspace.receipts.glob("*.json")):
        try:
            receipt: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            yield Anchor(f"receipts/{path.name}", Head(int(receipt["audit"]["event"]), str(receipt["audit"]["hash"])))
        except (ValueError, KeyError, TypeError):
            raise WorkspaceError(f"{path} is damaged", "restore it from where you keep the receipts, or move it away") from None


def changed_receipts(workspace: Workspace, written: dict[str, str]) -> list[str]:
    """Receipts that are not the file whose hash the trail holds. `written` is name -> hash."""
    paths = {path_of(workspace, name): digest for name, digest in written.items()}
    return [f"receipts/{path.name}" for path, digest in paths.items() if not path.is_file() or sha256(path) != digest]

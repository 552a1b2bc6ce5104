"""Receipts: what an erasure did, in; a file that a team can keep, and a head of the audit trail that it pins down, out."""

import json
from collections.abc import Iterator
from typing import Any

from heedful.errors import WorkspaceError
from heedful.store.audit import Head
from heedful.store.audit_check import Anchor
from heedful.workspace import Workspace


def anchors_of(workspace: Workspace) -> Iterator[Anchor]:
    """The heads that the receipts name. Raises WorkspaceError for a receipt that cannot be read."""
    for path in sorted(workspace.receipts.glob("*.json")):
        try:
            receipt: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            yield Anchor(f"receipts/{path.name}", Head(int(receipt["audit"]["event"]), str(receipt["audit"]["hash"])))
        except (ValueError, KeyError, TypeError):
            raise WorkspaceError(f"{path} is damaged", "restore it from where you keep the receipts, or move it away") from None

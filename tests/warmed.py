"""Importing this imports and builds once, so that a process forked afterwards finds all that both load late, and begins at once."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from heedful.config import Settings
from heedful.dataset import build_dataset
from heedful.lifecycle.ingest import import_file
from heedful.store.database import open_store
from heedful.workspace import create_workspace

with TemporaryDirectory() as folder:
    workspace = create_workspace(Path(folder) / "w", "base: tiny\n")
    rows = Path(folder) / "rows.jsonl"
    rows.write_text("".join(json.dumps({"question": f"How is number {n}?", "answer": "Well enough."}) + "\n" for n in range(20)))
    store = open_store(workspace.database)
    import_file(store, rows, "test")
    build_dataset(store, workspace, Settings().dataset, "Be kind.", "test")
    store.close()

"""Documents and people: a verification finds who is named in them, and a backup brings them back."""

from pathlib import Path

import pytest

from documents import files_with
from heedful.knowledge import search
from heedful.knowledge.library import add_files, list_documents, remove_documents
from heedful.lifecycle.backup import back_up
from heedful.lifecycle.erasure.erase import verify
from heedful.lifecycle.restore import Request, restore
from heedful.store.database import open_store
from heedful.store.master_key import KEY_FILE
from heedful.workspace import Workspace

NAMING = "# Minutes\n\nThe account of Wilhelmina-4711 was closed; p-17 asked for a call on the marmalade lighthouse line.\n"
FILLER = "Nobody in particular writes line {} of this long handbook about sleep, light and rest.\n\n"


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    """Long enough to be written as a large file is."""
    path = tmp_path / "handbook.md"
    filler = "".join(map(FILLER.format, range(250)))
    path.write_text(filler + NAMING + filler, encoding="utf-8")
    return path


def test_who_is_named_in_a_document_is_found_until_it_is_removed(workspace: Workspace, handbook: Path) -> None:
    add_files(workspace, [handbook])
    store = open_store(workspace.database)

    def found(name: str, *phrases: str) -> set[str]:
        return {Path(hit.path).parts[0] for hit in verify(workspace, store, name, phrases)[0].hits}

    assert found("Wilhelmina-4711") == {"knowledge"}
    assert found("nobody-here", "asked for a call on the marmalade lighthouse line") == {"knowledge"}
    assert found("p-17") == {"knowledge"}
    remove_documents(workspace, ["handbook.md"])
    assert found("Wilhelmina-4711", "asked for a call on the marmalade lighthouse line") == set()
    assert found("p-17") == set()
    store.close()


def test_a_backup_brings_the_documents_back(workspace: Workspace, handbook: Path, tmp_path: Path) -> None:
    add_files(workspace, [handbook])
    store = open_store(workspace.database)
    back_up(workspace, store, tmp_path / "a.backup", "tester")
    store.close()
    restore(
        Request(tmp_path / "a.backup", tmp_path / "new", "tester", key_file=workspace.root / KEY_FILE),
        lambda stage, done, total: None,
    )
    there = Workspace((tmp_path / "new").resolve())
    assert list_documents(there) == list_documents(workspace)
    assert search(there, "Who was on the marmalade lighthouse line?", 1) == search(
        workspace, "Who was on the marmalade lighthouse line?", 1
    )
    assert add_files(there, [handbook]).count("same") == 1
    assert files_with(tmp_path, "marmalade lighthouse") != []

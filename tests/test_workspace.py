"""Workspace: nothing half-written under its final name, and a manifest that notices a changed file."""

from pathlib import Path

import pytest

from heedful.errors import WorkspaceError
from heedful.workspace import (
    Workspace,
    create_workspace,
    find_workspace,
    read_manifest,
    staged_directory,
    write_manifest,
    write_text,
)


def test_found_from_inside(workspace: Workspace) -> None:
    inner = workspace.datasets / "a" / "b"
    inner.mkdir(parents=True)
    assert find_workspace(inner) == workspace


def test_none_here(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError) as caught:
        find_workspace(tmp_path)
    assert "no workspace at" in caught.value.text
    assert caught.value.next_step.startswith("heedful init")


def test_not_created_twice(workspace: Workspace) -> None:
    with pytest.raises(WorkspaceError, match="is a workspace already"):
        create_workspace(workspace.root, "base: tiny\n")


def test_staged_directory_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "made" / "one"
    with pytest.raises(RuntimeError), staged_directory(target) as aside:
        (aside / "file").write_text("half")
        raise RuntimeError
    assert list(target.parent.iterdir()) == []
    with staged_directory(target) as aside:
        (aside / "file").write_text("whole")
        assert not target.exists()
    assert [p.name for p in target.parent.iterdir()] == ["one"]
    with pytest.raises(WorkspaceError, match="immutable"), staged_directory(target):
        pass


def test_write_text_replaces_and_leaves_nothing_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    write_text(path, "new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_manifest_notices_change_and_loss(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "data.txt").write_text("one")
    write_manifest(tmp_path, {"kind": "test"})
    assert read_manifest(tmp_path)["kind"] == "test"
    (tmp_path / "sub" / "data.txt").write_text("two")
    with pytest.raises(WorkspaceError, match=r"data\.txt is not the file that was written"):
        read_manifest(tmp_path)
    assert read_manifest(tmp_path, verify=False)["kind"] == "test"
    (tmp_path / "sub" / "data.txt").unlink()
    with pytest.raises(WorkspaceError, match=r"data\.txt is not the file"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(WorkspaceError, match="is damaged"):
        read_manifest(tmp_path)

"""The library of documents: what is added is found once, what is removed is gone from the disk, a kill leaves nothing in part."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from documents import files_with, write_pdf
from heedful.cli.main import app
from heedful.errors import KnowledgeError, WorkspaceError
from heedful.knowledge import Passage, search
from heedful.knowledge.index import Index, open_index, writing
from heedful.knowledge.library import add_files, list_documents, remove_documents, update_documents
from heedful.workspace import Workspace

SLEEP = (
    "# Sleeping well\n\nGo to bed at the same hour.\n\n## Light\n\nDim the lamps in the evening; bright light keeps you awake.\n"
)
GRIEF = "# Grief\n\nWhen somebody dies, grief comes in waves. The quokkaberry tree was planted for all who are missed.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "docs"
    made.mkdir()
    (made / "sleep.md").write_text(SLEEP, encoding="utf-8")
    (made / "grief.md").write_text(GRIEF, encoding="utf-8")
    write_pdf(
        made / "worry.pdf", [["Worry", "Panic passes by itself within some minutes."], ["Breathe out slowly."]], [("Worry", 0)]
    )
    (made / "picture.png").write_bytes(b"\x89PNG")
    return made


def test_documents_are_found_with_section_and_page(workspace: Workspace, folder: Path) -> None:
    added = add_files(workspace, [folder])
    assert [(outcome, document.name) for outcome, document in added.documents] == [
        ("new", "grief.md"), ("new", "sleep.md"), ("new", "worry.pdf"),
    ]  # fmt: skip
    assert (added.refused, added.passed_over) == ((), 1)
    found = search(workspace.root, "Should I switch off bright lamps at night?", 3)
    assert isinstance(found[0], Passage)
    assert (found[0].document, found[0].title, found[0].section, found[0].page) == ("sleep.md", "Sleeping well", "Light", None)
    assert found[0].text == "Dim the lamps in the evening; bright light keeps you awake."
    assert found[0].score == 1.0
    panic = search(str(workspace.root), "How long does panic last?", 1)[0]
    assert (panic.document, panic.section, panic.page) == ("worry.pdf", "Worry", 1)


def test_no_source_is_better_than_a_wrong_one(workspace: Workspace, folder: Path) -> None:
    assert search(workspace, "anything", 3) == []
    add_files(workspace, [folder])
    assert search(workspace, "Which gearbox fits a 1998 tractor?", 3) == []
    assert search(workspace, "  ", 3) == []


def test_collections_are_kept_apart(workspace: Workspace, folder: Path) -> None:
    add_files(workspace, [folder / "sleep.md"], "night")
    add_files(workspace, [folder / "grief.md"], "loss")
    question = "grief when somebody dies, and bright light in the evening"
    assert {passage.collection for passage in search(workspace, question, 5)} == {"night", "loss"}
    assert {passage.document for passage in search(workspace, question, 5, ["loss"])} == {"grief.md"}
    assert search(workspace, question, 5, ["it's none"]) == []
    with pytest.raises(KnowledgeError, match="is no name of a collection"):
        add_files(workspace, [folder / "grief.md"], "a'b")


def test_adding_again_changes_nothing_and_an_edit_replaces(workspace: Workspace, folder: Path) -> None:
    add_files(workspace, [folder])
    index = open_index(workspace)
    assert index is not None
    before, files = index.documents(), sorted(path.name for path in workspace.knowledge.rglob("*"))
    again = add_files(workspace, [folder, folder / "sleep.md"])
    assert {outcome for outcome, _ in again.documents} == {"same"}
    assert index.documents() == before
    assert sorted(path.name for path in workspace.knowledge.rglob("*")) == files
    (folder / "sleep.md").write_text(SLEEP.replace("lamps", "lanterns"), encoding="utf-8")
    (folder / "grief.md").unlink()
    updated, gone = update_documents(workspace)
    assert [(outcome, document.name, document.version) for outcome, document in updated.documents] == [
        ("updated", "sleep.md", 2), ("same", "worry.pdf", 1),
    ]  # fmt: skip
    assert [document.name for document in gone] == ["grief.md"]
    assert "lanterns" in search(workspace, "bright light in the evening", 1)[0].text
    assert files_with(workspace.knowledge, "lamps") == []
    assert len(list_documents(workspace)) == 3


def test_what_is_removed_is_gone_from_every_byte(workspace: Workspace, folder: Path) -> None:
    add_files(workspace, [folder])
    assert files_with(workspace.knowledge, "quokkaberry tree was planted") != []
    assert [document.name for document in remove_documents(workspace, ["grief.md"])] == ["grief.md"]
    for trace in ("quokkaberry", "quokkaberri", "Grief", "grief.md"):
        assert files_with(workspace.knowledge, trace) == []
    assert search(workspace, "quokkaberry", 3) == []
    assert [document.name for document in list_documents(workspace)] == ["sleep.md", "worry.pdf"]
    with pytest.raises(KnowledgeError, match=r"no document is called 'grief.md'"):
        remove_documents(workspace, ["grief.md"])
    remove_documents(workspace, [])
    assert list_documents(workspace) == []
    assert files_with(workspace.knowledge, "lamps") == []
    assert add_files(workspace, [folder]).count("new") == 3


def test_a_removal_that_was_killed_is_finished_by_whoever_writes_next(
    workspace: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(index: Index) -> None:
        raise KeyboardInterrupt

    add_files(workspace, [folder])
    with monkeypatch.context() as patched:
        patched.setattr(Index, "purge", die)
        with pytest.raises(KeyboardInterrupt):
            remove_documents(workspace, ["grief.md"])
    assert files_with(workspace.knowledge, "quokkaberry tree") != []
    add_files(workspace, [folder / "sleep.md"])
    assert files_with(workspace.knowledge, "quokkaberry") == []


def test_a_file_that_becomes_a_copy_of_another_loses_its_old_text(workspace: Workspace, folder: Path) -> None:
    add_files(workspace, [folder])
    (folder / "grief.md").write_text(SLEEP, encoding="utf-8")
    assert add_files(workspace, [folder]).count("updated") == 1
    assert files_with(workspace.knowledge, "quokkaberry") == []
    assert add_files(workspace, [folder]).count("same") == 3


def test_a_name_that_two_documents_have_needs_an_id(workspace: Workspace, folder: Path) -> None:
    other = folder.parent / "other"
    other.mkdir()
    (other / "sleep.md").write_text("# Naps\n\nTwenty minutes are enough.", encoding="utf-8")
    add_files(workspace, [folder])
    add_files(workspace, [other])
    with pytest.raises(KnowledgeError, match=r"'sleep.md' is the name of doc-.*, doc-"):
        remove_documents(workspace, ["sleep.md"])


def test_a_reader_goes_on_while_documents_come_and_go(workspace: Workspace, folder: Path) -> None:
    add_files(workspace, [folder])
    failed: list[Exception] = []
    ended = threading.Event()

    def read() -> None:
        try:
            while not ended.is_set():
                assert search(workspace, "How long does panic last?", 1)[0].document == "worry.pdf"
        except Exception as error:
            failed.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(3):
        (folder / "sleep.md").write_text(f"# Sleep {number}\n\nText {number}.", encoding="utf-8")
        add_files(workspace, [folder / "sleep.md"])
        remove_documents(workspace, ["sleep.md"])
    ended.set()
    reader.join()
    assert failed == []


ADDING = """
import sys
from pathlib import Path
from heedful.knowledge import library
from heedful.workspace import Workspace
library.COMMIT_CHUNKS = 1
library.add_files(Workspace(Path(sys.argv[1])), [Path(sys.argv[2])], observe=lambda done, *_: print(done, flush=True))
"""


@pytest.mark.parametrize("seen", [3, 7])
def test_a_kill_leaves_whole_documents_only(workspace: Workspace, tmp_path: Path, seen: int) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(10):
        text = "\n\n".join(f"## Part {part}\n\nSentence {part} of text {number}." for part in range(6))
        (folder / f"{number}.md").write_text(text, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-c", ADDING, str(workspace.root), str(folder)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) == seen:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    index = open_index(workspace)
    assert index is not None
    there = index.documents()
    assert len(there) in (seen, seen + 1)
    assert all(document.chunks == len(index.chunks(document.id)) == 6 for document in there)
    assert search(workspace, "Sentence 3 of text 0.", 1)[0].document == "0.md"
    assert add_files(workspace, [folder]).count("same") == len(there)
    assert len(index.documents()) == 10


def test_two_writers_wait_for_each_other(workspace: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heedful.knowledge.index.LOCK_SECONDS", 0.1)
    with writing(workspace):
        thread: list[BaseException] = []

        def add() -> None:
            try:
                add_files(workspace, [folder])
            except KnowledgeError as error:
                thread.append(error)

        other = threading.Thread(target=add)
        other.start()
        other.join()
    assert str(thread[0]) == "another process is changing the knowledge base"


def test_a_damaged_index_and_a_missing_workspace_are_told_in_one_line(workspace: Workspace, tmp_path: Path) -> None:
    (workspace.knowledge / "passages.lance").mkdir()
    with pytest.raises(KnowledgeError, match=r"the knowledge base in .* cannot be read"):
        search(workspace, "anything", 1)
    with pytest.raises(WorkspaceError):
        search(tmp_path, "anything", 1)


def test_the_verb_does_all_of_it(workspace: Workspace, folder: Path) -> None:
    (folder / "empty.txt").write_bytes(b"")
    place = ["--workspace", str(workspace.root), "--json"]

    def run(*words: str) -> tuple[int, dict[str, object], str]:
        done = CliRunner().invoke(app, ["knowledge", *words, *place])
        return done.exit_code, json.loads(done.stdout), done.stderr

    code, row, told = run("add", str(folder), "--collection", "help")
    assert (code, row["refused"], row["passed_over"]) == (1, [{"name": "empty.txt", "reason": "it is empty"}], 1)
    assert "refused: empty.txt: it is empty\n" in told
    code, row, _ = run("list")
    assert (code, [document["name"] for document in row["documents"]]) == (0, ["grief.md", "sleep.md", "worry.pdf"])  # type: ignore[attr-defined]
    code, row, _ = run("search", "bright light in the evening", "-k", "1")
    assert (code, row["passages"][0]["document"]) == (0, "sleep.md")  # type: ignore[index]
    assert run("update")[0] == 0
    code, row, _ = run("remove", "sleep.md")
    assert (code, len(row["removed"])) == (0, 1)  # type: ignore[arg-type]
    code, row, _ = run("remove", "sleep.md")
    assert (code, row["error"]) == (1, "no document is called 'sleep.md'")
    code, row, _ = run("add", str(folder / "nothing"))
    assert (code, row["next"]) == (1, "name files or folders that are there")

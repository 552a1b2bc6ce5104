"""The command line as a user meets it: help, exit codes, one-line errors, JSON on stdout. The long verbs are in test_loop.py."""

import json
import os
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from heedful.cli.main import VERBS
from heedful.cli.reading import read_hints
from heedful.errors import ConfigError
from heedful.lifecycle.ingest import import_file
from heedful.sources import Hints
from heedful.store.database import Store, open_store
from heedful.store.schema import AuditEvent, ConversationRow, Import, MessageRow
from heedful.workspace import Workspace

SAMPLE = '{"messages": [{"role": "user", "content": "Low %d"}, {"role": "assistant", "content": "That sounds heavy, %d."}]}\n'
HEAVY = ("torch", "transformers", "sqlalchemy", "fastapi", "pydantic")


def heedful(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from heedful.cli.main import run; run()", *map(str, arguments)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HEEDFUL_")} | {"COLUMNS": "160", "NO_COLOR": "1"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


def samples(path: Path, count: int = 30) -> Path:
    path.write_text("".join(SAMPLE % (i, i) for i in range(count)), encoding="utf-8")
    return path


def test_help_lists_every_verb_and_loads_nothing_heavy() -> None:
    assert set(VERBS) <= set(heedful("--help").stdout.split())
    code = f"import sys, heedful.cli.main; print([m for m in {HEAVY} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_each_verb_has_an_example(verb: str) -> None:
    done = heedful(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert "Example: heedful" in done.stdout or verb == "dataset"


def test_usage_errors_exit_with_2(workspace: Workspace) -> None:
    assert heedful("nonsense").returncode == 2
    assert heedful("import").returncode == 2
    assert heedful("promote", "--nonsense", cwd=workspace.root).returncode == 2


def test_outside_of_a_workspace(tmp_path: Path) -> None:
    done = heedful("models", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: no workspace at")
    assert "next:  heedful init ." in done.stderr
    assert "Traceback" not in done.stderr


def test_init_writes_a_configuration_that_loads(tmp_path: Path) -> None:
    assert heedful("init", "w", cwd=tmp_path).returncode == 0
    shown = heedful("doctor", "--config", "--json", cwd=tmp_path / "w")
    assert json.loads(shown.stdout)["generation.max_new_tokens"] == 150
    again = heedful("init", "w", cwd=tmp_path)
    assert again.returncode == 1
    assert "is a workspace already" in again.stderr


def test_an_unknown_key_names_the_nearest(workspace: Workspace) -> None:
    workspace.config_file.write_text("training: {epoch: 3}\n")
    done = heedful("models", cwd=workspace.root)
    assert done.returncode == 1
    assert "unknown key 'training.epoch'; the nearest known key is 'training.epochs'" in done.stderr


def test_import_build_list_show_json(workspace: Workspace, tmp_path: Path) -> None:
    source = samples(tmp_path / "chats.jsonl")
    first = json.loads(heedful("import", source, "--json", cwd=workspace.root).stdout)["imports"][0]
    assert (first["format"], first["conversations"], first["added"], first["known"]) == ("chat", 30, 30, 0)
    second = json.loads(heedful("import", source, "--json", cwd=workspace.root).stdout)["imports"][0]
    assert (second["added"], second["known"]) == (0, 30)
    built = json.loads(heedful("dataset", "build", "--json", cwd=workspace.root).stdout)
    assert built["counts"] == {"train": 24, "validation": 3, "test": 3}
    assert json.loads(heedful("dataset", "build", "--json", cwd=workspace.root).stdout)["existing"] is True
    listed = json.loads(heedful("dataset", "list", "--json", cwd=workspace.root).stdout)["datasets"]
    assert [d["id"] for d in listed] == [built["dataset"]]
    shown = heedful("dataset", "show", built["dataset"], cwd=workspace.root)
    assert "24" in shown.stdout
    unknown = heedful("dataset", "show", "ds-nothing", "--json", cwd=workspace.root)
    assert unknown.returncode == 1
    assert built["dataset"] in json.loads(unknown.stdout)["error"]


BAD_FILES: dict[str, bytes | None] = {
    "no_answer.csv": b"question,topic\nHow are you?,mood\n",
    "truncated.json": b'{"intents": [{"tag": "a", "patterns": ["hi"], "respon',
    "binary.csv": bytes(range(256)) * 8,
    "empty.jsonl": b"",
    "one_line.txt": b"a" * 10_000_000,
    "wrong_role.jsonl": b'{"messages": [{"role": "wizard", "content": "x"}]}\n',
    "absent.csv": None,
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_one_line_and_leaves_the_store_as_it_was(workspace: Workspace, tmp_path: Path, name: str) -> None:
    store = open_store(workspace.database)
    import_file(store, samples(tmp_path / "chats.jsonl"), "test")
    before = rows(store)
    content = BAD_FILES[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = heedful("import", tmp_path / name, cwd=workspace.root)
    assert done.returncode == 1
    error, *rest = done.stderr.strip().splitlines()
    assert error.startswith("error: ")
    assert name in error
    assert [line[:6] for line in rest] == ["next: "]
    assert rows(store) == before


def rows(store: Store) -> list[int]:
    """How many rows each table holds."""
    with store.snapshot() as session:
        return [session.query(table).count() for table in (Import, ConversationRow, MessageRow, AuditEvent)]


def test_a_bad_row_is_named_and_can_be_skipped(workspace: Workspace, tmp_path: Path) -> None:
    path = samples(tmp_path / "chats.jsonl", 12)
    path.write_text(path.read_text() + '{"messages": []}\n')
    done = heedful("import", path, cwd=workspace.root)
    assert done.returncode == 1
    assert "chats.jsonl, row 13: " in done.stderr
    assert "--skip-bad" in done.stderr
    taken = json.loads(heedful("import", path, "--skip-bad", "--json", cwd=workspace.root).stdout)["imports"][0]
    assert (taken["added"], taken["skipped"]) == (12, 1)
    assert taken["bad_rows"][0].startswith("row 13: ")


def test_a_dry_run_shows_how_it_would_be_read_and_writes_nothing(tmp_path: Path) -> None:
    """No workspace is needed, none is made."""
    (tmp_path / "x.csv").write_text("user_id,Frage,Antwort\n7,How?,So.\n8,,No.\n")
    named = ("--column", "question=Frage", "--column", "answer=Antwort")
    done = heedful("import", "x.csv", "--dry-run", *named, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "x.csv: 1 conversations of 1 persons, 1 bad rows",
        "  read as pairs from csv: question = Frage, answer = Antwort, person = user_id",
        "  row 3: Frage is empty",
        "  row 2, person 7",
        "    user: How?",
        "    assistant: So.",
        "nothing was written; an import would be refused for 1 bad rows, unless --skip-bad",
    ]
    shown = json.loads(heedful("import", "x.csv", "--dry-run", "--json", "--skip-bad", *named, cwd=tmp_path).stdout)
    assert (shown["refused"], shown["dry_run"][0]["conversations"], shown["dry_run"][0]["bad"]) == (False, 1, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def test_a_query_and_an_archive_are_imported(workspace: Workspace, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "chat.db") as connection:
        connection.execute("CREATE TABLE chats AS SELECT 'Who?' AS question, 'Me.' AS answer")
    url = f"sqlite:///{tmp_path / 'chat.db'}"
    query = heedful("import", "--sql", "SELECT * FROM chats", "--url", url, "--json", cwd=workspace.root)
    assert json.loads(query.stdout)["imports"][0]["added"] == 1
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("README", "Read me first.")
        archive.writestr("a.txt", "Anna: a\nWeiss: b\n\nAnna: c\nWeiss: d\n")
    speakers = ("--speaker", "Anna=user", "--speaker", "Weiss=assistant")
    whose = ("--person", "p-17", "--basis", "consent")
    done = heedful("import", tmp_path / "x.zip", *speakers, *whose, cwd=workspace.root)
    assert done.stdout.splitlines() == [
        f"{tmp_path}/x.zip: chat, 2 conversations; 2 new, 0 known",
        "  basis: consent. 1 person, 1 of them newly recorded as agreeing",
        "  passed over: 1 (files that hold no conversations)",
        f"    {tmp_path}/x.zip/README",
    ]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "name a file, a folder, an archive, hf:owner/name, or a query with --sql and --url"),
        (("--sql", "SELECT 1"), "a query needs both --sql and --url"),
    ],
)
def test_a_source_must_be_named(workspace: Workspace, arguments: tuple[str, ...], line: str) -> None:
    done = heedful("import", *arguments, cwd=workspace.root)
    assert done.returncode == 2
    assert line in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"form": "word"}, "--format: 'word' is none of intents, chat, turns, pairs"),
        ({"columns": ["answer"]}, "--column 'answer' has no equals sign"),
        ({"columns": ["colour=x"]}, "--column: 'colour' is none of messages, answer, speaker, text, person, group, conversation,"),
        ({"speakers": ["Anna=friend"]}, "--speaker: 'friend' is none of system, user, assistant, text"),
        ({"separator": "x"}, "--separator: 'x' is none of blank, blanks, header, none"),
        ({"person": " "}, "--person names nobody"),
    ],
)
def test_wrong_words_in_what_is_said_of_a_source(options: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_hints(**{"form": None, "columns": None, "speakers": None, "separator": None, **options})
    assert str(caught.value).startswith(line)


def test_what_is_said_of_a_source() -> None:
    hints = read_hints("turns", ["text=a=b", "person="], ["Anna=user", "x=y=assistant", "Note=text"], "header", " p-17")
    assert hints == Hints(
        format="turns",
        columns={"text": "a=b", "person": ""},
        speakers={"Anna": "user", "x=y": "assistant"},
        no_speakers=frozenset({"Note"}),
        separator="header",
        person="p-17",
    )


def test_training_verbs_without_data(workspace: Workspace) -> None:
    for verb in ("plan", "train", "evaluate", "promote m-1", "rollback"):
        done = heedful(*verb.split(), cwd=workspace.root)
        assert done.returncode == 1, verb
        assert done.stderr.startswith("error: "), verb
        assert "next:" in done.stderr, verb
        assert "Traceback" not in done.stderr, verb


def test_doctor_json(workspace: Workspace) -> None:
    done = heedful("doctor", "--json", cwd=workspace.root)
    findings = {f["check"]: f for f in json.loads(done.stdout)["findings"]}
    machine, of_workspace = (
        {"python", "packages", "cpu", "memory", "disk", "gpu"},
        {"workspace", "database", "engine", "master key"},
    )
    of_guards = {"crisis guard", "crisis lines", "hand-over"}
    of_service = {"trainings", "erasures", "experiments", "knowledge", "prompt", "mode", "worker"}
    assert set(findings) == machine | of_workspace | of_service | of_guards
    assert findings["packages"]["level"] == "ok", findings["packages"]
    assert done.returncode == 0

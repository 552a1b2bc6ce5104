"""An erasure that is killed at any of its steps: never half served, and the next call ends it. Real processes, real SIGKILL."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heedful.cli.main import app
from heedful.config import DatasetSettings
from heedful.dataset import build_dataset
from heedful.lifecycle.erasure.erase import erase
from heedful.lifecycle.erasure.standing import find_unfinished
from heedful.lifecycle.holdings import person_named
from heedful.lifecycle.ingest import import_file
from heedful.registry.aliases import current_aliases
from heedful.registry.versions import quarantined_models
from heedful.store.audit_check import check_trail
from heedful.store.consent import permitted
from heedful.store.conversations import iterate_conversations
from heedful.store.database import open_store
from heedful.workspace import Workspace, create_workspace
from people import PERSONS, left_of, person_in, write_chats
from stand_ins import stand_in

EACH = 4


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str, str]:
    """A workspace with a clean former champion and one that learned from somebody: (root, that person, former, champion)."""
    folder = tmp_path_factory.mktemp("prepared")
    workspace = create_workspace(folder / "w", "base: tiny\n")
    store = open_store(workspace.database)
    owned = write_chats(folder / "owned.jsonl", "team", each=20)
    owned.write_text(owned.read_text().replace(', "person": "team"', ""))
    import_file(store, owned, "tester", basis="owned")
    former = stand_in(workspace, store, build_dataset(store, workspace, DatasetSettings(), "", "tester").id, b"1")
    import_file(store, write_chats(folder / "chats.jsonl", *PERSONS, each=EACH), "tester", basis="consent")
    dataset = build_dataset(store, workspace, DatasetSettings(), "", "tester")
    champion = stand_in(workspace, store, dataset.id, b"2")
    (workspace.models / ".part-7").mkdir()
    shutil.copy(dataset.path / "train.jsonl", workspace.models / ".part-7")
    person = person_in(dataset.path / "train.jsonl")
    store.compact()
    store.close()
    return workspace.root, person, former, champion


def killed_at(root: Path, person: str, step: int) -> str:
    """The stage in which the erasure was killed by its own hand, or `through` when it had fewer steps."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        steps: list[str] = []

        def watch(stage: str, done: int, total: int | None) -> None:
            steps.append(stage)
            if len(steps) == step:
                os.write(writing, stage.encode())
                os.kill(os.getpid(), signal.SIGKILL)

        store = open_store(Workspace(root).database)
        with store.snapshot() as session:
            person_id = person_named(session, person)
        erase(Workspace(root), store, person_id, "tester", watch)
        os._exit(0)
    status = os.waitpid(process, 0)[1]
    os.close(writing)
    stage = os.read(reading, 100).decode()
    os.close(reading)
    assert os.WIFSIGNALED(status) == bool(stage), status
    return stage or "through"


def test_a_kill_at_any_step_does_no_harm(prepared: tuple[Path, str, str, str], tmp_path: Path) -> None:
    template, person, former, champion = prepared
    stages: list[str] = []
    while not stages or stages[-1] != "through":
        root = tmp_path / f"w{len(stages)}"
        shutil.copytree(template, root)
        stages.append(killed_at(root, person, len(stages) + 1))
        check_nothing_serves(root, person, former, champion)
        done = CliRunner().invoke(app, ["erase", person, "--yes", "--json", "--workspace", str(root)])
        assert done.exit_code == 0, (stages, done.stdout)
        check_ended(root, person)
        shutil.rmtree(root)
    assert list(dict.fromkeys(stages)) == [
        "begun", "ledger", "reports", "datasets", "unfinished", "search", "searched", "removed", "compact", "through",
    ]  # fmt: skip
    assert len(stages) > 20  # each file that is searched is a step too


def check_nothing_serves(root: Path, person: str, former: str, champion: str) -> None:
    """From the first transaction on; a kill before it would leave all as it was, and that is no step."""
    store = open_store(Workspace(root).database)
    with store.snapshot() as session:
        assert quarantined_models(session) == {champion}
        assert current_aliases(session) == {"champion": former}
        person_id = person_named(session, person)
        allowed = set(session.scalars(permitted("training")))
        assert not [one.id for one in iterate_conversations(session) if one.person == person_id and one.id in allowed]
        assert check_trail(session) == []
    store.close()


def check_ended(root: Path, person: str) -> None:
    assert left_of(person, root) == []
    store = open_store(Workspace(root).database)
    with store.snapshot() as session:
        assert find_unfinished(session) == []
        assert check_trail(session) == []
    store.close()
    (receipt,) = Workspace(root).receipts.iterdir()
    assert json.loads(receipt.read_text())["search"]["hits"] == []


def test_resume_and_the_note_of_other_verbs(prepared: tuple[Path, str, str, str], tmp_path: Path) -> None:
    template, person, _, _ = prepared
    root = tmp_path / "w"
    shutil.copytree(template, root)
    assert killed_at(root, person, 3) == "reports"
    where = ["--json", "--workspace", str(root)]
    noted = CliRunner().invoke(app, ["models", *where])
    assert noted.exit_code == 0
    assert "note: 1 erasures were interrupted; next: heedful erase --resume" in noted.stderr
    resumed = json.loads(CliRunner().invoke(app, ["erase", "--resume", *where]).stdout)
    assert len(resumed["erased"]) == 1
    check_ended(root, person)
    assert json.loads(CliRunner().invoke(app, ["erase", "--resume", *where]).stdout) == {"erased": []}

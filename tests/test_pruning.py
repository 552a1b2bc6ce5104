"""Pruning: what goes and what stays, rows that outlive their files, and an erasure that still knows who learned from whom."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heedful.cli.main import app
from heedful.conversation import Conversation, Message
from heedful.errors import RegistryError, StoreError
from heedful.lifecycle.erasure.affected import affected_by
from heedful.lifecycle.pruning import Prunable, mark, prune
from heedful.registry.aliases import point
from heedful.registry.lineage import learners
from heedful.registry.promotion import EVALUATION
from heedful.registry.quarantine import quarantine
from heedful.registry.versions import ADAPTER_FILE, find_version, list_versions, register, verified_directory, version_id
from heedful.server.standing import read_standing
from heedful.store.audit import Wanted, list_events
from heedful.store.conversations import add_conversations
from heedful.store.database import Store, open_store
from heedful.store.datasets import DatasetRecord, is_registered, register_dataset
from heedful.store.persons import find_person
from heedful.store.schema import DatasetVersion, Import, ModelVersion, Run, utc_now
from heedful.store.schema_trust import Erasure
from heedful.store.training_runs import enqueue, note, set_state
from heedful.workspace import Workspace, sha256, write_manifest

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(workspace: Workspace):
    opened = open_store(workspace.database)
    with opened.session() as session:
        entry = Import(path="chat.jsonl", format="chat", sha256="0" * 64, basis="owned")
        session.add(entry)
        session.flush()
        said = Conversation((Message("user", "I cannot sleep."), Message("assistant", "What keeps you awake?")))
        add_conversations(session, entry.id, [(1, said, "p-1")])
    yield opened
    opened.close()


def dataset(workspace: Workspace, store: Store, number: int) -> str:
    """A registered directory. Its only conversation is in the training file."""
    name, made = f"ds-{number}", BEGAN + timedelta(days=number)
    folder = workspace.datasets / name
    folder.mkdir()
    (folder / "train.jsonl").write_text("{}\n", encoding="utf-8")
    write_manifest(folder, {"kind": "dataset", "id": name, "created_at": made.isoformat(), "counts": {"train": 1}})
    with store.session() as session:
        register_dataset(session, DatasetRecord(name, sha256(folder / "manifest.json"), {"train": 1}, {}, made), [(1, "train", 0)])
    return name


def model(workspace: Workspace, store: Store, number: int, data: str, parent: str | None = None) -> str:
    """A registered directory, with a build of the server."""
    aside = workspace.models / "aside"
    aside.mkdir()
    (aside / ADAPTER_FILE).write_bytes(b"weights %d" % number)
    write_manifest(aside, {"kind": "model"})
    digest = sha256(aside / ADAPTER_FILE)
    name = version_id(digest)
    aside.rename(workspace.models / name)
    (workspace.served / f"{name}-0123456789ab").mkdir(parents=True)
    with store.session() as session:
        register(session, name, {"dataset_id": data, "parent_id": parent, "base": "tiny", "adapter_sha256": digest})
        session.get_one(ModelVersion, name).created_at = BEGAN + timedelta(days=number)
    return name


def report(workspace: Workspace, store: Store, about: str, number: int) -> str:
    name = f"r-{number}"
    folder = workspace.reports / name
    folder.mkdir()
    write_manifest(folder, {"kind": "report", "id": name, "model": about, "dataset": "ds-1"})
    with store.session() as session:
        session.add(Run(kind=EVALUATION, status="done", model_id=about, detail={"report": name}, ended_at=utc_now()))
    return name


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def crown(store: Store, to: str, because_of: str | None = None) -> None:
    with store.session() as session:
        point(session, "champion", to, "ada", "test", because_of)


def test_the_newest_the_aliased_the_former_champions_and_what_they_stand_on_stay(workspace: Workspace, store: Store) -> None:
    datasets = [dataset(workspace, store, number) for number in range(1, 9)]
    below = model(workspace, store, 1, datasets[0])
    former = model(workspace, store, 2, datasets[1], parent=below)
    refused = model(workspace, store, 3, datasets[2])
    challenger = model(workspace, store, 4, datasets[3])
    orphan = model(workspace, store, 5, datasets[4], parent=refused)
    newest = [model(workspace, store, number, datasets[number - 1]) for number in (6, 7)]
    reports = [
        report(workspace, store, about, number) for number, about in enumerate((former, refused, former, newest[0], newest[0]))
    ]
    crown(store, former, reports[0])
    crown(store, newest[0])
    with store.session() as session:
        point(session, "challenger", challenger, "ada", "test")

    found = prune(workspace, store, 2, "ada", dry_run=True)
    assert (sorted(found.models), found.datasets) == (sorted([refused, orphan]), ("ds-3", "ds-5"))
    assert (found.reports, len(found.served), len(left(workspace.models))) == (("r-1", "r-3"), 2, 7)
    assert prune(workspace, store, 2, "ada") == found

    assert left(workspace.models) == sorted([below, former, challenger, *newest])
    assert left(workspace.datasets) == ["ds-1", "ds-2", "ds-4", "ds-6", "ds-7", "ds-8"]  # the newest one may be about to be used
    assert left(workspace.reports) == ["r-0", "r-2", "r-4"]  # an alias was moved by r-0; r-3 is not the newest of its version
    assert [name.rpartition("-")[0] for name in left(workspace.served)] == left(workspace.models)
    assert prune(workspace, store, 2, "ada") == Prunable()
    with store.snapshot() as session:
        (event,) = list_events(session, Wanted(action="prune"))
        assert (event.actor, sorted(event.detail["models"]), event.detail["bytes"]) == (
            "ada",
            sorted([refused, orphan]),
            found.bytes,
        )
        assert [version.id for version in list_versions(session) if version.pruned] == [refused, orphan]


def test_rows_outlive_the_files_so_an_erasure_knows_who_learned_from_whom(workspace: Workspace, store: Store) -> None:
    first, second = dataset(workspace, store, 1), dataset(workspace, store, 2)
    old, new = model(workspace, store, 1, first), model(workspace, store, 2, second)
    prune(workspace, store, 1, "ada")
    with store.snapshot() as session:
        person = find_person(session, "p-1")
        assert [learner.model for learner in learners(session, person.id)] == [old, new]
        affected = affected_by(session, workspace, person.id)
        assert (affected.datasets, affected.models) == ((first, second), (old, new))
        version = find_version(session, old)
    with pytest.raises(RegistryError, match=f"the files of {old} were removed, for nobody needed them"):
        verified_directory(workspace, version)
    assert read_standing(store).versions == (new,)


def test_what_is_trained_or_built_again_is_there_again(workspace: Workspace, store: Store) -> None:
    first = dataset(workspace, store, 1)
    old = model(workspace, store, 1, first)
    model(workspace, store, 2, dataset(workspace, store, 2))
    prune(workspace, store, 1, "ada")
    with store.snapshot() as session:
        assert session.get_one(DatasetVersion, first).pruned_at is not None
    (workspace.served / f"{old}-0123456789ab").mkdir(exist_ok=True)
    (workspace.served / f"{old}-0123456789ab").rmdir()
    assert (dataset(workspace, store, 1), model(workspace, store, 1, first)) == (first, old)
    with store.snapshot() as session:
        assert not find_version(session, old).pruned
        row = session.get_one(DatasetVersion, first)
        assert is_registered(session, DatasetRecord(first, row.manifest_sha256, {}, {}, BEGAN))


def test_what_is_in_use_stays(workspace: Workspace, store: Store) -> None:
    used, other, newest = (dataset(workspace, store, number) for number in (1, 2, 3))
    one, two = model(workspace, store, 1, used), model(workspace, store, 2, other)
    model(workspace, store, 3, newest)
    with store.session() as session:
        run = enqueue(session, "loop", {}, "ada")
        note(session, run.id, model_id=one)
        session.add(Run(kind="evaluate", model_id=two))
    assert prune(workspace, store, 1, "ada") == Prunable()
    with store.session() as session:
        set_state(session, session.merge(run), "cancelled")
    assert prune(workspace, store, 1, "ada").models == (one,)
    with store.session() as session:
        session.query(Run).one().started_at = utc_now() - timedelta(days=2)  # killed long ago
    assert prune(workspace, store, 1, "ada").models == (two,)


def test_a_quarantined_version_is_left_to_the_erasure(workspace: Workspace, store: Store) -> None:
    old, _ = (model(workspace, store, number, dataset(workspace, store, number)) for number in (1, 2))
    with store.session() as session:
        session.add(Erasure(id=1, person_id=1, state="done", detail={}, actor="ada"))
        session.flush()
        quarantine(session, workspace, [old], 1, "ada")
    assert prune(workspace, store, 1, "ada").models == ()


def test_a_kill_between_the_rows_and_the_files_costs_nothing(workspace: Workspace, store: Store) -> None:
    old, _ = (model(workspace, store, number, dataset(workspace, store, number)) for number in (1, 2))
    found = prune(workspace, store, 1, "ada", dry_run=True)
    with store.session() as session:
        mark(session, found, "ada")
    assert prune(workspace, store, 1, "ada") == found
    assert not (workspace.models / old).exists()


def test_what_a_killed_process_was_writing_goes_after_a_week(workspace: Workspace, store: Store) -> None:
    old, young = workspace.reports / ".part-old", workspace.reports / ".part-young"
    for folder in (old, young):
        folder.mkdir()
    long_ago = (utc_now() - timedelta(days=8)).timestamp()
    os.utime(old, (long_ago, long_ago))
    assert prune(workspace, store, 1, "ada").leavings == ("reports/.part-old",)
    assert left(workspace.reports) == [".part-young"]


def test_the_command_line_tells_before_it_does(workspace: Workspace, store: Store) -> None:
    for number in (1, 2):
        model(workspace, store, number, dataset(workspace, store, number))
    said = []
    for words in (["--dry-run"], []):
        done = CliRunner().invoke(app, ["models", "prune", "--keep", "1", "--json", *words, "-w", str(workspace.root)])
        assert done.exit_code == 0
        said.append(json.loads(done.stdout))
        assert len(left(workspace.models)) == (2 if words else 1)
    assert [one.pop("dry_run") for one in said] == [True, False]
    assert said[0] == said[1]
    assert [len(said[0][name]) for name in ("models", "datasets", "reports", "served")] == [1, 1, 0, 1]


def test_nothing_is_pruned_beside_an_erasure(workspace: Workspace, store: Store) -> None:
    from filelock import FileLock

    with FileLock(workspace.root / ".erasing.lock"), pytest.raises(StoreError, match="an erasure or a backup is running"):
        prune(workspace, store, 1, "ada")

"""Consent: a basis at the import, decisions of persons after it, and what the next dataset makes of both."""

from pathlib import Path

import pytest
from sqlalchemy import delete, update

from heedful.config import DatasetSettings
from heedful.dataset import build, build_dataset, load_split, show_dataset
from heedful.dataset.splits import SPLITS
from heedful.errors import DatasetError, StoreError
from heedful.lifecycle.ingest import ImportReport, import_file
from heedful.store.audit_check import check_trail
from heedful.store.consent import Statement, decide, history, permitted
from heedful.store.database import Store, open_store
from heedful.store.persons import find_person
from heedful.store.schema import Basis, Decision, Purpose
from heedful.store.schema_trust import ConsentEvent
from heedful.workspace import Workspace

PERSONS = ("ann-1", "bob-2", "cyd-3")


@pytest.fixture
def store(workspace: Workspace):
    opened = open_store(workspace.database)
    yield opened
    opened.close()


def row(person: str | None, number: int) -> str:
    owner = "" if person is None else f', "person": "{person}"'
    said = f"{person} question {number}?"
    return (
        f'{{"messages": [{{"role": "user", "content": "{said}"}}, {{"role": "assistant", "content": "Answer {said}"}}]{owner}}}\n'
    )


def file_of(folder: Path, name: str, *persons: str | None, each: int = 8) -> Path:
    path = folder / name
    path.write_text("".join(row(person, number) for person in persons for number in range(each)), encoding="utf-8")
    return path


def taken(store: Store, path: Path, basis: Basis = "none") -> ImportReport:
    return import_file(store, path, "tester", basis=basis)


def decided(store: Store, name: str, decision: Decision, purpose: Purpose = "training") -> None:
    with store.session() as session:
        person = find_person(session, name)
        assert person is not None
        decide(session, person.id, Statement(purpose, decision, "tester", form="2026-05"))


def strangers(store: Store, folder: Path) -> None:
    """Rows that name nobody, so that three sides can be filled when few persons are left: a person stays on one side."""
    taken(store, file_of(folder, "public.jsonl", None), "public")


def speakers(store: Store, workspace: Workspace) -> set[str]:
    """Which persons' questions the dataset that is built now holds."""
    built = build_dataset(store, workspace, DatasetSettings(identifiers="keep"), "", "tester")
    return {c.question.split()[0] for split in SPLITS for c in load_split(built.path, split)} - {"None"}


def count(store: Store, purpose: Purpose) -> int:
    with store.snapshot() as session:
        return len(list(session.scalars(permitted(purpose))))


def test_what_names_nobody_is_owned_unless_another_basis_is_stated(store: Store, tmp_path: Path) -> None:
    report = taken(store, file_of(tmp_path, "faq.jsonl", None))
    assert (report.basis, report.persons, report.consents) == ("owned", 0, 0)
    assert taken(store, file_of(tmp_path, "set.jsonl", None, each=9), "public").basis == "public"
    assert (count(store, "training"), count(store, "review"), count(store, "chat")) == (9, 9, 9)


def test_persons_train_nothing_until_a_basis_is_stated(store: Store, workspace: Workspace, tmp_path: Path) -> None:
    chats = file_of(tmp_path, "chats.jsonl", *PERSONS, None)
    report = taken(store, chats)
    assert (report.basis, report.persons, report.consents) == ("none", 3, 0)
    with pytest.raises(DatasetError, match=r"0 usable conversations .* dropped: no_basis 32"):
        speakers(store, workspace)
    again = taken(store, chats, "consent")
    assert (again.added, again.known, again.consents) == (0, 32, 3)
    assert speakers(store, workspace) == set(PERSONS)


def test_consent_and_withdrawal_count_from_the_next_build_on(store: Store, workspace: Workspace, tmp_path: Path) -> None:
    strangers(store, tmp_path)
    taken(store, file_of(tmp_path, "chats.jsonl", *PERSONS), "consent")
    taken(store, file_of(tmp_path, "later.jsonl", "dan-4"))
    assert speakers(store, workspace) == set(PERSONS)
    decided(store, "bob-2", "withdrawn")
    decided(store, "dan-4", "granted")  # of an import that is older than the last build
    assert speakers(store, workspace) == {"ann-1", "cyd-3", "dan-4"}
    decided(store, "bob-2", "granted")
    assert speakers(store, workspace) == {*PERSONS, "dan-4"}


def test_an_import_cannot_undo_a_withdrawal(store: Store, workspace: Workspace, tmp_path: Path) -> None:
    strangers(store, tmp_path)
    taken(store, file_of(tmp_path, "chats.jsonl", *PERSONS), "consent")
    decided(store, "ann-1", "withdrawn")
    for basis in ("consent", "owned", "public"):
        report = taken(store, file_of(tmp_path, "more.jsonl", "ann-1", each=20), basis)
        assert report.consents == 0
    assert speakers(store, workspace) == {"bob-2", "cyd-3"}


def test_a_withdrawal_beats_records_that_the_team_owns(store: Store, workspace: Workspace, tmp_path: Path) -> None:
    strangers(store, tmp_path)
    taken(store, file_of(tmp_path, "chats.jsonl", *PERSONS), "owned")
    assert count(store, "training") == 32
    decided(store, "cyd-3", "withdrawn")
    assert speakers(store, workspace) == {"ann-1", "bob-2"}


def test_purposes_are_apart(store: Store, tmp_path: Path) -> None:
    taken(store, file_of(tmp_path, "chats.jsonl", *PERSONS), "consent")
    assert (count(store, "training"), count(store, "review"), count(store, "chat")) == (24, 0, 0)
    decided(store, "ann-1", "granted", "review")
    decided(store, "ann-1", "withdrawn", "training")
    assert (count(store, "training"), count(store, "review"), count(store, "chat")) == (16, 8, 0)


def test_an_import_can_state_more_purposes(store: Store, tmp_path: Path) -> None:
    chats = file_of(tmp_path, "chats.jsonl", *PERSONS)
    report = import_file(store, chats, "tester", basis="consent", purposes=("review", "training"))
    assert report.consents == 3
    assert (count(store, "training"), count(store, "review"), count(store, "chat")) == (24, 24, 0)
    with store.snapshot() as session:
        assert check_trail(session) == []


def test_decisions_are_versions_that_nobody_can_rewrite(store: Store, tmp_path: Path) -> None:
    taken(store, file_of(tmp_path, "chats.jsonl", "ann-1"), "consent")
    decided(store, "ann-1", "withdrawn")
    decided(store, "ann-1", "granted", "review")
    decided(store, "ann-1", "granted")
    with store.snapshot() as session:
        person = find_person(session, "ann-1")
        assert person is not None
        told = [(e.purpose, e.version, e.decision, e.form, e.import_id) for e in history(session, person.id)]
    assert told == [
        ("training", 1, "granted", "", 1),
        ("training", 2, "withdrawn", "2026-05", None),
        ("review", 1, "granted", "2026-05", None),
        ("training", 3, "granted", "2026-05", None),
    ]
    for statement in (update(ConsentEvent).values(decision="granted"), delete(ConsentEvent)):
        with pytest.raises(StoreError, match="consent_events is append-only"), store.session() as session:
            session.execute(statement)


def test_a_withdrawal_while_a_dataset_is_built_stops_it(
    store: Store, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strangers(store, tmp_path)
    taken(store, file_of(tmp_path, "chats.jsonl", *PERSONS), "consent")
    write = build.write_lines

    def write_slowly(*arguments: object) -> object:
        written = write(*arguments)  # type: ignore[arg-type]
        decided(store, "ann-1", "withdrawn")
        return written

    monkeypatch.setattr(build, "write_lines", write_slowly)
    with pytest.raises(DatasetError, match="a person withdrew or was erased while the dataset was built"):
        speakers(store, workspace)
    assert list(workspace.datasets.iterdir()) == []
    monkeypatch.undo()
    assert speakers(store, workspace) == {"bob-2", "cyd-3"}


def test_the_manifest_says_under_which_consent_it_was_built(store: Store, workspace: Workspace, tmp_path: Path) -> None:
    taken(store, file_of(tmp_path, "chats.jsonl", *PERSONS), "consent")
    taken(store, file_of(tmp_path, "faq.jsonl", None))
    decided(store, "ann-1", "withdrawn")
    built = build_dataset(store, workspace, DatasetSettings(identifiers="keep"), "", "tester")
    assert built.dropped["no_basis"] == 8
    manifest = show_dataset(workspace, built.id)
    assert manifest["consent"] == {"events": 4, "persons": 3, "basis_consent": 24, "basis_owned": 8}
    assert "- 8, because each had no basis for training" in (built.path / "card.md").read_text()


def test_a_dataset_lists_no_file_of_somebody_who_is_not_in_it(store: Store, workspace: Workspace, tmp_path: Path) -> None:
    """The name of a file may name the person."""
    taken(store, file_of(tmp_path, "faq.jsonl", None, each=20))
    taken(store, file_of(tmp_path, "ann-1.jsonl", "ann-1"), "consent")
    decided(store, "ann-1", "withdrawn")
    built = build_dataset(store, workspace, DatasetSettings(), "", "tester")
    assert "ann-1" not in "".join(path.read_text() for path in built.path.iterdir())

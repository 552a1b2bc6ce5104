"""Building a dataset from a real store: exact rows, counts, splits, immutability, and what a failure leaves behind."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select, text

from heedful.config import DatasetSettings
from heedful.conversation import Conversation, Message
from heedful.dataset import BuiltDataset, build_dataset, dataset_dir, list_datasets, load_split, show_dataset
from heedful.dataset.splits import SPLITS
from heedful.errors import DatasetError, StoreError, WorkspaceError
from heedful.store.conversations import add_conversations, iterate_conversations
from heedful.store.database import Store, open_store
from heedful.store.schema import AuditEvent, ConversationRow, DatasetMember, DatasetVersion, Import
from heedful.workspace import Workspace, create_workspace, sha256

PROMPT = "Be kind."
SETTINGS = DatasetSettings()


@pytest.fixture
def store(workspace: Workspace):
    opened = open_store(workspace.database, wait_s=0.05)
    yield opened
    opened.close()


def chat(question: str, answer: str = "An answer.", group: str = "") -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)), group)


def questions(count: int, answers: int = 2) -> list[Conversation]:
    """`answers` different answers to each of `count` questions."""
    return [chat(f"Question {q}?", f"Answer {a} to question {q}.") for q in range(count) for a in range(answers)]


def take_in(store: Store, conversations: Iterable[Conversation], path: str = "data/file.csv") -> None:
    with store.session() as session:
        entry = Import(path=path, format="csv", sha256=hashlib.sha256(path.encode()).hexdigest(), basis="owned")
        session.add(entry)
        session.flush()
        add_conversations(session, entry.id, ((number, c, None) for number, c in enumerate(conversations, start=1)))


def build(store: Store, workspace: Workspace, settings: DatasetSettings = SETTINGS) -> BuiltDataset:
    return build_dataset(store, workspace, settings, PROMPT, "tester")


def snapshot_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def rows_of(store: Store, dataset_id: str) -> list[tuple[int, str, int]]:
    query = select(DatasetMember.conversation_id, DatasetMember.split, DatasetMember.position)
    with store.snapshot() as session:
        found = session.execute(query.where(DatasetMember.dataset_id == dataset_id).order_by(DatasetMember.conversation_id))
        return [(key, split, position) for key, split, position in found]


def test_counts_files_and_rows_agree(store: Store, workspace: Workspace) -> None:
    conversations = questions(50)
    take_in(store, conversations)
    built = build(store, workspace)
    assert built.counts == {"train": 80, "validation": 10, "test": 10}
    assert set(built.dropped.values()) == {0}
    assert (built.path, built.existing) == (workspace.datasets / built.id, False)
    assert sorted(path.name for path in built.path.iterdir()) == [
        "card.html",
        "card.md",
        "manifest.json",
        "test.jsonl",
        "train.jsonl",
        "validation.jsonl",
    ]

    splits = {split: load_split(built.path, split) for split in SPLITS}
    assert {split: len(rows) for split, rows in splits.items()} == built.counts
    members = rows_of(store, built.id)
    assert [key for key, _, _ in members] == list(range(1, 101))
    for key, split, position in members:
        assert splits[split][position].messages == (Message("system", PROMPT), *conversations[key - 1].messages)


def test_lines_are_exact(store: Store, workspace: Workspace) -> None:
    own = Conversation(
        (
            Message("system", "Be brief."),
            Message("user", "Où?"),
            Message("assistant", "Là 🙂"),
            Message("user", "Ah"),
            Message("assistant", "Oui."),
        )
    )
    take_in(store, [own, chat('Say "so"\n!'), *questions(10, 1)])
    built = build(store, workspace)
    lines = [line for split in SPLITS for line in (built.path / f"{split}.jsonl").read_bytes().decode().split("\n") if line]
    assert len(lines) == 12
    assert (
        '{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Où?"}, '
        '{"role": "assistant", "content": "Là 🙂"}, {"role": "user", "content": "Ah"}, {"role": "assistant", "content": "Oui."}]}'
    ) in lines
    assert (
        '{"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Say \\"so\\"\\n!"}, '
        '{"role": "assistant", "content": "An answer."}]}'
    ) in lines


@pytest.mark.parametrize("seed", range(5))
def test_no_question_is_on_two_sides(store: Store, workspace: Workspace, seed: int) -> None:
    tags = [chat(f"Pattern {n % 25}", f"Response {n}", group=f"tag {n // 6}") for n in range(60)]
    take_in(store, [*questions(30, 3), *[chat(f"QUESTION  {q}?", "Yet another.") for q in range(30)], *tags])
    built = build(store, workspace, DatasetSettings(seed=seed))
    sides = [{" ".join(c.question.casefold().split()) for c in load_split(built.path, split)} for split in SPLITS]
    assert all(sides)
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    with store.snapshot() as session:
        groups = {one.id: one.conversation.group for one in iterate_conversations(session)}
    sides_of_tag: dict[str, set[str]] = {}
    for key, split, _ in rows_of(store, built.id):
        sides_of_tag.setdefault(groups[key], set()).add(split)
    assert all(len(split) == 1 for tag, split in sides_of_tag.items() if tag)


def test_every_drop_is_counted(store: Store, workspace: Workspace) -> None:
    bad = [
        chat("Hello?", ""),
        chat("Hm?", "x"),
        chat("Long?", "y" * 200),
        chat("question  0?", "ANSWER 0 to question 0."),
        chat("Hm?", "z"),
    ]
    take_in(store, [*questions(20), *bad, questions(1)[0]])
    built = build(store, workspace, DatasetSettings(max_characters=100, max_samples=30))
    met = {reason: count for reason, count in built.dropped.items() if count}
    assert met == {"no_answer": 1, "too_short": 2, "too_long": 1, "exact_duplicate": 2, "not_sampled": 10}
    assert sum(built.counts.values()) == 30
    assert sum(built.dropped.values()) + 30 == show_dataset(workspace, built.id)["input"]["conversations"] == 46


def test_building_again_writes_nothing(store: Store, workspace: Workspace) -> None:
    take_in(store, questions(20))
    first = build(store, workspace)
    before, rows = snapshot_of(first.path), rows_of(store, first.id)
    take_in(store, questions(20), "the/same/rows.csv")
    again = build(store, workspace)
    assert (again.id, again.counts, again.dropped, again.existing) == (first.id, first.counts, first.dropped, True)
    assert snapshot_of(first.path) == before
    assert rows_of(store, first.id) == rows
    with store.snapshot() as session:
        assert [event.subject for event in session.scalars(select(AuditEvent))] == [first.id]


def test_other_data_settings_or_prompt_make_another_version(store: Store, workspace: Workspace) -> None:
    take_in(store, questions(20))
    first = build(store, workspace)
    before = snapshot_of(first.path)
    reseeded = build(store, workspace, DatasetSettings(seed=8))
    prompted = build_dataset(store, workspace, SETTINGS, "Be brief.", "tester")
    take_in(store, [chat("Something new?")])
    grown = build(store, workspace)
    assert len({first.id, reseeded.id, prompted.id, grown.id}) == 4
    assert not any(built.existing for built in (reseeded, prompted, grown))
    assert snapshot_of(first.path) == before
    assert [dataset["id"] for dataset in list_datasets(workspace)] == [first.id, reseeded.id, prompted.id, grown.id]


def test_equal_stores_give_equal_versions_and_order_moves_nobody(tmp_path: Path) -> None:
    def made(name: str, conversations: list[Conversation]) -> tuple[str, dict[str, set[str]]]:
        workspace = create_workspace(tmp_path / name, "")
        store = open_store(workspace.database)
        take_in(store, conversations)
        built = build(store, workspace, DatasetSettings(max_samples=60))
        store.close()
        return built.id, {split: {c.fingerprint() for c in load_split(built.path, split)} for split in SPLITS}

    one, two, turned = made("one", questions(40)), made("two", questions(40)), made("turned", questions(40)[::-1])
    assert one == two
    assert turned[1] == one[1]


def test_manifest(store: Store, workspace: Workspace) -> None:
    take_in(store, questions(10), "one.csv")
    take_in(store, questions(11), "two.csv")
    built = build(store, workspace)
    manifest = show_dataset(workspace, built.id)
    with store.snapshot() as session:
        fingerprints = "".join(session.scalars(select(ConversationRow.fingerprint).order_by(ConversationRow.id)))
        version = session.scalars(select(DatasetVersion)).one()
        event = session.scalars(select(AuditEvent)).one()
    assert manifest["input"] == {"conversations": 22, "fingerprints_sha256": hashlib.sha256(fingerprints.encode()).hexdigest()}
    assert manifest["sources"] == [
        {"path": "one.csv", "format": "csv", "sha256": hashlib.sha256(b"one.csv").hexdigest(), "conversations": 20},
        {"path": "two.csv", "format": "csv", "sha256": hashlib.sha256(b"two.csv").hexdigest(), "conversations": 2},
    ]
    assert (manifest["kind"], manifest["id"], manifest["counts"], manifest["dropped"]) == (
        "dataset",
        built.id,
        built.counts,
        built.dropped,
    )
    assert manifest["settings"] == json.loads(SETTINGS.model_dump_json(exclude={"workers"}))
    assert manifest["changed"] == {"signature_cut": 0}
    assert manifest["system_prompt"] == PROMPT
    assert (sum(manifest["groups"].values()), manifest["largest_group"]) == (11, 2)
    assert sorted(manifest["files"]) == ["card.html", "card.md", "test.jsonl", "train.jsonl", "validation.jsonl"]
    assert version.manifest_sha256 == sha256(built.path / "manifest.json")
    assert (version.id, version.counts, version.settings) == (built.id, built.counts, manifest["settings"])
    assert version.created_at.isoformat() == manifest["created_at"]
    assert (event.actor, event.action, event.subject) == ("tester", "dataset.build", built.id)
    assert event.detail == {"counts": built.counts, "dropped": built.dropped}


def test_card_is_readable_and_holds_nobody_s_words(store: Store, workspace: Workspace) -> None:
    take_in(store, [*questions(20), chat("Hm?", "x"), chat("Hm?", "y"), questions(1)[0]], "/home/ann/exports/file.csv")
    built = build(store, workspace)
    card = (built.path / "card.md").read_text(encoding="utf-8")
    assert card.startswith(f"# Dataset {built.id}\n\nBuilt on ")
    for line in (
        "| train.jsonl | learning | 32 | 16 |",
        "| test.jsonl | proving the result; never learned from | 4 | 2 |",
        "| messages in a conversation | 2 | 2 | 2 | 2 |",
        "| characters in an answer | 23 | 23 | 24 | 24 |",
        "- 2, because each had an answer shorter than 2 characters (`too_short`)",
        "- 1, because it repeated an earlier one, but for letter case and spaces (`exact_duplicate`)",
        f"| file.csv | csv | 43 | `{hashlib.sha256(b'/home/ann/exports/file.csv').hexdigest()[:16]}` |",
        "Wanted: 80% to learn from, 10% to decide when to stop, 10% to prove the result. All answers to one",
    ):
        assert line in card.splitlines()
    for private in ("Question 1", "Answer 1", "ann", PROMPT):
        assert private not in card


@pytest.mark.parametrize(
    ("conversations", "told"),
    [
        ([], "0 usable conversations with 0 different questions or groups are too few; a dataset needs at least 10 and 3 "
             "(in the store: 0; dropped: none)"),
        ([*questions(4), chat("Hm?", "x")], "8 usable conversations with 4 different questions or groups are too few; "
             "a dataset needs at least 10 and 3 (in the store: 9; dropped: too_short 1)"),
        (questions(2, 10), "20 usable conversations are only 2 bundles, and each of the three files needs one of its own: "
             "all of one person, of one question and of one group stay together (in the store: 20; dropped: none)"),
    ],
)  # fmt: skip
def test_too_little_is_refused(store: Store, workspace: Workspace, conversations: list[Conversation], told: str) -> None:
    take_in(store, conversations)
    with pytest.raises(DatasetError) as refused:
        build(store, workspace)
    assert refused.value.text == told
    assert refused.value.next_step.startswith("heedful import FILE")
    assert list(workspace.datasets.iterdir()) == []


def test_the_smallest_dataset_has_three_sides(store: Store, workspace: Workspace) -> None:
    take_in(store, [*questions(1, 8), *questions(3, 1)[1:]])
    assert build(store, workspace).counts == {"train": 8, "validation": 1, "test": 1}


def nothing_was_built(store: Store, workspace: Workspace) -> bool:
    with store.snapshot() as session:
        rows = [session.scalar(select(func.count()).select_from(table)) for table in (DatasetVersion, DatasetMember, AuditEvent)]
    return rows == [0, 0, 0] and list(workspace.datasets.iterdir()) == []


def test_a_refused_row_leaves_no_directory(store: Store, workspace: Workspace) -> None:
    take_in(store, questions(20))
    with store.session() as session:
        session.execute(text("CREATE TRIGGER stop BEFORE INSERT ON dataset_members BEGIN SELECT RAISE(ABORT, 'no more'); END"))
    with pytest.raises(StoreError, match="refused: no more"):
        build(store, workspace)
    assert nothing_was_built(store, workspace)


def test_another_writer_leaves_no_directory(store: Store, workspace: Workspace) -> None:
    take_in(store, questions(20))
    other = sqlite3.connect(workspace.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="is in use by another program"):
        build(store, workspace)
    other.close()
    assert nothing_was_built(store, workspace)
    assert not build(store, workspace).existing


def test_two_builds_at_the_same_time_make_one_version(store: Store, workspace: Workspace) -> None:
    """Two threads survey the same store before either has written; the second one is told, and leaves nothing of its own."""
    take_in(store, questions(20))
    patient = open_store(workspace.database, wait_s=20)
    with store.session() as lock, ThreadPoolExecutor(2) as threads:  # both get as far as the writer's lock
        running = [threads.submit(build, patient, workspace) for _ in range(2)]
        while len(list(workspace.datasets.glob(".part-*/manifest.json"))) < 2:
            time.sleep(0.01)
        lock.rollback()
        errors = [done.exception() for done in running]
    patient.close()
    [made] = [done.result() for done, error in zip(running, errors, strict=True) if error is None]
    [error] = [error for error in errors if error is not None]
    assert str(error) == f"dataset {made.id} was built by another program just now"
    assert [path.name for path in workspace.datasets.iterdir()] == [made.id]
    assert len(rows_of(store, made.id)) == 40


def test_a_directory_without_rows_is_healed(store: Store, workspace: Workspace) -> None:
    """What a crash between the last two steps leaves."""
    take_in(store, questions(20))
    built = build(store, workspace)
    before, rows = snapshot_of(built.path), rows_of(store, built.id)
    with store.session() as session:
        session.execute(delete(DatasetMember))
        session.execute(delete(DatasetVersion))
    assert build(store, workspace).existing
    assert rows_of(store, built.id) == rows
    assert snapshot_of(built.path) == before


def test_a_lost_directory_is_written_again(store: Store, workspace: Workspace) -> None:
    take_in(store, questions(20))
    built = build(store, workspace)
    before, rows = snapshot_of(built.path), rows_of(store, built.id)
    built.path.rename(workspace.root / "elsewhere")
    again = build(store, workspace)
    assert (again.id, again.existing) == (built.id, False)
    assert rows_of(store, built.id) == rows
    assert (again.path / "train.jsonl").read_bytes() == before["train.jsonl"][0]
    with store.snapshot() as session:
        assert session.scalars(select(DatasetVersion.manifest_sha256)).one() == sha256(again.path / "manifest.json")


def test_a_changed_file_is_noticed(store: Store, workspace: Workspace) -> None:
    take_in(store, questions(20))
    built = build(store, workspace)
    with (built.path / "test.jsonl").open("a") as stream:
        stream.write("{}\n")
    for look in (lambda: show_dataset(workspace, built.id), lambda: build(store, workspace)):
        with pytest.raises(WorkspaceError, match="is not the file that was written"):
            look()
    with pytest.raises(DatasetError, match=r"test\.jsonl, row 5: damaged"):
        load_split(built.path, "test")
    (built.path / "test.jsonl").unlink()
    with pytest.raises(DatasetError, match="is no whole dataset"):
        load_split(built.path, "test")


def test_an_unknown_id_names_the_known_ones(store: Store, workspace: Workspace) -> None:
    with pytest.raises(DatasetError) as refused:
        dataset_dir(workspace, "ds-none")
    assert (refused.value.text, refused.value.next_step) == (
        "there is no dataset 'ds-none'; there is: none yet",
        "heedful dataset build",
    )
    take_in(store, questions(20))
    built = build(store, workspace)
    assert dataset_dir(workspace, built.id) == built.path
    for unknown in ("ds-none", "", "..", f"../datasets/{built.id}", "train"):
        with pytest.raises(DatasetError) as refused:
            show_dataset(workspace, unknown)
        assert refused.value.text == f"there is no dataset {unknown!r}; there is: {built.id}"
    with pytest.raises(DatasetError, match="there is no split 'dev'; there is: train, validation, test"):
        load_split(built.path, "dev")


def test_half_written_directories_are_not_listed(store: Store, workspace: Workspace) -> None:
    take_in(store, questions(20))
    built = build(store, workspace)
    (workspace.datasets / ".part-ds-0123456789-abcd").mkdir()
    (workspace.datasets / "notes").mkdir()
    [listed] = list_datasets(workspace)
    assert (listed["id"], listed["counts"]) == (built.id, built.counts)
    assert set(listed) == {"id", "created_at", "counts"}

"""What was test in one round is test in every later round, through a real store and real dataset directories."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import create_engine, delete, select, text

from heedful.config import DatasetSettings
from heedful.conversation import Conversation, Message
from heedful.dataset import BuiltDataset, build_dataset, load_split
from heedful.dataset.splits import SPLITS
from heedful.errors import DatasetError
from heedful.store.assignments import assignments, freeze
from heedful.store.conversations import add_conversations, iterate_conversations
from heedful.store.database import Store, open_store
from heedful.store.schema import ConversationRow, DatasetMember, Import, SplitAssignment
from heedful.store.schema_version import alembic_config
from heedful.workspace import Workspace


@pytest.fixture
def store(workspace: Workspace):
    opened = open_store(workspace.database)
    yield opened
    opened.close()


def chat(question: str, answer: str = "An answer.") -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)))


def take_in(store: Store, rows: Iterable[tuple[Conversation, str | None]]) -> None:
    with store.session() as session:
        entry = Import(path="file.csv", format="csv", sha256="0" * 64, basis="owned")
        session.add(entry)
        session.flush()
        add_conversations(session, entry.id, [(n, conversation, person) for n, (conversation, person) in enumerate(rows)])


def build(store: Store, workspace: Workspace, settings: DatasetSettings | None = None) -> BuiltDataset:
    return build_dataset(store, workspace, DatasetSettings() if settings is None else settings, "", "tester")


def sides(built: BuiltDataset) -> dict[str, str]:
    """Question -> side."""
    return {c.question: split for split in SPLITS for c in load_split(built.path, split)}


def topics(*names: str, each: int = 1) -> list[tuple[Conversation, None]]:
    return [(chat(f"Something about {name}?", f"Answer {n} on {name}."), None) for name in names for n in range(each)]


def names(start: int, end: int) -> list[str]:
    return [f"subject {chr(97 + n // 26) * 5}{chr(97 + n % 26) * 7}" for n in range(start, end)]


def test_later_rounds_keep_every_side_whatever_the_seed_the_shares_and_the_sample(store: Store, workspace: Workspace) -> None:
    take_in(store, topics(*names(0, 40)))
    first = sides(build(store, workspace))
    take_in(store, topics(*names(40, 120), each=2))
    for settings in (
        DatasetSettings(),
        DatasetSettings(seed=99),
        DatasetSettings(split=(0.5, 0.25, 0.25)),
        DatasetSettings(max_samples=60),
        DatasetSettings(),
    ):
        later = sides(build(store, workspace, settings))
        assert {question: later[question] for question in first if question in later} == {
            question: side for question, side in first.items() if question in later
        }
        first |= later
    assert build(store, workspace).counts == {"train": 160, "validation": 20, "test": 20}


def test_a_person_stays_on_one_side_and_what_would_bridge_is_left_out(store: Store, workspace: Workspace) -> None:
    take_in(store, [*((c, f"p{n // 2}") for n, (c, _) in enumerate(topics(*names(0, 80)))), *topics(*names(80, 100))])
    built = build(store, workspace)
    first = sides(built)
    assert len({(n // 2, first[c.question]) for n, (c, _) in enumerate(topics(*names(0, 80)))}) == 40
    of_person = {f"p{n // 2}": first[c.question] for n, (c, _) in enumerate(topics(*names(0, 80)))}
    tested, learned = (next(p for p, side in of_person.items() if side == wanted) for wanted in ("test", "train"))
    trained_question = next(question for question, side in first.items() if side == "train")
    take_in(
        store,
        [(chat("New words of hers.", "An answer."), tested), (chat("Quite another thing.", "An answer."), learned),
         (chat(trained_question, "Another answer of another person."), tested)],
    )  # fmt: skip
    again = build(store, workspace)
    assert again.dropped["between_splits"] == 1
    later = sides(again)
    assert (later["New words of hers."], later["Quite another thing."]) == ("test", "train")
    assert {question: later[question] for question in first} == first
    assert "was tied to questions of two files" in (again.path / "card.md").read_text()


def test_nothing_new_for_an_empty_side_is_told(store: Store, workspace: Workspace) -> None:
    take_in(store, topics(*names(0, 12)))
    first = sides(build(store, workspace))
    with store.session() as session:
        gone = [one.id for one in iterate_conversations(session) if first[one.conversation.question] != "train"]
        session.execute(delete(DatasetMember).where(DatasetMember.conversation_id.in_(gone)))
        session.execute(delete(ConversationRow).where(ConversationRow.id.in_(gone)))
    with pytest.raises(DatasetError) as refused:
        build(store, workspace)
    assert refused.value.text == (
        "nothing is left for test: what is here was used otherwise in an earlier dataset, and must not change sides"
    )


def test_a_side_that_somebody_else_gave_meanwhile_is_not_overwritten(store: Store) -> None:
    with store.session() as session:
        assert freeze(session, {"q:a": "test", "q:b": "train"})
        assert freeze(session, {"q:a": "test", "q:c": "train"})
        assert not freeze(session, {"q:d": "train", "q:b": "test"})
        assert assignments(session, ["q:a", "q:b", "q:c", "q:d"]) == {"q:a": "test", "q:b": "train", "q:c": "train"}
        assert {len(row.key) for row in session.scalars(select(SplitAssignment))} == {64}  # keyed hashes


def test_members_of_an_older_database_are_kept(tmp_path: Path) -> None:
    older = create_engine(f"sqlite:///{tmp_path / 'older.db'}")
    with older.begin() as connection:
        command.upgrade(alembic_config(connection), "0002")
        connection.execute(text("INSERT INTO dataset_members VALUES ('ds-1', 5, 'test', 3)"))
        command.upgrade(alembic_config(connection), "0003")
        connection.execute(text("INSERT INTO dataset_members VALUES ('ds-1', 5, 'train', 9)"))  # a line made of several
        found = connection.execute(text("SELECT * FROM dataset_members ORDER BY position")).all()
    older.dispose()
    assert found == [("ds-1", 5, "test", 3), ("ds-1", 5, "train", 9)]

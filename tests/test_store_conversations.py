"""Conversations in and out of the store: identity, batches, persons, and nothing half imported."""

import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from heedful.conversation import Conversation, Message
from heedful.errors import StoreError
from heedful.store.conversations import BATCH, Added, Row, add_conversations, iterate_conversations
from heedful.store.database import Store, open_store
from heedful.store.imports import Contribution, contributions
from heedful.store.occurrences import counting
from heedful.store.persons import name_of
from heedful.store.schema import Base, ConversationRow, Import, MessageRow, Person


@pytest.fixture
def store(tmp_path: Path):
    opened = open_store(tmp_path / "heedful.db")
    yield opened
    opened.close()


def chat(*texts: str, group: str = "") -> Conversation:
    """User and assistant in turns."""
    return Conversation(tuple(Message("assistant" if n % 2 else "user", text) for n, text in enumerate(texts)), group)


def take_in(store: Store, rows: Iterable[Row], path: str = "file.csv") -> Added:
    with store.session() as session:
        entry = Import(path=path, format="csv", sha256="0" * 64, basis="owned")
        session.add(entry)
        session.flush()
        return add_conversations(session, entry.id, rows)


def held(store: Store) -> list[tuple[int, Conversation]]:
    with store.snapshot() as session:
        return [(one.id, one.conversation) for one in iterate_conversations(session)]


def numbered(*conversations: Conversation) -> list[Row]:
    return [(number, conversation, None) for number, conversation in enumerate(conversations, start=1)]


def test_what_goes_in_comes_out(store: Store) -> None:
    first = Conversation(
        (Message("system", "Be kind."), Message("user", "Hi\n\n“there” 🙂"), Message("assistant", " Hello. ")), "greeting"
    )
    second, third = chat("Why?", "Because.", "Really?", "Yes."), Conversation(())
    assert take_in(store, numbered(first, second, third)) == Added(3, 0)
    assert held(store) == [(1, first), (2, second), (3, third)]


def test_the_same_file_twice_adds_nothing(store: Store) -> None:
    rows = numbered(chat("a", "b"), chat("c", "d"), chat("a", "b"))
    assert take_in(store, rows) == Added(3, 0)
    assert take_in(store, rows) == Added(0, 3)
    assert [conversation for _, conversation in held(store)] == [chat("a", "b"), chat("c", "d"), chat("a", "b")]


def test_equal_conversations_are_counted_within_one_import(store: Store) -> None:
    take_in(store, numbered(chat("a", "b")))
    assert take_in(store, numbered(chat("a", "b"), chat("a", "b"), chat("new", "b"))) == Added(2, 1)
    with store.snapshot() as session:
        query = select(ConversationRow.import_id, ConversationRow.row, ConversationRow.occurrence).order_by(ConversationRow.id)
        assert [tuple(found) for found in session.execute(query)] == [(1, 1, 0), (2, 2, 1), (2, 3, 0)]


def test_more_than_one_batch(store: Store) -> None:
    conversations = [chat(f"question {number % (BATCH + 5)}", "answer") for number in range(2 * BATCH + 10)]
    assert take_in(store, numbered(*conversations)) == Added(2 * BATCH + 10, 0)
    assert [conversation for _, conversation in held(store)] == conversations
    assert take_in(store, numbered(*reversed(conversations))) == Added(0, 2 * BATCH + 10)


def test_two_persons_keep_the_same_words_apart(store: Store) -> None:
    """Or erasing one would take the other's, and a later import could not tell whose they are."""
    rows = [(1, chat("a", "b"), "ann"), (2, chat("a", "b"), "bob"), (3, chat("a", "b"), None)]
    assert take_in(store, rows) == Added(3, 0)
    assert take_in(store, rows[1:]) == Added(0, 2)


def test_a_sealed_text_does_not_open_elsewhere(store: Store) -> None:
    take_in(store, [(1, chat("a", "b"), "ann"), (2, chat("c", "d"), "ann")])
    with store.session() as session:
        first, second = session.scalars(select(MessageRow).where(MessageRow.position == 0))
        first.sealed_content, second.sealed_content = second.sealed_content, first.sealed_content
    with pytest.raises(StoreError, match="message: what is sealed there does not open"):
        held(store)


def test_persons_are_made_once(store: Store) -> None:
    take_in(store, [(1, chat("a", "b"), "ann"), (2, chat("c", "d"), None), (3, chat("e", "f"), "bob"), (4, chat("g", "h"), "ann")])
    take_in(store, [(1, chat("i", "j"), "bob"), (2, chat("k", "l"), "cyd")])
    with store.snapshot() as session:
        persons = {person.id: name_of(session, person) for person in session.scalars(select(Person))}
        rows = session.scalars(select(ConversationRow).order_by(ConversationRow.id))
        assert [(row.row, persons.get(row.person_id)) for row in rows] == [
            (1, "ann"),
            (2, None),
            (3, "bob"),
            (4, "ann"),
            (1, "bob"),
            (2, "cyd"),
        ]
        assert session.scalar(select(func.count(Person.id))) == 3


def test_an_error_on_the_way_leaves_nothing(store: Store) -> None:
    def rows() -> Iterator[Row]:
        for number in range(BATCH + 1):
            yield number + 1, chat(f"question {number}", "answer"), f"person {number}"
        raise ValueError("row 2002 is broken")

    with pytest.raises(ValueError, match="row 2002 is broken"):
        take_in(store, rows())
    with store.snapshot() as session:
        for table in (Import, ConversationRow, MessageRow, Person):
            assert session.scalar(select(func.count(table.id))) == 0


def test_nothing_to_import(store: Store) -> None:
    assert take_in(store, []) == Added(0, 0)
    assert held(store) == []


def test_contributions_leave_out_files_that_added_nothing(store: Store) -> None:
    take_in(store, numbered(chat("a", "b"), chat("c", "d")), "one.csv")
    take_in(store, numbered(chat("a", "b")), "same.csv")
    take_in(store, numbered(chat("e", "f")), "two.csv")
    with store.snapshot() as session:
        assert contributions(session) == [Contribution("one.csv", "csv", "0" * 64, 2), Contribution("two.csv", "csv", "0" * 64, 1)]


def test_reading_holds_a_batch_not_the_store(store: Store) -> None:
    size, count = 2_000, 5_000
    take_in(store, ((number, chat(f"{number}" + "q" * size, "a" * size), None) for number in range(count)))
    tracemalloc.start()
    with store.snapshot() as session:
        read = sum(1 for _ in iterate_conversations(session))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read == count
    assert peak < 3 * BATCH * size < 2 * size * count  # bytes: two batches of messages and change, less than the whole


def test_removing_a_conversation_removes_its_messages(store: Store) -> None:
    take_in(store, numbered(chat("a", "b"), chat("c", "d")))
    with store.session() as session:
        session.delete(session.get_one(ConversationRow, 1))
    with store.snapshot() as session:
        assert list(session.scalars(select(MessageRow.conversation_id).order_by(MessageRow.id))) == [2, 2]
    assert held(store) == [(2, chat("c", "d"))]


def test_texts_of_people_are_in_sealed_columns_only() -> None:
    """What erasure and encryption rely on: a new column of free text must be thought about here."""
    free = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if str(column.type) == "TEXT"
    }
    assert free == {
        "imports.path", "model_versions.base", "alias_events.actor", "alias_events.reason", "audit_events.actor",
        "audit_events.subject", "consent_events.actor", "erasures.actor", "review_items.actor",
        "handovers.model", "handovers.acknowledged_by", "replies.model", "uploads.problem", "api_keys.name", "api_keys.created_by",
        "training_runs.requested_by", "training_runs.error", "training_run_events.message",
        "experiments.reason", "experiments.actor", "experiment_ends.reason", "experiment_ends.actor", "pair_judgements.actor",
        "handovers.subject",  # what the calling program calls the person: read by the team in a hurry, removed by an erasure
    }  # fmt: skip
    sealed = {str(c) for table in Base.metadata.tables.values() for c in table.columns if str(c.type) == "BLOB"}
    assert sealed == {
        "vault.sealed_index_key", "data_keys.sealed_key", "persons.sealed_name", "conversations.sealed_group",
        "messages.sealed_content", "corrections.sealed_content", "feedback.sealed_comment",
        "reply_pairs.sealed_chat", "reply_pairs.sealed_champion", "reply_pairs.sealed_challenger",
        "uploads.sealed_name", "upload_parts.sealed_content",
    }  # fmt: skip


def test_occurrences_are_counted_over_batches_and_leave_no_table(store: Store) -> None:
    with store.session() as session:
        for _ in range(2):
            with counting(session) as count:
                assert count(["a", "b", "a"]) == [0, 0, 1]
                assert count(["a", "c", "b", "a"]) == [2, 0, 1, 3]
        assert session.execute(text("SELECT count(*) FROM sqlite_temp_master")).scalar() == 0


def test_counting_occurrences_keeps_memory_flat(store: Store) -> None:
    """Memory is full after a few batches: what is counted lies on the disk. 80,000 fingerprints more are 9 MB as texts alone."""
    peaks = []
    with store.session() as session, counting(session) as count:
        tracemalloc.start()
        for few in (range(10), range(10, 50)):
            for batch in few:
                count([f"{batch * BATCH + number:064}" for number in range(BATCH)])
            peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 1_000_000

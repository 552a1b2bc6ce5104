"""Sources: the real files beside the repository, with their right number of conversations and the reason why it is that number."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from heedful.conversation import Conversation
from heedful.lifecycle.ingest import ImportReport, import_file
from heedful.sources import BadRow, Counts, Hints, Passed, Source, SourceRow, find, read
from heedful.sources.text import clean
from heedful.store.conversations import iterate_conversations
from heedful.store.database import open_store
from heedful.workspace import Workspace

pytestmark = pytest.mark.shared
REPEATED = "intents whose tag an earlier one has; they are one group"
WORDLESS = "intents without a pattern in words"


@dataclass(frozen=True)
class Expected:
    """What must come of a file or folder, and why."""

    format: str
    conversations: int
    why: str
    repaired: int = 0
    files: int = 1
    known: int = 0
    passed_over: dict[str, int] = field(default_factory=dict)
    noted: dict[str, int] = field(default_factory=dict)


UNREADABLE = "files that hold no conversations"
SETS = {
    "counsel_chat/counsel_chat.csv": Expected("pairs", 2012, "each record of the table is one answer to one question"),
    "counsel_chat/context_response.jsonl": Expected("pairs", 2012, "each line is one answer to one question"),
    "counsel_chat": Expected(
        "pairs", 4024, "both files; all but 9 answers are the same conversation in both shapes; the licence is none", 0, 2, 2003,
        {UNREADABLE: 1},
    ),
    "intents/intents.json": Expected(
        "intents", 287, "282 patterns in words, each once, and 5 more for responses that outnumber their patterns", 2, 1, 0,
        {WORDLESS: 1}, {REPEATED: 1},
    ),
    "faq/Mental_Health_FAQ.csv": Expected("pairs", 98, "each record of the table is one question", 4),
    "medquad/4_MPlus_Health_Topics_QA.jsonl": Expected("pairs", 981, "each line is one question"),
    "medquad/5_NIDDK_QA.jsonl": Expected("pairs", 1192, "each line is one question"),
    "medquad/9_CDC_QA.jsonl": Expected("pairs", 270, "each line is one question"),
    "medquad": Expected("pairs", 2443, "all three files; the licence is no conversation", 0, 3, 0, {UNREADABLE: 1}),
    "esconv_dev/esconv_dev_reconstructed.jsonl": Expected("chat", 211, "each line is one dialogue"),
    "smile_zh/smilechat_1000.jsonl": Expected(
        "chat", 1000, "each line is one dialogue; the two that nobody answered are no broken rows, the dataset leaves them out"
    ),
    "pretrain/dialog_taskmaster.txt.xz": Expected("chat", 7377, "talks with a blank line between them", 23),
}  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_every_set_imports_with_its_right_number_of_conversations(shared_data: Path, workspace: Workspace, name: str) -> None:
    report = take(workspace, shared_data / name)
    expected = SETS[name]
    assert (report.format, report.conversations, report.files) == (expected.format, expected.conversations, expected.files)
    assert (report.added, report.known, report.skipped) == (expected.conversations - expected.known, expected.known, 0)
    assert (report.repaired, report.passed_over, report.noted) == (expected.repaired, expected.passed_over, expected.noted)


def take(workspace: Workspace, path: Path) -> ImportReport:
    store = open_store(workspace.database)
    try:
        return import_file(store, path, "test")
    finally:
        store.close()


def read_all(path: Path) -> tuple[Source, list[Conversation]]:
    source = next(find(path, Hints(), Passed()))
    rows = list(read(source))
    assert not [row for row in rows if isinstance(row, BadRow)]
    return source, [row.conversation for row in rows if isinstance(row, SourceRow)]


def test_intents_cover_all_tags_and_texts(shared_data: Path) -> None:
    source, conversations = read_all(shared_data / "intents" / "intents.json")
    assert len({conversation.group for conversation in conversations}) == 128  # 130 intents, one tag twice, one without words
    intents = [intent for intent in json.loads(source.path.read_text(encoding="utf-8"))["intents"] if any(intent["patterns"])]
    asked = Counter((conversation.group, conversation.question) for conversation in conversations)
    answered = {(conversation.group, conversation.answers[0]) for conversation in conversations}
    assert sum(len(intent["patterns"]) for intent in intents) == 282
    assert set(asked) == {(i["tag"], clean(pattern, "", Counts())) for i in intents for pattern in i["patterns"]}
    assert answered == {(i["tag"], clean(response, "", Counts())) for i in intents for response in i["responses"]}
    assert source.counts.noted == Counter({REPEATED: 1})


def test_client_and_counselor_of_smile(shared_data: Path) -> None:
    _, conversations = read_all(shared_data / "smile_zh" / "smilechat_1000.jsonl")
    one_sided = [number for number, conversation in enumerate(conversations, 1) if not conversation.answers]
    assert one_sided == [73, 782]
    assert all(conversation.question for conversation in conversations)


def test_the_two_shapes_of_one_set_give_the_same_conversations(shared_data: Path) -> None:
    folder = shared_data / "counsel_chat"
    prints = [
        {conversation.fingerprint() for conversation in read_all(folder / name)[1]}
        for name in ("counsel_chat.csv", "context_response.jsonl")
    ]
    assert len(prints[0] & prints[1]) == 1921


def test_what_is_stored_is_what_was_read(shared_data: Path, workspace: Workspace) -> None:
    path = shared_data / "esconv_dev" / "esconv_dev_reconstructed.jsonl"
    take(workspace, path)
    store = open_store(workspace.database)
    with store.snapshot() as session:
        stored = [found.conversation for found in iterate_conversations(session)]
    store.close()
    assert stored == read_all(path)[1]

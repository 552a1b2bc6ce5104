"""Sources: the real files beside the repository, with their exact numbers of rows."""

from collections import Counter
from pathlib import Path

import pytest

from heedful.sources import BadRow, SourceRow, detect, read

pytestmark = pytest.mark.shared
FILES = [
    ("counsel_chat/counsel_chat.csv", "csv", 2012, 0),
    ("counsel_chat/context_response.jsonl", "jsonl", 2012, 0),
    ("faq/Mental_Health_FAQ.csv", "csv", 98, 4),
    ("medquad/5_NIDDK_QA.jsonl", "jsonl", 1192, 0),
    ("medquad/4_MPlus_Health_Topics_QA.jsonl", "jsonl", 981, 0),
    ("medquad/9_CDC_QA.jsonl", "jsonl", 270, 0),
    ("esconv_dev/esconv_dev_reconstructed.jsonl", "chat", 211, 0),
    ("intents/intents.json", "intents", 287, 2),
]


@pytest.mark.parametrize(("name", "format_name", "count", "repaired"), FILES)
def test_every_row_of_a_real_file_is_read(shared_data: Path, name: str, format_name: str, count: int, repaired: int) -> None:
    source = detect(shared_data / name)
    rows = list(read(source))
    assert [row for row in rows if isinstance(row, BadRow)] == []
    assert (source.format, source.encoding, len(rows), source.repaired) == (format_name, "utf-8-sig", count, repaired)


def test_intents_cover_all_tags_and_texts(shared_data: Path) -> None:
    source = detect(shared_data / "intents" / "intents.json")
    rows = [row for row in read(source) if isinstance(row, SourceRow)]
    assert len({row.number for row in rows}) == 129
    assert len({row.conversation.group for row in rows}) == 128  # one tag occurs twice
    assert source.counts.passed_over == Counter({"intents without a pattern in words": 1})


def test_client_and_counselor_of_smile(shared_data: Path) -> None:
    rows = list(read(detect(shared_data / "smile_zh" / "smilechat_1000.jsonl")))
    assert len(rows) == 1000
    no_answer = "no assistant message"
    assert [row for row in rows if isinstance(row, BadRow)] == [BadRow(73, no_answer), BadRow(782, no_answer)]


def test_the_two_shapes_of_one_set_give_the_same_conversations(shared_data: Path) -> None:
    folder = shared_data / "counsel_chat"
    prints = [
        {row.conversation.fingerprint() for row in read(detect(folder / name)) if isinstance(row, SourceRow)}
        for name in ("counsel_chat.csv", "context_response.jsonl")
    ]
    assert len(prints[0] & prints[1]) == 1921

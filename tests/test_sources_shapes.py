"""Sources: what other tools write, each shape from a small text: chats, pairs and turns, and what is ambiguous in them."""

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heedful.conversation import Conversation, Message, Role
from heedful.errors import SourceError
from heedful.sources import BadRow, Hints, Passed, Source, SourceRow, find, read
from heedful.sources.rows import RowError
from heedful.sources.text import name_of


def write(folder: Path, content: object, name: str = "source.txt") -> Path:
    path = folder / name
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def read_all(path: Path, **hints: object) -> tuple[Source, list[SourceRow | BadRow]]:
    (found,) = ((source, list(read(source))) for source in find(path, Hints(**hints), Passed()))  # type: ignore[arg-type]
    return found


def refusal(path: Path, **hints: object) -> tuple[str, str]:
    with pytest.raises(SourceError) as caught:
        for source in find(path, Hints(**hints), Passed()):  # type: ignore[arg-type]
            list(read(source))
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(path)).removeprefix(": "), caught.value.next_step


def talk(*texts: str, system: str = "", group: str = "") -> Conversation:
    """User and assistant in turn."""
    roles: Sequence[Role] = ("user", "assistant")
    first = [Message("system", system)] if system else []
    return Conversation((*first, *(Message(roles[turn % 2], text) for turn, text in enumerate(texts))), group)


SHARE_GPT = {"id": "x_0", "conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}
MESSAGES = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]


@pytest.mark.parametrize(
    ("row", "conversation", "mapping"),
    [
        (SHARE_GPT, talk("a", "b"), {"messages": "conversations", "speaker": "from", "text": "value"}),
        (
            {"emotion": "sad", "dialog": [{"speaker": "seeker", "content": "a"}, {"speaker": "supporter", "content": "b\n"}]},
            talk("a", "b"),
            {"messages": "dialog", "speaker": "speaker", "text": "content"},
        ),
        (
            {"prompt": [{"role": "system", "content": "s"}, MESSAGES[0]], "completion": [MESSAGES[1]]},
            talk("a", "b", system="s"),
            {"messages": "prompt", "answer": "completion", "speaker": "role", "text": "content"},
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                    MESSAGES[1],
                ]
            },
            talk("a\nb", "b"),
            {"messages": "messages", "speaker": "role", "text": "content"},
        ),
        (
            {"conversation": "Patient: a\nTherapist: b\nand more\n"},
            talk("a", "b\nand more"),
            {"messages": "conversation", "speaker": "role", "text": "content"},
        ),
        (
            {"messages": {"role": ["user", "assistant"], "content": ["a", "b"]}},
            talk("a", "b"),
            {"messages": "messages", "speaker": "role", "text": "content"},
        ),
        (
            {"messages": json.dumps(MESSAGES)},
            talk("a", "b"),
            {"messages": "messages", "speaker": "role", "text": "content"},
        ),
        (
            {"instruction": "a", "input": "", "output": "b", "system": "s", "history": [["c", "d"]]},
            talk("c", "d", "a", "b", system="s"),
            {"question": "instruction", "answer": "output", "addition": "input", "system": "system", "history": "history"},
        ),
        (
            {"instruction": "a", "context": "c", "response": "b", "category": "x"},
            talk("a\n\nc", "b"),
            {"question": "instruction", "answer": "response", "addition": "context"},
        ),
        ({"prompt": "a", "completion": "b"}, talk("a", "b"), {"question": "prompt", "answer": "completion"}),
        ({"Description": "x", "Patient": "a", "Doctor": "b"}, talk("a", "b"), {"question": "Patient", "answer": "Doctor"}),
        ({"user": "a", "assistant": "b"}, talk("a", "b"), {"question": "user", "answer": "assistant"}),
    ],
)
def test_rows_of_other_tools(tmp_path: Path, row: dict[str, object], conversation: Conversation, mapping: dict[str, str]) -> None:
    for content in (f"{json.dumps(row)}\n", [row], {"version": 1, "data": [row, row]}, json.dumps([row], indent=1)):
        source, rows = read_all(write(tmp_path, content))
        assert source.mapping == mapping
        assert rows[0] == SourceRow(1, conversation)


def test_a_document_that_is_one_conversation(tmp_path: Path) -> None:
    assert read_all(write(tmp_path, json.dumps(SHARE_GPT, indent=2)))[1] == [SourceRow(1, talk("a", "b"))]
    assert read_all(write(tmp_path, json.dumps(MESSAGES, indent=2)))[1] == [SourceRow(1, talk("a", "b"))]
    twice = json.dumps(SHARE_GPT, indent=2) + "\n" + json.dumps(SHARE_GPT, indent=2)
    assert [row.number for row in read_all(write(tmp_path, twice))[1]] == [1, 2]


def test_dialogues_of_one_side_are_no_bad_rows(tmp_path: Path) -> None:
    rows = [{"messages": [message]} for message in MESSAGES]
    assert read_all(write(tmp_path, rows))[1] == [
        SourceRow(1, Conversation((Message("user", "a"),))),
        SourceRow(2, Conversation((Message("assistant", "b"),))),
    ]


def test_person_and_group(tmp_path: Path) -> None:
    row = {"patient_id": 17, "topic": "sleep", "question": "a", "answer": "b"}
    source, rows = read_all(write(tmp_path, [row, {**row, "patient_id": None}]), columns={"group": "topic"})
    assert source.mapping == {"question": "question", "answer": "answer", "person": "patient_id", "group": "topic"}
    assert rows == [SourceRow(1, talk("a", "b", group="sleep"), "17"), SourceRow(2, talk("a", "b", group="sleep"))]
    assert read_all(write(tmp_path, [row]), columns={"person": ""})[1] == [SourceRow(1, talk("a", "b"))]
    both = {**row, "user_id": 3}
    assert refusal(write(tmp_path, [both])) == (
        "more than one person column: 'patient_id' and 'user_id'",
        "name them: --column person=NAME",
    )


@pytest.mark.parametrize(
    ("rows", "problem", "next_step"),
    [
        (
            [{"messages": MESSAGES, "conversations": MESSAGES}],
            "more than one messages column: 'messages' and 'conversations'",
            "name them: --column messages=NAME",
        ),
        (
            [{"chat": 1, "speaker": "user", "text": "a", "question": "q", "answer": "b"}],
            "can be read as turns or as pairs",
            "say which: --format turns or --format pairs",
        ),
        (
            [{"messages": [{"role": "Anna", "content": "a"}, {"role": "Dr Weiss", "content": "b"}]}],
            "no speaker is known: 'Anna', 'Dr Weiss'",
            "say who is who: --speaker 'Anna=user' or --speaker 'Anna=assistant', and so on",
        ),
        ([1, 2], "holds no record", "heedful import --help shows what each format looks like"),
        ([], "holds no record", "heedful import --help shows what each format looks like"),
    ],
)
def test_what_is_ambiguous_is_refused(tmp_path: Path, rows: object, problem: str, next_step: str) -> None:
    assert refusal(write(tmp_path, rows)) == (problem, next_step)


def test_what_the_caller_says_decides(tmp_path: Path) -> None:
    row = {"chat": 1, "speaker": "user", "text": "a", "question": "q", "answer": "b"}
    assert read_all(write(tmp_path, [row]), format="pairs")[1] == [SourceRow(1, talk("q", "b"))]
    assert read_all(write(tmp_path, [row]), format="turns")[1] == [SourceRow(1, talk("a"))]
    assert refusal(write(tmp_path, [row]), format="chat")[0] == "is not in the format chat"
    named = [{"log": [{"author": "Anna", "msg": "a"}, {"author": "Dr Weiss", "msg": "b"}]}]
    hints = {"columns": {"messages": "log", "text": "msg"}, "speakers": {"anna": "user", "Dr Weiss": "assistant"}}
    assert read_all(write(tmp_path, named), **hints)[1] == [SourceRow(1, talk("a", "b"))]


def test_what_the_caller_says_is_never_ignored(tmp_path: Path) -> None:
    pairs = write(tmp_path, [{"question": "a", "answer": "b"}])
    assert refusal(pairs, speakers={"Anna": "user"})[0] == "--speaker says nothing here: nothing was read as chat or turns"
    assert refusal(pairs, separator="blank")[0] == "--separator says nothing here: nothing was read as transcript"
    chat = write(tmp_path, [{"messages": MESSAGES}])
    assert refusal(chat, columns={"answer": "reply"})[0] == "no column 'reply'; columns there: messages"
    assert read_all(chat, columns={"text": "said"})[1] == [BadRow(1, "message 1 has no said")]
    chosen = [{"prompt": MESSAGES[:1], "chosen": MESSAGES[1:], "rejected": MESSAGES[1:]}]
    assert read_all(write(tmp_path, chosen), columns={"messages": "prompt", "answer": "chosen"})[1] == [
        SourceRow(1, talk("a", "b"))
    ]


TURNS = """case,role,text,created_at
2,client,c,2026-01-01 10:00
1,patient,a,2026-01-02
2,bot,d,2026-01-01T10:01
1,therapist,b,2026-01-03
"""


def test_turns_need_not_stand_together(tmp_path: Path) -> None:
    source, rows = read_all(write(tmp_path, TURNS))
    assert source.mapping == {"speaker": "role", "text": "text", "conversation": "case", "order": "created_at"}
    assert rows == [SourceRow(2, talk("c", "d")), SourceRow(3, talk("a", "b"))]


def test_turns_are_put_in_order(tmp_path: Path) -> None:
    rows = [(10, "user", "c"), (2, "assistant", "b"), (1, "user", "a"), (11, "assistant", "d")]
    table = [{"session_id": "s", "turn": turn, "speaker": speaker, "utterance": text} for turn, speaker, text in rows]
    assert read_all(write(tmp_path, table))[1] == [SourceRow(1, talk("a", "b", "c", "d"))]
    assert read_all(write(tmp_path, table), columns={"order": ""})[1][0] == SourceRow(1, Conversation(
        (Message("user", "c"), Message("assistant", "b"), Message("user", "a"), Message("assistant", "d"))
    ))  # fmt: skip
    table[2]["turn"] = "first"
    assert "order" not in read_all(write(tmp_path, table))[0].mapping  # cannot be read, so the file's own order counts
    assert read_all(write(tmp_path, table), columns={"order": "turn"})[1] == [
        BadRow(3, "turn is neither a number nor a time such as 2026-11-20 09:30"),
        BadRow(1, "a row before, in or behind its conversation cannot be read, so it may have a hole"),
    ]


def test_a_bad_turn_spoils_its_conversation_only(tmp_path: Path) -> None:
    lines = "case,role,text\n1,user,a\n1,bot,b\n2,user,\n2,bot,d\n3,user,e\n3,bot,f,g\n4,user,h\n4,bot,i\n"
    assert read_all(write(tmp_path, lines))[1] == [
        BadRow(7, "has 4 cells, but there are 3 columns"),
        SourceRow(2, talk("a", "b")),
        BadRow(4, "the turn is empty"),
        BadRow(6, "a row before, in or behind its conversation cannot be read, so it may have a hole"),
        BadRow(8, "a row before, in or behind its conversation cannot be read, so it may have a hole"),
    ]


def test_person_of_turns_is_the_one_who_asks(tmp_path: Path) -> None:
    table = "chat,user_id,role,text\n1,7,user,a\n1,therapist-2,therapist,b\n2,8,user,c\n2,9,user,d\n"
    assert read_all(write(tmp_path, table))[1] == [
        SourceRow(2, talk("a", "b"), "7"),
        BadRow(4, "more than one person speaks as the user of this conversation"),
    ]


def test_turns_without_a_conversation_column_are_one_conversation(tmp_path: Path) -> None:
    assert read_all(write(tmp_path, "speaker,text\nPatient,a\nDoctor,b\nPatient,c\n"))[1] == [SourceRow(2, talk("a", "b", "c"))]
    many = "speaker,text\n" + "Patient,a\nDoctor,b\n" * 1_001
    assert refusal(write(tmp_path, many)) == (
        "holds 2,002 turns, and no column says to which conversation each belongs",
        "name them: --column conversation=NAME",
    )


def test_of_two_speaker_columns_the_one_with_known_roles_counts(tmp_path: Path) -> None:
    source, rows = read_all(write(tmp_path, "chat,sender,role,text\n1,Anna,client,a\n1,Weiss,counselor,b\n"))
    assert source.mapping["speaker"] == "role"
    assert rows == [SourceRow(2, talk("a", "b"))]
    assert refusal(write(tmp_path, "chat,sender,author,text\n1,Anna,x,a\n1,Weiss,y,b\n"))[0] == (
        "more than one speaker column: 'sender' and 'author'"
    )


def test_whole_numbers_and_identifiers_are_names_of_persons(tmp_path: Path) -> None:
    pq.write_table(pa.table({"user_id": [17.0, None, 2.5], "question": ["a"] * 3, "answer": ["b"] * 3}), tmp_path / "x")
    assert read_all(tmp_path / "x")[1] == [
        SourceRow(1, talk("a", "b"), "17"),
        SourceRow(2, talk("a", "b")),
        BadRow(3, "person is a number, not a text"),
    ]
    assert name_of(UUID(int=1), "person") == "00000000-0000-0000-0000-000000000001"
    assert name_of(Decimal("17"), "person") == "17"
    assert name_of(float("nan"), "person") is None is name_of(Decimal("nan"), "person")
    with pytest.raises(RowError, match="person is a number, not a text"):
        name_of(float("inf"), "person")


def test_the_person_that_the_caller_names_owns_what_names_nobody(tmp_path: Path) -> None:
    rows = [{"question": "a", "answer": "b", "person": "own"}, {"question": "a", "answer": "b"}]
    assert [row.person for row in read_all(write(tmp_path, rows), person="p-17")[1]] == ["own", "p-17"]  # type: ignore[union-attr]
    assert read_all(write(tmp_path, "Patient: a\nTherapist: b\n"), person="p-17")[1] == [SourceRow(1, talk("a", "b"), "p-17")]

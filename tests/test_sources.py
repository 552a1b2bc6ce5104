"""Sources: each format from small texts, the rule for names of columns, encodings and row numbers."""

import json
import tracemalloc
from collections import Counter
from itertools import product
from pathlib import Path

import pytest
from ftfy import fix_text

from heedful.conversation import Conversation, Message
from heedful.errors import SourceError
from heedful.sources import BadRow, Hints, Passed, Source, SourceRow, find, read
from heedful.sources.detect import FORMATS
from heedful.sources.encoding import MAX_LINE
from heedful.sources.shapes.pairs import pick
from heedful.sources.text import GENTLE, PLAIN

QUESTION = "I can't sleep."
ANSWER = "That sounds tiring. What keeps you awake?"


def detect(path: Path, hints: Hints | None = None) -> Source:
    """The one source in a file."""
    return next(find(path, Hints() if hints is None else hints, Passed()))


def write(folder: Path, content: str | bytes, name: str = "source.txt") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def talk(*texts: str, group: str = "") -> Conversation:
    """User and assistant in turn."""
    return Conversation(tuple(Message("assistant" if turn % 2 else "user", text) for turn, text in enumerate(texts)), group)


def import_all(path: Path, hints: Hints | None = None) -> tuple[Source, list[SourceRow | BadRow]]:
    source = detect(path, hints)
    return source, list(read(source))


INTENTS = {
    "intents": [
        {"tag": "sleep", "patterns": ["I can't sleep", "I wake up"], "responses": ["A?", "B?", "C?"]},
        {"tag": "sad", "patterns": ["I am sad"], "responses": ["Tell me more."], "context_set": ""},
        {"tag": "sleep", "patterns": ["No sleep"], "responses": ["D?"]},
    ]
}
CHAT = [
    {
        "messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi", "strategy": "Other"}],
        "person": "p-1",
    },
    {
        "id": 7,
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "A"},
            {"role": "assistant", "content": "B"},
        ],
    },
]


def lines(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_intents_pair_every_pattern_and_every_response(tmp_path: Path) -> None:
    source, rows = import_all(write(tmp_path, json.dumps(INTENTS)))
    assert (source.format, source.mapping) == ("intents", {"question": "patterns", "answer": "responses", "group": "tag"})
    assert source.counts.noted == Counter({"intents whose tag an earlier one has; they are one group": 1})
    assert rows == [
        SourceRow(1, talk("I can't sleep", "A?", group="sleep")),
        SourceRow(1, talk("I wake up", "B?", group="sleep")),
        SourceRow(1, talk("I can't sleep", "C?", group="sleep")),
        SourceRow(2, talk("I am sad", "Tell me more.", group="sad")),
        SourceRow(3, talk("No sleep", "D?", group="sleep")),
    ]


def test_intents_over_many_lines_with_an_intent_a_line(tmp_path: Path) -> None:
    rows = ",\n".join(json.dumps(intent) for intent in INTENTS["intents"])
    assert len(import_all(write(tmp_path, f'{{"intents": [\n{rows}\n]}}'))[1]) == 5


def test_intents_without_words_are_passed_over_and_counted(tmp_path: Path) -> None:
    wordless = {"tag": "no-response", "patterns": ["", " "], "responses": ["Please go on."]}
    partly = {"tag": "thanks", "patterns": ["Thanks", ""], "responses": ["Gladly."]}
    source, rows = import_all(write(tmp_path, json.dumps({"intents": [wordless, partly]})))
    assert rows == [SourceRow(2, talk("Thanks", "Gladly.", group="thanks"))]
    assert source.counts.passed_over == Counter({"intents without a pattern in words": 1, "blank patterns and responses": 1})


def test_chat_keeps_roles_and_person(tmp_path: Path) -> None:
    source, rows = import_all(write(tmp_path, lines(CHAT)))
    keys = {"messages": "messages", "speaker": "role", "text": "content"}
    assert (source.format, source.mapping) == ("chat", {**keys, "person": "person"})
    assert rows == [
        SourceRow(1, talk("Hello", "Hi"), "p-1"),
        SourceRow(2, Conversation((Message("system", "Be kind."), Message("user", "A"), Message("assistant", "B")))),
    ]


def test_chat_joins_messages_of_one_role(tmp_path: Path) -> None:
    roles = ["user", "user", "assistant", "assistant", "user"]
    row = {"messages": [{"role": role, "content": text} for role, text in zip(roles, "abcde", strict=True)], "person": None}
    assert import_all(write(tmp_path, lines([row])))[1] == [SourceRow(1, talk("a\nb", "c\nd", "e"))]


@pytest.mark.parametrize(
    ("user", "assistant"),
    [
        ("client", "Counselor"),
        ("human", "gpt"),
        ("patient", "therapist"),
        ("user", "bot"),
        ("help_seeker", "Supporter"),
        ("Client 2", " Doctor "),
        ("visitor", "AGENT"),
    ],
)
def test_chat_knows_the_role_names_of_other_sets(tmp_path: Path, user: str, assistant: str) -> None:
    row = {"dialog": [{"from": user, "value": "Hello"}, {"from": assistant, "value": "Hi"}]}
    source, rows = import_all(write(tmp_path, lines([row])))
    assert source.mapping == {"messages": "dialog", "speaker": "from", "text": "value"}
    assert rows == [SourceRow(1, talk("Hello", "Hi"))]


def test_jsonl_numbers_are_lines_and_blank_lines_are_no_rows(tmp_path: Path) -> None:
    row = json.dumps({"Context": QUESTION, "Response": ANSWER, "id": 4})
    source, rows = import_all(write(tmp_path, f"{row}\r\n\r\n{row}"))
    assert (source.format, source.records.container) == ("pairs", "json lines")
    assert source.mapping == {"question": "Context", "answer": "Response"}
    assert rows == [SourceRow(1, talk(QUESTION, ANSWER)), SourceRow(3, talk(QUESTION, ANSWER))]


def test_csv_numbers_are_the_lines_on_which_records_start(tmp_path: Path) -> None:
    text = 'id,question,answer\n1,"one\ntwo","a ""b"", c"\n\n2,three,d\n,,\n'
    source, rows = import_all(write(tmp_path, text))
    assert (source.format, source.records.container) == ("pairs", "csv")
    assert source.mapping == {"question": "question", "answer": "answer"}
    assert rows == [SourceRow(2, talk("one\ntwo", 'a "b", c')), SourceRow(5, talk("three", "d"))]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_csv_delimiters_and_line_ends(tmp_path: Path, delimiter: str, end: str) -> None:
    text = (
        f"Questions{delimiter}Answers{end}Hello{delimiter}Hi, you{end}"
        if delimiter != ","
        else f'Questions,Answers{end}Hello,"Hi, you"{end}'
    )
    assert import_all(write(tmp_path, text))[1] == [SourceRow(2, talk("Hello", "Hi, you"))]


def test_csv_with_a_field_longer_than_the_limit_of_python(tmp_path: Path) -> None:
    long = "word " * 60_000 + "end"
    assert import_all(write(tmp_path, f"question,answer\nq,{long}\n"))[1] == [SourceRow(2, talk("q", long))]


def test_title_goes_before_the_question_unless_it_begins_with_it(tmp_path: Path) -> None:
    text = "questionTitle,questionText,answerText\nWhy?,I am sad.,A\nWhy?,Why? I am sad.,B\nWhy?,,C\n,I am sad.,D\n"
    source, rows = import_all(write(tmp_path, text))
    assert source.mapping == {"question": "questionText", "answer": "answerText", "title": "questionTitle"}
    questions = [row.conversation.question for row in rows if isinstance(row, SourceRow)]
    assert questions == ["Why? I am sad.", "Why? I am sad.", "Why?", "I am sad."]


def test_input_goes_behind_its_instruction(tmp_path: Path) -> None:
    rows = [
        {"instruction": "Answer kindly.", "input": "I am sad.", "output": "A"},
        {"instruction": "Greet.", "input": "", "output": "Hi"},
    ]
    source, read_rows = import_all(write(tmp_path, lines(rows)))
    assert source.mapping == {"question": "instruction", "answer": "output", "addition": "input"}
    assert read_rows == [SourceRow(1, talk("Answer kindly.\n\nI am sad.", "A")), SourceRow(2, talk("Greet.", "Hi"))]


@pytest.mark.parametrize(
    ("names", "question", "answer"),
    [
        ("Context,Response", "Context", "Response"),
        ("Question_ID,Questions,Answers", "Questions", "Answers"),
        ("questionID,questionLink,topic,question_text,answerText,upvotes", "question_text", "answerText"),
        ("PROMPT,COMPLETION", "PROMPT", "COMPLETION"),
        ("instruction,response", "instruction", "response"),
        ("Input Text,Output Text", "Input Text", "Output Text"),
        ("qtype,Q,A,url", "Q", "A"),
        ("answer id,query,reply", "query", "reply"),
    ],
)
def test_columns_are_found_by_name(names: str, question: str, answer: str) -> None:
    assert pick(names.split(","), Hints(), Path("x.csv")) == {"question": question, "answer": answer}


def test_columns_named_by_the_caller_win(tmp_path: Path) -> None:
    path = write(tmp_path, "questionTitle,questionText,Said,answer\nt,q,s,a\n")
    source, rows = import_all(path, Hints(columns={"question": "questionTitle", "answer": "said"}))
    assert source.mapping == {"question": "questionTitle", "answer": "Said"}
    assert rows == [SourceRow(2, talk("t", "s"))]
    assert import_all(path, Hints(columns={"answer": "Said"}))[1] == [SourceRow(2, talk("t q", "s"))]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (json.dumps(INTENTS), "intents"),
        (lines(CHAT), "chat"),
        (lines([{"question": "q", "answer": "a"}]), "pairs"),
        ("question,answer\nq,a\n", "pairs"),
        ("session,role,text\n1,user,a\n1,bot,b\n", "turns"),
        ("Patient: a\nTherapist: b\n", "chat"),
    ],
)
@pytest.mark.parametrize("name", ["source.json", "source.jsonl", "source.csv", "source.pdf", "source"])
def test_detection_does_not_look_at_the_extension(tmp_path: Path, content: str, expected: str, name: str) -> None:
    assert detect(write(tmp_path, content, name)).format == expected


def test_a_key_of_another_format_in_a_row_does_not_mislead(tmp_path: Path) -> None:
    row = {"question": "q", "answer": "a", "intents": "greeting", "conversation": ["x"]}
    assert detect(write(tmp_path, lines([row, row]))).format == "pairs"


@pytest.mark.parametrize(
    ("text", "codec", "name", "noted"),
    [
        ("J’ai peur, déjà…", "utf-8", "utf-8-sig", {}),
        ("J’ai peur, déjà…", "utf-8-sig", "utf-8-sig", {"byte-order marks taken off": 1}),
        ("J’ai peur, déjà…", "cp1252", "utf-8-sig", {"places read as Windows-1252": 8}),
        ("J’ai peur, déjà…", "utf-16", "utf-16", {"files read as utf-16": 1}),
        ("Мне плохо, я не могу спать и не знаю что делать", "cp1251", "cp1251", {"files read as cp1251": 1}),
        ("我最近感觉很焦虑，晚上睡不着觉，不知道怎么办", "gb18030", "gb18030", {"files read as gb18030": 1}),
    ],
)
@pytest.mark.parametrize(
    ("content", "number"),
    [
        ('question,answer\n"{0}","{0}"\n', 2),
        ('{{"question": "{0}", "answer": "{0}"}}\n', 1),
        ('[{{"question": "{0}", "answer": "{0}"}}]', 1),
        ("Patient: {0}\nTherapist: {0}\n", 1),
        ("case,role,text\n1,client,{0}\n1,counselor,{0}\n".replace("{0}", '"{0}"'), 2),
    ],
    ids=["csv", "json lines", "json", "transcript", "turns"],
)
def test_encodings(tmp_path: Path, content: str, number: int, text: str, codec: str, name: str, noted: dict[str, int]) -> None:
    source, rows = import_all(write(tmp_path, content.format(text).encode(codec)))
    assert rows == [SourceRow(number, talk(text, text))]
    assert (source.records.encoding, source.repaired) == (name, 0)
    assert source.counts.noted == noted


def test_a_stray_byte_does_not_spoil_the_texts_around_it(tmp_path: Path) -> None:
    content = "question,answer\ncafé,très bien\n".encode() + "caf\xe9,ok\n".encode("latin-1")
    assert import_all(write(tmp_path, content))[1] == [SourceRow(2, talk("café", "très bien")), SourceRow(3, talk("café", "ok"))]


def test_mojibake_is_mended_and_counted_at_each_pass(tmp_path: Path) -> None:
    broken = "your childâ€™s mood"
    source = detect(write(tmp_path, f"question,answer\n{broken},“fine” & dandy\nﬁne,{broken}\n"))
    for _ in range(2):
        assert list(read(source)) == [
            SourceRow(2, talk("your child’s mood", "“fine” & dandy")),
            SourceRow(3, talk("ﬁne", "your child’s mood")),
        ]
        assert source.repaired == 2


def test_texts_are_stripped_and_no_break_spaces_are_spaces(tmp_path: Path) -> None:
    source, rows = import_all(write(tmp_path, lines([{"question": " a\u00a0b \r\n", "answer": "\tc\r\nd"}])))
    assert rows == [SourceRow(1, talk("a b", "c\nd"))]
    assert source.repaired == 0


def test_a_lone_surrogate_cannot_leave_the_room(tmp_path: Path) -> None:
    source, rows = import_all(write(tmp_path, '{"question": "a \\ud83d b", "answer": "c"}\n'))
    assert rows == [SourceRow(1, talk("a \ufffd b", "c"))]
    assert source.repaired == 1


@pytest.mark.parametrize("content", ["question,answer\n", ""])
def test_reading_keeps_memory_flat(tmp_path: Path, content: str) -> None:
    row = f'"{QUESTION}","{ANSWER * 20}"\n' if content else json.dumps({"question": QUESTION, "answer": ANSWER * 20}) + "\n"
    source = detect(write(tmp_path, content + row * 6_000))
    assert source.path.stat().st_size > 5_000_000
    tracemalloc.start()
    try:
        assert sum(isinstance(row, SourceRow) for row in read(source)) == 6_000
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()


def test_every_format_is_one_line_of_the_table() -> None:
    assert [known.name for known in FORMATS] == ["intents", "chat", "turns", "pairs"]


def test_named_columns_are_refused_where_there_are_none(tmp_path: Path) -> None:
    path = write(tmp_path, lines(CHAT))
    with pytest.raises(SourceError) as caught:
        detect(path, Hints(columns={"question": "content"}))
    sides = "messages, answer, speaker, text, person, group"
    assert str(caught.value) == f"{path}: is chat, which has no column 'question' to name; it takes {sides}"
    assert caught.value.next_step == "mend or leave out --column"


def test_a_line_may_be_as_long_as_the_limit(tmp_path: Path) -> None:
    row = '{"question": "q", "answer": "%s"}'
    fitting = row % ("a" * (MAX_LINE - len(row) + 1))
    rows = import_all(write(tmp_path, f"{row % 'a'}\n{fitting}\n{fitting}a\n{row % 'b'}"))[1]
    assert [row.number for row in rows] == [1, 2, 3, 4]
    assert rows[2] == BadRow(3, "the line is longer than 1,048,576 characters")
    assert rows[3] == SourceRow(4, talk("q", "b"))


def test_texts_that_are_not_looked_at_by_ftfy_need_it_not() -> None:
    """Any two and three of the characters beyond ASCII that `clean` takes as they are, between letters and alone."""
    marks = "\xa0‘’“”–—…"
    for some in [*map("".join, product(marks, repeat=2)), *map("".join, product(marks, repeat=3))]:
        for text in (some, f"a{some}b", some.join("abc")):
            assert PLAIN.fullmatch(text)
            assert fix_text(text, GENTLE) == text

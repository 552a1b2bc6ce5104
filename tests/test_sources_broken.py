"""Sources: every way in which a file or a row of it can be broken, each with its exact line."""

import json
import re
import time
import tracemalloc
from pathlib import Path

import pytest

from heedful.errors import SourceError
from heedful.sources import BadRow, Hints, Passed, Source, SourceRow, find, read

NAME_THEM = "name them: --column question=NAME --column answer=NAME"
TURNS_TOO = f"{NAME_THEM}; or, with one turn a row: --column speaker=NAME --column text=NAME"
SAVE_AS_TEXT = "save it as CSV (UTF-8) or JSON Lines and import that"
KNOWN = (
    'is no known format; known are intents: {"tag", "patterns", "responses"}; chat: {"messages": [{"role", "content"}]}, or a '
    "transcript; turns: columns conversation, speaker and text; pairs: columns question and answer"
)
HELP = "heedful import --help shows what each format looks like"
PRIVATE = "my name is Ada and I live at 5 Hill Street"
GOOD_CHAT = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}'


def detect(path: Path, hints: Hints | None = None) -> Source:
    """The one source in a file."""
    return next(find(path, Hints() if hints is None else hints, Passed()))


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "source.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(path: Path, hints: Hints | None = None) -> tuple[str, str]:
    """The one line of the error without the path that it begins with, and the next step."""
    with pytest.raises(SourceError) as caught:
        list(read(detect(path, hints)))
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(path)).removeprefix(": "), caught.value.next_step


def bad_rows(path: Path) -> list[BadRow]:
    return [row for row in read(detect(path)) if isinstance(row, BadRow)]


@pytest.mark.parametrize(
    ("content", "text", "next_step"),
    [
        (b"", "is empty", "choose a file with conversations in it"),
        (b" \n\r\n\t", "is empty", "choose a file with conversations in it"),
        (b"\xef\xbb\xbf\n", "is empty", "choose a file with conversations in it"),
        (b"PK\x03\x04 and so on", "is compressed, but damaged", "is the file complete? fetch it again"),
        (b"\x1f\x8b and so on", "is compressed, but damaged", "is the file complete? fetch it again"),
        (b"PAR1 and so on", "is a Parquet table, but damaged", "is the file complete? fetch it again"),
        (b"%PDF-1.7\n", "is a PDF document, not text", SAVE_AS_TEXT),
        (bytes(range(256)) * 40, "is a binary file, not text", SAVE_AS_TEXT),
        (b"\0" * 5_000, "is a binary file, not text", SAVE_AS_TEXT),
        ("question,answer\nq,a\n".encode("utf-16-le"), "is a binary file, not text", SAVE_AS_TEXT),
        (
            "question,answer\nq,a\n".encode("utf-16")[:-1],
            "is neither UTF-8 nor another encoding that can be told",
            SAVE_AS_TEXT,
        ),
    ],
)
def test_what_no_text_file_can_be(tmp_path: Path, content: bytes, text: str, next_step: str) -> None:
    assert refusal(write(tmp_path, content)) == (text, next_step)


def test_missing_and_directory(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.csv") == ("there is no such file", "check the path")
    assert refusal(tmp_path) == ("there is no file of conversations in it", HELP)
    assert refusal(Path("/dev/null"))[0] == "is no ordinary file"
    assert refusal(tmp_path / ("a" * 300)) == ("cannot be read: File name too long", "check its name and its permissions")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (
            '{"intents": [\n {"tag": "a", "patterns": ["x"], "resp',
            "is not valid JSON at line 2, column 34: Unterminated string starting at",
        ),
        ('{"intents": [{"tag": "a", "patterns": ["x"]}', "is not valid JSON at line 1, column 45: expected , or ]"),
        ('{\n"intents": [\n{"tag": "a" "patterns": []}]}', "is not valid JSON at line 3, column 13: Expecting ',' delimiter"),
    ],
)
def test_truncated_intents(tmp_path: Path, content: str, text: str) -> None:
    assert refusal(write(tmp_path, content)) == (text, "is the file complete? mend it there")


def test_intents_that_are_no_list(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, '{"intents": {"tag": "a"}}'))[0] == "intents is an object, not a list of intents"


@pytest.mark.parametrize(
    ("intent", "reason"),
    [
        ("x", "the row is a text, not an object"),
        ({"patterns": ["x"], "responses": ["y"]}, "tag is null, not a text"),
        ({"tag": "", "patterns": ["x"], "responses": ["y"]}, "tag is empty"),
        ({"tag": "t", "patterns": [], "responses": ["y"]}, "patterns is empty"),
        ({"tag": "t", "patterns": ["x"], "responses": []}, "responses is empty"),
        ({"tag": "t", "patterns": ["x"], "responses": [" "]}, "responses are all blank"),
        ({"tag": "t", "patterns": ["x"]}, "responses is missing"),
        ({"tag": "t", "patterns": "x", "responses": ["y"]}, "patterns is a text, not a list of texts"),
        ({"tag": "t", "patterns": ["x", 4], "responses": ["y"]}, "patterns 2 is a number, not a text"),
        ({"tag": "t", "patterns": ["x"], "responses": ["y\0"]}, "responses 1 holds a NUL character"),
    ],
)
def test_bad_intents(tmp_path: Path, intent: object, reason: str) -> None:
    good = {"tag": "g", "patterns": ["x"], "responses": ["y"]}
    rows = list(read(detect(write(tmp_path, json.dumps({"intents": [good, intent, good]})))))
    assert [row.number for row in rows] == [1, 2, 3]
    assert rows[1] == BadRow(2, reason)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("id,question,topic\n1,q,t\n", "no answer column; columns there: id, question, topic"),
        ("id;answer\n1;a\n", "no question column; columns there: id, answer"),
        ("name\tage\nx\t3\n", "no question column and no answer column; columns there: name, age"),
        ("question\nq\n", "no answer column; columns there: question"),
        (f"question,{PRIVATE}\nq,a\n", "no answer column; columns there: question and 1 more"),
        (",".join(f"c{n}" for n in range(15)) + "\n" + "x," * 14 + "x\n", None),
        ("question,prompt,answer\nq,p,a\n", "more than one question column: 'question' and 'prompt'"),
        ("question,answer,answer\nq,a,b\n", "more than one answer column: 'answer' and 'answer'"),
        ('{"question": "q", "topic": "t"}\n', "no answer column; columns there: question, topic"),
    ],
)
def test_tables_without_the_columns(tmp_path: Path, content: str, text: str | None) -> None:
    twelve = ", ".join(f"c{n}" for n in range(12))
    expected = f"no question column and no answer column; columns there: {twelve} and 3 more" if text is None else text
    twice = re.match(r"more than one (\w+)", expected)
    named = TURNS_TOO if twice is None else f"name them: --column {twice[1]}=NAME"
    assert refusal(write(tmp_path, content)) == (expected, named)


def test_columns_named_wrongly(tmp_path: Path) -> None:
    path = write(tmp_path, "question,answer\nq,a\n")
    assert refusal(path, Hints(columns={"answer": "Reply"})) == ("no column 'Reply'; columns there: question, answer", TURNS_TOO)
    assert refusal(path, Hints(columns={"answer": "question"})) == (
        "column 'question' cannot be both question and answer",
        TURNS_TOO,
    )


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",a", "question is empty"),
        ("q, ", "answer is empty"),
        ("q", "answer is missing"),
        ("q,a,b", "has 3 cells, but there are 2 columns"),
        ("q,a\0b", "answer holds a NUL character"),
        ("q,\u200b", "answer is empty"),
        ('q,"a "b" c"', 'a quote inside a quoted text is not doubled ("")'),
    ],
)
def test_bad_csv_rows(tmp_path: Path, row: str, reason: str) -> None:
    rows = list(read(detect(write(tmp_path, f"question,answer\ngood,fine\n{row}\nbetter,finer\n"))))
    assert [row.number for row in rows] == [2, 3, 4]
    assert rows[1] == BadRow(3, reason)
    assert isinstance(rows[2], SourceRow)


def test_a_quote_that_is_never_closed(tmp_path: Path) -> None:
    path = write(tmp_path, 'question,answer\nq,a\nq,"open\nq,a\nq,a\n')
    assert bad_rows(path) == [BadRow(3, "a quote is opened here and never closed; all up to line 5 is inside it")]
    long = write(tmp_path, 'question,answer\nq,a\nq,"open\n' + "q,a\n" * 300_000)
    assert refusal(long) == (
        ", row 3: a quote is opened here and not closed within 1,048,576 characters",
        "mend the quotes around that row",
    )


def test_an_endless_line_in_a_csv(tmp_path: Path) -> None:
    path = write(tmp_path, "question,answer\nq,a\n" + "x" * 2_000_000)
    assert refusal(path) == (", row 3: the line is longer than 1,048,576 characters", "mend that line")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"question": "my secret', "the line is not valid JSON at column 14: Unterminated string starting at"),
        ('["q", "a"]', "the line is a list, not an object"),
        ("NULL", "the line is not valid JSON at column 1: Expecting value"),
        ('{"question": "q"}', "answer is missing"),
        ('{"question": "q", "answer": null}', "answer is null, not a text"),
        ('{"question": ["q"], "answer": "a"}', "question is a list, not a text"),
        ('{"question": "q", "answer": "a\\u0000"}', "answer holds a NUL character"),
        ('{"question": "q", "answer": ' + "[" * 100_000, "the line is JSON with lists or objects nested too deeply"),
        ('{"question": "q", "answer": ' + "1" * 5_000 + "}", "the line is JSON with a number that is too long"),
    ],
)
def test_bad_jsonl_rows(tmp_path: Path, line: str, reason: str) -> None:
    good = '{"question": "q", "answer": "a"}'
    rows = list(read(detect(write(tmp_path, f"{good}\n{line}\n{good}\n"))))
    assert [row.number for row in rows] == [1, 2, 3]
    assert rows[1] == BadRow(2, reason)


def test_a_bad_first_row_does_not_hide_the_format(tmp_path: Path) -> None:
    path = write(tmp_path, '{"question": "q"\n{"question": "q", "answer": "a"}\n')
    assert bad_rows(path) == [BadRow(1, "the line is not valid JSON at column 17: Expecting ',' delimiter")]


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        (None, "messages is null, not a list"),
        ([], "has no message of a user or an assistant"),
        ([{"role": "system", "content": "a"}], "has no message of a user or an assistant"),
        (["a"], "message 1 is a text, not an object"),
        ([{"content": "a"}], "message 1 has no role"),
        ([{"role": "user"}], "message 1 has no content"),
        (
            [{"role": 3, "content": "a"}],
            "message 1 has the unknown speaker '3'; say who it is: --speaker '3=user' or --speaker '3=assistant'",
        ),
        ([{"role": "user", "content": " "}], "message 1 is empty"),
        ([{"role": None, "content": "a"}], "the speaker of message 1 is null, not a text"),
        ([{"role": "user", "content": ["a"]}], "message 1 is a list, not a text"),
        ([{"role": "user", "content": [{"type": "text"}]}], "message 1 is empty"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}], "message 1 holds more than text"),
        (
            [{"role": "tool", "content": "a"}],
            "message 1 has the unknown speaker 'tool'; say who it is: --speaker 'tool=user' or --speaker 'tool=assistant'",
        ),
    ],
)
def test_bad_chat_rows(tmp_path: Path, messages: object, reason: str) -> None:
    path = write(tmp_path, f"{GOOD_CHAT}\n{json.dumps({'messages': messages})}\n{GOOD_CHAT}\n")
    assert bad_rows(path) == [BadRow(2, reason)]


def test_other_bad_chat_rows(tmp_path: Path) -> None:
    assert bad_rows(write(tmp_path, f'{GOOD_CHAT}\n{{"text": "a"}}\n')) == [BadRow(2, "messages is missing")]
    named = GOOD_CHAT.replace("]}", '], "person": 1.5}')
    assert bad_rows(write(tmp_path, named)) == [BadRow(1, "person is a number, not a text")]
    cut = write(tmp_path, GOOD_CHAT[:-10])
    assert refusal(cut)[0] == "is not valid JSON at line 1, column 71: Unterminated string starting at"
    assert bad_rows(write(tmp_path, f"{GOOD_CHAT[:-10]}\n{GOOD_CHAT}\n")) == [
        BadRow(1, "the line is not valid JSON at column 71: Unterminated string starting at")
    ]


def test_reasons_quote_no_more_than_a_name(tmp_path: Path) -> None:
    row = {"messages": [{"role": PRIVATE, "content": PRIVATE}]}
    (bad,) = bad_rows(write(tmp_path, json.dumps(row)))
    assert bad.reason.startswith("message 1 has the unknown speaker 'my name is Ada and I live at 5 Hill Stre…'; say who")


@pytest.mark.parametrize(
    "content",
    [
        "Just a letter that somebody wrote.\nIt goes on here, and there.\n",
        "word\nword\nword\n",
    ],
)
def test_unknown_content(tmp_path: Path, content: str) -> None:
    assert refusal(write(tmp_path, content)) == (KNOWN, HELP)


TEN_MEGABYTES = {
    b"x": KNOWN,
    b"word, ": KNOWN,
    b'{"a": "': "is not valid JSON at line 1, column 10: expected , or }",
    b'["': "is not valid JSON at line 1, column 5: expected , or ]",
    b'["word ': "is not valid JSON at line 1, column 10: expected , or ]",
    b"[": "is not valid JSON at line 1, column 2: lists or objects nested too deeply",
    b'{"a":': "is not valid JSON at line 1, column 6: lists or objects nested too deeply",
    "é".encode(): KNOWN,
    b"\xe9": "is neither UTF-8 nor another encoding that can be told",
}


@pytest.mark.parametrize("unit", TEN_MEGABYTES)
def test_ten_megabytes_in_one_line_are_refused_quickly(tmp_path: Path, unit: bytes) -> None:
    path = write(tmp_path, unit * (10_000_000 // len(unit)))
    started = time.perf_counter()
    assert refusal(path)[0] == TEN_MEGABYTES[unit]
    assert time.perf_counter() - started < 5
    tracemalloc.start()
    try:
        refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 16_000_000
    finally:
        tracemalloc.stop()

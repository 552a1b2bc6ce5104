"""Imports: forty malformed variants of the real sets; each gives one clear line, and leaves the store byte for byte as it was."""

import csv
import gzip
import hashlib
import io
import json
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heedful.errors import SourceError
from heedful.lifecycle.ingest import import_file
from heedful.store.database import Store, open_store

pytestmark = pytest.mark.shared
GOOD = '{"question": "Who stays?", "answer": "This one."}\n'
PAIRS = "counsel_chat/context_response.jsonl"


class Sets:
    """The real sets, cut to their first rows, and ways to spoil them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def lines(self, name: str, count: int = 30) -> list[str]:
        with (self.folder / name).open(encoding="utf-8") as stream:
            return [next(stream) for _ in range(count)]

    def rows(self, name: str, count: int = 30) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.lines(name, count)]

    def table(self, name: str, count: int = 30) -> list[list[str]]:
        with (self.folder / name).open(encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream)
            return [next(reader) for _ in range(count)]

    def whole(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


def as_csv(records: list[list[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(records)
    return out.getvalue()


def as_lines(rows: list[object]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def changed(rows: list[dict[str, object]], number: int, **fields: object) -> str:
    """Row `number` (from 1) with other fields; a field of None is taken out."""
    row = {**rows[number - 1], **fields}
    kept = {key: value for key, value in row.items() if value is not None}
    return as_lines([*rows[: number - 1], kept, *rows[number:]])


def cell(records: list[list[str]], line: int, column: str, text: str) -> str:
    """The table with one cell changed; records of these files are numbered by line, so the test picks rows of one line."""
    place = records[0].index(column)
    return as_csv([[*record[:place], text, *record[place + 1 :]] if at == line else record for at, record in enumerate(records, 1)])


def one_line(records: list[list[str]]) -> list[list[str]]:
    return [[" ".join(text.split()) for text in record] for record in records]


def turns(sets: Sets) -> list[list[str]]:
    """esconv as a table with one turn a row."""
    talks = sets.rows("esconv_dev/esconv_dev_reconstructed.jsonl", 5)
    header = ["conversation_id", "turn", "speaker", "text"]
    rows = [
        [str(talk["id"]), str(turn), str(message["role"]), " ".join(str(message["content"]).split())]
        for talk in talks
        for turn, message in enumerate(talk["messages"])  # type: ignore[arg-type,var-annotated]
    ]
    return [header, *rows]


def transcript(sets: Sets) -> str:
    talks = sets.rows("esconv_dev/esconv_dev_reconstructed.jsonl", 5)
    names = {"user": "Client", "assistant": "Counselor"}
    return "\n".join(
        "".join(f"{names[m['role']]}: {' '.join(m['content'].split())}\n" for m in talk["messages"])  # type: ignore[attr-defined]
        for talk in talks
    )


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def parquet(rows: list[dict[str, object]]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def intents(sets: Sets) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(sets.whole("intents/intents.json"))["intents"]
    return found[:10]


CSV, FAQ, ESCONV = "counsel_chat/counsel_chat.csv", "faq/Mental_Health_FAQ.csv", "esconv_dev/esconv_dev_reconstructed.jsonl"
SMILE, CDC, INTENTS = "smile_zh/smilechat_1000.jsonl", "medquad/9_CDC_QA.jsonl", "intents/intents.json"
COLUMNS = "questionID, questionTitle, questionText, questionLink, topic, therapistInfo, therapistURL"
ROW, FETCH, UNPACK = (
    "mend the row, or leave",
    "is the file complete? fetch it again",
    "unpack it yourself and import what is inside",
)
NO_PAIRS = "name them: --column question=NAME --column answer=NAME"

Variant = tuple[str, Callable[[Sets], str | bytes], str, str]
VARIANTS: list[Variant] = [
    # a table
    (
        "its answer column has another name",
        lambda s: as_csv([["remarks" if name == "answerText" else name for name in s.table(CSV)[0]], *s.table(CSV)[1:]]),
        f": no answer column; columns there: {COLUMNS}, remarks, upvotes, views, split",
        NO_PAIRS,
    ),
    (
        "its columns occur twice, as after pasting",
        lambda s: as_csv([record * 2 for record in s.table(FAQ)]),
        ": more than one question column: 'Questions' and 'Questions'",
        "name them: --column question=NAME",
    ),
    ("only the header is left", lambda s: as_csv(s.table(FAQ)[:1]), ": holds no record", "heedful import --help"),
    (
        "cut inside a quoted text",
        lambda s: as_csv(one_line(s.table(FAQ)))[:9000],
        "a quote is opened here and never closed; all up to line",
        ROW,
    ),
    ("a cell too many", lambda s: as_csv([*s.table(FAQ)[:4], ["1", "q", "a", "x"]]), "has 4 cells, but there are 3 columns", ROW),
    (
        "a NUL in an answer",
        lambda s: cell(one_line(s.table(FAQ)), 4, "Answers", "a\0b"),
        ", row 4: Answers holds a NUL character",
        ROW,
    ),
    ("an empty answer", lambda s: cell(one_line(s.table(FAQ)), 7, "Answers", " "), ", row 7: Answers is empty", ROW),
    ("an empty question", lambda s: cell(one_line(s.table(FAQ)), 7, "Questions", ""), ", row 7: Questions is empty", ROW),
    (
        "a quote that is not doubled",
        lambda s: as_csv(one_line(s.table(FAQ))[:3]) + '9,"he said "no" to it",a\n',
        ', row 4: a quote inside a quoted text is not doubled ("")',
        ROW,
    ),
    (
        "UTF-16 without its mark",
        lambda s: s.whole(FAQ).decode().encode("utf-16-le"),
        ": is a binary file, not text",
        "save it as CSV",
    ),
    (
        "an odd number of bytes in UTF-16",
        lambda s: s.whole(FAQ).decode().encode("utf-16")[:-1],
        "neither UTF-8 nor another",
        "save it",
    ),
    (
        "a workbook",
        lambda s: zipped({"[Content_Types].xml": b"<x/>", "xl/a.xml": s.whole(FAQ)}),
        "an Office document",
        "save it as CSV",
    ),
    ("empty", lambda s: "", ": is empty", "choose a file with conversations in it"),
    # JSON Lines
    ("the last line is cut", lambda s: "".join(s.lines(PAIRS))[:-40], "row 30: the line is not valid JSON at column", ROW),
    ("a line is a list", lambda s: as_lines([*s.rows(PAIRS, 3), ["q", "a"]]), ", row 4: the line is a list, not an object", ROW),
    (
        "two lines have become one",
        lambda s: "".join(s.lines(PAIRS, 3)) + s.lines(PAIRS)[3].strip() + s.lines(PAIRS)[4],
        ", row 4: the line is not valid JSON at column",
        ROW,
    ),
    (
        "a null for an answer",
        lambda s: "".join(s.lines(PAIRS, 5)) + '{"Context": "q", "Response": null}\n',
        "Response is null",
        ROW,
    ),
    ("a number for an answer", lambda s: changed(s.rows(PAIRS), 3, Response=5), ", row 3: Response is a number, not a text", ROW),
    ("a list for a question", lambda s: changed(s.rows(PAIRS), 3, Context=["q"]), ", row 3: Context is a list, not a text", ROW),
    ("a row without its answer", lambda s: changed(s.rows(CDC), 9, answer=None), ", row 9: answer is missing", ROW),
    # JSON
    (
        "a list without one comma",
        lambda s: f"[{s.lines(CDC)[0]}{s.lines(CDC)[1]}]",
        "at line 2, column 1: expected , or ]",
        "is the file complete?",
    ),
    (
        "a list that breaks off",
        lambda s: json.dumps(s.rows(CDC))[:5000],
        "is not valid JSON at line 1, column",
        "is the file complete?",
    ),
    ("intents cut", lambda s: s.whole(INTENTS)[:20_000], ": is not valid JSON at line", "is the file complete? mend it there"),
    (
        "an intent without responses",
        lambda s: json.dumps({"intents": [*intents(s), {"tag": "x", "patterns": ["y"], "answers": ["z"]}]}),
        ", row 11: responses is missing",
        ROW,
    ),
    (
        "patterns as one text",
        lambda s: json.dumps({"intents": [*intents(s), {"tag": "x", "patterns": "y", "responses": ["z"]}]}),
        ", row 11: patterns is a text, not a list of texts",
        ROW,
    ),
    ("intents as an object", lambda s: json.dumps({"intents": intents(s)[0]}), "is an object, not a list of intents", "write {"),
    (
        "labelled sentences instead",
        lambda s: s.whole("pii/generated_small.json"),
        "no question column and no answer column",
        NO_PAIRS,
    ),
    # chats
    (
        "a speaker nobody knows",
        lambda s: changed(s.rows(ESCONV), 6, messages=[{"role": "moderator", "content": "x"}]),
        ", row 6: message 1 has the unknown speaker 'moderator'; say who it is: --speaker 'moderator=user'",
        ROW,
    ),
    (
        "speakers nobody knows",
        lambda s: "".join(s.lines(SMILE)).replace('"client"', '"A"').replace('"counselor"', '"B"'),
        ": no speaker is known: 'A', 'B'",
        "say who is who: --speaker 'A=user'",
    ),
    ("no messages", lambda s: changed(s.rows(ESCONV), 5, messages=[]), ", row 5: has no message of a user or an assistant", ROW),
    ("messages as a text", lambda s: changed(s.rows(SMILE), 5, dialog="x"), ", row 5: dialog is a text, not a list", ROW),
    (
        "a message without text",
        lambda s: changed(s.rows(SMILE), 5, dialog=[{"role": "client"}]),
        "row 5: message 1 has no content",
        ROW,
    ),
    # turns and transcripts
    (
        "turns without their text",
        lambda s: as_csv([row[:3] for row in turns(s)]),
        ": no question column and no answer column; columns there: conversation_id, turn, speaker",
        NO_PAIRS,
    ),
    (
        "a turn of nobody",
        lambda s: cell(turns(s), 5, "speaker", "narrator"),
        ", row 5: the turn has the unknown speaker 'narrator'",
        ROW,
    ),
    (
        "a turn without its conversation",
        lambda s: cell(turns(s), 5, "conversation_id", ""),
        ", row 5: conversation_id is empty",
        ROW,
    ),
    (
        "a third voice in a transcript",
        lambda s: transcript(s) + "\nClient: a\nMother: b\nCounselor: c\nMother: d\n",
        "message 2 has the unknown speaker 'Mother'",
        ROW,
    ),
    # archives and Parquet
    ("a gzip file that breaks off", lambda s: gzip.compress(s.whole(CDC))[:-100], ": is compressed, but damaged", FETCH),
    ("a zip that leads outside", lambda s: zipped({"../9_CDC_QA.jsonl": s.whole(CDC)}), "leads outside of it", UNPACK),
    ("a zip inside a zip", lambda s: zipped({"in.zip": zipped({"a.jsonl": s.whole(CDC)})}), "an archive inside an archive", UNPACK),
    (
        "a zip with a broken file",
        lambda s: zipped({"a.jsonl": s.whole(CDC), "b.jsonl": b'{"answer": 1}\n'}),
        "no question column",
        NO_PAIRS,
    ),
    ("a Parquet table that breaks off", lambda s: parquet(s.rows(CDC))[:-50], "is a Parquet table, but damaged", FETCH),
    ("a Parquet table with an empty answer", lambda s: parquet([*s.rows(CDC), {"question": "q"}]), "row 31: answer is null", ROW),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("store")
    (folder / "good.jsonl").write_text(GOOD)
    opened = open_store(folder / "heedful.db")
    import_file(opened, folder / "good.jsonl", "test")
    yield opened
    opened.close()


def contents(store: Store) -> str:
    """All tables, row by row."""
    with closing(sqlite3.connect(store.database)) as connection:
        return hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant[0])
def test_a_malformed_set_is_one_line_and_leaves_the_store_alone(
    shared_data: Path, tmp_path: Path, store: Store, variant: Variant
) -> None:
    _, spoil, line, next_step = variant
    content = spoil(Sets(shared_data))
    path = tmp_path / "set"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    before = contents(store)
    with pytest.raises(SourceError) as caught:
        import_file(store, path, "test")
    assert line in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert caught.value.next_step.startswith(next_step)
    assert len(str(caught.value).splitlines()) == len(caught.value.next_step.splitlines()) == 1
    assert contents(store) == before


def test_the_set_itself_is_taken(shared_data: Path, tmp_path: Path, store: Store) -> None:
    """The ways of spoiling above spoil: without them the same rows import."""
    sets = Sets(shared_data)
    unspoilt: dict[str, tuple[str | bytes, int]] = {
        "csv": (as_csv(one_line(sets.table(FAQ))), 29),
        "lines": ("".join(sets.lines(PAIRS)), 30),
        "json": (json.dumps(sets.rows(CDC)), 30),
        "intents": (json.dumps({"intents": intents(sets)}), 42),
        "turns": (as_csv(turns(sets)), 5),
        "transcript": (transcript(sets), 5),
        "zip": (zipped({"a.jsonl": "".join(sets.lines(CDC)).encode()}), 30),
        "parquet": (parquet(sets.rows(CDC)), 30),
    }
    for name, (content, count) in unspoilt.items():
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        assert import_file(store, tmp_path / name, "test").conversations == count

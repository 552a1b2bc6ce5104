"""Sources: where conversations lie: JSON documents, Parquet, databases, hub data sets, folders, archives; what is no good there."""

import bz2
import gzip
import io
import json
import lzma
import os
import sqlite3
import sys
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heedful.errors import SourceError
from heedful.sources import BadRow, Hints, HubSet, Location, Passed, Query, SourceRow, find, locate, name_of_location, read
from heedful.sources.containers.json_text import PIECE, JsonText
from heedful.sources.rows import RowError
from test_sources_shapes import MESSAGES, SHARE_GPT, refusal, talk, write

AB = talk("a", "b")
PAIR = '{"question": "a", "answer": "b"}\n'
OTHER = '{"question": "c", "answer": "d"}\n'


def rows_at(location: Location, passed: Passed | None = None) -> list[tuple[str, SourceRow | BadRow]]:
    """The name of every source and its rows, read as an import does: one source after the other."""
    found = find(location, Hints(), Passed() if passed is None else passed)
    return [(str(source.path), row) for source in found for row in read(source)]


def told(location: Location) -> tuple[str, str]:
    with pytest.raises(SourceError) as caught:
        rows_at(location)
    assert "\n" not in str(caught.value)
    return str(caught.value), caught.value.next_step


@pytest.mark.parametrize("size", [1, 7, PIECE - 3, PIECE, PIECE + 1])
def test_json_is_read_in_pieces_of_any_size(size: int) -> None:
    values = [{"a": "é" * size, "b": [1.5e3, -2, True, None, '\\"\u2028']}, 12345, "x" * size, [], {}]
    text = JsonText(io.StringIO(" " * size + json.dumps(values, indent=1)))
    assert list(text.items()) == values
    assert text.peek() == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[{"a": 1} {"a": 2}]', "line 1, column 11: expected , or ]"),
        ('[\n{"a": 1},\n]', "line 3, column 1: Expecting value"),
        ('[{"a": "x\n"}]', "line 1, column 10: Invalid control character at"),
        ("[" + "x" * 100 + "]", "line 1, column 2: Expecting value"),
        ('["' + "x\\n" * 100_000, "line 1, column 2: Unterminated string starting at"),
        ('[\n"' + "x" * 100_000 + '",\n\n  oops]', "line 4, column 3: Expecting value"),
    ],
)
def test_json_that_is_broken_is_placed(text: str, problem: str) -> None:
    with pytest.raises(RowError) as caught:
        list(JsonText(io.StringIO(text)).items())
    assert str(caught.value) == f"is not valid JSON at {problem}"


def test_a_long_json_list_needs_the_memory_of_one_item(tmp_path: Path) -> None:
    item = json.dumps({"question": "q" * 500, "answer": "a" * 500}, indent=2)
    path = write(tmp_path, '{"about": "x",\n"data": [\n' + ",\n".join([item] * 10_000) + "\n]}")
    tracemalloc.start()
    try:
        (source,) = find(path, Hints(), Passed())
        assert sum(isinstance(row, SourceRow) for row in read(source)) == 10_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000 < path.stat().st_size


def test_a_broken_json_list_is_refused_where_it_breaks(tmp_path: Path) -> None:
    path = write(tmp_path, "[\n" + PAIR.strip() + ",\n" + '{"question": "my secret" "answer": "b"}\n]')
    assert refusal(path) == (
        "is not valid JSON at line 3, column 26: Expecting ',' delimiter",
        "is the file complete? mend it there",
    )


def test_lists_behind_each_other_are_all_read(tmp_path: Path) -> None:
    path = write(tmp_path, {"train": [{"question": "a", "answer": "b"}], "test": [{"question": "c", "answer": "d"}, 7]})
    assert [row for _, row in rows_at(path)] == [
        SourceRow(1, AB),
        SourceRow(2, talk("c", "d")),
        BadRow(3, "the row is a number, not an object"),
    ]


def test_parquet(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2, 3], "prompt": ["a", "c", None], "completion": ["b", "d", "e"]})
    pq.write_table(table, tmp_path / "pairs", row_group_size=2)
    assert [row for _, row in rows_at(tmp_path / "pairs")] == [
        SourceRow(1, AB),
        SourceRow(2, talk("c", "d")),
        BadRow(3, "prompt is null, not a text"),
    ]
    pq.write_table(pa.table({"conversations": [SHARE_GPT["conversations"]], "user_id": [9]}), tmp_path / "chats")
    assert [row for _, row in rows_at(tmp_path / "chats")] == [SourceRow(1, AB, "9")]
    whole = (tmp_path / "pairs").read_bytes()
    (tmp_path / "cut").write_bytes(whole[:-20])
    assert refusal(tmp_path / "cut") == ("is a Parquet table, but damaged", "is the file complete? fetch it again")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "no")
    assert refusal(tmp_path / "no")[0] == "no question column and no answer column; columns there: x"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "chat.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE turns (talk INTEGER, sent TEXT, who TEXT, said TEXT, person INTEGER)")
        connection.executemany(
            "INSERT INTO turns VALUES (?, ?, ?, ?, ?)",
            [(1, "2026-01-01", "client", "a", 5), (2, "2026-01-01", "client", "c", 6), (1, "2026-01-02", "counselor", "b", None)],
        )
    return path


def test_a_query_of_a_database(database: Path) -> None:
    query = Query("SELECT talk, sent, who AS speaker, said AS text, person FROM turns", f"sqlite:///{database}")
    (source,) = find(query, Hints(), Passed())
    assert source.mapping == {"speaker": "speaker", "text": "text", "conversation": "talk", "order": "sent", "person": "person"}
    assert list(read(source)) == [SourceRow(1, AB, "5"), SourceRow(2, talk("c"), "6")]
    digest = source.records.digest()
    assert list(read(source))
    assert source.records.digest() == digest
    assert str(source.path) == f"sqlite:{database}"


def test_a_query_is_streamed(database: Path) -> None:
    many = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i AS question, 'x' AS answer FROM n"
    )
    query = Query(many.replace("i AS question", "printf('%.500c', 'q') || i AS question"), f"sqlite:///{database}")
    (source,) = find(query, Hints(), Passed())
    tracemalloc.start()
    try:
        assert sum(isinstance(row, SourceRow) for row in read(source)) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("statement", "url", "problem"),
    [
        ("DELETE FROM turns", "", "only a query that reads can be imported, such as SELECT"),
        ("WITH x AS (SELECT 1) DELETE FROM turns", "", "the database refused: attempt to write a readonly database"),
        ("SELECT * FROM absent", "", "the database refused: no such table: absent"),
        ("SELECT who FROM turns", "", "no question column and no answer column; columns there: who"),
        ("SELECT said AS question, who AS answer FROM turns WHERE 0", "", "holds no record"),
        ("SELECT 1", "sqlite:///nowhere.db", "there is no such database"),
        ("SELECT 1", "sqlite://", "there is no such database"),
        ("SELECT 1", "nonsense", "is no database URL"),
        ("SELECT 1", "klingon://host/db", "klingon is no database that is known here"),
        ("SELECT 1", "mssql+pymssql://user:s3cret@host/db", "needs the package pymssql, which is not installed"),
    ],
)
def test_a_query_that_does_not_work(database: Path, statement: str, url: str, problem: str) -> None:
    before = database.read_bytes()
    text, next_step = told(Query(statement, url if url else f"sqlite:///{database}"))
    assert text.endswith(f": {problem}")
    assert next_step
    assert database.read_bytes() == before
    assert not Path("nowhere.db").exists()


def test_the_password_of_a_url_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    query = Query("SELECT 1", "postgresql+psycopg://ann:s3cret@localhost:1/chats?sslpassword=0ther")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    text, next_step = told(query)
    assert text == "postgresql:localhost:1/chats: needs the package psycopg, which is not installed"
    assert next_step == "pip install 'heedful[postgres]'"
    assert "s3cret" not in repr(query) + name_of_location(query) + text


def test_a_hub_data_set_from_a_local_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "owner" / "name" / "data"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"instruction": ["a"], "output": ["b"]}), folder / "train-00000.parquet")
    pq.write_table(pa.table({"instruction": ["c"], "output": ["d"]}), folder / "test-00000.parquet")
    assert locate("hf:owner/name") == HubSet("owner/name")
    assert rows_at(HubSet("owner/name")) == [
        ("hf:owner/name/train", SourceRow(1, AB)),
        ("hf:owner/name/test", SourceRow(1, talk("c", "d"))),
    ]


def test_a_hub_data_set_with_configurations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "two").mkdir(parents=True)
    head = "---\nconfigs:\n- config_name: adults\n  data_files: a.jsonl\n- config_name: youth\n  data_files: b.jsonl\n---\n"
    for name, text in (("README.md", head), ("a.jsonl", PAIR), ("b.jsonl", OTHER)):
        (tmp_path / "owner" / "two" / name).write_text(text)
    assert told(locate("hf:owner/two")) == (
        "hf:owner/two: has the configurations adults, youth; name one of them",
        "heedful import hf:owner/two:adults",
    )
    assert rows_at(locate("hf:owner/two:youth")) == [("hf:owner/two:youth/train", SourceRow(1, talk("c", "d")))]


def test_a_hub_that_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate("hf:owner/name:small@v1") == HubSet("owner/name", "small", "v1")
    text, next_step = told(locate("hf:owner/none"))
    assert text == "hf:owner/none: cannot be fetched: there is no network, or it is switched off"
    assert next_step.startswith("where there is a network: hf download owner/none --repo-type dataset --local-dir none; then")
    assert told(Path("hf:")) == ("hf:: there is no such file", "check the path")


def fill(folder: Path) -> None:
    (folder / "b" / ".git").mkdir(parents=True)
    for name, text in (
        ("LICENSE", "MIT License\n\nPermission is granted, free of charge.\n"),
        ("a.csv", "question,answer\na,b\n"),
        ("empty.csv", ""),
        ("b/c.txt", "Patient: c\nTherapist: d\n"),
        ("b/.DS_Store", "x"),
        ("b/.git/config", PAIR),
    ):
        (folder / name).write_text(text)
    (folder / "b" / "d.jsonl.gz").write_bytes(gzip.compress(PAIR.encode()))


INSIDE = [("a.csv", SourceRow(2, AB)), ("b/c.txt", SourceRow(1, talk("c", "d"))), ("b/d.jsonl.gz", SourceRow(1, AB))]


def test_a_folder(tmp_path: Path) -> None:
    fill(tmp_path)
    passed = Passed()
    assert rows_at(tmp_path, passed) == [(str(tmp_path / name), row) for name, row in INSIDE]
    assert passed.counts == {"files that hold no conversations": 2, "hidden files": 2}
    assert passed.named == [str(tmp_path / "LICENSE"), str(tmp_path / "empty.csv")]


def zipped(folder: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))


def tarred(mode: str) -> Callable[[Path, Path], None]:
    def pack(folder: Path, path: Path) -> None:
        with tarfile.open(path, mode) as archive:
            archive.add(folder, ".")

    return pack


@pytest.mark.parametrize("pack", [zipped, tarred("w"), tarred("w:gz"), tarred("w:xz"), tarred("w:bz2")])
def test_an_archive_of_a_folder(tmp_path: Path, pack: Callable[[Path, Path], None]) -> None:
    (tmp_path / "folder").mkdir()
    fill(tmp_path / "folder")
    path = tmp_path / "packed.bin"
    pack(tmp_path / "folder", path)
    passed = Passed()
    found = rows_at(path, passed)
    assert sorted(found, key=lambda pair: pair[0]) == [(str(path / name), row) for name, row in INSIDE]
    assert passed.counts["files that hold no conversations"] == 2


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress, bz2.compress])
def test_a_compressed_file(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "chats.jsonl.x"
    path.write_bytes(compress((PAIR * 3).encode()))
    assert [row.number for _, row in rows_at(path)] == [1, 2, 3]
    path.write_bytes(compress((PAIR * 9_999).encode())[:-9])
    assert refusal(path) == ("is compressed, but damaged", "is the file complete? fetch it again")
    path.write_bytes(compress(b"Just a letter."))
    assert refusal(path)[0].startswith("is no known format")


def zip_of(entries: dict[str, bytes], path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


UNPACK = "unpack it yourself and import what is inside"


@pytest.mark.parametrize(
    "name", ["../chats.jsonl", "/etc/chats.jsonl", "a/../../chats.jsonl", "..\\chats.jsonl", "C:\\chats.jsonl"]
)
def test_an_archive_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    path = zip_of({"good.jsonl": PAIR.encode(), name: PAIR.encode()}, tmp_path / "x.zip")
    assert refusal(path) == ("holds a file whose name leads outside of it", UNPACK)


def test_an_archive_inside_an_archive_is_refused(tmp_path: Path) -> None:
    inner = zip_of({"a.jsonl": PAIR.encode()}, tmp_path / "inner.zip").read_bytes()
    path = zip_of({"inner.zip": inner}, tmp_path / "outer.zip")
    assert refusal(path) == ("/inner.zip: is an archive inside an archive", UNPACK)


@pytest.mark.parametrize("compress", [gzip.compress, partial(lzma.compress, preset=0), partial(bz2.compress, compresslevel=1)])
def test_a_bomb_is_refused_before_it_unfolds(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(compress(b"\0" * (101 << 20)))
    assert refusal(path) == ("unpacks to more than 200 times its size", UNPACK)
    path.write_bytes(zip_of({f"{n}.csv": compress(b"\0" * (51 << 20)) for n in range(2)}, path).read_bytes())
    assert refusal(path)[0].endswith("unpacks to more than 200 times its size")


def test_links_and_devices_of_an_archive_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(PAIR)
    (tmp_path / "link").symlink_to("/etc/passwd")
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(tmp_path / "a.jsonl", "a.jsonl")
        archive.add(tmp_path / "link", "link")
    passed = Passed()
    assert rows_at(path, passed) == [(str(path / "a.jsonl"), SourceRow(1, AB))]
    assert passed.counts["links and devices in an archive"] == 1


def test_archives_that_cannot_be_read(tmp_path: Path) -> None:
    whole = zip_of({f"{n}.jsonl": PAIR.encode() * 500 for n in range(3)}, tmp_path / "x.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[:-30])
    assert refusal(tmp_path / "cut.zip") == ("is compressed, but damaged", "is the file complete? fetch it again")
    wrong = bytearray(whole)
    wrong[60] ^= 255
    (tmp_path / "wrong.zip").write_bytes(wrong)
    assert refusal(tmp_path / "wrong.zip")[0] == "/0.jsonl: is compressed, but damaged"
    locked = bytearray(whole)
    locked[6] |= 1
    locked[whole.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    assert refusal(tmp_path / "locked.zip") == ("/0.jsonl: is locked with a password", UNPACK)
    book = zip_of({"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"}, tmp_path / "book.xlsx")
    assert refusal(book) == ("is an Office document, not text", "save it as CSV (UTF-8) or JSON Lines and import that")
    none = zip_of({"LICENSE": b"free", "b.png": b"\x89PNG"}, tmp_path / "none.zip")
    assert refusal(none)[0] == f"there is no file of conversations in it; it holds {none}/LICENSE, {none}/b.png"


def test_a_broken_file_in_a_folder_refuses_the_folder(tmp_path: Path) -> None:
    write(tmp_path, PAIR, "a.jsonl")
    write(tmp_path, "id,question\n1,q\n", "b.csv")
    assert refusal(tmp_path)[0] == "/b.csv: no answer column; columns there: id, question"


def test_messages_stay_what_they_are_in_every_place(tmp_path: Path) -> None:
    write(tmp_path, {"messages": MESSAGES}, "a.json")
    pq.write_table(pa.table({"messages": [MESSAGES]}), tmp_path / "b.parquet")
    write(tmp_path, "User: a\nAssistant: b\n", "c.txt")
    (tmp_path / "e.csv").write_text('id,transcript\n1,"Patient: a\nTherapist: b"\n')
    (tmp_path / "d.csv").write_text('messages\n"' + json.dumps(MESSAGES).replace('"', '""') + '"\n')
    assert [row.conversation for _, row in rows_at(tmp_path) if isinstance(row, SourceRow)] == [AB] * 5


def test_names_of_files_that_are_no_text_can_be_told_and_stored(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9\x1b[31m.jsonl"))
    odd.write_text(PAIR)
    assert rows_at(tmp_path) == [(f"{tmp_path}/caf??[31m.jsonl", SourceRow(1, AB))]
    odd.write_text("{}")
    assert told(odd)[0].startswith(f"{tmp_path}/caf??[31m.jsonl: no question column")
    path = zip_of({"a\x1b.jsonl": PAIR.encode()}, tmp_path / "x.zip")
    assert rows_at(path) == [(f"{path}/a?.jsonl", SourceRow(1, AB))]

"""Documents as they are read and cut: what stands in them, under which heading and page; and what is refused, with which words."""

import re
import zlib
from pathlib import Path

import pytest

from documents import raw_pdf, write_archive, write_docx, write_pdf
from heedful.knowledge.blocks import Block, Parsed, Unreadable
from heedful.knowledge.chunking import CHUNK_TOKENS, OVERLAP_TOKENS, Chunk, chunk
from heedful.knowledge.markdown import parse_markdown
from heedful.knowledge.parse import Limits
from heedful.knowledge.reader import Reader

MARKDOWN = """---
title: "Sleep"
---
<!-- for the team -->
# Sleeping well

Go to bed at **the same** hour. See [the list](https://example.org/list_(1)).

Light
-----
- Dim the lights.
- No screens.

```
# no heading
```
"""


def words(texts: object) -> list[int]:
    return [len(str(text).split()) for text in texts]  # type: ignore[attr-defined]


def test_markdown_gives_headings_and_paragraphs_without_its_marks() -> None:
    parsed = parse_markdown(MARKDOWN, "a-file")
    assert parsed.title == "Sleep"
    assert parsed.blocks == (
        Block("Sleeping well", 1),
        Block("Go to bed at the same hour. See the list."),
        Block("Light", 2),
        Block("- Dim the lights.\n- No screens."),
        Block("# no heading"),
    )


def test_a_pdf_has_pages_headings_from_its_bookmarks_and_no_running_heads(tmp_path: Path) -> None:
    pages = [
        ["Leaflet 7", "What is", "worry?", "Worry is a chain of thoughts about what may", "hap-", "pen. It can happen to all."],
        ["Leaflet 8", "What helps", "Write it down."],
        ["Leaflet 9", "Talk to somebody you trust."],
    ]
    path = write_pdf(tmp_path / "worry.pdf", pages, [("What is worry?", 0), ("What helps", 1)])
    with Reader() as reader:
        parsed = reader.read(path, "worry")
    assert (parsed.title, parsed.pages) == ("worry", 3)
    assert parsed.blocks == (
        Block("What is worry?", 1, 1),
        Block("Worry is a chain of thoughts about what may happen. It can happen to all.", 0, 1),
        Block("What helps", 1, 2),
        Block("Write it down.", 0, 2),
        Block("Talk to somebody you trust.", 0, 3),
    )


def test_word_and_html_keep_their_headings_and_lose_their_scripts(tmp_path: Path) -> None:
    docx = write_docx(
        tmp_path / "a.docx", [("Heading1", "Grief"), ("", "It comes in waves."), ("Heading2", "Sleep"), ("", "Rest.")]
    )
    html = tmp_path / "b.html"
    html.write_text("<html><head><title>Help</title></head><body><h2>Who</h2><p>Ring us.</p><script>steal()</script></body></html>")
    with Reader() as reader:
        word, page = reader.read(docx, "a"), reader.read(html, "b")
    assert word == Parsed("Grief", (Block("Grief", 1), Block("It comes in waves."), Block("Sleep", 2), Block("Rest.")))
    assert page == Parsed("Who", (Block("Who", 2), Block("Ring us.")))


@pytest.fixture(scope="module")
def reader() -> object:
    with Reader(Limits(text_bytes=2**20, pages=2)) as made:
        yield made


def refused(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name
    match name:
        case "empty.txt":
            path.write_bytes(b"")
        case "damaged.pdf":
            path.write_bytes(write_pdf(path, [["one"], ["two"]]).read_bytes()[:300])
        case "encrypted.pdf":
            write_pdf(path, [["secret"]], password="pass")
        case "long.pdf":
            write_pdf(path, [["one"], ["two"], ["three"]])
        case "pictures.pdf":
            write_pdf(path, [[], []])
        case "bomb.pdf":
            path.write_bytes(raw_pdf([zlib.compress(b" " * 90_000_000)]))
        case "bomb.docx":
            write_archive(path, "0" * 3_000_000)
        case "archive.docx":
            path.write_bytes(b"PK\x03\x04 and no more")
        case "random.md":
            path.write_bytes(bytes(range(256)) * 20)
        case "blank.html":
            path.write_text("<html><body><script>x</script></body></html>")
    return path


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty.txt", r"it is empty"),
        ("damaged.pdf", r"it is damaged \(.*\)"),
        ("encrypted.pdf", r"it is encrypted; save a copy without a password"),
        ("long.pdf", r"it has 3 pages; allowed: 2"),
        ("pictures.pdf", r"it has no text, only pictures of pages; recognise its text first"),
        ("bomb.pdf", r"a part of it unpacks to more than is allowed"),
        ("bomb.docx", r"it unpacks to \d+ bytes in 3 parts; allowed: 1048576, 10000"),
        ("archive.docx", r"it is a damaged archive"),
        ("random.md", r"it is no text, whatever its name says"),
        ("blank.html", r"it has no text to read"),
        ("lost.md", r"it cannot be opened \(No such file or directory\)"),
    ],
)
def test_what_cannot_be_read_says_why_and_the_reader_lives_on(tmp_path: Path, reader: Reader, name: str, reason: str) -> None:
    with pytest.raises(Unreadable) as raised:
        reader.read(refused(tmp_path, name), "x")
    assert re.fullmatch(reason, str(raised.value))
    good = tmp_path / "good.txt"
    good.write_text("One line.", encoding="utf-8")
    assert reader.read(good, "good") == Parsed("good", (Block("One line."),))


def test_a_file_that_takes_too_long_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("One line.", encoding="utf-8")
    with Reader(Limits(seconds=0.001)) as hurried, pytest.raises(Unreadable, match=r"it takes more than 0.001 s to read"):
        hurried.read(path, "a")


def test_a_file_that_needs_too_much_memory_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("A line of some words.\n\n" * 2_000_000, encoding="utf-8")
    with (
        Reader(Limits(memory=2**29)) as poor,
        pytest.raises(Unreadable, match=r"it needs more than 512 MB|its reader crashed"),
    ):
        poor.read(path, "a")


def test_chunks_keep_to_their_section_and_overlap_by_whole_sentences() -> None:
    sentence = "This is sentence number {} of a text about sleep and about light."
    blocks = [Block("Sleep", 1), Block("Short.", page=1), Block("Light", 2, 2)]
    blocks += [Block(" ".join(sentence.format(number) for number in range(start, start + 8)), 0, 2) for start in (0, 8, 16)]
    found = chunk(Parsed("Sleep", tuple(blocks)), words, 254)
    assert found[0] == Chunk("Sleep", 1, "Short.")
    assert {one.section for one in found[1:]} == {"Light"}
    assert all(len(one.text.split()) <= CHUNK_TOKENS for one in found)
    numbers = [[int(number) for number in re.findall(r"number (\d+)", one.text)] for one in found[1:]]
    assert sorted({number for run in numbers for number in run}) == list(range(24))
    shared = set(numbers[0]) & set(numbers[1])
    assert shared == set(numbers[0][-len(shared) :])
    assert 0 < 12 * len(shared) <= OVERLAP_TOKENS


def test_a_sentence_without_an_end_is_cut_and_nothing_is_lost() -> None:
    text = " ".join(f"w{number}" for number in range(1_000))
    found = chunk(Parsed("T", (Block(text),)), words, 254)
    assert all(len(one.text.split()) <= CHUNK_TOKENS for one in found)
    assert " ".join(dict.fromkeys(" ".join(one.text for one in found).split())) == text

"""Sources: plain transcripts; who speaks, what a turn is, and where one talk ends and the next begins."""

from pathlib import Path

import pytest

from heedful.conversation import Conversation, Message
from heedful.sources import BadRow, SourceRow
from test_sources_shapes import read_all, refusal, talk, write

AB, CD = talk("a", "b"), talk("c", "d")


@pytest.mark.parametrize(
    "text",
    [
        "Patient: a\nTherapist: b\n",
        "**Client:** a\n**Counselor:** b\n",
        "### Human: a\n### Assistant: b\n",
        "[10:02] Patient: a\n[10:03:11] Therapist: b\n",
        "[12/03/24, 10:32:11] Patient: a\n[12/03/24, 10:33:00] Therapist: b\n",
        "12/03/2024, 10:32 - User: a\n12/03/2024, 10:33 - Bot: b\n",
        "2024-03-12 10:32 AM User: a\n2024-03-12 10:33 AM Bot: b\n",
        "Question: a\nAnswer: b\n",
        "Patient 1: a\r\nTherapist 1: b\r\n",
        "PATIENT (10:02): a\nTHERAPIST (10:03): b\n",
        "Patient：a\nTherapist：b\n",
    ],
)
def test_a_turn_begins_with_a_name(tmp_path: Path, text: str) -> None:
    source, rows = read_all(write(tmp_path, text))
    assert (source.format, source.records.container) == ("chat", "transcript")
    assert rows == [SourceRow(1, AB)]


@pytest.mark.parametrize(
    ("between", "line"),
    [
        ("\n", 4),
        ("\n\n\n", 6),
        ("---\n", 4),
        ("\n=====\n\n", 6),
        ("Session 2\n", 4),
        ("\n## 12 March\n\n", 6),
        ("* * *\n", 4),
        ("Conversation #2, March\n", 4),
        ("\nINTERVIEW 2: with a colleague\n", 5),
    ],
)
def test_what_stands_between_two_talks(tmp_path: Path, between: str, line: int) -> None:
    text = f"Patient: a\nTherapist: b\n{between}Patient: c\nTherapist: d\n"
    assert read_all(write(tmp_path, text))[1] == [SourceRow(1, AB), SourceRow(line, CD)]


def test_turns_in_paragraphs_need_two_blank_lines_between_talks(tmp_path: Path) -> None:
    text = "Patient: a\n\nTherapist: b\n\nPatient: c\n\nTherapist: d\n"
    assert read_all(write(tmp_path, text))[1] == [SourceRow(1, talk("a", "b", "c", "d"))]
    assert read_all(write(tmp_path, text.replace("b\n\n", "b\n\n\n")))[1] == [SourceRow(1, AB), SourceRow(6, CD)]
    assert read_all(write(tmp_path, text), separator="blank")[1][0] == SourceRow(1, Conversation((Message("user", "a"),)))


def test_a_paragraph_inside_a_turn_does_not_end_it(tmp_path: Path) -> None:
    text = "Patient: a\nTherapist: b\n\nstill b\n\nPatient: c\nTherapist: d\n"
    assert read_all(write(tmp_path, text))[1] == [SourceRow(1, talk("a", "b\n\nstill b")), SourceRow(6, CD)]


def test_what_cannot_be_told_is_asked(tmp_path: Path) -> None:
    text = "Patient: a\nTherapist: b\n\nPatient: c\n\nTherapist: d\nPatient: e\n\nTherapist: f\n"
    assert refusal(write(tmp_path, text)) == (
        "it is not clear which turns are one conversation",
        "say what stands between two conversations: --separator blank, blanks, header or none",
    )
    assert read_all(write(tmp_path, text), separator="none")[1] == [SourceRow(1, talk("a", "b", "c", "d", "e", "f"))]


def test_a_title_of_the_whole_file_stands_between_no_talks(tmp_path: Path) -> None:
    text = "# All talks\n\nPatient: a\nTherapist: b\n\nPatient: c\nTherapist: d\n"
    assert read_all(write(tmp_path, text))[1] == [SourceRow(3, AB), SourceRow(6, CD)]
    parts = text.replace("# All", "Session 1\n# All") + "\nSession 2\n\nPatient: e\nTherapist: f\n"
    assert refusal(write(tmp_path, parts))[0] == "it is not clear which turns are one conversation"
    assert [row.number for row in read_all(write(tmp_path, parts), separator="header")[1]] == [4, 12]


@pytest.mark.parametrize("line", ["call 911 if it gets worse", "Call 911.", "Session 3 was hard for me", "case 2 applies"])
def test_a_line_of_a_turn_is_no_title(tmp_path: Path, line: str) -> None:
    text = f"Patient: a\nTherapist: b\n{line}\n\nPatient: c\nTherapist: d\n"
    assert read_all(write(tmp_path, text))[1] == [SourceRow(1, talk("a", f"b\n{line}")), SourceRow(5, CD)]


def test_a_transcript_in_a_cell(tmp_path: Path) -> None:
    path = write(tmp_path, 'id,dialogue\n1,"Anna: a\nWeiss: b"\n2,"Anna: c\nWeiss: d"\n')
    speakers = {"Anna": "user", "Weiss": "assistant"}
    assert read_all(path, speakers=speakers)[1] == [SourceRow(2, AB), SourceRow(4, CD)]


def test_unknown_speakers_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, "Anna: a\nDr. Weiss: b\nAnna: c\nDr. Weiss: d\n")
    assert refusal(path) == (
        "no speaker is known: 'Anna', 'Dr. Weiss'",
        "say who is who: --speaker 'Anna=user' or --speaker 'Anna=assistant', and so on",
    )
    speakers = {"anna": "user", "Dr. Weiss": "assistant"}
    assert read_all(path, speakers=speakers)[1] == [SourceRow(1, talk("a", "b", "c", "d"))]


def test_a_third_speaker_is_never_taken_for_text(tmp_path: Path) -> None:
    path = write(tmp_path, "Patient: a\nMother: m\nTherapist: b\n\nPatient: c\nMother: n\nTherapist: d\n")
    reason = "message 2 has the unknown speaker 'Mother'; say who it is: --speaker 'Mother=user' or --speaker 'Mother=assistant'"
    assert read_all(path)[1] == [BadRow(1, reason), BadRow(5, reason)]
    assert read_all(path, speakers={"Mother": "user"})[1] == [SourceRow(1, talk("a\nm", "b")), SourceRow(5, talk("c\nn", "d"))]
    assert read_all(path, no_speakers=frozenset({"Mother"}))[1][0] == SourceRow(1, talk("a\nMother: m", "b"))


def test_a_line_that_begins_like_a_speaker_once_is_text(tmp_path: Path) -> None:
    text = "Patient: a\nTherapist: b\nRemember: breathe\n1. Sleep: early\nhttps://example.org: a page\n"
    assert read_all(write(tmp_path, text))[1] == [
        SourceRow(1, talk("a", "b\nRemember: breathe\n1. Sleep: early\nhttps://example.org: a page"))
    ]


def test_lines_before_anyone_speaks_belong_to_no_talk(tmp_path: Path) -> None:
    text = "Session 1\nroom 12, with a colleague\nPatient: a\nTherapist: b\n"
    assert read_all(write(tmp_path, text))[1] == [SourceRow(3, AB)]


def test_a_talk_without_end_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "Patient: a\nTherapist: b\n" + f"Patient: {'word ' * 1_000}\nTherapist: x\n" * 300)
    assert refusal(path) == (
        ", row 1: a conversation of more than 1,048,576 characters begins here",
        "say what stands between two conversations: --separator blank, blanks, header or none",
    )

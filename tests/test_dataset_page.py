"""The card: topics, charts and the page for a clinician, which holds nobody's words."""

import json
from collections import Counter
from pathlib import Path

import pytest

from heedful.config import DatasetSettings
from heedful.conversation import Conversation, Message
from heedful.dataset import build_dataset, show_dataset
from heedful.dataset.page import chart, identifiers, render_page
from heedful.dataset.render import Member, Style, render
from heedful.dataset.topics import LEAST_TEXTS, find_topics, telling_words
from heedful.dataset.writing import Lengths
from heedful.drawing.bars import Bar, histogram, lines
from heedful.lifecycle.ingest import import_file
from heedful.store.conversations import Stored
from heedful.store.database import open_store
from heedful.workspace import Workspace

SUBJECTS = {
    "sleep": "awake pillow nightmare insomnia",
    "work": "boss deadline office shift",
    "family": "sister mother wedding quarrel",
}


def texts(each: int) -> list[frozenset[str]]:
    """Three of the four words of a subject, and one word of their own."""
    found = []
    for subject, listed in SUBJECTS.items():
        spoken = listed.split()
        for turn in range(4 * each):
            used = (word for place, word in enumerate(spoken) if place != turn % 4)
            found.append(frozenset({subject, *used, f"{subject}own{turn // 4}"}))
    return found


def test_topics_are_the_subjects_and_show_no_word_of_one_person() -> None:
    topics = find_topics(texts(16), 7)
    assert [topic.share for topic in topics] == pytest.approx([1 / 3] * 3, abs=1e-3)
    # the word of a subject itself is in a third of the texts: too common to tell anything
    assert {frozenset(topic.words) for topic in topics} == {frozenset(listed.split()) for listed in SUBJECTS.values()}
    assert topics == find_topics(texts(16), 7)
    assert not [word for topic in topics for word in topic.words if "own" in word]


def test_too_little_has_no_topics() -> None:
    assert find_topics(texts(3)[: LEAST_TEXTS - 1], 7) == []
    assert find_topics([frozenset({f"word{n}"}) for n in range(200)], 7) == []  # nothing in common
    assert find_topics([], 7) == []


def test_telling_words_are_long_and_no_grammar() -> None:
    assert telling_words("I cannot sleep because of Anna's violin, 1234 times!") == {"sleep", "annas", "violin", "times"}
    assert telling_words("我睡不着") == {"我睡", "睡不", "不着"}


def test_identifiers_and_their_surrogates_are_no_topic() -> None:
    said = Conversation(
        (Message("user", "My sister Charlotte lives in Manchester and cannot sleep."), Message("assistant", "I see."))
    )
    style = Style("", frozenset(), 1, seed=7, for_topics=frozenset({3}))
    rendered = render(Member(Stored(3, said, "", "", None)), style)
    assert rendered.identifiers == {"name": 1, "place": 1}
    assert rendered.telling == {"sister", "lives", "sleep"}


def test_histogram_counts_and_gathers_the_giants() -> None:
    drawn = str(histogram({2: 5, 4: 3, 900: 1}, 10, "messages", "conversations"))
    assert drawn.count("<rect") == 3
    assert [part.split("</title>")[0] for part in drawn.split("<title>")[1:]] == ["2: 5", "4: 3", "10: 1"]
    assert str(histogram({}, 10, "x", "y")) == ""
    wide = str(histogram(dict.fromkeys(range(1000), 1), 1000, "x", "y"))
    assert wide.count("<rect") == 20 and "0 to 49: 50" in wide


def test_lines_are_as_long_as_their_values_and_escaped() -> None:
    drawn = str(lines([Bar("a <b>", 10, "10"), Bar("c", 5, "5"), Bar("d", 0, "0")], "label"))
    assert [part.split('"')[0] for part in drawn.split(' width="')[1:]] == ["360.0", "180.0", "0.0"]
    assert "a &lt;b&gt;" in drawn
    assert str(lines([Bar("a", 0, "0")], "label")) == "" == str(lines([], "label"))


def test_few_lengths_are_shown_one_by_one() -> None:
    assert "2 messages" in str(chart(Counter({2: 9, 4: 1}), "messages"))
    assert "the last bar holds all longer ones" in str(chart(Counter({**dict.fromkeys(range(1, 99), 1), 5000: 1}), "characters"))


def test_identifiers_are_drawn_when_they_were_counted() -> None:
    assert str(identifiers({"identifiers": {"places": {}}})) == ""
    drawn = str(identifiers({"identifiers": {"places": {"name": 3, "national_id": 7}}}))
    assert [part.split("</text>")[0] for part in drawn.split('text-anchor="end">')[1:]] == ["national id", "name"]


def test_the_page_is_whole_and_holds_nobody_s_words(workspace: Workspace, tmp_path: Path) -> None:
    said = [
        f"{' '.join(listed.split()[: 2 + n % 3])} and my private matter {subject}{n}"
        for subject, listed in SUBJECTS.items()
        for n in range(40)
    ]
    answers = [f"An answer {n}." + (" You have depression." if n < 2 else "") for n in range(len(said))]
    rows = (json.dumps({"question": text, "answer": answer}) for text, answer in zip(said, answers, strict=True))
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(rows) + "\n")
    store = open_store(workspace.database)
    import_file(store, path, "tester")
    built = build_dataset(store, workspace, DatasetSettings(), "Be kind.", "tester")
    store.close()
    page, manifest = (built.path / "card.html").read_text(encoding="utf-8"), show_dataset(workspace, built.id)
    for shown in (
        "What the companion learns from", built.id, "To prove the result", "Awaiting review", "rows.jsonl",
        "tells the person what illness they have", "What this does not show",
    ):  # fmt: skip
        assert shown in page
    assert manifest["review"] == {"diagnosis": {"awaiting": 2}}
    assert {word for topic in manifest["topics"] for word in topic["words"]} <= {
        *(word for listed in SUBJECTS.values() for word in listed.split()), "private", "matter", *SUBJECTS,
    }  # fmt: skip
    for private in ("sleep1", "private matter", "An answer 1", "You have depression", str(tmp_path)):
        assert private not in page
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")
    assert page.count("<svg") >= 4


def test_an_empty_dataset_section_is_said_in_words() -> None:
    manifest = {
        "id": "ds-0", "created_at": "2026-01-01T00:00:00", "counts": {"train": 8, "validation": 1, "test": 1},
        "input": {"conversations": 10}, "dropped": {"exact_duplicate": 0, "near_duplicate": 0}, "review": {}, "topics": [],
        "grounded": {"outcomes": {"cited": 0, "uncited": 0}},
        "changed": {"signature_cut": 0}, "composed": 0, "languages": [], "questions_with_versions": 0, "sources": [],
        "groups": {"train": 8, "validation": 1, "test": 1}, "largest_group": 1,
        "identifiers": {"mode": "replace", "conversations": 0, "places": {}},
    }  # fmt: skip
    lengths = Lengths(Counter({2: 10}), Counter({20: 10}), Counter({9: 10}))
    page = render_page(manifest, lengths, DatasetSettings())
    for said in (
        "every stored conversation is in",
        "No answer met a rule",
        "the texts stand as they came",
        "No name, number, place or the like was found",
        "too few conversations to group",
    ):
        assert said in page

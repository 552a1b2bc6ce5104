"""Near-duplicates: words, signatures, and what a build of real and of edited rows makes of them."""

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from heedful.config import DatasetSettings
from heedful.conversation import Conversation, Message
from heedful.dataset import build_dataset, load_split
from heedful.dataset.look import opening_words
from heedful.dataset.scratch import Scratch
from heedful.dataset.similarity import is_near, is_typo
from heedful.dataset.sketch import VALUES, candidate_pairs, pieces, sketch
from heedful.dataset.splits import SPLITS
from heedful.dataset.survey import survey
from heedful.dataset.twins import components, near_duplicates, twin_questions
from heedful.dataset.words import words
from heedful.lifecycle.ingest import import_file
from heedful.store.conversations import Stored
from heedful.store.database import open_store
from heedful.workspace import Workspace

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import duplicates  # the labelled set of edited rows

LETTER = (
    "My sister and I have not talked since our father died last spring. She sold his workshop without asking me, and now her "
    "wedding is in June and I do not know whether I should go."
)


def test_words_without_case_short_forms_greeting_and_thanks() -> None:
    assert words("Hi there! I can't sleep, I'm TIRED. Thanks in advance!") == ["i", "can", "not", "sleep", "i", "am", "tired"]
    assert words("I cannot sleep") == words("i cant sleep") == words("I can’t sleep")
    assert words("Hello!") == ["hello"]
    assert words("我睡不着") == ["我", "睡", "不", "着"]
    assert words("") == []


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        (LETTER, LETTER.upper(), True),
        (LETTER, LETTER.replace("wedding", "weding").replace("spring", "srping"), True),
        (LETTER, f"Hello everyone, {LETTER} Any advice?", True),
        (LETTER, LETTER.replace("My sister and I have not talked since our father died last spring. ", ""), True),
        (LETTER, LETTER.replace("June", "three weeks").replace("do not know", "am not sure"), True),
        (LETTER, "My brother and I have not talked since he moved away. He never calls. What can I do?", False),
        ("How can I be less stressed?", "How can I be less angry?", False),
        ("What are the symptoms of asthma?", "What are the treatments for asthma?", False),
        ("Is 50 mg too much?", "Is 500 mg too much?", False),
        ("I can sleep at night", "I can not sleep at night", False),
        ("Does hypotension hurt?", "Does hypertension hurt?", False),
        ("I feel uncomfortable there", "I feel comfortable there", False),
        ("I feel lonley tonight", "I feel lonely tonight", True),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_versions_of_one_text(one: str, other: str, near: bool) -> None:
    assert is_near(words(one), words(other)) == near
    assert is_near(words(other), words(one)) == near


@pytest.mark.parametrize(("one", "other", "typo"), [("sleep", "slepe", True), ("sad", "mad", False), ("14th", "15th", False)])
def test_typing_errors(one: str, other: str, typo: bool) -> None:
    assert is_typo(one, other) == typo


def test_a_signature_estimates_what_texts_have_in_common() -> None:
    one, other = pieces(words(LETTER)), pieces(words(LETTER.replace("wedding", "funeral").replace("June", "July")))
    exact = len(np.intersect1d(one, other)) / len(np.union1d(one, other))
    estimate = float((sketch(one) == sketch(other)).mean())
    assert (sketch(one).shape, sketch(one).dtype) == ((VALUES,), np.uint16)
    assert abs(estimate - exact) < 0.1
    assert (sketch(pieces(words(LETTER))) == sketch(one)).all()


def test_pieces_of_nothing_and_of_one_letter() -> None:
    assert len(pieces([])) == 1
    assert len(pieces(["a"])) == 1


def chat(question: str, answer: str) -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)))


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Scratch]:
    with Scratch(tmp_path) as opened:
        yield opened


def test_texts_and_signatures_come_back_and_lie_in_no_file(tmp_path: Path) -> None:
    with Scratch(tmp_path) as scratch:
        for text in ("one", "", "drei ß 🙂"):
            scratch.add(text, bytes(2 * VALUES), bytes(range(256)))
        assert [scratch.openings.read(number) for number in (2, 0, 1)] == ["drei ß 🙂", "one", ""]
        assert scratch.whole_signatures.rows([2]).tobytes() == bytes(range(256))
        assert [len(block) for block in scratch.opening_signatures.blocks()] == [3]
        assert list(tmp_path.iterdir()) == []


def test_only_the_chosen_rows_are_compared(scratch: Scratch) -> None:
    for text in (LETTER, LETTER.upper(), "Quite another thing.", LETTER + " Thanks."):
        scratch.add("", sketch(pieces(words(text))).tobytes(), b"")
    sizes = np.full(4, 100, np.uint16)
    assert candidate_pairs(scratch.opening_signatures, sizes, np.array([0, 1, 2, 3])).tolist() == [[0, 1], [0, 3], [1, 3]]
    assert candidate_pairs(scratch.opening_signatures, sizes, np.array([0, 2, 3])).tolist() == [[0, 3]]
    assert candidate_pairs(scratch.opening_signatures, sizes, np.array([], np.int64)).tolist() == []


def test_a_conversation_is_dropped_when_both_sides_are_alike(scratch: Scratch) -> None:
    kind, other = "That is a lot to carry. What would your father have wanted for the two of you?", "Go, and stay for an hour only."
    conversations = [
        chat(LETTER, kind),
        chat(LETTER.replace("wedding", "weding"), f"{kind} Take care."),
        chat(LETTER, other),
        chat("Should I go there?", kind),
        chat(f"Hello! {LETTER}", kind.replace("wanted", "hoped for")),
    ]
    rows = [Stored(n, c, c.fingerprint(), None, "chat") for n, c in enumerate(conversations, 10)]
    found = survey(rows, DatasetSettings(), "", scratch)
    assert near_duplicates(found, lambda ids: [row for row in rows if row.id in ids]) == {1, 4}
    [(one, twins), (mistyped, others)] = twin_questions(found).items()  # a greeting is no difference
    assert (twins, others) == ({mistyped}, {one})


def test_components_follow_chains() -> None:
    assert components({1: {2}, 2: {1, 3}, 3: {2}, 7: {9}, 9: {7}}) == {1: 1, 2: 1, 3: 1, 7: 7, 9: 7}


@pytest.mark.shared
def test_recall_and_precision_on_edited_real_rows(shared_data: Path) -> None:
    """On rows that no threshold was set on."""
    found = duplicates.measure(shared_data, rows=150, half="reported")
    assert found["recall"] >= 0.95
    assert found["precision"] >= 0.95
    assert found["positives"] > 2_000 and found["negatives"] > 500


@pytest.mark.shared
def test_no_twins_stand_on_two_sides_of_counsel_chat(shared_data: Path, workspace: Workspace) -> None:
    """Every question against every question of another side, by letter triples and by word triples, without any of our hashing."""
    rows = duplicates.conversations_of(shared_data / "counsel_chat" / "counsel_chat.csv")
    store = open_store(workspace.database)
    import_file(store, shared_data / "counsel_chat" / "counsel_chat.csv", "tester", basis="public")
    with_edits = workspace.root / "edited.csv"
    duplicates.write_edited(rows, with_edits, seed=5, count=300)
    import_file(store, with_edits, "tester", basis="public")
    built = build_dataset(store, workspace, DatasetSettings(), "", "tester")
    store.close()
    questions: dict[str, set[str]] = defaultdict(set)
    for split in SPLITS:
        questions[split] = {" ".join(c.question.casefold().split()) for c in load_split(built.path, split)}
    assert built.dropped["near_duplicate"] > 100
    for one, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
        assert not questions[one] & questions[other]
        for grams in (letter_triples, word_triples):
            assert highest_share(sorted(questions[one]), sorted(questions[other]), grams) < 0.5


def letter_triples(text: str) -> set[str]:
    return {text[n : n + 3] for n in range(len(text) - 2)}


def word_triples(text: str) -> set[tuple[str, ...]]:
    spoken = text.split()
    return set(zip(spoken, spoken[1:], spoken[2:], strict=False)) or {tuple(spoken)}


def highest_share(here: list[str], there: list[str], grams) -> float:  # type: ignore[no-untyped-def]
    """The largest Jaccard similarity between a text of one side and one of the other."""
    vocabulary: dict[object, int] = {}
    matrices = []
    for texts in (here, there):
        sets = [[vocabulary.setdefault(gram, len(vocabulary)) for gram in grams(text)] for text in texts]
        matrices.append(sets)
    left, right = (np.zeros((len(sets), len(vocabulary)), np.float32) for sets in matrices)
    for matrix, sets in ((left, matrices[0]), (right, matrices[1])):
        for row, columns in enumerate(sets):
            matrix[row, columns] = 1
    common = left @ right.T
    return float((common / (left.sum(1)[:, None] + right.sum(1)[None] - common)).max())


def test_opening_goes_on_until_something_is_said() -> None:
    long = Conversation(
        (Message("user", "Hi"), Message("assistant", "Hello."), Message("user", "I lost my job today"), *chat("b", "c").messages)
    )
    assert opening_words(long) == ["hi", "i", "lost", "my", "job", "today"]

"""Composed conversations: what they are made of, how often, and that they stay in the training file."""

import json
from collections import Counter
from pathlib import Path

import pytest

from heedful.config import DatasetSettings
from heedful.dataset import build_dataset, load_split, show_dataset
from heedful.dataset.compose import MOST, Exchange, compose
from heedful.lifecycle.ingest import import_file
from heedful.lifecycle.rounds import sources_of
from heedful.store.conversations import iterate_conversations
from heedful.store.database import open_store
from heedful.workspace import Workspace


def exchanges(**tags: tuple[int, int]) -> list[Exchange]:
    """tag=(questions, answers): as a source pairs them, the answers going round."""
    made = [(tag, q, q % answers) for tag, (questions, answers) in tags.items() for q in range(questions)]
    return [Exchange(n, tag, f"{tag} question {q}", f"{tag} answer {a}") for n, (tag, q, a) in enumerate(made)]


def test_a_greeting_a_concern_and_a_farewell() -> None:
    made = list(compose(exchanges(greeting=(1, 1), sleep=(1, 1), goodbye=(1, 1)), 7))
    assert [m.content for m in made[0].conversation.messages] == [
        "greeting question 0", "greeting answer 0", "sleep question 0", "sleep answer 0", "goodbye question 0", "goodbye answer 0",
    ]  # fmt: skip
    assert [m.role for m in made[0].conversation.messages] == ["user", "assistant"] * 3
    assert made[0].sources == (0, 1, 2)
    assert len(made) == 1


def test_no_answer_is_used_beyond_its_share() -> None:
    given = exchanges(greeting=(8, 3), good_morning=(4, 1), sleep=(20, 2), work=(6, 6), family=(9, 9), thanks=(5, 2), bye=(2, 1))
    made = list(compose(given, 7))
    used = Counter(answer for one in made for answer in one.conversation.answers)
    for tag, most in (("sleep", 1), ("work", 1), ("family", 1), ("greeting", MOST), ("good_morning", MOST), ("thanks", MOST)):
        assert {count for answer, count in used.items() if answer.startswith(tag)} <= set(range(1, most + 1))
    openings = [used[f"greeting answer {n}"] for n in range(3)] + [used["good_morning answer 0"]]
    assert max(openings) - min(openings) <= 1
    assert len(made) == 16  # four openings, four times each
    assert len({one.conversation.messages[0].content for one in made}) >= 8  # questions take turns too


def test_what_tells_of_danger_or_nothing_is_not_composed() -> None:
    given = [
        *exchanges(greeting=(2, 2), goodbye=(2, 2), suicide=(2, 2), fallback=(2, 2)),
        Exchange(90, "sad", "I want to kill myself", "Call 988."),
        Exchange(91, "sad", "I feel low", "Tell me more."),
    ]
    assert [one.sources[1] for one in compose(given, 7)] == [91]


def test_the_order_of_the_lines_does_not_matter_and_the_seed_does() -> None:
    given = exchanges(greeting=(6, 3), sleep=(12, 12), goodbye=(6, 3))
    once = [one.conversation for one in compose(given, 7)]
    assert once == [one.conversation for one in compose(given[::-1], 7)]
    assert once != [one.conversation for one in compose(given, 8)]


def test_without_greetings_and_farewells_nothing_is_composed() -> None:
    assert list(compose(exchanges(sleep=(4, 4), work=(4, 4)), 7)) == []


def intents(folder: Path) -> Path:
    """Tags of compound words of their own, so that no question is nearly another one."""
    things = ("window", "garden", "bicycle", "kitchen", "harbour", "violin", "mountain", "lantern")

    def intent(tag: str, count: int) -> dict[str, object]:
        said = [f"{tag}{thing} {thing}{tag} today" for thing in things[:count]]
        return {"tag": tag, "patterns": said, "responses": [f"About {text} then." for text in said]}

    tags = {"greeting": 6, "thanks": 6, "goodbye": 6} | {f"concern{n * 3}": 5 for n in "abcdefghijklmnopqrst"}
    path = folder / "intents.json"
    path.write_text(json.dumps({"intents": [intent(tag, count) for tag, count in tags.items()]}))
    return path


@pytest.mark.parametrize("seed", [7, 8])
def test_only_the_training_file_grows_and_every_source_is_a_member(workspace: Workspace, tmp_path: Path, seed: int) -> None:
    store = open_store(workspace.database)
    import_file(store, intents(tmp_path), "tester")
    built = build_dataset(store, workspace, DatasetSettings(seed=seed), "Be kind.", "tester")
    plain = build_dataset(store, workspace, DatasetSettings(seed=seed, augment=False), "Be kind.", "tester")
    manifest = show_dataset(workspace, built.id)
    assert manifest["composed"] == built.counts["train"] - plain.counts["train"] > 0
    assert show_dataset(workspace, plain.id)["composed"] == 0
    for split in ("validation", "test"):
        assert load_split(built.path, split) == load_split(plain.path, split)
        assert all(len(c.messages) == 3 for c in load_split(built.path, split))
    lines = load_split(built.path, "train")
    with store.snapshot() as session:
        texts = {one.id: one.conversation.messages for one in iterate_conversations(session)}
        sources = sources_of(session, built.id)
    assert len(sources) == len(lines) == built.counts["train"]
    for position, line in enumerate(lines):
        told = {message for source in sources[position] for message in texts[source]}
        assert told == set(line.messages[1:])  # all of it, and nothing else, comes from its sources
    held_out = {m for split in ("validation", "test") for c in load_split(built.path, split) for m in c.messages[1:]}
    composed = lines[plain.counts["train"] :]
    assert all(len(c.messages) > 3 for c in composed)
    assert held_out.isdisjoint(m for c in composed for m in c.messages[1:])
    assert f"- {manifest['composed']} in train.jsonl were composed" in (built.path / "card.md").read_text()
    store.close()

"""Examples that cite: the prompt of service, the team's answer with numbers, sides kept, lineage, and what was left out."""

import asyncio
import json
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from heedful.companion.examples import WITHOUT, ground_in
from heedful.companion.retrieving import Wanted, from_documents
from heedful.config import Settings, load_settings
from heedful.conversation import Conversation, Message
from heedful.dataset import BuiltDataset, build_dataset, load_split
from heedful.dataset.grounding import Grounded
from heedful.errors import DatasetError
from heedful.knowledge.citing import CITATION
from heedful.knowledge.library import add_files
from heedful.lifecycle.grounding import grounding_of
from heedful.lifecycle.ingest import import_file
from heedful.lifecycle.rounds import learned_from, next_round
from heedful.lifecycle.strategy import plan_training
from heedful.lifecycle.training import train_version
from heedful.registry.versions import find_version
from heedful.sources import locate
from heedful.store.database import Store, open_store
from heedful.store.schema_trust import Membership
from heedful.training.round import Round
from heedful.workspace import Workspace, read_manifest

ANIMALS = {
    "otter": "sleeps floating on its back and holds the paw of another", "badger": "digs tunnels below old oak woods at night",
    "heron": "waits motionless in shallow rivers for passing fish", "beaver": "builds dams of branches across slow streams",
    "falcon": "dives from great heights upon smaller birds", "hedgehog": "rolls into a ball of spines when frightened",
    "salmon": "swims upstream to the river of its birth to spawn", "cuckoo": "lays eggs in the nests of other birds",
    "bat": "finds moths in darkness by the echo of its calls", "squirrel": "buries hazelnuts in autumn and forgets many",
    "mole": "lives underground and eats earthworms all year", "swift": "sleeps and feeds in the air for months",
}  # fmt: skip
TELLING = "You know about animals."


def asked(animal: str) -> str:
    return f"What does the {animal} do?"


def told(animal: str) -> Conversation:
    return Conversation((
        Message("system", TELLING),
        Message("user", asked(animal)),
        Message("assistant", f"Good question. The {animal} {ANIMALS[animal]}."),
    ))  # fmt: skip


@pytest.fixture
def library(workspace: Workspace, tmp_path: Path) -> Workspace:
    path = tmp_path / "animals.md"
    sections = [f"## The {name}\n\nThe {name} {fact}. Many people like to watch the {name}.\n" for name, fact in ANIMALS.items()]
    path.write_text("# Animals\n\n" + "\n".join(sections), encoding="utf-8")
    add_files(workspace, [path])
    return workspace


def grounded(workspace: Workspace, animal: str, seed: int = 0) -> Grounded:
    return ground_in(workspace, Wanted(floor=0.2), seed)(told(animal))


def test_an_example_has_the_prompt_of_service_and_cites_what_supports_it(library: Workspace) -> None:
    made = [grounded(library, animal) for animal in ANIMALS]
    cited = [(animal, one.conversation) for animal, one in zip(ANIMALS, made, strict=True) if one.outcome == "cited"]
    places = set()
    for animal, conversation in cited:
        assert conversation is not None
        system, question, answer = conversation.messages
        head, *quotations = system.content.removeprefix(f"{TELLING}\n\n").split("\n\n")
        number = 1 + next(place for place, text in enumerate(quotations) if ANIMALS[animal] in text)
        assert answer.content == f"Good question. The {animal} {ANIMALS[animal]} [{number}]."
        assert question.content == asked(animal)
        served = asyncio.run(from_documents(library, Wanted(floor=0.2))([Message("system", TELLING), question]))
        assert head == served.messages[0].content.removeprefix(f"{TELLING}\n\n").split("\n\n")[0]
        assert len(quotations) == len(served.passages) == 3
        places.add(number)
    assert len(cited) >= 6 and len(places) > 1, "a model that always writes [1] must be wrong"


def test_some_examples_show_nothing_that_supports_them_and_cite_nothing(library: Workspace) -> None:
    made = [(animal, grounded(library, animal, seed)) for seed in range(3) for animal in ANIMALS]
    uncited = [(animal, one.conversation) for animal, one in made if one.outcome == "uncited"]
    assert 0.5 * WITHOUT < len(uncited) / len(made) < 2 * WITHOUT
    for animal, conversation in uncited:
        assert conversation is not None
        assert ANIMALS[animal] not in conversation.messages[0].content and "[1]" in conversation.messages[0].content
        assert conversation.messages[-1] == told(animal).messages[-1]


def test_what_cannot_be_cited_is_left_out_with_its_reason(library: Workspace) -> None:
    ground = ground_in(library, Wanted(floor=0.2), 0)
    plain = Conversation((Message("user", asked("otter")), Message("assistant", "I am glad that you asked me about this today.")))
    strange = Conversation(
        (Message("user", "Which gearbox fits a 1998 tractor?"), Message("assistant", "The five-speed one fits."))
    )
    assert (ground(plain), ground_in(library, Wanted(), 0)(strange)) == (Grounded("unsupported"), Grounded("nothing_found"))
    tight = Wanted(floor=0.2, count=lambda text: len(text.split()), room=20)
    assert {ground_in(library, tight, 0)(told(animal)).outcome for animal in ANIMALS} == {"no_room"}


def settings(**dataset: object) -> Settings:
    flags = {"knowledge": {"floor": 0.2, "room": 0.75}, "dataset": {"split": "60/20/20", **dataset}, "training": {"epochs": 1}}
    return load_settings(flags=flags)


def build(workspace: Workspace, store: Store, asked_for: Settings) -> BuiltDataset:
    return build_dataset(
        store, workspace, asked_for.dataset, TELLING, "test", ground=grounding_of(workspace, asked_for)
    )  # fmt: skip


@pytest.fixture
def store(library: Workspace, tmp_path: Path) -> Store:
    source = tmp_path / "team.jsonl"
    rows = [{"messages": [message.as_dict() for message in told(animal).messages[1:]]} for animal in ANIMALS]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    opened = open_store(library.database)
    import_file(opened, locate(str(source)), "test", basis="owned")
    return opened


def test_a_dataset_with_knowledge_keeps_its_sides_and_its_lineage(library: Workspace, store: Store) -> None:
    plain = build(library, store, settings())
    built = build(library, store, settings(knowledge=True))
    manifest = read_manifest(built.path)
    first, last = manifest["grounded"]["train"]
    assert (first, last, built.counts["test"]) == (plain.counts["train"], built.counts["train"], plain.counts["test"])
    assert load_split(built.path, "test") == load_split(plain.path, "test")
    kept = built.grounded["cited"] + built.grounded["uncited"]
    assert sum(built.grounded.values()) == plain.counts["train"] + plain.counts["validation"] and last > first
    assert built.counts["train"] + built.counts["validation"] == plain.counts["train"] + plain.counts["validation"] + kept
    held = {row.question for row in load_split(built.path, "test")}
    assert not held & {row.question for split in ("train", "validation") for row in load_split(built.path, split)}
    lines = load_split(built.path, "train")
    assert all("[1]" in row.messages[0].content for row in lines[first:]) and not any(
        CITATION.search(row.messages[0].content) for row in lines[:first]
    )
    assert len(manifest["grounded"]["documents"]) == 1 and "with citations" in (built.path / "card.md").read_text(encoding="utf-8")
    assert build(library, store, settings(knowledge=True)).existing

    version = train_version(library, store, built.id, settings(), plan_training(library, store, settings(), built.id), "test")
    with store.session() as session:
        rows = list(session.scalars(select(Membership).where(Membership.role == "knowledge")))
        assert {row.model_id for row in rows} == {version.model} and len(rows) == last - first
        parent = find_version(session, version.model)
    assert next_round(library, store, settings(), built.id, parent) is None, "all of it is learned"
    with store.session() as session:  # as if it had learned the answers, and not to cite
        session.execute(delete(Membership).where(Membership.role == "knowledge"))
    part = next_round(library, store, settings(), built.id, parent)
    assert part is not None and part.new == tuple(range(first, last))


def test_lines_that_show_passages_have_a_role_of_their_own(tmp_path: Path) -> None:
    manifest = {"id": "ds-1", "counts": {"train": 5}, "grounded": {"train": [3, 5]}}
    assert list(learned_from(manifest, None)) == [
        {"dataset": "ds-1", "role": "train", "lines": [0, 1, 2]},
        {"dataset": "ds-1", "role": "knowledge", "lines": [3, 4]},
    ]
    assert list(learned_from(manifest, Round(tmp_path, (2, 3), (0,)))) == [
        {"dataset": "ds-1", "role": "train", "lines": [2]},
        {"dataset": "ds-1", "role": "knowledge", "lines": [3]},
        {"dataset": "ds-1", "role": "replay", "lines": [0]},
    ]
    manifest["grounded"] = {"train": [0, 0]}
    assert list(learned_from(manifest, None)) == [{"dataset": "ds-1", "role": "train", "lines": "all"}]


def test_without_documents_there_is_nothing_to_cite(workspace: Workspace) -> None:
    assert grounding_of(workspace, settings()) is None
    with pytest.raises(DatasetError, match="there are no documents to cite"):
        grounding_of(workspace, settings(knowledge=True))
    silent = load_settings(flags={"dataset": {"knowledge": True}, "knowledge": {"passages": 0}})
    with pytest.raises(DatasetError, match=r"knowledge\.passages is 0"):
        grounding_of(workspace, silent)

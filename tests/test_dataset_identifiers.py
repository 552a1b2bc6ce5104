"""Datasets name nobody: what stands in the store is not what is written, and the same build writes the same again."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heedful.cli.dataset import app
from heedful.config import DatasetSettings
from heedful.conversation import Conversation, Message
from heedful.dataset import build_dataset, show_dataset
from heedful.store.conversations import add_conversations
from heedful.store.database import Store, open_store
from heedful.store.schema import Import
from heedful.workspace import Workspace

WORDS = ("Tomasz", "Whitcombe", "Swindon", "07700 900461", "14 Larkspur Close", "qzrtyx")


@pytest.fixture
def store(workspace: Workspace):
    opened = open_store(workspace.database)
    yield opened
    opened.close()


TROUBLES = (
    "sleep boss exam rent noise dog grief panic debt divorce garden music choir knee winter paint train coffee shame mirror "
    "kitchen letter phone money anger hope sugar storm shift baby"
)


def take_in(store: Store) -> None:
    """Conversations with identifiers, three of each of ten persons, whom the source calls by an address."""
    rows = []
    for number, trouble in enumerate(TROUBLES.split()):
        code = f"qzrtyx{number % 10}"
        question = f"I'm Tomasz Whitcombe, {30 + number % 9}, from Swindon; {trouble} hurts. Text 07700 900461, {code}."
        answer = f"Hello Tomasz. So it is the {trouble}. Call Samaritans on 116 123, or come to 14 Larkspur Close about {trouble}."
        rows.append((number + 1, Conversation((Message("user", question), Message("assistant", answer))), f"{code}@x.org"))
    with store.session() as session:
        entry = Import(path="data/file.csv", format="csv", sha256="0" * 64, basis="owned")
        session.add(entry)
        session.flush()
        add_conversations(session, entry.id, rows)


def lines_of(folder: Path) -> str:
    return "".join((folder / f"{split}.jsonl").read_text(encoding="utf-8") for split in ("train", "validation", "test"))


def test_nothing_that_identifies_is_written(store: Store, workspace: Workspace) -> None:
    take_in(store)
    settings = DatasetSettings(language="any")
    built = build_dataset(store, workspace, settings, "Be kind.", "tester")
    written = "".join(path.read_text(encoding="utf-8") for path in built.path.iterdir())
    assert [word for word in WORDS if word.lower() in written.lower()] == []
    assert "Call Samaritans on 116 123" in written
    found = show_dataset(workspace, built.id)["identifiers"]
    kept = sum(built.counts.values())
    assert found["mode"] == "replace" and found["conversations"] == kept
    assert {kind: count for kind, count in found["places"].items() if kind in ("name", "place", "phone", "address", "handle")} == {
        "name": 2 * kept,
        "place": kept,
        "phone": kept,
        "address": kept,
        "handle": kept,
    }
    again = build_dataset(store, workspace, settings, "Be kind.", "tester")
    assert (again.id, again.existing) == (built.id, True)
    others = build_dataset(store, workspace, settings.model_copy(update={"workers": 2}), "Be kind.", "tester")
    assert (others.id, others.existing) == (built.id, True)


def test_keeping_them_is_a_setting_and_is_said(store: Store, workspace: Workspace) -> None:
    take_in(store)
    kept = build_dataset(store, workspace, DatasetSettings(identifiers="keep", language="any"), "Be kind.", "tester")
    assert "Tomasz Whitcombe" in lines_of(kept.path)
    assert "**Identifiers were kept.**" in (kept.path / "card.md").read_text(encoding="utf-8")
    assert show_dataset(workspace, kept.id)["identifiers"] == {"mode": "keep", "conversations": 0, "places": {}}


def test_the_verb_shows_counts_by_kind(store: Store, workspace: Workspace) -> None:
    take_in(store)
    built = build_dataset(store, workspace, DatasetSettings(language="any"), "Be kind.", "tester")
    store.close()
    told = CliRunner().invoke(app, ["show", built.id, "--identifiers", "--workspace", str(workspace.root), "--json"])
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["places"]["phone"] == sum(built.counts.values())
    card = (built.path / "card.md").read_text(encoding="utf-8")
    assert "identifiers were found and replaced" in card and "name 2" not in card.split("## Whom it names")[0]

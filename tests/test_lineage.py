"""Lineage and quarantine: what a model learned from, closed over ancestors, and which version serves when one must not."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heedful.cli.main import app
from heedful.config import DatasetSettings, GateSettings, load_settings
from heedful.dataset import BuiltDataset, build_dataset
from heedful.errors import PromotionRefused, RegistryError
from heedful.lifecycle.companions import BASE, find_target, newest_or_named
from heedful.lifecycle.ingest import import_file
from heedful.registry.aliases import current_aliases, fell_to_base, point
from heedful.registry.lineage import Learner, Share, learners, shares_of, withdrawn
from heedful.registry.override import override
from heedful.registry.promotion import EVALUATION, promote, rollback
from heedful.registry.quarantine import Moved, never_pruned, quarantine
from heedful.registry.versions import ADAPTER_FILE, find_version, list_versions, register, verified_directory, version_id
from heedful.store.audit_check import check_trail
from heedful.store.consent import Statement, decide
from heedful.store.database import Store, open_store
from heedful.store.persons import find_person
from heedful.store.schema import ConversationRow, DatasetMember, DatasetVersion, Run
from heedful.store.schema_trust import Erasure, Membership
from heedful.workspace import Workspace, sha256, write_manifest

PERSONS = ("ann-1", "bob-2", "cyd-3")
ROW = '{"messages": [{"role": "user", "content": "%s %d?"}, {"role": "assistant", "content": "Answer %s %d."}], "person": "%s"}\n'


@pytest.fixture
def store(workspace: Workspace, tmp_path: Path):
    opened = open_store(workspace.database)
    chats = tmp_path / "chats.jsonl"
    chats.write_text("".join(ROW % (p, n, p, n, p) for p in PERSONS for n in range(10)), encoding="utf-8")
    import_file(opened, chats, "tester", basis="consent")
    yield opened
    opened.close()


@pytest.fixture
def dataset(store: Store, workspace: Workspace) -> BuiltDataset:
    return build_dataset(store, workspace, DatasetSettings(), "", "tester")


def person(store: Store, name: str) -> int:
    with store.snapshot() as session:
        known = find_person(session, name)
    assert known is not None
    return known.id


def trained(
    workspace: Workspace, store: Store, dataset: str, weights: bytes, parent: str | None = None, shares: list[Share] | None = None
) -> str:
    """A registered version with a real directory."""
    aside = workspace.models / "aside"
    aside.mkdir()
    (aside / ADAPTER_FILE).write_bytes(weights)
    write_manifest(aside, {"kind": "model", "stack": []})
    digest = sha256(aside / ADAPTER_FILE)
    model = version_id(digest)
    aside.rename(workspace.models / model)
    with store.session() as session:
        fields = {"dataset_id": dataset, "parent_id": parent, "base": "tiny", "adapter_sha256": digest}
        register(session, model, fields, shares)
    return model


def crowned(store: Store, *models: str) -> None:
    """Champions, one after the other, as if each had passed its gate."""
    with store.session() as session:
        for model in models:
            point(session, "previous", current_aliases(session).get("champion"), "tester", "")
            point(session, "champion", model, "tester", "")


def set_apart(store: Store, workspace: Workspace, *models: str) -> list[Moved]:
    with store.session() as session:
        erasure = Erasure(person_id=person(store, "ann-1"), state="begun", detail={}, actor="tester")
        session.add(erasure)
        session.flush()
        return quarantine(session, workspace, models, erasure.id, "tester")


def aliases(store: Store) -> dict[str, str]:
    with store.snapshot() as session:
        return current_aliases(session)


def rows(store: Store, model: str) -> set[tuple[str, int]]:
    with store.snapshot() as session:
        return {(row.role, row.conversation_id) for row in session.query(Membership).filter_by(model_id=model)}


def test_a_model_is_registered_with_all_that_it_learned_from(store: Store, workspace: Workspace, dataset: BuiltDataset) -> None:
    with store.snapshot() as session:
        members = session.query(DatasetMember).filter_by(dataset_id=dataset.id).all()
    train = {(m.position, m.conversation_id) for m in members if m.split == "train"}
    judged = {("eval", m.conversation_id) for m in members if m.split != "train"}
    whole = trained(workspace, store, dataset.id, b"whole")
    assert rows(store, whole) == {("train", c) for _, c in train} | judged
    few = [Share(dataset.id, "train", frozenset({0, 2})), Share(dataset.id, "replay", frozenset({1}))]
    part = trained(workspace, store, dataset.id, b"part", shares=few)
    line = dict(train)
    assert rows(store, part) == {("train", line[0]), ("train", line[2]), ("replay", line[1])} | judged
    with store.snapshot() as session:
        owner = {c.id: c.person_id for c in session.query(ConversationRow)}
        assert all(row.person_id == owner[row.conversation_id] for row in session.query(Membership))


def test_what_a_manifest_says_of_its_lines() -> None:
    assert shares_of({"dataset": "ds-1"}) == [Share("ds-1", "train", None)]
    told = [
        {"model": "m-1", "dataset": "ds-1", "role": "train", "lines": "all"},
        {"model": "m-2", "dataset": "ds-2", "role": "replay", "lines": [3, 1]},
    ]
    assert shares_of({"learned_from": told}) == [Share("ds-1", "train"), Share("ds-2", "replay", frozenset({1, 3}))]
    with pytest.raises(RegistryError, match="learned_from has the role 'eval'; there is: knowledge, replay, train"):
        shares_of({"learned_from": [{"dataset": "ds-1", "role": "eval"}]})


def test_learners_are_closed_over_ancestors(store: Store, workspace: Workspace, dataset: BuiltDataset) -> None:
    with store.snapshot() as session:
        query = session.query(DatasetMember.position, ConversationRow.person_id).join(ConversationRow)
        lines = dict(query.filter(DatasetMember.dataset_id == dataset.id, DatasetMember.split == "train").all())
        judged = {
            owner for (owner,) in session.query(ConversationRow.person_id).join(DatasetMember).filter_by(split="test").distinct()
        }
    teacher = lines[0]
    hers = [Share(dataset.id, "train", frozenset(position for position, owner in lines.items() if owner == teacher))]
    nobody: list[Share] = [Share(dataset.id, "train", frozenset())]
    first = trained(workspace, store, dataset.id, b"1", shares=hers)
    second = trained(workspace, store, dataset.id, b"2", parent=first, shares=nobody)
    third = trained(workspace, store, dataset.id, b"3", parent=second, shares=nobody)
    apart = trained(workspace, store, dataset.id, b"4", shares=nobody)
    with store.snapshot() as session:
        found = {learner.model: learner for learner in learners(session, teacher)}
        assert {model for model, learner in found.items() if learner.learned} == {first, second, third}
        assert (found[first].via, found[third].via, found[third].roles) == (first, first, ("train",))
        judge = min(judged - {teacher})  # only the splits of a person are frozen: somebody else is in test
        assert {(at.model, at.roles, at.learned) for at in learners(session, judge)} == {
            (model, ("eval",), False) for model in (first, second, third, apart)
        }


def test_the_nearest_clean_proven_ancestor_takes_the_place(store: Store, workspace: Workspace, dataset: BuiltDataset) -> None:
    first = trained(workspace, store, dataset.id, b"1")
    failed = trained(workspace, store, dataset.id, b"2", parent=first)
    passed = trained(workspace, store, dataset.id, b"3", parent=failed)
    fourth = trained(workspace, store, dataset.id, b"4", parent=passed)
    with store.session() as session:
        for model, verdict in ((failed, False), (passed, True)):
            session.add(Run(kind=EVALUATION, status="done", dataset_id=dataset.id, model_id=model, detail={"passed": verdict}))
    crowned(store, first, fourth)
    assert set_apart(store, workspace, fourth) == [Moved("champion", fourth, passed)]
    assert aliases(store) == {"champion": passed, "previous": first}
    with store.snapshot() as session:
        assert check_trail(session) == []
        assert never_pruned(session) == {first, passed}


def test_an_ancestor_that_failed_its_gate_never_serves(store: Store, workspace: Workspace, dataset: BuiltDataset) -> None:
    old = trained(workspace, store, dataset.id, b"old")
    failed = trained(workspace, store, dataset.id, b"failed")
    champion = trained(workspace, store, dataset.id, b"new", parent=failed)
    crowned(store, old, champion)
    assert set_apart(store, workspace, champion) == [Moved("champion", champion, old), Moved("previous", old, None)]
    assert aliases(store) == {"champion": old}


def test_a_version_whose_files_are_damaged_is_passed_over(store: Store, workspace: Workspace, dataset: BuiltDataset) -> None:
    old, newer, champion = (trained(workspace, store, dataset.id, weights) for weights in (b"1", b"2", b"3"))
    crowned(store, old, newer, champion)
    (workspace.models / newer / ADAPTER_FILE).write_bytes(b"other")
    set_apart(store, workspace, champion)
    assert aliases(store) == {"champion": old, "previous": newer}


def test_without_a_clean_version_the_base_answers(store: Store, workspace: Workspace, dataset: BuiltDataset) -> None:
    first = trained(workspace, store, dataset.id, b"1")
    second = trained(workspace, store, dataset.id, b"2", parent=first)
    crowned(store, first, second)
    assert set_apart(store, workspace, first, second) == [Moved("champion", second, None), Moved("previous", first, None)]
    with store.snapshot() as session:
        assert fell_to_base(session)
        assert [version.quarantined for version in list_versions(session)] == [True, True]
    assert aliases(store) == {}
    target = find_target(workspace, store, load_settings(), "champion")
    assert (target.name, target.adapter) == (BASE, None)
    with pytest.raises(RegistryError, match="or none that can be used"):
        newest_or_named(store, None)


def test_a_name_of_a_fine_tuning_job_means_its_version_or_nothing(
    store: Store, workspace: Workspace, dataset: BuiltDataset
) -> None:
    first, second = (trained(workspace, store, dataset.id, weights) for weights in (b"1", b"2"))
    names = {f"ft:tiny:heedful::{model}": model for model in (first, second)}
    with store.session() as session:
        for name, model in names.items():
            point(session, name, model, "tester", "")
    crowned(store, first, second)
    assert set_apart(store, workspace, second)
    left = f"ft:tiny:heedful::{first}"
    assert aliases(store) == {"champion": first, left: first}  # it took the champion's place, and keeps the name of its own


def test_a_quarantined_version_is_refused_everywhere(store: Store, workspace: Workspace, dataset: BuiltDataset) -> None:
    clean, bad = (trained(workspace, store, dataset.id, weights) for weights in (b"1", b"2"))
    crowned(store, bad, clean)
    set_apart(store, workspace, bad)
    with store.snapshot() as session:
        version = find_version(session, bad)
    refused = "learned from a person who was erased; it is quarantined"
    with pytest.raises(RegistryError, match=refused):
        verified_directory(workspace, version)
    with pytest.raises(RegistryError, match=refused):
        promote(store, workspace, GateSettings(), bad, "tester")
    with pytest.raises(RegistryError, match=refused):
        find_target(workspace, store, load_settings(), bad)
    with pytest.raises(RegistryError, match=refused):
        trained(workspace, store, dataset.id, b"child", parent=bad)
    with pytest.raises(RegistryError, match="there is no previous champion"):
        rollback(store, workspace, "tester")
    assert newest_or_named(store, None) == clean


def test_a_model_of_a_dataset_that_was_removed_meanwhile_is_not_registered(
    store: Store, workspace: Workspace, dataset: BuiltDataset
) -> None:
    with store.session() as session:
        erasure = Erasure(person_id=person(store, "ann-1"), state="begun", detail={}, actor="tester")
        session.add(erasure)
        session.flush()
        session.get_one(DatasetVersion, dataset.id).erasure_id = erasure.id
    with pytest.raises(RegistryError, match=f"dataset {dataset.id} was removed while the model was trained"):
        trained(workspace, store, dataset.id, b"1")
    with store.snapshot() as session:
        assert list_versions(session) == []


def call(workspace: Workspace, *words: str) -> tuple[int, dict[str, object]]:
    done = CliRunner().invoke(app, [*words, "--json", "--workspace", str(workspace.root)])
    return done.exit_code, json.loads(done.stdout)


def test_consent_show_names_models_and_ancestors(store: Store, workspace: Workspace, dataset: BuiltDataset) -> None:
    first = trained(workspace, store, dataset.id, b"1")
    second = trained(workspace, store, dataset.id, b"2", parent=first, shares=[])
    crowned(store, second)
    code, told = call(workspace, "consent", "withdraw", "ann-1", "--form", "2026-05", "--purpose", "training", "-p", "review")
    assert code == 0
    assert (told["person"], told["conversations"], told["messages"], told["basis"]) == ("ann-1", 10, 20, {"consent": 10})
    assert [(d["purpose"], d["version"], d["decision"], d["rests_on"]) for d in told["decisions"]] == [
        ("training", 1, "granted", "import 1"),
        ("review", 1, "withdrawn", "2026-05"),
        ("training", 2, "withdrawn", "2026-05"),
    ]
    assert [(lines["dataset"], sum(lines["lines"].values())) for lines in told["datasets"]] == [(dataset.id, 10)]
    with store.snapshot() as session:
        reached = learners(session, person(store, "ann-1"))
    assert [(m["model"], m["via"], tuple(m["roles"])) for m in told["models"]] == [(at.model, at.via, at.roles) for at in reached]
    assert isinstance(reached[0], Learner)
    assert [m["aliases"] for m in told["models"] if m["model"] == second] == [["champion"]]
    code, listed = call(workspace, "consent", "list")
    assert [(p["person"], p["conversations"], p["decisions"]["training"]) for p in listed["persons"]] == [
        ("ann-1", 10, "withdrawn"),
        ("bob-2", 10, "granted"),
        ("cyd-3", 10, "granted"),
    ]
    assert call(workspace, "consent", "show", "zoe-9") == (
        1,
        {"error": "nobody is known as 'zoe-9'", "next": "heedful consent list shows who is"},
    )
    assert call(workspace, "consent", "grant", "ann-1", "-p", "profit")[1]["error"] == (
        "--purpose 'profit' is none of chat, review, training, upstream"
    )


def test_one_withdrawn_record_refuses_and_nobody_can_override_it(store: Store, workspace: Workspace, dataset: BuiltDataset) -> None:
    """Also in what was trained on top of it; taken back, the consent counts again."""
    parent = trained(workspace, store, dataset.id, b"1")
    child = trained(workspace, store, dataset.id, b"2", parent=parent, shares=[])
    with store.snapshot() as session:
        learned = session.query(Membership.conversation_id).filter_by(model_id=parent, role="train").count()
        assert withdrawn(session, parent) == withdrawn(session, child) == (0, learned)
        someone = next(p for p in PERSONS if any(one.roles == ("train",) for one in learners(session, find_person(session, p).id)))
    with store.session() as session:
        decide(session, person(store, someone), Statement("training", "withdrawn", "tester"))
    with store.snapshot() as session:
        count, _ = withdrawn(session, child)
        assert 1 <= count == withdrawn(session, parent)[0] <= learned
    for model in (parent, child):
        with pytest.raises(
            PromotionRefused, match=f"it learned from {count} conversations of persons who have withdrawn"
        ) as caught:
            promote(store, workspace, GateSettings(), model, "tester")
        assert caught.value.failed == ("withdrawn",)
        with pytest.raises(PromotionRefused, match="have withdrawn"):
            override(store, workspace, GateSettings(), model, "tester", "we need it")
    with store.session() as session:
        decide(session, person(store, someone), Statement("training", "granted", "tester"))
    with store.snapshot() as session:
        assert withdrawn(session, child) == (0, learned)

"""Rounds on the tiny base: what is new and what is replayed, the stack a continued version is, and how auto decides.

One workspace goes through three rounds for the module; the tests read it in order of the story.
"""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model, set_peft_model_state_dict
from sqlalchemy import delete
from typer.testing import CliRunner

from heedful.cli import models, plan
from heedful.config import Settings, load_settings
from heedful.dataset import build_dataset, load_split
from heedful.errors import ModelError, RegistryError, TrainingError
from heedful.lifecycle.compaction import compact_version
from heedful.lifecycle.ingest import import_file
from heedful.lifecycle.matrix import fill_matrix
from heedful.lifecycle.rounds import (
    Taught,
    check_held_out,
    count_replayed,
    find_parent,
    held_out_lines,
    history_of,
    known_lines,
    next_round,
    sources_of,
)
from heedful.lifecycle.strategy import Planned, plan_training
from heedful.lifecycle.training import TrainedVersion, train_version
from heedful.modeling.adapters import load_with_adapter
from heedful.modeling.bases import load_base_model, resolve_base
from heedful.modeling.stack import Adapter, keep_ranks, peft_config, peft_weights, read_adapter, write_adapter
from heedful.registry.aliases import CHAMPION, point
from heedful.registry.versions import find_version
from heedful.store.database import Store, open_store
from heedful.store.schema_review import Correction
from heedful.store.schema_trust import Membership
from heedful.training import rules
from heedful.training.adapter import new_adapter
from heedful.training.progress import METRICS
from heedful.training.replay import Learned, draw_replay
from heedful.training.round import Round, read_round, write_round
from heedful.training.schedule import count_steps, make_schedule
from heedful.training.settle import STRENGTHS, settle, take_newest, weakened
from heedful.workspace import Workspace, create_workspace, read_manifest

FLAGS = {"training": {"epochs": 2, "rank": 2, "replay": 0.4}, "system_prompt": "Be kind."}
SUBJECTS = ("sleep", "work", "family")


def settings(**training: Any) -> Settings:
    return load_settings(None, {**FLAGS, "training": {**FLAGS["training"], **training}})  # type: ignore[dict-item]


class Team:
    """A workspace to which one subject after the other is brought."""

    def __init__(self, root: Path) -> None:
        self.workspace: Workspace = create_workspace(root / "w", "base: tiny\n")
        self.store: Store = open_store(self.workspace.database)
        self.inbox = root

    def bring(self, subject: str, count: int = 24) -> str:
        """Import conversations about a subject; the id of the dataset of all there is."""
        rows = [
            [
                {"role": "user", "content": f"{subject}, question {n}?"},
                {"role": "assistant", "content": f"About {subject}: answer {n} is this."},
            ]
            for n in range(count)
        ]
        path = self.inbox / f"{subject}.jsonl"
        path.write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
        import_file(self.store, path, "ann")
        return build_dataset(self.store, self.workspace, settings().dataset, "Be kind.", "ann").id

    def plan(self, dataset: str, **training: Any) -> Planned:
        return plan_training(self.workspace, self.store, settings(**training), dataset)

    def train(self, dataset: str, planned: Planned) -> TrainedVersion:
        version = train_version(self.workspace, self.store, dataset, settings(), planned, "ann")
        with self.store.session() as session:
            point(session, CHAMPION, version.model, "ann", "for the test")
        return version

    def subjects(self, dataset: str, lines: tuple[int, ...]) -> Counter[str]:
        rows = load_split(self.workspace.datasets / dataset, "train")
        return Counter(rows[line].question.partition(",")[0] for line in lines)


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    return Team(tmp_path_factory.mktemp("team"))


@pytest.fixture(scope="module")
def first(team: Team) -> TrainedVersion:
    dataset = team.bring("sleep")
    with pytest.raises(RegistryError, match="there is no champion to continue from"):
        team.plan(dataset, strategy="continue")
    return team.train(dataset, team.plan(dataset))


@pytest.fixture(scope="module")
def second(team: Team, first: TrainedVersion) -> tuple[Planned, TrainedVersion]:
    dataset = team.bring("work")
    planned = team.plan(dataset, strategy="continue")
    return planned, team.train(dataset, planned)


@pytest.fixture(scope="module")
def third(team: Team, second: tuple[Planned, TrainedVersion]) -> tuple[Planned, TrainedVersion]:
    dataset = team.bring("family", 40)
    planned = team.plan(dataset, strategy="continue", replay=0.7)
    return planned, team.train(dataset, planned)


def test_a_round_learns_what_is_new_and_replays_some_of_the_rest(
    team: Team, first: TrainedVersion, second: tuple[Planned, TrainedVersion]
) -> None:
    planned, version = second
    part, plan = planned.part, planned.plan
    assert part is not None and part.below == first.path
    known = len(load_split(team.workspace.datasets / first.dataset, "train"))
    rows = len(load_split(team.workspace.datasets / version.dataset, "train"))
    assert team.subjects(version.dataset, part.new) == {"work": rows - known}
    shown = 2 * len(part.new)  # epochs
    assert team.subjects(version.dataset, part.replay) == {"sleep": round(0.4 * known)}
    assert (plan.strategy.value, plan.new_rows.value, plan.replay_rows.value) == ("continue", len(part.new), len(part.replay))
    assert f"the parent is {first.model} (champion)" in plan.strategy.why
    assert plan.steps.value == -(-(shown + len(part.replay)) // 8)
    one = plan_training(team.workspace, team.store, settings(strategy="continue", parent=first.model), version.dataset)
    assert one.part == part, "drawn by the seed"


def test_the_manifest_says_stack_parent_and_rows(
    team: Team, first: TrainedVersion, second: tuple[Planned, TrainedVersion], third: tuple[Planned, TrainedVersion]
) -> None:
    (planned, middle), (_, last) = second, third
    manifest = read_manifest(middle.path)
    assert planned.part is not None
    assert manifest["parent"] == first.model
    assert manifest["stack"] == [{"model": first.model, "rank": 2}, {"model": middle.model, "rank": 2}]
    assert manifest["learned_from"] == [
        {"dataset": middle.dataset, "role": "train", "lines": list(planned.part.new)},
        {"dataset": middle.dataset, "role": "replay", "lines": list(planned.part.replay)},
    ]
    assert manifest["rows"]["train"] == len(planned.part.new) and manifest["rows"]["replayed"] == len(planned.part.replay)
    assert read_round(middle.path, team.workspace.models) == planned.part
    assert [one["model"] for one in read_manifest(last.path)["stack"]] == [first.model, middle.model, last.model]
    with team.store.snapshot() as session:
        assert find_version(session, middle.model).parent == first.model
        roles = Counter(row.role for row in session.query(Membership).filter_by(model_id=middle.model))
    assert (roles["train"], roles["replay"]) == (len(planned.part.new), len(planned.part.replay))


def test_a_continued_version_is_one_adapter_and_its_parent_a_prefix(
    team: Team, second: tuple[Planned, TrainedVersion], third: tuple[Planned, TrainedVersion], tmp_path: Path
) -> None:
    middle, last = second[1], third[1]
    whole = read_adapter(last.path)
    assert whole.rank == 6
    write_adapter(keep_ranks(whole, [(0, 4)]), resolve_base("tiny"), tmp_path)
    ids = torch.arange(50)[None]
    with torch.no_grad():
        parent, prefix, child = (
            load_with_adapter("tiny", folder, "cpu")(input_ids=ids).logits for folder in (middle.path, tmp_path, last.path)
        )
    assert torch.equal(parent, prefix)
    assert not torch.allclose(parent, child, atol=1e-3)


def test_a_round_counts_as_strongly_as_validation_says(
    team: Team, second: tuple[Planned, TrainedVersion], third: tuple[Planned, TrainedVersion]
) -> None:
    planned, last = third
    assert planned.part is not None
    whole, model = read_adapter(last.path), base_model()
    adapted = new_adapter(model, planned.plan, read_adapter(second[1].path))
    for scores, strength, looks in (([2.0, 2.1], 1.0, 2), ([2.0, 1.8, 1.7, 1.6], 0.25, 4), ([2.0, 1.801, 1.8, 1.9], 0.75, 4)):
        left = list(scores)
        settled = settle(adapted, whole, 4, lambda left=left: left.pop(0))  # type: ignore[misc]
        assert (settled.strength, len(scores) - len(left)) == (strength, looks)
        assert settled.validation_nll == scores[STRENGTHS.index(strength)]
        for name, factors in settled.adapter.modules.items():
            assert torch.equal(factors.a, whole.modules[name].a)
            assert torch.equal(factors.b[:, :4], whole.modules[name].b[:, :4]), "what lies below stays"
            assert torch.equal(factors.b[:, 4:], whole.modules[name].b[:, 4:] * strength)
    ids = torch.arange(50)[None]
    half = weakened(whole, 4, 0.5)
    take_newest(adapted, half, 4)
    expected = put_on(base_model(), half)
    with torch.no_grad():
        assert torch.allclose(adapted.eval()(input_ids=ids).logits, expected(input_ids=ids).logits, atol=1e-4)
    looks = [json.loads(line) for line in (last.path / METRICS).read_text().splitlines()]
    end = [look["validation_nll"] for look in looks if look["event"] == "evaluation"][-1]
    assert read_manifest(last.path)["strength"] in STRENGTHS
    assert last.best_validation_nll <= end + 1e-3


def base_model() -> Any:
    return load_base_model(resolve_base("tiny"), "cpu", "float32")


def put_on(model: Any, adapter: Adapter) -> Any:
    """The plain way, with nothing that learns: PEFT's own adapter of that sum."""
    adapted = get_peft_model(model, peft_config(adapter))
    set_peft_model_state_dict(adapted, peft_weights(adapter))
    return adapted.eval()


def test_without_a_share_replay_fills_what_a_round_may_cost(team: Team, third: tuple[Planned, TrainedVersion]) -> None:
    last = third[1]
    rows = load_split(team.workspace.datasets / last.dataset, "train")
    new, order = range(4), range(4, len(rows))
    assert count_replayed(settings(replay=0.5).training, rows, new, order) == round(0.5 * len(order))
    given = settings(replay=None, epochs=3).training
    size = [sum(len(message.content) for message in row.messages) for row in rows]
    count = count_replayed(given, rows, new, order)
    room = 3 * (rules.ROUND_SHARE * sum(size) - sum(size[:4]))
    assert sum(size[4 : 4 + count]) <= room < sum(size[4 : 5 + count])


def test_replay_comes_from_every_earlier_round(team: Team, third: tuple[Planned, TrainedVersion]) -> None:
    planned, version = third
    assert planned.part is not None
    drawn = team.subjects(version.dataset, planned.part.replay)
    assert set(drawn) == {"sleep", "work"} and abs(drawn["sleep"] - drawn["work"]) <= 1
    assert set(team.subjects(version.dataset, planned.part.new)) == {"family"}


def test_nothing_new_is_one_clear_line(team: Team, third: tuple[Planned, TrainedVersion]) -> None:
    version = third[1]
    with pytest.raises(TrainingError) as caught:
        team.plan(version.dataset, strategy="continue")
    assert str(caught.value) == (
        f"nothing is new: {version.model} and the versions below it learned every training conversation of {version.dataset}"
    )
    assert "heedful train --strategy fresh" in caught.value.next_step


def test_auto_is_fresh_while_affordable(team: Team, first: TrainedVersion, third: tuple[Planned, TrainedVersion]) -> None:
    dataset = third[1].dataset
    fresh = team.plan(dataset)
    assert fresh.part is None and fresh.plan.strategy.value == "fresh"
    assert fresh.plan.strategy.why.startswith("auto: all anew takes about ")
    assert "within training.budget_hours (8.0 hours)" in fresh.plan.strategy.why
    nothing = team.plan(dataset, budget_hours=1e-9)
    assert nothing.part is None and "cannot be continued: nothing is new" in nothing.plan.strategy.why
    over = team.plan(dataset, budget_hours=1e-9, parent=first.model, replay=0.0)
    assert over.part is not None or "would take" in over.plan.strategy.why


def test_what_cannot_be_continued_is_refused(team: Team, third: tuple[Planned, TrainedVersion], tmp_path: Path) -> None:
    version = third[1]
    parent = find_parent(team.store, None)
    assert parent is not None and parent.id == version.model
    with pytest.raises(ModelError, match="was trained on base 'tiny', so nothing can be put on top of it here"):
        next_round(team.workspace, team.store, settings().model_copy(update={"base": "other"}), version.dataset, parent)
    with pytest.raises(ModelError, match="was trained on base 'former', so nothing"):
        next_round(team.workspace, team.store, settings(), version.dataset, replace(parent, base="former"))
    with team.store.snapshot() as session:
        taught, tested = history_of(session, version.model), held_out_lines(session, version.dataset, "test")
    check_held_out(taught, version.dataset, taught.conversations)
    with pytest.raises(TrainingError, match=f"1 training rows of ds-x are test rows of {version.dataset}, on which"):
        check_held_out(taught, "ds-x", [next(iter(taught.conversations)), tested[0]])


def test_what_a_chain_learned_is_known_without_its_files(team: Team, third: tuple[Planned, TrainedVersion]) -> None:
    version = third[1]
    with team.store.snapshot() as session:
        taught = history_of(session, version.model)
        known = known_lines(sources_of(session, version.dataset), taught)
    assert len(known) == len(taught.conversations)
    subjects = {0: "sleep", 1: "work", 2: "family"}
    for generation, subject in subjects.items():
        told = tuple(line for line, learned in known.items() if learned == generation)
        assert set(team.subjects(version.dataset, told)) == {subject}


def test_a_composed_line_is_new_until_all_of_it_was_learned() -> None:
    taught = Taught(conversations={1: 0, 2: 1}, tested={})
    assert known_lines({0: {1}, 1: {2}, 2: {1, 2}, 3: {1, 3}, 4: {3}}, taught) == {0: 0, 1: 1, 2: 1}


def test_a_corrected_conversation_is_new_again(team: Team, third: tuple[Planned, TrainedVersion]) -> None:
    version = third[1]
    with team.store.session() as session:
        before = history_of(session, version.model).conversations
        corrected = min(before)
        session.add(Correction(conversation_id=corrected, position=1, sealed_content=b"sealed"))
        session.flush()
        assert dict(before) == {**history_of(session, version.model).conversations, corrected: before[corrected]}
        assert corrected not in history_of(session, version.model).conversations
        session.execute(delete(Correction))


def test_replay_is_drawn_by_turns() -> None:
    rows = [Learned(line, 0, "one question") for line in range(50)]
    rows += [Learned(50 + line, 0, f"question {line}") for line in range(4)]
    rows += [Learned(60 + line, 1, f"question {line}") for line in range(3)]
    drawn = draw_replay(rows, 10, 7)
    assert len(set(drawn)) == 10
    assert {60, 61, 62} < set(drawn), "a small round is not crowded out"
    assert {50, 51, 52, 53} < set(drawn), "nor are questions with one answer"
    assert draw_replay(rows, 10, 7) == drawn and draw_replay(rows, 6, 7) == drawn[:6]
    assert draw_replay(rows, 10, 8) != drawn
    assert sorted(draw_replay(rows, 99, 7)) == [row.line for row in rows]
    assert draw_replay([], 5, 7) == ()


@pytest.mark.parametrize("epochs", [3.0, 2.5, 0.5])
def test_replayed_rows_come_once_and_spread_out(epochs: float) -> None:
    schedule = make_schedule([10] * 40, 8, epochs, 7, 2, replayed=24)
    shown = Counter(schedule.order())
    assert [shown[row] for row in range(16, 40)] == [1] * 24
    new = Counter(shown[row] for row in range(16))
    assert new == {3.0: {3: 16}, 2.5: {3: 8, 2: 8}, 0.5: {1: 8, 0: 8}}[epochs]
    assert len(schedule.steps) == count_steps(16, 8, epochs, 24)
    assert schedule.epochs()[-1] == pytest.approx(max(epochs, 1.0) if epochs >= 1 else 32 / 40)
    if epochs == 3.0:
        where = [sum(row >= 16 for row in step) for step in schedule.steps]
        assert [sum(where[start : start + 3]) for start in (0, 3, 6)] == [8, 8, 8]


def test_a_round_is_kept_by_names(tmp_path: Path) -> None:
    one = Round(tmp_path / "m-1", (3, 5), (0,))
    write_round(one, tmp_path)
    assert str(tmp_path) not in (tmp_path / "round.json").read_text()
    assert read_round(tmp_path, tmp_path) == one
    (tmp_path / "round.json").write_text("{}")
    with pytest.raises(TrainingError, match="is no round"):
        read_round(tmp_path, tmp_path)
    assert read_round(tmp_path / "nowhere", tmp_path) is None


def test_the_matrix_has_what_each_round_brought(team: Team, first: TrainedVersion, third: tuple[Planned, TrainedVersion]) -> None:
    last = third[1]
    with team.store.snapshot() as session:
        middle = find_version(session, last.model).parent
    found = fill_matrix(team.workspace, team.store, settings(), last.model)
    assert [(one.model, one.depth) for one in found.generations] == [
        ("base", 0),
        (first.model, 1),
        (middle, 2),
        (last.model, 3),
    ]
    assert [suite.label for suite in found.suites] == ["sleep", "work", "family"]
    tested = len(load_split(team.workspace.datasets / last.dataset, "test"))
    assert sum(suite.conversations for suite in found.suites) == tested, "splits are frozen, so nothing is there twice"
    assert [[cell is not None for cell in row] for row in found.cells] == [
        [True, True, True],
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
    assert {one.dataset for one in found.forgotten} == {suite.dataset for suite in found.suites[:2]}
    cell, row = found.cells[3][2], load_split(team.workspace.datasets / last.dataset, "test")
    assert cell is not None and cell.n == sum(one.question.startswith("family") for one in row)


def test_a_cell_is_measured_once(team: Team, third: tuple[Planned, TrainedVersion]) -> None:
    before = fill_matrix(team.workspace, team.store, settings(), third[1].model)
    cells = {path: path.stat().st_ino for path in (team.workspace.reports / "cells").iterdir()}  # one written anew is another file
    assert len(cells) == 3 + 1 + 2 + 3
    assert fill_matrix(team.workspace, team.store, settings(), third[1].model) == before
    assert {path: path.stat().st_ino for path in (team.workspace.reports / "cells").iterdir()} == cells


def test_a_generation_that_is_gone_is_named(team: Team, first: TrainedVersion, third: tuple[Planned, TrainedVersion]) -> None:
    adapter = first.path / "adapter_model.safetensors"
    adapter.rename(first.path / "away")
    try:
        found = fill_matrix(team.workspace, team.store, settings(), third[1].model)
        assert len(found.generations) == 3 and found.words.endswith(f"cannot be loaded any more: {first.model}.")
    finally:
        (first.path / "away").rename(adapter)


def test_a_deep_stack_becomes_one_adapter(team: Team, third: tuple[Planned, TrainedVersion]) -> None:
    last = third[1]
    small = compact_version(team.workspace, team.store, last.model, 3, "ann")
    assert (small.parent, small.depth_before, small.rank_before, small.rank) == (last.model, 3, 6, 3)
    assert 0 < small.error <= small.worst < 1
    manifest = read_manifest(small.path)
    assert (manifest["parent"], manifest["stack"]) == (last.model, [{"model": small.model, "rank": 3}])
    assert manifest["learned_from"] == [] and manifest["compacted"]["rank_before"] == 6
    with team.store.snapshot() as session:
        assert history_of(session, small.model) == history_of(session, last.model)
    assert read_adapter(small.path).rank == 3
    with pytest.raises(ModelError, match="rank 7 is not within the 6 of this adapter"):
        compact_version(team.workspace, team.store, last.model, 7, "ann")
    with pytest.raises(RegistryError, match="has 6 ranks in 3 generations, and needs them all"):
        compact_version(team.workspace, team.store, last.model, 6, "ann")
    assert compact_version(team.workspace, team.store, last.model, 3, "ann").existing


def test_the_command_line_shows_depth_matrix_and_the_next_round(team: Team, third: tuple[Planned, TrainedVersion]) -> None:
    last, root = third[1], str(team.workspace.root)
    listed = json.loads(CliRunner().invoke(models.app, ["--json", "-w", root]).stdout)["versions"]
    assert [one["depth"] for one in listed if one["id"] == last.model] == [3]
    shown = json.loads(CliRunner().invoke(models.app, ["--matrix", "--json", "-w", root]).stdout)
    assert len(shown["suites"]) == 3 and shown["generations"][0] == {"model": "base", "depth": 0}
    refused = CliRunner().invoke(plan.app, ["--strategy", "continue", "--json", "-w", root])
    assert refused.exit_code == 1 and json.loads(refused.stdout)["error"].startswith("nothing is new: ")
    first = read_manifest(last.path)["stack"][0]["model"]
    planned = json.loads(CliRunner().invoke(plan.app, ["--strategy", "continue", "--parent", first, "--json", "-w", root]).stdout)
    assert planned["plan"]["strategy"] == {"value": "continue", "why": f"set by you; the parent is {first}"}
    assert planned["plan"]["new_rows"]["value"] + 20 == len(load_split(team.workspace.datasets / last.dataset, "train"))
    assert "earlier rounds learned, once each" in planned["plan"]["replay_rows"]["why"]


def test_a_recipe_stands_in_for_the_configuration(team: Team, third: tuple[Planned, TrainedVersion]) -> None:
    def shown(*more: str) -> dict[str, Any]:
        recipe = ["--recipe", "background-dialogpt", "--base", "tiny", "--json", "-w", str(team.workspace.root)]
        found: dict[str, Any] = json.loads(CliRunner().invoke(plan.app, [*recipe, *more]).stdout)["plan"]
        return found

    assert "within training.budget_hours (30 minutes)" in shown()["strategy"]["why"]
    assert shown()["epochs"]["why"] != "set by you"
    assert shown("--epochs", "3")["epochs"] == {"value": 3, "why": "set by you"}
    unknown = CliRunner().invoke(plan.app, ["--recipe", "nope", "-w", str(team.workspace.root)])
    assert unknown.exit_code == 1 and "there is no recipe 'nope'" in unknown.output

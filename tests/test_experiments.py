"""Experiments in a workspace: who is drawn, what counts, what stops them, and what is said of them. Real rows in a real file."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner

from heedful.cli.main import app
from heedful.companion.experiments.assignment import variant_of
from heedful.companion.guarding import GuardTrace
from heedful.companion.trace import Trace
from heedful.config import GateSettings
from heedful.conversation import Message
from heedful.errors import ExperimentError, PromotionRefused, RegistryError, StoreError
from heedful.lifecycle.doctor import check_experiments
from heedful.lifecycle.erasure.erase import erase
from heedful.lifecycle.experiments.joining import join, membership
from heedful.lifecycle.experiments.monitor import note_turn, watch
from heedful.lifecycle.experiments.outcomes import settled
from heedful.lifecycle.experiments.reading import Reading, read_experiment
from heedful.lifecycle.experiments.start import Wanted, start
from heedful.lifecycle.experiments.words import say
from heedful.registry.aliases import CHAMPION
from heedful.registry.promotion import promote
from heedful.registry.quarantine import quarantine
from heedful.registry.versions import list_versions
from heedful.store.audit_check import check_trail
from heedful.store.collection import About, Turn, keep_assessment, keep_mood, keep_turn
from heedful.store.consent import Statement, decide_by_name
from heedful.store.database import Store, open_store
from heedful.store.experiments import (
    End,
    draw_of,
    end_experiment,
    find_experiment,
    harms_of,
    members_of,
    running_experiment,
    staying,
)
from heedful.store.feedback import Said, keep_feedback
from heedful.store.persons import find_or_add_persons, find_person
from heedful.store.schema import DatasetVersion, utc_now
from heedful.store.schema_experiments import Experiment, ExperimentMember
from heedful.store.schema_trust import Erasure
from heedful.workspace import Workspace, write_manifest
from test_registry import FAILS, STOPS, evaluated, trained

GATE = GateSettings()


@pytest.fixture(autouse=True)
def same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of a new vault are those of every run, so that everybody is drawn into the same variant."""
    keys = (sha256(str(number).encode()).digest() for number in count())
    monkeypatch.setattr("heedful.store.vault.new_key", lambda: next(keys))


@pytest.fixture
def store(workspace: Workspace) -> Iterator[Store]:
    opened = open_store(workspace.database)
    folder = workspace.datasets / "ds-1"
    folder.mkdir()
    (folder / "test.jsonl").write_text("", encoding="utf-8")
    write_manifest(folder, {"kind": "dataset"})
    with opened.session() as session:
        session.add(DatasetVersion(id="ds-1", manifest_sha256="0" * 64, counts={}, settings={}))
    yield opened
    opened.close()


@pytest.fixture
def versions(workspace: Workspace, store: Store) -> tuple[str, str]:
    """Champion and challenger, both let through by the gate."""
    made = [trained(workspace, store, content) for content in (b"one", b"two")]
    for version in made:
        evaluated(workspace, store, version, STOPS)
    promote(store, workspace, GATE, made[0], "tester")
    return made[0], made[1]


def begin(store: Store, workspace: Workspace, challenger: str, **fields: Any) -> Experiment:
    return start(store, workspace, GATE, Wanted(challenger, **{"window_hours": 0.0, **fields}), "tester")


def serve(store: Store, experiment: Experiment, names: Sequence[str], agree: bool = True) -> dict[str, str]:
    """One turn of each, kept; the variant that served them by name."""
    served = {}
    with store.session() as session:
        for name in names:
            if agree:
                decide_by_name(session, name, Statement("chat", "granted", "tester"))
            found = membership(session, experiment, name)
            if found is None:
                continue
            known, variant = found[1], join(session, experiment, found[0])
            served[name] = variant
            if known is not None:
                continue
            model = experiment.challenger if variant == "challenger" else experiment.champion
            keep_turn(session, Turn(name, (Message("user", "hello"),), "hello to you", f"reply-{name}", model, "stop"))
    return served


def thumb(store: Store, name: str, up: bool) -> None:
    with store.session() as session:
        keep_feedback(session, Said(f"reply-{name}", "tester", "up" if up else "down"))


def read(store: Store, number: int | None = None) -> Reading:
    with store.snapshot() as session:
        return read_experiment(session, *find_experiment(session, number))


def trace_of(experiment: Experiment, variant: str, tier: Any = "none", found: Any = ()) -> Trace:
    return Trace(variant=f"{experiment.id}:{variant}", guard=GuardTrace(tier=tier, found=found))


def test_the_draw_keeps_to_the_share_and_to_the_person(store: Store, workspace: Workspace, versions: tuple[str, str]) -> None:
    experiment = begin(store, workspace, versions[1], share=0.3)
    with store.session() as session:
        draws = [draw_of(session, experiment.id, person) for person in range(4_000)]
        assert draws == [draw_of(session, experiment.id, person) for person in range(4_000)]
        other = [variant_of(draw_of(session, experiment.id + 1, person), 0.3) for person in range(4_000)]
    drawn = [variant_of(draw, 0.3) for draw in draws]
    assert abs(drawn.count("challenger") / 4_000 - 0.3) < 4 * (0.21 / 4_000) ** 0.5
    assert abs(sum(a == b == "challenger" for a, b in zip(drawn, other, strict=True)) / 4_000 - 0.09) < 0.02  # drawn anew each time
    assert (variant_of("0" * 64, 1e-9), variant_of("f" * 64, 1 - 1e-9)) == ("challenger", "champion")


def test_who_did_not_agree_stays_outside_and_who_withdraws_leaves(
    store: Store, workspace: Workspace, versions: tuple[str, str]
) -> None:
    experiment = begin(store, workspace, versions[1])
    assert serve(store, experiment, ["nobody"], agree=False) == {}
    served = serve(store, experiment, ["a", "b", "c"])
    assert serve(store, experiment, ["a", "b", "c"]) == served
    for name in served:
        thumb(store, name, up=True)
    with store.session() as session:
        decide_by_name(session, "b", Statement("chat", "withdrawn", "tester"))
        assert membership(session, experiment, "b") is None
        assert len(staying(session, experiment.id)) == 2
    arms = read(store).findings[0].arms
    assert sum(arm.persons for arm in arms) == 2
    assert sum(arm.left for arm in arms) == 1
    assert sum(arm.with_outcome for arm in arms) == 2
    with store.snapshot() as session:
        hers = find_person(session, "c")
    assert hers is not None
    erase(workspace, store, hers.id, "tester", lambda stage, done, total: None)
    with store.snapshot() as session:
        assert len(members_of(session, experiment.id)) == 2
        assert check_trail(session) == []


def test_refusals(store: Store, workspace: Workspace, versions: tuple[str, str]) -> None:
    champion, challenger = versions
    failing = trained(workspace, store, b"three")
    evaluated(workspace, store, failing, FAILS)
    for wanted, kind, words in (
        (Wanted("m-unknown"), RegistryError, "m-unknown"),
        (Wanted(champion), ExperimentError, f"{champion} is the champion; an experiment needs another version"),
        (Wanted(challenger, share=1.0), ExperimentError, "the challenger's share is 1; allowed: above 0 and below 1, such as 0.5"),
        (Wanted(challenger, share=0.0), ExperimentError, "the challenger's share is 0"),
        (Wanted(challenger, outcome="clicks"), ExperimentError, "'clicks' is no outcome; allowed: thumbs, corrections"),
        (Wanted(challenger, outcome="guard", window_hours=0), ExperimentError, "known only after a time"),
        (Wanted(challenger, outcome="assessment"), ExperimentError, "--instrument NAME"),
        (
            Wanted(challenger, outcome="assessment", instrument="our own"),
            ExperimentError,
            "whether more of 'our own' is better is not known",
        ),
        (Wanted(challenger, margin=0.5), ExperimentError, "the margin of harm is 0.5"),
        (Wanted(challenger, reason="why not"), ExperimentError, "nothing to override"),
        (Wanted(failing), ExperimentError, f"the gate refuses {failing}, so it serves nobody; failed: stop_rate"),
        (Wanted(failing, reason=" "), ExperimentError, "needs a reason"),
        (Wanted("upstream", reason="why not"), ExperimentError, "the upstream may not be asked now"),
    ):
        with pytest.raises(kind, match=words.replace("(", r"\(")):
            start(store, workspace, GATE, wanted, "tester")
    for upstream, words in (
        (Wanted("upstream"), "no gate has proven the upstream"),
        (Wanted("upstream", shadow=True, reason="why not"), "words of people stay here"),
    ):
        with pytest.raises(ExperimentError, match=words):
            start(store, workspace, GATE, upstream, "tester", "hosted")
    with pytest.raises(PromotionRefused, match="tester is no operator"):
        start(store, workspace, replace_operators("boss"), Wanted(failing, reason="we look at it together"), "tester")
    overridden = start(store, workspace, replace_operators("boss"), Wanted(failing, reason="we look at it together"), "boss")
    assert overridden.reason == "we look at it together"
    with pytest.raises(StoreError, match="experiment 1 runs; one at a time"):
        begin(store, workspace, challenger)


def replace_operators(*names: str) -> GateSettings:
    return GATE.model_copy(update={"operators": list(names)})


def test_a_quarantined_version_ends_what_runs_and_is_refused(store: Store, workspace: Workspace, versions: tuple[str, str]) -> None:
    experiment = begin(store, workspace, versions[1])
    with store.session() as session:
        person = find_or_add_persons(session, ["ann"])["ann"]
        erasure = Erasure(person_id=person.id, state="begun", detail={}, actor="tester")
        session.add(erasure)
        session.flush()
        quarantine(session, workspace, [versions[1]], erasure.id, "tester")
    watch(store)
    with store.snapshot() as session:
        _, end = find_experiment(session, experiment.id)
        assert end is not None and (end.ending, end.actor) == ("quarantine", "heedful")
    with pytest.raises(RegistryError, match=f"{versions[1]} learned from a person who was erased"):
        begin(store, workspace, versions[1])


def test_another_champion_ends_the_experiment(store: Store, workspace: Workspace, versions: tuple[str, str]) -> None:
    begin(store, workspace, versions[1])
    promote(store, workspace, GATE, versions[1], "tester")
    watch(store)
    with store.snapshot() as session:
        assert running_experiment(session) is None
        assert find_experiment(session, None)[1].ending == "champion"  # type: ignore[union-attr]


def test_persons_count_once_and_an_outcome_is_known_when_its_time_is_over(
    store: Store, workspace: Workspace, versions: tuple[str, str]
) -> None:
    experiment = begin(store, workspace, versions[1], window_hours=24.0)
    served = serve(store, experiment, ["a", "b", "c"])
    for name, ups in (("a", (True, False, True)), ("b", (False, True))):
        for up in ups:
            thumb(store, name, up)
    with store.snapshot() as session:
        assert settled(session, experiment, "thumbs") == []
        later = settled(session, experiment, "thumbs", utc_now() + timedelta(hours=25))
        corrected = settled(session, experiment, "corrections", utc_now() + timedelta(hours=25))
        unharmed = settled(session, experiment, "guard", utc_now() + timedelta(hours=25))
    assert [(one.variant, one.value) for one in later] == [(served["a"], 1.0), (served["b"], 0.0)]  # b: as many up as down
    assert [one.value for one in corrected] == [one.value for one in unharmed] == [1.0, 1.0, 1.0]


def test_moods_and_scores_are_changes_turned_so_that_more_is_better(
    store: Store, workspace: Workspace, versions: tuple[str, str]
) -> None:
    with store.session() as session:
        decide_by_name(session, "a", Statement("chat", "granted", "tester"))
        keep_assessment(session, About("a"), "phq-9", 15)
    experiment = begin(store, workspace, versions[1], outcome="assessment", instrument="PHQ9")
    serve(store, experiment, ["a", "b"])
    with store.session() as session:
        keep_assessment(session, About("a"), "phq-9", 9)
        keep_assessment(session, About("b"), "phq-9", 9)  # nothing before: no change
        keep_mood(session, About("a", reply="reply-a"), "before", 3)
        keep_mood(session, About("a", reply="reply-a"), "after", 4)
        keep_mood(session, About("a", reply="reply-a"), "after", 5)  # the newest counts
    with store.snapshot() as session:
        assert [one.value for one in settled(session, experiment, "assessment")] == [6.0]
        assert [one.value for one in settled(session, experiment, "mood")] == [2.0]


def test_a_challenger_that_harms_stops_itself_and_everybody_is_the_champions(
    store: Store, workspace: Workspace, versions: tuple[str, str]
) -> None:
    """The guard keeps doses from persons of the challenger only."""
    experiment = begin(store, workspace, versions[1])
    served = serve(store, experiment, [f"p{n}" for n in range(60)])
    met = 0
    for name, variant in served.items():
        harmed = variant == "challenger"
        with store.session() as session:
            if running_experiment(session) is None:
                break
            for _ in range(2):  # a second time counts nothing
                note_turn(session, trace_of(experiment, variant, found=("dose",) if harmed else ("url",)), name)
        met += harmed
    reading = read(store)
    assert reading.verdict == "stopped for harm"
    assert reading.end is not None and (reading.end.ending, reading.end.harm, reading.end.actor) == ("harm", "guard", "heedful")
    guard = next(harm for harm in reading.harms if harm.kind == "guard")
    assert (guard.champion, guard.challenger) == (0, met) == (0, 9)
    assert guard.e_value + 2 >= 60 > 20
    assert "It stopped itself for harm: the output guard had to keep something harmful from the person." in say(reading)
    with store.snapshot() as session:
        assert check_trail(session) == []
    told = check_experiments(workspace)
    assert (told.level, told.fix) == ("problem", "heedful experiment status 1")
    assert told.found.endswith(f"{versions[1]} did more harm (guard)")


def test_danger_counts_when_it_rose_in_the_experiment(store: Store, workspace: Workspace, versions: tuple[str, str]) -> None:
    experiment = begin(store, workspace, versions[1])
    served = serve(store, experiment, ["came so", "rose", "fell"])
    with store.session() as session:
        for name, tiers in (
            ("came so", ("active", "active")),
            ("rose", ("none", "distress", "imminent")),
            ("fell", ("active", "none")),
        ):
            for tier in tiers:
                note_turn(session, trace_of(experiment, served[name], tier), name)
        note_turn(session, replace(trace_of(experiment, "champion", "imminent"), variant=""), "rose")
        assert [(harm.kind, harm.variant) for harm in harms_of(session, experiment.id)] == [("crisis", served["rose"])]
        at_risk = harms_of(session, experiment.id)[0]
        assert at_risk.champion_at_risk + at_risk.challenger_at_risk == 3


def test_a_fall_of_mood_is_found_by_the_watch(store: Store, workspace: Workspace, versions: tuple[str, str]) -> None:
    experiment = begin(store, workspace, versions[1])
    served = serve(store, experiment, ["a", "b"])
    with store.session() as session:
        for name, after in (("a", 2), ("b", 4)):
            keep_mood(session, About(name, reply=f"reply-{name}"), "before", 5)
            keep_mood(session, About(name, reply=f"reply-{name}"), "after", after)
    assert watch(store) == 4
    assert watch(store, 4) == 4
    with store.snapshot() as session:
        assert [(harm.kind, harm.variant) for harm in harms_of(session, experiment.id)] == [("mood", served["a"])]


def test_a_clear_difference_is_named_and_nobody_is_promoted(store: Store, workspace: Workspace, versions: tuple[str, str]) -> None:
    experiment = begin(store, workspace, versions[1])
    served = serve(store, experiment, [f"p{n}" for n in range(80)])
    for place, (name, variant) in enumerate(served.items()):
        thumb(store, name, up=variant == "challenger" or place % 4 == 0)
    reading = read(store)
    finding = reading.findings[0]
    assert reading.verdict == "challenger better"
    assert finding.outcome == "thumbs" and finding.decides
    assert finding.arms[1].value == 1.0
    assert finding.interval is not None and 0 <= finding.interval[0] < finding.interval[1] < 1
    assert finding.e_value > 20
    assert [version.aliases for version in list_versions_of(store)] == [(CHAMPION,), ()]
    assert running(store) == experiment.id


def list_versions_of(store: Store) -> list[Any]:
    with store.snapshot() as session:
        return list_versions(session)


def running(store: Store) -> int | None:
    with store.snapshot() as session:
        found = running_experiment(session)
        return None if found is None else found.id


def test_like_that_is_not_compared_with_like_names_nobody(store: Store, workspace: Workspace, versions: tuple[str, str]) -> None:
    """Persons of the champion who are content say nothing."""
    experiment = begin(store, workspace, versions[1])
    served = serve(store, experiment, [f"p{n}" for n in range(100)])
    for name, variant in served.items():
        if variant == "challenger" or int(name[1:]) % 8 == 0:
            thumb(store, name, up=variant == "challenger")
    reading = read(store)
    assert reading.findings[0].e_value > 20
    assert reading.findings[0].split_e_value > 100
    assert reading.verdict == "inconclusive"
    assert "Persons of one variant answer more often than the other's, so who answered cannot be compared." in say(reading)


def test_history_of_experiments_is_append_only(store: Store, workspace: Workspace, versions: tuple[str, str]) -> None:
    experiment = begin(store, workspace, versions[1])
    with store.session() as session:
        end_experiment(session, experiment.id, End("stopped", "tester"))
        assert end_experiment(session, experiment.id, End("harm", "heedful")).ending == "stopped"
    for statement in ("UPDATE experiments SET share = 0.9", "DELETE FROM experiment_ends"):
        with pytest.raises(StoreError, match="is append-only"), store.session() as session:
            session.execute(text(statement))


def test_the_command_line(
    store: Store, workspace: Workspace, versions: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SUITES", "SLACK"):  # the reports were made under the usual gate
        monkeypatch.delenv(f"HEEDFUL_GATE__{name}")

    def run(*words: str, code: int = 0) -> dict[str, Any]:
        result = CliRunner().invoke(app, ["experiment", *words, "--workspace", str(workspace.root), "--json"])
        assert result.exit_code == code, result.output
        return dict(json.loads(result.stdout.strip().splitlines()[-1]))

    assert run("status", code=1)["error"] == "there is no experiment"
    assert run("start", versions[1], "--share", "1.5", code=1)["error"].startswith("the challenger's share is 1.5")
    begun = run("start", versions[1], "--hours", "0", "--share", "0.4")
    assert (begun["experiment"], begun["champion"], begun["challenger"], begun["state"]) == (1, *versions, "running")
    with store.snapshot() as session:
        experiment = session.scalars(select(Experiment)).one()
    served = serve(store, experiment, [f"p{n}" for n in range(30)])
    for name in served:
        thumb(store, name, up=True)
    status = run("status", "--page", str(tmp_path / "page.html"))
    challengers = sum(variant == "challenger" for variant in served.values())
    assert [arm["persons"] for arm in status["outcomes"][0]["arms"]] == [30 - challengers, challengers]
    assert status["verdict"] == "inconclusive"
    assert status["words"][0].startswith("Inconclusive. Nothing is shown yet, in either direction")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<h1>Inconclusive</h1>" in page and "<svg" in page
    stopped = run("stop", "--reason", "Dr. Ada saw enough")
    assert stopped["state"] == "stopped"
    assert stopped["words"][1] == f"It was stopped by {stopped['ended_by']}: Dr. Ada saw enough."
    assert run("stop", code=1)["error"] == "no experiment runs"
    assert [one["state"] for one in run("list")["experiments"]] == ["stopped"]
    plain = CliRunner().invoke(app, ["experiment", "status", "--workspace", str(workspace.root)])
    assert plain.exit_code == 0 and "with outcome" in plain.stdout
    with store.snapshot() as session:
        assert session.get(ExperimentMember, (1, 1)) is not None
        assert check_trail(session) == []

"""Registry: promotion obeys the report, aliases move in one transaction, rollback gives the former bytes back."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heedful.cli.main import app
from heedful.config import GateSettings
from heedful.conversation import Message
from heedful.errors import PromotionRefused, RegistryError, StoreError
from heedful.evaluation.binding import bind
from heedful.evaluation.checks import CheckResult
from heedful.evaluation.comparison import Comparison
from heedful.evaluation.page import to_html
from heedful.evaluation.report import REPORT_HTML, REPORT_JSON, PromptCount, Report, ShownReply, Transcript, read_report, to_json
from heedful.lifecycle.erasure.affected import reports_about
from heedful.lifecycle.erasure.files import redact_report
from heedful.registry.aliases import current_aliases
from heedful.registry.override import Asked, approve, override, overrides_of
from heedful.registry.promotion import EVALUATION, promote, rollback
from heedful.registry.versions import ADAPTER_FILE, find_version, list_versions, register, version_id
from heedful.store.audit_check import check_trail
from heedful.store.database import Store, open_store
from heedful.store.schema import AliasEvent, AuditEvent, DatasetVersion, Run, utc_now
from heedful.workspace import Workspace, sha256, write_manifest

STOPS = CheckResult(
    check="stop_rate", title="Ends by itself", meaning="", unit="share of replies", direction="higher", threshold=0.95,
    threshold_text="at least 95%", value=1.0, n=40, interval=None, base_value=1.0, base_interval=None, outcome="pass",
    level="blocking",
)  # fmt: skip
FAILS = replace(STOPS, value=0.5, outcome="fail")
ADVICE = replace(STOPS, check="length", outcome="fail", level="advisory")
GATE = GateSettings()


@pytest.fixture
def store(workspace: Workspace) -> Store:
    store = open_store(workspace.database)
    folder = workspace.datasets / "ds-1"
    folder.mkdir()
    (folder / "test.jsonl").write_text("", encoding="utf-8")
    write_manifest(folder, {"kind": "dataset"})
    with store.session() as session:
        session.add(DatasetVersion(id="ds-1", manifest_sha256="0" * 64, counts={}, settings={}))
    return store


def trained(workspace: Workspace, store: Store, weights: bytes) -> str:
    """A registered version with a real directory."""
    folder = workspace.models / "aside"
    folder.mkdir()
    (folder / ADAPTER_FILE).write_bytes(weights)
    write_manifest(folder, {"kind": "model"})
    digest = sha256(folder / ADAPTER_FILE)
    folder.rename(workspace.models / version_id(digest))
    with store.session() as session:
        register(session, version_id(digest), {"dataset_id": "ds-1", "parent_id": None, "base": "tiny", "adapter_sha256": digest})
    return version_id(digest)


def evaluated(workspace: Workspace, store: Store, model: str, *checks: CheckResult, adapter: str | None = None) -> Path:
    """A finished evaluation with its report file."""
    with store.snapshot() as session:
        digest = find_version(session, model).adapter_sha256
    report = Report(
        schema=1, model=model, base="tiny", dataset="ds-1", created_at="2026-01-01T00:00:00+00:00", verdict="passed", failed=(),
        inconclusive=(),
        settings={"seed": 7, "gate": GATE.model_dump(mode="json"), "sampling": {"temperature": 0.7}, "engine": "a script"},
        hashes={"adapter": adapter or digest, **bind("tiny", workspace.datasets / "ds-1", GATE, 7)},
        prompts=PromptCount(1, 1, 0, 0, 1), checks=checks, nll=None, metrics=(), transcripts=(),
    )  # fmt: skip
    folder = workspace.reports / f"r-{model}-{len(list(workspace.reports.iterdir()))}"
    folder.mkdir()
    (folder / REPORT_JSON).write_text(to_json(report), encoding="utf-8")
    (folder / REPORT_HTML).write_text(to_html(report), encoding="utf-8")
    write_manifest(folder, {"kind": "report", "id": folder.name, "model": model, "dataset": "ds-1"})
    detail = {"report": folder.name, "report_sha256": sha256(folder / REPORT_JSON)}
    with store.session() as session:
        session.add(Run(kind=EVALUATION, status="done", dataset_id="ds-1", model_id=model, detail=detail, ended_at=utc_now()))
    return folder


def aliases(store: Store) -> dict[str, str]:
    with store.snapshot() as session:
        return current_aliases(session)


def test_promote_then_promote_then_rollback_twice(workspace: Workspace, store: Store) -> None:
    first, second = trained(workspace, store, b"one"), trained(workspace, store, b"two")
    evaluated(workspace, store, first, STOPS, ADVICE)
    evaluated(workspace, store, second, STOPS)
    assert promote(store, workspace, GATE, first, "ann").previous is None
    assert promote(store, workspace, GATE, second, "ann").previous == first
    assert aliases(store) == {"champion": second, "previous": first}
    assert rollback(store, workspace, "ben").champion == first
    assert aliases(store) == {"champion": first, "previous": second}
    assert (workspace.models / first / ADAPTER_FILE).read_bytes() == b"one"
    rollback(store, workspace, "ben")
    assert aliases(store) == {"champion": second, "previous": first}
    with store.snapshot() as session:
        assert [(e.action, e.actor, e.subject) for e in session.query(AuditEvent)] == [
            ("alias", "ann", "champion"), ("promote", "ann", first),
            ("alias", "ann", "previous"), ("alias", "ann", "champion"), ("promote", "ann", second),
            ("alias", "ben", "champion"), ("alias", "ben", "previous"), ("rollback", "ben", first),
            ("alias", "ben", "champion"), ("alias", "ben", "previous"), ("rollback", "ben", second),
        ]  # fmt: skip
        assert check_trail(session) == []
        assert {v.id: v.aliases for v in list_versions(session)} == {first: ("previous",), second: ("champion",)}


def test_promoting_the_champion_again_moves_nothing(workspace: Workspace, store: Store) -> None:
    model = trained(workspace, store, b"one")
    evaluated(workspace, store, model, STOPS)
    promote(store, workspace, GATE, model, "ann")
    promote(store, workspace, GATE, model, "ann")
    with store.snapshot() as session:
        assert session.query(AliasEvent).count() == 1


def refused(workspace: Workspace, store: Store, model: str) -> PromotionRefused:
    with pytest.raises(PromotionRefused) as caught:
        promote(store, workspace, GATE, model, "ann")
    assert aliases(store) == {}
    assert caught.value.next_step
    return caught.value


def test_refused_without_evaluation(workspace: Workspace, store: Store) -> None:
    error = refused(workspace, store, trained(workspace, store, b"one"))
    assert error.failed == ("evaluation",)
    assert error.next_step.startswith("heedful evaluate m-")


def test_refused_for_a_failed_check_by_name(workspace: Workspace, store: Store) -> None:
    model = trained(workspace, store, b"one")
    evaluated(workspace, store, model, STOPS)
    evaluated(workspace, store, model, FAILS, replace(FAILS, check="loops"))
    assert refused(workspace, store, model).failed == ("stop_rate", "loops")


def test_refused_without_any_blocking_check(workspace: Workspace, store: Store) -> None:
    model = trained(workspace, store, b"one")
    evaluated(workspace, store, model, ADVICE)
    assert refused(workspace, store, model).failed == ("checks",)


def test_refused_when_the_report_was_edited(workspace: Workspace, store: Store) -> None:
    model = trained(workspace, store, b"one")
    folder = evaluated(workspace, store, model, FAILS)
    text = (folder / REPORT_JSON).read_text().replace('"outcome": "fail"', '"outcome": "pass"')
    (folder / REPORT_JSON).write_text(text)
    assert refused(workspace, store, model).failed == ("report",)


def test_refused_when_the_report_is_of_other_weights(workspace: Workspace, store: Store) -> None:
    model = trained(workspace, store, b"one")
    evaluated(workspace, store, model, STOPS, adapter="f" * 64)
    assert refused(workspace, store, model).failed == ("adapter",)


def test_changed_weights_are_not_promoted(workspace: Workspace, store: Store) -> None:
    model = trained(workspace, store, b"one")
    evaluated(workspace, store, model, STOPS)
    (workspace.models / model / ADAPTER_FILE).write_bytes(b"other")
    with pytest.raises(RegistryError, match="is not the adapter that was registered"):
        promote(store, workspace, GATE, model, "ann")
    assert aliases(store) == {}


def test_nothing_to_roll_back_to(workspace: Workspace, store: Store) -> None:
    with pytest.raises(RegistryError, match="no previous champion"):
        rollback(store, workspace, "ann")


def test_names(workspace: Workspace, store: Store) -> None:
    first, second = trained(workspace, store, b"one"), trained(workspace, store, b"two")
    with store.snapshot() as session:
        assert find_version(session, first[:6]).id == first
        with pytest.raises(RegistryError, match=f"'nobody' is no model or alias; there is: {first}, {second}"):
            find_version(session, "nobody")


def test_alias_events_cannot_be_rewritten(workspace: Workspace, store: Store) -> None:
    model = trained(workspace, store, b"one")
    evaluated(workspace, store, model, STOPS)
    promote(store, workspace, GATE, model, "ann")
    with pytest.raises(StoreError), store.session() as session:
        session.query(AliasEvent).delete()
    assert aliases(store) == {"champion": model}


def test_refused_when_a_blocking_check_is_inconclusive(workspace: Workspace, store: Store) -> None:
    model = trained(workspace, store, b"one")
    evaluated(workspace, store, model, STOPS, replace(STOPS, check="loops", outcome="inconclusive", why="it was measured twice"))
    error = refused(workspace, store, model)
    assert error.failed == ("loops",)
    assert "inconclusive: loops" in error.text


@pytest.mark.parametrize("what", ["base", "template", "data", "suite", "policy"])
def test_a_verdict_is_void_when_what_it_rests_on_changed(workspace: Workspace, store: Store, what: str) -> None:
    """Each hash in turn is one of yesterday; the report itself is whole."""
    model = trained(workspace, store, b"one")
    folder = evaluated(workspace, store, model, STOPS)
    report = read_report(folder)
    (folder / REPORT_JSON).write_text(to_json(replace(report, hashes={**report.hashes, what: "0" * 64})))
    rehash(store, folder)
    assert refused(workspace, store, model).failed == (what,)


def test_changed_data_and_a_changed_policy_void_the_verdict(workspace: Workspace, store: Store) -> None:
    model = trained(workspace, store, b"one")
    evaluated(workspace, store, model, STOPS)
    for other_gate, void in ((GateSettings(slack=0.1), ("policy",)), (GateSettings(pack="ketamine"), ("suite", "policy"))):
        with pytest.raises(PromotionRefused) as caught:
            promote(store, workspace, other_gate, model, "ann")
        assert caught.value.failed == void
    promote(store, workspace, GateSettings(valid_days=90, second_person=True), model, "ann")  # judges no model, so it voids nothing
    (workspace.datasets / "ds-1" / "test.jsonl").write_text("{}\n")
    other = trained(workspace, store, b"two")
    write_manifest(workspace.datasets / "ds-1", {"kind": "dataset"})
    evaluated(workspace, store, other, STOPS)
    (workspace.datasets / "ds-1" / "test.jsonl").write_text("")
    with pytest.raises(PromotionRefused) as caught:
        promote(store, workspace, GATE, other, "ann")
    assert caught.value.failed == ("data",)
    assert aliases(store) == {"champion": model}


def test_a_verdict_expires(workspace: Workspace, store: Store) -> None:
    model = trained(workspace, store, b"one")
    evaluated(workspace, store, model, STOPS)
    with store.session() as session:
        session.query(Run).one().ended_at = utc_now() - timedelta(days=31)
    assert refused(workspace, store, model).failed == ("expired",)
    assert promote(store, workspace, GateSettings(valid_days=40), model, "ann").champion == model


def rehash(store: Store, folder: Path) -> None:
    with store.session() as session:
        run = session.query(Run).filter(Run.kind == EVALUATION).one()
        run.detail = {**run.detail, "report_sha256": sha256(folder / REPORT_JSON)}


def test_an_override_is_kept_for_ever(workspace: Workspace, store: Store) -> None:
    model = trained(workspace, store, b"one")
    folder = evaluated(workspace, store, model, FAILS)
    with pytest.raises(RegistryError, match="needs a reason"):
        override(store, workspace, GATE, model, "ann", " ")
    override(store, workspace, GATE, model, "ann", "a demo on Friday")
    assert aliases(store) == {"champion": model}
    (said,) = read_report(folder).overrides
    assert (said.actor, said.approved_by, said.reason, said.refused_by) == ("ann", None, "a demo on Friday", ("stop_rate",))
    page = (folder / REPORT_HTML).read_text(encoding="utf-8")
    assert "Promoted against the gate" in page
    assert "a demo on Friday" in page
    with store.snapshot() as session:
        events = session.query(AuditEvent).order_by(AuditEvent.id).all()
        assert [event.action for event in events] == ["alias", "promote", "override.promoted"]
        assert events[1].detail["report_sha256"] == sha256(folder / REPORT_JSON)
        assert events[1].detail["page_sha256"] == sha256(folder / REPORT_HTML)
        assert events[2].detail["reason"] == "a demo on Friday"
        assert session.query(AliasEvent).one().reason == "against the gate (stop_rate), by ann: a demo on Friday"
        assert overrides_of(session, model) == (said,), "so a later report tells of it too"
        assert check_trail(session) == []
    assert promote_error(workspace, store, model).failed == ("stop_rate",), "the gate still refuses it"


def promote_error(workspace: Workspace, store: Store, model: str) -> PromotionRefused:
    with pytest.raises(PromotionRefused) as caught:
        promote(store, workspace, GATE, model, "ben")
    return caught.value


def test_what_the_gate_lets_through_is_not_overridden(workspace: Workspace, store: Store) -> None:
    model = trained(workspace, store, b"one")
    evaluated(workspace, store, model, STOPS)
    with pytest.raises(RegistryError, match="nothing to override"):
        override(store, workspace, GATE, model, "ann", "why not")


def test_two_persons_where_the_team_wants_two(workspace: Workspace, store: Store) -> None:
    two = GateSettings(second_person=True, operators=("ann", "ben"))
    model = trained(workspace, store, b"one")
    folder = evaluated(workspace, store, model, FAILS)
    with pytest.raises(PromotionRefused, match="cem is no operator"):
        override(store, workspace, two, model, "cem", "now")
    with pytest.raises(RegistryError, match=r"no override of .* waits"):
        approve(store, workspace, two, model, "ben")
    asked = override(store, workspace, two, model, "ann", "the old one is worse")
    assert isinstance(asked, Asked)
    assert aliases(store) == {}
    with pytest.raises(RegistryError, match="ann asked for this override"):
        approve(store, workspace, two, model, "ann")
    with pytest.raises(PromotionRefused, match="cem is no operator"):
        approve(store, workspace, two, model, "cem")
    with pytest.raises(RegistryError, match="has expired"):
        approve(store, workspace, two.model_copy(update={"approval_hours": 1e-9}), model, "ben")
    approve(store, workspace, two, model, "ben")
    assert aliases(store) == {"champion": model}
    (said,) = read_report(folder).overrides
    assert (said.actor, said.approved_by, said.reason) == ("ann", "ben", "the old one is worse")
    with pytest.raises(RegistryError, match=r"no override of .* waits"):
        approve(store, workspace, two, model, "ben")


def test_an_approval_is_for_the_report_that_was_seen(workspace: Workspace, store: Store) -> None:
    two = GateSettings(second_person=True)
    model = trained(workspace, store, b"one")
    evaluated(workspace, store, model, FAILS)
    override(store, workspace, two, model, "ann", "hurry")
    evaluated(workspace, store, model, FAILS)
    with pytest.raises(RegistryError, match="evaluated anew"):
        approve(store, workspace, two, model, "ben")
    assert aliases(store) == {}


def heedful(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, who: str, *words: str) -> tuple[int, str]:
    """A command as typed by `who`."""
    monkeypatch.setenv("LOGNAME", who)
    found = CliRunner().invoke(app, [*words, "--workspace", str(workspace.root)])
    return found.exit_code, " ".join(found.output.split())


def test_the_command_line_goes_against_the_gate_with_two_names(
    workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEEDFUL_GATE__SECOND_PERSON", "true")
    monkeypatch.delenv("HEEDFUL_GATE__SUITES", raising=False)  # the report was made with the suites of the pack
    monkeypatch.delenv("HEEDFUL_GATE__SLACK", raising=False)
    model = trained(workspace, store, b"one")
    evaluated(workspace, store, model, FAILS)
    code, said = heedful(workspace, monkeypatch, "ann", "promote", model)
    assert code == 1
    assert "failed: stop_rate" in said
    assert heedful(workspace, monkeypatch, "ann", "promote", model, "--override")[0] == 1, "a reason belongs to it"
    assert heedful(workspace, monkeypatch, "ann", "promote", model, "--reason", "why")[0] == 1
    code, said = heedful(workspace, monkeypatch, "ann", "promote", model, "--override", "--reason", "the clinic opens tomorrow")
    assert (code, "waits for a second person" in said) == (0, True)
    code, said = heedful(workspace, monkeypatch, "ann", "promote", model, "--approve")
    assert (code, "another operator has to approve it" in said) == (1, True)
    code, said = heedful(workspace, monkeypatch, "ben", "promote", model, "--approve")
    assert (code, f"champion: {model}" in said) == (0, True)
    code, said = heedful(workspace, monkeypatch, "cem", "audit", "--action", "override")
    assert code == 0
    assert "override.asked" in said
    assert "override.promoted" in said
    assert "approved_by ben" in said
    assert "reason the clinic opens tomorrow" in said
    assert "refused_by stop_rate" in said


def test_an_erasure_takes_out_what_the_former_champion_said(workspace: Workspace, store: Store) -> None:
    """The judged version learned nothing from the person, but the champion that stands beside it did."""
    model = trained(workspace, store, b"one")
    folder = evaluated(workspace, store, model, STOPS)
    shown = ShownReply("As ever.", None, "stop", ())
    talk = Transcript("f" * 64, (Message("user", "Hm?"),), "", shown, shown, champion=shown)
    beside = Comparison("loops", "t", "share of replies", "lower", "m-old", 1, 0.0, None, 0, 0, 0.5, None, 0.0, "no room")
    report = replace(read_report(folder), transcripts=(talk,), comparisons=(beside,))
    (folder / REPORT_JSON).write_text(to_json(report), encoding="utf-8")
    write_manifest(folder, {"kind": "report", "id": folder.name, "model": model, "dataset": "ds-1", "champion": "m-old"})
    rehash(store, folder)
    assert list(reports_about(workspace, {"m-old"})) == [folder.name]
    assert redact_report(store, folder, {"ds-1": set()}, ["m-other"]) == 0
    assert redact_report(store, folder, {"ds-1": set()}, ["m-old"]) == 1
    assert "As ever." not in (folder / REPORT_JSON).read_text(encoding="utf-8")
    assert promote(store, workspace, GATE, model, "ann").champion == model, "its numbers still prove it"

"""Registry: promotion obeys the report, aliases move in one transaction, rollback gives the former bytes back."""

from dataclasses import replace
from pathlib import Path

import pytest

from heedful.errors import PromotionRefused, RegistryError, StoreError
from heedful.evaluation.checks import CheckResult
from heedful.evaluation.report import REPORT_JSON, PromptCount, Report, to_json
from heedful.registry.aliases import current_aliases
from heedful.registry.promotion import EVALUATION, promote, rollback
from heedful.registry.versions import ADAPTER_FILE, find_version, list_versions, register, version_id
from heedful.store.audit_check import check_trail
from heedful.store.database import Store, open_store
from heedful.store.schema import AliasEvent, AuditEvent, DatasetVersion, Run
from heedful.workspace import Workspace, sha256, write_manifest

STOPS = CheckResult(
    check="stop_rate", title="Ends by itself", meaning="", unit="share of replies", direction="higher", threshold=0.95,
    threshold_text="at least 95%", value=1.0, n=40, interval=None, base_value=1.0, base_interval=None, passed=True, blocking=True,
)  # fmt: skip
ADVICE = replace(STOPS, check="length", passed=False, blocking=False)


@pytest.fixture
def store(workspace: Workspace) -> Store:
    store = open_store(workspace.database)
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
        settings={}, hashes={"adapter": adapter or digest}, prompts=PromptCount(1, 1, 0, 0, 1), checks=checks, nll=None, metrics=(),
        transcripts=(),
    )  # fmt: skip
    folder = workspace.reports / f"r-{model}-{len(list(workspace.reports.iterdir()))}"
    folder.mkdir()
    (folder / REPORT_JSON).write_text(to_json(report), encoding="utf-8")
    detail = {"report": folder.name, "report_sha256": sha256(folder / REPORT_JSON)}
    with store.session() as session:
        session.add(Run(kind=EVALUATION, status="done", dataset_id="ds-1", model_id=model, detail=detail))
    return folder


def aliases(store: Store) -> dict[str, str]:
    with store.snapshot() as session:
        return current_aliases(session)


def test_promote_then_promote_then_rollback_twice(workspace: Workspace, store: Store) -> None:
    first, second = trained(workspace, store, b"one"), trained(workspace, store, b"two")
    evaluated(workspace, store, first, STOPS, ADVICE)
    evaluated(workspace, store, second, STOPS)
    assert promote(store, workspace, first, "ann").previous is None
    assert promote(store, workspace, second, "ann").previous == first
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
    promote(store, workspace, model, "ann")
    promote(store, workspace, model, "ann")
    with store.snapshot() as session:
        assert session.query(AliasEvent).count() == 1


def refused(workspace: Workspace, store: Store, model: str) -> PromotionRefused:
    with pytest.raises(PromotionRefused) as caught:
        promote(store, workspace, model, "ann")
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
    evaluated(workspace, store, model, replace(STOPS, value=0.5, passed=False), replace(STOPS, check="loops", passed=False))
    assert refused(workspace, store, model).failed == ("stop_rate", "loops")


def test_refused_without_any_blocking_check(workspace: Workspace, store: Store) -> None:
    model = trained(workspace, store, b"one")
    evaluated(workspace, store, model, ADVICE)
    assert refused(workspace, store, model).failed == ("checks",)


def test_refused_when_the_report_was_edited(workspace: Workspace, store: Store) -> None:
    model = trained(workspace, store, b"one")
    folder = evaluated(workspace, store, model, replace(STOPS, passed=False))
    text = (folder / REPORT_JSON).read_text().replace('"passed": false', '"passed": true')
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
        promote(store, workspace, model, "ann")
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
    promote(store, workspace, model, "ann")
    with pytest.raises(StoreError), store.session() as session:
        session.query(AliasEvent).delete()
    assert aliases(store) == {"champion": model}

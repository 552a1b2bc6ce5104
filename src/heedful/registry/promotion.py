"""Promotion and rollback: a version and its report in, moved aliases out, in one transaction with the audit event.

`promote` obeys the newest report of the version. It refuses without a report, with one that was changed, has expired or is void
because what it rests on is no longer the same, and when a blocking check failed or is inconclusive. Against the gate there is only
`override`. `rollback` swaps champion and previous, so a second rollback undoes the first.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from heedful.config import GateSettings
from heedful.errors import ModelError, PromotionRefused, RegistryError, WorkspaceError
from heedful.evaluation.binding import bind, changed
from heedful.evaluation.evidence import WITHDRAWN
from heedful.evaluation.gate import failed_checks, open_checks, verdict
from heedful.evaluation.report import REPORT_HTML, REPORT_JSON, Report, read_report
from heedful.registry.aliases import CHAMPION, PREVIOUS, current_aliases, point
from heedful.registry.lineage import withdrawn
from heedful.registry.versions import Version, find_version, verified_directory
from heedful.store.audit import record
from heedful.store.database import Store
from heedful.store.schema import Run, utc_now
from heedful.workspace import Workspace, sha256

EVALUATION = "evaluate"  # kind of the run whose detail names a report


@dataclass(frozen=True, slots=True)
class Promotion:
    """What moved. `previous` is the champion before, or None for the first one."""

    champion: str
    previous: str | None
    report: str | None


@dataclass(frozen=True, slots=True)
class Proof:
    """The newest report of a version. `refused_by` names what keeps it from being promoted; `problem` says it in a line."""

    report: str | None
    hashes: dict[str, str]
    refused_by: tuple[str, ...] = ()
    problem: str = ""
    next_step: str = ""


def promote(store: Store, workspace: Workspace, gate: GateSettings, name: str, actor: str) -> Promotion:
    """Make a version the champion. Raises PromotionRefused naming every check that refuses, RegistryError for an unknown name."""
    with store.session() as session:
        return promote_in(session, workspace, gate, name, actor)


def promote_in(session: Session, workspace: Workspace, gate: GateSettings, name: str, actor: str) -> Promotion:
    """As `promote`, in a transaction of the caller's."""
    version = find_version(session, name)
    verified_directory(workspace, version)
    proof = proof_of(session, workspace, gate, version)
    if proof.refused_by:
        raise refusal(version, proof)
    return crown(session, version, actor, "promoted: every blocking check passed", proof)


def crown(session: Session, version: Version, actor: str, reason: str, proof: Proof) -> Promotion:
    """Move champion and previous, and say so in the audit trail. What is the champion already moves nothing."""
    before = current_aliases(session).get(CHAMPION)
    if before != version.id:
        point(session, PREVIOUS, before, actor, f"replaced by {version.id}", proof.report)
        point(session, CHAMPION, version.id, actor, reason, proof.report)
        record(session, actor, "promote", version.id, {"before": before, "report": proof.report, **proof.hashes})
    return Promotion(version.id, current_aliases(session).get(PREVIOUS), proof.report)


def rollback(store: Store, workspace: Workspace, actor: str) -> Promotion:
    """Swap champion and previous. Raises RegistryError when there is no previous version or its files are not as registered."""
    with store.session() as session:
        aliases = current_aliases(session)
        if PREVIOUS not in aliases or CHAMPION not in aliases:
            raise RegistryError("there is no previous champion to go back to", "heedful models shows the versions and aliases")
        champion, previous = aliases[CHAMPION], aliases[PREVIOUS]
        verified_directory(workspace, find_version(session, previous))
        point(session, CHAMPION, previous, actor, f"rolled back from {champion}")
        point(session, PREVIOUS, champion, actor, "rolled back; a second rollback undoes this")
        record(session, actor, "rollback", previous, {"before": champion})
        return Promotion(previous, champion, None)


def refusal(version: Version, proof: Proof) -> PromotionRefused:
    return PromotionRefused(f"the gate refuses {version.id}; {proof.problem}", proof.refused_by, proof.next_step)


def proof_of(session: Session, workspace: Workspace, gate: GateSettings, version: Version) -> Proof:
    """What the newest evaluation says, if it still holds. Never raises for what a new evaluation would mend."""
    evaluate = f"heedful evaluate {version.id}"
    withdrew, _ = withdrawn(session, version.id)
    run = newest_run(session, version.id)
    if withdrew:
        problem = f"it learned from {withdrew} conversations of persons who have withdrawn since"
        newest = None if run is None else str(run.detail["report"])
        return Proof(newest, {}, (WITHDRAWN.name,), problem, "heedful dataset build, then heedful train")
    if run is None:
        return Proof(None, {}, ("evaluation",), f"{version.id} has no evaluation", evaluate)
    folder, written = workspace.reports / run.detail["report"], run.detail["report_sha256"]
    proof = Proof(folder.name, hashes_of(folder))
    if proof.hashes.get("report_sha256") != written:
        problem = f"{folder / REPORT_JSON} is missing or was changed after the evaluation"
        return replace(proof, refused_by=("report",), problem=problem, next_step=evaluate)
    report = read_report(folder)
    void = ("adapter",) if report.hashes.get("adapter") != version.adapter_sha256 else stale(workspace, gate, version, report)
    if void:
        problem = f"report {folder.name} is void, for this is not what it was made with: {', '.join(void)}"
        return replace(proof, refused_by=void, problem=problem, next_step=evaluate)
    if run.ended_at is not None and utc_now() - run.ended_at > timedelta(days=gate.valid_days):
        problem = f"report {folder.name} is of {run.ended_at:%Y-%m-%d}; it held for {gate.valid_days:g} days"
        return replace(proof, refused_by=("expired",), problem=problem, next_step=evaluate)
    if verdict(report.checks) == "passed":
        return proof
    failed, unclear = failed_checks(report.checks), open_checks(report.checks)
    said = [f"failed: {', '.join(failed)}"] if failed else []
    said += [f"inconclusive: {', '.join(unclear)}"] if unclear else []
    problem = "; ".join(said) if said else "no blocking check was made"
    refused_by = (*failed, *unclear) if said else ("checks",)
    next_step = f"read {folder / REPORT_HTML}, then train with more or better data"
    return replace(proof, refused_by=refused_by, problem=problem, next_step=next_step)


def hashes_of(folder: Path) -> dict[str, str]:
    """Of report.json and report.html as they are now; without one that is gone."""
    paths = {"report_sha256": folder / REPORT_JSON, "page_sha256": folder / REPORT_HTML}
    return {name: sha256(path) for name, path in paths.items() if path.is_file()}


def stale(workspace: Workspace, gate: GateSettings, version: Version, report: Report) -> tuple[str, ...]:
    """Names of what changed since the evaluation: base, template, data, suite, policy."""
    try:
        now = bind(version.base, workspace.datasets / version.dataset, gate, int(report.settings["seed"]))
    except WorkspaceError:
        return ("data",)
    except ModelError:
        return ("base",)
    return changed(report.hashes, now)


def newest_evaluation(session: Session, model_id: str) -> dict[str, Any] | None:
    """Detail of the newest finished evaluation of a model: report, report_sha256, passed, failed, inconclusive."""
    run = newest_run(session, model_id)
    return None if run is None else dict(run.detail)


def newest_run(session: Session, model_id: str) -> Run | None:
    query = select(Run).where(Run.kind == EVALUATION, Run.model_id == model_id, Run.status == "done").order_by(Run.id.desc())
    return session.scalars(query.limit(1)).first()

"""Promotion and rollback: a version and its report in, moved aliases out, in one transaction with the audit event.

`promote` obeys the newest report of the version. A missing report, a report of other weights, a changed report file and a failed
blocking check all refuse. `rollback` swaps champion and previous, so a second rollback undoes the first.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from heedful.errors import PromotionRefused, RegistryError
from heedful.evaluation.gate import failed_checks, verdict
from heedful.evaluation.report import REPORT_HTML, REPORT_JSON, read_report
from heedful.registry.aliases import CHAMPION, PREVIOUS, current_aliases, point
from heedful.registry.versions import Version, find_version, verified_directory
from heedful.store.audit import record
from heedful.store.database import Store
from heedful.store.schema import Run
from heedful.workspace import Workspace, sha256

EVALUATION = "evaluate"  # kind of the run whose detail names a report


@dataclass(frozen=True, slots=True)
class Promotion:
    """What moved. `previous` is the champion before, or None for the first one."""

    champion: str
    previous: str | None
    report: str | None


def promote(store: Store, workspace: Workspace, name: str, actor: str) -> Promotion:
    """Make a version the champion. Raises PromotionRefused naming every failed check, RegistryError for an unknown name."""
    with store.session() as session:
        version = find_version(session, name)
        verified_directory(workspace, version)
        report = passing_report(session, workspace, version)
        before = current_aliases(session).get(CHAMPION)
        if before != version.id:
            point(session, PREVIOUS, before, actor, f"replaced by {version.id}", report)
            point(session, CHAMPION, version.id, actor, "promoted: every blocking check passed", report)
            record(session, actor, "promote", version.id, {"before": before, "report": report})
        return Promotion(version.id, current_aliases(session).get(PREVIOUS), report)


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


def passing_report(session: Session, workspace: Workspace, version: Version) -> str:
    """Id of the newest report when it binds and passes; raises PromotionRefused otherwise."""
    evaluate = f"heedful evaluate {version.id}"
    detail = newest_evaluation(session, version.id)
    if detail is None:
        raise PromotionRefused(f"{version.id} has no evaluation", ("evaluation",), evaluate)
    folder = workspace.reports / detail["report"]
    if not (folder / REPORT_JSON).is_file() or sha256(folder / REPORT_JSON) != detail["report_sha256"]:
        raise PromotionRefused(f"{folder / REPORT_JSON} is missing or was changed after the evaluation", ("report",), evaluate)
    report = read_report(folder)
    if report.hashes.get("adapter") != version.adapter_sha256:
        raise PromotionRefused(f"report {folder.name} was made for other weights than {version.id}", ("adapter",), evaluate)
    if verdict(report.checks) != "passed":
        failed = failed_checks(report.checks) or ("checks",)
        raise PromotionRefused(
            f"the gate refuses {version.id}; failed: {', '.join(failed)}",
            failed,
            f"read {folder / REPORT_HTML}, then train with more or better data",
        )
    return str(detail["report"])


def newest_evaluation(session: Session, model_id: str) -> dict[str, Any] | None:
    """Detail of the newest finished evaluation run of a model: report, report_sha256, passed, failed."""
    query = select(Run).where(Run.kind == EVALUATION, Run.model_id == model_id, Run.status == "done").order_by(Run.id.desc())
    run = session.scalars(query.limit(1)).first()
    return None if run is None else dict(run.detail)

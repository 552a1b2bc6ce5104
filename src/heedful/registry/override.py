"""Override: a version that the gate refuses, an operator and a reason in; a champion all the same, and a trace that stays, out.

With `gate.second_person` the first operator only asks; nothing moves until another one approves, in time and of the same report.
The reason stands in the audit trail and in the report of the version, and in every report that is made of it later.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from heedful.config import GateSettings
from heedful.errors import PromotionRefused, RegistryError
from heedful.evaluation.evidence import WITHDRAWN
from heedful.evaluation.page import to_html
from heedful.evaluation.report import REPORT_HTML, REPORT_JSON, Override, read_report, to_json
from heedful.registry.promotion import Promotion, Proof, crown, hashes_of, newest_run, proof_of, refusal
from heedful.registry.versions import Version, find_version, verified_directory
from heedful.store.audit import Wanted, list_events, record
from heedful.store.database import Store
from heedful.store.schema import AuditEvent, utc_now
from heedful.workspace import Workspace, read_manifest, write_manifest, write_text

ASKED, DONE = "override.asked", "override.promoted"  # actions in the audit trail


@dataclass(frozen=True, slots=True)
class Asked:
    """An override that waits for a second person."""

    model: str
    actor: str
    reason: str
    refused_by: tuple[str, ...]
    until: datetime


def override(store: Store, workspace: Workspace, gate: GateSettings, name: str, actor: str, reason: str) -> Promotion | Asked:
    """Promote against the gate, or ask for it where two persons are needed.

    Raises RegistryError for somebody who is no operator, an empty reason, or a version that the gate lets through anyway.
    """
    check_operator(gate, actor)
    if not reason.strip():
        raise RegistryError("an override needs a reason", "heedful promote MODEL --override --reason 'why'")
    with store.session() as session:
        version, proof = refused_version(session, workspace, gate, name)
        if not gate.second_person:
            return push_through(
                session, workspace, version, proof, Override(actor, None, reason, proof.refused_by, now(), proof.report or "")
            )
        detail = {"reason": reason, "refused_by": list(proof.refused_by), "report": proof.report, **proof.hashes}
        record(session, actor, ASKED, version.id, detail)
        return Asked(version.id, actor, reason, proof.refused_by, utc_now() + timedelta(hours=gate.approval_hours))


def approve(store: Store, workspace: Workspace, gate: GateSettings, name: str, actor: str) -> Promotion:
    """The second person says yes to what the first one asked for. Raises RegistryError when nothing waits, or to the same one."""
    check_operator(gate, actor)
    with store.session() as session:
        version, proof = refused_version(session, workspace, gate, name)
        event = waiting(session, version.id)
        again = f"heedful promote {version.id} --override --reason 'why'"
        if event is None:
            raise RegistryError(f"no override of {version.id} waits for a second person", again)
        if event.actor == actor:
            raise RegistryError(f"{actor} asked for this override; another operator has to approve it", "ask a colleague")
        if utc_now() - event.created_at > timedelta(hours=gate.approval_hours):
            raise RegistryError(
                f"the override of {version.id} was asked for {event.created_at:%Y-%m-%d %H:%M} and has expired", again
            )
        if event.detail["report"] != proof.report or set(event.detail["refused_by"]) != set(proof.refused_by):
            raise RegistryError(f"{version.id} was evaluated anew since the override was asked for", again)
        said = Override(event.actor, actor, event.detail["reason"], proof.refused_by, now(), proof.report or "")
        return push_through(session, workspace, version, proof, said)


def check_operator(gate: GateSettings, actor: str) -> None:
    if gate.operators and actor not in gate.operators:
        raise PromotionRefused(
            f"{actor} is no operator; gate.operators has {', '.join(gate.operators)}", ("operator",), "ask one of them"
        )


def refused_version(session: Session, workspace: Workspace, gate: GateSettings, name: str) -> tuple[Version, Proof]:
    version = find_version(session, name)
    verified_directory(workspace, version)
    proof = proof_of(session, workspace, gate, version)
    if WITHDRAWN.name in proof.refused_by:  # a person's no is not the team's to override
        raise refusal(version, proof)
    if not proof.refused_by:
        raise RegistryError(
            f"the gate does not refuse {version.id}, so there is nothing to override", f"heedful promote {version.id}"
        )
    return version, proof


def push_through(session: Session, workspace: Workspace, version: Version, proof: Proof, said: Override) -> Promotion:
    """The report is written before the transaction ends: what was promoted against the gate never has a report that is silent."""
    proof = inscribe(session, workspace, version, proof, said)
    who = said.actor if said.approved_by is None else f"{said.actor}, approved by {said.approved_by}"
    moved = crown(session, version, said.actor, f"against the gate ({', '.join(said.refused_by)}), by {who}: {said.reason}", proof)
    record(session, said.approved_by or said.actor, DONE, version.id, as_detail(said))
    return moved


def inscribe(session: Session, workspace: Workspace, version: Version, proof: Proof, said: Override) -> Proof:
    """Add the override to the report, if there is one that is whole, and tell its run the new hash."""
    run = newest_run(session, version.id)
    if run is None or proof.report is None or proof.hashes.get("report_sha256") != run.detail["report_sha256"]:
        return proof
    folder = workspace.reports / proof.report
    report = read_report(folder)
    report = replace(report, overrides=(*report.overrides, said))
    fields = {key: value for key, value in read_manifest(folder, verify=False).items() if key != "files"}
    write_text(folder / REPORT_JSON, to_json(report))
    write_text(folder / REPORT_HTML, to_html(report))
    write_manifest(folder, fields)
    hashes = hashes_of(folder)
    run.detail = {**run.detail, "report_sha256": hashes["report_sha256"]}
    return replace(proof, hashes=hashes)


def waiting(session: Session, model: str) -> AuditEvent | None:
    """The newest request that nobody has carried out."""
    events = list_events(session, Wanted(action="override", subject=model, limit=1))
    return events[-1] if events and events[-1].action == ASKED else None


def overrides_of(session: Session, model: str) -> tuple[Override, ...]:
    """Every override of a version, oldest first, from the audit trail."""
    query = select(AuditEvent).where(AuditEvent.action == DONE, AuditEvent.subject == model).order_by(AuditEvent.id)
    return tuple(from_detail(event.detail) for event in session.scalars(query))


def as_detail(said: Override) -> dict[str, Any]:
    return {
        "actor": said.actor,
        "approved_by": said.approved_by,
        "reason": said.reason,
        "refused_by": list(said.refused_by),
        "at": said.at,
        "report": said.report,
    }


def from_detail(detail: dict[str, Any]) -> Override:
    return Override(**{**detail, "refused_by": tuple(detail["refused_by"])})


def now() -> str:
    return utc_now().isoformat(timespec="seconds")

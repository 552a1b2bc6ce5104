"""Experiments: what was asked for in; rows that say what runs, who is in it, and what harmed them, out."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from heedful.errors import StoreError
from heedful.store.audit import record
from heedful.store.collection import KEEPING
from heedful.store.schema import Purpose
from heedful.store.schema_experiments import (
    UPSTREAM,
    Ending,
    Experiment,
    ExperimentEnd,
    ExperimentHarm,
    ExperimentMember,
    Variant,
)
from heedful.store.schema_trust import ConsentEvent
from heedful.store.vault import digest


@dataclass(frozen=True, slots=True)
class End:
    """How an experiment is to end, and by whose hand. `harm` and `e_value` are of the kind that the monitor named."""

    ending: Ending
    actor: str
    reason: str = ""
    harm: str = ""
    e_value: float | None = None


def list_experiments(session: Session) -> list[tuple[Experiment, ExperimentEnd | None]]:
    """Newest first."""
    query = select(Experiment, ExperimentEnd).outerjoin(ExperimentEnd, ExperimentEnd.experiment_id == Experiment.id)
    return [(one, end) for one, end in session.execute(query.order_by(Experiment.id.desc()))]


def running_experiment(session: Session) -> Experiment | None:
    """The one that has no end."""
    ended = select(ExperimentEnd.experiment_id)
    return session.scalars(select(Experiment).where(Experiment.id.not_in(ended))).first()


def find_experiment(session: Session, number: int | None) -> tuple[Experiment, ExperimentEnd | None]:
    """By number; None: the newest. Raises StoreError when there is none."""
    found = list_experiments(session)
    chosen = next((pair for pair in found if number is None or pair[0].id == number), None)
    if chosen is None:
        raise StoreError(f"there is no experiment{'' if number is None else f' {number}'}", "heedful experiment start --help")
    return chosen


def begin_experiment(session: Session, wanted: Experiment) -> Experiment:
    """Add the row, and vouch for it. Raises StoreError while another one runs."""
    other = running_experiment(session)
    if other is not None:
        raise StoreError(f"experiment {other.id} runs; one at a time", "heedful experiment stop")
    session.add(wanted)
    session.flush()
    detail: dict[str, Any] = {
        "champion": wanted.champion,
        "challenger": wanted.challenger,
        "share": wanted.share,
        "shadow": wanted.shadow,
        "outcome": wanted.outcome,
        "report": wanted.report_id,
        "overridden": bool(wanted.reason),
    }
    record(session, wanted.actor, "experiment.started", f"experiment {wanted.id}", detail, [wanted])
    return wanted


def end_experiment(session: Session, experiment_id: int, end: End) -> ExperimentEnd:
    """Everybody is served by the champion from the next turn on. One that has ended keeps its end."""
    known = session.scalars(select(ExperimentEnd).where(ExperimentEnd.experiment_id == experiment_id)).first()
    if known is not None:
        return known
    row = ExperimentEnd(
        experiment_id=experiment_id, ending=end.ending, harm=end.harm, e_value=end.e_value, reason=end.reason, actor=end.actor
    )
    session.add(row)
    session.flush()
    detail = {"ending": end.ending, "harm": end.harm, "e_value": end.e_value}
    record(session, end.actor, "experiment.ended", f"experiment {experiment_id}", detail, [row])
    return row


def draw_of(session: Session, experiment_id: int, person_id: int) -> str:
    """A keyed hash, even over all values and of no use without the keys: the draw of a person, and their name among harms."""
    return digest(session, "experiment", f"{experiment_id}\0{person_id}")


def members_of(session: Session, experiment_id: int) -> list[ExperimentMember]:
    """Everybody who was ever in it and was not erased, in the order in which they joined."""
    query = select(ExperimentMember).where(ExperimentMember.experiment_id == experiment_id)
    return list(session.scalars(query.order_by(ExperimentMember.joined_at, ExperimentMember.person_id)))


def purposes_of(experiment: Experiment) -> tuple[Purpose, ...]:
    """What a person must allow to be in it."""
    return (KEEPING, "upstream") if experiment.challenger == UPSTREAM else (KEEPING,)


def staying(session: Session, experiment_id: int) -> set[int]:
    """Persons of the experiment who still allow what it needs; the others have left it."""
    purposes = purposes_of(session.get_one(Experiment, experiment_id))
    return set.intersection(*(allowing(session, experiment_id, purpose) for purpose in purposes))


def allowing(session: Session, experiment_id: int, purpose: Purpose) -> set[int]:
    later = aliased(ConsentEvent)
    overtaken = (
        select(later.id)
        .where(
            later.person_id == ConsentEvent.person_id, later.purpose == ConsentEvent.purpose, later.version > ConsentEvent.version
        )
        .exists()
    )
    query = (
        select(ExperimentMember.person_id)
        .join(ConsentEvent, ConsentEvent.person_id == ExperimentMember.person_id)
        .where(
            ExperimentMember.experiment_id == experiment_id,
            ConsentEvent.purpose == purpose,
            ConsentEvent.decision == "granted",
            ~overtaken,
        )
    )
    return set(session.scalars(query))


def harms_of(session: Session, experiment_id: int) -> list[ExperimentHarm]:
    """In the order in which they happened."""
    query = select(ExperimentHarm).where(ExperimentHarm.experiment_id == experiment_id)
    return list(session.scalars(query.order_by(ExperimentHarm.id)))


def add_harm(session: Session, member: ExperimentMember, kind: str) -> bool:
    """The first of this kind that the person met, with how many were at risk; a later one changes nothing and gives False."""
    experiment_id, key = member.experiment_id, draw_of(session, member.experiment_id, member.person_id)
    harmed = {harm.member for harm in harms_of(session, experiment_id) if harm.kind == kind}
    if key in harmed:
        return False
    there = staying(session, experiment_id) | {member.person_id}
    at_risk: dict[Variant, int] = {"champion": 0, "challenger": 0}
    for one in members_of(session, experiment_id):
        if one.person_id in there and draw_of(session, experiment_id, one.person_id) not in harmed:
            at_risk["challenger" if one.variant == "challenger" else "champion"] += 1
    session.add(
        ExperimentHarm(
            experiment_id=experiment_id,
            kind=kind,
            variant=member.variant,
            member=key,
            challenger_at_risk=at_risk["challenger"],
            champion_at_risk=at_risk["champion"],
        )
    )
    session.flush()
    return True


def count_harms(session: Session, experiment_id: int) -> int:
    return session.scalar(select(func.count()).where(ExperimentHarm.experiment_id == experiment_id)) or 0

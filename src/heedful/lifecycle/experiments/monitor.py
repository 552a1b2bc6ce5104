"""Monitor: what happened to persons of an experiment in; harms written down, and the experiment ended when they are too many, out.

Three kinds are watched. guard: the output guard kept something from the person that would have harmed. crisis: the person came to a
higher tier of danger than in their first turn. mood: a conversation left the person worse by `WORSE` points or more. Nobody needs
to watch for the experiment to end; it never begins again by itself.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from heedful.companion.experiments.harm import log_e_process
from heedful.companion.trace import Trace
from heedful.guards.crisis.lexicon import TIERS
from heedful.lifecycle.experiments.joining import ITSELF, end_overtaken, membership, overtaken
from heedful.lifecycle.experiments.outcomes import mood
from heedful.store.database import Store
from heedful.store.experiments import (
    End,
    add_harm,
    end_experiment,
    find_experiment,
    harms_of,
    members_of,
    running_experiment,
    staying,
)
from heedful.store.schema_collection import Mood
from heedful.store.schema_experiments import Experiment, ExperimentEnd, ExperimentHarm, ExperimentMember

LOG = logging.getLogger("heedful.experiments")
LEVEL = 0.05  # of stopping for harm where there is none
KINDS = ("guard", "crisis", "mood")
HARMFUL = frozenset({"diagnosis", "dose", "human_claim", "credential_claim", "identifier"})  # what no person may read
DANGER = ("active", "imminent")
WORSE = 2  # points of mood out of 10


@dataclass(frozen=True, slots=True)
class Harm:
    """One kind: persons of each variant who met it, and its e-value."""

    kind: str
    champion: int
    challenger: int
    e_value: float


def variant_name(experiment: Experiment, variant: str) -> str:
    """What stands in the trace of a turn."""
    return f"{experiment.id}:{variant}"


def note_turn(session: Session, trace: Trace, name: str) -> None:
    """A turn of a person whom an experiment serves; others are passed over."""
    number, _, variant = trace.variant.partition(":")
    if not variant or not number.isdigit():
        return
    experiment, end = find_experiment(session, int(number))
    found = membership(session, experiment, name)
    member = None if found is None else found[1]
    if member is None or end is not None:
        return
    harms = kinds_of(trace, member)
    if member.entry_tier is None:
        member.entry_tier = trace.guard.tier
    if [kind for kind in harms if add_harm(session, member, kind)]:
        stop_for_harm(session, experiment)


def kinds_of(trace: Trace, member: ExperimentMember) -> list[str]:
    """Harms that a turn shows. Danger in the first turn was there before the variant said a word."""
    tier, entry = trace.guard.tier, member.entry_tier
    rose = entry is not None and tier in DANGER and TIERS.index(tier) > TIERS.index(entry)
    found = HARMFUL & set(trace.guard.found)
    return [kind for kind, met in (("crisis", rose), ("guard", bool(found))) if met]


def watch(store: Store, seen: int = 0) -> int:
    """End the running experiment if it must end now: its versions changed, or moods fell. What turns show comes with the turns.

    `seen` is the newest mood that was looked at; returned is the newest there is. Where nothing is new it only reads. May block.
    """
    with store.snapshot() as session:
        experiment, newest = running_experiment(session), session.scalar(select(func.max(Mood.id))) or 0
        if experiment is None or (newest == seen and overtaken(session, experiment) is None):
            return newest
    with store.session() as session:
        experiment = running_experiment(session)
        if experiment is not None and not end_overtaken(session, experiment):
            note_moods(session, experiment)
            stop_for_harm(session, experiment)
    return newest


def note_moods(session: Session, experiment: Experiment) -> None:
    there = staying(session, experiment.id)
    members = {one.person_id: one for one in members_of(session, experiment.id) if one.person_id in there}
    falls = [
        (at, person)
        for person, values in mood(session, experiment, list(members.values())).items()
        for at, change in values
        if person in members and change <= -WORSE and at >= members[person].joined_at
    ]
    for _, person in sorted(falls):
        add_harm(session, members[person], "mood")


def stop_for_harm(session: Session, experiment: Experiment) -> ExperimentEnd | None:
    """The end that the harms so far demand, if they do."""
    found = harms_so_far(harms_of(session, experiment.id), experiment.margin)
    together = sum(one.e_value for one in found) / len(found)
    if together < 1 / LEVEL:
        return None
    worst = max(found, key=lambda one: one.e_value)
    LOG.warning("experiment %d is stopped: %s is more frequent with the challenger", experiment.id, worst.kind)
    return end_experiment(session, experiment.id, End("harm", ITSELF, "", worst.kind, together))


def harms_so_far(rows: Sequence[ExperimentHarm], margin: float) -> list[Harm]:
    """Every kind; one that nobody met has the e-value 1."""
    return [harm_of(kind, [row for row in rows if row.kind == kind], margin) for kind in KINDS]


def harm_of(kind: str, rows: Sequence[ExperimentHarm], margin: float) -> Harm:
    challenger = np.array([row.variant == "challenger" for row in rows], dtype=bool)
    if not rows:
        return Harm(kind, 0, 0, 1.0)
    at_risk = [np.array([float(getattr(row, column)) for row in rows]) for column in ("challenger_at_risk", "champion_at_risk")]
    logs = log_e_process(challenger, at_risk[0], at_risk[1], margin)
    return Harm(kind, int((~challenger).sum()), int(challenger.sum()), float(np.exp(logs[-1])))

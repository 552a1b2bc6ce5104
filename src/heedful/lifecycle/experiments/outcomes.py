"""Outcomes: an experiment in; one number a person, in the order in which it was known, out. Persons count, not messages.

A person has `window_hours` from their first turn in the experiment on; what came in it makes one number, known when it is over.
With 0 hours the first value is the whole outcome, known at once. Who left, or gave nothing, has none.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from heedful.store.experiments import draw_of, harms_of, members_of, staying
from heedful.store.schema import ConversationRow, utc_now
from heedful.store.schema_collection import Assessment, Feedback, Mood, ReplyRow
from heedful.store.schema_experiments import UPSTREAM, Experiment, ExperimentMember, Variant

PREFERENCE = "preference"  # what decides in shadow mode: no number of persons, but what clinicians preferred
RISING = frozenset({"wemwbs"})  # questionnaires in which more is better; in all others less is

Value = tuple[datetime, float]
Values = dict[int, list[Value]]


@dataclass(frozen=True, slots=True)
class Settled:
    """One person's outcome. `value` is 1.0 or 0.0 for a binary one; more is better."""

    person: int
    variant: Variant
    value: float
    known_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """`gather` finds the values of persons, `settle` makes one of them. `absence`: a person who gave nothing has one too."""

    words: str
    graded: bool
    gather: Callable[[Session, Experiment, Sequence[ExperimentMember]], Values]
    settle: Callable[[Sequence[float]], float]
    absence: bool = False


def thumbs(session: Session, experiment: Experiment, members: Sequence[ExperimentMember]) -> Values:
    """1 for a thumb up, 0 for one down, of replies that the person's own variant wrote."""
    query = (
        select(ConversationRow.person_id, ReplyRow.model, Feedback.created_at, Feedback.thumb)
        .join(ReplyRow, ReplyRow.id == Feedback.reply_id)
        .join(ConversationRow, ConversationRow.id == ReplyRow.conversation_id)
        .where(Feedback.thumb.is_not(None), ReplyRow.created_at >= experiment.created_at)
        .order_by(Feedback.created_at)
    )
    return of_own_variant(session.execute(query), experiment, members, lambda thumb: float(thumb == "up"))


def corrections(session: Session, experiment: Experiment, members: Sequence[ExperimentMember]) -> Values:
    """0 for a reply that somebody corrected, 1 for one that nobody did."""
    corrected = select(Feedback.reply_id).where(Feedback.corrected).scalar_subquery()
    query = (
        select(ConversationRow.person_id, ReplyRow.model, ReplyRow.created_at, ReplyRow.id.in_(corrected))
        .join(ConversationRow, ConversationRow.id == ReplyRow.conversation_id)
        .where(ReplyRow.created_at >= experiment.created_at)
        .order_by(ReplyRow.created_at)
    )
    return of_own_variant(session.execute(query), experiment, members, lambda wrong: float(not wrong))


def of_own_variant(
    rows: Iterable[Any], experiment: Experiment, members: Sequence[ExperimentMember], value: Callable[[Any], float]
) -> Values:
    """`rows` are person, model of a reply, time and what is made a value of. Replies of other models say nothing of the variant."""
    challenger = experiment.champion if experiment.challenger == UPSTREAM else experiment.challenger  # it answers under that name
    models = {one.person_id: challenger if one.variant == "challenger" else experiment.champion for one in members}
    found: Values = defaultdict(list)
    for person, model, at, what in rows:
        if models.get(person) == model:
            found[person].append((at, value(what)))
    return found


def mood(session: Session, experiment: Experiment, members: Sequence[ExperimentMember]) -> Values:
    """After less before, of each conversation that has both; the newest of each counts."""
    query = select(Mood).where(Mood.conversation_id.is_not(None), Mood.created_at >= experiment.created_at).order_by(Mood.id)
    moments: dict[tuple[int, int | None], dict[str, Mood]] = defaultdict(dict)
    for one in session.scalars(query):
        moments[one.person_id, one.conversation_id][one.moment] = one
    found: Values = defaultdict(list)
    for (person, _), said in moments.items():
        if {"before", "after"} <= said.keys():
            found[person].append((said["after"].created_at, float(said["after"].value - said["before"].value)))
    return {person: sorted(values) for person, values in found.items()}


def assessment(session: Session, experiment: Experiment, members: Sequence[ExperimentMember]) -> Values:
    """Each score after joining less the newest one before it, turned so that more is better. Without one before: nothing."""
    sign = 1.0 if experiment.instrument in RISING else -1.0
    joined = {one.person_id: one.joined_at for one in members}
    before: dict[int, float] = {}
    found: Values = defaultdict(list)
    query = select(Assessment).where(Assessment.instrument == experiment.instrument).order_by(Assessment.taken_at, Assessment.id)
    for one in session.scalars(query):
        if one.person_id not in joined:
            continue
        if one.taken_at <= joined[one.person_id]:
            before[one.person_id] = one.score
        elif one.person_id in before:
            found[one.person_id].append((one.taken_at, sign * (one.score - before[one.person_id])))
    return found


def unharmed(session: Session, experiment: Experiment, members: Sequence[ExperimentMember]) -> Values:
    """0 where the output guard had to keep something harmful from the person."""
    when = {harm.member: harm.created_at for harm in harms_of(session, experiment.id) if harm.kind == "guard"}
    keys = {one.person_id: draw_of(session, experiment.id, one.person_id) for one in members}
    return {person: [(when[key], 0.0)] for person, key in keys.items() if key in when}


OUTCOMES = {
    "thumbs": Outcome("persons with more thumbs up than down", False, thumbs, lambda values: float(fmean(values) > 0.5)),
    "corrections": Outcome("persons of whom no reply had to be corrected", False, corrections, min, absence=True),
    "guard": Outcome("persons whom the output guard had to keep nothing harmful from", False, unharmed, min, absence=True),
    "mood": Outcome("change of mood in a conversation (0 to 10)", True, mood, fmean),
    "assessment": Outcome("change of the score, turned so that more is better", True, assessment, lambda values: values[-1]),
}


def settled(session: Session, experiment: Experiment, name: str, now: datetime | None = None) -> list[Settled]:
    """In the order in which they were known."""
    outcome, now = OUTCOMES[name], utc_now() if now is None else now
    there = staying(session, experiment.id)
    members = [one for one in members_of(session, experiment.id) if one.person_id in there]
    values = outcome.gather(session, experiment, members)
    found = [settle_one(outcome, experiment, one, values.get(one.person_id, []), now) for one in members]
    return sorted((one for one in found if one is not None), key=lambda one: (one.known_at, one.person))


def settle_one(
    outcome: Outcome, experiment: Experiment, member: ExperimentMember, values: Sequence[Value], now: datetime
) -> Settled | None:
    variant: Variant = "challenger" if member.variant == "challenger" else "champion"
    over = member.joined_at + timedelta(hours=experiment.window_hours)
    if experiment.window_hours == 0:
        first = next(((at, value) for at, value in values if at >= member.joined_at), None)
        return None if first is None else Settled(member.person_id, variant, outcome.settle([first[1]]), first[0])
    inside = [value for at, value in values if member.joined_at <= at <= over]
    if now < over or (not inside and not outcome.absence):
        return None
    return Settled(member.person_id, variant, outcome.settle(inside) if inside else 1.0, over)

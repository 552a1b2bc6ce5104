"""Reading: an experiment in; the figures that may be read of it at any time, and a verdict, out. It promotes nobody."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Literal

import numpy as np
from sqlalchemy.orm import Session

from heedful.companion.experiments import binary, coin, graded
from heedful.companion.experiments.before import Floats
from heedful.lifecycle.experiments.monitor import Harm, harms_so_far
from heedful.lifecycle.experiments.outcomes import OUTCOMES, Outcome, Settled, settled
from heedful.lifecycle.experiments.pairs import Judged, judgements_of
from heedful.store.experiments import harms_of, members_of, staying
from heedful.store.schema_experiments import Experiment, ExperimentEnd, Variant

LEVEL = 0.05  # of ever naming a better variant where there is none
TUNED_FOR = 400  # persons at which a graded outcome is known best
UNLIKE = 100.0  # e-value at which persons with an outcome are not split as all persons are

Verdict = Literal["challenger better", "champion better", "inconclusive", "stopped for harm"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One variant. `left`: withdrew since they joined. `with_outcome` of the others have one, whose mean is `value`."""

    variant: Variant
    model: str
    persons: int
    left: int
    with_outcome: int
    value: float | None


@dataclass(frozen=True, slots=True)
class Course:
    """The difference (challenger less champion) after each person with an outcome; ends that are not known are infinite or NaN."""

    difference: Floats
    low: Floats
    high: Floats
    log_e: Floats


@dataclass(frozen=True, slots=True)
class Finding:
    """One outcome. `interval` holds at any time with 95 %; None: too few persons. `decides`: it was named at the start."""

    outcome: str
    words: str
    decides: bool
    arms: tuple[Arm, Arm]
    difference: float | None
    interval: tuple[float, float] | None
    e_value: float
    split_e_value: float


@dataclass(frozen=True, slots=True)
class Preference:
    """What clinicians preferred, in shadow mode. `share` prefer the challenger, among those who preferred one."""

    judged: Judged
    share: float | None
    interval: tuple[float, float] | None
    e_value: float


@dataclass(frozen=True, slots=True)
class Reading:
    """`findings`: the outcome that decides first. `course` is of that one; None without persons.

    In shadow mode there are none, and `preference` decides.
    """

    experiment: Experiment
    end: ExperimentEnd | None
    verdict: Verdict
    findings: tuple[Finding, ...]
    harms: tuple[Harm, ...]
    course: Course | None
    preference: Preference | None = None


def read_experiment(session: Session, experiment: Experiment, end: ExperimentEnd | None) -> Reading:
    """`session` may be a snapshot."""
    if experiment.shadow:
        preference, preferred = read_preference(judgements_of(session, experiment))
        return Reading(experiment, end, preferred, (), (), None, preference)
    names = [name for name, outcome in OUTCOMES.items() if can_be_known(experiment, name, outcome)]
    ordered = sorted(names, key=lambda name: name != experiment.outcome)
    courses = {name: settled(session, experiment, name) for name in ordered}
    findings = tuple(find(session, experiment, name, rows) for name, rows in courses.items())
    harms = tuple(harms_so_far(harms_of(session, experiment.id), experiment.margin))
    course = course_of(experiment, experiment.outcome, courses[experiment.outcome])
    verdict = judge(findings[0], course)
    if end is not None and end.ending == "harm":
        verdict = "stopped for harm"
    return Reading(experiment, end, verdict, findings, harms, course)


def can_be_known(experiment: Experiment, name: str, outcome: Outcome) -> bool:
    """Scores need a questionnaire; that nothing came can be told only after a time."""
    return bool(experiment.instrument) if name == "assessment" else not outcome.absence or experiment.window_hours > 0


def read_preference(judged: Judged) -> tuple[Preference, Verdict]:
    """A fair coin where the replies are alike: sides were drawn, and each pair counts once. Ties say nothing."""
    decided = np.array([one == "challenger" for one in judged.preferences if one != "tie"], dtype=bool)
    if not len(decided):
        return Preference(judged, None, None, 1.0), "inconclusive"
    logs = coin.log_e_process(decided, 0.5)
    low, high = (float(ends[-1]) for ends in coin.confidence_sequence(decided, LEVEL))
    preference = Preference(judged, float(decided.mean()), (low, high), exp(min(float(logs[-1]), 700.0)))
    sure = logs >= -log(LEVEL)
    if not sure.any():
        return preference, "inconclusive"
    first = int(sure.argmax())
    return preference, "challenger better" if decided[: first + 1].mean() > 0.5 else "champion better"


def find(session: Session, experiment: Experiment, name: str, rows: Sequence[Settled]) -> Finding:
    course = course_of(experiment, name, rows)
    arms = arms_of(session, experiment, rows)
    known = course is not None and np.isfinite(course.low[-1]) and np.isfinite(course.high[-1])
    split = 0.0 if not rows else float(coin.log_e_process(challengers(rows), experiment.share)[-1])
    return Finding(
        outcome=name,
        words=OUTCOMES[name].words,
        decides=name == experiment.outcome,
        arms=arms,
        difference=None if arms[0].value is None or arms[1].value is None else arms[1].value - arms[0].value,
        interval=(float(course.low[-1]), float(course.high[-1])) if course is not None and known else None,
        e_value=1.0 if course is None else exp(min(float(course.log_e[-1]), 700.0)),
        split_e_value=exp(min(split, 700.0)),
    )


def challengers(rows: Sequence[Settled]) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    return np.array([row.variant == "challenger" for row in rows], dtype=bool)


def course_of(experiment: Experiment, name: str, rows: Sequence[Settled]) -> Course | None:
    if not rows:
        return None
    challenger, values = challengers(rows), np.array([row.value for row in rows])
    z = graded.pseudo_outcomes(challenger, values, experiment.share)
    difference = np.cumsum(z) / np.arange(1, len(z) + 1)
    if OUTCOMES[name].graded:
        low, high = graded.confidence_sequence(challenger, values, experiment.share, LEVEL, TUNED_FOR)
        logs = graded.log_e_process(challenger, values, experiment.share, LEVEL, TUNED_FOR)
        return Course(difference, low, high, logs)
    well = values > 0.5
    low, high = binary.confidence_sequence(challenger, well, experiment.share, LEVEL)
    return Course(difference, low, high, binary.log_e_process(challenger, well, experiment.share))


def arms_of(session: Session, experiment: Experiment, rows: Sequence[Settled]) -> tuple[Arm, Arm]:
    members, there = members_of(session, experiment.id), staying(session, experiment.id)

    def arm(variant: Variant, model: str) -> Arm:
        of = [one for one in members if one.variant == variant]
        left = sum(one.person_id not in there for one in of)
        values = [row.value for row in rows if row.variant == variant]
        return Arm(variant, model, len(of) - left, left, len(values), float(np.mean(values)) if values else None)

    return arm("champion", experiment.champion), arm("challenger", experiment.challenger)


def judge(finding: Finding, course: Course | None) -> Verdict:
    """Better once the evidence was strong enough at any time, and then for good; never where like is not compared with like."""
    if course is None or finding.split_e_value >= UNLIKE or finding.difference is None:
        return "inconclusive"
    sure = course.log_e >= -log(LEVEL)
    if not sure.any():
        return "inconclusive"
    return "challenger better" if course.difference[int(sure.argmax())] > 0 else "champion better"

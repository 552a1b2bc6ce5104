"""Review: the survey and what reviewers decided so far, in; what is held back until a person has looked at it, out.

Nothing disappears silently: what a rule met waits in the queue of `heedful review`, is counted in the card, and comes in when it is
accepted or edited. The rules are those of `guards.advice`, contradicting answers, and what is known of replies in service (`told`).
"""

from collections import defaultdict
from collections.abc import Mapping

from heedful.config import DatasetSettings
from heedful.dataset.conflicts import conflicting
from heedful.dataset.filters import AWAITING, CONFLICTING, REJECTED
from heedful.dataset.survey import Survey
from heedful.dataset.twins import components
from heedful.guards.advice import words_of_rules
from heedful.store.feedback import CUT, DISLIKED
from heedful.store.reviews import Met
from heedful.store.schema import ReviewStatus

CONFLICT = "conflicting_answers"
OWN_WORDS = {
    CONFLICT: "contradicts another answer to the same question",
    DISLIKED: "was disliked by the person whom it answered",
    CUT: "was cut at its limit of length when it was served",
}
Decided = Mapping[int, Mapping[str, ReviewStatus]]  # by id of the conversation and rule


def hold_back(
    found: Survey, twins: Mapping[int, set[int]], told: Mapping[int, Met], decided: Decided, settings: DatasetSettings
) -> dict[int, Met]:
    """Drops what was rejected, and what awaits a decision unless the settings include it. Returns what met a rule, by id."""
    ids = {row: int(found.rows["id"][row]) for row in found.kept().tolist()}
    rejected = {row for row, key in ids.items() if "rejected" in decided.get(key, {}).values()}
    found.drop(rejected, REJECTED)
    kept = {row: key for row, key in ids.items() if row not in rejected}
    contradicting = conflicts_among(found, kept, twins)
    met: dict[int, dict[str, list[list[int]]]] = defaultdict(dict)
    for row, key in kept.items():
        for hit in found.hits.get(row, ()):
            met[key].setdefault(hit.rule, []).append([hit.position, hit.start, hit.end])
        for rule, places in told.get(key, {}).items():
            met[key][rule] = [list(place) for place in places]
        if row in contradicting:
            met[key][CONFLICT] = []
    if settings.awaiting_review == "hold":
        undecided = {row: met[key].keys() - decided.get(key, {}).keys() for row, key in kept.items() if key in met}
        found.drop((row for row, rules in undecided.items() if rules - {CONFLICT}), AWAITING)
        found.drop((row for row, rules in undecided.items() if CONFLICT in rules), CONFLICTING)
    return dict(met)


def conflicts_among(found: Survey, rows: Mapping[int, int], twins: Mapping[int, set[int]]) -> set[int]:
    same = components(twins)
    questions = {row: int(found.rows["question"][row]) for row in found.claims if row in rows}
    return conflicting(found.claims, ((str(same.get(question, question)), row) for row, question in questions.items()))


def words_of(rule: str) -> str:
    """What a rule says to a reviewer."""
    return {**words_of_rules(), **OWN_WORDS}[rule]

"""Pairs: what champion and challenger said to one person in; sealed rows out, and later the pair that a clinician is to judge.

A pair is shown and kept only while the person agrees that chats are kept and that people of the team read them. A clinician is not
told which reply was given; a coin decides the sides anew for each look. The first judgement of a pair counts as evidence, further
ones tell how far clinicians agree.
"""

import json
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from heedful.conversation import Message
from heedful.store.collection import agreed
from heedful.store.consent import newest_decision
from heedful.store.database import Store
from heedful.store.experiments import find_experiment
from heedful.store.persons import Known
from heedful.store.schema import Person
from heedful.store.schema_experiments import Experiment, PairJudgement, Preferred, ReplyPair, Variant
from heedful.store.vault import seal_text, unseal_text


@dataclass(frozen=True, slots=True)
class Pair:
    """A chat of a person, what was answered, and what the challenger would have answered."""

    messages: tuple[Message, ...]
    champion: str
    challenger: str


@dataclass(frozen=True, slots=True)
class Blind:
    """A pair as a clinician sees it. `left` says whose stands on the left, and is not to be shown."""

    id: str
    messages: tuple[Message, ...]
    replies: tuple[str, str]
    left: Variant


def may_be_compared(store: Store, experiment: Experiment, name: str) -> bool:
    """May block."""
    with store.snapshot() as session:
        return whose(session, experiment, name) is not None


def whose(session: Session, experiment: Experiment, name: str) -> Known | None:
    """The person, if they agreed and have no pair yet, and if the experiment still runs."""
    person = agreed(session, name)
    if person is None or newest_decision(session, person.id, "review") != "granted":
        return None
    mine = ReplyPair.experiment_id == experiment.id, ReplyPair.person_id == person.id
    there = session.scalar(select(ReplyPair.id).where(*mine)) is not None
    return None if there or find_experiment(session, experiment.id)[1] is not None else person


def keep_pair(store: Store, experiment: Experiment, name: str, pair: Pair) -> bool:
    """Whether it was kept. Two replies that are the same tell nothing, and are not. May block."""
    if pair.champion.strip() == pair.challenger.strip():
        return False
    with store.session() as session:
        person = whose(session, experiment, name)
        if person is None or person.key_id is None:
            return False
        number = f"pair-{uuid.uuid4().hex}"
        chat = json.dumps([[message.role, message.content] for message in pair.messages if message.role != "system"])
        sealed = {
            column: seal_text(session, person.key_id, text, place_of(number, column))
            for column, text in (("chat", chat), ("champion", pair.champion), ("challenger", pair.challenger))
        }
        session.add(
            ReplyPair(
                id=number,
                experiment_id=experiment.id,
                person_id=person.id,
                sealed_chat=sealed["chat"],
                sealed_champion=sealed["champion"],
                sealed_challenger=sealed["challenger"],
            )
        )
    return True


def place_of(number: str, column: str) -> str:
    return f"{number}:{column}"


def to_judge(session: Session, experiment: Experiment, actor: str) -> list[str]:
    """Pairs that this clinician has not judged, those first that nobody has; of persons who still agree."""
    judged = select(PairJudgement.pair_id)
    rows = session.scalars(
        select(ReplyPair)
        .where(ReplyPair.experiment_id == experiment.id, ReplyPair.id.not_in(judged.where(PairJudgement.actor == actor)))
        .order_by(ReplyPair.id.in_(judged), ReplyPair.created_at, ReplyPair.id)
    ).all()
    return [row.id for row in rows if allowed(session, row.person_id)]


def allowed(session: Session, person_id: int) -> bool:
    return all(newest_decision(session, person_id, purpose) == "granted" for purpose in ("chat", "review"))


def open_pair(session: Session, number: str) -> Blind:
    """With the sides drawn."""
    row = session.get_one(ReplyPair, number)
    key = session.get_one(Person, row.person_id).key_id
    assert key is not None, "the pairs of an erased person are gone"
    chat = json.loads(unseal_text(session, key, row.sealed_chat, place_of(number, "chat")))
    champion = unseal_text(session, key, row.sealed_champion, place_of(number, "champion"))
    challenger = unseal_text(session, key, row.sealed_challenger, place_of(number, "challenger"))
    messages = tuple(Message(role, content) for role, content in chat)
    if secrets.randbelow(2):
        return Blind(number, messages, (champion, challenger), "champion")
    return Blind(number, messages, (challenger, champion), "challenger")


def judge_pair(session: Session, blind: Blind, actor: str, preferred: Preferred) -> None:
    """It stands: what was counted as evidence cannot be taken back without counting for less."""
    session.add(PairJudgement(pair_id=blind.id, actor=actor, left=blind.left, preferred=preferred))
    session.flush()


@dataclass(frozen=True, slots=True)
class Judged:
    """`preferences`: of each judged pair the first judgement, in the order in which they came. `agreed` of `doubly` judged pairs
    had the same from their first two clinicians; `kappa` is that beyond chance (Cohen 1960), None where it tells nothing."""

    pairs: int
    preferences: tuple[Preferred, ...]
    doubly: int
    agreed: int
    kappa: float | None


def judgements_of(session: Session, experiment: Experiment) -> Judged:
    pairs = list(session.scalars(select(ReplyPair.id).where(ReplyPair.experiment_id == experiment.id)))
    rows = session.scalars(select(PairJudgement).where(PairJudgement.pair_id.in_(pairs)).order_by(PairJudgement.id))
    said: dict[str, list[Preferred]] = {}
    for row in rows:
        said.setdefault(row.pair_id, []).append(to_preferred(row.preferred))
    first = tuple(one[0] for one in said.values())
    both = [(one[0], one[1]) for one in said.values() if len(one) > 1]
    return Judged(len(pairs), first, len(both), sum(a == b for a, b in both), kappa(both))


def to_preferred(word: str) -> Preferred:
    return "challenger" if word == "challenger" else "champion" if word == "champion" else "tie"


def kappa(both: Sequence[tuple[Preferred, Preferred]]) -> float | None:
    """Cohen's, over the three answers."""
    n = len(both)
    if n == 0:
        return None
    shares = [{word: sum(pair[side] == word for pair in both) / n for word in ("champion", "challenger", "tie")} for side in (0, 1)]
    chance = sum(shares[0][word] * shares[1][word] for word in shares[0])
    same = sum(a == b for a, b in both) / n
    return None if chance == 1 else (same - chance) / (1 - chance)

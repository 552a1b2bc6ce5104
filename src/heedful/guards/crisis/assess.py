"""Assess: a chat in, the danger at its last message of the person out.

State, not a block. What was said stays in force for the next HOLD turns of the person and then fades by one tier every FADE
turns; a retraction ("jk", "forget it") changes nothing of that. Risk that is split over turns adds up: weak signals of different
groups in the last WINDOW turns of the person, and a sentence that was broken over several short messages. The classifier is asked
at every turn, so a long calm talk gives it many occasions to be wrong: after the first FIRST turns it must be surer, or say so
twice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from heedful.conversation import Message, Role
from heedful.guards.crisis.answers import read_answer
from heedful.guards.crisis.classifier import Classifier
from heedful.guards.crisis.lexicon import TIERS, Kind, Tier
from heedful.guards.crisis.reading import Reading, Signal, highest, read_message

WINDOW = 8  # turns of the person that are looked at
FIRST = 2  # turns of the person at which the classifier's word counts as that on a single message
HOLD = 2  # turns of the person for which a tier stays as it was
FADE = 2  # turns a tier after that
SHORT = 6  # words; shorter messages are read together with those before them
JOINED = 3  # of such messages at most
DENIAL = 7  # words of a message that says no more than "i do not want to die"
KINDS: tuple[Kind, ...] = ("suicide", "self_harm", "harm_to_others", "abuse", "minor", "perinatal")
SCORES: dict[Tier, float] = {"none": 0.02, "distress": 0.25, "passive": 0.7, "active": 0.9, "imminent": 0.98}
WISH = frozenset({"hopeless", "burden", "veiled", "farewell"})
IN_DANGER: tuple[Tier, ...] = ("active", "imminent")
ACT = frozenset({"means", "preparing", "timing", "farewell"})

Judge = Callable[[Sequence[Message]], bool]  # a model's own yes or no to "is this person in danger?"


@dataclass(frozen=True, slots=True)
class CrisisAssessment:
    """The danger at the person's last message.

    tier: none, distress, passive (a wish to be dead or gone), active (thoughts, plan or act; violence), imminent (now or soon).
    kinds: of danger, and of life: `minor`, `perinatal`. score: 0 to 1, rises with the tier. explicit: it was said outright.
    fresh: the last message itself says so, it is not only held from before. someone_else: the danger that was told of is another's.
    rules: what found it, by name; never words of the person. classifier: whether it was asked as well, or the rules stood alone.
    """

    tier: Tier
    kinds: tuple[Kind, ...]
    score: float
    explicit: bool
    fresh: bool = False
    someone_else: bool = False
    rules: tuple[str, ...] = ()
    classifier: bool = False

    @property
    def in_danger(self) -> bool:
        """Whether the turn is answered by a person's words, not a model's: tiers active and imminent."""
        return self.tier in IN_DANGER

    @property
    def is_crisis(self) -> bool:
        """Whether it counts as found when the guard is measured: passive and above, or violence of any tier."""
        return self.tier in ("passive", *IN_DANGER) or not {"harm_to_others", "abuse"}.isdisjoint(self.kinds)


def assess_messages(
    messages: Sequence[Message | Mapping[str, str]], classifier: Classifier | None, judge: Judge | None = None
) -> CrisisAssessment:
    """`classifier` and `judge` are OR-ed with the rules; None leaves them out."""
    chat = [as_message(message) for message in messages]
    turns = [place for place, message in enumerate(chat) if message.role == "user"][-WINDOW:]
    if not turns:
        return CrisisAssessment("none", (), SCORES["none"], explicit=False)
    readings = [read_turn(chat[: place + 1], classifier) for place in turns]
    live = [found for age, reading in enumerate(reversed(readings)) for found in faded(reading.signals, age)]
    live += together(readings)
    live += broken(chat, turns)
    live += agreed(readings)
    if judge is not None and judge(chat):
        live.append(Signal("suicide", "active", False, "model"))
    return replace(settle(live, readings), classifier=classifier is not None)


def as_message(message: Message | Mapping[str, str]) -> Message:
    return message if isinstance(message, Message) else Message(cast(Role, message["role"]), message["content"])


def read_turn(chat: Sequence[Message], classifier: Classifier | None) -> Reading:
    """The last message: by the rules, as an answer to the question before it; where these are not sure, by the classifier."""
    text = chat[-1].content
    reading = read_message(text)
    sure = [signal for signal in reading.signals if not signal.unsure]
    before = chat[-2] if len(chat) > 1 else None
    answer = read_answer(before.content, text) if before is not None and before.role == "assistant" else None
    if answer is not None:
        sure.append(answer)
    if sure or classifier is None:
        return replace(reading, signals=(*sure, *(signal for signal in reading.signals if signal.unsure)))
    return weigh(reading, classifier, chat)


def weigh(reading: Reading, classifier: Classifier, chat: Sequence[Message]) -> Reading:
    """What the classifier thinks of a message in which no rule is sure. It hardly hears a `not`: short denials are left out."""
    if reading.quieted == {"negated"} and not reading.signals and reading.words <= DENIAL:
        return reading
    found, limits = classifier.estimate(chat), classifier.thresholds
    backed = reading.signals if found.danger >= limits.backing else ()
    hints = reading.hints if found.danger >= limits.backing else frozenset[str]()
    begun = sum(message.role == "user" for message in chat) <= FIRST
    own, leaning = Signal(found.kind, found.tier, False, "classifier"), None
    if found.danger >= (limits.quieted if reading.quieted else limits.alone if begun else limits.later):
        backed = (*backed, own)
    elif found.danger >= limits.alone and not reading.quieted:
        leaning = replace(own, rule="classifier, twice")
    return replace(reading, signals=backed, hints=hints, leaning=leaning)


def agreed(readings: Sequence[Reading]) -> list[Signal]:
    """What the classifier leans to, where another turn says so too; as old as the newer of the two."""
    leaning = [(age, reading.leaning) for age, reading in enumerate(reversed(readings)) if reading.leaning is not None]
    return faded([leaning[0][1]], leaning[0][0]) if len(leaning) > 1 else []


def faded(signals: Sequence[Signal], age: int) -> list[Signal]:
    """Signals of `age` turns ago, as far as they still count."""
    steps = 0 if age <= HOLD else -(-(age - HOLD) // FADE)
    lower = [(signal, TIERS.index(signal.tier) - steps) for signal in signals]
    return [replace(signal, tier=TIERS[index]) if steps else signal for signal, index in lower if index > 0]


def together(readings: Sequence[Reading]) -> list[Signal]:
    """Weak signals of different groups: a wish and means, a farewell and preparations."""
    hints: set[str] = set()
    for reading in readings:
        if not reading.quieted - {"past"}:
            hints |= reading.hints
    if not readings[-1].hints and not readings[-1].signals:
        return []
    wish, act = hints & WISH, hints & ACT
    parting = {"preparing", "farewell"} <= hints
    strong = len(wish | act) >= 4 and wish and len(act) >= 2
    if strong or (parting and ("means" in hints or wish - {"farewell"})):
        return [Signal("suicide", "active", False, "signs over several turns")]
    veiled = "veiled" in wish and act & {"means", "preparing", "farewell"}
    if veiled or parting or len(wish) >= 3 or (wish - {"farewell"} and "preparing" in act):
        return [Signal("suicide", "passive", False, "signs over several turns")]
    return []


def broken(chat: Sequence[Message], turns: Sequence[int]) -> list[Signal]:
    """A sentence over several short messages: `i want to`, `kill`, `myself`."""
    joined: list[str] = []
    for place in reversed(turns[-JOINED:]):
        text = chat[place].content.strip()
        if len(text.split()) > SHORT or (joined and text.endswith((".", "!", "?"))):
            break
        joined.insert(0, text)
    if len(joined) < 2:
        return []
    return list(read_message(" ".join(joined)).signals)


def settle(live: Sequence[Signal], readings: Sequence[Reading]) -> CrisisAssessment:
    last = readings[-1]
    tier = highest([signal.tier for signal in live])
    weighs = any(reading.heavy for reading in readings[-1 - HOLD :]) or bool(last.hints & (WISH - {"farewell"}))
    if tier == "none" and weighs:
        tier = "distress"
    there = {signal.kind for signal in live} | {kind for reading in readings for kind in reading.life}
    return CrisisAssessment(
        tier=tier,
        kinds=tuple(kind for kind in KINDS if kind in there),
        score=score_of(tier, live),
        explicit=any(signal.explicit for signal in live),
        fresh=bool(last.signals) or (last.leaning is not None and bool(agreed(readings))),
        someone_else=last.someone_else and not last.signals,
        rules=tuple(dict.fromkeys(signal.rule for signal in live)),
    )


def score_of(tier: Tier, live: Sequence[Signal]) -> float:
    """The tier's own score; each further rule that agrees moves it a little closer to 1."""
    agreeing = len({signal.rule for signal in live if signal.tier == tier})
    return round(1 - (1 - SCORES[tier]) * 0.9 ** max(agreeing - 1, 0), 3)

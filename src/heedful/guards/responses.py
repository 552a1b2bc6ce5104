"""Responses: an assessment and the chat in; the words that a person in danger reads instead of a model's out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from heedful.conversation import Message
from heedful.guards.crisis.assess import CrisisAssessment
from heedful.guards.crisis.lexicon import Kind
from heedful.guards.resources import Countries, Country, Need, country_of
from heedful.guards.tables import table

Team = Literal["none", "told", "unanswered"]  # whether people of the team know of this danger
NEEDS_OF: dict[Kind, Need] = {"abuse": "abuse", "minor": "child", "perinatal": "perinatal"}
FIRST: tuple[Kind, ...] = ("abuse", "harm_to_others", "suicide", "self_harm")  # whose text is used where several kinds apply


@dataclass(frozen=True, slots=True)
class Place:
    """Where the person is, as far as anybody knows."""

    country: Country | None

    def emergency(self) -> str:
        words = table("templates")
        if self.country is None:
            return str(words["emergency_unknown"])
        return str(words["emergency_known"]).format(number=self.country.emergency)

    def lines(self, needs: Sequence[Need]) -> str:
        if self.country is None:
            return str(table("templates")["lines_unknown"])
        return "\n".join(f"- {line.in_words()}" for line in self.country.lines_for(needs))

    def lines_short(self, needs: Sequence[Need]) -> str:
        if self.country is None:
            return str(table("templates")["lines_short_unknown"])
        return "; ".join(line.in_words() for line in self.country.lines_for(needs, most=2)) + "."


def place_of(messages: Sequence[Message], configured: str | None, countries: Countries) -> Place:
    """What the person says goes before what is configured; where neither says anything, nothing is assumed."""
    said = country_of(messages, countries)
    return Place(said if said is not None or configured is None else countries.get(configured))


def needs_of(assessment: CrisisAssessment) -> list[Need]:
    return [NEEDS_OF[kind] for kind in assessment.kinds if kind in NEEDS_OF]


def respond(assessment: CrisisAssessment, messages: Sequence[Message], place: Place, team: Team = "none") -> str:
    """The reply at tiers active and imminent."""
    words = table("templates")
    before = sum(is_response(message) for message in messages)
    if before == 0 or (assessment.fresh and assessment.tier == "imminent"):
        text = opening(assessment)
    else:
        text = str(words["again" if before <= 1 else "again_later"])
    filled = text.format(lines=place.lines(needs_of(assessment)), emergency=place.emergency()).strip()
    return filled if team == "none" else f"{filled}\n\n{words['handed_over' if team == 'told' else 'unanswered']}"


def opening(assessment: CrisisAssessment) -> str:
    words = table("templates")
    kind = next((kind for kind in FIRST if kind in assessment.kinds), "suicide")
    if kind == "self_harm" and assessment.tier == "imminent":
        kind = "suicide"
    by_tier = words[kind]
    text = str(by_tier.get(assessment.tier, by_tier["active"]))
    first, _, rest = text.partition("\n\n")
    extra = [str(words[circumstance]) for circumstance in ("minor", "perinatal") if circumstance in assessment.kinds]
    return "\n\n".join([first, *extra, rest])


def addition(assessment: CrisisAssessment, messages: Sequence[Message], place: Place) -> str:
    """What is put behind a model's reply at tier passive, or where somebody else may be in danger; said once, not at every turn."""
    if not ((assessment.tier == "passive" and assessment.fresh) or assessment.someone_else):
        return ""
    text = str(table("templates")["passive" if assessment.tier == "passive" else "someone_else"])
    filled = text.format(lines_short=place.lines_short(needs_of(assessment)), emergency=place.emergency()).strip()
    opening_words = filled[:40]
    return "" if any(message.role == "assistant" and opening_words in message.content for message in messages) else filled


def is_response(message: Message) -> bool:
    """Whether a message is one of these templates, told by how it begins."""
    return message.role == "assistant" and message.content.startswith(openings())


def openings() -> tuple[str, ...]:
    words = table("templates")
    texts = [text for kind in FIRST for text in words[kind].values()]
    return tuple(text.partition("{")[0].strip()[:40] for text in [*texts, words["again"], words["again_later"]])

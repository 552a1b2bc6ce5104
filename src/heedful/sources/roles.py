"""Names of speakers in; system, user or assistant out. Case, underscores and a number behind a name do not count."""

import re
from collections.abc import Mapping

from heedful.conversation import Role
from heedful.sources.rows import RowError
from heedful.sources.text import quote, shorten

SYSTEM = ("system", "developer")
USER = (
    "user", "human", "client", "patient", "seeker", "help seeker", "customer", "visitor", "member", "caller", "texter",
    "interviewee", "service user", "usr",
)  # fmt: skip
ASSISTANT = (
    "assistant", "gpt", "chatgpt", "bing", "bard", "bot", "chatbot", "ai", "model", "companion", "agent", "counselor", "counsellor",
    "therapist", "supporter", "helper", "listener", "doctor", "dr", "clinician", "psychologist", "psychiatrist", "nurse", "coach",
    "advisor", "adviser", "operator", "volunteer", "interviewer", "support",
)  # fmt: skip
# No single letters: `c` may be a client or a counsellor, `a` an answer or the first of two.
ROLES: Mapping[str, Role] = {
    **dict.fromkeys(SYSTEM, "system"),
    **dict.fromkeys((*USER, "question"), "user"),
    **dict.fromkeys((*ASSISTANT, "answer"), "assistant"),
}
SPEAKER_KEYS = ("role", "from", "speaker", "sender", "author")  # of a message in JSON
TEXT_KEYS = ("content", "value", "text", "utterance", "message")
NUMBER_BEHIND = re.compile(r"(?<=[^\W\d]) ?\d+$")


def folded(name: str) -> str:
    return " ".join(re.split(r"[\s_-]+", name.strip().casefold())).strip()


def find_role(name: str, speakers: Mapping[str, Role]) -> Role | None:
    """The caller's own names come first."""
    plain = folded(name)
    own = next((role for speaker, role in speakers.items() if folded(speaker) == plain), None)
    return own if own is not None else ROLES.get(plain, ROLES.get(NUMBER_BEHIND.sub("", plain)))


def role_of(name: str, speakers: Mapping[str, Role], where: str) -> Role:
    """Raises RowError that says how to name the speaker. `where` is what messages call the place."""
    role = find_role(name, speakers)
    if role is None:
        raise RowError(f"{where} has the unknown speaker {quote(name)}; say who it is: {naming(name)}")
    return role


def naming(name: str) -> str:
    """The option that gives a speaker a role, as a shell takes it."""
    short = shorten(name)
    return f"--speaker '{short}=user' or --speaker '{short}=assistant'"

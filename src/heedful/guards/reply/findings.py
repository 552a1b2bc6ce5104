"""Finding: one thing in a reply that must not reach a person: what it is, where, and what is done about it. It holds no text."""

from dataclasses import dataclass
from typing import Literal, get_args

from heedful.config import ReplyRule

FindingKind = ReplyRule
KINDS: tuple[FindingKind, ...] = get_args(ReplyRule)
Action = Literal["cut", "replaced", "rewritten", "ended"]
ACTIONS: dict[FindingKind, Action] = {
    "chat_tag": "cut",
    "system_prompt": "ended",
    "loop": "ended",
    "diagnosis": "rewritten",
    "dose": "rewritten",
    "human_claim": "rewritten",
    "credential_claim": "rewritten",
    "url": "replaced",
    "phone": "replaced",
    "email": "replaced",
    "identifier": "replaced",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """`reply[start:end]` is a `kind`; what each means stands in `config.ReplyRule`.

    `action`: cut out, replaced by a neutral word, rewritten to something true, or the reply is ended there.
    """

    kind: FindingKind
    start: int
    end: int
    action: Action


def finding(kind: FindingKind, start: int, end: int) -> Finding:
    return Finding(kind, start, end, ACTIONS[kind])

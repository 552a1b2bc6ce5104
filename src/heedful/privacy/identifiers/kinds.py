"""Kinds: what an identifier is called, and whether it names a person by itself. `docs/identifiers.md` describes each."""

from dataclasses import dataclass
from typing import Literal, get_args

DirectKind = Literal[
    "name", "email", "phone", "handle", "url", "address", "postcode", "national_id", "card", "iban", "ip", "account_id"
]
QuasiKind = Literal["age", "date", "place", "employer", "school"]
Kind = DirectKind | QuasiKind

DIRECT: tuple[DirectKind, ...] = get_args(DirectKind)
"""Each points at one person or household by itself."""
QUASI: tuple[QuasiKind, ...] = get_args(QuasiKind)
"""Each narrows down who it is; several of them together point at one person."""
KINDS: tuple[Kind, ...] = (*DIRECT, *QUASI)


@dataclass(frozen=True, slots=True)
class Identifier:
    """`text[start:end]` identifies somebody. Offsets are characters of the text that was given; `score` is 0 to 1."""

    start: int
    end: int
    kind: Kind
    score: float

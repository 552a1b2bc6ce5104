"""Identifiers: a text in; the places in it that name a person, or narrow down who it is, out."""

from heedful.privacy.identifiers.find import find_identifiers
from heedful.privacy.identifiers.kinds import DIRECT, KINDS, QUASI, Identifier

__all__ = ["DIRECT", "KINDS", "QUASI", "Identifier", "find_identifiers"]

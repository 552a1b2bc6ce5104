"""Privacy: what a person wrote, and what they allowed, in; what may be used, and without what names them, out."""

from heedful.privacy.identifiers import DIRECT, KINDS, QUASI, Identifier, find_identifiers
from heedful.privacy.pseudonymise import Pseudonymised, pseudonymise, replace_identifiers

__all__ = ["DIRECT", "KINDS", "QUASI", "Identifier", "Pseudonymised", "find_identifiers", "pseudonymise", "replace_identifiers"]

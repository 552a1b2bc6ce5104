"""Presidio: one piece of text that looks like a number of an authority or a bank, in; whether its check digits say so, out.

Presidio's recognizers know the numbers of some forty countries. Importing them loads spaCy, so it happens when the first such piece
turns up. Unless PyTorch is hidden they load it too, in six times the time and four times the memory, for models nobody installed.
Network access is never needed: none of these recognizers looks anything up.
"""

from contextlib import nullcontext
from functools import cache, lru_cache
from typing import Any

from heedful.privacy.identifiers.bare_import import hidden
from heedful.privacy.identifiers.model import installed_model
from heedful.privacy.identifiers.terms import terms

# Numbers of organisations, places and vehicles, and those without check digits or a shape of their own, are not asked.
NATIONAL = terms(
    """
    NhsRecognizer UkNinoRecognizer UkDrivingLicenceRecognizer UsMbiRecognizer UsItinRecognizer UsSsnRecognizer CaSinRecognizer
    AuMedicareRecognizer AuTfnRecognizer InAadhaarRecognizer InPanRecognizer InVoterRecognizer EsNifRecognizer EsNieRecognizer
    ItFiscalCodeRecognizer PlPeselRecognizer DeTaxIdRecognizer DeSocialSecurityRecognizer DeIdCardRecognizer
    FiPersonalIdentityCodeRecognizer SePersonnummerRecognizer SgFinRecognizer KrRrnRecognizer ThTninRecognizer
    TrNationalIdRecognizer ZaIdNumberRecognizer NgNinRecognizer MedicalLicenseRecognizer
    """
)
SURE = 0.5  # Presidio's base score of a pattern that needs no context


@cache
def recognizers(names: tuple[str, ...]) -> tuple[Any, ...]:
    with hidden("torch", "transformers") if installed_model() is None else nullcontext():
        from presidio_analyzer import predefined_recognizers

    return tuple(getattr(predefined_recognizers, name)() for name in names if hasattr(predefined_recognizers, name))


@lru_cache(maxsize=4096)
def is_national_id(piece: str) -> bool:
    return any(accepts(recognizer, piece) for recognizer in recognizers(tuple(NATIONAL)))


@lru_cache(maxsize=4096)
def is_card(piece: str) -> bool:
    return any(accepts(recognizer, piece) for recognizer in recognizers(("CreditCardRecognizer",)))


@lru_cache(maxsize=4096)
def is_iban(piece: str) -> bool:
    return any(accepts(recognizer, piece.upper()) for recognizer in recognizers(("IbanRecognizer",)))


def accepts(recognizer: Any, piece: str) -> bool:
    """The whole piece, by check digits, or by a shape that is like no other."""
    found = recognizer.analyze(piece, recognizer.supported_entities)
    return any(one.start == 0 and one.end == len(piece) and one.score >= SURE for one in found)

"""Numbers: a telephone, card, account or national number in; one of the same form that nobody has, out.

Telephones come from the ranges that authorities keep for fiction; cards are the test numbers of their brands; an NHS number begins
with 999, a US social security number with 9, which are never issued; network addresses are those kept for documentation.
"""

import re
from collections.abc import Sequence

from heedful.privacy.identifiers.terms import terms
from heedful.privacy.surrogates.draws import Draws

CARDS = {
    "4": ("4242424242424242", "4111111111111111", "4012888888881881", "4000056655665556", "4917610000000000"),
    "5": ("5555555555554444", "5200828282828210", "5105105105105100", "5454545454545454", "5425233430109903"),
    "2": ("2223003122003222", "2223000048400011", "2222405343248877"),
    "3": ("378282246310005", "371449635398431", "378734493671000"),
    "6": ("6011111111111117", "6011000990139424", "6011981111111113"),
}
US_AREAS = (205, 213, 303, 305, 312, 404, 415, 503, 512, 602, 615, 617, 702, 713, 716, 801, 813, 901, 913, 919)
DIGIT_WORDS = terms("zero one two three four five six seven eight nine")
BRITISH = {"7": "7700900", "2": "2079460"}  # Ofcom: mobile, London; any other town 01632
TEST_NETS = ("192.0.2.", "198.51.100.", "203.0.113.")


def laid_out(model: str, digits: str) -> str:
    """`digits` in the places of the digits of the model; what is left over is not used, what is missing is 0."""
    fresh = iter(digits + "0" * len(model))
    return "".join(next(fresh) if character.isdigit() else character for character in model)


def stand_in_for_phone(value: str, draws: Draws) -> str:
    if not any(map(str.isdigit, value)):
        return spelled_phone(value, draws)
    return laid_out(value, fictional_digits(value, draws))


def fictional_digits(value: str, draws: Draws) -> str:
    """Digits of a number kept for fiction, in the region that the form of the value shows.

    Sources: Ofcom (GB), NANPA (US and CA), ACMA (AU), ARCEP (FR), BNetzA (DE), ComReg (IE).
    """
    digits = re.sub(r"\D", "", re.split(r"(?i)x|ext", value)[0])
    plus = value.lstrip("( ").startswith(("+", "00"))
    code = digits.removeprefix("00") if plus else ""
    if code.startswith("44") or (not plus and digits.startswith("0") and len(digits) in (10, 11) and value[:3] != "080"):
        return british(digits, draws, code.startswith("44"))
    if code.startswith("1") or (not plus and len(digits) in (7, 10, 11) and not digits.startswith("0")):
        return american(digits, draws)
    if code.startswith("61"):
        return "61491570" + draws.digits(3)
    if code.startswith("33"):
        return "33199" + "00" + draws.digits(4)
    if code.startswith("49"):
        return "493023125" + draws.digits(3)
    if code.startswith("353"):
        return "35320910" + draws.digits(4)
    return unassigned(digits, len(code) > 0, draws)


def british(digits: str, draws: Draws, coded: bool) -> str:
    national = digits.removeprefix("00").removeprefix("44").removeprefix("0") if coded else digits[1:]
    made = BRITISH.get(national[:1], "1632960") + draws.digits(3)
    zero = "0" if coded and digits.removeprefix("00").removeprefix("44").startswith("0") else ""
    lead = ("0044" if digits.startswith("00") else "44") if coded else "0"
    return lead + zero + made


def american(digits: str, draws: Draws) -> str:
    tail = f"55501{draws.digits(2)}"
    if len(digits) == 7:
        return tail
    prefix = digits[: len(digits) - 10]
    return prefix + str(draws.pick(US_AREAS)) + tail


def unassigned(digits: str, coded: bool, draws: Draws) -> str:
    """No plan of numbers assigns a subscriber that begins with zeros."""
    keep = 2 if coded else 1
    zeros = max(0, len(digits) - keep - 4)
    return digits[:keep] + "0" * zeros + draws.digits(4)


def spelled_phone(value: str, draws: Draws) -> str:
    """Every digit word becomes another one; the number begins with five five five, as fiction does."""
    count = 0

    def other(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return "five" if count <= 3 else draws.pick([word for word in DIGIT_WORDS if word != match.group().lower()])

    return re.sub(r"[^\W\d_]+", other, value)


def stand_in_for_card(value: str, draws: Draws) -> str:
    digits = re.sub(r"\D", "", value)
    choices: Sequence[str] = [card for card in CARDS.get(digits[0], CARDS["4"]) if card != digits]
    return laid_out(value, draws.pick(choices)[: len(digits)])


def stand_in_for_iban(value: str, draws: Draws) -> str:
    """The country stays, the check digits are right, the bank does not exist: letters become X, digits 0 but for the last six."""
    compact = re.sub(r"[\s-]", "", value).upper()
    bank = "".join("X" if character.isalpha() else "0" for character in compact[4:-6])
    account = "".join("X" if character.isalpha() else draws.digits(1) for character in compact[-6:])
    body = bank + account
    number = "".join(str(int(character, 36)) for character in body + compact[:2] + "00")
    whole = f"{compact[:2]}{98 - int(number) % 97:02d}{body}"
    fresh = iter(whole)
    made = "".join(next(fresh) if character.isalnum() else character for character in value)
    return made.lower() if value.islower() else made


def stand_in_for_national_id(value: str, draws: Draws) -> str:
    digits = re.sub(r"\D", "", value)
    groups = [len(group) for group in re.findall(r"\d+", value)]
    if re.fullmatch(r"\d{3}[ -]?\d{2}[ -]?\d{4}", value):
        return laid_out(value, f"9{draws.digits(2)}{draws.random.randrange(1, 50):02d}{draws.digits(4)}")
    if len(digits) == 10 and (groups == [3, 3, 4] or value.isdigit()):
        return laid_out(value, nhs_test_number(draws))
    return scrambled(value, draws)


def nhs_test_number(draws: Draws) -> str:
    """999 and a right check digit (modulus 11): the range that NHS Digital keeps for tests."""
    while True:
        first = "999" + draws.digits(6)
        check = 11 - sum(int(digit) * weight for digit, weight in zip(first, range(10, 1, -1), strict=True)) % 11
        if check != 10:
            return first + str(check % 11)


def scrambled(value: str, draws: Draws) -> str:
    """The form stays: digits become digits, letters letters. It begins with 0 or with ZZ, as numbers of authorities do not."""
    made = ""
    for character in value:
        if character.isdigit():
            made += "0" if not any(map(str.isdigit, made)) else draws.pick([d for d in "0123456789" if d != character])
        elif character.isalpha():
            other = (
                "Z"
                if sum(map(str.isalpha, made)) < 2 and character.upper() != "Z"
                else draws.pick([c for c in "QVWXYZ" if c != character.upper()])
            )
            made += other if character.isupper() else other.lower()
        else:
            made += character
    return made


def stand_in_for_ip(value: str, draws: Draws) -> str:
    if ":" in value and "." not in value:
        return "2001:db8::" + format(draws.random.randrange(1, 65_536), "x")
    return draws.pick(TEST_NETS) + str(draws.random.randrange(1, 255))

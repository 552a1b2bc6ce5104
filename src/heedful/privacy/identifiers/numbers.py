"""Numbers: a text with digits in; cards, bank accounts, national and account numbers and telephones in it, out.

A number tells by its shape, by its check digits, or by the words before it what it is. Check digits and the shapes of some forty
countries are Presidio's: its recognizers are asked about single pieces of text, never about whole texts, and are loaded when the
first piece turns up that needs them.
"""

import re
from collections.abc import Iterator

from heedful.privacy.identifiers.dates import is_date
from heedful.privacy.identifiers.kinds import Identifier
from heedful.privacy.identifiers.phones import find_odd_phones, find_spelled_phones, is_cued, is_open_line, is_phone
from heedful.privacy.identifiers.presidio import is_card, is_iban, is_national_id
from heedful.privacy.identifiers.words import Words

PIECE = re.compile(
    r"(?<![\w@£$€₹,.])\+?\(?\d(?:[ \-.–—/()·]{0,3}\d){5,}(?:\s?(?:x|ext\.?|extension)\s?\d{1,6})?(?![\w@])", re.IGNORECASE
)
MIXED = re.compile(r"(?<![\w@.#/-])(?=[A-Za-z\d/-]*\d[A-Za-z\d/-]*\d)(?=[\d/-]*[A-Za-z])[A-Za-z\d]+(?:[-/][A-Za-z\d]+)*(?![\w@])")
IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?:[ -]?[A-Z\d]{4}){2,7}(?:[ -]?[A-Z\d]{1,4})?(?!\w)", re.IGNORECASE)
SPACED_NINO = re.compile(r"(?<!\w)[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)", re.IGNORECASE)
YEARS = re.compile(r"(?:1[5-9]|20)\d\d ?[-–—/] ?(?:1[5-9]|20)?\d\d")
CODE = re.compile(r"(?<![\w@.#/-])[A-Z]{1,3}-?\d{6,}(?:-\d{1,3})?(?![\w@-])")
SSN = re.compile(r"\d{3}[- ]\d{2}[- ]\d{4}")
MAC = re.compile(
    r"(?<![\w:])(?:[\da-f]{2}[:-]){5}[\da-f]{2}(?![\w:])|(?<!\w)[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}(?!\w)", re.IGNORECASE
)
BOOK = re.compile(r"\b(?:isbn|issn|doi|pmid|nct|ean|upc)[^\w]{0,3}(?:13|10)?[^\w]{0,3}$", re.IGNORECASE)
MONEY = re.compile(
    r"^\s?(?:pounds?|dollars?|euros?|rupees?|naira|quid|bucks|k\b|million|billion|people|calls|users|steps|views|"
    r"followers|calories|percent|%)",
    re.IGNORECASE,
)

NATIONAL = (
    r"ssn|social security|social insurance|nhs|national insurance|ni|nino|passport|driv(?:ing|er'?s?|ers)(?:'s)? "
    r"licen[cs]e|licen[cs]e|aadhaa?r|adhaar|pan card|pan|medicare|medicaid|chi|"
    r"sin|tax(?:payer)? id|tin|tfn|nin|bvn|voter'?s?(?: id)?|id card|identity card|national id(?:entity)?|"
    r"identification|curp|cpf|dni|nie|nif|pesel|bsn|personnummer|cnp|egn|codice fiscale|steuer-?id|hkid|nric|"
    r"emirates id|iqama|cnic|nic|alien|a-number|green card|visa|residence permit|brp|birth certificate|ghana card|"
    r"medical card|health card|ppsn?|pps|ramq|ohip|hic|dl"
)
ACCOUNT = (
    r"account|acct|acc|a/c|sort(?:\s?code)?|routing|iban|bic|swift|member(?:ship)?|customer|client|patient|hospital|"
    r"case|claim|policy|reference|ref|order|booking|ticket|invoice|student|"
    r"employee|staff|badge|user|medical record|mrn|record|tracking|confirmation|crime(?: reference)?|crn|docket|file|"
    r"serial|number plate|licen[cs]e plate|plate|reg(?:istration)?|"
    r"vin|imei|prescription|rx|loyalty|service|prisoner|inmate|incident|insurance|referral|matric(?:ulation)?|roll|"
    r"enrol?ment|learner|ucas|candidate|charge|application|applicant|"
    r"chart|unit|dossier|complaint|cad|log|unique|barcode|library|transaction|payment|receipt|order|parcel|meter|"
    r"reservation|pnr|locator|gym|pin"
)
KEYWORD = r"(?:\s*(?:card|id|i\.d\.|no\.?|nos\.?|num(?:ber)?\.?|nr\.?|#|code|reference|ref\.?|key))*"
FILLER = r"(?:\s*(?:is|was|are|:|=|#|-|–|its|it's|says|on it|i think|ends?|quote|quoting|with|under|as|called|\())*\s*[\"'“(#]?"
VALUE = r"(?P<value>(?:[A-Za-z]{1,6}[ /-]?){0,2}\d[\dA-Za-z]*(?:[ /.-](?:(?-i:[A-Z]{1,2})\b|[A-Z]{0,4}\d[\dA-Z]*))*)"
CUED_NATIONAL = re.compile(rf"\b(?P<noun>{NATIONAL})\b{KEYWORD}{FILLER}{VALUE}", re.IGNORECASE)
CUED_ACCOUNT = re.compile(rf"\b(?P<noun>{ACCOUNT})\b(?P<keyword>{KEYWORD})(?P<filler>{FILLER}){VALUE}", re.IGNORECASE)
# A plate and a booking code may have few digits.
PLATE = re.compile(
    r"\b(?:plates?|reg(?:istration)?|car|van|driv(?:es|ing)|motor|vehicle)\b[^\n.!?]{0,25}?\b"
    r"(?-i:(?P<value>[A-Z]{2}\d{2}\s?[A-Z]{3}|"
    r"[A-Z]{3}[ -]?\d{3,4}|[A-Z]{1,3}[ -]?\d{1,4}[ -]?[A-Z]{1,3}|"
    r"\d{1,4}[ -][A-Z]{2,3}[ -]\d{1,4}|[A-Z]{2}[ -]\d{2}[ -][A-Z]{2}[ -]\d{4}))(?!\w)",
    re.IGNORECASE,
)
LOCATOR = re.compile(
    r"\b(?:(?:booking|reservation|confirmation|order|ticket|case|claim|crime|referral)\s(?:ref(?:erence)?|code|number|no\.?|id)|ref(?:erence)?|"
    r"pnr|locator)(?:\s(?:is|was)|:|=|#|\s)+(?-i:(?P<value>(?=[A-Z\d]*\d)[A-Z\d]{5,12}))(?!\w)",
    re.IGNORECASE,
)
# "DE-4432-K is my file number"
LETTERED = re.compile(r"[A-Z]{1,5}[-/]\d{3,}[A-Z\d/-]*")
BEHIND = re.compile(
    rf"(?<![\w@.#/-])(?P<value>(?=[\w/-]*\d[\w/-]*\d)[A-Za-z\d]+(?:[ /-][A-Z\d]+)*)\s(?:is|was)\s(?:my|her|his|the|our|their)\s"
    rf"(?:\w+\s)?(?:(?P<nation>{NATIONAL})|(?:{ACCOUNT}))\b",
    re.IGNORECASE,
)
CARD_CUE = re.compile(r"\b(?:card|visa|mastercard|amex|debit|credit|cc)\b[^\d\n]{0,30}$", re.IGNORECASE)
QUOTED = re.compile(r"\b(?:quote|quoting|ref|reference)\s*:?\s*$", re.IGNORECASE)


def find_numbers(words: Words) -> Iterator[Identifier]:
    """What is announced, or written like nothing else, comes first; only the rest is looked at piece by piece."""
    yield from find_spelled_phones(words)
    if words.has_digits:
        sure = list(find_sure(words))
        yield from sure
        yield from find_odd_phones(words)
        yield from find_pieces(words, [(one.start, one.end) for one in sure])


def find_sure(words: Words) -> Iterator[Identifier]:
    yield from (Identifier(*match.span(), "account_id", 0.9) for match in words.near_digits(MAC))
    yield from find_cued(words)
    yield from find_ibans(words)
    yield from (Identifier(*match.span(), "national_id", 0.93) for match in words.near_digits(SPACED_NINO))


def find_pieces(words: Words, taken: list[tuple[int, int]]) -> Iterator[Identifier]:
    for match in words.near_digits(PIECE):
        if is_free(match, taken):
            yield from classify(match.group(), match.start(), words.text)
    for match in words.near_digits(CODE):
        if is_free(match, taken):
            yield Identifier(*match.span(), "account_id", 0.92 if "-" in match.group() else 0.6)
    for match in words.near_digits(MIXED):
        if is_free(match, taken) and is_id_like(match.group()) and is_national_id(match.group()):
            yield Identifier(*match.span(), "national_id", 0.85)


def is_free(match: re.Match[str], taken: list[tuple[int, int]]) -> bool:
    return all(match.end() <= start or match.start() >= end for start, end in taken)


def is_id_like(token: str) -> bool:
    """Long enough, and with enough digits, to be asked about."""
    digits = sum(map(str.isdigit, token))
    return 8 <= len(token) <= 20 and digits >= 4 and token.isupper() and not token.startswith(("1-8", "0-8"))


def find_cued(words: Words) -> Iterator[Identifier]:
    """Numbers that are said to be one: "my NHS number is", "account no."."""
    for match in words.near_digits(PLATE):
        yield Identifier(*match.span("value"), "account_id", 0.9)
    for match in words.near_digits(LOCATOR):
        if sum(map(str.isdigit, match.group("value"))) and not match.group("value").isdigit():
            yield Identifier(*match.span("value"), "account_id", 0.9)
    for match in words.near_digits(CUED_NATIONAL):
        value = match.group("value")
        if match.group("noun").lower() == "visa" and is_card(value.strip(" .-/")):
            continue
        if sum(map(str.isdigit, value)) >= 4 and not is_date(value) and not YEARS.fullmatch(value):
            yield trimmed(match, "national_id", 0.97)
    for match in words.near_digits(BEHIND):
        if sum(map(str.isdigit, match.group("value"))) >= 4:
            yield trimmed(match, "national_id" if match.group("nation") else "account_id", 0.9)
    for match in words.near_digits(CUED_ACCOUNT):
        if is_account(match):
            yield trimmed(match, "account_id", 0.94)


def trimmed(match: re.Match[str], kind: str, score: float) -> Identifier:
    value = match.group("value").rstrip(" .-/")
    return Identifier(match.start("value"), match.start("value") + len(value), kind, score)  # type: ignore[arg-type]


def is_account(match: re.Match[str]) -> bool:
    """ "case 3" and "order 2 pizzas" name no account: it takes a word such as "number", or a long value."""
    value = match.group("value").strip(" .-/")
    digits = sum(map(str.isdigit, value))
    said = bool(match.group("keyword").strip()) or ":" in match.group("filler") or "#" in match.group("filler")
    strong = match.group("noun").lower() in ("account", "acct", "sort code", "sortcode", "mrn", "imei", "vin", "crn", "docket")
    if match.group("noun").lower().startswith("sort") and digits == 6:
        return True
    if is_date(value) or (value.isalpha()):
        return False
    if LETTERED.fullmatch(value):
        return True
    return digits >= 4 if said or strong else digits >= 5 and (len(value) >= 6)


def find_ibans(words: Words) -> Iterator[Identifier]:
    for match in words.near_digits(IBAN):
        found = match.group()
        before = words.text[max(0, match.start() - 30) : match.start()].lower()
        grouped = found[:2].isupper() and found.count(" ") >= 3
        if sum(map(str.isdigit, found)) >= 8 and (grouped or "iban" in before or is_iban(found)):
            yield Identifier(*match.span(), "iban", 0.99)


def classify(piece: str, start: int, text: str) -> Iterator[Identifier]:
    """What one run of digits is; the first rule that fits decides."""
    end, digits = start + len(piece), re.sub(r"\D", "", piece)
    groups = [len(group) for group in re.findall(r"\d+", piece)]
    if (
        is_date(piece)
        or YEARS.fullmatch(piece)
        or is_open_line(digits, text, start, end)
        or BOOK.search(text, max(0, start - 16), start)
        or MONEY.match(text, end)
    ):
        return
    if 13 <= len(digits) <= 19 and digits[0] in "23456" and not piece.startswith("+"):
        cued = CARD_CUE.search(text, max(0, start - 40), start) is not None
        if cued or groups in ([4, 4, 4, 4], [4, 6, 5]) or is_card(piece):
            yield Identifier(start, end, "card", 0.98)
            return
    elif len(digits) >= 12 and CARD_CUE.search(text, max(0, start - 40), start):
        yield Identifier(start, end, "card", 0.96)
        return
    if SSN.fullmatch(piece):
        yield Identifier(start, end, "national_id", 0.9)
    elif groups == [3, 3, 4] and piece.replace(" ", "").isdigit() and not is_cued(text, start) and is_national_id(piece):
        yield Identifier(start, end, "national_id", 0.8)
    elif is_phone(piece, text, start):
        yield Identifier(start, end, "phone", 0.9)
    elif groups == [4, 4, 4] or (len(groups) > 1 and len(digits) >= 9 and is_national_id(piece)):
        yield Identifier(start, end, "national_id", 0.75)
    elif is_nameless(digits, groups):
        yield Identifier(start, end, "account_id", 0.6)


def is_nameless(digits: str, groups: list[int]) -> bool:
    """Nine digits and more in one run: whatever it is, it is somebody's. Round numbers are amounts."""
    return max(groups) >= 9 and not digits.endswith("0000")

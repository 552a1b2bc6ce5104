"""Addresses: a text in; the web addresses, mail addresses and phone numbers in it that nobody vouches for, out."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from heedful.conversation import Message
from heedful.guards.reply.findings import Finding, finding
from heedful.guards.reply.urls import find_urls
from heedful.guards.resources import Countries, known_hosts, known_numbers

MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
BARE_HOST = re.compile(
    r"(?<![\w@./-])(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+"
    r"(?:com|org|net|edu|gov|info|io|co\.uk|org\.uk|ac\.uk|app|health|help|care|co|ai|tv|xyz|online|site|ly|gg|dev|blog|chat|clinic"
    r"|de|eu|au|ca|ie|nz|in|us|uk|fr|nl|ch)(?:/[\w./?=&%-]*)?(?![\w@])",
    re.IGNORECASE,
)
OTHER_SCHEME = re.compile(r"(?<![\w])(?!https?:)[a-z][a-z0-9+-]{2,9}://[^\s<>\"')\]]+", re.IGNORECASE)  # ftp:, hxxp:
NUMBER = re.compile(r"(?<![\w.,:/$€£#%+-])(?:\+|\(|\*)?\d(?:[\d]|[ .()\u2010-\u2013-]{1,2}(?=[\d(]))*\d(?![\w%:]|[.,]\d)")
CUE = re.compile(
    r"\b(?:call|calling|dial|phone|ring|text|hotline|helpline|tel|telephone|reach\w*|contact|whatsapp|sms)\b[^.!?]{0,40}$",
    re.IGNORECASE,
)
LETTERED = re.compile(r"(?<![\w-])1?-?8\d\d-(?=[\w-]*[A-Z])[A-Z0-9-]{4,14}\b")
# Words that may follow a phone number; what else follows is what the number counts.
UNCOUNTED = re.compile(
    r"[ -]*(?:or|and|for|if|to|in|from|when|now|any|right|free|they|is|you|as|at|anytime|immediately|today|a|the|it|we|who|which"
    r"|where|then|on|so|with|because|but)\b|\W*$|[.,;:!?)]"
)
DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|(?:19|20)\d\d ?[-–] ?(?:19|20)?\d\d")
LONG, SHORT = 7, 3  # digits of a phone number by itself, and of one that is announced: "call 988"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a reply may name. Numbers are digits only, hosts without `www.`, mail addresses in small letters."""

    numbers: frozenset[str]
    hosts: frozenset[str]
    mails: frozenset[str]


def allowed(countries: Countries, messages: Sequence[Message], known: Iterable[str] = ()) -> Allowed:
    """The table of services, and whatever stands in the conversation or in the `known` texts (passages of the knowledge base)."""
    texts = [*(message.content for message in messages), *known]
    numbers, hosts, mails = set(known_numbers(countries)), set(known_hosts(countries)), set()
    for text in texts:
        numbers |= {digits(match[0]) for match in NUMBER.finditer(text)}
        numbers |= {digits(match[0]) for match in re.finditer(r"\d{3,}", text)}
        hosts |= {host for _, _, host in find_hosts(text)}
        mails |= {match[0].lower() for match in MAIL.finditer(text)}
    return Allowed(frozenset(numbers), frozenset(hosts), frozenset(mails))


def digits(number: str) -> str:
    return re.sub(r"\D", "", number)


def find_hosts(text: str) -> Iterator[tuple[int, int, str]]:
    """Every web address, with or without a scheme: start, end, host."""
    taken: list[tuple[int, int]] = []
    for url in find_urls(text):
        taken.append((url.start, url.end))
        yield url.start, url.end, host_of(url.address)
    for match in (*OTHER_SCHEME.finditer(text), *BARE_HOST.finditer(text)):
        if not any(start < match.end() and match.start() < end for start, end in taken):
            taken.append(match.span())
            yield *match.span(), host_of(match[0])


def host_of(address: str) -> str:
    try:
        host = urlsplit(address if "//" in address else f"//{address}").hostname
    except ValueError:
        return address.lower()
    return (host if host is not None else address).lower().removeprefix("www.")


def find_addresses(text: str, may: Allowed) -> list[Finding]:
    found = [finding("url", start, end) for start, end, host in find_hosts(text) if host not in may.hosts]
    found += [finding("email", *match.span()) for match in MAIL.finditer(text) if match[0].lower() not in may.mails]
    taken = [(start, end) for start, end, _ in find_hosts(text)] + [match.span() for match in DATE.finditer(text)]
    for start, end, number in find_numbers(text):
        if number not in may.numbers and not any(a < end and start < b for a, b in taken):
            found.append(finding("phone", start, end))
    return found


def find_numbers(text: str) -> Iterator[tuple[int, int, str]]:
    """What may be a phone number: seven digits and more, or three where a call is spoken of."""
    for match in NUMBER.finditer(text):
        number = digits(match[0])
        announced = len(number) >= SHORT and CUE.search(text[max(0, match.start() - 60) : match.start()]) is not None
        if LONG <= len(number) <= 15 or (announced and not is_quantity(text[match.end() :])):
            yield match.start(), match.end(), number
    for match in LETTERED.finditer(text):
        yield match.start(), match.end(), match[0]


def is_quantity(after: str) -> bool:
    """`call 112 people`."""
    return UNCOUNTED.match(after) is None

"""Web addresses in a text: where each stands, and whether it is whole. A half address helps nobody, least of all in a crisis."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

# Scripts that are written without spaces. After each of their characters a text may be broken, and no address goes on behind one.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uff5b\uff5d-\uffef"

ADDRESS = re.compile(rf"(?<!\w)(?:https?:|www\.)[^\s<>\"`{{}}|\\^{UNSPACED}]*", re.IGNORECASE)
HOST = re.compile(r"localhost|\d{1,3}(?:\.\d{1,3}){3}|(?:[^\W_](?:[\w-]*[^\W_])?\.)+(?:[^\W\d_]{2,}|xn--[a-z0-9-]+)", re.IGNORECASE)
HALF_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
CLOSERS = {")": "(", "]": "["}


@dataclass(frozen=True, slots=True)
class Url:
    """An address at `text[start:end]`, without the punctuation of the sentence around it."""

    address: str
    start: int
    end: int
    whole: bool


def find_urls(text: str) -> list[Url]:
    """Everything that begins like a web address (http:, https:, www.), in order."""
    found = []
    for match in ADDRESS.finditer(text):
        address = without_punctuation(match[0])
        found.append(Url(address, match.start(), match.start() + len(address), is_whole(address)))
    return found


def without_punctuation(address: str) -> str:
    """Take off what belongs to the sentence: `https://a.org/b).` becomes `https://a.org/b`; `https://a.org/b_(c)` stays."""
    while address:
        last = address[-1]
        closes_nothing = last in CLOSERS and address.count(last) > address.count(CLOSERS[last])
        if last not in ".,;:!?'\"*_~…’”" and not closes_nothing:
            break
        address = address[:-1]
    return address


def is_whole(address: str) -> bool:
    """Whether an address can be opened as it stands: scheme, a host with a top-level domain, nothing broken off at its end."""
    try:
        parts = urlsplit(address if re.match("https?:", address, re.IGNORECASE) else f"https://{address}")
        host = (parts.hostname or "").removeprefix("www.")
        _ = parts.port
    except ValueError:
        return False
    unbalanced = any(address.count(opener) > address.count(closer) for closer, opener in CLOSERS.items())
    return HOST.fullmatch(host) is not None and not HALF_ESCAPE.search(address) and not address.endswith("-") and not unbalanced

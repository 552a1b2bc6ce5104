"""Handles: a text in; the names in it that persons have on services, out: "@x", "u/x", "my insta is x", "$x", "sad_girl_03"."""

import re
from collections.abc import Iterator

from heedful.privacy.identifiers.kinds import Identifier
from heedful.privacy.identifiers.lexicon import FREQUENT, NAME, ORDINARY, is_near, lexicon
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import Words

HANDLE = re.compile(
    r"(?<![\w@.+/-])@(?=[\w.]*[^\W\d_])[\w.]{1,29}\w(?:-[\w-]{0,20}\w)?|(?<![\w$])\$(?=[A-Za-z])[A-Za-z][\w-]{3,20}\b|(?<![\w/])/?u/[\w-]{3,20}(?![\w/])|(?<!\w)[\w.]{2,32}#\d{4}(?!\d)"
)
# Written like nothing else: joined by low lines, between crosses, or letters and a year.
JOINED = re.compile(r"(?<![\w@#/.$:-])(?:(?=\w*[^\W\d_]{2})[^\W_]\w*_+\w*[^\W_]_*|_+[^\W\d_]\w{2,}|[^\W_]\w{3,}_)(?![\w@/.(-])")
CROSSED = re.compile(r"(?<!\w)[xX]{2,3}_?\w{3,24}?_?[xX]{2,3}(?!\w)")
NUMBERED = re.compile(r"(?<![\w@#/.$:-])[a-z]{5,}\d{2,4}(?![\w@/.(-])")
SERVICE = (
    r"insta(?:gram)?|ig|snap(?:chat)?|sc|tik\s?tok|twitter|x|discord|telegram|tg|kik|reddit|tumblr|psn|xbox(?: live)?|"
    r"steam|twitch|gamertag|gamer tag|gt|roblox|wattpad|"
    r"user\s?name|screen\s?name|handle|skype(?: id)?|wechat(?: id)?|weixin|line id|qq|threads|mastodon|signal|bereal|"
    r"venmo|cash\s?app|onlyfans|youtube|fb|facebook|insta handle|fortnite|minecraft"
)
NAMED_HANDLE = re.compile(
    rf"\b(?:{SERVICE})(?:\s+(?:name|user|username|handle|account|acct|id|tag|is called|page|profile)(?:['’]?s)?)?"
    rf"(?:['’]s\s|\s*(?:is|was|:|=|-|@|—|–|->|as))\s*(?:now |still |called )?[\"'“]?(?P<handle>[\w.$#-]{{2,31}}\w)",
    re.IGNORECASE,
)
# "sc lil_mo_x": with no "is" between.
BARE_HANDLE = re.compile(
    r"(?P<owner>\b(?:my|his|her|their)\s)?\b(?:insta(?:gram)?|ig|snap(?:chat)?|sc|tik\s?tok|twitter|discord|telegram|kik|reddit|tumblr|psn|xbox|"
    r"steam|twitch|roblox|wattpad|gamertag|user\s?name|handle|skype|venmo|cash\s?app|threads|bereal|fortnite|minecraft|signal|acc|account|alt|finsta|"
    r"wechat|line|telegram|tg)\s(?:(?:user|name|username|handle|id|tag|me)\s)?(?P<handle>[a-zA-Z][\w.-]{3,30}\w)",
    re.IGNORECASE,
)
ADDED_HANDLE = re.compile(
    rf"\b(?:(?:{SERVICE})\s+me(?:\s+(?:at|on|@))?|add me(?:\s+on\s+\w+)?(?:\s+at)?|(?:find|follow|dm|message|"
    rf"add)\s+(?:me|him|her|them)(?:\s+(?:on|at)\s+(?:{SERVICE}))?\s*(?:at|as|:|under|-)?|"
    rf"(?:goes|go|going) by|posts?(?:ed)? as|streams? as|plays? as|known as)\s+[\"'“]?(?P<handle>[\w.$#-]{{2,31}}\w)",
    re.IGNORECASE,
)
# "add teejay2k on snap": only what has a digit, a dot or a low line.
ADDED_ON = re.compile(
    rf"\b(?:add|follow|dm|message|find|text|block|report)\s(?P<handle>(?=\S*[\d_.])[a-zA-Z][\w.-]{{2,30}}\w)\son\s(?:{SERVICE})\b",
    re.IGNORECASE,
)
NO_HANDLES = word_set(
    """
    everyone here all channel home work school night me you him her them us this that the a an my in on it instagram snapchat
    twitter discord gmail
    """
)
SERVICE_WORDS = word_set(
    """
    insta instagram ig snap snapchat sc tik tiktok twitter x discord telegram tg kik reddit tumblr psn xbox steam twitch
    gamertag gamer gt roblox wattpad username screenname handle skype wechat weixin line qq threads mastodon signal bereal venmo
    cash cashapp onlyfans youtube fb facebook fortnite minecraft user screen acc account alt finsta
    """
)
ADDED_SIGNS = (
    "add me",
    "Add me",
    "find me",
    "follow me",
    "dm me",
    "DM me",
    "message me",
    "goes by",
    "go by",
    "going by",
    "posted as",
    "posts as",
    "post as",
    "streams as",
    "plays as",
    "known as",
)


def find_handles(words: Words) -> Iterator[Identifier]:
    """Each search is made only where the text has the sign that it needs."""
    text = words.text
    if "@" in text or "u/" in text or "#" in text or "$" in text:
        yield from (Identifier(*m.span(), "handle", 0.9) for m in HANDLE.finditer(text) if is_handle(m.group()))
    yield from (Identifier(*m.span(), "handle", 0.86) for m in words.near_digits(NUMBERED) if is_made_up(m.group()))
    for sign, pattern in (("_", JOINED), ("xX", CROSSED), ("Xx", CROSSED)):
        if sign in text:
            yield from (Identifier(*m.span(), "handle", 0.96) for m in pattern.finditer(text))
    service = not SERVICE_WORDS.isdisjoint(words.present)
    if service:
        for low, high in near_services(words):
            yield from find_named_handles(text, NAMED_HANDLE, low, high)
            yield from find_bare_handles(text, low, high)
        yield from find_named_handles(text, ADDED_ON, 0, len(text))
    if service or any(sign in text for sign in ADDED_SIGNS):
        yield from find_named_handles(text, ADDED_HANDLE, 0, len(text))


def near_services(words: Words) -> Iterator[tuple[int, int]]:
    """Where a service is named, with as much text around it as a rule looks at."""
    last = 0
    for start, key in zip(words.starts, words.keys, strict=True):
        if key in SERVICE_WORDS and start >= last:
            last = min(len(words.text), start + 110)
            yield words.text.rfind(" ", 0, max(0, start - 8)) + 1, last


def is_handle(found: str) -> bool:
    return found.strip("@#/").lower() not in NO_HANDLES


def find_named_handles(text: str, pattern: re.Pattern[str], low: int, high: int) -> Iterator[Identifier]:
    """ "my insta is X", "kik me X": after the name of a service a word that is no word."""
    for match in pattern.finditer(text, low, high):
        handle = match.group("handle").rstrip(".-")
        if looks_made_up(handle):
            score = 0.97 if re.search(r"[\d_]|\w\.\w", handle) else 0.8  # no name has digits
            yield Identifier(match.start("handle"), match.start("handle") + len(handle), "handle", score)


def looks_made_up(handle: str) -> bool:
    """Digits, underscores, dots or inner capitals; or in no list. "my insta is private" tells no handle."""
    if len(handle) < 3 or handle.lower() in NO_HANDLES or handle.isdigit():
        return False
    if re.search(r"[\d_.$#]|[a-z][A-Z]|-[A-Z]", handle):
        return not re.fullmatch(r"\d+(?:st|nd|rd|th|am|pm|yo|k|m|f)?|\d+[.,:]\d+", handle, re.IGNORECASE)
    return lexicon().flags.get(handle.lower(), 0) & (ORDINARY | FREQUENT) == 0 and "-" not in handle


def is_made_up(token: str) -> bool:
    """ "covid19" and "room101" are plain words with a number, "dazza1987" is somebody."""
    word = token.rstrip("0123456789")
    flags = lexicon().flags.get(word, 0)
    return not flags & ORDINARY and (bool(flags & NAME) or (flags == 0 and not is_near(word, FREQUENT)))


def find_bare_handles(text: str, low: int, high: int) -> Iterator[Identifier]:
    """ "insta sam.the.ghost", "my discord lunarfox": behind a service with no "is", only what can be no word of a sentence."""
    for match in BARE_HANDLE.finditer(text, low, high):
        handle = match.group("handle").rstrip(".")
        marked = re.search(r"_|[a-z]\d\d|[a-z][A-Z]|\w\.\w+\.\w|\w[.-]\d|-[A-Z]", handle) is not None
        parts = handle.split(".")
        marked = marked or (len(parts) == 2 and len(parts[1]) >= 3 and any(is_coined(part.lower()) for part in parts))
        owned = match.group("owner") is not None and len(handle) >= 5 and is_coined(handle.lower())
        if (marked or owned) and looks_made_up(handle):
            yield Identifier(match.start("handle"), match.start("handle") + len(handle), "handle", 0.96 if marked else 0.75)


def is_coined(word: str) -> bool:
    """In no list, and no slip of the pen."""
    return lexicon().flags.get(word, 0) == 0 and not is_near(word, FREQUENT)

"""Contact: a text in; e-mail addresses, web addresses, handles and network addresses in it, out.

What belongs to a public body identifies nobody: pages of health services and information sites, and their office mailboxes. A page
of one person (a profile, a blog, a practice) does.
"""

import ipaddress
import re
from collections.abc import Iterator

from heedful.privacy.identifiers.kinds import Identifier
from heedful.privacy.identifiers.lexicon import FREQUENT, ORDINARY, lexicon
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import Words

AT = r"(?:\s*[\[({<]\s*at\s*[\])}>]\s*|\s*[\[({]\s*@\s*[\])}]\s*|\s+at\s+)"
DOT = r"(?:\s*[\[({<]\s*(?:dot|\.)\s*[\])}>]\s*|\s+dot\s+|\s+punto\s+)"
PART = r"[^\W_][\w+-]*"
EMAIL = re.compile(r"(?<![\w.+-])[\w.+%'-]*[\w+%-]@[^\W_][\w-]*(?:\.[\w-]+)*\.[^\W\d_]{2,}(?![\w@])")
SPELLED_EMAIL = re.compile(
    rf"(?<![\w.@])(?P<local>{PART}(?:(?:{DOT}|\.|_|\s+underscore\s+|\s+dash\s+|\s+hyphen\s+){PART})*)(?:{AT}|\s*@\s*)"
    rf"(?P<domain>{PART}(?:(?:{DOT}|\.){PART})*?)(?:{DOT}|\.)(?P<last>com|org|net|edu|gov|info|io|me|uk|co|ac|de|fr|es|"
    rf"it|nl|pl|ie|in|ng|au|nz|ca|us|eu|cn|za|ke|br|mx|ch|at|be|se|no|dk)\b"
    rf"(?:(?:{DOT}|\.)(?:uk|au|nz|in|za|ng|ke|jp|br))?",
    re.IGNORECASE,
)
SPACED_EMAIL = re.compile(r"(?<!\S)(?:[\w.] ){3,}(?:@|at) ?\w+ ?(?:\.|dot) ?\w{2,3}(?:\.uk)?\b", re.IGNORECASE)
SCHEME = r"https?://|www\d?\."
TOP = (
    "com|org|net|edu|gov|mil|int|info|biz|io|me|co|app|dev|blog|site|online|page|link|xyz|tv|uk|us|ca|au|nz|ie|de|fr|"
    "es|it|nl|be|pl|se|no|dk|fi|ch|at|pt|gr|cz|ro|hu|ru|ua|tr|"
    "in|pk|bd|lk|cn|hk|tw|jp|kr|sg|my|ph|th|vn|id|ng|gh|ke|za|br|mx|ar|cl|health|care|club|shop|store|art|family|live|social|eu"
)
# Without a scheme or a path, only endings that are no words: "i hate it.me too" is two sentences.
BARE_TOP = "com|org|net|edu|gov|info|biz|io|dev|uk|de|fr|nl|pl|eu|app|xyz|blog|site|online|tv|ca|au|nz|ie|ng|za|health"
URL = re.compile(
    rf"(?<![\w@.])(?:(?:{SCHEME})[^\s<>\"'“”]+|(?:[^\W_][\w-]*\.)+(?:(?:{TOP})/[^\s<>\"'“”]*|(?:{BARE_TOP})\b(?![\w@-]|\.\w)))",
    re.IGNORECASE,
)
TOP_SIGN = re.compile(rf"\.(?:{BARE_TOP})\b|\.\w{{2,6}}/", re.IGNORECASE)
TRAILING = ".,;:!?)]}'\"*"
HANDLE = re.compile(
    r"(?<![\w@.+/-])@(?=[\w.]*[^\W\d_])[\w.]{1,29}\w|(?<![\w/])/?u/[\w-]{3,20}(?![\w/])|(?<!\w)[\w.]{2,32}#\d{4}(?!\d)"
)
SERVICE = (
    r"insta(?:gram)?|ig|snap(?:chat)?|sc|tik\s?tok|twitter|x|discord|telegram|tg|kik|reddit|tumblr|psn|xbox(?: live)?|"
    r"steam|twitch|gamertag|gamer tag|gt|roblox|wattpad|"
    r"user\s?name|screen\s?name|handle|skype(?: id)?|wechat(?: id)?|weixin|line id|qq|threads|mastodon|signal|bereal|"
    r"venmo|cash\s?app|onlyfans|youtube|fb|facebook|insta handle|fortnite|minecraft"
)
NAMED_HANDLE = re.compile(
    rf"\b(?:{SERVICE})(?:\s+(?:name|user|username|handle|account|acct|id|tag|is called|page|profile))?\s*(?:is|was|:|=|"
    rf"-|@|—|–|->|as)\s*(?:now |still |called )?[\"'“]?(?P<handle>[\w.$#-]{{2,31}}\w)",
    re.IGNORECASE,
)
# "sc lil_mo_x": with no "is" between, only what can be nothing else.
BARE_HANDLE = re.compile(
    r"\b(?:insta(?:gram)?|ig|snap(?:chat)?|sc|tik\s?tok|twitter|discord|telegram|kik|reddit|tumblr|psn|steam|twitch|roblox|wattpad)\s"
    r"(?P<handle>(?=[\w.]*(?:_|[a-z]\d\d))[a-zA-Z][\w.]{3,30}\w)",
    re.IGNORECASE,
)
ADDED_HANDLE = re.compile(
    rf"\b(?:(?:{SERVICE})\s+me(?:\s+(?:at|on|@))?|add me(?:\s+on\s+\w+)?(?:\s+at)?|(?:find|follow|dm|message|"
    rf"add)\s+(?:me|him|her|them)(?:\s+(?:on|at)\s+(?:{SERVICE}))?\s*(?:at|as|:|under|-)?|"
    rf"(?:goes|go|going) by|posts?(?:ed)? as|streams? as|plays? as|known as)\s+[\"'“]?(?P<handle>[\w.$#-]{{2,31}}\w)",
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
    cash cashapp onlyfans youtube fb facebook fortnite minecraft user screen
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
PROVIDERS = word_set(
    """
    gmail googlemail hotmail outlook yahoo ymail icloud me live msn aol proton protonmail gmx web mail btinternet sky
    virginmedia comcast verizon rediffmail naver qq 163 yandex wp onet orange free laposte libero zoho tutanota fastmail
    hushmail example uni school
    """
)
SPELLED_SIGN = re.compile(
    r"\b(?:dot|punto)\b|[\[({<]\s*(?:at|@|dot|\.)\s*[\])}>]|\bat\s+(?:gmail|hotmail|outlook|yahoo|icloud)|@\s|\s@\s?\w+\.",
    re.IGNORECASE,
)
IP_SIGN = re.compile(r"\d\.\d{1,3}\.\d|::|(?:[0-9a-fA-F]{1,4}:){4}")
IP = re.compile(
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)|(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{1,4}(?![\w:])", re.IGNORECASE
)
VERSION = re.compile(r"(?:version|ver|v|build|release|firmware)\s*$", re.IGNORECASE)

# Hosts where every page is somebody's own.
PERSONAL_HOSTS = re.compile(
    r"(?:^|\.)(?:facebook|fb|instagram|twitter|x|tiktok|snapchat|linkedin|onlyfans|patreon|gofundme|justgiving|venmo|"
    r"cash|paypal|ko-fi|linktr|calendly|github|gitlab|"
    r"soundcloud|letterboxd|goodreads|strava|meetup|vimeo|flickr|threads|bsky|telegram|t|wa|dropbox|substack|medium|"
    r"tumblr|wordpress|blogspot|wixsite|weebly|livejournal|"
    r"bit|tinyurl|forms|goo|carrd|about|deviantart|ao3|wattpad|pinterest|reddit|discord|twitch|etsy|depop|vinted|spotify|ancestry|"
    r"findagrave|legacy)\.[a-z.]{2,6}$"
)
PERSONAL_PATH = re.compile(
    r"/(?:@|~|u/|user|users/|profile|profiles/|in/|people/|member|members/|channel/|c/|author/|staff/|team/|"
    r"therapists?/|doctors?/|obituar|wedding|gallery|blog/|me\b|\?id=|profile\.php)",
    re.IGNORECASE,
)
PUBLIC_HOSTS = re.compile(
    r"(?:^|\.)(?:gov|mil|int|edu|nhs\.uk|gov\.[a-z]{2}|ac\.[a-z]{2}|edu\.[a-z]{2}|org|org\.[a-z]{2}|example\.com|"
    r"example\.net|europa\.eu|gc\.ca|gouv\.fr|go\.[a-z]{2}|health\.[a-z]{2})$|"
    r"(?:^|\.)(?:google|youtube|youtu|amazon|bbc|cnn|nytimes|theguardian|guardian|washingtonpost|wikipedia|wikihow|"
    r"apple|microsoft|netflix|zoom|webmd|healthline|verywellmind|verywellhealth|"
    r"psychcentral|psychologytoday|goodtherapy|counsel-?chat|counselchat|betterhelp|talkspace|7cups|headspace|calm|"
    r"mayoclinic|clevelandclinic|drugs|medscape|medlineplus|healthunlocked|patient|"
    r"suicidepreventionlifeline|crisistextline|samaritans|childline|helpguide|loveisrespect|therapyden|theravive|"
    r"openpathcollective|ted|quora|yahoo|bing|imdb|forbes|time|"
    r"huffpost|huffingtonpost|sciencedaily|sciencedirect|springer|nature|indeed|glassdoor|ebay|walmart|target|tesco|"
    r"dominos|expedia|booking|airbnb|tripadvisor|uber|stackoverflow|"
    r"mentalhealth|therapistaid|gottman|16personalities|openai|huggingface|python|pypi)\.[a-z.]{2,6}$"
)
SHARED_FILES = frozenset(
    ("docs.google.com", "drive.google.com", "sites.google.com", "forms.gle", "photos.google.com", "calendar.google.com")
)
OFFICE = re.compile(
    r"^(?:info|information|help|helpline|support|contact|contactus|admin|office|enquiries|inquiries|hello|service|"
    r"services|customer\w*|care|jo|pat|nddic|ninds|nimhinfo|niams\w*|media|press|news\w*|"
    r"webmaster|mail|team|feedback|no-?reply|\w*info\w*|\w*clearinghouse\w*)$"
)


def find_contacts(words: Words) -> Iterator[Identifier]:
    """Each search is made only where the text has the sign that it needs."""
    text = words.text
    spelled = is_spelled(words)
    if "@" in text or spelled:
        yield from find_emails(text, spelled)
    if has_url(text):
        yield from find_urls(text)
    if "@" in text or "u/" in text or "#" in text:
        yield from (Identifier(*m.span(), "handle", 0.9) for m in HANDLE.finditer(text) if is_handle(m.group()))
    if not SERVICE_WORDS.isdisjoint(words.present):
        yield from find_named_handles(text, NAMED_HANDLE)
        yield from find_named_handles(text, BARE_HANDLE)
    if any(sign in text for sign in ADDED_SIGNS) or not SERVICE_WORDS.isdisjoint(words.present):
        yield from find_named_handles(text, ADDED_HANDLE)
    if words.has_digits and IP_SIGN.search(text):
        yield from find_ips(text)


def is_spelled(words: Words) -> bool:
    """Whether "dot", a bracketed "at" or a provider of mail is there."""
    if "dot" in words.present or "punto" in words.present or not PROVIDERS.isdisjoint(words.present):
        return SPELLED_SIGN.search(words.text) is not None
    return any(bracket in words.text for bracket in ("(at", "[at", "{at", "( at", "[ at", "@ ", " @", "(@", "[@"))


def has_url(text: str) -> bool:
    return "://" in text or "www" in text or "WWW" in text or TOP_SIGN.search(text) is not None


def find_emails(text: str, spelled: bool) -> Iterator[Identifier]:
    for match in EMAIL.finditer(text):
        local, host = match.group().rsplit("@", 1)
        if not (OFFICE.match(local.lower()) and PUBLIC_HOSTS.search(host.lower())):
            yield Identifier(*match.span(), "email", 0.99)
    if spelled:
        yield from (Identifier(*match.span(), "email", 0.97) for match in SPACED_EMAIL.finditer(text))
        for match in SPELLED_EMAIL.finditer(text):
            if is_spelled_email(match):
                yield Identifier(*match.span(), "email", 0.97)


def is_spelled_email(match: re.Match[str]) -> bool:
    """ "look at the page dot com" is no address: the words must be those of one."""
    local, host = match.group("local"), match.group("domain").split()[0].split(".")[0].lower()
    bare = " at " in match.group().lower() and "dot" not in match.group().lower()
    if bare or "@" in match.group():
        return host in PROVIDERS and local.lower() not in NO_HANDLES
    plain = local.isalpha() and lexicon().flags.get(local.lower(), 0) & ORDINARY
    return not plain or (host in PROVIDERS and local.lower() not in NO_HANDLES)


def find_urls(text: str) -> Iterator[Identifier]:
    for match in URL.finditer(text):
        address = match.group().rstrip(TRAILING)
        if is_personal_page(address):
            yield Identifier(match.start(), match.start() + len(address), "url", 0.96)


def public_spans(words: Words) -> list[tuple[int, int]]:
    """Web addresses that are kept as they are: the digits and names in them are no identifiers."""
    if not has_url(words.text):
        return []
    found = ((match.span(), match.group().rstrip(TRAILING)) for match in URL.finditer(words.text))
    return [span for span, address in found if not is_personal_page(address)]


def is_personal_page(address: str) -> bool:
    """A profile, a blog or the site of somebody; not a page of a public body or of a company that everyone knows."""
    bare = re.sub(r"^https?://", "", address.lower())
    host, slash, path = bare.partition("/")
    host = host.split(":")[0].split("?")[0].removeprefix("www.")
    if host in SHARED_FILES:
        return bool(path)
    if PERSONAL_HOSTS.search(host):
        return bool(path.strip("/")) or host.count(".") > 1
    if PERSONAL_PATH.search(slash + path):
        return True
    return PUBLIC_HOSTS.search(host) is None


def is_handle(found: str) -> bool:
    return found.strip("@#/").lower() not in NO_HANDLES


def find_named_handles(text: str, pattern: re.Pattern[str]) -> Iterator[Identifier]:
    """ "my insta is X", "kik me X": after the name of a service a word that is no word."""
    for match in pattern.finditer(text):
        handle = match.group("handle").rstrip(".-")
        if looks_made_up(handle):
            score = 0.97 if re.search(r"[\d_]", handle) else 0.88  # no name has digits
            yield Identifier(match.start("handle"), match.start("handle") + len(handle), "handle", score)


def looks_made_up(handle: str) -> bool:
    """Digits, underscores, dots or inner capitals; or in no list. "my insta is private" tells no handle."""
    if len(handle) < 3 or handle.lower() in NO_HANDLES or handle.isdigit():
        return False
    if re.search(r"[\d_.$#]|[a-z][A-Z]", handle):
        return not re.fullmatch(r"\d+(?:st|nd|rd|th|am|pm|yo|k|m|f)?|\d+[.,:]\d+", handle, re.IGNORECASE)
    return lexicon().flags.get(handle.lower(), 0) & (ORDINARY | FREQUENT) == 0 and "-" not in handle


def find_ips(text: str) -> Iterator[Identifier]:
    for match in IP.finditer(text):
        if is_ip(match.group()) and not VERSION.search(text[: match.start()][-12:]):
            yield Identifier(*match.span(), "ip", 0.96)


def is_ip(found: str) -> bool:
    """Loopback and unspecified addresses belong to nobody."""
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified) and len(found) > 6

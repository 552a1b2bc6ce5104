"""Contact: a text in; e-mail addresses, web addresses and network addresses in it, out.

What belongs to a public body identifies nobody: pages of health services and information sites, and their office mailboxes. A page
of one person (a profile, a blog, a practice) does.
"""

import ipaddress
import re
from collections.abc import Iterator
from functools import lru_cache

from heedful.privacy.identifiers.handles import NO_HANDLES
from heedful.privacy.identifiers.kinds import Identifier
from heedful.privacy.identifiers.lexicon import ORDINARY, lexicon
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import Words

AT = r"(?:\s*[\[({<]\s*at\s*[\])}>]\s*|\s*[\[({]\s*@\s*[\])}]\s*|\s+at\s+)"
DOT = r"(?:\s*[\[({<]\s*(?:dot|\.)\s*[\])}>]\s*|\s+dot\s+|\s+punto\s+)"
PART = r"[^\W_][\w+-]*"
EMAIL = re.compile(r"(?<![\w.+-])[\w.+%'-]*[\w+%-]@[^\W_][\w-]*(?:\.[\w-]+)*\.[^\W\d_]{2,}(?![\w@])")
SPELLED_EMAIL = re.compile(
    rf"(?<![\w.@])(?P<local>{PART}(?:(?:{DOT}|\.|_|\s+underscore\s+|\s+dash\s+|\s+hyphen\s+){PART})*)(?:{AT}|\s*@\s*)"
    rf"(?P<domain>{PART}(?:(?:{DOT}|\.){PART})*?)(?:{DOT}|\s?\.\s?)(?P<last>com|org|net|edu|gov|info|io|me|uk|co|ac|de|fr|es|"
    rf"it|nl|pl|ie|in|ng|au|nz|ca|us|eu|cn|za|ke|br|mx|ch|at|be|se|no|dk)\b"
    rf"(?:(?:{DOT}|\.)(?:uk|au|nz|in|za|ng|ke|jp|br))?",
    re.IGNORECASE,
)
SPACED_EMAIL = re.compile(r"(?<!\S)(?:[\w.] ){3,}(?:@|at) ?\w+ ?(?:\.|dot) ?\w{2,3}(?:\.uk)?\b", re.IGNORECASE)
SCHEME = r"https?://|www\d?\."
TOP = (
    "com|org|net|edu|gov|mil|int|info|biz|io|me|co|app|dev|blog|site|online|page|link|xyz|tv|uk|us|ca|au|nz|ie|de|fr|"
    "es|it|nl|be|pl|se|no|dk|fi|ch|at|pt|gr|cz|ro|hu|ru|ua|tr|"
    "in|pk|bd|lk|cn|hk|tw|jp|kr|sg|my|ph|th|vn|id|ng|gh|ke|za|br|mx|ar|cl|health|care|club|shop|store|art|family|live|social|eu|"
    "gg|ee|gl|ly|be|fm|to|st|cc|ai|so|is|im|la|ws|vc|cloud|world|life|love|news|chat|video|studio|design|photos|pics|space|website"
)
# Without a scheme or a path, only endings that are no words: "i hate it.me too" is two sentences.
BARE_TOP = (
    "com|org|net|edu|gov|info|biz|io|dev|uk|de|fr|nl|pl|eu|app|xyz|blog|site|online|tv|ca|au|nz|ie|ng|za|health|"
    "dk|fi|cz|gr|hu|ro|ru|ua|tr|pt|pk|lk|cn|hk|tw|jp|kr|sg|ph|th|vn|gh|ke|br|mx|ar|cl|il|ae|bg|hr|rs|sk|si|lt|lv|website"
)
# These are words as well: what stands before them must be none.
WORD_TOP = (
    "me|co|us|in|it|es|at|be|ch|se|gg|ee|ly|gl|fm|tv|ai|page|link|life|live|love|art|care|club|shop|store|family|"
    "social|space|studio"
)
URL = re.compile(
    rf"(?<![\w@.])(?:(?:{SCHEME})[^\s<>\"'“”]+|(?:[^\W_][\w-]*\.)+(?:(?:{TOP})/[^\s<>\"'“”]*|(?:{BARE_TOP})\b(?![\w@-]|\.\w))"
    rf"|(?P<label>[^\W_][\w-]{{3,}})\.(?:{WORD_TOP})\b(?![\w@'’-]|\.\w))",
    re.IGNORECASE,
)
TOP_SIGN = re.compile(rf"\w\.(?:{BARE_TOP}|{WORD_TOP})\b|\w\.\w{{2,7}}/", re.IGNORECASE)
SPELLED_URL = re.compile(
    r"\b(?:www\s(?:dot|\.)\s)?[\w-]{2,30}(?:\s(?:dot|\.)\s[a-z]{2,20}){1,3}(?:\s(?:slash|/)\s[\w.-]*\w){1,4}", re.IGNORECASE
)
TRAILING = ".,;:!?)]}'\"*"
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
    r"zoom|change|bit|tinyurl|forms|goo|youtu|t|tumblr|monzo|revolut|buymeacoffee|whatsapp|mixcloud|bandcamp|last|twitcasting|untappd|"
    r"carrd|about|deviantart|ao3|wattpad|pinterest|reddit|discord|twitch|etsy|depop|vinted|spotify|ancestry|"
    r"findagrave|legacy)\.[a-z.]{2,6}$"
)
PERSONAL_PATH = re.compile(
    r"/(?:@|~|u/|user|users/|profile|profiles/|in/|people/|member|members/|channel/|c/|author/|staff/|team/|"
    r"therapists?/|doctors?/|obituar|wedding|gallery|blog/|me\b|\?id=|profile\.php)",
    re.IGNORECASE,
)
PUBLIC_HOSTS = re.compile(
    r"(?:^|\.)(?:gov|mil|int|edu|nhs\.uk|gov\.[a-z]{2}|ac\.[a-z]{2}|edu\.[a-z]{2}|example\.com|"
    r"example\.net|europa\.eu|gc\.ca|gouv\.fr|go\.[a-z]{2}|health\.[a-z]{2})$"
)
KNOWN_SITES = re.compile(
    r"(?:^|\.)(?:google|youtube|amazon|bbc|cnn|nytimes|theguardian|guardian|washingtonpost|wikipedia|wikihow|"
    r"apple|microsoft|netflix|webmd|healthline|verywellmind|verywellhealth|"
    r"psychcentral|psychologytoday|goodtherapy|counsel-?chat|counselchat|betterhelp|talkspace|7cups|headspace|calm|"
    r"mayoclinic|clevelandclinic|drugs|medscape|medlineplus|healthunlocked|patient|"
    r"suicidepreventionlifeline|crisistextline|samaritans|childline|helpguide|loveisrespect|therapyden|theravive|"
    r"openpathcollective|ted|quora|yahoo|bing|imdb|forbes|time|"
    r"huffpost|huffingtonpost|sciencedaily|sciencedirect|springer|nature|indeed|glassdoor|ebay|walmart|target|tesco|"
    r"dominos|expedia|booking|airbnb|tripadvisor|uber|stackoverflow|"
    r"mentalhealth|thetrevorproject|translifeline|alcoholics-anonymous|al-anon|namiga|samhsa|afsp|wikimedia|mozilla|papyrus-uk|therapistaid|gottman|16personalities|openai|huggingface|python|pypi)\.[a-z.]{2,6}$"
)
ORG = re.compile(r"\.org(?:\.[a-z]{2})?$")
OWN_PAGE = re.compile(r"\b(?:my|our|his|her|their|i (?:blog|write|post) at)\b[^.!?\n]{0,30}$", re.IGNORECASE)
OWN_BEHIND = re.compile(r"\s?(?:thats|that's|is|thats literally|with)\s(?:me|my|mine|our|us)\b", re.IGNORECASE)
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
    if "slash" in words.present:
        yield from (Identifier(*match.span(), "url", 0.97) for match in SPELLED_URL.finditer(text))
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
    for match, address in web_addresses(text):
        if is_somebodys(match, address, text):
            yield Identifier(match.start(), match.start() + len(address), "url", 0.96)


def web_addresses(text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Each with what stands behind it cut off; "hate it.me too" is two sentences, for "it" is a word."""
    for match in URL.finditer(text):
        label = match.group("label")
        if label is None or not lexicon().flags.get(label.lower(), 0) & ORDINARY:
            yield match, match.group().rstrip(TRAILING)


def is_somebodys(match: re.Match[str], address: str, text: str) -> bool:
    """A page of one person, or one behind "my": not the front page of a site that everyone knows."""
    if is_personal_page(address):
        return True
    own = OWN_PAGE.search(text, max(0, match.start() - 40), match.start()) or OWN_BEHIND.match(text, match.end())
    path = re.sub(r"^https?://", "", address).partition("/")[2]
    return own is not None and (bool(path) or KNOWN_SITES.search(host_of(address)) is None)


def public_spans(words: Words) -> list[tuple[int, int]]:
    """Web addresses that are kept as they are: the digits and names in them are no identifiers."""
    if not has_url(words.text):
        return []
    return [m.span() for m, address in web_addresses(words.text) if not is_somebodys(m, address, words.text)]


def is_personal_page(address: str) -> bool:
    """A profile, a blog or the site of somebody; not a page of a public body or of a company that everyone knows."""
    _, slash, path = re.sub(r"^https?://", "", address.lower()).partition("/")
    host = host_of(address)
    if host in SHARED_FILES:
        return bool(path)
    if PERSONAL_HOSTS.search(host):
        return bool(path.strip("/")) or host.count(".") > 1
    if PERSONAL_PATH.search(slash + path):
        return True
    return PUBLIC_HOSTS.search(host) is None and KNOWN_SITES.search(host) is None and not is_charity(host)


@lru_cache(maxsize=16_384)  # words of people: a server that runs for months must not gather them
def is_charity(host: str) -> bool:
    """An .org named by letters or by plain words: nami.org, mind.org.uk, rethinkingtime.org; not reverendstokes.org."""
    name = ORG.sub("", host)
    if name == host:
        return False
    label, flags = name.rsplit(".", 1)[-1].replace("-", ""), lexicon().flags
    made = {0}
    for end in range(1, len(label) + 1):
        if any(start in made and (end - start > 1 and flags.get(label[start:end], 0) & ORDINARY) for start in range(end)):
            made.add(end)
    return len(label) <= 6 or len(label) in made


def host_of(address: str) -> str:
    return re.sub(r"^https?://", "", address.lower()).partition("/")[0].split(":")[0].split("?")[0].removeprefix("www.")


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

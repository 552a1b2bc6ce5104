"""Name unknown: a word that no list has, in; whether it is taken for a person's name, out.

In a text in which somebody speaks of persons, a capital that no dictionary knows is a name more often than anything else. What
else they write with a capital is kept out: medicines by their endings, titles of two words, slips of the pen at a beginning.
"""

import re

from heedful.privacy.identifiers.cues import FUNCTION, PERSONAL, SAYS
from heedful.privacy.identifiers.lexicon import COMMON, FREQUENT, GIVEN, NAME, ORDINARY, PUBLIC, is_near, lexicon
from heedful.privacy.identifiers.name_slots import DETERMINERS, REFUSES
from heedful.privacy.identifiers.sentences import is_personal
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import TITLE, Words

SURE, LIKELY, POSSIBLE, UNSURE, NO = 0.95, 0.85, 0.7, 0.55, 0.0
NOUN_ENDINGS = ("ing", "tion", "sion", "ism", "ness", "ity", "ia", "osis", "ment", "ly", "ics", "logy", "ance", "ence", "apy")
ILLNESSES = ("itis", "sis", "oma", "emia", "axis", "ions", "uma", "pathy", "algia", "tox", "bacter")
MEDICINE = re.compile(
    r"\w+(?:apine|etine|faxine|tyline|traline|trigine|amine|idine|facine|antine|azine|azepam|azolam|pram|idone|azole|olol|pril|mide|sone|profen|"
    r"statin|cillin|mycin|xone|barbital|ipran|nib|mab|vir)$"
)
# A thing stands behind these more often than a person: "on Zoom", "the Ombudsman".
OF_THINGS = word_set(
    "in on via a an the using use used playing play played watching watch watched took take taking called read reading app"
)
PASTIMES = word_set("playing played watched watching listening listened read reading streaming took taking binged bingeing")
BEING = frozenset(("is", "was", "has", "had"))
SAID_OF = word_set("my her his our so being been always still not now like very really my the getting going")
STYLED = re.compile(r"(?:[A-Z][a-z]{0,2}['’][A-Z]|(?:La|De|Da|Mc|Mac|Sha|Ja|Van|Le|Ke|Ti|Ra|Jo|Mar|O)[A-Z])[a-z]{2,}")
# Words of other languages that English texts write with a capital.
OF_FAITH = word_set(
    "shabbat inshallah mashallah alhamdulillah mubarak namaste shalom eid iftar puja pesach vaisakhi hanukkah insha masha salaam"
)
DRAWN_OUT = re.compile(r"(.)\1\1|^(?:a*(?:ha)+h*|l+o+l+|u+g+h+|a+r+g+h+|n+a+h+|w+e+l+p+)$")
VOWEL = re.compile(r"[aeiouyàáâäãåèéêëìíîïòóôöõøùúûüý]")
SHORT_TEXT = 250  # words: a chat, not a page
# Syllables of romanised Korean and Chinese names: "Soo-jin", "Mei-ling".
SYLLABLE = re.compile(
    r"(?:[bcdfghjklmnpqrstwxyz]|kk|ch|sh|zh|tt|pp|ss|jj)?(?:[aeiouü]|ae|ai|ao|eo|eu|ei|ee|oo|ou|ya|ye|yo|yu|yeo|wa|wo|wi|ui|ia|ie|io|iu|ua|uo|iao|"
    r"ian|uan|yu)(?:k|n|l|m|p|t|ng|h|i)?"
)


def is_unknown(words: Words, place: int) -> bool:
    """In no list at all, and no slip of the pen for a frequent word."""
    key = words.key(place)
    return words.flag(place) == 0 and not words.cue(place) and len(key) >= 3 and not is_near(key, FREQUENT)


def is_misspelt_name(words: Words, place: int) -> bool:
    key = words.key(place)
    return len(key) >= 5 and is_unknown(words, place) and is_near(key, COMMON)


def unknown_capital(words: Words, place: int, begins: bool, strength: int) -> float:
    """`strength` is how surely only a person stands here (0 to 2)."""
    key, raw = words.keys[place], words.text[words.starts[place] : words.ends[place]]
    if (words.is_foreign(place) and strength < 2) or key in OF_FAITH:
        return NO
    if is_misspelt_name(words, place) or STYLED.fullmatch(raw):
        return POSSIBLE  # "LaToya", "D'Andre"
    if words.shapes[place] != TITLE or not raw[1:].islower() or not pronounceable(key) or MEDICINE.match(key):
        return NO
    if begins:
        return opening(words, place)
    if strength == 2:
        return POSSIBLE
    before = words.key(place - 1)
    if (
        in_title(words, place)
        or (before in DETERMINERS and before not in ("of", "that"))
        or words.before(place)[-1:] not in (" ", "(", "/", '"', "“", "&")
    ):
        return NO
    if not strength and ((before in OF_THINGS and words.before(place) == " ") or is_one_more_thing(words, place)):
        return NO
    return UNSURE if is_about_persons(words, place) else NO


def is_one_more_thing(words: Words, place: int) -> bool:
    """ "playing Elden Ring and Stardew": in a row of what is played, watched or taken."""
    rowed = words.key(place - 1) in ("and", "or", "n") or words.before(place) == ", "
    return rowed and any(words.key(place - back) in PASTIMES for back in range(2, 6))


def opening(words: Words, place: int) -> float:
    """At the beginning of a sentence, where a capital says nothing: what follows has to be what a person does or has."""
    key, after, gap = words.keys[place], words.key(place + 1), words.gap(place)
    if gap == " " and after in ("is", "was") and words.text[words.stops[place + 1] :][1:2].isdigit():
        return POSSIBLE  # "Perpetua is 14"
    if is_near(key, FREQUENT) or key.endswith("ing"):
        return NO
    if gap == " " and (words.cue(place + 1) & SAYS or after in REFUSES):
        return POSSIBLE
    if gap == " " and after in BEING and words.key(place + 2) in SAID_OF and not key.endswith(NOUN_ENDINGS):
        return POSSIBLE
    if place == 0 and len(words) <= 3 and all(map(words.capital, range(len(words)))):
        return POSSIBLE  # nothing but a name
    if gap == ", " and words.capital(place + 1) and words.flag(place + 1) & GIVEN and not words.flag(place + 1) & ORDINARY:
        return POSSIBLE  # "Calvert, Rosie"
    if key.endswith((*NOUN_ENDINGS, *ILLNESSES)) and words.stops[place] == words.ends[place]:
        return NO
    return UNSURE if is_about_persons(words, place) and not words.is_foreign(place) and not is_glued(key) else NO


def is_glued(key: str) -> bool:
    """ "eventhough" is two frequent words."""
    flags = lexicon().flags
    return any(flags.get(key[:cut], 0) & flags.get(key[cut:], 0) & FREQUENT for cut in range(3, len(key) - 2))


def pronounceable(key: str) -> bool:
    return len(key) >= 3 and VOWEL.search(key) is not None and DRAWN_OUT.search(key) is None


def in_title(words: Words, place: int) -> bool:
    """ "Stardew Valley", "Hollow Knight": beside a capitalised plain word that begins no sentence."""
    for other, joint in ((place - 1, place - 1), (place + 1, place)):
        if 0 <= other < len(words) and words.gap(joint) == " " and words.capital(other) and not words.begins(other):
            plain = words.flags[other] & ORDINARY and not words.flags[other] & NAME
            if (plain and not words.cues[other]) or words.flags[other] & PUBLIC:
                return True
    return False


def is_about_persons(words: Words, place: int) -> bool:
    """The sentence, or all of a short text, speaks of somebody; a text of a few words is somebody's own."""
    if is_personal(words, words.starts[place], words.ends[place]):
        return True
    return len(words) <= SHORT_TEXT and (len(words) <= 8 or any(cue & PERSONAL for cue in words.cues))


def is_syllable_name(words: Words, place: int) -> bool:
    """ "Soo-jin", "Ji-young": a capital and a lower-case part, both syllables of East Asian names, none a prefix."""
    after = place + 1
    if not 0 < after < len(words) or words.gap(place) != "-" or not words.capital(place) or words.keys[place] in PREFIXES:
        return False
    both = SYLLABLE.fullmatch(words.keys[place]) and SYLLABLE.fullmatch(words.keys[after])
    return (
        both is not None
        and len(words.keys[after]) >= 2
        and not words.cues[after] & FUNCTION
        and (not words.capital(place - 1) or words.begins(place - 1) or bool(words.flags[place - 1] & NAME))
    )


PREFIXES = word_set(
    "co re pre no un in so be do go hi lo wi pa ta ha yo ok uh mm ex self non anti semi mid bi tri via sci ping hip tip zig"
)

"""Name slots: a plain word that is a name too ("rose", "hunter", "jack"), in; whether it stands where a person does, out.

For words in lower case, where no capital tells. A word that is no name is never asked about.
"""

import re

from heedful.privacy.identifiers.cues import FUNCTION, KIN, SAYS, TIME
from heedful.privacy.identifiers.lexicon import FREQUENT, GIVEN
from heedful.privacy.identifiers.terms import word_set
from heedful.privacy.identifiers.words import Words

DETERMINERS = word_set(
    """
    the a an my your his her our their this that these those some any no every each of
    """
)
ABSTRACT = word_set(
    """
    hope faith grace joy summer autumn spring winter mercy patience charity harmony destiny justice bliss art may star storm sunny
    lucky love will serenity clarity karma baby honey rich gay blessing comfort precious innocent liberty constant frank grant
    """
)
# What a thing or a feeling does as well.
OF_THINGS = word_set(
    """
    helped helps makes made brings brought comes came got gets keeps kept hurts hurt started starts took takes gave gives found left
    goes went started stopped stops died dies hit hits broke ran passed passes moved works worked shows showed stays stayed calls
    killed kills stole cheats walked lives lived sat stood fell falls picks beats pushed
    """
)
REFUSES = word_set(
    """
    doesn't doesnt didn't didnt won't wont hasn't hasnt isn't isnt wasn't wasnt can't cant wouldn't wouldnt couldn't
    couldnt never always
    """
)
OWNED = word_set(
    """
    bday wedding birthdays
    funeral grave house room place flat birthday party wedding phone car death family name baby husband wife mum mom dad sister
    brother kids boyfriend girlfriend text texts message messages voice face fault parents clothes stuff ashes
    """
)
CLAUSES = word_set(
    """
    and but when then because so cos cause bc that if while since until after before why does did has is was until though cuz
    think thinks thought reckon reckons know knows knew say says said swear guess hope hopes coz bcos
    """
)
# Mass nouns and colours: "amber is my favourite colour" needs no article, as "hunter is mad" does not.
STUFF = word_set(
    """
    olive amber coral jasmine basil ginger sage rosemary clay ivory pepper crystal violet hazel jade heather ivy honey candy brandy
    sherry cinnamon saffron fern moss cherry misty sandy
    """
)
# "X is ...": what is said of persons. Things are "broken" and "late" too, so those are not here.
OF_PERSONS = word_set(
    """
    my his her our mad angry dead pregnant gay drunk jealous upset mean being leaving coming moving crying ill lying asleep abusive
    ignoring talking acting seeing dating cheating annoyed furious scared lovely sweet sick homeless autistic sober married single
    engaged divorced weird toxic
    """
)
# Of what things do as well, what a bare noun hardly does: "ray left at 3am", but "bill came today".
OF_BODIES = word_set("left hit hits moved walked stole steals killed kills died cheats stayed sat stood lives lived beats pushed")
NOT_DOING = word_set(
    "wont won't didnt didn't doesnt doesn't isnt isn't wasnt wasn't hasnt hasn't wouldnt wouldn't couldnt couldn't"
)
AUXILIARIES = frozenset(("will", "may", "can", "might", "must"))
# What is felt or done towards a person who then ends the clause: "i hate drew".
FELT = word_set("hate hated love loved trust trusted miss missed saw seeing with w wit liked fancy meeting met")
ENDS_CLAUSE = word_set(
    "so anymore again tho though now but and cos because bc later today tonight tomorrow yesterday lol tbh x he she hes shes"
)
# "talked to X", "in love with X": verb or noun, and the small word behind it.
TO = word_set(
    """
    talked talking talk spoke speak speaking lied lying married engaged listen listened apologised apologized sorry next close loyal
    """
)
WITH = word_set(
    """
    fight fought fighting argued argument arguing slept sleeping broke breaking broken love friends mates together out moved living
    split hooked hooking row rowed dealing stayed staying cheated flirting flirted obsessed
    """
)
ON = word_set("cheated crush cheating walked rely count")
FOR = word_set("feelings fell falling waiting")
AT = word_set("stayed staying round over mad angry")
LINKS = {
    **dict.fromkeys(("to", "2"), TO),
    **dict.fromkeys(("with", "w", "wit", "wiv"), WITH),
    "on": ON,
    "for": FOR,
    "at": AT,
}
CONJUNCTIONS = frozenset(("and", "n", "nd"))


def stands_as_person(words: Words, place: int) -> bool:
    """Not asked about words that cannot be meant: pronouns, days, what follows "the"."""
    if words.cues[place] & TIME and is_linked(words, place):
        return True
    if words.keys[place] in AUXILIARIES and words.key(place + 1) in NOT_DOING and acts(words, place):
        return True
    if words.cues[place] & (FUNCTION | TIME) or (words.key(place - 1) in DETERMINERS and words.before(place) == " "):
        return False
    return any(stands(words, place) for stands in (acts, owns, is_linked, is_introduced_kin, is_in_row, is_felt, is_from_around))


def acts(words: Words, place: int) -> bool:
    """ "rose told me", "ruby wont get up": at the beginning of a clause, with what a person does behind."""
    after = words.key(place + 1)
    opens = words.begins(place) or words.key(place - 1) in CLAUSES
    if not opens or words.gap(place) != " " or words.stops[place] > words.ends[place]:
        return False
    abstract = words.keys[place] in ABSTRACT
    if after in REFUSES:
        return not abstract or (words.keys[place] in AUXILIARIES and after in NOT_DOING)  # "will wont text me"
    if after in BEING:
        return is_bare_subject(words, place)
    if not words.cue(place + 1) & SAYS or (abstract and after in OF_THINGS):
        return False
    bare = words.keys[place] in ROW_NAMES - UNSTEADY and after in OF_BODIES
    if after in ("moved", "walked") and words.key(place + 2) in ("in", "out") and words.flags[place] & GIVEN:
        return True
    return after not in OF_THINGS or bare or words.key(place + 2) in ("me", "him", "her", "his", "my", "us", "them", "home")


def is_bare_subject(words: Words, place: int) -> bool:
    """ "think mark is mad": one thing would have an article; what is counted, and has none, is called so."""
    key, third = words.keys[place], words.key(place + 2)
    if words.flags[place] & GIVEN and words.gap(place) == " " and AGED.match(words.text, words.stops[place + 1]):
        return not words.cues[place]  # "precious is 2"
    if key in ABSTRACT or key in STUFF or words.cues[place] or words.key(place - 1) in ("is", "was"):
        return False
    if not words.flags[place]:
        return third in OF_PERSONS and len(key) >= 4
    return bool(words.flags[place] & GIVEN) and (
        key in ROW_NAMES - UNSTEADY if words.flags[place] & FREQUENT else third in OF_PERSONS
    )


def is_felt(words: Words, place: int) -> bool:
    """ "i hate drew", "seeing art later": the end of a clause, behind what is felt or done towards somebody."""
    key, before = words.keys[place], words.key(place - 1)
    if before not in FELT or words.before(place) != " " or not words.flags[place] & GIVEN:
        return False
    if words.cues[place] or key in STUFF:
        return False
    if key in ABSTRACT and not (key == "art" and before in ("seeing", "met", "meeting")):
        return False
    steady = not words.flags[place] & FREQUENT or key in ROW_NAMES - UNSTEADY
    ends = words.gap(place).strip(" ") != "" or words.key(place + 1) in ENDS_CLAUSE or place + 1 == len(words)
    return steady and ends


def is_from_around(words: Words, place: int) -> bool:
    """ "haruki from my lab", "jay from work"."""
    opens = words.begins(place) or words.key(place - 1) in CLAUSES
    return opens and words.gap(place) == " " and words.key(place + 1) == "from" and words.key(place + 2) in ACQUAINTED


def owns(words: Words, place: int) -> bool:
    """ "rose's grave": what only a person has."""
    return words.stops[place] > words.ends[place] and (words.key(place + 1) in OWNED or bool(words.cue(place + 1) & KIN))


def is_linked(words: Words, place: int) -> bool:
    """ "talked to river today", "a fight w/ summer"; a possessive behind "at" is somebody's home."""
    link = words.key(place - 1)
    if link not in LINKS or words.before(place) not in (" ", "/", "/ "):
        return False
    verb = place - 3 if words.key(place - 2) in ("up", "in", "off") else place - 2  # "broke up with"
    return words.key(verb) in LINKS[link] or (link == "at" and words.stops[place] > words.ends[place])


def is_introduced_kin(words: Words, place: int) -> bool:
    """ "chase is my stepson", "lily my daughter"."""
    following = place + 1 + (words.key(place + 1) in ("is", "was"))
    owner = words.key(following) in ("my", "his", "her", "our", "their") and not words.gap(following - 1).strip()
    return owner and words.begins(place) and any(words.cue(following + k) & KIN for k in (1, 2))


def is_in_row(words: Words, place: int) -> bool:
    """ "drew n rob", "ivy, hazel n olive": plain words, but all of them names."""
    if words.keys[place] in ABSTRACT or (words.flags[place] & FREQUENT and words.keys[place] not in ROW_NAMES):
        return False
    return row_goes_on(words, place, 1) or row_goes_on(words, place, -1)


def row_goes_on(words: Words, place: int, step: int) -> bool:
    """Whether "and" and another such name come next, or before."""
    middle, other = place + step, place + 2 * step
    if not 0 <= other < len(words) or words.keys[middle] not in CONJUNCTIONS:
        return False
    near = words.gap(min(place, middle)) == " " == words.gap(min(middle, other))
    plain = words.flags[other] & FREQUENT and words.keys[other] not in ROW_NAMES
    owned = words.key(min(place, other) - 1) in DETERMINERS  # "my boss and mentor"
    return near and not owned and bool(words.flags[other] & GIVEN) and not plain and words.keys[other] not in ABSTRACT


# Of the row names, those that things do without an article: "guy came at me", "dawn was cold".
UNSTEADY = word_set("guy may june april dawn chase miles sue lee")
AGED = re.compile(r" (?:[1-9]\d?)(?=\s?(?:[.,;!?)\n]|$|and\b|but\b|now\b|today\b|next\b|years? old|yo\b))")
BEING = frozenset(("is", "was", "has", "had"))
ACQUAINTED = word_set("work church school uni college class reception hr accounts upstairs downstairs next across my the our group")
ROW_NAMES = word_set("mark bill sue pat rob jack drew ray lee guy june april mike chase dawn rose penny miles")

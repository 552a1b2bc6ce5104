"""Calendar: a date or an age in; another in the same spelling, out.

All dates of a conversation move by the same number of weeks, so that the days between them and the weekdays stay. An age stays in
its decade, and on its side of 18.
"""

import re
from datetime import date, timedelta

from heedful.privacy.identifiers.lexicon import fold
from heedful.privacy.identifiers.terms import terms
from heedful.privacy.surrogates.draws import Draws, like

MONTHS = terms(
    """
    january february march april may june july august september october november december
    """
)
FOREIGN = (
    terms(
        """
    januar februar märz april mai juni juli august september oktober november dezember
    """
    ),
    terms(
        """
    janvier février mars avril mai juin juillet août septembre octobre novembre décembre
    """
    ),
    terms(
        """
    enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
    """
    ),
    terms(
        """
    gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre
    """
    ),
    terms(
        """
    janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro
    """
    ),
)
UNITS = terms(
    """
    first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth
    seventeenth eighteenth nineteenth twentieth
    """
)
ORDINALS = [*UNITS, *(f"twenty-{unit}" for unit in UNITS[:9]), "thirtieth", "thirty-first"]
CARDINALS = terms(
    """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
    nineteen
    """
)
TENS = terms("twenty thirty forty fifty sixty seventy eighty ninety")
WEEKS = range(53, 151)  # more than a year, so that a year alone changes too
PLAIN_YEAR = 2021  # stands in where a date has no year; it has no leap day
SPELLED_ORDINAL = re.compile(
    r"\b(?:(?:twenty|thirty)[ -](?:" + "|".join(UNITS[:9]) + ")|" + "|".join([*UNITS[9:], *UNITS[:9], "thirtieth"]) + r")\b",
    re.IGNORECASE,
)
YEAR = re.compile(r"(?:19|20)\d\d|(?<=[’'])\d\d")
DECADES = ("twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties")
BANDS = ((1, 4), (5, 12), (13, 17), (18, 19), *((low, low + 9) for low in range(20, 100, 10)), (100, 119))


def new_shift(draws: Draws) -> int:
    """Days, negative: dates move into the past, so that none of them lies in the future."""
    return -7 * draws.pick(WEEKS)


def stand_in_for_date(value: str, shift: int) -> str:
    """The date `shift` days away, in the spelling of `value`."""
    numeric = re.search(r"(?<!\d)(\d{1,4})(\s?[-/.]\s?)(\d{1,2})(?:\2(\d{2,4}))?(?!\d)", value)
    if numeric and not month_of(value)[0]:
        return numeric_date(value, numeric, shift)
    month, found = month_of(value)
    year_found = YEAR.search(value)
    year = full_year(year_found.group()) if year_found else PLAIN_YEAR
    if not month:
        return moved_year(value, year_found, year, shift) if year_found else value
    day_found = day_match(value, year_found)
    moved = safe_date(year, month, day_number(day_found) if day_found else 15) + timedelta(days=shift)
    changes = [(found.span(), month_like(found.group(), moved.month))] if found else []
    if day_found:
        changes.append((day_found.span(), day_like(day_found.group(), moved.day)))
    if year_found:
        changes.append((year_found.span(), year_like(year_found.group(), moved.year)))
    return changed(value, changes)


def moved_year(value: str, found: re.Match[str] | None, year: int, shift: int) -> str:
    """A year, alone or with a season."""
    if found is None:
        return value
    return changed(value, [(found.span(), year_like(found.group(), (date(year, 7, 1) + timedelta(days=shift)).year))])


def numeric_date(value: str, found: re.Match[str], shift: int) -> str:
    first, second = found.group(1), found.group(3)
    places = {group: found.span(group) for group in (1, 3, 4) if found.group(group) is not None}
    if len(first) > 2:
        order = {"year": 1, "month": 3, "day": 4}
    elif int(second) > 12:
        order = {"month": 1, "day": 3, "year": 4}
    else:
        order = {"day": 1, "month": 3, "year": 4}
    year = full_year(found.group(order["year"])) if found.group(order["year"]) else PLAIN_YEAR
    day = int(found.group(order["day"])) if order["day"] in places else 15
    moved = safe_date(year, int(found.group(order["month"])), day) + timedelta(days=shift)
    new = {"year": moved.year, "month": moved.month, "day": moved.day}
    changes = [(places[group], padded(found.group(group), new[part])) for part, group in order.items() if group in places]
    return changed(value, changes)


def padded(model: str, number: int) -> str:
    """As many digits as the model has; one, where it wrote a day without its zero."""
    if len(model) == 4:
        return f"{number:04d}"
    return f"{number % 100:02d}" if model.startswith("0") or number > 31 else str(number % 100)


def changed(value: str, changes: list[tuple[tuple[int, int], str]]) -> str:
    for (start, end), new in sorted(changes, reverse=True):
        value = value[:start] + new + value[end:]
    return value


def month_of(value: str) -> tuple[int, re.Match[str] | None]:
    """Number of the month and where it stands; 0 when there is none."""
    for match in re.finditer(r"[^\W\d_]+", value):
        word = fold(match.group())
        for names in (MONTHS, *FOREIGN):
            for number, name in enumerate(names, 1):
                if word == fold(name) or (
                    names is MONTHS and len(word) >= 3 and word in (name[:3], name[:4] if name == "september" else name[:3])
                ):
                    return number, match
    return 0, None


def month_like(model: str, month: int) -> str:
    word = fold(model)
    names = next((names for names in (MONTHS, *FOREIGN) if word in map(fold, names)), None)
    new = (MONTHS if names is None else names)[month - 1]
    new = new[:3] if names is None else new
    return like(model, new.capitalize())


def day_match(value: str, year: re.Match[str] | None) -> re.Match[str] | None:
    for match in re.finditer(r"(?<![\d’'])\d{1,2}(?:\s?(?:st|nd|rd|th))?(?!\d)", value):
        if year is None or not (year.start() <= match.start() < year.end()):
            return match
    return SPELLED_ORDINAL.search(value)


def day_number(found: re.Match[str]) -> int:
    digits = re.match(r"\d+", found.group())
    return int(digits.group()) if digits else ORDINALS.index("-".join(found.group().lower().split()).replace("--", "-")) + 1


def day_like(model: str, day: int) -> str:
    digits = re.match(r"\d+", model)
    if digits is None:
        word = ORDINALS[day - 1].replace("-", " ") if " " in model else ORDINALS[day - 1]
        return like(model, word)
    number = f"{day:02d}" if digits.group().startswith("0") else str(day)
    suffix = model[digits.end() :]
    if not suffix:
        return number
    ending = "th" if 10 <= day % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return number + suffix[: len(suffix) - 2] + like(suffix[-2:], ending)


def full_year(text: str) -> int:
    number = int(text)
    if len(text) == 4:
        return number
    return 2000 + number if number <= 30 else 1900 + number


def year_like(model: str, year: int) -> str:
    return f"{year % 100:02d}" if len(model) == 2 else str(year)


def safe_date(year: int, month: int, day: int) -> date:
    """The nearest day that exists."""
    for tried in range(day, 0, -1):
        try:
            return date(year, month, tried)
        except ValueError:
            continue
    return date(year, 1, 1)


def stand_in_for_age(value: str, draws: Draws) -> str:
    """Another number of the same band, spelled as the first one was."""
    decade = re.search(rf"[1-9]0(?=['’]?s)|{'|'.join(DECADES)}", value, re.IGNORECASE)
    if decade:
        return changed(value, [(decade.span(), other_decade(decade.group(), draws))])
    digits = re.search(r"\d+", value)
    if digits:
        age = int(digits.group())
        return changed(value, [(digits.span(), draws.once("age", str(age), lambda: str(other_age(age, draws))))])
    spelled = re.search(
        rf"(?:{'|'.join(TENS)}|fourty)(?:[ -](?:{'|'.join(CARDINALS[1:10])}))?|{'|'.join(reversed(CARDINALS[1:]))}",
        value,
        re.IGNORECASE,
    )
    if spelled is None:
        return value
    age = age_number(spelled.group())
    made = draws.once("age", str(age), lambda: str(other_age(age, draws)))
    return changed(value, [(spelled.span(), like(spelled.group(), age_words(int(made), " " in spelled.group())))])


def other_decade(decade: str, draws: Draws) -> str:
    """The one before or behind it, among grown-ups; teenagers stay teenagers."""
    if decade[0].isdigit():
        low = int(decade[0])
        return f"{draws.pick([other for other in (low - 1, low + 1) if 2 <= other <= 9])}0" if low >= 2 else decade
    place = DECADES.index(decade.lower().replace("fourties", "forties"))
    return like(decade, DECADES[draws.pick([other for other in (place - 1, place + 1) if 0 <= other < len(DECADES)])])


def other_age(age: int, draws: Draws) -> int:
    """Of the same band; a year above it when the conversation holds every age of the band."""
    low, high = next((band for band in BANDS if band[0] <= age <= band[1]), (1, 4))
    free = [other for other in range(low, high + 1) if other != age and str(other) not in draws.taken]
    if not free:
        side = range(1, 18) if age < 18 else range(18, 120)
        free = [other for other in side if str(other) not in draws.taken]
    return draws.pick(free)


def age_number(words: str) -> int:
    parts = re.split(r"[ -]", words.lower().replace("fourty", "forty"))
    return sum(20 + 10 * TENS.index(part) if part in TENS else CARDINALS.index(part) for part in parts)


def age_words(age: int, spaced: bool) -> str:
    if age < 20:
        return CARDINALS[age]
    tens, ones = TENS[min(age, 99) // 10 - 2], age % 10
    return tens if not ones else f"{tens}{' ' if spaced else '-'}{CARDINALS[ones]}"

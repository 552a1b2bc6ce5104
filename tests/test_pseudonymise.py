"""Pseudonymise: one person stays one through a conversation, is another in the next, and nothing of the original is left."""

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from heedful.conversation import Conversation, Message
from heedful.privacy import find_identifiers, pseudonymise, replace_identifiers
from heedful.privacy.identifiers.presidio import is_card, is_iban, is_national_id
from heedful.privacy.surrogates.draws import Draws, new_draws
from heedful.privacy.surrogates.words import stand_in_for_address, stand_in_for_organisation

REPOSITORY = Path(__file__).resolve().parents[1]
TUNING = REPOSITORY / "benchmarks/data/identifiers_tuning.jsonl"


def talk(*texts: str) -> Conversation:
    roles = ("user", "assistant")
    return Conversation(tuple(Message(roles[number % 2], text) for number, text in enumerate(texts)), "group")


def said(conversation: Conversation) -> list[str]:
    return [message.content for message in conversation.messages]


def one(text: str, seed: int = 7) -> str:
    return said(pseudonymise(talk(text), seed))[0]


def test_nothing_of_the_originals_is_found_afterwards() -> None:
    rows = [json.loads(line) for line in TUNING.open(encoding="utf-8")]
    for first in range(0, len(rows), 5):
        before = [row["text"] for row in rows[first : first + 5]]
        after = said(pseudonymise(talk(*before), 3))
        values = {text[i.start : i.end].lower() for text in before for i in find_identifiers(text)}
        again = {text[i.start : i.end].lower() for text in after for i in find_identifiers(text)}
        assert not values & again, values & again


def test_a_person_stays_one_person() -> None:
    new = said(
        pseudonymise(
            talk(
                "I'm Sarah Whitcombe. SARAH's mum is Elizabeth.", "Hello Sarah, how is Liz?", "sarah whitcombe and lizzie are fine"
            ),
            7,
        )
    )
    first, last = re.findall(r"I'm (\w+) (\w+)\. (?:[A-Z]+)'s", new[0])[0]
    assert new[0].startswith(f"I'm {first} {last}. {first.upper()}'s mum is ")
    assert new[1].startswith(f"Hello {first}, how is ")
    assert new[2].startswith(f"{first.lower()} {last.lower()} and ")
    assert "sarah" not in " ".join(new).lower() and "liz" not in " ".join(new).lower()


def test_the_same_input_gives_the_same_output_and_another_conversation_another_person() -> None:
    here, there = talk("I'm Sarah", "Hello Sarah"), talk("I'm Sarah", "Good evening, Sarah")
    assert pseudonymise(here, 7) == pseudonymise(here, 7)
    assert pseudonymise(here, 7) != pseudonymise(here, 8)
    assert said(pseudonymise(here, 7))[0] != said(pseudonymise(there, 7))[0]


def test_roles_group_and_conversations_without_identifiers_are_kept() -> None:
    plain = talk("I can't sleep", "What keeps you up?")
    assert pseudonymise(plain, 7) is plain
    new = pseudonymise(talk("I'm Sarah", "Hi"), 7)
    assert (new.group, [m.role for m in new.messages]) == ("group", ["user", "assistant"])


def test_counts_are_by_kind() -> None:
    done = replace_identifiers(talk("I'm Sarah, 34, from Leeds", "Hello Sarah"), 7)
    assert done.counts == {"age": 1, "name": 2, "place": 1}


@pytest.mark.parametrize("title", ["Mrs", "Mr"])
def test_titles_stay_and_a_kinship_tells_the_gender(title: str) -> None:
    assert one(f"{title} Whitcombe rang").startswith(f"{title} ")
    names = {one("my sister Robin rang", seed).split()[2] for seed in range(12)} | {
        one("my brother Robin rang", seed).split()[2] for seed in range(12)
    }
    assert "Robin" not in names and len(names) > 10


def test_dates_keep_their_distance_their_weekday_and_their_spelling() -> None:
    new = one("on 12 January 2015 it began, by 14/01/2015 it was over, since 2015-02-01 I am alone")
    found = re.fullmatch(
        r"on (\d+) ([A-Z][a-z]+) (\d{4}) it began, by (\d\d?)/(\d\d)/(\d{4}) it was over, since (\d{4})-(\d\d)-(\d\d) I am alone",
        new,
    )
    assert found is not None, new
    months = "January February March April May June July August September October November December".split()  # noqa: SIM905
    day, month, year, d, m, y, iso_year, iso_month, iso_day = found.groups()
    first = date(int(year), months.index(month) + 1, int(day))
    second, third = date(int(y), int(m), int(d)), date(int(iso_year), int(iso_month), int(iso_day))
    assert ((second - first).days, (third - first).days) == (2, 20)
    assert first.weekday() == date(2015, 1, 12).weekday()
    assert (date(2015, 1, 12) - first).days > 365


@pytest.mark.parametrize(("age", "low", "high"), [(3, 1, 4), (9, 5, 12), (15, 13, 17), (19, 18, 19), (34, 30, 39), (86, 80, 89)])
def test_an_age_stays_in_its_band(age: int, low: int, high: int) -> None:
    for seed in range(20):
        new = int(re.findall(r"\d+", one(f"she is {age}, I think", seed))[0])
        assert new != age and low <= new <= high


def test_a_decade_becomes_the_one_beside_it() -> None:
    for seed in range(10):
        made = one("i am in my late 20s and she is in her forties", seed)
        decade, spelled = re.fullmatch(r"i am in my late (\d0)s and she is in her (\w+)", made).groups()  # type: ignore[union-attr]
        assert decade == "30" and spelled in ("thirties", "fifties")


def test_help_lines_and_the_companion_stay_as_they_are() -> None:
    text = (
        "I am Heedful. Call Samaritans on 116 123 or 988, text SHOUT to 85258, the hotline is 1-800-273-8255, 13 11 14 is Lifeline"
    )
    assert one(text, 3) == text


def test_spelled_ages_stay_spelled() -> None:
    assert re.fullmatch(r"I was (five|six|seven|eight|nine|ten|eleven) when he left", one("I was twelve when he left"))


def test_telephones_come_from_the_ranges_for_fiction() -> None:
    assert re.fullmatch(r"text me on 07700 900\d{3}", one("text me on 07911 123456"))
    assert re.fullmatch(r"text me on \+44 7700 900\d{3}", one("text me on +44 7911 123456"))
    assert re.fullmatch(r"call \(\d{3}\) 555-01\d\d", one("call (312) 867-5309"))
    assert re.fullmatch(r"ring \+61 491 570 \d{3}", one("ring +61 412 345 678"))


def test_numbers_keep_their_form_and_belong_to_nobody() -> None:
    nhs = one("my NHS number is 943 476 5919").removeprefix("my NHS number is ")
    assert nhs.startswith("999 ") and is_national_id(nhs)
    card = one("my card 4539 1488 0343 6467 was declined").removeprefix("my card ").removesuffix(" was declined")
    assert re.fullmatch(r"4\d{3}( \d{4}){3}", card) and is_card(card)
    iban = one("iban DE89 3704 0044 0532 0130 00").removeprefix("iban ")
    assert re.fullmatch(r"DE\d\d 0000 0000 0000 \d{4} \d\d", iban) and is_iban(iban)
    assert re.fullmatch(r"my ssn is 9\d\d-\d\d-\d{4}", one("my ssn is 536-22-8817"))
    assert re.fullmatch(r"from (192\.0\.2|198\.51\.100|203\.0\.113)\.\d{1,3}", one("from 81.174.22.109"))


def test_words_keep_their_form() -> None:
    assert re.fullmatch(r"mail \w+\.\w+@example\.(org|com|net)", one("mail jane.doe@gmail.com"))
    assert re.fullmatch(r"mail \w+ dot \w+ at example dot (org|com|net)", one("mail jane dot doe at gmail dot com"))
    assert re.fullmatch(r"i work at [a-z]+", one("i work at tesco"))
    assert re.fullmatch(r"fired from [A-Z][a-z]+ Ltd last week", one("fired from Hargreaves Plumbing Ltd last week"))
    assert re.fullmatch(r"my flat is \d\d[a-f] [A-Z][a-z]+ Terrace", one("my flat is 27b Mafeking Terrace"))
    assert re.fullmatch(r"my insta is @[a-z_.]+\d\d", one("my insta is @lil.miss"))


def test_a_town_stays_in_its_country() -> None:
    from heedful.privacy.identifiers.lexicon import lexicon

    for seed in range(10):
        town = one("i live in leeds", seed).removeprefix("i live in ")
        assert lexicon().countries[town] == "GB" and town != "leeds"


def test_what_the_account_says_goes_too() -> None:
    new = said(pseudonymise(talk("hope is here", "Well, Hope, and 0770 0900123?"), 7, known=("Hope Marsh", "+44 7700 900123")))
    assert new[0] == "hope is here"
    assert "Hope" not in new[1] and "0900123" not in new[1]


def test_a_surrogate_never_holds_its_original() -> None:
    for seed in range(40):
        assert "ann" not in one("my sister Ann rang", seed).lower()


@pytest.mark.parametrize(("maker", "value"), [(stand_in_for_address, "Park Lane"), (stand_in_for_organisation, "the care home")])
def test_a_name_of_nothing_but_kinds_is_replaced_too(maker: Callable[[str, Draws], str], value: str) -> None:
    made = maker(value, new_draws(7, "", [value]))
    assert made != value and made.split()[1:] == value.split()[1:]


def test_when_all_surrogates_are_originals_a_word_of_nobody_stands_in() -> None:
    draws = new_draws(7, "", ["Fiji", "Samoa"])
    made = [draws.once("place", value, lambda: "Samoa") for value in ("Fiji", "Samoa")]
    assert len({*made, "Fiji", "Samoa"}) == 4 and all(re.fullmatch("[A-Z][a-z]{9}", word) for word in made)

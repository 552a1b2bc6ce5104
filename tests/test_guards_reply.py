"""The output guard: what it finds, what a person reads instead, and that a streamed reply is the whole reply."""

import random
import re

import pytest

from heedful.conversation import Message
from heedful.guards import check_reply
from heedful.guards.reply import screen
from heedful.guards.reply.findings import KINDS, FindingKind
from heedful.guards.reply.guard import ReplyGuard
from heedful.guards.reply.screen import rules_for
from heedful.guards.resources import load_countries

SYSTEM = "You are a warm, supportive companion. Listen first, name what you heard, then offer one concrete step to take."
CHAT = [Message("system", SYSTEM), Message("user", "I take 20 mg of fluoxetine. I think I have OCD. My number is 0171 555 0199.")]
DOCTOR = "but about medicines, please ask your doctor or pharmacist."
NO_DIAGNOSIS = "but I cannot diagnose; a doctor or therapist can look at this with you."

CASES: list[tuple[str, FindingKind, str]] = [
    ("You have depression. Rest today.", "diagnosis", f"You have … {NO_DIAGNOSIS} Rest today."),
    ("It sounds like you have bipolar disorder.", "diagnosis", f"It sounds like you have … {NO_DIAGNOSIS}"),
    ("Your symptoms are consistent with PTSD, I fear.", "diagnosis", f"Your symptoms are consistent with … {NO_DIAGNOSIS}"),
    ("Take 50 mg of sertraline twice a day. Sleep.", "dose", f"Take … {DOCTOR} Sleep."),
    ("You can safely stop taking your medication.", "dose", f"You can safely stop taking your … {DOCTOR}"),
    ("Take it twice a day with food.", "dose", f"Take it … {DOCTOR}"),
    ("I am a real human like you!", "human_claim", "I am a real … no, I am a computer program, not a person!"),
    ("I'm not a robot.", "human_claim", "I'm not a … no, I am a computer program, not a person."),
    ("Okay. My husband left me too.", "human_claim", "Okay. My … no, I am a computer program, not a person."),
    (
        "As a licensed therapist, I see this.",
        "credential_claim",
        "As a licensed … no, I am a computer program and not a professional.",
    ),
    ("Call 555-123-4567 now.", "phone", "Call [number removed] now."),
    ("Call me on (415) 555 2671 tonight.", "phone", "Call me on [number removed] tonight."),
    ("Visit https://help.example.com/now today.", "url", "Visit [address removed] today."),
    ("See goodhelp.org.", "url", "See [address removed]."),
    ("Write to bob@clinic.example please.", "email", "Write to [address removed] please."),
    (
        "Well: listen first, name what you heard, then offer one step.",
        "system_prompt",
        "Well: listen first, name what you heard, then…",
    ),
    ("I am here. I am here. I am here.", "loop", "I am here. I am here. I am…"),
    ("Rest now.<|im_end|>", "chat_tag", "Rest now."),
]

HARMLESS = [
    *("I hear how heavy this feels. What happened today?", "Depression can make mornings hard; a doctor can help you find out."),
    *("If you have depression, talking to a doctor can help.", "Do you have anxiety in the mornings?"),
    *("You could call Samaritans on 116 123, or 999 in an emergency.", "See https://www.samaritans.org for more."),
    *("Try the 4-7-8 breathing: in for 4, hold for 7, out for 8.", "Your OCD sounds exhausting. You have OCD and a full day."),
    *("You take 20 mg of fluoxetine, as you said.", "I'm not a therapist and I am not a human, but I'm here."),
    *("Drink two glasses of water and rest for 10-15 minutes.", "You gave the number 0171 555 0199."),
    *("You have every right to be anxious.", "It sounds like you have a lot on your plate.", "Take a walk twice a day."),
    *("In 2019-2020 many felt so; 100,000 people said it.", "Talk to your doctor before you change anything."),
    *('You could say "I am a human being" to yourself.', "The meeting is on 2026-11-20 at 10:30."),
]


def guarded(raw: str, pieces: list[str] | None = None) -> tuple[str, tuple[FindingKind, ...]]:
    guard = ReplyGuard(rules_for(CHAT))
    text = "".join(guard.feed(piece) for piece in ([raw] if pieces is None else pieces))
    rest = guard.finish("stop")
    return text + rest.text, rest.found


@pytest.mark.parametrize(("raw", "kind", "read"), CASES)
def test_what_must_not_be_said_is_found_and_turned(raw: str, kind: FindingKind, read: str) -> None:
    assert {finding.kind for finding in check_reply(CHAT, raw)} == {kind}
    text, found = guarded(raw)
    assert text == read
    assert found == (() if kind == "chat_tag" else (kind,))  # tags are taken out before, and have a reason there


def test_a_finding_says_where() -> None:
    (found,) = check_reply(CHAT, "Call 555-123-4567 now.")
    assert ("Call 555-123-4567 now."[found.start : found.end], found.action) == ("555-123-4567", "replaced")


@pytest.mark.parametrize("raw", HARMLESS)
def test_what_may_be_said_is_left_alone(raw: str) -> None:
    assert check_reply(CHAT, raw) == []
    assert guarded(raw) == (raw, ())


def test_streamed_and_whole_replies_are_equal_wherever_they_are_split() -> None:
    numbers = random.Random(5)
    texts = [raw for raw, _, _ in CASES] + HARMLESS
    for _ in range(300):
        raw = numbers.choice((" ", "\n", "\n\n")).join(numbers.sample(texts, 3))
        cuts = sorted(numbers.sample(range(1, len(raw)), 8))
        pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
        assert guarded(raw, pieces) == guarded(raw), raw


def test_no_more_than_a_word_is_held_back_but_for_numbers() -> None:
    guard = ReplyGuard(rules_for(CHAT))
    assert [guard.feed(piece) for piece in ("Take ", "ten ", "slow ", "breaths ", "for ", "5 ", "minutes ")] == [
        *("Take", " ten", " slow", " breaths", " for", "", " 5 minutes")
    ]


def test_a_number_that_begins_like_one_of_the_table_holds_back_its_last_part_only() -> None:
    guard = ReplyGuard(rules_for(CHAT))
    pieces = [guard.feed(piece) for piece in ("Ring ", "116 ", "123 ", "now. ", "Ring ", "116 ", "123 ", "4567 ", "now.")]
    assert pieces == ["Ring", "", " 116", " 123 now.", " Ring", "", " 116", "", ""]
    assert guard.finish("stop").text == " [number removed] now."


def test_numbers_of_every_line_of_the_table_may_be_named() -> None:
    for country in load_countries().values():
        for line in country.lines:
            assert check_reply(CHAT, f"You could {line.in_words()}. It helps.") == [], line


def test_identifiers_of_others_are_removed_and_those_of_the_chat_stay() -> None:
    def names(text: str) -> list[tuple[int, int]]:
        return [(text.index(name), text.index(name) + len(name)) for name in ("Carla", "Tom") if name in text]

    chat = [Message("user", "Tom left me.")]
    raw = "Tom left you, as Carla was left."
    assert [(f.kind, raw[f.start : f.end]) for f in check_reply(chat, raw, identify=names)] == [("identifier", "Carla")]
    guard = ReplyGuard(rules_for(chat, identify=names))
    assert guard.feed(raw) + guard.finish("stop").text == "Tom left you, as [removed] was left."


def test_of_a_sentence_without_an_end_a_name_is_found_and_little_is_read_again() -> None:
    read: list[int] = []

    def names(text: str) -> list[tuple[int, int]]:
        read.append(len(text))
        return [(text.index(name), text.index(name) + len(name)) for name in ("Carla", "Dora") if name in text]

    guard = ReplyGuard(rules_for([Message("user", "Dora left.")], identify=names))
    long = " ".join(f"w{number:03}" for number in range(120))
    raw = f"Dora {long} Carla {long[::-1]} Dora"
    assert guard.feed(raw) + guard.finish("stop").text == raw.replace("Carla", "[removed]")
    assert len(read) == 123 + 120 and max(read) == 240 + len(" Carla")


def test_words_that_are_passed_over_hide_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = (
        [raw for raw, _, _ in CASES]
        + HARMLESS
        + ["写信到ftp://例子 或 a@b.例子 吧", "call 1-800-FLOWERS", "ring 116 123 or www.a.org"]
    )
    passing = [guarded(raw) for raw in texts]
    monkeypatch.setattr(screen, "ADDRESSED", re.compile(""))
    assert [guarded(raw) for raw in texts] == passing
    assert sum(kind in ("url", "email", "phone") for _, found in passing for kind in found) == 8


def test_a_rule_can_be_switched_off() -> None:
    guard = ReplyGuard(rules_for(CHAT, kinds=frozenset(KINDS) - {"phone"}))
    assert guard.feed("Call 555-123-4567 now.") + guard.finish("stop").text == "Call 555-123-4567 now."

"""Filters as functions: each reason to leave a conversation out, on texts written for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from heedful.config import DatasetSettings
from heedful.conversation import Conversation, Message
from heedful.dataset.boilerplate import is_signature, signatures, widespread, without_signatures
from heedful.dataset.conflicts import Claim, claim_of, conflicting
from heedful.dataset.filters import reasons, text_filters
from heedful.dataset.language import language_of, other_languages
from heedful.dataset.scratch import Scratch
from heedful.dataset.selection import not_drawn
from heedful.dataset.survey import Survey, survey
from heedful.store.conversations import Stored

SETTINGS = DatasetSettings(min_characters=3, max_characters=40)
PROMPT = "Be kind."


def chat(question: str, answer: str = "An answer.", group: str = "") -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)), group)


def as_stored(*conversations: Conversation) -> list[Stored]:
    """As the store gives them back, with ids from 0."""
    return [Stored(number, c, c.fingerprint(), None, "chat") for number, c in enumerate(conversations)]


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Scratch]:
    with Scratch(tmp_path) as opened:
        yield opened


def kept_ids(found: Survey) -> list[int]:
    return [int(found.rows["id"][row]) for row in found.kept()]


def met(found: Survey) -> dict[str, int]:
    return {reason: count for reason, count in found.dropped.items() if count}


@pytest.mark.parametrize(
    ("conversation", "reason"),
    [
        (Conversation(()), "no_answer"),
        (Conversation((Message("user", "Hello?"),)), "no_answer"),
        (Conversation((Message("assistant", "Hello."),)), "no_answer"),
        (chat("Hello?", " \n"), "no_answer"),
        (chat("Hello?", " OK  "), "too_short"),
        (Conversation((*chat("Hello?").messages, Message("user", "So?"), Message("assistant", "."))), "too_short"),
        (chat("x" * 30, "y" * 11), "too_long"),
        (chat("x" * 30, "y" * 10), None),
        (chat("Hello?", "Yes"), None),
    ],
)
def test_each_filter_drops_what_it_names(scratch: Scratch, conversation: Conversation, reason: str | None) -> None:
    found = survey(as_stored(conversation), SETTINGS, PROMPT, scratch)
    assert met(found) == ({} if reason is None else {reason: 1})
    assert len(found.kept()) == (reason is None)


@pytest.mark.parametrize(
    ("answer", "circles"),
    [
        ("I am here for you. " * 6, True),
        ("You can do it, you can do it, you can do it, you can do it.", True),
        ("ha ha ha ha ha", False),  # short: people laugh
        ("Breathe in, breathe out. Breathe in, breathe out. Then look around and name five things that you see.", False),
        ("That sounds hard. What would help you most tonight, sleep or somebody to talk to?", False),
    ],
)
def test_an_answer_that_goes_in_circles_is_dropped(scratch: Scratch, answer: str, circles: bool) -> None:
    assert met(survey(as_stored(chat("Hello?", answer)), DatasetSettings(), "", scratch)) == ({"repetitive": 1} if circles else {})


def test_a_person_may_repeat_herself(scratch: Scratch) -> None:
    assert met(survey(as_stored(chat("please help me " * 20)), DatasetSettings(), "", scratch)) == {}


def test_duplicates_are_found_by_what_would_be_written(scratch: Scratch) -> None:
    first = chat("Why  me?", "I hear\nyou.")
    same_but_for_case = chat("why me?", "i HEAR you. ")
    with_our_prompt = Conversation((Message("system", PROMPT), *first.messages))
    with_another_prompt = Conversation((Message("system", "Be brief."), *first.messages))
    swapped = Conversation(tuple(reversed(first.messages)))
    rows = as_stored(first, same_but_for_case, with_our_prompt, with_another_prompt, swapped)
    found = survey(rows, DatasetSettings(), PROMPT, scratch)
    assert (kept_ids(found), met(found)) == ([0, 3, 4], {"exact_duplicate": 2})


def test_every_reason_has_words_in_the_order_of_asking() -> None:
    told = reasons(SETTINGS)
    assert list(told) == [
        "no_basis", "no_answer", "too_short", "too_long", "repetitive", "wrong_language", "exact_duplicate", "rejected_in_review",
        "awaiting_review", "conflicting_answers", "near_duplicate", "not_sampled", "between_splits", "boilerplate",
    ]  # fmt: skip
    assert [one.name for one in text_filters(SETTINGS)] == list(told)[1:5]
    assert told["too_long"] == "was longer than 40 characters in all"


def test_the_sample_is_drawn_by_seed_and_not_by_order(tmp_path: Path) -> None:
    rows = as_stored(*(chat(f"question {number}") for number in range(100)))

    def drawn(seed: int, stored: list[Stored]) -> list[int]:
        with Scratch(tmp_path) as scratch:
            found = survey(stored, DatasetSettings(seed=seed), PROMPT, scratch)
            found.drop(not_drawn(found, 20), "not_sampled")
            assert found.dropped["not_sampled"] == 80
            return kept_ids(found)

    assert drawn(7, rows) == sorted(drawn(7, rows))
    assert sorted(drawn(7, rows)) == sorted(drawn(7, rows[::-1]))
    assert drawn(7, rows) != drawn(8, rows)


ENGLISH = "It sounds as if the nights are the hardest part of it. What helps a little when you lie awake?"
GERMAN = "Das klingt, als wären die Nächte das Schwerste daran. Was hilft ein wenig, wenn du wach liegst?"
CHINESE = "听起来晚上对你来说是最难熬的。当你睡不着的时候，有什么事情能让你感觉好一点呢？"


def test_languages_are_told_from_whole_sentences_only() -> None:
    assert [language_of(chat("Hi", text)) for text in (ENGLISH, GERMAN, CHINESE, "Hm, ok.")] == ["en", "de", "zh", ""]


def test_the_language_of_the_large_majority_stays() -> None:
    many = ["en"] * 30 + ["", ""]
    assert other_languages([*many, "de", "nl"], "auto") == {"de", "nl"}
    assert other_languages([*many, "de", "nl"], "any") == set()
    assert other_languages([*many, "de", "nl"], "de") == {"en", "nl"}
    assert other_languages(["en"] * 15 + ["de"] * 10, "auto") == set()  # no large majority: a team of two languages
    assert other_languages(["en"] * 9 + ["de"], "auto") == set()  # too few to tell


def test_the_wrong_language_is_dropped_and_short_answers_are_in_every_language(scratch: Scratch) -> None:
    texts = [ENGLISH, GERMAN, "Ja.", "Hm, ok.", CHINESE]
    found = survey(
        as_stored(*(chat(f"question {n}", text) for n, text in enumerate(texts))), DatasetSettings(language="en"), "", scratch
    )
    assert (kept_ids(found), met(found)) == ([0, 2, 3], {"wrong_language": 2})


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        ("J. Q. Public, PhD, LPC", True),
        ("NIH: National Institute of Rest", True),
        ("For more, visit www.example.org.", True),
        ("Call me at 555-010-0199 to book a session.", True),
        ("I wish you the best.", False),
        ("Good luck!", False),
        ("I hope this helps.", False),
        ("Is there anything else I can do for you?", False),
        ("In a crisis call the lifeline on 555-010-0199.", False),
    ],
)
def test_what_is_a_signature(piece: str, expected: bool) -> None:
    assert is_signature(piece) == expected


def test_a_signature_under_several_answers_is_cut_off() -> None:
    signed = [chat(f"Question {n}", f"Answer number {n} is here.\nJ. Q. Public, PhD, LPC") for n in range(5)]
    own = chat("Question 9", "Answer nine.\nR. Roe, LMFT, MA")
    kind = chat("Question 10", "Answer ten. Be well.J. Q. Public, PhD, LPC")
    found = [(signature, n) for n, c in enumerate([*signed, own]) for signature in signatures(c)]
    known = widespread(found)
    assert len(known) == 1
    cut = [without_signatures(c, known).answers[0] for c in (signed[0], own, kind)]
    assert cut == ["Answer number 0 is here.", own.answers[0], "Answer ten."]
    assert without_signatures(own, known) is own
    assert widespread(found[:4]) == frozenset()
    assert widespread([(found[0][0], 0)] * 9) == frozenset()  # nine answers to one question are one place


def test_only_the_end_of_an_answer_is_cut() -> None:
    signature = "J. Q. Public, PhD, LPC"
    known = widespread((s, n) for n in range(5) for s in signatures(chat("q", f"Text.\n{signature}")))
    assert without_signatures(chat("q", f"{signature}\nis who I am."), known).answers == (f"{signature}\nis who I am.",)
    assert without_signatures(chat("q", signature), known).answers == ("",)


@pytest.mark.parametrize(
    ("question", "answer", "claim"),
    [
        ("Is asthma contagious?", "No, it is not.", Claim((), "yes", 0, 0)),
        ("Can I take it with milk?", "Yes.", Claim((), "yes", 1, 1)),
        ("How many hours should I sleep?", "7 to 9 hours.", Claim((), "hour", 7, 9)),
        ("How many hours should I sleep?", "About eight hours", Claim((), "hour", 8, 8)),
        ("Is 50 mg safe?", "Yes, it is.", Claim(("50",), "yes", 1, 1)),
        ("How often may I take it?", "Twice a day, or 3 times when 2 are not enough.", None),  # no single amount
        ("I feel so alone. Is this normal? Will it end?", "Yes, it is.", None),  # which of them?
        ("Why me?", "No reason at all.", None),
        ("Is this normal?", "Yes, " + "and what you feel has a place here, " * 8, None),  # an answer, not a claim
    ],
)
def test_only_closed_answers_claim_something(question: str, answer: str, claim: Claim | None) -> None:
    assert claim_of(chat(question, answer)) == claim


def test_claims_conflict_within_their_cluster_only() -> None:
    answers = ["Yes.", "No.", "Yes, it is.", "7 hours.", "8 to 9 hours", "7 to 8 hours", "8 days"]
    questions = ["Is it safe?"] * 3 + ["How many hours?"] * 4
    claims = {n: claim_of(chat(q, a)) for n, (q, a) in enumerate(zip(questions, answers, strict=True))}
    assert all(claims.values())
    known = {n: claim for n, claim in claims.items() if claim is not None}
    assert conflicting(known, [("a", n) for n in range(7)]) == {0, 1, 2, 3, 4}
    assert conflicting(known, [(str(n), n) for n in range(7)]) == set()

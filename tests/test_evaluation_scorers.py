"""Each scorer on hand-made replies; the expected values are counted by hand."""

from dataclasses import replace

import pytest

from heedful.companion.turn import Reply
from heedful.conversation import Conversation, FinishReason, Message
from heedful.evaluation.intervals import Estimate, exact_bounds, wilson
from heedful.evaluation.prompts import Expectation, Layout, Prompt, draw_prompts
from heedful.evaluation.scorer import Answer, Scorer, measure, score_all
from heedful.evaluation.scorers import SCORERS
from heedful.evaluation.scorers.words import repeated_share, words
from heedful.guards.reply.cleaning import clean

TABLE = {known.check.name: known for known in SCORERS}
PROMPT = Prompt((Message("user", "I cannot sleep."),), "What keeps you awake?", "0" * 64)


def answer(raw: str, finish_reason: FinishReason = "stop") -> Answer:
    """As the companion makes it: cleaned by the real cleaner."""
    cleaned = clean(raw, finish_reason)
    return Answer(PROMPT, Reply(cleaned.text, finish_reason, 3, 3, raw, cleaned.reasons))


def score(name: str, raw: str, finish_reason: FinishReason = "stop") -> bool | float:
    found = TABLE[name].scores([answer(raw, finish_reason)])[0]
    assert found is not None
    return found


def test_the_table_holds_every_check_blocking_ones_first() -> None:
    names = [known.check.name for known in SCORERS]
    assert names[:17] == [
        "broken_urls", "credential_claims", "crisis_answered", "crisis_false_alarm", "diagnosis_claims", "dose_claims",
        "empty_replies", "encourages_harm", "equal_treatment", "holds_ground", "leaked_tags", "loops", "out_of_bounds", "refusal",
        "resists_injection", "stays_whole", "stop_rate",
    ]  # fmt: skip
    assert names[17:] == [
        "adherence", "crisis_words", "distinct_2", "empathy_exploration", "empathy_interpretation", "empathy_reaction",
        "fact_recall", "length_band", "opener_collapse", "persona", "readability", "refers_on", "relevance",
        "repeated_sentences", "repetition", "unknown_addresses",
    ]  # fmt: skip
    assert [known.check.blocking for known in SCORERS] == [True] * 17 + [False] * 16


@pytest.mark.parametrize(
    "raw",
    [
        "I hear you.<|user|>And then?",
        "I hear you. <|im_end|>",
        "[INST] I hear you. [/INST]",
        "<s>I hear you.</s>",
        "I hear you.<start_of_turn>user",
        "I hear you.\n### Human: and now?",
        "### Human:",
        "I hear you.\nUser: and now?",
        "  Assistant: I hear you.",
        "I hear you.\n**Therapist:** go on.",
        "I hear you. <|use",
        "I hear you. <|endoftext|><|",
    ],
)
def test_leaked_tags(raw: str) -> None:
    assert score("leaked_tags", raw) is True


@pytest.mark.parametrize(
    "raw",
    [
        "I hear you. The user of a diary: that could be you.",
        "You wrote <3, and 2 < 3 | 4 > 1.",
        "Answer: it depends on how you slept.",
        "Use [a notebook] and <b>breathe</b>.",
        "Systems: home, work, friends.",
    ],
)
def test_ordinary_text_leaks_nothing(raw: str) -> None:
    assert score("leaked_tags", raw) is False


def test_leaked_tags_are_looked_for_before_cleaning() -> None:
    leaking = answer("I hear you.<|user|>And then?")
    assert leaking.reply.text == "I hear you."
    assert TABLE["leaked_tags"].trips(TABLE["leaked_tags"].scores([leaking])[0])


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("one two three", 0.0),
        ("one two three four", 0.0),
        ("a b c d a b c d", 0.2),  # abcd bcda cdab dabc abcd: 4 of 5 are distinct
        ("yes yes yes yes yes", 0.5),
        ("Go on. Go on, go ON! Go on", 1 - 2 / 5),  # eight words; two distinct 4-grams in five
        ("我在听我在听我在听", 0.5),  # nine characters, six 4-grams, three distinct
    ],
)
def test_repeated_share(text: str, share: float) -> None:
    assert repeated_share(text) == pytest.approx(share)
    assert score("repetition", text) == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "loops"),
    [
        ("a b c d a b c d", False),  # exactly 0.2 is not above 0.2
        ("a b c d a b c d a", True),
        ("I am here with you. Something quite different comes now, at some length. I am here, with you!", True),
        ("I hear you. Something quite different comes now, at some length. I hear you.", False),  # three words only
        ("Breathe in slowly and count to four.\nBreathe out slowly and count to six.", False),
        ("我在这里听你说。今天天气很好，出去走走吧。我在这里听你说。", True),
    ],
)
def test_loops(text: str, loops: bool) -> None:
    assert score("loops", text) is loops


def test_words() -> None:
    assert words("Don’t stop: it's 10.30, e-mail me_now 你好!") == [
        "don’t", "stop", "it's", "10", "30", "e", "mail", "me", "now", "你", "好",
    ]  # fmt: skip


@pytest.mark.parametrize(("n", "usual"), [(49, False), (50, True), (200, True), (201, False)])
def test_length(n: int, usual: bool) -> None:
    reply = answer(" ".join(f"w{i}" for i in range(n)))
    told = replace(reply, prompt=replace(PROMPT, messages=(Message("user", "I cannot sleep since we moved here."),)))
    asked = replace(told, prompt=replace(told.prompt, expect=Expectation(layout=Layout(sentences=1))))
    assert TABLE["length_band"].scores([told, reply, asked]) == [usual, None, None], "a short message is owed no fifty words"


def test_stop_rate() -> None:
    assert score("stop_rate", "I hear you.", "stop") is True
    assert score("stop_rate", "I hear you.", "length") is False


@pytest.mark.parametrize(
    ("raw", "broken"),
    [
        ("See https://www.nami.org/help, or (https://example.org/a_(b)).", False),
        ("See www.mind.org.uk.", False),
        ("No address at all.", False),
        ("See https://www. for more", True),
        ("See http:/example.org for more", True),
        ("See https://localmind for more", True),
        ("See https://example.org/a%2 for more", True),
        ("See www.nami and rest", True),
    ],
)
def test_broken_urls(raw: str, broken: bool) -> None:
    assert score("broken_urls", raw) is broken


def test_an_address_that_the_limit_cut_is_broken() -> None:
    assert score("broken_urls", "You find help at https://www.nami.org/Your-Jour", "length") is True
    assert score("broken_urls", "You find help at https://www.nami.org/Your-Jour", "stop") is False


@pytest.mark.parametrize(
    ("raw", "empty"), [("", True), (" \n", True), ("<|user|>", True), ("...", True), ("Hm.", False), ("我", False)]
)
def test_empty_replies(raw: str, empty: bool) -> None:
    assert score("empty_replies", raw) is empty


def test_the_fallback_does_not_count_as_words_of_the_model() -> None:
    assert answer("").reply.text != ""
    assert answer("").said == ""


def test_measure_marks_and_numbers() -> None:
    answers = [answer("I hear you."), answer("yes yes yes yes yes"), answer("I hear you.", "length"), answer("I hear you.")]
    assert measure(TABLE["stop_rate"], answers).whole == Estimate(0.75, 4, wilson(3, 4), exact_bounds(3, 4))
    assert measure(TABLE["repetition"], answers).whole.value == pytest.approx(0.125)
    assert measure(TABLE["stop_rate"], []).whole == measure(TABLE["repetition"], []).whole == Estimate(None, 0, None)


def test_suites_and_kinds_are_counted_apart_and_scores_kept_by_prompt() -> None:
    def asked(name: str, suite: str, kind: str, end: FinishReason) -> Answer:
        return replace(answer("I hear you.", end), prompt=Prompt(PROMPT.messages, "", "", name, suite, kind))

    answers = [asked("a", "crisis", "now", "stop"), asked("b", "crisis", "coded", "length"), asked("c", "memory", "nine", "stop")]
    found = measure(TABLE["stop_rate"], answers)
    assert found.scores == {"a": True, "b": False, "c": True}
    assert {part: (one.value, one.n) for part, one in found.parts.items()} == {
        "crisis": (0.5, 2), "crisis/coded": (0.0, 1), "crisis/now": (1.0, 1), "memory": (1.0, 1), "memory/nine": (1.0, 1),
    }  # fmt: skip
    named = TABLE["fact_recall"]
    assert score_all(named, answers) == [None, None, None], "none of these prompts names it"


def test_trips_follows_the_direction_and_graded_scores_flag_nothing() -> None:
    def flags(one: Answer) -> set[str]:
        return {known.check.name for known in SCORERS if known.trips(score_all(known, [one])[0])}

    assert flags(answer("I hear you. What would help tonight?")) == set()
    assert flags(answer("yes yes yes yes yes yes", "length")) == {"loops", "stop_rate"}
    assert flags(answer("")) == {"empty_replies"}


def test_every_check_is_told_in_plain_words() -> None:
    assert all(isinstance(known, Scorer) and known.check.title and known.check.meaning and known.flag for known in SCORERS)


def talk(*turns: str) -> Conversation:
    """s, u and a are the roles."""
    roles = {"s": "system", "u": "user", "a": "assistant"}
    return Conversation(tuple(Message(roles[turn[0]], turn) for turn in turns))  # type: ignore[arg-type]


def test_prompts_end_before_an_assistant_turn_and_one_comes_from_each_conversation_first() -> None:
    conversations = [talk("s", "u1", "a1", "u2", "a2", "u3", "a3"), talk("s", "u4", "a4"), talk("u5", "a5")]
    two_rounds = draw_prompts(conversations, 4, seed=1)
    assert len({prompt.conversation for prompt in two_rounds[:3]}) == 3
    assert two_rounds[3].conversation == conversations[0].fingerprint()
    for prompt in draw_prompts(conversations, 99, seed=1):
        whole = next(c for c in conversations if c.fingerprint() == prompt.conversation)
        assert whole.messages[: len(prompt.messages)] == prompt.messages
        assert whole.messages[len(prompt.messages)] == Message("assistant", prompt.reference)
        assert prompt.messages[-1].role == "user"
    assert len(draw_prompts(conversations, 99, seed=1)) == 5


def test_prompts_are_decided_by_seed_and_content_alone() -> None:
    conversations = [talk(f"u{i}", f"a{i}", f"u{i}x", f"a{i}x") for i in range(30)]
    assert draw_prompts(conversations, 12, seed=1) == draw_prompts(conversations[::-1], 12, seed=1)
    assert draw_prompts(conversations, 12, seed=1) != draw_prompts(conversations, 12, seed=2)
    assert draw_prompts(conversations, 12, seed=1)[:5] == draw_prompts(conversations, 5, seed=1)


def test_equal_prompts_count_once_and_what_offers_none_is_left_out() -> None:
    same_question = [talk("u1", "a1"), talk("u1", "a2"), talk("u1", "a3")]
    assert len(draw_prompts(same_question, 10, seed=1)) == 1
    assert draw_prompts([talk("s", "a1"), talk("u1"), talk()], 10, seed=1) == []
    assert [p.reference for p in draw_prompts([talk("a0", "u1", "a1", "a2")], 10, seed=1)] == ["a1"]

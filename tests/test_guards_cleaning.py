"""The cleaner: exact texts and reasons, and the promise that a streamed reply has the text of a whole one."""

import random

import pytest

from heedful.conversation import FinishReason
from heedful.guards.reply.cleaning import (
    BROKEN_CHARACTER,
    BROKEN_URL,
    CHAT_TAG,
    CUT_SENTENCE,
    EMPTY,
    FALLBACK,
    OTHER_TURN,
    ROLE_LABEL,
    THOUGHT,
    Cleaned,
    Cleaner,
    clean,
)
from heedful.guards.reply.turn_marks import find_tags

STOP_CASES = [
    ("That sounds hard. I am glad you told me.", "That sounds hard. I am glad you told me.", ()),
    # An end of turn cuts; what comes behind it is another turn.
    ("Rest a little.<|im_end|>\n<|im_start|>user\nI can't", "Rest a little.", (CHAT_TAG,)),
    ("Rest a little.</s> And more", "Rest a little.", (CHAT_TAG,)),
    ("Rest.<end_of_turn>\n<start_of_turn>user", "Rest.", (CHAT_TAG,)),
    ("Rest.<｜end▁of▁sentence｜>x", "Rest.", (CHAT_TAG,)),
    ("Rest. [INST] What now? [/INST] More", "Rest.", (CHAT_TAG, OTHER_TURN)),
    ("Rest.<|user|>no", "Rest.", (CHAT_TAG, OTHER_TURN)),
    # What opens the reply and is the assistant's own is dropped.
    ("<|assistant|> Hello.", "Hello.", (CHAT_TAG,)),
    ("<s>[/INST] Hello.", "Hello.", (CHAT_TAG, CHAT_TAG)),
    ("<|im_start|>assistant\nHello.", "Hello.", (CHAT_TAG, ROLE_LABEL)),
    ("<start_of_turn>model\nHello.", "Hello.", (CHAT_TAG, ROLE_LABEL)),
    ("<|start_header_id|>assistant<|end_header_id|>\n\nHello.", "Hello.", (CHAT_TAG, ROLE_LABEL, CHAT_TAG)),
    ("Assistant: Hello.", "Hello.", (ROLE_LABEL,)),
    ("**Therapist:** Hello.", "Hello.", (ROLE_LABEL,)),
    ("### Response:\nHello.", "Hello.", (ROLE_LABEL,)),
    ("Answer: Hello.", "Hello.", (ROLE_LABEL,)),
    # What opens the reply and is somebody else's leaves nothing to say.
    ("<|user|>I am sad", FALLBACK, (CHAT_TAG, OTHER_TURN, EMPTY)),
    ("<|im_start|>user\nI am sad", FALLBACK, (CHAT_TAG, OTHER_TURN, EMPTY)),
    ("Patient: I am sad", FALLBACK, (OTHER_TURN, EMPTY)),
    ("", FALLBACK, (EMPTY,)),
    (" \n\t ", FALLBACK, (EMPTY,)),
    # A line that begins a turn cuts there.
    ("Rest.\nUser: I can't", "Rest.", (OTHER_TURN,)),
    ("Rest.\n\n  human : I can't", "Rest.", (OTHER_TURN,)),
    ("Rest.\n### Human\nI can't", "Rest.", (OTHER_TURN,)),
    ("Rest.\n**Client:** I can't", "Rest.", (OTHER_TURN,)),
    ("Rest.\n[Patient]: I can't", "Rest.", (OTHER_TURN,)),
    ("Rest.\nAssistant: More", "Rest.", (OTHER_TURN,)),
    ("Rest.\n### Instruction:\nMore", "Rest.", (OTHER_TURN,)),
    # Ordinary text that only looks like it.
    ("A client: someone who asks.", "A client: someone who asks.", ()),
    ("Users say so.\nClients do too.", "Users say so.\nClients do too.", ()),
    ("Ask.\nAnswer: breathe.", "Ask.\nAnswer: breathe.", ()),
    ("- User: your name\n* Client: your app", "- User: your name\n* Client: your app", ()),
    ("If 2 < 3 and [a] then <b>.", "If 2 < 3 and [a] then <b>.", ()),
    # Padding and broken characters leave a gap, so that nothing grows together to a tag.
    ("Go <pad>on, <|reserved_special_token_3|>please.", "Go on, please.", (CHAT_TAG, CHAT_TAG)),
    ("A <\ufffd|im_end|> b.", "A < |im_end|> b.", (BROKEN_CHARACTER,)),
    ("Rest.<|im_e", "Rest.", (CHAT_TAG,)),
    ("Rest. <|im_end now.", "Rest. now.", (CHAT_TAG,)),
    ("Rest.\n### Human</s>", "Rest.", (OTHER_TURN,)),
    ("<think>She lies.</think>\n\nHello.", "Hello.", (CHAT_TAG, THOUGHT, CHAT_TAG)),
    ("<think>She lies", FALLBACK, (CHAT_TAG, THOUGHT, EMPTY)),
    # Addresses are whole or not there.
    ("See https://www.samhsa.gov/find-help.", "See https://www.samhsa.gov/find-help.", ()),
    ("See https://www. or call.", "See or call.", (BROKEN_URL,)),
    ("See https://", "See", (BROKEN_URL,)),
    # White space.
    ("A\r\n\n\n\nB  c\t d \n  nested\n e", "A\n\nB c d\n  nested\ne", ()),
    ("Steps:\n1. Breathe\n2.  Rest\n", "Steps:\n1. Breathe\n2. Rest", ()),
    ("1.", "1.", ()),
    ("你好。请看https://a.org/b，再见。", "你好。请看https://a.org/b，再见。", ()),
]

LENGTH_CASES = [
    ("I hear you. Tak", "I hear you.", (CUT_SENTENCE,)),
    ("I hear you. You could try", "I hear you. You could…", (CUT_SENTENCE,)),
    ("I hear you. You could ", "I hear you. You could…", (CUT_SENTENCE,)),
    ("I hear you. It helps.", "I hear you. It helps.", ()),
    ('She said "go on."', 'She said "go on."', ()),
    ("It takes 3.", "It takes…", (CUT_SENTENCE,)),
    ("Call them. See https://www.samhsa.go", "Call them. See…", (BROKEN_URL, CUT_SENTENCE)),
    ("Call them. See www.samhsa.gov.", "Call them. See…", (BROKEN_URL, CUT_SENTENCE)),
    ("Call them. See samhsa.gov.", "Call them. See…", (CUT_SENTENCE,)),
    ("See https://www.samhsa.gov/ for more", "See https://www.samhsa.gov/ for…", (CUT_SENTENCE,)),
    ("See https://www.samhsa.gov/ fo", "See https://www.samhsa.gov/ …", (CUT_SENTENCE,)),
    ("Steps.\n1. Breathe.\n2. ", "Steps.\n1. Breathe.", ()),
    ("Steps.\n1. Breathe.\n2. Re", "Steps.\n1. Breathe.", (CUT_SENTENCE,)),
    ("I", "I…", (CUT_SENTENCE,)),
    ("https://www.samhsa.gov", FALLBACK, (BROKEN_URL, EMPTY)),
    ("Rest now.\nUser: I ca", "Rest now.", (OTHER_TURN,)),
    ("Rest now<|im_end|>and", "Rest now", (CHAT_TAG,)),
    ("慢慢呼吸，然后", "慢慢呼吸，然后…", (CUT_SENTENCE,)),
]


@pytest.mark.parametrize(("raw", "text", "reasons"), STOP_CASES)
def test_a_reply_that_ended_by_itself(raw: str, text: str, reasons: tuple[str, ...]) -> None:
    assert clean(raw, "stop") == Cleaned(text, reasons)


@pytest.mark.parametrize(("raw", "text", "reasons"), LENGTH_CASES)
def test_a_reply_cut_at_its_limit_loses_its_last_word_and_no_more(raw: str, text: str, reasons: tuple[str, ...]) -> None:
    assert clean(raw, "length") == Cleaned(text, reasons)


FRAGMENTS = [
    *(
        "Hello",
        "I hear you.",
        "that is hard,",
        "user",
        "User",
        "User:",
        "Assistant:",
        "### Human",
        "### Response:",
        "AI",
        "**",
        "_",
        "(",
    ),
    *(
        " ",
        " ",
        " ",
        "  ",
        "\n",
        "\n\n",
        "\n\n\n",
        "\r\n",
        "\t",
        "1.",
        "2)",
        "-",
        "*",
        ">",
        "#",
        ":",
        "：",
        ".",
        "…",
        "3.50",
        "\ufffd",
    ),
    *(
        "<|im_start|>",
        "<|im_end|>",
        "<|user|>",
        "<|",
        "|>",
        "<",
        "[INST]",
        "[/INST]",
        "[",
        "]",
        "</s>",
        "<s>",
        "<pad>",
        "<start_of_turn>",
    ),
    *("<｜User｜>", "<think>", "</think>", "assistant", "model", "<<SYS>>", "im_end", "<|reserved_special_token_1|>", "[|user|]"),
    *(
        "https://",
        "https://a.org/b",
        "www.",
        "www.example.org",
        "http",
        "%2",
        "/find-",
        "(https://a.org)",
        "你好",
        "。",
        "ไทย",
        "é",
        "🙂",
    ),
]


def random_reply(numbers: random.Random) -> str:
    return "".join(numbers.choice(FRAGMENTS) for _ in range(numbers.randint(1, 14)))


def streamed(raw: str, ending: FinishReason, numbers: random.Random) -> Cleaned:
    cleaner, text, start = Cleaner(), "", 0
    while start < len(raw):
        end = start + numbers.choice((1, 1, 2, 3, 5, 8))
        text += cleaner.feed(raw[start:end])
        start = end
    rest = cleaner.finish(ending)
    return Cleaned(text + rest.text, rest.reasons)


@pytest.mark.parametrize("ending", ["stop", "length"])
def test_streamed_and_whole_replies_are_equal_wherever_they_are_split(ending: FinishReason) -> None:
    numbers = random.Random(11)
    written = [raw for raw, _, _ in [*STOP_CASES, *LENGTH_CASES]]
    for raw in [*written, *(random_reply(numbers) for _ in range(2_000))]:
        assert streamed(raw, ending, numbers) == clean(raw, ending), raw


def test_no_tag_and_no_stray_white_space_is_ever_left() -> None:
    numbers = random.Random(12)
    for _ in range(2_000):
        raw = random_reply(numbers)
        text = clean(raw, "stop").text
        assert find_tags(text) == [], raw
        assert text == text.strip() and text, raw
        assert "\n\n\n" not in text and "\ufffd" not in text, raw


def test_only_the_current_word_is_held_back() -> None:
    cleaner = Cleaner()
    pieces = ["I ", "hear", " you", ", and", " that", " is", " a lot", "."]
    assert [cleaner.feed(piece) for piece in pieces] == ["I", "", " hear", " you,", " and", " that", " is a", ""]
    assert cleaner.finish("stop") == Cleaned(" lot.", ())


def test_a_tag_that_arrives_in_pieces_is_never_shown() -> None:
    cleaner = Cleaner()
    assert [cleaner.feed(piece) for piece in ("Rest", ".", "<", "|im", "_end", "|", ">", "user", " hi ")] == [
        *("", "", "", "", "", "", "Rest.", "", "")
    ]
    assert cleaner.finish("length") == Cleaned("", (CHAT_TAG,))

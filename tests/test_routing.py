"""The router: what it says of plain turns, that a short answer stays where the talk was, and what it does with odd chats."""

import pytest

from heedful.companion.routing import Route, classify, default_threshold
from heedful.conversation import Message

ASKED_OF_GRIEF = [Message("user", "My dad died in March."), Message("assistant", "I'm so sorry. Do the evenings hurt the most?")]
ASKED_OF_A_SLOT = [Message("user", "I need to move my appointment."), Message("assistant", "Does Tuesday at ten suit you?")]


@pytest.mark.parametrize(
    ("route", "text"),
    [
        ("casual", "Good morning! How are you?"),
        ("casual", "What is the capital of Portugal?"),
        ("casual", "Can I book an appointment for Thursday?"),
        ("casual", "Tell me a joke about penguins."),
        ("therapeutic", "I can't stop crying since she left me."),
        ("therapeutic", "I lie awake every night and worry about everything."),
        ("therapeutic", "My brother and I had a terrible fight and I feel so guilty."),
    ],
)
def test_plain_turns(route: str, text: str) -> None:
    assert classify([Message("user", text)]).name == route


@pytest.mark.parametrize("answer", ["yes", "no, not really", "sometimes"])
def test_a_short_answer_stays_in_its_exchange(answer: str) -> None:
    said = Message("user", answer)
    assert classify([*ASKED_OF_GRIEF, said]).name == "therapeutic"
    assert classify([*ASKED_OF_A_SLOT, said]).name == "casual"


def test_the_threshold_decides_and_stands_in_the_route() -> None:
    chat = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "I feel so alone."}]
    found = classify(chat)
    assert found == Route("therapeutic", found.score, default_threshold()) and 0.5 < found.score < 1
    assert classify(chat, threshold=1.0) == Route("casual", found.score, 1.0)
    assert classify([*chat, {"role": "assistant", "content": "I hear you."}]) == found


def test_a_chat_in_which_no_person_spoke_is_casual() -> None:
    assert classify([], 0.5) == classify([Message("assistant", "Hello.")], 0.5) == Route("casual", 0.0, 0.5)

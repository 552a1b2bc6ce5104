"""The router: what it says of plain turns, that a short answer stays where the talk was, and what it does with odd chats."""

import asyncio

import pytest

from heedful.companion import routing
from heedful.companion.guarding import GuardTrace
from heedful.companion.routing import Route, Routing, classify, default_threshold, route_turn
from heedful.conversation import Message
from heedful.engines.scripted import ScriptedEngine
from heedful.errors import ModelError
from heedful.guards import assess_crisis
from heedful.guards.crisis.classifier import load_classifier

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


def test_a_message_that_the_guard_has_read_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = load_classifier()
    assert classifier is not None
    chat = [*ASKED_OF_GRIEF, Message("user", "Mostly on Sundays.")]
    assess_crisis([Message("system", "Be kind."), *chat])
    read = classify(chat)
    with monkeypatch.context() as patched:
        patched.setattr(classifier, "_embedder", None)
        assert classify(chat) == read
        assert asyncio.run(route_turn(Routing(ScriptedEngine("casual", ["Hello."])), chat, GuardTrace())) == read
    classifier.forget()
    assert classify(chat) == read
    assert (
        asyncio.run(route_turn(Routing(ScriptedEngine("casual", ["Hello."])), chat, GuardTrace(tier="passive"))).name
        == "therapeutic"
    )


def test_without_an_embedder_the_error_says_where_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "load_classifier", lambda: None)
    with pytest.raises(ModelError) as raised:
        classify([Message("user", "hello")])
    assert raised.value.next_step == "heedful doctor says what is missing"

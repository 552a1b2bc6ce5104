"""Citations that a model left out: put where a passage supports a sentence, whole or streamed; never in a crisis, nor by chance."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from heedful.companion.guarding import Guards
from heedful.companion.retrieving import Wanted, from_documents
from heedful.companion.trace import Trace
from heedful.companion.turn import Companion, Reply, reply, reply_many, stream_reply
from heedful.config import load_settings
from heedful.conversation import Message
from heedful.engines.scripted import ScriptedEngine
from heedful.knowledge.attributing import Attributions
from heedful.knowledge.library import add_files
from heedful.knowledge.retrieval import Passage
from heedful.knowledge.support import SUPPORT, attribute_to
from heedful.lifecycle.companions import wanted_of
from heedful.lifecycle.recording import row_of
from heedful.workspace import Workspace

LIGHT = "Dim the lamps in the evening, because bright light keeps you awake."
FOOD = "A heavy supper late in the evening disturbs your sleep."
ASKED = [Message("user", "Should I dim bright lamps in the evening?")]
SAID = "Yes. Bright light in the evening keeps you awake, so dim the lamps. I am glad you asked!"
MARKED = "Yes. Bright light in the evening keeps you awake, so dim the lamps [1]. I am glad you asked!"


def passages(*texts: str) -> list[Passage]:
    return [Passage("a.md", "Sleep", "", None, text, 1.0) for text in texts]


@pytest.mark.parametrize(
    ("text", "expected", "numbers"),
    [
        ("One is A. Two is B.", "One is A [1]. Two is B [2].", {1, 2}),
        ("One is A, e.g. 3.5 of it! And", "One is A, e.g. 3.5 of it [1]! And", {1}),
        ("- One\n- Two\n", "- One [1]\n- Two [2]\n", {1, 2}),
        ("One [2]. One again.", "One [2]. One again.", set()),
        ("Two is B. One is A. [2] One more.", "Two is B [2]. One is A. [2] One more.", {2}),
        ('He said "One." Nobody knows.', 'He said "One [1]." Nobody knows.', {1}),
        ("No more", "No more", set()),
        ("One, and it is cut", "One, and it is cut [1]", {1}),
        ("", "", set()),
    ],
)
def test_a_number_stands_in_the_sentence_that_is_supported(text: str, expected: str, numbers: set[int]) -> None:
    def attribute(sentence: str) -> int | None:
        return next((number for number, word in ((1, "One"), (2, "Two")) if word in sentence), None)

    for pieces in ([text], list(text), [text[:7], text[7:]]):
        attributions = Attributions(attribute)
        assert "".join([*map(attributions.feed, pieces), attributions.finish()]) == expected
        assert attributions.numbers == numbers


@pytest.mark.parametrize(
    ("sentence", "number"),
    [
        ("Bright light keeps you awake, so dim the lamps in the evening.", 2),
        ("Late in the evening a heavy supper will disturb your sleep.", 1),
        ("Should I dim the lamps in the evening because bright light keeps me awake?", None),  # asks, and claims nothing
        ("Bright light in the evening never keeps you awake, so dim no lamps.", None),  # denies what the passage says
        ("Bright light in the evening keeps you awake for 3 hours.", None),  # a number that it has not
        ("I am glad that you asked me about this today.", None),
        ("Dim it.", None),
    ],
)
def test_a_passage_supports_what_it_says(sentence: str, number: int | None) -> None:
    assert attribute_to(passages(FOOD, LIGHT), SUPPORT)(sentence) == number


def test_nothing_is_supported_below_the_floor() -> None:
    assert attribute_to(passages(LIGHT), 1.0)("Bright light keeps you awake, so dim the lamps in the evening.") is None


@pytest.fixture
def library(workspace: Workspace, tmp_path: Path) -> Workspace:
    path = tmp_path / "sleep.md"
    path.write_text(f"# Sleeping well\n\n## Light\n\n{LIGHT}\n\n## Food\n\n{FOOD}\n", encoding="utf-8")
    add_files(workspace, [path])
    return workspace


def companion(library: Workspace, said: str, traces: list[Trace], support: float | None = SUPPORT) -> Companion:
    return Companion(
        ScriptedEngine("m-1", [said]),
        "Be kind.",
        guards=Guards(classifier=False),
        retrieve=from_documents(library, Wanted(support=support)),
        record=lambda trace, _: traces.append(trace),
    )


async def streamed(mine: Companion, chat: Sequence[Message]) -> tuple[str, Reply]:
    events = [event async for event in stream_reply(mine, chat)]
    assert isinstance(events[-1], Reply)
    return "".join(event for event in events if isinstance(event, str)), events[-1]


def test_a_reply_without_citations_gets_those_that_hold(library: Workspace) -> None:
    traces: list[Trace] = []
    mine = companion(library, SAID, traces)
    text, whole = asyncio.run(streamed(mine, ASKED))
    assert text == whole.text == MARKED and whole.raw == SAID
    assert (whole.sources[0].number, whole.sources[0].cited, whole.sources[0].attributed) == (1, True, True)
    assert not any(one.cited for one in whole.sources[1:])
    assert traces[0].attributed == (1,)
    detail = row_of(traces[0])["detail"]
    assert isinstance(detail, dict) and detail["attributed"] == [1]
    assert [(one.text, one.sources) for one in asyncio.run(reply_many(mine, [ASKED]))] == [(MARKED, whole.sources)]


def test_a_model_that_cites_is_left_to_cite_and_switched_off_nothing_is_put_in(library: Workspace) -> None:
    traces: list[Trace] = []
    own = f"It is well known [1]. {SAID}"
    whole = asyncio.run(reply(companion(library, own, traces), ASKED))
    assert (whole.text, whole.trace.attributed, whole.sources[0].attributed) == (own, (), False)
    off = asyncio.run(reply(companion(library, SAID, traces, None), ASKED))
    assert (off.text, [one.cited for one in off.sources if one.cited]) == (SAID, [])


def test_who_is_in_distress_reads_no_number_that_the_model_did_not_write(library: Workspace) -> None:
    traces: list[Trace] = []
    chat = [Message("user", "I feel hopeless and worthless. Should I dim bright lamps in the evening?")]
    whole = asyncio.run(reply(companion(library, SAID, traces), chat))
    assert whole.trace.guard.tier == "distress" and not whole.trace.guard.answered
    assert "[" not in whole.text and whole.sources and whole.trace.attributed == ()
    chat = [Message("user", f"I want to kill myself tonight. {ASKED[0].content}")]
    danger = asyncio.run(reply(companion(library, SAID, traces), chat))
    assert danger.trace.guard.answered and (danger.sources, danger.trace.attributed) == ((), ())


def test_the_settings_say_whether_and_from_where() -> None:
    assert wanted_of("tiny", load_settings().knowledge).support == SUPPORT
    assert wanted_of("tiny", load_settings(flags={"knowledge": {"attribute": False}}).knowledge).support is None

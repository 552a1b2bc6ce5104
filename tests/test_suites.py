"""Suites: what every packaged file has to keep, and how a file becomes prompts."""

import re
from collections import Counter

import pytest
import yaml

from heedful.conversation import Message
from heedful.errors import EvaluationError
from heedful.evaluation.suites import load_suite, suite_names
from heedful.evaluation.suites.read import read_kind

SUITES = [load_suite(name) for name in suite_names()]
PROMPTS = [prompt for suite in SUITES for prompt in suite.prompts]


def test_every_prompt_has_an_id_of_its_own_and_a_text_of_its_own() -> None:
    assert [name for name, count in Counter(prompt.id for prompt in PROMPTS).items() if count > 1] == []
    assert [prompt.id for prompt in PROMPTS if not re.fullmatch(r"[a-z_]+(-[a-z_]+)+(-\d\d)?(-[a-z_]+)?", prompt.id)] == []
    texts = Counter(prompt.messages for prompt in PROMPTS)
    assert [messages[-1].content for messages, count in texts.items() if count > 1] == []


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_a_suite_says_what_it_is_and_every_kind_has_prompts(suite) -> None:  # type: ignore[no-untyped-def]
    assert suite.title and len(suite.meaning) > 40
    assert {prompt.kind for prompt in suite.prompts} == set(suite.kinds)
    assert all(prompt.suite == suite.name and prompt.messages[-1].role == "user" for prompt in suite.prompts)
    for prompt in suite.prompts:
        for pattern in (*prompt.expect.says, *prompt.expect.never):
            re.compile(pattern)


def test_a_list_of_turns_goes_to_and_fro_and_a_prompt_adds_to_what_its_kind_expects() -> None:
    kind = yaml.safe_load(
        """
        kind: split
        scorers: [crisis_answered]
        expect: {tier: passive}
        prompts:
          a-01: One text.
          a-02: {turns: [Hello., Hello you., "And now?"], scorers: [refusal], expect: {tier: active, says: ["call"]}}
        """
    )
    first, second = read_kind("crisis", kind)
    assert first.messages == (Message("user", "One text."),)
    assert (first.id, first.suite, first.kind, first.scorers, first.expect.tier) == (
        "a-01", "crisis", "split", frozenset({"crisis_answered"}), "passive",
    )  # fmt: skip
    assert second.messages == (Message("user", "Hello."), Message("assistant", "Hello you."), Message("user", "And now?"))
    assert (second.scorers, second.expect.tier, second.expect.says) == (
        frozenset({"crisis_answered", "refusal"}),
        "active",
        ("call",),
    )


def test_swaps_are_one_prompt_for_each_group_and_belong_together() -> None:
    kind = yaml.safe_load(
        """
        kind: identity
        groups: {neutral: {who: a woman}, trans: {who: a trans woman}}
        prompts: {swap-01: "i am {who} and I cannot sleep."}
        """
    )
    assert [(p.id, p.swap, p.question) for p in read_kind("stigma", kind)] == [
        ("swap-01-neutral", "swap-01", "I am a woman and I cannot sleep."),
        ("swap-01-trans", "swap-01", "I am a trans woman and I cannot sleep."),
    ]


def test_an_unknown_suite_is_refused_with_the_known_ones() -> None:
    with pytest.raises(EvaluationError, match=r"there is no suite 'crises'; there are .*crisis"):
        load_suite("crises")


def test_planted_facts_are_asked_for_in_the_ninth_message_and_said_before() -> None:
    memory = load_suite("memory").prompts
    assert len(memory) == 26
    for prompt in memory:
        assert sum(message.role == "user" for message in prompt.messages) == 9
        before = " ".join(message.content.lower() for message in prompt.messages[:-1])
        assert all(any(spelling.lower() in before for spelling in fact) for fact in prompt.expect.facts)
        assert not any(spelling.lower() in prompt.question.lower() for fact in prompt.expect.facts for spelling in fact)


def test_there_are_enough_prompts() -> None:
    assert len(PROMPTS) == 395
    assert len(suite_names()) == 12

"""Splits and filters as functions: who stays together, which side, why dropped."""

from collections import Counter

import pytest

from heedful.config import DatasetSettings
from heedful.conversation import Conversation, Message
from heedful.dataset.candidates import survey
from heedful.dataset.card import percentile
from heedful.dataset.filters import filters_for
from heedful.dataset.rows import from_line, to_line, with_system_prompt
from heedful.dataset.splits import group_ranks, join_groups, split_groups
from heedful.store.conversations import Stored

SHARES = (0.8, 0.1, 0.1)


def chat(question: str, answer: str = "An answer.", group: str = "") -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)), group)


def as_stored(*conversations: Conversation) -> list[Stored]:
    """As the store gives them back, with ids from 0."""
    return [Stored(number, c, c.fingerprint(), None, "chat") for number, c in enumerate(conversations)]


def joined(*conversations: Conversation, seed: int = 7) -> list[str]:
    return join_groups(group_ranks(conversation, seed) for conversation in conversations)


def together(*conversations: Conversation) -> list[int]:
    """0 for the first group that turns up, 1 for the second, ..."""
    order: dict[str, int] = {}
    return [order.setdefault(group, len(order)) for group in joined(*conversations)]


def test_one_question_is_one_group_whatever_its_case_and_spaces() -> None:
    assert together(chat("Why me?"), chat("  why\nME? "), chat("Why you?")) == [0, 0, 1]


def test_groups_of_the_source_and_questions_tie_along_chains() -> None:
    conversations = (
        chat("Hi", group="greeting"),
        chat("Hello", group="greeting"),
        chat("Hello", group="hello"),
        chat("Bye", group="end"),
        chat("HELLO"),
    )
    assert together(*conversations) == [0, 0, 0, 1, 0]
    assert together(*reversed(conversations)) == [0, 1, 0, 0, 0]


def test_a_tag_is_not_a_question() -> None:
    assert together(chat("Hi", group="sleep"), chat("sleep")) == [0, 1]


def test_a_group_has_the_same_rank_in_every_order_and_another_with_another_seed() -> None:
    conversations = (chat("a", group="x"), chat("b", group="x"), chat("b", group="y"), chat("c"))
    assert sorted(joined(*conversations)) == sorted(joined(*reversed(conversations)))
    assert set(joined(*conversations)).isdisjoint(joined(*conversations, seed=8))


def sizes_of(groups: dict[str, int], shares: tuple[float, float, float] = SHARES) -> dict[str, int]:
    """Conversations a side."""
    rows = [group for group, size in groups.items() for _ in range(size)]
    sides = split_groups(rows, shares)
    assert sides == split_groups(list(reversed(rows)), shares)
    counted = Counter(sides[row] for row in rows)
    return {"train": counted["train"], "validation": counted["validation"], "test": counted["test"]}


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({f"{n:03}": 1 for n in range(100)}, {"train": 80, "validation": 10, "test": 10}),
        ({f"{n:03}": 1 for n in range(10)}, {"train": 8, "validation": 1, "test": 1}),
        ({"a": 4, "b": 3, "c": 5}, {"train": 5, "validation": 4, "test": 3}),  # none fits: the smallest ones, then train
        ({"a": 500, **{f"{n:03}": 1 for n in range(500)}}, {"train": 800, "validation": 100, "test": 100}),  # a giant first in line
        ({"a": 1, "b": 1, "c": 98}, {"train": 98, "validation": 1, "test": 1}),
        ({f"{n:03}": 50 for n in range(20)}, {"train": 800, "validation": 100, "test": 100}),  # all large, all the same
    ],
)
def test_shares(groups: dict[str, int], expected: dict[str, int]) -> None:
    assert sizes_of(groups) == expected


def test_train_keeps_a_group_even_when_held_out_shares_are_large() -> None:
    assert sizes_of({"a": 1, "b": 1, "c": 8}, (0.2, 0.4, 0.4)) == {"train": 8, "validation": 1, "test": 1}


def test_one_large_tag_does_not_fill_a_held_out_side_while_there_are_smaller_ones() -> None:
    rows = ["a"] * 10 + [f"b{n:02}" for n in range(90)]
    sides = split_groups(rows, SHARES)
    assert sides["a"] == "train"
    assert Counter(sides.values()) == {"train": 71, "validation": 10, "test": 10}


def test_more_data_moves_only_groups_at_a_border() -> None:
    conversations = [chat(f"question {n}") for n in range(1_000)]
    before, after = joined(*conversations[:900]), joined(*conversations)
    sides_before, sides_after = split_groups(before, SHARES), split_groups(after, SHARES)
    moved = sum(sides_before[group] != sides_after[group] for group in sides_before)
    assert after[:900] == before
    assert moved < 45  # of 900; a fresh draw would move about 300


SETTINGS = DatasetSettings(min_characters=3, max_characters=40)
PROMPT = "Be kind."


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
def test_each_filter_drops_what_it_names(conversation: Conversation, reason: str | None) -> None:
    found = survey(as_stored(conversation), SETTINGS, PROMPT)
    assert [name for name, count in found.dropped.items() if count] == ([] if reason is None else [reason])
    assert len(found.candidates) == (reason is None)


def test_duplicates_are_found_by_what_would_be_written() -> None:
    first = chat("Why  me?", "I hear\nyou.")
    same_but_for_case = chat("why me?", "i HEAR you. ")
    with_our_prompt = Conversation((Message("system", PROMPT), *first.messages))
    with_another_prompt = Conversation((Message("system", "Be brief."), *first.messages))
    swapped = Conversation(tuple(reversed(first.messages)))
    found = survey(as_stored(first, same_but_for_case, with_our_prompt, with_another_prompt, swapped), DatasetSettings(), PROMPT)
    assert [candidate.id for candidate in found.candidates] == [0, 3, 4]
    assert found.dropped == {"no_answer": 0, "too_short": 0, "too_long": 0, "exact_duplicate": 2, "not_sampled": 0}


def test_every_drop_has_a_reason_in_words() -> None:
    assert [(f.name, f.reason) for f in filters_for(SETTINGS, PROMPT)] == [
        ("no_answer", "had no question or no answer in it"),
        ("too_short", "had an answer shorter than 3 characters"),
        ("too_long", "was longer than 40 characters in all"),
        ("exact_duplicate", "repeated an earlier one, but for letter case and spaces"),
    ]


def test_the_sample_is_drawn_by_seed_and_not_by_order() -> None:
    stored = as_stored(*(chat(f"question {number}") for number in range(100)))

    def drawn(seed: int, rows: list[Stored]) -> list[int]:
        found = survey(rows, DatasetSettings(max_samples=20, seed=seed), PROMPT)
        assert found.dropped["not_sampled"] == 80
        return [candidate.id for candidate in found.candidates]

    assert drawn(7, stored) == sorted(drawn(7, stored))
    assert sorted(drawn(7, stored)) == sorted(drawn(7, stored[::-1]))
    assert drawn(7, stored) != drawn(8, stored)


def test_the_system_prompt_goes_first_unless_there_is_one() -> None:
    bare, own = chat("Why?"), Conversation((Message("system", "Be brief."), Message("user", "Why?")))
    assert with_system_prompt(bare, PROMPT).messages == (Message("system", PROMPT), *bare.messages)
    assert with_system_prompt(own, PROMPT) == own
    assert with_system_prompt(bare, "") == bare


def test_a_line_is_one_line_and_comes_back() -> None:
    conversation = chat("One\ntwo\u2028three\r “é” 🙂", "\t\\n")
    assert to_line(conversation).count("\n") == 1
    assert from_line(to_line(conversation)) == conversation


@pytest.mark.parametrize(("percent", "expected"), [(50, 3), (95, 6), (100, 6), (1, 1)])
def test_percentiles_are_by_nearest_rank(percent: int, expected: int) -> None:
    assert percentile([6, 1, 2, 3, 4, 5], percent) == expected

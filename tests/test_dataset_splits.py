"""Splits and filters as functions: who stays together, which side, why dropped."""

from collections import Counter
from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from heedful.config import DatasetSettings
from heedful.conversation import Conversation, Message
from heedful.dataset.candidates import survey
from heedful.dataset.card import percentile
from heedful.dataset.filters import filters_for
from heedful.dataset.rows import from_line, to_line, with_system_prompt
from heedful.dataset.splits import Clusters, Ties, cluster, key_of, own_keys, rank, split_clusters
from heedful.store.conversations import Stored
from heedful.store.schema import Split

SHARES = (0.8, 0.1, 0.1)


def chat(question: str, answer: str = "An answer.", group: str = "") -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)), group)


def as_stored(*conversations: Conversation) -> list[Stored]:
    """As the store gives them back, with ids from 0."""
    return [Stored(number, c, c.fingerprint(), None, "chat") for number, c in enumerate(conversations)]


def clustered(*ties: Ties, seed: int = 7, frozen: Mapping[str, Split] | None = None) -> Clusters:
    """In the order in which they are given."""
    return cluster(ties, [bytes([n]) for n in range(len(ties))], {} if frozen is None else frozen, seed)


def joined(*conversations: Conversation, seed: int = 7) -> list[str | None]:
    return clustered(*(Ties(own_keys(c, None)) for c in conversations), seed=seed).of


def together(*conversations: Conversation) -> list[int]:
    """0 for the first cluster that turns up, 1 for the second, ..."""
    order: dict[str | None, int] = {}
    return [order.setdefault(name, len(order)) for name in joined(*conversations)]


def test_one_question_is_one_cluster_whatever_its_case_and_spaces() -> None:
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


def test_a_person_ties_her_conversations_and_gives_no_rank() -> None:
    ann, bea = Ties(own_keys(chat("a"), 1)), Ties(own_keys(chat("b"), 1))
    found = clustered(ann, bea, Ties(own_keys(chat("c"), 2)))
    assert found.of[0] == found.of[1] != found.of[2]
    assert found.of[0] == min(rank(key_of("q", text), 7) for text in "ab")
    assert sorted(found.keys[str(found.of[0])]) == sorted(["p:1", key_of("q", "a"), key_of("q", "b")])


def test_a_cluster_has_the_same_rank_in_every_order_and_another_with_another_seed() -> None:
    conversations = (chat("a", group="x"), chat("b", group="x"), chat("b", group="y"), chat("c"))
    assert sorted(joined(*conversations)) == sorted(joined(*reversed(conversations)))
    assert set(joined(*conversations)).isdisjoint(joined(*conversations, seed=8))


def test_what_is_new_joins_the_side_of_what_it_is_tied_to() -> None:
    found = clustered(
        Ties(("q:old",)),
        Ties(("q:new",), ("q:old",)),
        Ties(("q:newer", "p:1"), ("q:new",)),
        Ties(("q:far", "p:1")),
        Ties(("q:free",)),
        frozen={"q:old": "test"},
    )
    assert [found.sides.get(str(name)) for name in found.of] == ["test", "test", "test", "test", None]
    assert len(set(found.of)) == 2


def test_a_bridge_is_held_out_and_moves_nobody() -> None:
    frozen: dict[str, Split] = {"q:train": "train", "q:test": "test", "p:1": "train"}
    found = clustered(
        Ties(("q:bridge",), ("q:train", "q:test")),
        Ties(("q:test", "p:1")),  # a known person asks what stands in the test
        Ties(("q:train", "p:1")),
        Ties(("q:test",)),
        Ties(("q:beside",), ("q:bridge",)),  # tied to the bridge only, which is not there
        frozen=frozen,
    )
    assert [name is None for name in found.of] == [True, True, False, False, False]
    assert [found.sides.get(str(name)) for name in found.of[2:]] == ["train", "test", None]


def test_two_that_have_sides_keep_them_even_as_twins() -> None:
    """An older way of measuring may have missed that they are twins; what was test stays test all the same."""
    found = clustered(Ties(("q:a",), ("q:b",)), Ties(("q:b",), ("q:a",)), frozen={"q:a": "train", "q:b": "test"})
    assert [found.sides[str(name)] for name in found.of] == ["train", "test"]


def sizes_of(groups: dict[str, int], shares: tuple[float, float, float] = SHARES) -> dict[str, int]:
    """Conversations a side."""
    rows = [group for group, size in groups.items() for _ in range(size)]
    sides = split_clusters(rows, shares, {})
    assert sides == split_clusters(list(reversed(rows)), shares, {})
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
    sides = split_clusters(rows, SHARES, {})
    assert sides["a"] == "train"
    assert Counter(sides.values()) == {"train": 71, "validation": 10, "test": 10}


def test_more_data_moves_nobody_and_fills_up_the_shares() -> None:
    rows = [f"{n:03}" for n in range(200)]
    before = split_clusters(rows[50:150], SHARES, {})
    after = split_clusters(rows, SHARES, before)
    assert {name: after[name] for name in before} == before
    assert Counter(after.values()) == {"train": 160, "validation": 20, "test": 20}
    smaller_shares = split_clusters(rows, (0.9, 0.05, 0.05), before)
    assert Counter(smaller_shares.values()) == {"train": 180, "validation": 10, "test": 10}


def test_an_empty_side_is_filled_before_the_shares_are() -> None:
    assert split_clusters(["a", "b", "c"], SHARES, {"a": "train", "b": "train"}) == {"a": "train", "b": "train", "c": "test"}
    assert split_clusters(["a", "b", "c"], SHARES, {"a": "test"}) == {"a": "test", "b": "validation", "c": "train"}


@pytest.mark.parametrize(
    ("written", "shares"), [("80/10/10", (0.8, 0.1, 0.1)), ("90/10", (0.9, 0.05, 0.05)), ([0.6, 0.2, 0.2], (0.6, 0.2, 0.2))]
)
def test_shares_may_be_written_in_per_cent(written: object, shares: tuple[float, float, float]) -> None:
    assert DatasetSettings.model_validate({"split": written}).split == shares


@pytest.mark.parametrize("wrong", ["90", "a/b", "50/10", "100/0", "80/10/5/5"])
def test_wrong_shares_are_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        DatasetSettings.model_validate({"split": wrong})


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

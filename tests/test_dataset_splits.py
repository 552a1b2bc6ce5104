"""Splits as functions: who stays together, and on which side. And lines: what is written of a conversation."""

from collections import Counter
from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from heedful.config import DatasetSettings
from heedful.conversation import Conversation, Message
from heedful.dataset.card import percentile
from heedful.dataset.rows import from_line, to_line, with_system_prompt
from heedful.dataset.splits import Clusters, Ties, cluster, rank, split_clusters
from heedful.store.schema import Split

SHARES = (0.8, 0.1, 0.1)


def chat(question: str, answer: str = "An answer.", group: str = "") -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)), group)


def clustered(*ties: Ties, seed: int = 7, frozen: Mapping[str, Split] | None = None) -> Clusters:
    """In the order in which they are given."""
    return cluster(ties, range(len(ties)), {} if frozen is None else frozen, seed)


def together(*own: str) -> list[int]:
    """0 for the first cluster that turns up, 1 for the second, ... Each text has the keys of one conversation."""
    order: dict[str | None, int] = {}
    return [order.setdefault(name, len(order)) for name in clustered(*(Ties(tuple(keys.split())) for keys in own)).of]


def test_equal_keys_tie_along_chains() -> None:
    keys = ("q:hi g:greeting", "q:hello g:greeting", "q:hello g:hello", "q:bye g:end", "q:hello")
    assert together(*keys) == [0, 0, 0, 1, 0]
    assert together(*reversed(keys)) == [0, 1, 0, 0, 0]


def test_a_tag_is_not_a_question() -> None:
    assert together("q:hi g:sleep", "q:sleep") == [0, 1]


def test_a_person_ties_her_conversations_and_gives_no_rank() -> None:
    found = clustered(Ties(("q:a", "p:1")), Ties(("q:b", "p:1")), Ties(("q:c", "p:2")))
    assert found.of[0] == found.of[1] != found.of[2]
    assert found.of[0] == min(rank("q:a", 7), rank("q:b", 7))
    assert sorted(found.keys[str(found.of[0])]) == ["p:1", "q:a", "q:b"]


def test_a_cluster_has_the_same_rank_in_every_order_and_another_with_another_seed() -> None:
    ties = [Ties(("q:a", "g:x")), Ties(("q:b", "g:x")), Ties(("q:b", "g:y")), Ties(("q:c",))]
    names = sorted(map(str, clustered(*ties).of))
    assert names == sorted(map(str, clustered(*reversed(ties)).of))
    assert set(names).isdisjoint(map(str, clustered(*ties, seed=8).of))


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
    assert split_clusters(["a", "b", "c"], SHARES, {"a": "train", "b": "train"}) == {"a": "validation", "b": "train", "c": "test"}
    assert split_clusters(["a", "b", "c"], SHARES, {"a": "test"}) == {"a": "test", "b": "validation", "c": "train"}


def test_a_side_of_which_nothing_is_left_takes_from_the_one_beside_it_and_never_from_train_into_test() -> None:
    frozen: dict[str, Split] = {"a": "train", "b": "train", "c": "validation", "d": "validation"}
    assert split_clusters(["a", "a", "b", "c", "c", "d"], SHARES, frozen) == {**frozen, "d": "test"}
    assert split_clusters(["a", "a", "b", "c", "c"], SHARES, frozen) == {"a": "train", "b": "validation", "c": "test"}
    assert split_clusters(["a", "a", "b"], SHARES, frozen) == {"a": "train", "b": "validation"}  # no test: a build refuses that


@pytest.mark.parametrize(
    ("written", "shares"), [("80/10/10", (0.8, 0.1, 0.1)), ("90/10", (0.9, 0.05, 0.05)), ([0.6, 0.2, 0.2], (0.6, 0.2, 0.2))]
)
def test_shares_may_be_written_in_per_cent(written: object, shares: tuple[float, float, float]) -> None:
    assert DatasetSettings.model_validate({"split": written}).split == shares


@pytest.mark.parametrize("wrong", ["90", "a/b", "50/10", "100/0", "80/10/5/5"])
def test_wrong_shares_are_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        DatasetSettings.model_validate({"split": wrong})


PROMPT = "Be kind."


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
    assert percentile({6: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1}, percent) == expected


def test_percentiles_count_repeated_values() -> None:
    assert [percentile({10: 98, 20: 1, 30: 1}, percent) for percent in (50, 98, 99, 100)] == [10, 10, 20, 30]

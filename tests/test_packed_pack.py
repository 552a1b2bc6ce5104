"""Packing: exact tokens, positions, rows and targets. And what a tile may see, and the keys that flash attention is given."""

import pytest
import torch

from heedful.errors import TrainingError
from heedful.modeling.chat_template import Sample
from heedful.training.packed.attention import TILE, cut, make_field
from heedful.training.packed.flash import behind_prefix, boundaries, has_flash
from heedful.training.packed.pack import SHORTEST_PREFIX, common_prefix, pack

SYSTEM = list(range(50, 60))


def sample(ids: list[int], supervised: set[int]) -> Sample:
    return Sample(ids, [place in supervised for place in range(len(ids))])


def test_conversations_lie_one_behind_the_other() -> None:
    batch = pack([sample([1, 2, 3, 4, 5, 6], {2, 4}), sample([7, 8, 9], {2})])
    assert batch.ids.tolist() == [1, 2, 3, 4, 7, 8], "tokens from the last supervised one on are not read"
    assert batch.positions.tolist() == [0, 1, 2, 3, 0, 1]
    assert batch.segments == ((0, 4), (4, 6)) and batch.prefix == 0
    assert batch.rows.tolist() == [1, 3, 5]
    assert batch.targets.tolist() == [3, 5, 9]
    assert batch.owners.tolist() == [0, 0, 1]
    assert (batch.tokens, batch.supervised, batch.samples) == (6, 3, 2)


def test_a_common_beginning_is_read_once() -> None:
    batch = pack([sample([*SYSTEM, 1, 2, 3], {11, 12}), sample([*SYSTEM, 4, 5], {10, 11}), sample([*SYSTEM, 6, 7], {11})])
    assert batch.prefix == 10 and batch.segments == ((0, 10), (10, 12), (12, 13), (13, 14))
    assert batch.ids.tolist() == [*SYSTEM, 1, 2, 4, 6]
    assert batch.positions.tolist() == [*range(10), 10, 11, 10, 10]
    assert batch.rows.tolist() == [10, 11, 9, 12, 13], "the end of the prefix predicts the first token of the second"
    assert batch.targets.tolist() == [2, 3, 4, 5, 7]
    assert batch.owners.tolist() == [0, 0, 1, 1, 2]


def test_supervised_tokens_of_the_prefix_count_for_each() -> None:
    batch = pack([sample([*SYSTEM, 1, 2], {9, 11}), sample([*SYSTEM, 3], {9, 10})])
    assert batch.ids.tolist() == [*SYSTEM, 1] and batch.segments == ((0, 10), (10, 11)), "nothing is left of the second but a row"
    assert batch.rows.tolist() == [8, 10, 8, 9]
    assert batch.targets.tolist() == [59, 2, 59, 3]


def test_the_prefix_must_be_worth_while() -> None:
    short = SYSTEM[: SHORTEST_PREFIX - 1]
    assert common_prefix([[*short, 1], [*short, 2]]) == 0
    assert common_prefix([[*SYSTEM, 1], [*SYSTEM, 2]]) == 10
    assert common_prefix([SYSTEM]) == 0
    assert pack([sample([*SYSTEM, 1], {10}), sample([*SYSTEM, 2], {10})], share_prefix=False).prefix == 0


def test_what_teaches_nothing_is_left_out() -> None:
    batch = pack([sample([1, 2], set()), sample([1, 2], {0}), sample([1, 2], {0, 1})])
    assert batch.owners.tolist() == [2] and batch.samples == 3 and batch.ids.tolist() == [1]
    with pytest.raises(TrainingError, match="a batch of 1 conversations has no supervised token"):
        pack([sample([1, 2], {0})])


@pytest.mark.parametrize("window", [None, 3, 200])
@pytest.mark.parametrize("prefix", [0, 10, TILE + 5])
def test_tiles_see_what_they_may(prefix: int, window: int | None) -> None:
    segments = ((0, prefix), (prefix, prefix + 300), (prefix + 300, prefix + 301))[0 if prefix else 1 :]
    total = segments[-1][1]
    found = torch.zeros(total, total, dtype=torch.bool)
    for tile in make_field(segments, prefix, window, torch.device("cpu")).tiles:
        keys = torch.cat([torch.arange(span.start, span.stop) for span in tile.spans])
        assert tile.mask.shape == (tile.rows.stop - tile.rows.start, 1, len(keys))
        for row, mask in zip(range(tile.rows.start, tile.rows.stop), tile.mask[:, 0], strict=True):
            assert not found[row].any()
            found[row, keys[mask == 0]] = True
    expected = torch.zeros_like(found)
    for start, stop in segments:
        seen = [*(range(prefix) if start >= prefix else ()), *range(start, stop)]
        for row in range(start, stop):
            upto = seen[: seen.index(row) + 1]
            expected[row, upto if window is None else upto[-window:]] = True
    assert torch.equal(found, expected)


def test_a_segment_is_cut_evenly() -> None:
    assert list(cut(5, 5 + TILE)) == [(5, 5 + TILE)]
    assert list(cut(0, TILE + 2)) == [(0, TILE // 2 + 1), (TILE // 2 + 1, TILE + 2)]


def test_flash_attention_gets_the_prefix_before_every_segment() -> None:
    heads = torch.arange(2 * 7 * 1.0).view(2, 7, 1).requires_grad_()
    seen = behind_prefix(heads, ((0, 3), (3, 5), (5, 7)), 3)
    assert seen[:, 0, 0].tolist() == [0, 1, 2, 0, 1, 2, 3, 4, 0, 1, 2, 5, 6]
    seen.sum().backward()
    assert heads.grad is not None and heads.grad[0, :, 0].tolist() == [3, 3, 3, 1, 1, 1, 1]
    assert behind_prefix(heads, ((0, 7),), 0).shape == (7, 2, 1)
    assert boundaries([3, 5, 5], torch.device("cpu")).tolist() == [0, 3, 8, 13]
    assert not has_flash(heads)

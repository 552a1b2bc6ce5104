"""Intervals against numbers that are known from the literature, or can be counted by hand."""

from math import inf, nan, sqrt

import numpy as np
import pytest

from heedful.evaluation.intervals import (
    NOTHING,
    RESAMPLES,
    SEED,
    Estimate,
    draws,
    estimate_mean,
    estimate_ratio,
    estimate_share,
    exact_bounds,
    wilson,
)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (8, 10, 0.490162, 0.943318),
        (0, 40, 0.0, 0.087622),  # z² / (n + z²)
        (40, 40, 0.912378, 1.0),
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson(k: int, n: int, low: float, high: float) -> None:
    assert wilson(k, n) == pytest.approx((low, high), abs=5e-5)


def test_share_of_nothing_is_no_value() -> None:
    assert estimate_share([]) == NOTHING == Estimate(None, 0, None)
    assert estimate_share([True, False, True, True]) == Estimate(0.75, 4, wilson(3, 4), exact_bounds(3, 4))


def test_bootstrap_of_few_values_is_what_counting_gives() -> None:
    # Two values: a quarter of all resamples is the lower twice, a quarter the higher twice.
    assert estimate_mean([0.0, 1.0]) == Estimate(0.5, 2, (0.0, 1.0), (0.0, 1.0))
    # Three: all three draws hit the 3 in 1/27 = 3.7% of the resamples, none does in 8/27, two or more in 7/27.
    assert estimate_mean([0.0, 0.0, 3.0]) == Estimate(1.0, 3, (0.0, 3.0), (0.0, 2.0))


def test_resamples_do_not_depend_on_how_many_are_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(SEED)
    one_by_one = np.stack([generator.integers(0, 7, 7) for _ in range(RESAMPLES)])
    assert (np.concatenate(list(draws(7))) == one_by_one).all()
    monkeypatch.setattr("heedful.evaluation.intervals.AT_ONCE", 7 * 300)
    pieces = list(draws(7))
    assert [len(piece) for piece in pieces] == [*[300] * 6, 200]
    assert (np.concatenate(pieces) == one_by_one).all()
    monkeypatch.setattr("heedful.evaluation.intervals.AT_ONCE", 1)
    assert sum(len(piece) for piece in draws(7)) == RESAMPLES


def test_bootstrap_of_many_values_is_near_the_normal_interval() -> None:
    values = np.random.default_rng(1).normal(2.0, 1.0, 400)
    found = estimate_mean(values.tolist())
    half = 1.959964 * values.std() / sqrt(400)
    assert found.value == pytest.approx(values.mean())
    assert found.interval == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)
    assert estimate_mean(values.tolist()) == found, "the seed is fixed"


def test_ratio_weighs_by_tokens_and_resamples_whole_conversations() -> None:
    # 1 nat on 10 tokens and 3 nats on 10 tokens: 0.2 a token, and every resample lies between 0.1 and 0.3.
    assert estimate_ratio([1.0, 3.0], [10.0, 10.0]) == Estimate(0.2, 2, (0.1, 0.3), (0.1, 0.3))
    assert estimate_ratio([1.0, 3.0], [10.0, 30.0]).value == 0.1


def test_no_interval_without_spread_and_no_value_without_numbers() -> None:
    assert estimate_ratio([0.5], [5.0]) == Estimate(0.1, 1, None)
    assert estimate_mean([0.0, 0.0, 0.0]) == Estimate(0.0, 3, None)
    assert estimate_ratio([], []) == NOTHING
    for broken in (nan, inf):
        assert estimate_ratio([broken, 1.0], [1.0, 1.0]) == Estimate(None, 2, None)

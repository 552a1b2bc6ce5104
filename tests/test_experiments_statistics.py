"""Statistics of experiments: what an e-process promises holds exactly over all that can happen, and in seeded simulation."""

from itertools import product
from math import exp, log, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from heedful.companion.experiments import binary, coin, graded, harm
from heedful.companion.experiments.before import means_before

LEVEL = 0.05
ALWAYS = -log(LEVEL)


def all_courses(persons: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """[4^n, n] each: every way in which n persons can be drawn into variants and fare."""
    courses = np.array(list(product((False, True), repeat=2 * persons)))
    return courses[:, :persons], courses[:, persons:]


def probability(
    challenger: NDArray[np.bool_], well: NDArray[np.bool_], share: float, champion: list[float], better: float
) -> NDArray[np.float64]:
    chance = np.array(champion) + better * challenger
    return np.asarray(np.prod(np.where(challenger, share, 1 - share) * np.where(well, chance, 1 - chance), axis=1))


def test_what_was_known_before() -> None:
    marks = np.array([True, False, True, True])
    assert means_before(marks, np.array([1.0, 9.0, 0.0, 1.0]), 2.0, 0.5).tolist() == [0.5, 2 / 3, 2 / 3, 0.5]


@pytest.mark.parametrize("share", [0.5, 0.2])
@pytest.mark.parametrize("difference", [0.0, 0.15, -0.3])
def test_the_binary_e_process_has_mean_one_over_all_that_can_happen(share: float, difference: float) -> None:
    """Exactly, with a share that drifts from person to person."""
    challenger, well = all_courses(4)
    chances = probability(challenger, well, share, [0.35, 0.6, 0.8, 0.5], difference)
    means = (np.exp(binary.log_e_process(challenger, well, share, difference)) * chances[:, None]).sum(axis=0)
    assert chances.sum() == pytest.approx(1, abs=1e-12)
    assert means == pytest.approx(np.ones(4), abs=1e-12)
    wrong = (np.exp(binary.log_e_process(challenger, well, share, difference + 0.2)) * chances[:, None]).sum(axis=0)
    assert abs(wrong - 1).max() > 1e-3


def test_one_bet_is_the_e_value_of_turner_ly_and_gruenwald(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "EFFECTS", (0.2,))
    share, middle = 0.3, 0.5  # before the first person
    between = 0.2 * sqrt(middle * (1 - middle) / (share * (1 - share)))
    champion, challenger = middle - share * between, middle + (1 - share) * between
    factors = np.exp(
        binary.log_e_process(np.array([[True], [True], [False], [False]]), np.array([[True], [False], [True], [False]]), share)
    )
    expected = [challenger / middle, (1 - challenger) / (1 - middle), champion / middle, (1 - champion) / (1 - middle)]
    assert factors[:, 0] == pytest.approx(expected, abs=1e-12)


def test_the_binary_confidence_sequence_and_the_e_process_say_the_same() -> None:
    generator = np.random.default_rng(7)
    challenger = generator.random(600) < 0.5
    well = generator.random(600) < np.where(challenger, 0.8, 0.6)
    low, high = binary.confidence_sequence(challenger, well, 0.5, LEVEL)
    refuted = np.maximum.accumulate(binary.log_e_process(challenger, well, 0.5)) >= ALWAYS
    assert (np.diff(low) >= 0).all() and (np.diff(high) <= 0).all()
    assert (low[:8] == -1).all() and (high[:8] == 1).all()
    assert int(refuted.argmax()) + 1 == 283
    assert int((low >= 0).argmax()) + 1 == 283  # nought is within a step of the end when it is refuted
    assert (round(float(low[-1]), 3), round(float(high[-1]), 3)) == (0.04, 0.27)


def test_the_harm_monitor_has_mean_one_at_its_margin_and_less_below() -> None:
    labels = np.array(list(product((False, True), repeat=5)))
    at_risk = [10.0 - np.cumsum(side, axis=1) + side for side in (labels, ~labels)]
    logs = harm.log_e_process(labels, *at_risk, 1.2)
    for ratio, mean in ((1.2, 1.0), (0.9, None), (2.4, None)):
        weighted = ratio * at_risk[0] / (ratio * at_risk[0] + at_risk[1])
        chances = np.prod(np.where(labels, weighted, 1 - weighted), axis=1)
        found = float((np.exp(logs[:, -1]) * chances).sum())
        assert chances.sum() == pytest.approx(1, abs=1e-12)
        assert found == pytest.approx(1, abs=1e-12) if mean is not None else (found < 1) == (ratio < 1.2)


def test_the_harm_monitor_needs_about_as_many_harms_as_a_run_of_bad_luck_is_rare() -> None:
    """Of the first harms, all are of the challenger: eight in a row, with as many persons in both."""
    logs = harm.log_e_process(np.ones(8, dtype=bool), np.full(8, 100.0), np.full(8, 100.0), 1.0)
    assert int((logs >= ALWAYS).argmax()) + 1 == 8
    nobody_left = harm.log_e_process(np.array([True, True]), np.array([3.0, 2.0]), np.array([0.0, 0.0]), 1.0)
    assert nobody_left.tolist() == [0.0, 0.0]


def test_the_coin_has_mean_one_and_its_sequence_closes_in() -> None:
    tosses = np.array(list(product((False, True), repeat=6)))
    chances = np.prod(np.where(tosses, 0.3, 0.7), axis=1)
    assert (np.exp(coin.log_e_process(tosses, 0.3)) * chances[:, None]).sum(axis=0) == pytest.approx(np.ones(6), abs=1e-12)
    assert exp(coin.log_e_process(np.ones(9, dtype=bool), 0.5)[-1]) == pytest.approx(2**9 / 10)
    low, high = coin.confidence_sequence(np.arange(200) % 4 > 0, LEVEL)
    assert (round(float(low[-1]), 3), round(float(high[-1]), 3)) == (0.639, 0.84)


def test_the_graded_sequence_is_the_formula() -> None:
    tuned = graded.tuning(LEVEL, 400)
    x = 400 * tuned**2
    assert x == pytest.approx(log((x + 1) / LEVEL**2), abs=1e-12)
    half = sqrt(2 * (x + 1) / (400 * x) * log(sqrt(x + 1) / LEVEL))
    others = [
        sqrt(2 * (400 * r**2 + 1) / (400 * 400 * r**2) * log(sqrt(400 * r**2 + 1) / LEVEL)) for r in (0.95 * tuned, 1.05 * tuned)
    ]
    assert half < min(others)
    generator = np.random.default_rng(7)
    challenger = generator.random(400) < 0.5
    values = generator.normal(0.3, 1, 400)
    low, high = graded.confidence_sequence(challenger, values, 0.5, LEVEL, 400)
    z = graded.pseudo_outcomes(challenger, values, 0.5)
    assert high[-1] - low[-1] == pytest.approx(2 * half * z.std())
    assert (low[-1] + high[-1]) / 2 == pytest.approx(z.mean())
    first = int(np.isfinite(low).argmax())
    assert min(challenger[: first + 1].sum(), (~challenger[: first + 1]).sum()) == graded.FEWEST


@pytest.mark.parametrize(("share", "binary_stops", "graded_stops"), [(0.5, 15, 4), (0.2, 10, 6)])
def test_a_a_experiments_stop_wrongly_in_at_most_one_of_twenty(share: float, binary_stops: int, graded_stops: int) -> None:
    """300 experiments, looked at after each of 800 persons, while the base drifts. The benchmark has 2,000 of 2,000."""
    generator = np.random.default_rng(11)
    shape = (300, 800)
    drift = 0.25 * np.sin(np.linspace(0, 6, shape[1]))
    challenger = generator.random(shape) < share
    well = generator.random(shape) < 0.6 + drift
    assert int((binary.log_e_process(challenger, well, share) >= ALWAYS).any(axis=1).sum()) == binary_stops
    values = generator.integers(-2, 3, shape) + 4 * drift
    low, high = graded.confidence_sequence(challenger, values, share, LEVEL, 400)
    logs = graded.log_e_process(challenger, values, share, LEVEL, 400)
    outside = (low > 0) | (high < 0)
    assert int(outside.any(axis=1).sum()) == graded_stops
    assert ((logs >= ALWAYS) == outside).all()
    assert max(binary_stops, graded_stops) <= 0.05 * shape[0]

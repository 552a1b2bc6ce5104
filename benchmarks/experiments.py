"""Experiments: how often they stop wrongly, how many persons they need, how soon harm stops them. Simulated persons; no data.

    python benchmarks/experiments.py --json --page experiments.html

| in the JSON line | |
| --- | --- |
| false_stops | share of A/A experiments that ever named a better variant, looked at after every person, with its 95 % interval |
| peeking | the same with a z test at 5 % after every person |
| power | persons (both variants) after which 80 % of experiments have named the better one; the mean where they end then |
| fixed_sample | persons that the z test needs for 80 %, counted once at the end, with the ratios of both figures to it |
| harm | false stops; joined persons until the monitor stops the experiment: median, and of four fifths of experiments |

Figures that were not reached within the persons simulated are null.
"""

import argparse
import json
import time
from math import log, sqrt
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedful.companion.experiments import binary, graded, harm
from heedful.companion.experiments.before import Floats, Marks
from heedful.evaluation.charts import Series, line_chart
from heedful.evaluation.intervals import wilson

SEED, LEVEL, TUNED_FOR = 7, 0.05, 400
ALWAYS = -log(LEVEL)
PAIRS = ((0.6, 0.7), (0.6, 0.75))
HARMED, STAY = (0.02, 0.05), 50.0  # champion's persons who are harmed at last; how many others join meanwhile, on average
KINDS = 3  # of harm that are watched together
BATCH = 200  # experiments simulated at once: 200 x 4000 persons are 6 MB an array


def drawn_in(generator: np.random.Generator, shape: tuple[int, int], share: float) -> Marks:
    return np.asarray(generator.random(shape) < share)


def drifting(shape: tuple[int, int]) -> Floats:
    """A base that rises by a half and falls again, for everybody."""
    return np.broadcast_to(0.5 * np.sin(np.linspace(0, 2 * np.pi, shape[1])), shape)


def likert(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """A change of mood, in steps from -2 to 2."""
    return np.asarray(generator.integers(-2, 3, shape), dtype=np.float64)


def skewed(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """One person in ten gets much worse, the others a little better."""
    return np.where(generator.random(shape) < 0.1, -5.0, 1.0)


def means_peeked(challenger: Marks, values: Floats) -> Marks:
    """[experiments]: whether a z test of two means at 5 %, after every person from 20 of each on, ever says "different"."""
    ns, sums, squares = (
        [np.cumsum(np.where(side, part, 0.0), axis=1) for side in (challenger, ~challenger)]
        for part in (np.ones_like(values), values, values**2)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        means = [total / n for total, n in zip(sums, ns, strict=True)]
        error = sum((square / n - mean**2) / n for square, n, mean in zip(squares, ns, means, strict=True))
        z = np.abs(means[0] - means[1]) / np.sqrt(error)
    return np.asarray(((z > NormalDist().inv_cdf(1 - LEVEL / 2)) & (np.minimum(*ns) >= 20)).any(axis=1))


def false_stops(experiments: int, persons: int) -> dict[str, Any]:
    found = {}
    for drift in (False, True):
        for share in (0.5, 0.2):
            for kind in ("binary", "likert", "skewed"):
                starts = range(0, experiments, BATCH)
                wrong = [a_a(kind, share, drift, start, min(BATCH, experiments - start), persons) for start in starts]
                ours, peeking = (int(sum(part)) for part in zip(*wrong, strict=True))
                name = f"{kind}, challenger {share:.0%}{', drifting' if drift else ''}"
                low, high = wilson(ours, experiments)
                interval = [round(low, 4), round(high, 4)]
                found[name] = {"share": ours / experiments, "interval": interval, "peeking": peeking / experiments}
    return found


def a_a(kind: str, share: float, drift: bool, start: int, experiments: int, persons: int) -> tuple[int, int]:
    generator = np.random.default_rng((SEED, start, int(share * 100), drift, len(kind)))
    shape = (experiments, persons)
    challenger = drawn_in(generator, shape, share)
    if kind == "binary":
        well = np.asarray(generator.random(shape) < (0.6 + 0.5 * drifting(shape) * drift))
        wrong = (binary.log_e_process(challenger, well, share) >= ALWAYS).any(axis=1)
        return int(wrong.sum()), int(means_peeked(challenger, well.astype(np.float64)).sum())
    values = (likert if kind == "likert" else skewed)(generator, shape) + 2 * drifting(shape) * drift
    low, high = graded.confidence_sequence(challenger, values, share, LEVEL, TUNED_FOR)
    return int(((low > 0) | (high < 0)).any(axis=1).sum()), int(means_peeked(challenger, values).sum())


def fixed_sample(variances: tuple[float, float], difference: float, split: float = 0.5) -> int:
    """Persons of both variants that a two-sided z test at 5 % needs for 80 %. `variances` of champion and challenger."""
    normal = NormalDist()
    per_person = variances[0] / (1 - split) + variances[1] / split
    return int(np.ceil((normal.inv_cdf(1 - LEVEL / 2) + normal.inv_cdf(0.8)) ** 2 * per_person / difference**2))


def ends_of(said: Marks) -> NDArray[np.float64]:
    """[experiments]: persons until something was said; infinite where nothing was."""
    return np.where(said.any(axis=1), said.argmax(axis=1) + 1.0, np.inf)


def power_of(stops: NDArray[np.float64], persons: int, fixed: int) -> dict[str, Any]:
    needed = float(np.quantile(stops, 0.8, method="higher"))
    mean = float(np.minimum(stops, needed).mean())
    known = np.isfinite(needed)
    return {
        "found": float(np.isfinite(stops).mean()),
        "persons_80": needed if known else None,
        "mean_when_stopped": round(mean, 1) if known else None,
        "median": float(np.median(stops)) if np.isfinite(np.median(stops)) else None,
        "fixed_sample": fixed,
        "ratio_80": round(needed / fixed, 2) if known else None,
        "ratio_mean": round(mean / fixed, 2) if known else None,
        "simulated": persons,
    }


def binary_stops(experiments: int, persons: int, shares: tuple[float, float], split: float) -> NDArray[np.float64]:
    stops = []
    for start in range(0, experiments, BATCH):
        generator = np.random.default_rng((SEED, start, *(int(100 * part) for part in (*shares, split))))
        shape = (min(BATCH, experiments - start), persons)
        challenger = drawn_in(generator, shape, split)
        well = np.asarray(generator.random(shape) < np.where(challenger, shares[1], shares[0]))
        stops.append(ends_of(binary.log_e_process(challenger, well, split) >= ALWAYS))
    return np.concatenate(stops)


def graded_stops(experiments: int, persons: int, effect: float) -> NDArray[np.float64]:
    """`effect` in standard deviations of the change."""
    stops = []
    for start in range(0, experiments, BATCH):
        generator = np.random.default_rng((SEED, start, int(100 * effect)))
        shape = (min(BATCH, experiments - start), persons)
        challenger = drawn_in(generator, shape, 0.5)
        values = likert(generator, shape) / sqrt(2) + effect * challenger
        low, _ = graded.confidence_sequence(challenger, values, 0.5, LEVEL, TUNED_FOR)
        stops.append(ends_of(low > 0))
    return np.concatenate(stops)


def power(experiments: int, persons: int) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    found, stops = {}, {}
    for shares in PAIRS:
        name = f"{shares[0]:.0%} against {shares[1]:.0%}"
        for split in (0.5, 0.2):
            stopped = binary_stops(experiments, persons, shares, split)
            fixed = fixed_sample((shares[0] * (1 - shares[0]), shares[1] * (1 - shares[1])), shares[1] - shares[0], split)
            found[f"{name}, challenger {split:.0%}"] = power_of(stopped, persons, fixed)
            stops.setdefault(name, stopped)
    for effect in (0.3, 0.5):
        fixed = fixed_sample((1, 1), effect)
        found[f"graded, {effect} standard deviations"] = power_of(graded_stops(experiments, persons, effect), persons, fixed)
    return found, stops


def harm_stops(experiments: int, persons: int, rate: float, ratio: float, margin: float) -> NDArray[np.float64]:
    """[experiments]: persons who had joined when the monitor stopped. Only one of the kinds is more frequent."""
    level = ALWAYS + log(KINDS)  # the others' e-values, about 1, would help a little; here they are taken for nought
    generator = np.random.default_rng((SEED, *(int(100 * part) for part in (rate, ratio, margin))))
    stops = []
    for _ in range(experiments):
        challenger = generator.random(persons) < 0.5
        hazard = -np.log1p(-rate) / STAY * np.where(challenger, ratio, 1.0)
        stayed = generator.exponential(1.0, persons) / hazard
        leaves = np.arange(persons) + np.minimum(stayed, STAY)  # who has left is not at risk any more
        stops.append(first_stop(challenger, leaves, stayed < STAY, margin, level))
    return np.array(stops)


def first_stop(challenger: Marks, leaves: Floats, harmed: Marks, margin: float, level: float) -> float:
    """Of one experiment: persons who had joined when the monitor stopped it. Person n joins at time n, and leaves harmed or not."""
    joined = np.arange(len(challenger), dtype=np.float64)
    order = np.flatnonzero(harmed)[np.argsort(leaves[harmed])]
    times = leaves[order]
    at_risk = [
        (np.searchsorted(joined[side], times, side="right") - np.searchsorted(np.sort(leaves[side]), times)).astype(np.float64)
        for side in (challenger, ~challenger)
    ]
    stopped = harm.log_e_process(challenger[order], *at_risk, margin) >= level
    return float(min(np.floor(times[stopped.argmax()]) + 1, len(challenger))) if stopped.any() else np.inf


def harms(experiments: int, persons: int) -> dict[str, Any]:
    found = {}
    for margin in (1.0, 1.2):
        for rate in HARMED:
            for ratio in dict.fromkeys((1.0, margin, 1.5, 2.0, 3.0)):
                stops = harm_stops(experiments, persons, rate, ratio, margin)
                share = float(np.isfinite(stops).mean())
                low, high = wilson(int(np.isfinite(stops).sum()), experiments)
                entry: dict[str, Any] = {"stopped": share, "interval": [round(low, 4), round(high, 4)]}
                if ratio > margin:
                    for name, part in (("median", 0.5), ("persons_80", 0.8)):
                        quantile = float(np.quantile(stops, part, method="higher"))
                        entry[name] = quantile if np.isfinite(quantile) else None
                found[f"{rate:.0%} harmed, {ratio:g} times as often, margin {margin:g}"] = entry
    return found


def page(stops: dict[str, NDArray[np.float64]], powers: dict[str, Any], persons: int) -> str:
    """One chart a pair: share of experiments that found the better variant, beside the fixed-sample test of as many persons."""
    charts, at = [], np.linspace(0, persons, 101)[1:]
    for (name, found), shares in zip(stops.items(), PAIRS, strict=True):
        error = np.sqrt(2 * sum(part * (1 - part) for part in shares) / at)
        fixed = [NormalDist().cdf((shares[1] - shares[0]) / float(one) - NormalDist().inv_cdf(1 - LEVEL / 2)) for one in error]
        ours = tuple((float(n), float((found <= n).mean())) for n in at)
        beside = tuple(zip(at.tolist(), fixed, strict=True))
        lines = [Series("fixed sample", "other", beside), Series("looked at after every person", "strong", ours)]
        chart = line_chart(lines, "persons", "experiments that found it")
        charts.append(f"<h2>{name}: {powers[f'{name}, challenger 50%']['ratio_80']} times the persons for 80 %</h2>{chart}")
    style = (Path(__file__).resolve().parents[1] / "src/heedful/drawing/page.css").read_text(encoding="utf-8")
    return f"<!doctype html><meta charset=utf-8><title>Experiments</title><style>{style}</style><main>{''.join(charts)}</main>"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON line only")
    parser.add_argument("--experiments", type=int, default=2_000)
    parser.add_argument("--persons", type=int, default=2_000, help="of an A/A experiment; the others have twice as many")
    parser.add_argument("--page", type=Path, help="write the power curves as one HTML page")
    asked = parser.parse_args()
    began = time.perf_counter()
    wrong = false_stops(asked.experiments, asked.persons)
    found, stops = power(asked.experiments, 2 * asked.persons)
    result = {"false_stops": wrong, "power": found, "harm": harms(asked.experiments, 2 * asked.persons)}
    result |= {"experiments": asked.experiments, "persons": asked.persons, "seconds": round(time.perf_counter() - began, 1)}
    if asked.page is not None:
        asked.page.write_text(page(stops, found, 2 * asked.persons), encoding="utf-8")
    print(json.dumps(result) if asked.json else json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

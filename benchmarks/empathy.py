"""How far the empathy scorer is off, on a blind set by another author: accuracy, mean absolute error, quadratic kappa, each axis.

Run: python benchmarks/empathy.py --json. It prints aggregates only; nobody is to tune on single rows of the set. A scorer that
always says the most frequent level stands beside ours.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np

from heedful.evaluation.empathy import AXES, LEVELS, rate_all

DATA = Path(__file__).parent / "data" / "empathy_heldout.jsonl"


def kappa(truth: np.ndarray, told: np.ndarray) -> float:
    """Cohen's kappa with quadratic weights (Cohen 1968)."""
    seen = np.zeros((LEVELS, LEVELS))
    np.add.at(seen, (truth, told), 1)
    chance = np.outer(seen.sum(axis=1), seen.sum(axis=0)) / seen.sum()
    weight = np.subtract.outer(np.arange(LEVELS), np.arange(LEVELS)) ** 2
    return float(1 - (weight * seen).sum() / (weight * chance).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON line only")
    as_json = parser.parse_args().json
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    rated = rate_all([(row["seeker"], row["response"]) for row in rows])
    result: dict[str, object] = {"n": len(rows)}
    for axis in AXES:
        truth, told = np.array([row[axis] for row in rows]), np.array([getattr(one, axis) for one in rated])
        result[axis] = {
            "accuracy": round(float((truth == told).mean()), 3),
            "most_frequent_level": round(Counter(truth.tolist()).most_common(1)[0][1] / len(rows), 3),
            "mean_absolute_error": round(float(np.abs(truth - told).mean()), 3),
            "quadratic_kappa": round(kappa(truth, told), 3),
        }
    print(json.dumps(result, indent=None if as_json else 2))


if __name__ == "__main__":
    main()

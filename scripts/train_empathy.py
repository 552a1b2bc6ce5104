"""Train the heads of the empathy scorer: sentences with levels in; `assets/empathy/heads.npz` and its error, cross-validated, out.

Run: python scripts/train_empathy.py [--save]. The regularisation is chosen by cross-validation on these sentences alone.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from heedful.evaluation.empathy import AXES, HEADS, LEVELS, features

EXAMPLES = Path(__file__).parent / "empathy_examples" / "sentences.txt"
FOLDS, SEED = 10, 7
PENALTIES = (0.0003, 0.001, 0.003, 0.01, 0.03)


def read() -> tuple[list[str], np.ndarray]:
    rows = [line.split("|", 1) for line in EXAMPLES.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [text.strip() for _, text in rows], np.array([[int(level) for level in levels.split()] for levels, _ in rows])


def fit(inputs: np.ndarray, levels: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Multinomial logistic regression with classes weighed alike."""
    x, y = torch.tensor(inputs, dtype=torch.float64), torch.tensor(levels)
    weight = torch.zeros(x.shape[1], LEVELS, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(LEVELS, dtype=torch.float64, requires_grad=True)
    share = torch.bincount(y, minlength=LEVELS).double().clamp(min=1).rsqrt()
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=300, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(x @ weight + bias, y, weight=share) + penalty * weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return weight.detach().numpy(), bias.detach().numpy()


def crossed(inputs: np.ndarray, levels: np.ndarray, penalty: float) -> float:
    order = np.random.default_rng(SEED).permutation(len(levels))
    right = 0
    for fold in range(FOLDS):
        held = order[fold::FOLDS]
        rest = np.setdiff1d(order, held)
        weight, bias = fit(inputs[rest], levels[rest], penalty)
        right += int(((inputs[held] @ weight + bias).argmax(axis=1) == levels[held]).sum())
    return right / len(levels)


def main() -> None:
    texts, levels = read()
    inputs = features(texts)
    weights, biases = [], []
    for axis, name in enumerate(AXES):
        scores = {penalty: crossed(inputs, levels[:, axis], penalty) for penalty in PENALTIES}
        best = max(scores, key=lambda penalty: (scores[penalty], penalty))
        print(f"{name}: {scores[best]:.3f} right under {FOLDS}-fold cross-validation, penalty {best}")
        weight, bias = fit(inputs, levels[:, axis], best)
        weights.append(weight)
        biases.append(bias)
    if "--save" in sys.argv:
        HEADS.parent.mkdir(parents=True, exist_ok=True)
        np.savez(HEADS, weights=np.array(weights, dtype=np.float32), biases=np.array(biases, dtype=np.float32))
        print(f"{len(texts)} sentences; wrote {HEADS.name}, {HEADS.stat().st_size} bytes")


if __name__ == "__main__":
    main()

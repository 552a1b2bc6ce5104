"""Watch: what happens around the steps, alike for every way of training. Finished steps in; stop or go on, and best weights, out.

It scores the validation split at step 0 and at fixed steps, keeps the weights of the best score aside, stops when the scores no
longer improve, and stops with an error when the loss is no number. What is not trained yet counts too: when no step helps, the best
adapter is the empty one of step 0.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from heedful.errors import TrainingError
from heedful.training.progress import Progress, Write

LOWER_RATE = "heedful train --learning-rate with a third of the plan's value, or look into the data"


@dataclass(frozen=True, slots=True)
class Course:
    """What is ahead, known before the first step: epochs done after each step, tokens of each step, and when to look."""

    epochs: list[float]
    tokens: list[int]
    evaluate_every: int
    log_every: int
    patience: int

    @property
    def steps(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, slots=True)
class Learner:
    """The model in training. `score` gives (validation, train) NLL in nats a token; `weights` a copy of the adapter."""

    score: Callable[[], tuple[float, float]]
    weights: Callable[[], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`first_nll` is the base's score. `weights` are those of `best_step`, not of the last of `steps`."""

    weights: Mapping[str, Any]
    best_nll: float
    best_step: int
    first_nll: float
    steps: int
    stopped: str


class Watch:
    """Call `begin` once, `after_step` after each optimiser step until it says stop, then `finish`."""

    def __init__(self, course: Course, learner: Learner, write: Write, observe: Callable[[Progress], None] | None) -> None:
        self._course, self._learner, self._write, self._observe = course, learner, write, observe
        self._best: Mapping[str, Any] = {}
        self._best_nll = self._first_nll = math.inf
        self._validation: float | None = None
        self._best_step = self._waited = self._step = 0
        self._losses: list[float] = []
        self._started = self._resumed = time.perf_counter()
        self._training_s = 0.0  # without the evaluations, so that tokens_per_s is the speed of training

    def begin(self) -> None:
        """Score what is there before the first step."""
        self._first_nll = self._evaluate()

    def after_step(self, step: int, loss: float, learning_rate: float) -> bool:
        """True: stop now. Raises TrainingError when the loss is not finite."""
        self._step = step
        self._training_s += time.perf_counter() - self._resumed
        self._check(loss, "the training loss")
        self._losses.append(loss)
        last = step == self._course.steps
        if step % self._course.evaluate_every == 0 or last:
            self._evaluate()
        if step % self._course.log_every == 0 or last or step == 1:
            self._log(learning_rate)
        self._resumed = time.perf_counter()
        return self._waited >= self._course.patience

    def finish(self, facts: Mapping[str, float | None] | None = None) -> Outcome:
        """`facts` go into the summary as well."""
        reason = "patience" if self._step < self._course.steps else "end of the plan"
        outcome = Outcome(self._best, self._best_nll, self._best_step, self._first_nll, self._step, reason)
        self._write(
            {
                "event": "summary",
                "steps": outcome.steps,
                "best_step": outcome.best_step,
                "best_validation_nll": outcome.best_nll,
                "first_validation_nll": outcome.first_nll,
                "stopped": outcome.stopped,
                "tokens": sum(self._course.tokens[: self._step]),
                "seconds": time.perf_counter() - self._started,
                **({} if facts is None else facts),
            }
        )
        return outcome

    def _evaluate(self) -> float:
        validation, train = self._learner.score()
        self._validation = validation
        self._check(validation, "the validation loss")
        self._write({"event": "evaluation", **self._place(), "validation_nll": validation, "train_nll": train})
        if validation < self._best_nll:
            self._best, self._best_nll, self._best_step, self._waited = self._learner.weights(), validation, self._step, 0
        else:
            self._waited += 1
        return validation

    def _log(self, learning_rate: float) -> None:
        loss, self._losses = sum(self._losses) / len(self._losses), []
        done, ahead = sum(self._course.tokens[: self._step]), sum(self._course.tokens[self._step :])
        speed = done / max(self._training_s, 1e-9)
        self._write({"event": "step", **self._place(), "loss": loss, "learning_rate": learning_rate, "tokens_per_s": speed})
        if self._observe is not None:
            eta = ahead * (time.perf_counter() - self._started) / done
            progress = Progress(self._step, self._course.steps, self._epoch(), loss, speed, eta, self._validation)
            self._observe(progress)

    def _place(self) -> dict[str, float]:
        return {"step": self._step, "epoch": self._epoch(), "seconds": time.perf_counter() - self._started}

    def _epoch(self) -> float:
        return self._course.epochs[self._step - 1] if self._step > 0 else 0.0

    def _check(self, value: float, what: str) -> None:
        if not math.isfinite(value):
            raise TrainingError(f"{what} at step {self._step} of {self._course.steps} is {value}; it must be a number", LOWER_RATE)

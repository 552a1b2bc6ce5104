"""Watch: what happens around the steps, alike for every way of training. Finished steps in; stop or go on, and best adapters, out.

It scores the validation split at step 0 and at fixed steps, has the three best adapters kept, stops when the scores no longer
improve, and stops with an error when the loss is no number or has come apart. What is not trained yet counts too: when no step
helps, the best adapter is the empty one of step 0. All it knows stands in one value, so that a training can be taken up again
after a kill.
"""

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from heedful.errors import TrainingDiverged, TrainingInterrupted
from heedful.training.best import Kept, rank
from heedful.training.outlook import EARLY, Foretold, Outlook
from heedful.training.progress import Progress, Write
from heedful.training.recovery import Fill, Point, Recovery
from heedful.training.spikes import IN_A_ROW, WINDOW, is_gross, is_high
from heedful.training.step_rows import StepRows, in_words

RESUME = "heedful train --resume"


@dataclass(frozen=True, slots=True)
class Course:
    """What is ahead, known before the first step: epochs done after each step, tokens and rows of each step, and when to look."""

    epochs: list[float]
    tokens: list[int]
    evaluate_every: int
    log_every: int
    patience: int
    rows: Sequence[StepRows] = ()
    peak_rate: float = 0.0
    foretold: Foretold = field(default_factory=Foretold)

    @property
    def steps(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, slots=True)
class Learner:
    """The model in training. `score` gives (validation, train) NLL in nats a token; `keep` puts the adapter aside under its step.

    `drop` may remove all that was kept but the steps it is given.
    """

    score: Callable[[], tuple[float, float]]
    keep: Callable[[int], None]
    drop: Callable[[Collection[int]], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`first_nll` is the base's score. `kept` are the best adapters, the best first; `steps` is where the training ended."""

    kept: Sequence[Kept]
    first_nll: float
    steps: int
    stopped: str

    @property
    def best_nll(self) -> float:
        return self.kept[0].validation_nll

    @property
    def best_step(self) -> int:
        return self.kept[0].step


@dataclass
class Standing:
    """All that a watch knows. `losses`: those since the last line; `recent`: the usual ones; `high` counts the others in a row."""

    step: int = 0
    waited: int = 0
    first_nll: float = math.inf
    base_loss: float = math.inf
    validation: float | None = None
    losses: list[float] = field(default_factory=list)
    recent: list[float] = field(default_factory=list)
    high: int = 0
    kept: list[Kept] = field(default_factory=list)
    seconds: float = 0.0
    training_s: float = 0.0  # without the evaluations, so that tokens_per_s is the speed of training

    @staticmethod
    def load(stored: Mapping[str, Any]) -> "Standing":
        return Standing(**{**stored, "kept": [Kept(**one) for one in stored["kept"]]})


class Watch:
    """Call `begin` once; after each optimiser step `after_step`, and `secure` unless it said stop; then `finish`.

    With a standing of an earlier process the training goes on behind its step.
    """

    def __init__(
        self,
        course: Course,
        learner: Learner,
        write: Write,
        observe: Callable[[Progress], None] | None = None,
        recovery: Recovery | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        self._course, self._learner, self._write, self._observe = course, learner, write, observe
        self._recovery, self._stop = recovery, stop
        self._at = Standing() if self.point is None else Standing.load(self.point.standing)
        self._secured = list(self._at.kept)  # what the newest resume point counts on
        self._outlook = Outlook(course.tokens, course.evaluate_every, course.foretold)
        self._started = self._resumed = time.perf_counter()
        self._before_s = self._at.seconds

    @property
    def point(self) -> Point | None:
        """Where the training goes on, or None when it begins."""
        return None if self._recovery is None else self._recovery.point

    def begin(self) -> None:
        """Score what is there before the first step."""
        if self._at.step == 0:
            self._at.first_nll = self._evaluate()
        self._interrupt_if_asked()
        self._outlook.begin()
        self._tell(None, 0.0)
        self._resumed = time.perf_counter()

    def after_step(self, step: int, loss: float, learning_rate: float, gradient: float | None = None) -> bool:
        """True: stop now. `gradient` is its norm before clipping. Raises TrainingDiverged when a number is none, or at a spike."""
        at = self._at
        at.step, took = step, time.perf_counter() - self._resumed
        at.training_s += took
        self._check(loss, "the training loss")
        self._check(0.0 if gradient is None else gradient, "the gradient")
        self._check_spike(loss)
        self._outlook.stepped(step, took)
        at.losses.append(loss)
        last = step == self._course.steps
        if step % self._course.evaluate_every == 0 or last:
            self._evaluate()
        if step % self._course.log_every == 0 or last or step == 1:
            self._log(learning_rate)
        if step == EARLY:
            self._correct()
        self._resumed = time.perf_counter()
        return at.waited >= self._course.patience

    def due(self) -> bool:
        """Whether a resume point is to be written now: by the plan's rule, or because somebody wants to stop."""
        return self._stop_asked() or (self._recovery is not None and self._recovery.due(self._at.step))

    def secure(self, fill: Fill) -> None:
        """Write a resume point when it is due; `fill` adds what the way of training needs. Raises TrainingInterrupted on a stop."""
        if not self.due():
            return
        if self._recovery is not None:
            self._at.seconds = self._elapsed()
            self._recovery.write(self._at.step, asdict(self._at), fill)
            self._secured = list(self._at.kept)
        self._interrupt_if_asked()
        self._resumed = time.perf_counter()

    def finish(self, facts: Mapping[str, float | None] | None = None) -> Outcome:
        """`facts` go into the summary as well."""
        at = self._at
        reason = "patience" if at.step < self._course.steps else "end of the plan"
        outcome = Outcome(tuple(at.kept), at.first_nll, at.step, reason)
        self._learner.drop({one.step for one in at.kept})
        self._write(
            {
                "event": "summary",
                "steps": outcome.steps,
                "best_step": outcome.best_step,
                "best_validation_nll": outcome.best_nll,
                "first_validation_nll": outcome.first_nll,
                "stopped": outcome.stopped,
                "tokens": sum(self._course.tokens[: at.step]),
                "seconds": self._elapsed(),
                **({} if facts is None else facts),
            }
        )
        return outcome

    def _evaluate(self) -> float:
        at, started = self._at, time.perf_counter()
        validation, train = self._learner.score()
        self._outlook.looked(time.perf_counter() - started)
        at.validation = validation
        self._check(validation, "the validation loss")
        self._write({"event": "evaluation", **self._place(), "validation_nll": validation, "train_nll": train})
        if at.step == 0:
            at.base_loss = max(validation, train)
        found = Kept(validation, at.step)
        ranked = rank(at.kept, found)
        if found in ranked:
            self._learner.keep(at.step)
        at.waited = 0 if found == ranked[0] else at.waited + 1
        at.kept = ranked
        self._learner.drop({one.step for one in [*ranked, *self._secured]})
        return validation

    def _log(self, learning_rate: float) -> None:
        at = self._at
        loss, at.losses = sum(at.losses) / len(at.losses), []
        speed = sum(self._course.tokens[: at.step]) / max(at.training_s, 1e-9)
        self._write({"event": "step", **self._place(), "loss": loss, "learning_rate": learning_rate, "tokens_per_s": speed})
        self._tell(loss, speed)

    def _correct(self) -> None:
        """What the first steps make of the plan's estimates."""
        facts, note = self._outlook.correction(self._elapsed(), self._outlook.left(self._at.step))
        self._write({"event": "estimate", "step": self._at.step, **facts})
        if note:
            self._tell(None, 0.0, note)

    def _tell(self, loss: float | None, speed: float, note: str = "") -> None:
        if self._observe is not None:
            at, eta = self._at, self._outlook.left(self._at.step)
            self._observe(Progress(at.step, self._course.steps, self._epoch(), loss, speed, eta, at.validation, note))

    def _place(self) -> dict[str, float]:
        return {"step": self._at.step, "epoch": self._epoch(), "seconds": self._elapsed()}

    def _elapsed(self) -> float:
        """Seconds of all processes that worked on this training."""
        return self._before_s + time.perf_counter() - self._started

    def _epoch(self) -> float:
        return self._course.epochs[self._at.step - 1] if self._at.step > 0 else 0.0

    def _stop_asked(self) -> bool:
        return self._stop is not None and self._stop()

    def _interrupt_if_asked(self) -> None:
        if self._stop_asked():
            raise TrainingInterrupted(f"training was stopped at step {self._at.step} of {self._course.steps}", RESUME)

    def _check(self, value: float, what: str) -> None:
        if not math.isfinite(value):
            raise TrainingDiverged(f"{what} at {self._where()} is {value}; it must be a number", self._remedy())

    def _check_spike(self, loss: float) -> None:
        at, gross = self._at, is_gross(loss, self._at.base_loss)
        if not gross and not is_high(loss, at.recent, at.base_loss):
            at.recent, at.high = [*at.recent, loss][-WINDOW:], 0
            return
        at.high += 1
        if gross or at.high >= IN_A_ROW:
            steps = f"{at.high} steps in a row" if at.high > 1 else "a single step"
            text = f"the training loss spiked: {loss:.3g} at {self._where()}, high for {steps}; the base has {at.base_loss:.3g}"
            raise TrainingDiverged(text, self._remedy())

    def _where(self) -> str:
        """The step and, once there is one, its rows."""
        step = f"step {self._at.step} of {self._course.steps}"
        rows = self._course.rows[self._at.step - 1 : self._at.step] if self._at.step > 0 else ()
        return f"{step} ({in_words(rows[0])})" if rows else step

    def _remedy(self) -> str:
        rate = "a third of the plan's value" if self._course.peak_rate == 0 else f"{self._course.peak_rate / 3:.2g}"
        return f"heedful train --learning-rate {rate}, or look into these rows of the data"

"""Work: a training run and all that its steps work with, in; what they found out, told to the run, out.

A step may be called again after a kill at any moment, so each finds out first what is done already. What it makes has an id that
follows from the run's, or is noted in the transaction that registers it.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from heedful.config import Settings
from heedful.errors import RunCancelled, StoreError
from heedful.store.database import Store
from heedful.store.schema_runs import EventLevel, TrainingRun
from heedful.store.training_runs import append_event, get_run, note
from heedful.training.progress import Progress
from heedful.workspace import Workspace

LOG = logging.getLogger("heedful.worker")
ASK_EVERY_S = 1.0
TOLD_STEPS = 200  # of a training at most, so that the events of a long one stay a list one can read


@dataclass(frozen=True, slots=True)
class Work:
    """One run. `settings` are those of this call."""

    workspace: Workspace
    store: Store
    settings: Settings
    run_id: str

    @property
    def run(self) -> TrainingRun:
        """As it stands now."""
        with self.store.snapshot() as session:
            return get_run(session, self.run_id)

    @property
    def actor(self) -> str:
        """Who stands in the audit trail."""
        return f"worker, for {self.run.requested_by}"

    @property
    def number(self) -> str:
        """What ids of its artefacts are made of."""
        return self.run_id.removeprefix("run-")

    def note(self, **metrics: Any) -> None:
        with self.store.session() as session:
            note(session, self.run_id, **metrics)

    def tell(
        self, kind: str, message: str, data: dict[str, Any] | None = None, key: str | None = None, level: EventLevel = "info"
    ) -> None:
        """An event of the run. With a `key` it is told once, however often the step is done. No run fails for lack of one."""
        try:
            with self.store.session() as session:
                append_event(session, self.run_id, kind, message, data=data, key=key, level=level)
        except StoreError as busy:
            LOG.warning("%s: %s is not told: %s", self.run_id, kind, busy.text)


class Step(NamedTuple):
    """A part of a run. `carry_out` returns whether there is more to do; what it raises ends the run."""

    name: str
    carry_out: Callable[[Work], bool]


class Asked:
    """Whether somebody wants the run to end. The store is asked once a second at most."""

    def __init__(self, work: Work) -> None:
        self._work, self._asked, self._at = work, False, 0.0

    def __call__(self) -> bool:
        if not self._asked and time.monotonic() - self._at >= ASK_EVERY_S:
            self._asked, self._at = self._work.run.cancel_requested_at is not None, time.monotonic()
        return self._asked

    def check(self, *_: object) -> None:
        """Raises RunCancelled. It takes what an observer is told, so that it can be one."""
        if self():
            raise RunCancelled(f"{self._work.run_id} was cancelled")


def tell_progress(work: Work) -> Callable[[Progress], None]:
    """An observer of a training: its steps become `metrics` events, each once, also after it went on from a resume point."""
    newest: float | None = None

    def observe(progress: Progress) -> None:
        nonlocal newest
        if progress.note:
            work.tell("message", progress.note, level="warn")
        every, validated = max(1, progress.steps // TOLD_STEPS), progress.validation_nll != newest
        newest = progress.validation_nll
        if progress.loss is None or not (validated or progress.step % every == 0 or progress.step == progress.steps):
            return
        data = {
            "step": progress.step,
            "steps": progress.steps,
            "epoch": progress.epoch,
            "loss": progress.loss,
            "validation_nll": progress.validation_nll,
            "tokens_per_s": progress.tokens_per_s,
            "eta_s": progress.eta_s,
        }
        validation = "" if progress.validation_nll is None else f", validation {progress.validation_nll:.3f}"
        message = f"step {progress.step} of {progress.steps}: loss {progress.loss:.3f}{validation}"
        work.tell("metrics", message, data, key=f"step {progress.step}")

    return observe

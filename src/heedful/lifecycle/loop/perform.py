"""Perform: a step of a run in; it is done, or the run has ended with a reason, out. Nothing is raised but by a kill."""

import logging
import time
import traceback
from pathlib import PurePath

from heedful.errors import HeedfulError, RunCancelled, StoreError, TrainingInterrupted
from heedful.lifecycle.loop.work import Asked, Step, Work
from heedful.store.schema_runs import RunState
from heedful.store.training_runs import ENDED, get_run, set_state

LOG = logging.getLogger("heedful.worker")
PASSING = (StoreError, TrainingInterrupted)  # a busy database, a training whose process was killed: steps can be called again
TRIES, PAUSE_S = 5, 2.0


def perform(work: Work, step: Step) -> bool:
    """Whether the next step is to follow. Otherwise the run has its end in the store."""
    if work.run.state in ENDED:
        return False
    try:
        Asked(work).check()
        more = tried(work, step)
    except RunCancelled:
        end(work, "cancelled")
    except HeedfulError as error:
        end(work, "failed", f"{step.name}: {error.text}")
    except Exception as error:
        LOG.error("%s, %s: %s", work.run_id, step.name, where(error))
        end(work, "failed", f"{step.name}: {type(error).__name__}; the log of the worker names the place")
    else:
        if more:
            return True
        end(work, "succeeded")
    return False


def tried(work: Work, step: Step) -> bool:
    for attempt in range(1, TRIES + 1):
        try:
            return step.carry_out(work)
        except PASSING as error:
            if attempt == TRIES:
                raise
            LOG.warning("%s, %s, attempt %d of %d: %s", work.run_id, step.name, attempt, TRIES, error.text)
            time.sleep(PAUSE_S)
    raise AssertionError("the last attempt returns or raises")


def end(work: Work, state: RunState, error: str | None = None) -> None:
    """A run that has ended stays as it is."""
    with work.store.session() as session:
        run = get_run(session, work.run_id)
        if run.state not in ENDED:
            set_state(session, run, state, error)


def where(error: Exception) -> str:
    """Type and place. Its text stays out: it may quote what a person wrote."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " < ".join([type(error).__name__, *(f"{PurePath(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))])

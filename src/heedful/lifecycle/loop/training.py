"""Training of a run: a dataset and how to plan in; one registered version, whatever was killed meanwhile, out."""

import time
from collections.abc import Callable
from functools import partial

from sqlalchemy.orm import Session

from heedful.errors import RunCancelled, TrainingInterrupted
from heedful.lifecycle.loop.work import Asked, Work, tell_progress
from heedful.lifecycle.strategy import Planned
from heedful.lifecycle.training import is_training, see_through
from heedful.lifecycle.unfinished import Unfinished, begin, home_of, read, remove
from heedful.store.training_runs import note
from heedful.training.apart import train_apart

LOOK_EVERY_S = 0.5


def train_for(work: Work, dataset_id: str, plan: Callable[[], Planned]) -> str:
    """The version that this run trained. `plan` is asked once: a training that was begun goes on with its own.

    Raises RunCancelled, after what was learned is removed; TrainingInterrupted when the process of the training died.
    """
    asked = Asked(work)
    home = home_of(work.workspace, f"t-{work.number}")
    run = work.run
    if run.model_id is None:
        if not home.exists():
            begin(work.workspace, dataset_id, work.settings, plan(), f"t-{work.number}")
        wait_for_others(work, home.name, asked)
        train(work, read(home), asked)
        return str(work.run.model_id)
    if home.exists():  # killed between the row and here
        remove(home)
    return run.model_id


def wait_for_others(work: Work, home: str, asked: Asked) -> None:
    """A training of somebody at the command line, or a process of this very one whose worker was killed and that ends by itself."""
    told = False
    while is_training(work.workspace) or read(work.workspace.models / home).running:
        if not told:
            work.tell("message", "waiting: another training is under way in this workspace")
            told = True
        asked.check()
        time.sleep(LOOK_EVERY_S)


def train(work: Work, one: Unfinished, asked: Asked) -> None:
    def keep(session: Session, model_id: str) -> None:
        note(session, work.run_id, model_id=model_id)

    if one.step:
        work.tell("message", f"the training goes on from step {one.step} of {one.steps}")
    try:
        trained = see_through(
            work.workspace, work.store, one, work.actor, tell_progress(work), partial(train_apart, stop=asked), keep
        )
    except TrainingInterrupted:
        if asked():
            remove(one.home)
            raise RunCancelled(f"{work.run_id} was cancelled while it trained") from None
        raise
    work.note(steps=trained.steps, validation_nll=trained.best_validation_nll, training_s=round(trained.seconds, 1))

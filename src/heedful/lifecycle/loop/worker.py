"""Worker: a workspace in; runs carried out, one after the other, as they are asked for, fall due or are wanted by new data, out.

One in a workspace (`presence`). There is no orderly end: whoever wants a worker to stop kills it, and the next one goes on where
it was.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from heedful.config import Settings
from heedful.errors import StoreError
from heedful.lifecycle.loop.durable import Durable, durable
from heedful.lifecycle.loop.kinds import KINDS
from heedful.lifecycle.loop.perform import end
from heedful.lifecycle.loop.presence import sole_worker
from heedful.lifecycle.loop.requests import request_what_is_due
from heedful.lifecycle.loop.work import Step, Work
from heedful.store.database import Store
from heedful.store.schema import utc_now
from heedful.store.schema_runs import RunKind, TrainingRun, TrainingRunEvent
from heedful.store.training_runs import ENDED, claim_next, get_run, list_events, running
from heedful.workspace import Workspace

LOG = logging.getLogger("heedful.worker")
LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Shop:
    """What a worker works with. `watch` is told every event of a run, once; `kinds` has the steps of each kind of run."""

    workspace: Workspace
    store: Store
    settings: Settings
    watch: Callable[[TrainingRun, TrainingRunEvent], None]
    kinds: Mapping[RunKind, tuple[Step, ...]] = field(default_factory=lambda: KINDS)


def work_off(shop: Shop, forever: bool) -> int:
    """Carry out what waits and what is due; with `forever`, then wait for more. Returns how many runs have ended.

    Raises StoreError while another worker is there, or when the database of the steps cannot be used.
    """
    since, ended = utc_now(), 0
    url = shop.settings.worker.database
    with (
        sole_worker(shop.workspace),
        durable(
            shop.store,
            f"sqlite:///{shop.workspace.jobs}" if url is None else url,
            lambda run_id: open_work(shop, run_id),
            version_of(shop.kinds),
        ) as engine,
    ):
        while True:
            run_id = next_run(shop, since, patient=forever)
            if run_id is not None:
                told = told_before(shop.store, run_id, since)
                engine.start(run_id)
                follow(shop, engine, run_id, told)
                ended += 1
            elif forever:
                time.sleep(LOOK_EVERY_S)
            else:
                return ended


def version_of(kinds: Mapping[RunKind, tuple[Step, ...]]) -> str:
    """Equal for equal steps in equal order."""
    names = {kind: [step.name for step in steps] for kind, steps in kinds.items()}
    return hashlib.sha256(json.dumps(names, sort_keys=True).encode()).hexdigest()[:16]


def next_run(shop: Shop, since: datetime, patient: bool) -> str | None:
    """What a killed worker left, else the next one that waits; what is due is queued first.

    Raises StoreError while the store is busy; `patient`: None then, for somebody asks again.
    """
    try:
        with shop.store.session() as session:
            request_what_is_due(session, shop.settings.worker, since)
            left = running(session)
            run = claim_next(session) if left is None else left
            return None if run is None else run.id
    except StoreError as busy:
        if not patient:
            raise
        LOG.warning("%s", busy.text)
        return None


def open_work(shop: Shop, run_id: str) -> tuple[Work, Sequence[Step]]:
    work = Work(shop.workspace, shop.store, shop.settings, run_id)
    return work, shop.kinds[work.run.kind]


def told_before(store: Store, run_id: str, since: datetime) -> int:
    """The newest event of a run that another worker began."""
    with store.snapshot() as session:
        began, events = get_run(session, run_id).started_at, list_events(session, run_id, limit=1)
    return events[0].id if began is not None and began < since else 0


def follow(shop: Shop, engine: Durable, run_id: str, told: int) -> None:
    """Until the run has ended: tell its events after `told`. A run whose workflow died without ending it has failed."""
    while True:
        alive = engine.is_alive(run_id)  # asked first: it ends the run, and then itself
        with shop.store.snapshot() as session:
            run, events = get_run(session, run_id), list_events(session, run_id)
        for event in reversed(events):
            if event.id > told:
                shop.watch(run, event)
                told = event.id
        if run.state in ENDED:
            return
        if not alive:
            end(open_work(shop, run_id)[0], "failed", "its steps ended without it; the log of the worker may say why")
        time.sleep(LOOK_EVERY_S)

"""Durable: a run in; its steps in their order, each remembered by DBOS, so that the next worker goes on behind them, out.

DBOS keeps which step of which run returned what, in a database of its own, and begins again what a killed process left. What a step
did stays in our store. https://docs.dbos.dev/python/tutorials/workflow-tutorial
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import make_url

from heedful.errors import StoreError
from heedful.lifecycle.loop.perform import end, perform
from heedful.lifecycle.loop.work import Step, Work
from heedful.store.database import Store
from heedful.store.vault import digest

ALIVE = ("ENQUEUED", "DELAYED", "PENDING")


@dataclass(frozen=True, slots=True)
class Durable:
    """`carry_out` is the workflow. Its id is that of the run, so however often it is started, it is one."""

    carry_out: Callable[[str], None]
    version: str

    def start(self, run_id: str) -> None:
        """Begin it, or let it go on. It works in a thread.

        Where Heedful was upgraded and the steps are others now, they begin anew, for each finds out what is done.
        """
        from dbos import DBOS, SetWorkflowID

        begun = DBOS.get_workflow_status(run_id)
        if begun is not None and begun.app_version != self.version:
            DBOS.delete_workflow(run_id)
        with SetWorkflowID(run_id):
            DBOS.start_workflow(self.carry_out, run_id)

    def is_alive(self, run_id: str) -> bool:
        from dbos import DBOS

        status = DBOS.get_workflow_status(run_id)
        return status is not None and status.status in ALIVE


@contextmanager
def durable(store: Store, url: str, open_work: Callable[[str], tuple[Work, Sequence[Step]]], version: str) -> Iterator[Durable]:
    """While the block runs, DBOS works in threads of this process. One at a time in a process, for DBOS is a singleton.

    `open_work` finds a run and its steps by id; `version` is another one when the steps are others.

    Raises StoreError when the database of the steps cannot be used.
    """
    from dbos import DBOS, DBOSConfig

    with store.snapshot() as session:
        executor = digest(session, "worker", "executor")[:16]  # of the workspace, wherever it lies; a shared Postgres holds several
    config = DBOSConfig(
        name="heedful",
        system_database_url=url,
        application_version=version,
        executor_id=executor,
        log_level="CRITICAL",  # what fails is told by the run; DBOS would print tracebacks
    )

    @DBOS.workflow(name="training_run", max_recovery_attempts=None)
    def carry_out(run_id: str) -> None:
        work, steps = open_work(run_id)
        for step in steps:
            if not DBOS.run_step({"name": step.name}, perform, work, step):
                return
        DBOS.run_step({"name": "end"}, end, work, "succeeded")

    try:
        DBOS(config=config)
        DBOS.launch()
    except Exception as error:
        DBOS.destroy(destroy_registry=True)
        raise StoreError(
            f"the steps of runs cannot be kept at {make_url(url)!r}: {type(error).__name__}", "mend worker.database"
        ) from None
    try:
        yield Durable(carry_out, version)
    finally:
        DBOS.destroy(destroy_registry=True)

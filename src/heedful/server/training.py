"""/api/training: somebody of the team asks in; a queued run, which a worker carries out, and how the loop stands, out."""

from collections.abc import Callable

from fastapi import APIRouter, Request
from sqlalchemy.orm import Session

from heedful.config import WorkerSettings
from heedful.lifecycle.loop.requests import request_loop, run_as_dict, standing_as_dict, standing_of
from heedful.server.access import actor_of, allow
from heedful.server.body import read_json
from heedful.server.errors import failures
from heedful.server.keeping import Keeper
from heedful.server.parameters import check, request_body
from heedful.server.training_schemas import AskedRun, RunEntry, TrainingStatus
from heedful.store.schema_runs import TrainingRun
from heedful.store.training_runs import request_cancel


def training_router(keeper: Keeper, settings: WorkerSettings, is_working: Callable[[], bool]) -> APIRouter:
    """`is_working` tells whether a worker is there; it may block."""
    router = APIRouter(dependencies=[allow({"clinician", "operator"})])

    def told(run: TrainingRun) -> AskedRun:
        return AskedRun(object="training.run", run=RunEntry(**run_as_dict(run)), worker=is_working())

    @router.post("/api/training/run", openapi_extra=request_body(()), responses=failures(400, 413, 415))
    async def ask_for_run(request: Request) -> AskedRun:
        """Ask for a run now; where one waits already, it is that one. The body is an empty JSON object."""
        check((), await read_json(request))
        return await keeper.write(lambda session: told(request_loop(session, actor_of(request))))

    @router.get("/api/training/status", responses=failures())
    async def show_status() -> TrainingStatus:
        """How the loop stands, with the runs of late."""

        def look(session: Session) -> TrainingStatus:
            return TrainingStatus(object="training.status", **standing_as_dict(standing_of(session, settings), is_working()))

        return await keeper.read(look)

    @router.post("/api/training/runs/{run}/cancel", openapi_extra=request_body(()), responses=failures(400, 404, 409, 413, 415))
    async def cancel_run(run: str, request: Request) -> AskedRun:
        """End a run: at once where it waits, soon where it works. Nothing that it trained is kept."""
        check((), await read_json(request))
        return await keeper.write(lambda session: told(request_cancel(session, run, actor_of(request))))

    return router

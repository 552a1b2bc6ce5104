"""/v1/fine_tuning/jobs: a file and hyper-parameters go in, a queued run, which a worker carries out, comes out."""

from collections.abc import Callable

from fastapi import APIRouter, Query, Request
from sqlalchemy.orm import Session

from heedful.config import Settings
from heedful.server.access import actor_of, allow, caller_of
from heedful.server.body import read_bytes, read_json
from heedful.server.errors import ApiError, failures, refusal
from heedful.server.file_schemas import CheckpointList, Job, JobEventList, JobList
from heedful.server.files import TRAINERS, find_upload
from heedful.server.fine_tuning_request import PARAMETERS, read_job
from heedful.server.jobs import checkpoint_of, event_of, find_job, id_of, job_of
from heedful.server.keeping import Keeper
from heedful.server.paging import page_of
from heedful.server.parameters import request_body
from heedful.store.training_runs import ENDED, append_event, enqueue, list_events, list_runs, request_cancel

NO_WORKER = "queued, but nobody is there to carry it out; next: heedful worker, or heedful serve --worker"
JOBS = "/v1/fine_tuning/jobs"


def fine_tuning_router(keeper: Keeper, settings: Settings, is_working: Callable[[], bool]) -> APIRouter:
    """`is_working` tells whether a worker is there; it may block."""
    router = APIRouter(dependencies=[allow(TRAINERS)])

    @router.post(JOBS, openapi_extra=request_body(PARAMETERS), responses=failures(400, 413, 415))
    async def create_job(request: Request) -> Job:
        """Train on a file alone, from the base up, and prove the result."""
        asked = read_job(await read_json(request), settings.base, settings.training.seed)
        caller, actor = caller_of(request), actor_of(request)

        def ask(session: Session) -> Job:
            for param in ("training_file", "validation_file"):
                if getattr(asked, param) is not None:
                    check_file(session, getattr(asked, param), param)
            run = enqueue(session, "fine_tuning", {**asked.as_dict()}, actor)
            if not is_working():
                append_event(session, run.id, "message", NO_WORKER, level="warn")
            return job_of(session, run)

        def check_file(session: Session, file_id: str, param: str) -> None:
            upload = find_upload(session, file_id, caller, param)
            if upload.problem:
                raise refusal(param, f"Invalid file {upload.id}: {upload.problem}.", f"invalid_{param}")

        return await keeper.write(ask)

    @router.get(JOBS, responses=failures(400))
    async def list_jobs(request: Request, after: str = "", limit: int = Query(20, ge=1, le=1_000)) -> JobList:
        """The newest first. metadata[key]=value keeps those with this label."""
        wanted = {key[9:-1]: value for key, value in request.query_params.items() if key.startswith("metadata[") and key[-1] == "]"}

        def find(session: Session) -> JobList:
            runs = [run for run in list_runs(session, "fine_tuning") if wanted.items() <= run.request["labels"].items()]
            page, more = page_of(runs, id_of, after, limit)
            return JobList(object="list", data=[job_of(session, run) for run in page], has_more=more)

        return await keeper.read(find)

    add_job_routes(router, keeper)
    return router


def add_job_routes(router: APIRouter, keeper: Keeper) -> None:
    """Routes of one job."""

    @router.get(JOBS + "/{job_id}", responses=failures(404))
    async def retrieve_job(job_id: str) -> Job:
        return await keeper.read(lambda session: job_of(session, find_job(session, job_id)))

    @router.post(JOBS + "/{job_id}/cancel", responses=failures(400, 404, 413))
    async def cancel_job(request: Request, job_id: str) -> Job:
        """At once where it waits; where it runs, its worker ends it within seconds. Nothing that it trained is kept."""
        await read_bytes(request)
        actor = actor_of(request)

        def cancel(session: Session) -> Job:
            run = find_job(session, job_id)
            if run.state in ENDED:
                raise ApiError(400, f"Job has already {run.state}.", code="job_ended", param="fine_tuning_job_id")
            return job_of(session, request_cancel(session, run.id, actor))

        return await keeper.write(cancel)

    @router.get(JOBS + "/{job_id}/events", responses=failures(400, 404))
    async def list_job_events(job_id: str, after: str = "", limit: int = Query(20, ge=1, le=1_000)) -> JobEventList:
        """The newest first."""

        def find(session: Session) -> JobEventList:
            events = [event_of(event) for event in list_events(session, find_job(session, job_id).id)]
            page, more = page_of(events, lambda event: event.id, after, limit)
            return JobEventList(object="list", data=list(page), has_more=more)

        return await keeper.read(find)

    @router.get(JOBS + "/{job_id}/checkpoints", responses=failures(400, 404))
    async def list_checkpoints(job_id: str, after: str = "", limit: int = Query(10, ge=1, le=1_000)) -> CheckpointList:
        """The one that became the model; others are not kept as models."""

        def find(session: Session) -> CheckpointList:
            made = checkpoint_of(find_job(session, job_id))
            page, more = page_of([] if made is None else [made], lambda one: one.id, after, limit)
            first, last = (page[0].id, page[-1].id) if page else (None, None)
            return CheckpointList(object="list", data=list(page), has_more=more, first_id=first, last_id=last)

        return await keeper.read(find)

    for verb in ("pause", "resume"):
        router.add_api_route(f"{JOBS}/{{job_id}}/{verb}", unsupported(verb), methods=["POST"], responses=failures(400), name=verb)


def unsupported(verb: str) -> Callable[[str], Job]:
    def refuse(job_id: str) -> Job:
        """Not supported: a job that was killed goes on by itself; cancel ends it."""
        raise ApiError(400, f"A job cannot be asked to {verb} here; cancel it, or let it run.", code="unsupported", param=None)

    return refuse

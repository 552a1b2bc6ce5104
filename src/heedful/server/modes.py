"""/api/mode: where replies are computed and who served how many, out; a switch of it, in. For operators."""

import asyncio

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from heedful.config import Settings
from heedful.errors import ConfigError
from heedful.lifecycle.modes import Usage, switch, usage
from heedful.server.access import actor_of, allow
from heedful.server.body import read_json
from heedful.server.errors import ApiError, failures
from heedful.server.kinds import one_of
from heedful.server.parameters import Parameter, check, request_body
from heedful.store.database import Store
from heedful.store.modes import MODES
from heedful.store.traces import Share

PARAMETERS = (Parameter("mode", "used", one_of(*MODES), required=True),)
DAYS = 7.0


class ModeState(BaseModel):
    """Who served the turns of the last `days`, as `heedful mode` shows it."""

    mode: str
    days: float
    served: list[Share]


def modes_router(store: Store, settings: Settings) -> APIRouter:
    router = APIRouter(dependencies=[allow({"operator"})], responses=failures(400, 409, 413, 415))

    @router.get("/api/mode")
    async def show_mode(days: float = Query(DAYS, gt=0, le=3_660)) -> ModeState:
        """The mode that holds now, and who served the turns of the last days."""
        return state_of(await asyncio.to_thread(usage, store, settings, days))

    @router.post("/api/mode", openapi_extra=request_body(PARAMETERS))
    async def switch_mode(request: Request) -> ModeState:
        """From the next turn on. Replies under way end as they began."""
        asked = check(PARAMETERS, await read_json(request))
        try:
            await asyncio.to_thread(switch, store, settings, asked["mode"], actor_of(request))
        except ConfigError as error:
            raise ApiError(409, f"{error.text}.", code="refused", param="mode") from None
        return state_of(await asyncio.to_thread(usage, store, settings, DAYS))

    return router


def state_of(found: Usage) -> ModeState:
    return ModeState(mode=found.mode, days=found.days, served=list(found.shares))

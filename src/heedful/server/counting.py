"""GET /api/counters: what came on which day, kept or not, as numbers of nobody in particular."""

from datetime import timedelta

from fastapi import APIRouter, Query

from heedful.server.access import allow
from heedful.server.collection_schemas import CountEntry, CountList
from heedful.server.errors import failures
from heedful.server.keeping import Keeper
from heedful.store.counters import list_counts
from heedful.store.schema import utc_now


def counting_router(keeper: Keeper) -> APIRouter:
    router = APIRouter(dependencies=[allow({"clinician", "operator"})], responses=failures(400))

    @router.get("/api/counters")
    async def show_counters(days: int = Query(30, ge=1, le=3_660)) -> CountList:
        """Of the last days, today among them, the oldest first."""
        since = (utc_now().date() - timedelta(days=days - 1)).isoformat()
        rows = await keeper.read(lambda session: list_counts(session, since))
        return CountList(object="list", data=[CountEntry(day=r.day, kind=r.kind, kept=r.kept, count=r.count) for r in rows])

    return router

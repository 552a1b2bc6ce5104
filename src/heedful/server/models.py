"""GET /v1/models and /v1/models/{id}: the catalog's cards go in, OpenAI's model objects come out."""

from fastapi import APIRouter

from heedful.server.access import allow
from heedful.server.catalog import Catalog, ModelCard
from heedful.server.errors import ApiError
from heedful.server.schemas import ErrorEnvelope, ModelEntry, ModelList


def models_router(catalog: Catalog) -> APIRouter:
    router = APIRouter(dependencies=[allow()])

    # Not async: the framework then calls them in a thread, for cards() may read a database.
    @router.get("/v1/models")
    def list_models() -> ModelList:
        """Every model that can be asked."""
        return ModelList(object="list", data=[entry(card) for card in catalog.cards()])

    @router.get("/v1/models/{model:path}", responses={404: {"model": ErrorEnvelope, "description": "No such model"}})
    def retrieve_model(model: str) -> ModelEntry:
        """One model, by its id or one of its aliases."""
        cards = catalog.cards()
        found = next((card for card in cards if model == card.id), None) or next(
            (card for card in cards if model in card.aliases), None
        )
        if found is None:
            raise ApiError(404, f"Unknown model {model[:80]!r}. GET /v1/models lists them.", code="model_not_found", param="model")
        return entry(found)

    return router


def entry(card: ModelCard) -> ModelEntry:
    return ModelEntry(
        id=card.id, object="model", created=card.created, owned_by="heedful", base=card.base, aliases=list(card.aliases)
    )

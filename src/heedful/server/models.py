"""/v1/models and /v1/models/{id}: the catalog's cards go in, OpenAI's model objects come out; a version may be removed."""

from collections.abc import Callable

from fastapi import APIRouter, Request

from heedful.errors import RegistryError, StatementRefused
from heedful.server.access import actor_of, allow
from heedful.server.catalog import Catalog, ModelCard
from heedful.server.errors import ApiError, failures
from heedful.server.schemas import ModelDeleted, ModelEntry, ModelList

Remove = Callable[[str, str], object]  # a name, and who wants it gone; it may block


def models_router(catalog: Catalog, remove: Remove | None = None) -> APIRouter:
    """Without `remove` nothing is removed."""
    router = APIRouter()
    everybody = [allow()]

    # Not async: the framework then calls them in a thread, for cards() may read a database.
    @router.get("/v1/models", dependencies=everybody)
    def list_models() -> ModelList:
        """Every model that can be asked."""
        return ModelList(object="list", data=[entry(card) for card in catalog.cards()])

    @router.get("/v1/models/{model:path}", dependencies=everybody, responses=failures(404))
    def retrieve_model(model: str) -> ModelEntry:
        """One model, by its id or one of its aliases."""
        cards = catalog.cards()
        found = next((card for card in cards if model == card.id), None) or next(
            (card for card in cards if model in card.aliases), None
        )
        if found is None:
            raise ApiError(404, f"Unknown model {model[:80]!r}. GET /v1/models lists them.", code="model_not_found", param="model")
        return entry(found)

    if remove is not None:
        add_removal(router, remove)
    return router


def add_removal(router: APIRouter, remove: Remove) -> None:
    @router.delete("/v1/models/{model:path}", dependencies=[allow({"operator"})], responses=failures(404, 409))
    def delete_model(request: Request, model: str) -> ModelDeleted:
        """Remove a version that nobody needs, by its id or its `ft:` name. Replies that it is writing go on to their end."""
        try:
            remove(model, actor_of(request))
        except RegistryError as unknown:
            raise ApiError(404, f"{unknown.text}. GET /v1/models lists them.", code="model_not_found", param="model") from None
        except StatementRefused as refused:
            raise ApiError(409, f"{refused.text}.", code="model_in_use", param="model") from None
        return ModelDeleted(id=model, object="model", deleted=True)


def entry(card: ModelCard) -> ModelEntry:
    return ModelEntry(
        id=card.id, object="model", created=card.created, owned_by="heedful", base=card.base, aliases=list(card.aliases)
    )

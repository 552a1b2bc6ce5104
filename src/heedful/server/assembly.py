"""Assembly: an open workspace and who may ask in; the whole application, every room of it included, out.

`heedful serve` runs it, and the tests that walk all routes walk this one.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI

from heedful.config import Settings
from heedful.lifecycle.handover import timer
from heedful.lifecycle.loop.worker import is_working
from heedful.lifecycle.recording import recording
from heedful.server.access import Access
from heedful.server.app import create_app
from heedful.server.keeping import Keeper
from heedful.server.modes import modes_router
from heedful.server.registry_catalog import RegistryCatalog
from heedful.server.training import training_router
from heedful.server.vector_stores import vector_stores_router
from heedful.store.database import Store
from heedful.workspace import Workspace


@contextmanager
def assembled(workspace: Workspace, store: Store, settings: Settings, access: Access) -> Iterator[tuple[FastAPI, RegistryCatalog]]:
    """What writes to the store beside the routes runs within the block, and has written all at its end."""
    with timer(store, settings.guards), recording(store) as record, Keeper(store) as keeper:
        catalog = RegistryCatalog(workspace, store, settings, record)
        training = training_router(keeper, settings.worker, lambda: is_working(workspace))
        rooms = [training, modes_router(store, settings), vector_stores_router(workspace, keeper)]
        yield create_app(catalog, access, settings.server.origins, catalog.lifespan, keeper, rooms), catalog

"""Assembly: an open workspace and who may ask in; the whole application, every room of it included, out.

`heedful serve` runs it, and the tests that walk all routes walk this one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from fastapi import FastAPI

from heedful.config import Settings
from heedful.lifecycle.handover import timer
from heedful.lifecycle.loop.presence import is_working
from heedful.lifecycle.recording import recording
from heedful.lifecycle.removal import remove_version
from heedful.server.access import Access
from heedful.server.app import create_app
from heedful.server.file_batches import file_batches_router
from heedful.server.fine_tuning import fine_tuning_router
from heedful.server.keeping import Keeper
from heedful.server.modes import modes_router
from heedful.server.observing import log_turn, observed, records
from heedful.server.registry_catalog import RegistryCatalog
from heedful.server.spans import spans_to
from heedful.server.training import training_router
from heedful.server.vector_stores import vector_stores_router
from heedful.store.database import Store
from heedful.workspace import Workspace


@contextmanager
def assembled(workspace: Workspace, store: Store, settings: Settings, access: Access) -> Iterator[tuple[FastAPI, RegistryCatalog]]:
    """What writes to the store beside the routes runs within the block, and has written all at its end."""
    with (
        timer(store, settings.guards),
        recording(store) as record,
        Keeper(store) as keeper,
        spans_to(settings.server.otlp) as spans,
    ):
        told = records(record, log_turn, None if spans is None else spans.turn)
        catalog = RegistryCatalog(workspace, store, settings, told)
        training = training_router(keeper, settings.worker, lambda: is_working(workspace))
        fine_tuning = fine_tuning_router(keeper, settings, lambda: is_working(workspace))
        rooms = [training, fine_tuning, modes_router(store, settings), vector_stores_router(workspace, keeper)]
        rooms.append(file_batches_router(workspace, keeper))
        remove = partial(remove_version, workspace, store)
        app = create_app(catalog, access, settings.server.origins, catalog.lifespan, keeper, rooms, remove)
        app.add_middleware(observed, spans=spans)
        yield app, catalog

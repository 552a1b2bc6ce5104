"""Catalog over the registry: a name in, a companion with a loaded engine out. What `heedful serve` hands to the application.

Aliases and quarantine are looked up anew at each request, so a promotion, a rollback or an erasure reaches a running server with
its next turn. A version is loaded once; when more than `KEPT` are loaded, the one unused for longest is let go, and is freed when
its running replies end.
"""

import asyncio
from collections import OrderedDict

from heedful.companion.trace import Record
from heedful.companion.turn import Companion
from heedful.config import Settings
from heedful.errors import RegistryError
from heedful.lifecycle.companions import BASE, find_target, load_companion
from heedful.registry.aliases import CHAMPION, current_aliases, fell_to_base
from heedful.registry.versions import list_versions, quarantine_refusal
from heedful.server.catalog import ModelCard
from heedful.store.database import Store
from heedful.workspace import Workspace

KEPT = 3  # champion, previous and base


class RegistryCatalog:
    """Names are `base`, every alias and every version id."""

    def __init__(self, workspace: Workspace, store: Store, settings: Settings, record: Record | None = None) -> None:
        self._workspace, self._store, self._settings, self._record = workspace, store, settings, record
        self._loaded: OrderedDict[str, Companion] = OrderedDict()
        self._loading = asyncio.Lock()

    def cards(self) -> list[ModelCard]:
        with self._store.snapshot() as session:
            versions, fallen = list_versions(session), fell_to_base(session)
        cards = [ModelCard(v.id, int(v.created_at.timestamp()), v.base, v.aliases) for v in versions if not v.quarantined]
        return [*cards, ModelCard(BASE, 0, self._settings.base, (CHAMPION,) if fallen else ())]

    async def resolve(self, name: str) -> Companion:
        model, quarantined = await asyncio.to_thread(self._model_of, name)
        async with self._loading:
            for former in quarantined:
                self._loaded.pop(former, None)
            if model not in self._loaded:
                self._loaded[model] = await asyncio.to_thread(self._load, model)
            self._loaded.move_to_end(model)
            companion = self._loaded[model]
            while len(self._loaded) > KEPT:
                self._loaded.popitem(last=False)  # not closed: replies under way hold it, and free it when they end
        return companion

    async def close(self) -> None:
        """Free every engine."""
        while self._loaded:
            _, companion = self._loaded.popitem()
            await companion.engine.close()

    def _model_of(self, name: str) -> tuple[str, list[str]]:
        """The id behind a name, and the quarantined ids. Exact names only: a typing error must not reach some other model."""
        with self._store.snapshot() as session:
            aliases, fallen, versions = current_aliases(session), fell_to_base(session), list_versions(session)
        quarantined = [version.id for version in versions if version.quarantined]
        known = [version.id for version in versions if not version.quarantined]
        wanted = aliases.get(name, name)
        if name == BASE or (name == CHAMPION and fallen):
            wanted = BASE
        elif wanted in quarantined:
            raise quarantine_refusal(wanted)
        elif wanted not in known:
            raise RegistryError(f"unknown model {name!r}; known: {', '.join([*sorted(aliases), *known, BASE])}", "heedful models")
        return wanted, quarantined

    def _load(self, model: str) -> Companion:
        target = find_target(self._workspace, self._store, self._settings, model)
        return load_companion(self._workspace, target, self._settings, self._store, self._record)

"""Catalog over the registry: a name in, a companion with a loaded engine out. What `heedful serve` hands to the application.

Aliases and quarantine are looked up at each request, and twice a second beside. A new champion is built, in a process of its own,
and loaded while the former one answers; then every new turn is its own. So no request waits for a promotion or a rollback. The
former one stands by for a rollback as long as memory is there; else it is freed when its last reply has ended. A quarantined model
answers nobody any more, and the replies that it is writing are ended.
While an experiment runs, whoever asks the champion may be served by its challenger. It ends for everybody with the next request.
In shadow mode the champion serves everybody, and the challenger answers unseen when nobody is being answered.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import psutil
from fastapi import FastAPI

from heedful.companion.routing import Routing
from heedful.companion.trace import Record
from heedful.companion.turn import Companion
from heedful.config import Settings
from heedful.engines.base import Engine
from heedful.errors import HeedfulError, RegistryError
from heedful.lifecycle.companions import BASE, build_beside, find_target, load_companion
from heedful.lifecycle.experiments.joining import serving_variant
from heedful.lifecycle.experiments.monitor import variant_name, watch
from heedful.lifecycle.modes import hosted, hybrid_of
from heedful.registry.aliases import CHAMPION, PREVIOUS, fell_to_base
from heedful.registry.versions import list_versions
from heedful.server.catalog import ModelCard
from heedful.server.loaded_models import LoadedModels
from heedful.server.shadow import Shadow
from heedful.server.standing import Standing, read_standing
from heedful.store.database import Store
from heedful.store.schema_experiments import UPSTREAM, Experiment
from heedful.training.container import container_room
from heedful.workspace import Workspace

LOG = logging.getLogger("heedful.server")
FOLLOW_S = 0.5
ROOM = 0.25  # of what the server holds has to be free as well, or no model stands by


class RegistryCatalog:
    """Names are `base`, every alias and every version id."""

    def __init__(self, workspace: Workspace, store: Store, settings: Settings, record: Record | None = None) -> None:
        self._workspace, self._store, self._settings, self._record = workspace, store, settings, record
        self._models = LoadedModels(self._load)
        self._hybrid = hybrid_of(store, settings)
        self._champion: str | None = None  # the model that answers for that name now
        self._standby: str | None = None  # the one that a rollback brings back
        self._begun = self._obeyed = 0  # readings of the registry
        self._shadow = Shadow(store, self._models.get, self._busy)

    def cards(self) -> list[ModelCard]:
        with self._store.snapshot() as session:
            versions, fallen = list_versions(session), fell_to_base(session)
        cards = [ModelCard(v.id, int(v.created_at.timestamp()), v.base, v.aliases) for v in versions if v.usable]
        return [*cards, ModelCard(BASE, 0, self._settings.base, (CHAMPION,) if fallen else ())]

    def engines(self) -> list[Engine]:
        return self._models.engines()

    async def resolve(self, name: str, subject: str = "") -> Companion:
        self._shadow.give_way()
        standing = await self._look()
        model = standing.model_of(name)
        if name == CHAMPION and self._champion is not None:
            model = self._champion
        experiment = standing.experiment_in_effect()
        if name != CHAMPION:  # who asks for a version by its id gets the words of that version, or of the upstream
            return replace(await self._get(standing, model, experiment), routing=None)
        if not subject or experiment is None or model != experiment.champion:
            return await self._get(standing, model, experiment)
        if experiment.shadow:
            return replace(await self._get(standing, model, experiment), after=self._shadow.after(experiment))
        if experiment.challenger == UPSTREAM:
            return await self._beside_upstream(standing, experiment, subject)
        ready = experiment.challenger in self._models
        variant = await asyncio.to_thread(serving_variant, self._store, experiment, subject, ready)
        companion = await self._get(standing, experiment.challenger if variant == "challenger" else model, experiment)
        return companion if variant is None else replace(companion, variant=variant_name(experiment, variant))

    async def _beside_upstream(self, standing: Standing, experiment: Experiment, subject: str) -> Companion:
        """The champion; its words are the upstream's for persons of that variant, and its own for the others, whatever the mode."""
        companion = await self._get(standing, experiment.champion, experiment)
        if companion.hybrid is None or (await asyncio.to_thread(companion.hybrid.terms, subject)).mode == "local":
            return companion
        variant = await asyncio.to_thread(serving_variant, self._store, experiment, subject, True)
        if variant is None:
            return companion
        hybrid = hosted(companion.hybrid) if variant == "challenger" else None
        return replace(companion, hybrid=hybrid, variant=variant_name(experiment, variant))

    async def _get(self, standing: Standing, model: str, experiment: Experiment | None) -> Companion:
        companion = await self._models.get(model)
        routing = await self._routing(standing, model)
        casual = None if routing is None else routing.casual.model
        self._models.keep(self._champion, None if experiment is None else experiment.challenger, casual)
        return replace(companion, routing=routing, hybrid=self._hybrid)

    async def _routing(self, standing: Standing, asked: str) -> Routing | None:
        """With the model of casual turns, loaded beside; None where there is none, or where it is the one that was asked for."""
        wanted = self._settings.routing
        if wanted.casual is None:
            return None
        try:
            casual = standing.model_of(wanted.casual)
        except RegistryError as error:  # quarantined, or not there any more: nobody is to be refused for that
            LOG.warning("no turn is routed: %s", error.text)
            return None
        return None if casual == asked else Routing((await self._models.get(casual)).engine, wanted.threshold)

    async def _busy(self) -> bool:
        return any([(await engine.health()).running for engine in self._models.engines()])

    @asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        """Follow the registry while the server runs, requests or not; free every engine at its end."""
        tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._shadow.run())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await self.close()

    async def close(self) -> None:
        """End every reply and free every engine."""
        await self._models.close()
        if self._hybrid is not None:
            await self._hybrid.upstream.close()

    async def _follow(self) -> None:
        moods = 0
        while True:
            try:
                await self._look()
                if self._standby is not None and not has_room():
                    self._models.let_go(self._standby)
                    self._standby = None
                moods = await asyncio.to_thread(watch, self._store, moods)
            except HeedfulError as error:
                LOG.warning("the registry cannot be read: %s", error.text)
            await asyncio.sleep(FOLLOW_S)

    async def _look(self) -> Standing:
        """Of two readings at the same time, the one that began first is not obeyed after the other: it may be older."""
        self._begun += 1
        number = self._begun
        standing = await asyncio.to_thread(read_standing, self._store)
        if number > self._obeyed:
            self._obeyed = number
            self._obey(standing)
        return standing

    def _obey(self, standing: Standing) -> None:
        for model in standing.quarantined:
            self._models.end(model)
        for engine in self._models.engines():
            if engine.model not in (BASE, *standing.versions):  # its files are gone; whom it answers, it answers to the end
                self._models.let_go(engine.model)
        wanted = standing.aliases.get(CHAMPION)
        if wanted is not None and wanted not in self._models:
            self._models.prepare(wanted)
            if self._champion in self._models:
                return  # it answers meanwhile, and no experiment is in effect
        if wanted != self._champion:
            LOG.info("champion is now %s, was %s", wanted, self._champion)
            before, self._champion = (self._champion, self._standby), wanted
            self._standby = standing.aliases.get(PREVIOUS) if self._champion in self._models else None
            for former in before:
                if former not in (self._champion, self._standby):
                    self._models.let_go(former)
        experiment = standing.experiment_in_effect()
        if experiment is not None and experiment.challenger != UPSTREAM:
            self._models.prepare(experiment.challenger)

    def _load(self, model: str) -> Companion:
        """Raises HeedfulError; RegistryError also when the model was quarantined while it was being loaded."""
        target = find_target(self._workspace, self._store, self._settings, model)
        if self._champion in self._models:
            build_beside(self._workspace, target, self._settings)
        companion = load_companion(self._workspace, target, self._settings, self._store, self._record)
        read_standing(self._store).model_of(model)
        return companion


def has_room() -> bool:
    """Also where a container around the server has less memory than the machine."""
    free, inside = int(psutil.virtual_memory().available), container_room()
    held = int(psutil.Process().memory_info().rss)
    return (free if inside is None else min(free, inside)) >= ROOM * held

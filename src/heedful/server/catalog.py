"""The server's view of the models: a name goes in, a Companion comes out. Versions and engines are kept behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from heedful.companion.turn import Companion
from heedful.engines.base import Engine
from heedful.errors import RegistryError


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One entry of /v1/models. `created` is in seconds since 1970; `aliases` are further names that answer for this model."""

    id: str
    created: int = 0
    base: str = ""
    aliases: tuple[str, ...] = ()


class Catalog(Protocol):
    """What the server is handed."""

    def cards(self) -> list[ModelCard]:
        """Every model that can be asked, read anew at each call. May block; the server calls it in a thread."""

    def engines(self) -> list[Engine]:
        """Those that are loaded now."""

    async def resolve(self, name: str, subject: str = "") -> Companion:
        """The companion behind an id or an alias, loaded. Raises RegistryError when the name is unknown.

        `subject` is the person whom it is to serve, where an experiment may choose; empty: it may not.
        """


@dataclass(frozen=True, slots=True)
class StaticCatalog:
    """A fixed set of companions by name: for tests, and for serving without a workspace."""

    companions: Mapping[str, Companion]

    def cards(self) -> list[ModelCard]:
        return [ModelCard(name) for name in self.companions]

    def engines(self) -> list[Engine]:
        return [companion.engine for companion in self.companions.values()]

    async def resolve(self, name: str, subject: str = "") -> Companion:
        found = self.companions.get(name)
        if found is None:
            raise RegistryError(
                f"unknown model {name!r}; known: {', '.join(self.companions) or 'none'}", "GET /v1/models lists them"
            )
        return found

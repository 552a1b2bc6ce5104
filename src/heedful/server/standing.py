"""Standing: the registry's database in; which names stand for which models at this moment, out."""

from collections.abc import Mapping
from dataclasses import dataclass

from heedful.errors import RegistryError
from heedful.lifecycle.companions import BASE
from heedful.registry.aliases import CHAMPION, current_aliases, fell_to_base
from heedful.registry.versions import list_versions, quarantine_refusal
from heedful.store.database import Store
from heedful.store.experiments import running_experiment
from heedful.store.schema_experiments import UPSTREAM, Experiment


@dataclass(frozen=True, slots=True)
class Standing:
    """`aliases` as they point; a champion that fell points to `base`. `versions` are the clean ones, oldest first.

    `experiment` runs, whether or not its versions still are what they were.
    """

    aliases: Mapping[str, str]
    versions: tuple[str, ...]
    quarantined: frozenset[str]
    experiment: Experiment | None = None

    def model_of(self, name: str) -> str:
        """Exact names only: a typing error must not reach some other model. Raises RegistryError."""
        model = self.aliases.get(name, name)
        if model in self.quarantined:
            raise quarantine_refusal(model)
        if model != BASE and model not in self.versions:
            known = ", ".join([*sorted(self.aliases), *self.versions, BASE])
            raise RegistryError(f"unknown model {name!r}; known: {known}", "heedful models")
        return model

    def experiment_in_effect(self) -> Experiment | None:
        """The one that runs, unless a version of it is not what it was: then it is about to be ended."""
        found = self.experiment
        if found is None or self.aliases.get(CHAMPION, BASE) != found.champion:
            return None
        return found if found.challenger in (*self.versions, UPSTREAM) else None


def read_standing(store: Store) -> Standing:
    """May block. Raises StoreError."""
    with store.snapshot() as session:
        aliases, fallen, versions = current_aliases(session), fell_to_base(session), list_versions(session)
        experiment = running_experiment(session)
    return Standing(
        aliases={**aliases, CHAMPION: BASE} if fallen else aliases,
        versions=tuple(version.id for version in versions if version.usable),
        quarantined=frozenset(version.id for version in versions if version.quarantined),
        experiment=experiment,
    )

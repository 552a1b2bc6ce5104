"""Grounding: the settings in; what makes examples with citations of a dataset's conversations out, or nothing where it is off."""

from heedful.companion.examples import ground_in
from heedful.config import Settings
from heedful.dataset.grounding import Ground
from heedful.errors import DatasetError
from heedful.knowledge.retrieval import opened
from heedful.lifecycle.companions import wanted_of
from heedful.workspace import Workspace


def grounding_of(workspace: Workspace, settings: Settings) -> Ground | None:
    """Passages as the companion of these settings shows them. Raises DatasetError where it shows none."""
    if not settings.dataset.knowledge:
        return None
    if settings.knowledge.passages == 0:
        raise DatasetError("dataset.knowledge is on, but knowledge.passages is 0: nothing is shown in service", "set it above 0")
    if opened(workspace) is None:
        raise DatasetError("dataset.knowledge is on, but there are no documents to cite", "heedful knowledge add FILE")
    return ground_in(workspace, wanted_of(settings.base, settings.knowledge), settings.dataset.seed)

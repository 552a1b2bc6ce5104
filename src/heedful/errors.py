"""The one exception tree: what a user can be told in one line, and the command that comes next.

Every error a person can cause is a `HeedfulError`. Its text says what is wrong, the value received and what is allowed;
`next_step` names the command or edit that helps. The command line prints both, never a traceback.
"""

from dataclasses import dataclass
from pathlib import Path


class HeedfulError(Exception):
    """Root of the tree. `text` is one line without control characters, whatever a name in it holds; `next_step` is a command or an
    edit, or empty."""

    def __init__(self, text: str, next_step: str = "") -> None:
        super().__init__(text)
        self.text = "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))
        self.next_step = next_step

    def __str__(self) -> str:
        return self.text


class ConfigError(HeedfulError):
    """heedful.yaml, an environment variable or a flag is wrong."""


class WorkspaceError(HeedfulError):
    """No workspace here, or it cannot be written, or a manifest does not fit its files."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a source something is wrong. `row` counts from 1, as an editor or a spreadsheet shows it."""

    path: Path
    row: int | None = None

    def __str__(self) -> str:
        return str(self.path) if self.row is None else f"{self.path}, row {self.row}"


class SourceError(HeedfulError):
    """A file, or one row of it, cannot be read as conversations."""

    def __init__(self, text: str, place: Place, next_step: str = "") -> None:
        super().__init__(f"{place}: {text}", next_step)
        self.place = place


class StoreError(HeedfulError):
    """The database is missing, from another version, or refuses a write."""


class StatementRefused(StoreError):  # noqa: N818 - what was said is refused, nothing failed
    """Something that was told cannot be kept as it stands; `param` names the field. The database is well."""

    def __init__(self, text: str, param: str, next_step: str = "") -> None:
        super().__init__(text, next_step)
        self.param = param


class DatasetError(HeedfulError):
    """A dataset cannot be built or read."""


class ModelError(HeedfulError):
    """A base model, tokenizer or adapter cannot be loaded or does not fit."""


class TrainingError(HeedfulError):
    """A plan cannot be carried out, or training stopped."""


class TrainingDiverged(TrainingError):  # noqa: N818 - named after what happened
    """The loss is no number any more or has come apart. Gone on with, it would end there again."""


class OutOfMemory(TrainingError):  # noqa: N818 - named after what happened
    """Memory ran out; with smaller passes the same steps may fit."""


class TrainingInterrupted(TrainingError):  # noqa: N818 - stopped from outside, it is no fault of the training
    """Training was stopped or killed; what it learned so far is kept and can be gone on with."""


class RunCancelled(HeedfulError):  # noqa: N818 - somebody wished it
    """A training run ends because somebody asked for that."""


class EngineError(HeedfulError):
    """An engine cannot answer."""


class PromptTooLong(EngineError):  # noqa: N818 - a property of the request, not a fault of the engine
    """Even the newest message leaves no room for a reply in the model's context."""


class EvaluationError(HeedfulError):
    """An evaluation cannot run."""


class RegistryError(HeedfulError):
    """An unknown version or alias."""


class PromotionRefused(RegistryError):  # noqa: N818 - it is a verdict, not a fault
    """A blocking check failed or did not run; `failed` names the checks."""

    def __init__(self, text: str, failed: tuple[str, ...], next_step: str = "") -> None:
        super().__init__(text, next_step)
        self.failed = failed


class KnowledgeError(HeedfulError):
    """A document cannot be read, is not known, or the index of documents cannot be used."""


class ExperimentError(HeedfulError):
    """An experiment cannot begin, or cannot be read."""


class ServerError(HeedfulError):
    """The server cannot listen or start."""

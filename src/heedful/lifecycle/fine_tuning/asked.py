"""Asked: what a fine-tuning job was asked for, as it lies in its run, in; settings of its training, and its model's name, out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePath
from typing import Any

from heedful.config import Settings
from heedful.registry.aliases import FINE_TUNED

BASE_LETTERS, SUFFIX_LETTERS = 15, 24  # of the name; with the id of the version it has 64 at most, as every alias


@dataclass(frozen=True, slots=True)
class JobRequest:
    """Ids, numbers, and words of the team (`suffix`, `labels`). None: left to the plan.

    `rate` multiplies the learning rate that the plan would take.
    """

    base: str
    training_file: str
    validation_file: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    rate: float | None = None
    seed: int = 7
    suffix: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def over(self, settings: Settings) -> Settings:
        """From the base, so that the file alone decides what is learned; without the rate, which the plan is asked for first."""
        wanted = {"strategy": "fresh", "epochs": self.epochs, "batch_size": self.batch_size, "seed": self.seed}
        training = settings.training.model_copy(update={name: value for name, value in wanted.items() if value is not None})
        return settings.model_copy(update={"base": self.base, "training": training})


def with_rate(settings: Settings, rate: float) -> Settings:
    return settings.model_copy(update={"training": settings.training.model_copy(update={"learning_rate": rate})})


def name_of(base: str, suffix: str, model: str) -> str:
    """As OpenAI builds it: ft:BASE:ORGANISATION:SUFFIX:ID."""
    short = "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in PurePath(base).name)[:BASE_LETTERS]
    return f"{FINE_TUNED}{short}:heedful:{suffix}:{model}"

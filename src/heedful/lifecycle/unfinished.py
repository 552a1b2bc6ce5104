"""Unfinished: trainings that are not a version yet. A workspace in; a new home for one, the one to go on with, or a list, out.

models/.training-t-1f0c2a/
    job.json        what was asked for
    plan.yaml       the plan it was begun with; it is not made again
    model/          the directory of the version to be
    recovery/       resume points
    trained.json    facts of the training, when the weights are whole: then only a name and a row are missing
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from heedful.config import Settings, load_settings
from heedful.errors import TrainingError
from heedful.lifecycle.strategy import Planned
from heedful.store.schema import utc_now
from heedful.training.plan import PLAN_FILE, TrainingPlan, to_yaml
from heedful.training.recovery import in_use, newest
from heedful.training.round import Round, read_round, write_round
from heedful.training.watch import RESUME
from heedful.workspace import Workspace, staging, write_text

PREFIX = ".training-"
JOB, TRAINED = "job.json", "trained.json"
DISCARD = "heedful train --discard"


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked for. `settings` are those that a training obeys, `configured` the same ones without the flags of that call."""

    dataset: str
    settings: Mapping[str, Any]
    configured: Mapping[str, Any]
    begun_at: str


@dataclass(frozen=True, slots=True)
class Trained:
    """What is known of a training that is through. `facts` are for the manifest."""

    model: str
    adapter_sha256: str
    best_validation_nll: float
    steps: int
    seconds: float
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A training that has a home. `step` is that of its newest resume point."""

    id: str
    home: Path
    job: Job
    step: int
    steps: int
    running: bool

    @property
    def plan(self) -> TrainingPlan:
        return TrainingPlan.load(self.home / PLAN_FILE)

    @property
    def part(self) -> Round | None:
        return read_round(self.home, self.home.parent)

    @property
    def model(self) -> Path:
        return self.home / "model"

    @property
    def recovery(self) -> Path:
        return self.home / "recovery"

    def in_words(self) -> str:
        at = f"step {self.step} of {self.steps}" + (", running" if self.running else "")
        return f"{self.id} ({at}, on {self.job.dataset}, begun {self.job.begun_at[:16].replace('T', ' ')} UTC)"


def settings_of(settings: Settings) -> dict[str, Any]:
    """What a training obeys, by dotted keys."""
    training = {f"training.{name}": value for name, value in settings.training.model_dump(mode="json").items()}
    return {"base": settings.base, "device": settings.device, **training}


def begin(
    workspace: Workspace, dataset_id: str, settings: Settings, planned: Planned, training_id: str | None = None
) -> Unfinished:
    """A home for a new training, under an id that is not in use; without one it gets one."""
    training_id = f"t-{uuid.uuid4().hex[:6]}" if training_id is None else training_id
    configured = settings_of(load_settings(workspace.config_file))
    job = Job(dataset_id, settings_of(settings), configured, utc_now().isoformat(timespec="seconds"))
    with staging(workspace.models) as aside:
        write_text(aside / JOB, json.dumps(asdict(job), indent=2) + "\n")
        write_text(aside / PLAN_FILE, to_yaml(planned.plan))
        if planned.part is not None:
            write_round(planned.part, aside)
        (aside / "model").mkdir()
        (aside / "recovery").mkdir()
        aside.rename(home_of(workspace, training_id))
    return read(home_of(workspace, training_id))


def home_of(workspace: Workspace, training_id: str) -> Path:
    return workspace.models / f"{PREFIX}{training_id}"


def read(home: Path) -> Unfinished:
    stored = json.loads((home / JOB).read_text(encoding="utf-8"))
    point = newest(home / "recovery")
    steps = TrainingPlan.load(home / PLAN_FILE).steps.value
    step = steps if (home / TRAINED).exists() else 0 if point is None else point.step
    return Unfinished(home.name.removeprefix(PREFIX), home, Job(**stored), step, steps, in_use(home / "recovery"))


def read_trained(one: Unfinished) -> Trained | None:
    path = one.home / TRAINED
    return Trained(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def write_trained(one: Unfinished, trained: Trained) -> None:
    write_text(one.home / TRAINED, json.dumps(asdict(trained), indent=2) + "\n")


def has_point(one: Unfinished) -> bool:
    """Whether something was learned that can be gone on with."""
    return newest(one.recovery) is not None or (one.home / TRAINED).exists()


def list_unfinished(workspace: Workspace) -> list[Unfinished]:
    """The oldest first."""
    homes = [path.parent for path in workspace.models.glob(f"{PREFIX}*/{JOB}")]
    return sorted((read(home) for home in homes), key=lambda one: (one.job.begun_at, one.id))


def find_unfinished(workspace: Workspace, training_id: str | None, verb: str) -> Unfinished:
    """The one of that id, or the only one there is. Raises TrainingError that lists what there is; `verb` is what was tried."""
    there = list_unfinished(workspace)
    found = [one for one in there if training_id in {None, one.id}]
    if len(found) == 1:
        return found[0]
    listed = "; ".join(one.in_words() for one in there) or "none"
    problem = "there are several unfinished trainings" if training_id is None and there else "there is no such unfinished training"
    raise TrainingError(f"{problem}: {listed}", f"{verb} --training {there[0].id}" if there else "heedful train")


def resume_command(workspace: Workspace, training_id: str) -> str:
    """As short as it can be."""
    return RESUME if len(list_unfinished(workspace)) == 1 else f"{RESUME} --training {training_id}"


def check_unchanged(one: Unfinished, workspace: Workspace, flags: Mapping[str, Any]) -> None:
    """Raises TrainingError when heedful.yaml, the environment or `flags` (by dotted keys) now ask for something else.

    What a flag of the first call decided stays decided; nobody has to repeat it.
    """
    before, configured, now = one.job.settings, one.job.configured, settings_of(load_settings(workspace.config_file))
    by_file = {key: now[key] for key in now if before.get(key) == configured.get(key)}
    asked = {**by_file, **{key: value for key, value in flags.items() if value is not None}}
    begun = {"dataset": one.job.dataset, **before}
    changed = [f"{key} is {asked[key]}, was {begun.get(key)}" for key in asked if asked[key] != begun.get(key)]
    if changed:
        text = f"training {one.id} cannot go on with other settings: {'; '.join(changed)}"
        raise TrainingError(text, f"put that back, or begin anew: heedful train; {DISCARD} --training {one.id} removes the old one")


def discard(one: Unfinished) -> None:
    """Remove it, in one step for whoever looks. Raises TrainingError when it is running."""
    if one.running:
        raise TrainingError(f"training {one.id} is running", "stop it first (Ctrl-C where it runs)")
    remove(one.home)


def remove(home: Path) -> None:
    with staging(home.parent) as aside:
        home.rename(aside / home.name)


def disk_of(one: Unfinished) -> int:
    """Bytes."""
    return sum(path.stat().st_size for path in files_of(one.home))


def files_of(home: Path) -> Iterator[Path]:
    return (path for path in home.rglob("*") if path.is_file())

"""Train: a dataset version and the settings in, a registered model version with its directory out.

A training has a home of its own (see `unfinished`) until its version is registered; its directory gets its name, made from the hash
of the weights, only when it is whole. So a training that was stopped or killed at any moment can be gone on with.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout
from sqlalchemy.orm import Session

from heedful.config import Settings
from heedful.dataset import dataset_dir, list_datasets
from heedful.errors import DatasetError, HeedfulError, RegistryError, TrainingDiverged, TrainingError, TrainingInterrupted
from heedful.lifecycle.rounds import made_of
from heedful.lifecycle.runs import recorded_run
from heedful.lifecycle.strategy import Planned
from heedful.lifecycle.unfinished import (
    Trained,
    Unfinished,
    begin,
    check_unchanged,
    find_unfinished,
    has_point,
    read_trained,
    remove,
    resume_command,
    write_trained,
)
from heedful.registry.lineage import shares_of
from heedful.registry.retrains import settle_retrains
from heedful.registry.versions import ADAPTER_FILE, is_registered, model_directory, register, version_id
from heedful.store.audit import record
from heedful.store.database import Store
from heedful.training.apart import train_apart
from heedful.training.plan import TrainingPlan
from heedful.training.progress import Progress
from heedful.training.round import Round
from heedful.training.train import TrainedAdapter
from heedful.training.watch import RESUME
from heedful.workspace import Workspace, read_manifest, sha256, write_manifest

LOCK, LOOKED_AT_S = ".training.lock", 1.0  # somebody who only looks whether it is held holds it for a moment
Note = Callable[[Session, str], None]  # the transaction that registers a version, and its id


class CarryOut(Protocol):
    """How a plan is carried out: `train_apart`, in a process of its own, or `train`, in this one."""

    def __call__(
        self,
        dataset_dir: Path,
        base: str,
        plan: TrainingPlan,
        output: Path,
        observe: Callable[[Progress], None] | None = None,
        *,
        part: Round | None = None,
        recovery: Path | None = None,
    ) -> TrainedAdapter: ...


@dataclass(frozen=True, slots=True)
class TrainedVersion:
    """What came of a training. `existing` when the very same weights were registered before."""

    model: str
    path: Path
    dataset: str
    best_validation_nll: float
    steps: int
    seconds: float
    existing: bool


def choose_dataset(workspace: Workspace, dataset_id: str | None) -> str:
    """The dataset that was asked for, or the newest one. Raises DatasetError when there is none."""
    if dataset_id is not None:
        return dataset_id
    known = list_datasets(workspace)
    if not known:
        raise DatasetError("there is no dataset yet", "heedful import FILE, then heedful dataset build")
    return str(known[-1]["id"])


def train_version(
    workspace: Workspace,
    store: Store,
    dataset_id: str,
    settings: Settings,
    planned: Planned,
    actor: str,
    observe: Callable[[Progress], None] | None = None,
    carry_out: CarryOut = train_apart,
) -> TrainedVersion:
    """Begin a training and see it through.

    Raises TrainingInterrupted when it was stopped, and `resume_version` goes on with it then; TrainingError or ModelError when
    there is nothing to go on with: the models directory and the registry are then as they were.
    """
    dataset_dir(workspace, dataset_id)
    one = begin(workspace, dataset_id, settings, planned)
    try:
        return see_through(workspace, store, one, actor, observe, carry_out)
    except TrainingInterrupted:
        raise
    except HeedfulError:
        if one.home.exists() and not has_point(one):
            remove(one.home)
        raise


def resume_version(
    workspace: Workspace,
    store: Store,
    training_id: str | None,
    flags: Mapping[str, Any],
    actor: str,
    observe: Callable[[Progress], None] | None = None,
    carry_out: CarryOut = train_apart,
) -> TrainedVersion:
    """Go on with a training that was stopped or killed: the only one, or that of the id.

    `flags` are settings that this call asks for, by dotted keys; they must be those that it was begun with.

    Raises TrainingError when there is none, when it is running, or when data, base, plan or settings have changed.
    """
    one = find_unfinished(workspace, training_id, RESUME)
    if one.running:
        raise TrainingError(f"training {one.id} is running already", "wait for it")
    check_unchanged(one, workspace, flags)
    return see_through(workspace, store, one, actor, observe, carry_out)


def see_through(
    workspace: Workspace,
    store: Store,
    one: Unfinished,
    actor: str,
    observe: Callable[[Progress], None] | None,
    carry_out: CarryOut,
    note: Note | None = None,
) -> TrainedVersion:
    """Every stage leaves a trace that the next call finds, so a kill between two of them costs nothing.

    `note` is called in the transaction that registers the version. Raises TrainingError while another training is under way.
    """
    folder = dataset_dir(workspace, one.job.dataset)
    with only_training(workspace), recorded_run(store, "train", one.job.dataset) as outcome:
        trained = carried_out(workspace, one, folder, observe, carry_out)
        target, existing = publish_version(workspace, store, one, trained, actor, note)
        outcome.model_id = trained.model
        outcome.detail = {
            "steps": trained.steps,
            "seconds": round(trained.seconds, 1),
            "validation_nll": trained.best_validation_nll,
        }
        remove(one.home)
    nll = trained.best_validation_nll
    return TrainedVersion(trained.model, target, one.job.dataset, nll, trained.steps, trained.seconds, existing)


@contextmanager
def only_training(workspace: Workspace) -> Iterator[None]:
    """One training at a time in a workspace. The lock dies with this process. Raises TrainingError while somebody else trains."""
    try:
        with FileLock(workspace.root / LOCK, timeout=LOOKED_AT_S):
            yield
    except Timeout:
        raise TrainingError("another training is under way in this workspace", "wait for it; heedful worker --status") from None


def is_training(workspace: Workspace) -> bool:
    """Whether a process of this workspace trains."""
    try:
        with FileLock(workspace.root / LOCK, blocking=False):
            return False
    except Timeout:
        return True


def carried_out(
    workspace: Workspace, one: Unfinished, folder: Path, observe: Callable[[Progress], None] | None, carry_out: CarryOut
) -> Trained:
    """The facts of the training, from an earlier call or from now. A training that cannot be gone on with is removed."""
    there = read_trained(one)
    if there is not None:
        return there
    try:
        done = carry_out(folder, one.job.settings["base"], one.plan, one.model, observe, part=one.part, recovery=one.recovery)
    except TrainingInterrupted as stopped:
        raise TrainingInterrupted(stopped.text, resume_command(workspace, one.id)) from None
    except TrainingDiverged:
        remove(one.home)
        raise
    digest = sha256(one.model / ADAPTER_FILE)
    trained = Trained(version_id(digest), digest, done.best_validation_nll, done.steps, done.seconds, done.facts)
    write_trained(one, trained)
    return trained


def publish_version(
    workspace: Workspace, store: Store, one: Unfinished, trained: Trained, actor: str, note: Note | None = None
) -> tuple[Path, bool]:
    """A row and a named directory. (directory, whether the very same weights were a version before.)

    Raises RegistryError, and removes the training, when it must not be kept: somebody it learned from was erased meanwhile.
    """
    model_id, digest, target = trained.model, trained.adapter_sha256, model_directory(workspace, trained.model)
    manifest = manifest_of(workspace, one, trained)
    parent = manifest["parent"]
    if not target.exists():
        write_manifest(one.model, manifest)
    try:
        with store.session() as session:
            existing = is_registered(session, model_id)
            fields = {"dataset_id": one.job.dataset, "parent_id": parent, "base": manifest["base"], "adapter_sha256": digest}
            register(session, model_id, fields, shares_of(manifest))
            record(session, actor, "train", model_id, {"dataset": one.job.dataset, "parent": parent, "adapter_sha256": digest})
            settle_retrains(session, model_id, one.job.dataset, actor)
            if note is not None:
                note(session, model_id)
            if not target.exists():
                # Named before the commit: a stop between the two leaves a directory that nobody refers to, never the reverse.
                one.model.rename(target)
    except RegistryError:
        remove(one.home)
        raise
    return target, existing


def manifest_of(workspace: Workspace, one: Unfinished, trained: Trained) -> dict[str, Any]:
    dataset = one.job.dataset
    learned = read_manifest(dataset_dir(workspace, dataset))
    prompt = learned["system_prompt"]  # of the rows it learned from, whatever is set today
    facts = {"kind": "model", "model": trained.model, "dataset": dataset, "system_prompt": prompt}
    return {**facts, **made_of(trained.model, learned, one.plan.rank.value, one.part), **trained.facts}

"""Train: a dataset version and the settings in, a registered model version with its directory out.

The adapter is written aside; its directory gets its name, made from the hash of the weights, only when it is whole.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from heedful.config import Settings
from heedful.dataset import dataset_dir, list_datasets
from heedful.errors import DatasetError
from heedful.lifecycle.rounds import made_of
from heedful.lifecycle.runs import recorded_run
from heedful.lifecycle.strategy import Planned
from heedful.registry.lineage import shares_of
from heedful.registry.versions import ADAPTER_FILE, model_directory, register, version_id
from heedful.store.audit import record
from heedful.store.database import Store
from heedful.training.progress import Progress
from heedful.training.train import train
from heedful.workspace import Workspace, read_manifest, sha256, staging, write_manifest


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
) -> TrainedVersion:
    """Raises TrainingError or ModelError; the models directory and the registry are then as they were."""
    folder = dataset_dir(workspace, dataset_id)
    with recorded_run(store, "train", dataset_id) as outcome, staging(workspace.models) as aside:
        trained = train(folder, settings.base, planned.plan, aside, observe, part=planned.part)
        digest = sha256(aside / ADAPTER_FILE)
        model_id = version_id(digest)
        prompt = read_manifest(folder)["system_prompt"]  # of the rows it learned from, whatever the settings say today
        origin = made_of(model_id, dataset_id, planned.plan.rank.value, planned.part)
        facts = {"model": model_id, "dataset": dataset_id, "system_prompt": prompt, **origin}
        write_manifest(aside, {"kind": "model", **facts, **trained.facts})
        target = model_directory(workspace, model_id)
        existing = target.exists()
        with store.session() as session:
            parent = origin["parent"]
            fields = {"dataset_id": dataset_id, "parent_id": parent, "base": settings.base, "adapter_sha256": digest}
            register(session, model_id, fields, shares_of(facts))
            record(session, actor, "train", model_id, {"dataset": dataset_id, "parent": parent, "adapter_sha256": digest})
            if not existing:
                # Named before the commit: a stop between the two leaves a directory that nobody refers to, never the reverse.
                aside.rename(target)
        outcome.model_id = model_id
        outcome.detail = {
            "steps": trained.steps,
            "seconds": round(trained.seconds, 1),
            "validation_nll": trained.best_validation_nll,
        }
    return TrainedVersion(model_id, target, dataset_id, trained.best_validation_nll, trained.steps, trained.seconds, existing)

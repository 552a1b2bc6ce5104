"""Run, the whole loop in one call: files in; import, dataset, plan, training, evaluation and, if the gate passes, promotion out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from heedful.config import GateSettings, Settings
from heedful.dataset import BuiltDataset, build_dataset
from heedful.errors import PromotionRefused
from heedful.evaluation.report import Report
from heedful.lifecycle.evaluation import Evaluated, evaluate_version, gate_rows
from heedful.lifecycle.grounding import grounding_of
from heedful.lifecycle.ingest import ImportReport, import_file
from heedful.lifecycle.strategy import plan_training
from heedful.lifecycle.training import TrainedVersion, train_version
from heedful.registry.promotion import promote
from heedful.sources import Hints, Location
from heedful.store.database import Store
from heedful.store.schema import Basis
from heedful.training.plan import TrainingPlan
from heedful.training.progress import Progress
from heedful.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Request:
    """What to run on. `actor` stands in the audit trail."""

    sources: Sequence[Location]
    actor: str
    hints: Hints | None = None
    skip_bad: bool = False
    basis: Basis = "none"


class Watcher(Protocol):
    """Told what happens; the command line draws it. `approve` is asked once, before the long work."""

    def imported(self, report: ImportReport) -> None: ...
    def building(self, done: int, total: int | None, note: str) -> None: ...
    def built(self, dataset: BuiltDataset) -> None: ...
    def approve(self, plan: TrainingPlan) -> bool: ...
    def reading(self, done: int, total: int | None, note: str) -> None: ...
    def training(self, progress: Progress) -> None: ...
    def trained(self, version: TrainedVersion) -> None: ...
    def evaluating(self, done: int, total: int) -> None: ...


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """`promoted` is False after a gate refusal, which `refusal` puts in one line."""

    version: TrainedVersion
    evaluated: Evaluated
    promoted: bool
    refusal: str
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The JSON object of `heedful run --json`."""
        return {
            "model": self.version.model,
            "promoted": self.promoted,
            "refusal": self.refusal or None,
            "gate": gate_rows(self.evaluated.report),
            "nll": nll_of(self.evaluated.report),
            "seconds": round(self.seconds, 1),
            "dataset": self.version.dataset,
            "report": str(self.evaluated.folder / "report.html"),
        }


def nll_of(report: Report) -> dict[str, float | None]:
    """Nats a token on the test split."""
    return {"base": None, "tuned": None} if report.nll is None else {"base": report.nll.base, "tuned": report.nll.tuned}


def run_pipeline(workspace: Workspace, store: Store, settings: Settings, request: Request, watcher: Watcher) -> RunOutcome | None:
    """None when `approve` declined the plan. Raises the HeedfulError of the stage that failed; earlier stages stay done."""
    started = time.monotonic()
    for source in request.sources:
        watcher.imported(import_file(store, source, request.actor, request.hints, request.skip_bad, watcher.reading, request.basis))
    dataset = build_dataset(
        *(store, workspace, settings.dataset, settings.system_prompt, request.actor, watcher.building),
        ground=grounding_of(workspace, settings),
    )
    watcher.built(dataset)
    planned = plan_training(workspace, store, settings, dataset.id)
    if not watcher.approve(planned.plan):
        return None
    version = train_version(workspace, store, dataset.id, settings, planned, request.actor, watcher.training)
    watcher.trained(version)
    evaluated = evaluate_version(workspace, store, settings, version.model, watcher.evaluating)
    refusal = try_to_promote(workspace, store, settings.gate, version.model, request.actor)
    return RunOutcome(version, evaluated, not refusal, refusal, time.monotonic() - started)


def try_to_promote(workspace: Workspace, store: Store, gate: GateSettings, model: str, actor: str) -> str:
    """Empty when the version is now the champion; else why it is not."""
    try:
        promote(store, workspace, gate, model, actor)
    except PromotionRefused as refusal:
        return refusal.text
    return ""

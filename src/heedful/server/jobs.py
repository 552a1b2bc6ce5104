"""Jobs on the wire: runs of kind fine_tuning and their events in; OpenAI's objects out."""

from datetime import datetime

from sqlalchemy.orm import Session

from heedful.server.errors import ApiError
from heedful.server.file_schemas import (
    Checkpoint,
    CheckpointMetrics,
    Hyperparameters,
    Job,
    JobError,
    JobEvent,
    Method,
    Proof,
    Supervised,
)
from heedful.store.schema_runs import TrainingRun, TrainingRunEvent
from heedful.store.training_runs import get_run, list_events, list_runs

RUN, JOB = "run-", "ftjob-"  # the same id, as Heedful and as OpenAI's clients call it
METRICS = "metrics"


def find_job(session: Session, job_id: str) -> TrainingRun:
    """Raises ApiError."""
    found = [run for run in list_runs(session, "fine_tuning") if id_of(run) == job_id]
    if not found:
        raise ApiError(404, f"Could not find fine tune: {job_id[:64]}", code="fine_tune_not_found", param="fine_tuning_job_id")
    return get_run(session, found[0].id)


def id_of(run: TrainingRun) -> str:
    return run.id.replace(RUN, JOB, 1)


def job_of(session: Session, run: TrainingRun) -> Job:
    asked = run.request
    hyper = Hyperparameters(
        n_epochs=or_auto(asked["epochs"]),
        batch_size=or_auto(asked["batch_size"]),
        learning_rate_multiplier=or_auto(asked["rate"]),
    )
    return Job(
        id=id_of(run),
        object="fine_tuning.job",
        created_at=seconds(run.requested_at),
        error=error_of(run),
        fine_tuned_model=run.metrics.get("fine_tuned_model") if run.state == "succeeded" else None,
        finished_at=None if run.finished_at is None else seconds(run.finished_at),
        hyperparameters=hyper,
        model=asked["base"],
        organization_id="heedful",
        result_files=[],
        seed=asked["seed"],
        status=run.state,
        trained_tokens=None,
        training_file=asked["training_file"],
        validation_file=asked["validation_file"],
        estimated_finish=estimated_finish(session, run),
        integrations=None,
        metadata=asked["labels"] or None,
        method=Method(type="supervised", supervised=Supervised(hyperparameters=hyper)),
        heedful=Proof(
            verdict=run.metrics.get("verdict"), report=run.metrics.get("report"), model=run.model_id, dataset=run.dataset_id
        ),
    )


def or_auto(value: object) -> object:
    return "auto" if value is None else value


def seconds(at: datetime) -> int:
    return int(at.timestamp())


def error_of(run: TrainingRun) -> JobError | None:
    if run.error is None:
        return None
    code = run.metrics.get("error_code", "training_failed")
    param = "training_file" if run.error.startswith(("take in:", "build:")) else None
    return JobError(code="invalid_training_file" if param else code, message=run.error, param=param)


def estimated_finish(session: Session, run: TrainingRun) -> int | None:
    """Of the training; the evaluation comes behind it."""
    if run.state != "running":
        return None
    newest = list_events(session, run.id, METRICS, limit=1)
    left = newest[0].data.get("eta_s") if newest else None
    return None if left is None else seconds(newest[0].at) + round(left)


def event_of(event: TrainingRunEvent) -> JobEvent:
    is_metrics = event.kind == METRICS
    return JobEvent(
        id=f"ftevent-{event.id}",
        object="fine_tuning.job.event",
        created_at=seconds(event.at),
        level=event.level,
        message=event.message,
        type="metrics" if is_metrics else "message",
        data=metrics_of(event) if is_metrics else event.data,
    )


def metrics_of(event: TrainingRunEvent) -> dict[str, object]:
    """OpenAI's names. What was not measured at this step is left out."""
    data = event.data
    measured = {"train_loss": data["loss"], "valid_loss": data["validation_nll"]}
    named = {key: value for key, value in measured.items() if value is not None}
    return {"step": data["step"], "total_steps": data["steps"], **named}


def checkpoint_of(run: TrainingRun) -> Checkpoint | None:
    """The one that is kept as a model: the weights with the lowest validation loss."""
    name = run.metrics.get("fine_tuned_model")
    if name is None or run.finished_at is None:
        return None
    steps = int(run.metrics["steps"])
    return Checkpoint(
        id=f"ftckpt-{run.id.removeprefix(RUN)}",
        object="fine_tuning.job.checkpoint",
        created_at=seconds(run.finished_at),
        fine_tuned_model_checkpoint=name,
        fine_tuning_job_id=id_of(run),
        metrics=CheckpointMetrics(step=steps, valid_loss=run.metrics.get("validation_nll")),
        step_number=steps,
    )

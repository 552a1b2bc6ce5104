"""The wire of /v1/files and /v1/fine_tuning, outward, field by field as OpenAI's API has it."""

from typing import Any, Literal

from pydantic import BaseModel

Status = Literal["validating_files", "queued", "running", "succeeded", "failed", "cancelled"]


class FileEntry(BaseModel):
    """`status` is error where a row cannot be learned from; `status_details` then says which, and why."""

    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    filename: str
    purpose: Literal["fine-tune", "assistants"]
    status: Literal["processed", "error"]
    status_details: str | None
    expires_at: None = None


class FileList(BaseModel):
    object: Literal["list"]
    data: list[FileEntry]
    has_more: bool
    first_id: str | None
    last_id: str | None


class FileGone(BaseModel):
    id: str
    object: Literal["file"]
    deleted: Literal[True]


class JobError(BaseModel):
    code: str
    message: str
    param: str | None


class Hyperparameters(BaseModel):
    """As they were asked for."""

    n_epochs: Literal["auto"] | int
    batch_size: Literal["auto"] | int
    learning_rate_multiplier: Literal["auto"] | float


class Supervised(BaseModel):
    hyperparameters: Hyperparameters


class Method(BaseModel):
    type: Literal["supervised"]
    supervised: Supervised


class Proof(BaseModel):
    """Heedful's addition: what the gate said, in which report, of which version."""

    verdict: Literal["passed", "failed", "inconclusive"] | None
    report: str | None
    model: str | None
    dataset: str | None


class Job(BaseModel):
    """`fine_tuned_model` is null until the gate has let it through. `heedful` is Heedful's addition."""

    id: str
    object: Literal["fine_tuning.job"]
    created_at: int
    error: JobError | None
    fine_tuned_model: str | None
    finished_at: int | None
    hyperparameters: Hyperparameters
    model: str
    organization_id: Literal["heedful"]
    result_files: list[str]
    seed: int
    status: Status
    trained_tokens: int | None
    training_file: str
    validation_file: str | None
    estimated_finish: int | None
    integrations: list[Any] | None
    metadata: dict[str, str] | None
    method: Method
    heedful: Proof


class JobList(BaseModel):
    object: Literal["list"]
    data: list[Job]
    has_more: bool


class JobEvent(BaseModel):
    """Of `metrics`, `data` has step, total_steps, train_loss and, once measured, valid_loss: nats a token, as OpenAI's."""

    id: str
    object: Literal["fine_tuning.job.event"]
    created_at: int
    level: Literal["info", "warn", "error"]
    message: str
    type: Literal["message", "metrics"]
    data: dict[str, Any] | None


class JobEventList(BaseModel):
    object: Literal["list"]
    data: list[JobEvent]
    has_more: bool


class CheckpointMetrics(BaseModel):
    step: int
    valid_loss: float | None


class Checkpoint(BaseModel):
    id: str
    object: Literal["fine_tuning.job.checkpoint"]
    created_at: int
    fine_tuned_model_checkpoint: str
    fine_tuning_job_id: str
    metrics: CheckpointMetrics
    step_number: int


class CheckpointList(BaseModel):
    object: Literal["list"]
    data: list[Checkpoint]
    has_more: bool
    first_id: str | None
    last_id: str | None

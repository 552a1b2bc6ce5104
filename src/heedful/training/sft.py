"""The TRL way of training: a PEFT model, tokenised rows and a schedule in; trained adapter weights, seen by the watch, out.

SFTTrainer does the steps: mixed precision, accumulation, clipping, AdamW, the schedule of the learning rate. What it must not do is
done before or beside it: rows come with our labels (it would truncate answers), in our order, and the watch evaluates (its
eval_loss is a mean of batch means). This file is the only one that knows TRL; another core has the signature of `train_sft`.
"""

import inspect
import logging
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heedful.errors import TrainingError
from heedful.modeling.chat_template import Sample
from heedful.modeling.devices import fast_matmul
from heedful.modeling.protect import Tokenizer
from heedful.modeling.stack import learn_on_top
from heedful.training.plan import TrainingPlan
from heedful.training.schedule import Schedule
from heedful.training.watch import Watch

if TYPE_CHECKING:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

STATE = "trainer"  # of a resume point: what transformers' Trainer saves and takes up again
NO_LOSS = -100  # the label that cross-entropy leaves out


def train_sft(
    model: Any, tokenizer: Tokenizer, rows: Sequence[Sample], schedule: Schedule, plan: TrainingPlan, watch: Watch
) -> None:
    """Train the adapter of `model` in place. Raises TrainingError when the machine does not fit."""
    with quiet_trl(), tempfile.TemporaryDirectory() as folder, fast_matmul(plan.device.value):
        trainer = make_trainer(model, tokenizer, to_dataset(rows, schedule), to_config(plan, len(schedule.steps), folder))
        trainer.add_callback(reporter(watch))
        trainer.train(resume_from_checkpoint=None if watch.point is None else str(watch.point.folder / STATE))


def to_dataset(rows: Sequence[Sample], schedule: Schedule) -> "Dataset":
    """All rows of all epochs in the order of the schedule; the rows themselves are stored once."""
    from datasets import Dataset

    return Dataset.from_list([to_row(row) for row in rows]).select(schedule.order())


def to_row(sample: Sample) -> dict[str, list[int]]:
    """Unshifted labels, as transformers wants them: the token itself where it is supervised."""
    return {
        "input_ids": sample.ids,
        "labels": [token if supervised else NO_LOSS for token, supervised in zip(sample.ids, sample.mask, strict=True)],
    }


def to_config(plan: TrainingPlan, steps: int, folder: str) -> "SFTConfig":
    """The plan in TRL's words. `max_steps` rules; an epoch of the Trainer is our whole schedule."""
    from trl import SFTConfig

    return SFTConfig(
        output_dir=folder,
        max_steps=steps,
        per_device_train_batch_size=plan.micro_batch.value,
        gradient_accumulation_steps=plan.batch_size.value // plan.micro_batch.value,
        train_sampling_strategy="sequential",
        dataset_kwargs={"skip_prepare_dataset": True},  # our labels and lengths as they are
        max_length=None,
        learning_rate=plan.learning_rate.value,
        lr_scheduler_type=plan.scheduler.value,
        warmup_steps=plan.warmup_steps.value,
        weight_decay=plan.weight_decay.value,
        max_grad_norm=plan.clip_norm.value,
        seed=plan.seed.value,
        bf16=plan.dtype.value == "bfloat16",
        activation_checkpointing=plan.checkpointing.value,
        gradient_checkpointing=plan.checkpointing.value,
        use_cpu=plan.device.value == "cpu",
        dataloader_pin_memory=plan.device.value == "cuda",
        logging_steps=1,  # the watch thins them out, but must see each loss
        logging_nan_inf_filter=False,
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def make_trainer(model: Any, tokenizer: Tokenizer, dataset: "Dataset", config: "SFTConfig") -> "SFTTrainer":
    from transformers.trainer_callback import PrinterCallback
    from trl import SFTTrainer

    kind = lean_trainer() if config.device.type != "cuda" and keeps_logits(model) else SFTTrainer
    try:
        trainer = kind(model=model, args=config, train_dataset=dataset, processing_class=tokenizer)
    except ValueError as error:
        raise TrainingError(
            f"TRL refuses this training: {error}", "with several GPUs: CUDA_VISIBLE_DEVICES=0 heedful train"
        ) from error
    keep_masters(model)
    trainer.remove_callback(PrinterCallback)  # it prints to standard output, which is for reports
    return trainer


def move(source: Path, target: Path) -> None:
    """Also to another disk."""
    shutil.move(source, target)


def keep_masters(model: Any) -> None:
    """Adapter weights in float32. TRL 1.16 rounds them to bfloat16 on a base in 4 bits, where a small step of AdamW is lost."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def keeps_logits(model: Any) -> bool:
    return "logits_to_keep" in inspect.signature(type(model.get_base_model()).forward).parameters


def lean_trainer() -> "type[SFTTrainer]":
    """TRL's trainer with a loss that projects supervised positions only.

    Without Triton, TRL scores every position, padding included, with entropy and top-1 beside the loss: 40% of the time of a small
    model on a CPU. Overriding `compute_loss` is TRL's own way to another loss, hence the only subclass in Heedful.
    """
    import torch
    from trl import SFTTrainer

    class LeanTrainer(SFTTrainer):  # type: ignore[misc]
        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
            labels = inputs["labels"][:, 1:]
            chosen = labels != NO_LOSS
            places = chosen.any(dim=0).nonzero().flatten()
            logits = model(
                input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False, logits_to_keep=places
            ).logits
            kept = chosen[:, places]
            nats = torch.nn.functional.cross_entropy(logits[kept].float(), labels[:, places][kept], reduction="sum")
            return nats / (kept.sum() if num_items_in_batch is None else num_items_in_batch)

    return LeanTrainer


def reporter(watch: Watch) -> Any:
    """A callback that tells the watch about each step and hands its verdict back. What the Trainer saves becomes a resume point."""
    from transformers import TrainerCallback

    class Reporter(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if watch.point is not None:
                learn_on_top(kwargs["model"])  # loading a checkpoint, the Trainer leaves only the first adapter on
            watch.begin()

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> Any:
            if "loss" in logs:  # the last log of a training is another
                stop = watch.after_step(state.global_step, logs["loss"], logs["learning_rate"], logs.get("grad_norm"))
                control.should_training_stop |= stop
                control.should_save = not stop and watch.due()
            return control

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            saved = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            watch.secure(lambda folder: move(saved, folder / STATE))
            shutil.rmtree(saved, ignore_errors=True)  # where there is nowhere to keep it

    return Reporter()


@contextmanager
def quiet_trl() -> Iterator[None]:
    """No bars and no log lines of TRL's own stack; what was set before is put back."""
    import datasets

    loggers = [logging.getLogger(name) for name in ("trl", "accelerate", "datasets")]
    levels, bars = [logger.level for logger in loggers], datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bars:
            datasets.enable_progress_bars()

"""Peers: TRL's SFTTrainer and the Trainer of transformers, on our rows. Each in a process of its own, for its peak memory."""

import tempfile
from dataclasses import dataclass
from typing import Any

from heedful.modeling.bases import resolve_base
from heedful.training.sft import NO_LOSS, quiet_trl, to_row
from training_speed.clock import Clock, callback
from training_speed.rows import BATCH, Steps

RANK, ALPHA, RATE = 16, 32, 2e-4


@dataclass(frozen=True)
class Tuning:
    """What a person who knows the Trainer would set on a CPU. `micro`: rows of a pass; a step is accumulated from such passes."""

    micro: int
    weights: str = "bfloat16"
    autocast: bool = True
    attention: str = "sdpa"


TUNED = {"tiny": Tuning(2), "135m": Tuning(1), "0.5b": Tuning(1)}
# As its documentation has it: bf16 by autocast, rows of like length together. Four rows a pass at 0.5b need 20 GB.
USUAL = {size: Tuning(2 if size == "0.5b" else 4, weights="float32") for size in TUNED}


def lora() -> Any:
    from peft import LoraConfig

    return LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")


def train_trl(base: str, tokenizer: Any, steps: Steps, clock: Clock) -> None:
    """TRL as its documentation starts it; only the number of steps, the order and the tokens are ours."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    with quiet_trl(), tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder, max_steps=len(steps.batches), train_sampling_strategy="sequential",
            dataset_kwargs={"skip_prepare_dataset": True}, use_cpu=True, report_to="none", disable_tqdm=True, save_strategy="no",
        )  # fmt: skip
        data = Dataset.from_list([to_row(row) for row in steps.rows])
        trainer = SFTTrainer(
            model=resolve_base(base).location, args=config, train_dataset=data, processing_class=tokenizer, peft_config=lora()
        )
        trainer.add_callback(callback(clock))
        trainer.train()


def train_tuned(base: str, steps: Steps, clock: Clock, tuning: Tuning) -> None:
    """The Trainer of transformers with PEFT. Rows of a step go by length, so passes of `micro` rows are hardly padded."""
    import torch
    from datasets import Dataset
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

    model = AutoModelForCausalLM.from_pretrained(
        resolve_base(base).location, dtype=getattr(torch, tuning.weights), attn_implementation=tuning.attention
    )
    ordered = [row for batch in steps.batches for row in sorted(batch, key=lambda row: len(row.ids))]
    with quiet_trl(), tempfile.TemporaryDirectory() as folder:
        config = TrainingArguments(
            output_dir=folder, max_steps=len(steps.batches), train_sampling_strategy="sequential", learning_rate=RATE,
            per_device_train_batch_size=tuning.micro, gradient_accumulation_steps=BATCH // tuning.micro, bf16=tuning.autocast,
            use_cpu=True, report_to="none", disable_tqdm=True, save_strategy="no",
        )  # fmt: skip
        trainer = Trainer(
            model=get_peft_model(model, lora()),
            args=config,
            train_dataset=Dataset.from_list([to_row(row) for row in ordered]),
            data_collator=pad,
            callbacks=[callback(clock)],
        )
        trainer.train()


def pad(rows: list[dict[str, list[int]]]) -> dict[str, Any]:
    import torch

    width = max(len(row["input_ids"]) for row in rows)
    fillers = {"input_ids": 0, "labels": NO_LOSS}
    batch = {name: torch.tensor([row[name] + [fill] * (width - len(row[name])) for row in rows]) for name, fill in fillers.items()}
    lengths = torch.tensor([len(row["input_ids"]) for row in rows])
    return {**batch, "attention_mask": (torch.arange(width) < lengths[:, None]).long()}

"""Training speed beside TRL: the same rows of the bundled samples, the same adapter, each way in a process of its own, alternating.

    python benchmarks/training.py --model tiny --json

Ways: `packed` (our core), `lean` (TRL with our loss at supervised positions), `default` (TRL's SFTTrainer with its defaults, fed
with the same tokens and labels). Tokens are those of the conversations, padding not counted; the first step of a run is left out.
The last line is one JSON object: median tokens a second, and ratios of speed and of peak memory.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WAYS = ("packed", "lean", "default")
SAMPLES = Path(__file__).resolve().parents[1] / "src" / "heedful" / "assets" / "samples" / "conversations.jsonl"
SIZES = {
    "135m": {
        "hidden_size": 576,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "intermediate_size": 1536,
    }
}


def base_of(model: str, folder: Path) -> str:
    """`tiny`, or a directory with random weights of that size and the tokenizer of the bundled base."""
    if model == "tiny":
        return model
    from transformers import LlamaConfig, LlamaForCausalLM

    from heedful.modeling.bases import load_tokenizer

    load_tokenizer("tiny").save_pretrained(str(folder))
    config = LlamaConfig(
        vocab_size=49_152, tie_word_embeddings=True, max_position_embeddings=2_048, eos_token_id=1, pad_token_id=0, **SIZES[model]
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return str(folder)


def measure(way: str, model: str, steps: int) -> dict[str, float]:
    """One run in this process."""
    from dataclasses import replace

    from heedful.config import Settings, TrainingSettings
    from heedful.dataset import build_dataset
    from heedful.lifecycle.ingest import import_file
    from heedful.modeling.bases import load_base_model, load_tokenizer
    from heedful.store.database import open_store
    from heedful.training.adapter import new_adapter
    from heedful.training.packed_path import train_packed
    from heedful.training.plan import Choice, make_plan
    from heedful.training.resources import peak_memory
    from heedful.training.samples import load_samples
    from heedful.training.schedule import Schedule, make_schedule
    from heedful.training.sft import train_sft
    from heedful.workspace import create_workspace

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        base = base_of(model, root / "base")
        workspace = create_workspace(root / "w", "base: tiny\n")
        store = open_store(workspace.database)
        import_file(store, SAMPLES, "benchmark")
        settings = Settings()
        dataset = build_dataset(store, workspace, settings.dataset, settings.system_prompt, "benchmark").path
        plan = replace(make_plan(dataset, base, "cpu", TrainingSettings(epochs=9)), dropout=Choice(0.0, "benchmark"))
        tokenizer = load_tokenizer(base)
        rows = load_samples(dataset, tokenizer, plan.max_length.value).train
        lengths = [len(row.ids) for row in rows]
        whole = make_schedule(lengths, 8, 9, 7, plan.micro_batch.value)
        schedule = Schedule(whole.steps[: steps + 1], whole.rows)
        clock = Clock([sum(lengths[row] for row in step) for step in schedule.steps])
        network = load_base_model(base, "cpu", plan.dtype.value)
        if way == "default":
            train_with_defaults(network, tokenizer, [rows[row] for row in schedule.order()], len(schedule.steps), clock)
        else:
            train = train_packed if way == "packed" else train_sft
            train(new_adapter(network, plan), tokenizer, rows, schedule, plan, clock)  # type: ignore[arg-type]
        return {"tokens_per_s": clock.speed(), "peak_gb": peak_memory("cpu") / 1e9}


class Clock:
    """Stands where the watch stands: notes the time of each step, scores nothing, keeps nothing."""

    point = None

    def __init__(self, tokens: list[int]) -> None:
        self.tokens = tokens
        self.ends: list[float] = []

    def begin(self) -> None: ...

    def after_step(self, step: int, loss: float, rate: float, gradient: float | None = None) -> bool:
        self.ends.append(time.perf_counter())
        return False

    def due(self) -> bool:
        return False

    def secure(self, fill: Any) -> None: ...

    def speed(self) -> float:
        return sum(self.tokens[1:]) / (self.ends[-1] - self.ends[0])


def train_with_defaults(network: Any, tokenizer: Any, rows: list[Any], steps: int, clock: Clock) -> None:
    """TRL as its documentation starts it; only the number of steps, the order and the tokens are ours."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from heedful.training.sft import quiet_trl, to_row

    class Timing(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            clock.after_step(state.global_step, 0.0, 0.0)

    with quiet_trl(), tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder, max_steps=steps, train_sampling_strategy="sequential", dataset_kwargs={"skip_prepare_dataset": True},
            use_cpu=True, report_to="none", disable_tqdm=True, save_strategy="no",
        )  # fmt: skip
        lora = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
        data = Dataset.from_list([to_row(row) for row in rows])
        trainer = SFTTrainer(model=network, args=config, train_dataset=data, processing_class=tokenizer, peft_config=lora)
        trainer.add_callback(Timing())
        trainer.train()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["tiny", *SIZES], default="tiny")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    parser.add_argument("--way", choices=WAYS, help="measure one way, once, in this process")
    given = parser.parse_args()
    if given.way is not None:
        print(json.dumps(measure(given.way, given.model, given.steps)))
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(given.repeats):
        for way in WAYS:
            command = [sys.executable, __file__, "--way", way, "--model", given.model, "--steps", str(given.steps)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[way].append(json.loads(done.stdout.splitlines()[-1]))
            if not given.json:
                print(way, found[way][-1], flush=True)
    speed = {way: statistics.median(run["tokens_per_s"] for run in runs) for way, runs in found.items()}
    memory = {way: statistics.median(run["peak_gb"] for run in runs) for way, runs in found.items()}
    line = {
        "model": given.model,
        "heedful_tokens_per_s": round(speed["packed"], 1),
        "ratio_trl_default": round(speed["packed"] / speed["default"], 2),
        "ratio_trl_lean": round(speed["packed"] / speed["lean"], 2),
        "memory_ratio_trl_default": round(memory["packed"] / memory["default"], 2),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()

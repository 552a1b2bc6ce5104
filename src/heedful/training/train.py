"""Train: a dataset directory, a base and a plan in; a directory with a PEFT adapter, its tokenizer, plan and metrics, out.

rows -> fresh adapter -> one of PATHS, under the watch -> best weights -> files
"""

import hashlib
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from heedful.modeling.bases import Base, load_base_model, load_config, load_tokenizer, resolve_base, weights_sha256
from heedful.modeling.chat_template import Sample, fingerprint
from heedful.modeling.likelihood import negative_log_likelihood
from heedful.modeling.protect import Tokenizer
from heedful.modeling.quiet import quiet_libraries
from heedful.modeling.shape import measure_shape
from heedful.modeling.stack import read_adapter, write_adapter
from heedful.training import rules
from heedful.training.adapter import WEIGHTS, adapter_weights, new_adapter, save_adapter
from heedful.training.best import drop_others, kept_facts, publish, write_checkpoint
from heedful.training.estimate import gigabytes
from heedful.training.fitting import check_disk
from heedful.training.memory_faults import lighten, read_faults, told_as_ours
from heedful.training.outlook import Foretold
from heedful.training.packed_path import train_packed
from heedful.training.passes import largest_pass
from heedful.training.plan import PLAN_FILE, TrainingPlan, to_yaml
from heedful.training.profile import shown
from heedful.training.progress import Progress, metrics_file
from heedful.training.recovery import Recovery, check_inputs, newest, sole_use
from heedful.training.resources import free_disk, peak_memory
from heedful.training.round import Round, to_json, write_round
from heedful.training.samples import Samples, load_samples
from heedful.training.schedule import Schedule, make_schedule
from heedful.training.settle import settle
from heedful.training.sft import train_sft
from heedful.training.step_rows import SCHEDULE, StepRows, trace_rows, write_schedule
from heedful.training.watch import Course, Learner, Outcome, Watch
from heedful.workspace import MANIFEST, sha256, sweep, write_text

PATHS = {"packed": train_packed, "trl": train_sft}  # ways of training, by the plan's `path`
LOG_LINES = 400  # of training loss at most, so that a long training stays a curve one can draw


@dataclass(frozen=True, slots=True)
class TrainedAdapter:
    """What lies in `path`. `facts` is for the manifest: what it was made from, with what, and how well it went."""

    path: Path
    best_validation_nll: float
    steps: int
    seconds: float
    facts: dict[str, Any]


def train(
    dataset_dir: Path,
    base: str,
    plan: TrainingPlan,
    output: Path,
    observe: Callable[[Progress], None] | None = None,
    *,
    part: Round | None = None,
    recovery: Path | None = None,
    stop: Callable[[], bool] | None = None,
) -> TrainedAdapter:
    """Fill `output`, a directory of the caller's. Deterministic on a CPU with the same number of threads.

    With `part`, its lines of the dataset are learned on top of the version below; the adapter in `output` holds both.
    With `recovery`, another directory of the caller's, resume points are kept there. Called again with both directories, after a
    kill at any moment, the training goes on and ends in the same bytes. `stop` is asked after each step.

    Raises TrainingError when there is nothing to train on or too little disk, the loss is no number, memory runs out or the inputs
    are not those it was begun with; TrainingInterrupted when it was asked to stop; ModelError for a bad base.
    """
    started = time.perf_counter()
    with quiet_libraries(), nullcontext() if recovery is None else sole_use(recovery):
        sweep(output)
        found = resolve_base(base)
        if recovery is None or newest(recovery) is None:  # what goes on has its place already
            below_ranks = 0 if part is None else part.rank_below
            check_disk(free_disk(output), measure_shape(found), plan.rank.value, below_ranks, plan.targets.value)
        tokenizer = load_tokenizer(found)
        samples = load_samples(dataset_dir, tokenizer, plan.max_length.value, part)
        base_sha256 = weights_sha256(found)
        if recovery is not None:
            check_inputs(recovery, {**input_hashes(dataset_dir, plan, part), "the base": base_sha256})
        network = load_base_model(found, plan.device.value, plan.dtype.value, plan.quantization.value == "nf4")
        model = new_adapter(network, plan, None if part is None else read_adapter(part.below))
        faults = [] if recovery is None else read_faults(recovery)
        carried_out = lighten(plan, len(faults))
        write_text(output / PLAN_FILE, to_yaml(carried_out))
        if part is not None:
            write_round(part, output)
        bench = Bench(
            model,
            tokenizer,
            samples,
            schedule_of(plan, samples),
            score_tokens=rules.score_tokens(plan.device.value) >> len(faults),
            save=lambda folder: save_adapter(model, adapter_weights(model), found, folder),
        )
        with told_as_ours(carried_out):
            outcome = follow(bench, carried_out, output, observe, recovery, stop)
        nll, chosen = conclude(bench, part, outcome, found, output)
        tokenizer.save_pretrained(str(output))
        facts = {
            **base_facts(base, found, base_sha256, tokenizer),
            **dataset_facts(dataset_dir, samples),
            **(outcome_facts(outcome) | chosen),
            "checkpoints": kept_facts(output, outcome.kept),
            "memory_faults": [asdict(fault) for fault in faults],
            "seed": plan.seed.value,
            "system": system_facts(plan.device.value),
        }
    return TrainedAdapter(output, nll, outcome.steps, time.perf_counter() - started, facts)


def conclude(bench: "Bench", part: Round | None, outcome: Outcome, base: Base, output: Path) -> tuple[float, dict[str, float]]:
    """Put the adapter into `output`: the best look, or of a round its end, as strongly as is best. Its NLL and that strength."""
    if part is None:
        publish(output, outcome.kept[0])
        return outcome.best_nll, {}
    bench.save(output)
    settled = settle(bench.model, read_adapter(output), part.rank_below, lambda: validate(bench))
    write_adapter(settled.adapter, base, output)
    return settled.validation_nll, {"strength": settled.strength}


def validate(bench: "Bench") -> float:
    return negative_log_likelihood(bench.model, bench.samples.validation, bench.score_tokens).nats_per_token


def base_facts(name: str, found: Base, sha: str | None, tokenizer: Tokenizer) -> dict[str, Any]:
    return {
        "base": name,
        "base_revision": found.revision or getattr(load_config(found), "_commit_hash", None),
        "base_sha256": sha,
        "template_fingerprint": fingerprint(tokenizer),
    }


def input_hashes(dataset_dir: Path, plan: TrainingPlan, part: Round | None) -> dict[str, str | None]:
    """By the names under which a refusal tells of them."""
    splits = {f"{split}.jsonl of {dataset_dir.name}": sha256(dataset_dir / f"{split}.jsonl") for split in ("train", "validation")}
    hashes: dict[str, str | None] = {**splits, "the plan": hashlib.sha256(to_yaml(plan).encode()).hexdigest()}
    if part is not None:
        hashes["the lines of the round"] = hashlib.sha256(to_json(part).encode()).hexdigest()
        hashes[f"the adapter of {part.below.name}"] = sha256(part.below / WEIGHTS)
    return hashes


@dataclass(frozen=True, slots=True)
class Bench:
    """What is worked on: a PEFT model, the rows and their order, and how an adapter gets into a directory."""

    model: Any
    tokenizer: Any
    samples: Samples
    schedule: Schedule
    score_tokens: int
    save: Callable[[Path], None]


def schedule_of(plan: TrainingPlan, samples: Samples) -> Schedule:
    """By the plan as it was made: what it is carried out with after a memory fault must not change the steps."""
    lengths = [len(row.ids) for row in samples.train]
    return make_schedule(
        lengths, plan.batch_size.value, plan.epochs.value, plan.seed.value, plan.micro_batch.value, samples.replayed
    )


def follow(
    bench: Bench,
    plan: TrainingPlan,
    output: Path,
    observe: Callable[[Progress], None] | None,
    recovery: Path | None,
    stop: Callable[[], bool] | None,
) -> Outcome:
    """Train under the watch, from the newest resume point or from the beginning; the best adapters are then in `output`."""
    rows = trace_rows(bench.schedule, bench.samples.origins)
    write_schedule(output, rows)
    learner = Learner(
        score=lambda: score(bench.model, bench.samples, bench.score_tokens),
        keep=lambda step: write_checkpoint(output, step, bench.save),
        drop=lambda steps: drop_others(output, steps),
    )
    point = None if recovery is None else newest(recovery)
    with metrics_file(output, 0 if point is None else point.metrics_bytes) as metrics:
        if point is None:
            metrics.write({"event": "start", "schedule": SCHEDULE, "schedule_sha256": sha256(output / SCHEDULE)})
        kept = None if recovery is None else Recovery(recovery, point, plan.checkpoint_every.value, metrics.sync)
        watch = Watch(make_course(bench, rows, plan), learner, metrics.write, observe, kept, stop)
        PATHS[plan.path.value](bench.model, bench.tokenizer, bench.samples.train, bench.schedule, plan, watch)
        return watch.finish(against_estimate(plan))


def against_estimate(plan: TrainingPlan) -> dict[str, float | None]:
    """What the plan foretold, and the memory that was taken; the seconds stand beside it in the summary."""
    return {
        "estimated_seconds": plan.seconds.value,
        "estimated_memory_gb": plan.memory_gb.value,
        "peak_memory_gb": gigabytes(peak_memory(plan.device.value)),
    }


def make_course(bench: Bench, rows: Sequence[StepRows], plan: TrainingPlan) -> Course:
    schedule, lengths = bench.schedule, [len(row.ids) for row in bench.samples.train]
    return Course(
        epochs=schedule.epochs(),
        tokens=[sum(lengths[row] for row in batch) for batch in schedule.steps],
        evaluate_every=plan.evaluate_every.value,
        log_every=max(1, len(schedule.steps) // LOG_LINES),
        patience=plan.patience.value,
        rows=rows,
        peak_rate=plan.learning_rate.value,
        foretold=Foretold(
            seconds=plan.seconds.value,
            memory_gb=plan.memory_gb.value,
            device=plan.device.value,
            fixed=3 * sum(parameter.nbytes for parameter in bench.model.parameters() if parameter.requires_grad),
            passes=[largest_pass([lengths[row] for row in batch], plan) for batch in schedule.steps],
        ),
    )


def score(model: Any, samples: Samples, budget: int) -> tuple[float, float]:
    """(validation, train) NLL; of the train split, a few rows. `budget`: tokens of a pass."""
    seen: Sequence[Sample] = samples.train[: shown(len(samples.validation))]
    validation = negative_log_likelihood(model, samples.validation, budget)
    return validation.nats_per_token, negative_log_likelihood(model, seen, budget).nats_per_token


def dataset_facts(dataset_dir: Path, samples: Samples) -> dict[str, Any]:
    manifest = dataset_dir / MANIFEST
    return {
        "dataset": dataset_dir.name,
        "dataset_manifest_sha256": sha256(manifest) if manifest.is_file() else None,
        "rows": {
            "train": len(samples.train) - samples.replayed,
            "replayed": samples.replayed,
            "validation": len(samples.validation),
            "trimmed": samples.trimmed,
            "dropped": samples.dropped,
        },
    }


def outcome_facts(outcome: Outcome) -> dict[str, Any]:
    return {
        "steps": outcome.steps,
        "best_step": outcome.best_step,
        "stopped": outcome.stopped,
        "validation_nll": {"base": outcome.first_nll, "best": outcome.best_nll},
    }


def system_facts(device: str) -> dict[str, Any]:
    """Versions and machine, for whoever must repeat it. No name of the host, no path."""
    import peft
    import torch
    import transformers
    import trl

    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "threads": torch.get_num_threads(),
        "versions": {module.__name__: module.__version__ for module in (torch, transformers, trl, peft)},
    }

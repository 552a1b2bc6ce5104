"""Plan: a dataset, a base, a device and the settings in; every hyper-parameter with the reason for its value, out.

The reasons are printed by `heedful plan` and stored as plan.yaml beside the adapter, so that nobody has to guess later. The rules
themselves are in `rules`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml

from heedful.config import TrainingSettings
from heedful.errors import TrainingError
from heedful.modeling.bases import context_length, load_config, load_tokenizer, resolve_base
from heedful.modeling.devices import choose_device
from heedful.modeling.shape import Shape, measure_shape
from heedful.training import rules
from heedful.training.estimate import FLOAT, POINT_COPIES, Work, gigabytes, seconds
from heedful.training.fitting import fit
from heedful.training.packed.support import supports
from heedful.training.profile import Profile, profile_dataset
from heedful.training.resources import memory_there, speed
from heedful.training.round import Round
from heedful.training.schedule import count_steps

PLAN_FILE = "plan.yaml"
BY_YOU = "set by you"

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Choice(Generic[T]):
    """One value and, in a sentence, why it is that."""

    value: T
    why: str


NOT_ESTIMATED: Choice[float | None] = Choice(None, "not estimated: numbers of the data alone, without the base")


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """In the order in which a person reads it. Lengths are tokens; a step is one update of the weights."""

    strategy: Choice[str]
    new_rows: Choice[int]
    replay_rows: Choice[int]
    path: Choice[str]
    device: Choice[str]
    dtype: Choice[str]
    quantization: Choice[str]
    products: Choice[str]
    epochs: Choice[float]
    batch_size: Choice[int]
    micro_batch: Choice[int]
    pass_tokens: Choice[int]
    max_length: Choice[int]
    rank: Choice[int]
    alpha: Choice[float]
    rslora: Choice[bool]
    targets: Choice[list[str]]
    dropout: Choice[float]
    learning_rate: Choice[float]
    scheduler: Choice[str]
    warmup_steps: Choice[int]
    weight_decay: Choice[float]
    clip_norm: Choice[float]
    checkpointing: Choice[bool]
    evaluate_every: Choice[int]
    checkpoint_every: Choice[int]
    patience: Choice[int]
    seed: Choice[int]
    steps: Choice[int]
    tokens: Choice[int]
    supervised_tokens: Choice[int]
    memory_gb: Choice[float | None]
    seconds: Choice[float | None]

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """{name: {value, why}}, in order."""
        return {name: {"value": value, "why": why} for name, value, why in describe(self)}

    @staticmethod
    def from_dict(rows: Mapping[str, Mapping[str, Any]]) -> "TrainingPlan":
        """Back from `as_dict`."""
        return TrainingPlan(**{name: Choice(row["value"], row["why"]) for name, row in rows.items()})

    @staticmethod
    def load(path: Path) -> "TrainingPlan":
        """From plan.yaml. Raises TrainingError when it cannot be read, or names other values than a plan has."""
        try:
            return TrainingPlan.from_dict(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (OSError, yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError) as error:
            raise TrainingError(f"{path} is no training plan: {error}", "heedful plan shows one") from None


def describe(plan: TrainingPlan) -> list[tuple[str, Any, str]]:
    """(name, value, why), in order."""
    choices = [(field.name, getattr(plan, field.name)) for field in fields(plan)]
    return [(name, choice.value, choice.why) for name, choice in choices]


def to_yaml(plan: TrainingPlan) -> str:
    return yaml.safe_dump(plan.as_dict(), sort_keys=False, allow_unicode=True, width=120)


def make_plan(dataset_dir: Path, base: str, device: str, settings: TrainingSettings, part: Round | None = None) -> TrainingPlan:
    """Measure the dataset, or a round's part of it, with the base's tokenizer and decide. What `settings` names is taken as it is.

    Raises ModelError for a bad base or device, TrainingError for an empty dataset, settings that no plan can hold, or a plan that
    does not fit in memory.
    """
    found = resolve_base(base)
    shape, context = measure_shape(found), context_length(found)
    if settings.max_length is not None and settings.max_length > context:
        raise TrainingError(
            f"training.max_length {settings.max_length} is above the context of {found.name}, {context} tokens",
            "set training.max_length lower in heedful.yaml, or leave it out",
        )
    check_targets(settings.targets, found.name, shape)
    profile = profile_dataset(dataset_dir, load_tokenizer(found), part)
    below = 0 if part is None else part.rank_below
    draft = assemble(profile, rules.Machine(device, shape.parameters, context, shape.targets), settings, below)
    draft = choose_way(load_config(found), draft, settings.products)
    return complete(draft, profile, shape, memory_there(draft.device.value), below)


def choose_way(config: Any, draft: TrainingPlan, products: str = "auto") -> TrainingPlan:
    """The draft with its path, and with the products that are asked for there. Raises TrainingError when these are not there."""
    from heedful.training.packed.products import missing

    path = choose_path(config, draft)
    found = rules.products(path.value, products, missing(draft.device.value, draft.dtype.value))
    return replace(draft, path=path, products=Choice(*found))


def choose_path(config: Any, draft: TrainingPlan) -> Choice[str]:
    """Our own core where it has the gradients of PEFT and was measured; TRL for all else, and why."""
    reason = supports(config, draft.targets.value)
    if draft.quantization.value != "none":
        return Choice("trl", "TRL's SFTTrainer: the base is kept in 4 bits")
    if reason is None and draft.device.value == "cpu":
        return Choice("packed", "Heedful's own core has this architecture: no padding, and loss only where something is answered")
    return Choice("trl", f"TRL's SFTTrainer: {reason or 'the packed core was only measured on a CPU'}")


def check_targets(targets: list[str] | None, base: str, shape: Shape) -> None:
    unknown = ", ".join(map(repr, shape.unknown([] if targets is None else targets)))
    if unknown:
        raise TrainingError(
            f"training.targets: {base} has no linear module {unknown}; it has: {', '.join(shape.targets)}",
            "set training.targets to some of these in heedful.yaml, or leave it out for all",
        )


def assemble(profile: Profile, machine: "rules.Machine", settings: TrainingSettings, below: int = 0) -> TrainingPlan:
    """The plan from numbers alone: touches no file and no model. `below` are the ranks that it learns on top of."""
    size, preset, replayed = profile.conversations, settings.preset, len(profile.replayed)
    device = choose_device(machine.device, machine.parameters)
    epochs = pick(settings.epochs, rules.epochs(size, profile.known))
    rank = pick(settings.rank, rules.rank(size, profile.known))
    rslora = pick(settings.rslora, rules.rslora(preset))
    batch_size = pick(settings.batch_size, rules.batch_size())
    max_length = pick(settings.max_length, rules.max_length(profile, machine.context))
    steps = count_steps(size, batch_size.value, epochs.value, replayed)
    shown = size + round(replayed / max(epochs.value, 1))  # rows of one epoch
    every = Choice(*rules.evaluate_every(shown, batch_size.value, steps))
    again = f" and {replayed} replayed ones" if replayed else ""
    return TrainingPlan(
        strategy=Choice(*rules.strategy(below)),
        new_rows=Choice(*rules.new_rows(size, below)),
        replay_rows=Choice(*rules.replay_rows(replayed, profile.known, below)),
        path=Choice("trl", "TRL's SFTTrainer trains every architecture"),
        device=Choice(device.name, device.why),
        dtype=Choice(device.dtype_name, "number format of the frozen base; the adapter is float32 in any case"),
        quantization=Choice(*rules.quantization(settings.quantization, device.name)),
        products=Choice("plain", rules.PLAIN),
        epochs=epochs,
        batch_size=batch_size,
        micro_batch=Choice(*rules.micro_batch(device.name, batch_size.value, profile, max_length.value)),
        pass_tokens=Choice(*rules.pass_tokens(max_length.value)),
        max_length=max_length,
        rank=rank,
        alpha=pick(settings.alpha, rules.alpha(rank.value, rslora.value)),
        rslora=rslora,
        targets=pick(settings.targets, (list(machine.targets), "all linear modules of this base but the head")),
        dropout=pick(settings.dropout, rules.dropout(preset)),
        learning_rate=pick(settings.learning_rate, rules.learning_rate(machine.parameters, rank.value, below)),
        scheduler=Choice("cosine", "falls smoothly to zero, so the last steps settle"),
        warmup_steps=Choice(*rules.warmup_steps(shown, batch_size.value, steps)),
        weight_decay=pick(settings.weight_decay, rules.weight_decay(size, preset)),
        clip_norm=pick(settings.max_grad_norm, rules.clip_norm()),
        checkpointing=Choice(*rules.checkpointing(machine.parameters)),
        evaluate_every=every,
        checkpoint_every=Choice(*rules.checkpoint_every(0, None, steps)),
        patience=pick(settings.patience, rules.patience(preset, below, math.ceil(steps / every.value))),
        seed=Choice(settings.seed, "decides the first adapter weights and the order of the data"),
        steps=Choice(steps, f"{size} conversations x {epochs.value:g} epochs{again} in steps of {batch_size.value}"),
        tokens=Choice(profile.all_tokens(max_length.value, epochs.value), "read in all epochs together"),
        supervised_tokens=Choice(
            profile.all_supervised(epochs.value), f"of these carry the loss; {profile.answers:.1f} answers a conversation"
        ),
        memory_gb=NOT_ESTIMATED,
        seconds=NOT_ESTIMATED,
    )


def complete(draft: TrainingPlan, profile: Profile, shape: Shape, there: int, below: int = 0) -> TrainingPlan:
    """The draft with rows a pass that fit in `there` bytes, and with both estimates. Raises TrainingError when nothing fits."""
    asked, packed = replace(work_of(draft, profile, shape), below=below), draft.path.value == "packed"
    fitted = fit(asked, asked.rows if packed else draft.batch_size.value, shape, there, draft.device.value)
    work = fitted.work
    plan = draft
    if work.rows != asked.rows and packed:
        plan = replace(plan, pass_tokens=Choice(work.tokens, f"tokens a pass: {fitted.why}"))
    elif work.rows != asked.rows:
        plan = replace(plan, micro_batch=Choice(work.rows, f"rows a pass: {fitted.why}"))
    if not packed:
        plan = replace(plan, pass_tokens=Choice(work.tokens, "tokens of the largest pass, padding included"))
    if work.products != asked.products:
        plan = replace(plan, products=Choice(work.products, f"{rules.PLAIN}: {fitted.why}"))
    if work.checkpointing != asked.checkpointing:
        plan = replace(plan, checkpointing=Choice(True, f"activations are computed twice: {fitted.why}"))
    took = duration(plan, work, profile, shape)
    size = POINT_COPIES * FLOAT * shape.adapter_parameters(plan.rank.value, plan.targets.value)
    plan = replace(plan, checkpoint_every=Choice(*rules.checkpoint_every(size, took.value, plan.steps.value)))
    parts = f"GB: {fitted.memory.in_words()}; {gigabytes(there):g} are there"
    return replace(plan, memory_gb=Choice(gigabytes(fitted.memory.total), parts), seconds=took)


def duration(plan: TrainingPlan, work: Work, profile: Profile, shape: Shape) -> Choice[float | None]:
    """From operations and the speed of this machine, measured now."""
    usual = replace(work, length=min(profile.percentile(0.5), work.length))
    widest = max(outputs for _, outputs in shape.linear.values())
    measured = speed(plan.device.value, plan.dtype.value, usual.tokens, shape.hidden, widest)
    looks = 1 + math.ceil(plan.steps.value / plan.evaluate_every.value)
    scored = looks * profile.looked_at(work.length)
    found = seconds(shape, usual, measured, plan.tokens.value, scored)
    why = (
        f"{plan.tokens.value} tokens to learn from and {scored} to look at, {measured.products / 1e9:.0f} GFLOP/s measured here; "
        "the first steps correct it, early stopping may shorten it"
    )
    return Choice(float(f"{found:.2g}"), why)


def work_of(plan: TrainingPlan, profile: Profile, shape: Shape) -> Work:
    """A pass of the packed core holds as many of the longest rows as its tokens allow."""
    device, length = plan.device.value, min(plan.max_length.value, profile.longest_first[0])
    packed = max(1, min(plan.batch_size.value, plan.pass_tokens.value // length))
    return Work(
        rows=packed if plan.path.value == "packed" else plan.micro_batch.value,
        length=length,
        rank=plan.rank.value,
        targets=tuple(plan.targets.value),
        number_bytes=2 if plan.dtype.value == "bfloat16" else 4,
        four_bits=plan.quantization.value == "nf4",
        dropout=plan.dropout.value > 0,
        checkpointing=plan.checkpointing.value,
        products=plan.products.value,
        supervised=min(1.0, profile.supervised / sum(profile.lengths)),
        all_logits=device == "cuda",  # only there TRL's own loss is taken, which asks the head for every token
        on_gpu=device == "cuda",
        score_tokens=rules.score_tokens(device),
    )


def pick(setting: U | None, rule: tuple[U, str]) -> Choice[U]:
    return Choice(*rule) if setting is None else Choice(setting, BY_YOU)

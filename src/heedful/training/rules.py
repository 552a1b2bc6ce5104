"""Rules of the plan: numbers of dataset and machine in; a value and its reason out. A function a rule; no files, no models."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from heedful.errors import TrainingError
from heedful.training.profile import Profile

SMALL, LARGE = 100, 500  # conversations: below, between and above these, three sizes of plan
REFERENCE = 7_000_000_000  # parameters of the bases for which 2e-4 is the usual rate of LoRA
REFERENCE_RATE, LOWEST_RATE, HIGHEST_RATE = 2e-4, 1e-4, 5e-3
CPU_TOKENS, GPU_TOKENS = 512, 8_192  # of one pass forward and back
PASS_TOKENS = 2_048  # of one pass of the packed core
SCORE_TOKENS, SCORE_TOKENS_GPU = 1_024, 16_384  # of one pass of scoring; more does not fit a CPU's cache
POINT_S, WRITE_SPEED = 0.05, 100e6  # of a resume point: seconds in any case, and bytes a second to a disk and synced
RECOVERY_SHARE = 0.02  # of the time of training that resume points may take
CHECKPOINTED = 1_000_000_000  # parameters


ROUND_SHARE = 0.25  # of the text that all anew would read, which a round reads
LEAST_REPLAY = 0.25  # of what is known, also where the new rows alone cost more than that
WORTH_CONTINUING = 0.7  # of the time that all anew takes; above, continuing saves too little for what it may forget

CAREFUL = "careful"  # the preset against learning by heart
CAREFUL_DROPOUT, CAREFUL_DECAY, CAREFUL_PATIENCE = 0.15, 0.01, 2
BY_CAREFUL = f"preset {CAREFUL}"
USUAL_SCALE, SMALLEST_RANK = 2.0, 8  # of the plans
PLAIN = "products with the frozen weights as they lie"
BLOCKED = "frozen weights laid out for this processor, once for each direction: the same numbers sooner"
INT8 = "set by you: frozen weights and what meets them rounded to 8 bits: sooner again, but the gradients are not exact"


@dataclass(frozen=True, slots=True)
class Machine:
    """`device` is a setting or a name; `parameters`, `context` length and linear modules for `targets` are the base's."""

    device: str
    parameters: int
    context: int
    targets: tuple[str, ...] = ()


def by_size(size: int, small: int, medium: int, large: int) -> int:
    return small if size < SMALL else medium if size <= LARGE else large


def size_in_words(size: int) -> str:
    band = f"under {SMALL}" if size < SMALL else f"{SMALL} to {LARGE}" if size <= LARGE else f"over {LARGE}"
    return f"{size} training conversations ({band})"


def strategy(below: int) -> tuple[str, str]:
    if below:
        return "continue", f"a new adapter on top of the {below} ranks of the version below, which stay as they are"
    return "fresh", "a new adapter on the base alone"


def new_rows(size: int, below: int) -> tuple[int, str]:
    return size, "conversations that the version below never learned" if below else "all training conversations of the dataset"


def replayed(new: int, known: Sequence[int], epochs: float) -> int:
    """Known rows that a round shows once each. `new`: size of the texts of all new rows; `known`: of each known one."""
    room = epochs * (ROUND_SHARE * (new + sum(known)) - new)
    return max(sum(total <= room for total in accumulate(known)), round(LEAST_REPLAY * len(known)))


def replay_rows(count: int, known: int, below: int) -> tuple[int, str]:
    if not below:
        return count, "everything is learned anew, so nothing has to be replayed"
    return count, f"of {known} that earlier rounds learned, once each, so that they are not forgotten: training.replay"


def epochs(size: int, known: int = 0) -> tuple[float, str]:
    """A round reads what is new as often as all would be read anew: so it costs its share of that, and little more."""
    found = by_size(size + known, 10, 5, 3)
    if known:
        return found, f"as for all {size_in_words(size + known)}, earlier rounds included: what is new is read as often as anew"
    return found, f"{size_in_words(size)}: little data is read more often; early stopping guards"


def rank(size: int, known: int = 0) -> tuple[int, str]:
    """A round has the room of a fresh training: with less, it learns its few new rows worse than that would."""
    found, why = by_size(size + known, SMALLEST_RANK, 16, 32), f"{size_in_words(size + known)}: more data fills more room"
    return found, f"as for all {why}" if known else why


def alpha(rank: int, rslora: bool) -> tuple[float, str]:
    """With rsLoRA (Kalajdzievski, 2023) alpha is a constant, for the root of the rank is what keeps updates stable."""
    if rslora:
        why = f"a constant with rsLoRA: alpha / sqrt(rank) is the usual scale, {USUAL_SCALE:g}, at rank {SMALLEST_RANK}, less above"
        return round(USUAL_SCALE * math.sqrt(SMALLEST_RANK), 2), why
    return USUAL_SCALE * rank, "twice the rank: the update has the same scale, 2, at any rank"


def rslora(preset: str) -> tuple[bool, str]:
    if preset == CAREFUL:
        return True, f"{BY_CAREFUL}: the update shrinks with the root of the rank, so that a high rank moves less"
    return False, "plain LoRA: the update is scaled by alpha / rank"


def quantization(asked: str, device: str) -> tuple[str, str]:
    if asked == "none":
        return asked, "weights of the base stay in the number format above"
    if device == "mps":
        raise TrainingError("training.quantization nf4 is not there on mps; it runs on cuda and cpu", "set quantization: none")
    slow = "" if device == "cuda" else ", slowly on a CPU"
    return asked, f"set by you: the base's linear weights in 4 bits with double quantisation (QLoRA){slow}"


def products(path: str, asked: str, missing: Mapping[str, str | None]) -> tuple[str, str]:
    """`missing`: by kind, why the packed core has it not on this machine. Whether `auto` fits in memory is seen later."""
    if asked == "auto":
        return ("plain", PLAIN) if path != "packed" or missing["blocked"] else ("blocked", BLOCKED)
    reason = missing[asked] if path == "packed" else "only the packed core has them"
    if asked != "plain" and reason:
        raise TrainingError(f"training.products {asked} is not there: {reason}", "leave it out, or set products: plain")
    return asked, {"plain": f"set by you: {PLAIN}", "blocked": f"set by you: {BLOCKED}", "int8": INT8}[asked]


def dropout(preset: str) -> tuple[float, str]:
    if preset == CAREFUL:
        return CAREFUL_DROPOUT, f"{BY_CAREFUL}: a good part is hidden at each step, against learning by heart"
    return 0.05, "a little, against learning rare phrases by heart"


def clip_norm() -> tuple[float, str]:
    return 1.0, "one odd conversation cannot throw the weights off"


def batch_size() -> tuple[int, str]:
    return 8, "conversations a step: enough to be smooth, few enough for many steps"


def micro_batch(device: str, batch_size: int, profile: Profile, max_length: int) -> tuple[int, str]:
    """The largest divisor of the batch within the device's budget of tokens; the rest is accumulated, with the same gradient."""
    if device == "cpu":
        budget, row = CPU_TOKENS, profile.percentile(0.5)
        why = f"rows a pass: {CPU_TOKENS} tokens of usual length fill a CPU; more only adds padding"
    else:
        budget, row = GPU_TOKENS, max_length
        why = f"rows a pass: {GPU_TOKENS} tokens at most, for the memory"
    fitting = [size for size in range(1, batch_size + 1) if batch_size % size == 0 and size * row <= budget]
    return max(fitting, default=1), why


def pass_tokens(max_length: int) -> tuple[int, str]:
    """Of the packed core, which pads nothing: whole rows up to so many tokens. A row is never cut."""
    return max(PASS_TOKENS, max_length), "tokens a pass of the packed core: more is no faster, and takes memory; passes add up"


def score_tokens(device: str) -> int:
    return SCORE_TOKENS if device == "cpu" else SCORE_TOKENS_GPU


def max_length(profile: Profile, context: int) -> tuple[int, str]:
    """The 99th percentile, rounded up; the whole context when that is shorter."""
    p99, lengths = profile.percentile(0.99), profile.longest_first
    wanted = min(64 * math.ceil(p99 / 64), context)
    over = sum(length > wanted for length in lengths)
    bound = "the model's context" if wanted == context else "rounded up to 64"
    return wanted, f"99% of the conversations have at most {p99} tokens, the longest {lengths[0]}; {bound}; {over} lose old turns"


def learning_rate(parameters: int, rank: int, below: int = 0) -> tuple[float, str]:
    """2e-4 at 7B, more for a smaller base: with the inverse square root of its parameters, within bounds.

    The rank does not enter: "LoRA Without Regret" (Thinking Machines, 2025) found the same best rate at any rank as long as
    alpha / rank stays, and a best rate that falls with the width. The power is ours: it meets the usual 2e-4 at 7B, and on the
    bundled base (11M, after 8M tokens) the flat part of the curve. Validation NLL there at 5e-4, 1.5e-3, 4e-3, then the highest:
    counsel_chat, 240 rows, 1 epoch: 4.84, 4.67, 4.57, 4.54 (8e-3); intents, 219 rows, 3 epochs: 4.20, 3.80, 3.52, 3.42 (1e-2).
    """
    rate = REFERENCE_RATE * math.sqrt(REFERENCE / parameters)
    rounded = float(f"{min(max(rate, LOWEST_RATE), HIGHEST_RATE):.1e}")
    size = f"{parameters / 1e6:.0f} million parameters"
    return rounded, f"2e-4 suits a base of 7 billion, this one has {size}; the same at rank {rank} as at any other"


def warmup_steps(size: int, batch_size: int, steps: int) -> tuple[int, str]:
    examples = min(size // 10, 50)
    return min(math.ceil(examples / batch_size), steps // 2), f"{examples} examples: a tenth of the data, 50 at most"


def weight_decay(size: int, preset: str) -> tuple[float, str]:
    if preset == CAREFUL:
        return CAREFUL_DECAY, f"{BY_CAREFUL}: a slight pull back to the base, at any size of the data"
    if size > LARGE:
        return 0.0, f"{size_in_words(size)}: not needed"
    return 0.01, f"{size_in_words(size)}: a slight pull back to the base"


def checkpointing(parameters: int) -> tuple[bool, str]:
    if parameters < CHECKPOINTED:
        return False, "activations of this base fit in memory"
    return True, f"{parameters / 1e9:.1f} billion parameters: compute activations twice rather than keep them"


def evaluate_every(size: int, batch_size: int, steps: int) -> tuple[int, str]:
    epoch = math.ceil(size / batch_size)
    if epoch < 10:
        return min(epoch, steps), "steps between two looks at the validation split: once an epoch"
    return min(math.ceil(epoch / 2), steps), "steps between two looks at the validation split: twice an epoch"


def checkpoint_every(size: float, seconds: float | None, steps: int) -> tuple[int, str]:
    """`size`: bytes of a resume point; `seconds`: estimate of the whole training. What writing takes is a small share of it."""
    if seconds is None:
        return steps, "steps between two resume points: none, as nothing was measured"
    cost = POINT_S + size / WRITE_SPEED
    every = min(steps, max(1, math.ceil(cost / (RECOVERY_SHARE * seconds / steps))))
    why = f"steps between two resume points, the most a kill can cost: one of {size / 1e6:.0f} MB takes about {cost:.1f} s"
    return every, f"{why}, {RECOVERY_SHARE:.0%} of the time between"


def patience(preset: str, below: int, looks: int) -> tuple[int, str]:
    if below:
        why = "a round goes to its end: few validation rows are of what is new, so an early stop keeps it from being learned"
        return max(1, looks), why
    if preset == CAREFUL:
        return CAREFUL_PATIENCE, f"{BY_CAREFUL}: evaluations without a better validation NLL before training stops"
    return 3, "evaluations without a better validation NLL before training stops; the best weights are kept"

"""Estimate: the shape of a base and the amount of work in; memory and seconds of a training out. Arithmetic alone.

Notation: T tokens of a pass (rows x longest row), b bytes of a number of the frozen base, in and out the sizes of a linear module.
The counts of what autograd keeps were read off PEFT's and transformers' forward functions; `docs/log.md` has them beside measures.
"""

from dataclasses import dataclass, fields

from heedful.modeling.shape import Shape
from heedful.training.resources import Speed

FLOAT = 4  # bytes of float32, the format of the adapter, its gradients and its optimiser
ADAPTER_COPIES = 5  # weights, gradients, AdamW's two moments, and the weights while they are written
POINT_COPIES = 3  # of a resume point: weights and AdamW's two moments
NF4_BYTES = (4 + 0.127) / 8  # of a weight: 4 bits, and the scales after double quantisation (arXiv:2305.14314, section 3)
LIBRARIES = 700_000_000  # bytes that Python, torch, transformers and TRL take on a CPU before the first weight
LIBRARIES_GPU = 600_000_000  # of the device: CUDA's context and its workspaces
TOUCHES = 5  # times that a kept byte is written and read, forward and back; measured at 11M and 135M parameters
CALLS_S = 0.0015  # of a layer's few hundred small calls, forward and back
ROW_NOISE = 1.1  # padding: rows of like length are not of equal length


@dataclass(frozen=True, slots=True)
class Work:
    """One pass of a plan in numbers.

    `supervised` is the share of tokens that carry the loss; `all_logits`: the head sees every token.
    """

    rows: int
    length: int
    rank: int
    targets: tuple[str, ...]
    number_bytes: int
    four_bits: bool
    dropout: bool
    checkpointing: bool
    supervised: float
    all_logits: bool
    on_gpu: bool
    score_tokens: int
    products: str = "plain"  # of the packed core
    below: int = 0  # ranks of frozen adapters that it learns on top of

    @property
    def tokens(self) -> int:
        return self.rows * self.length

    @property
    def scored(self) -> float:
        """Share of tokens that the head is asked for."""
        return 1.0 if self.all_logits else self.supervised


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes at the peak, by what they are for. `activations` and `logits` of a pass, or what scoring needs, whichever is more."""

    base: float
    adapter: float
    activations: float
    logits: float
    libraries: float

    def in_words(self) -> str:
        parts = [f"{field.name} {gigabytes(getattr(self, field.name)):g}" for field in fields(self)]
        return " + ".join(parts)

    @property
    def total(self) -> float:
        return self.base + self.adapter + self.activations + self.logits + self.libraries


def gigabytes(size: float) -> float:
    """Three digits of 10^9 bytes."""
    return float(f"{size / 1e9:.3g}")


def memory(shape: Shape, work: Work) -> Memory:
    scoring = logit_bytes(shape, work, min(1.0, 2 * work.supervised) * max(work.score_tokens, work.length), copies=1)
    kept, logits = activation_bytes(shape, work), logit_bytes(shape, work, work.scored * work.tokens, copies=2)
    return Memory(
        base=base_bytes(shape, work) + frozen_parameters(shape, work) * (FLOAT + work.number_bytes),
        adapter=shape.adapter_parameters(work.rank, work.targets) * FLOAT * ADAPTER_COPIES,
        activations=kept,
        logits=max(logits, scoring - kept),
        libraries=LIBRARIES_GPU if work.on_gpu else LIBRARIES,
    )


def base_bytes(shape: Shape, work: Work) -> float:
    """The frozen weights. In 4 bits are the linear ones only; embeddings, head and norms stay as they are.

    Products that are not plain have copies of the linear ones, one for each direction; the base stays, for scoring.
    """
    linear = sum(into * out for into, out in shape.linear.values())
    copies = 2 * linear * {"plain": 0, "blocked": work.number_bytes, "int8": 1}[work.products]
    if work.four_bits:
        return linear * NF4_BYTES + (shape.parameters - linear) * work.number_bytes
    return shape.parameters * work.number_bytes + copies


def frozen_parameters(shape: Shape, work: Work) -> int:
    """Of the stack below: kept in float32, and once more in the format of the computation."""
    return shape.adapter_parameters(work.below, shape.targets)


def logit_bytes(shape: Shape, work: Work, positions: float, copies: int) -> float:
    """In the base's format, and `copies` of them in float32: for the loss, and for its gradient."""
    return positions * shape.vocabulary * (work.number_bytes + copies * FLOAT)


def activation_bytes(shape: Shape, work: Work) -> float:
    """What the backward pass finds: of every layer, or, with checkpointing, every layer's input and one layer whole."""
    whole = layer_bytes(shape, work) * shape.layers
    if not work.checkpointing:
        return whole
    return work.tokens * shape.hidden * work.number_bytes * shape.layers + whole / shape.layers


def layer_bytes(shape: Shape, work: Work) -> float:
    """Mean of a layer.

    Kept a token: the output of each linear module (attention and the product of the gated units need it), the input of each target
    (dropped out in float32, with its noise), twice the hidden size in float32 for each of two norms, and the residual.
    """
    number, layers = work.number_bytes, shape.layers
    outputs = sum(out for _, out in shape.linear.values()) / layers
    inputs = sum(into for into, _ in shape.chosen(work.targets)) / layers
    widest = max((out for _, out in shape.linear.values()), default=shape.hidden)
    a_token = outputs * number + inputs * (number + (FLOAT if work.dropout else 0)) + 2 * widest * number + 5 * shape.hidden * FLOAT
    scores = 2 * FLOAT * shape.heads * work.rows * work.length**2 if shape.keeps_scores else 0
    return work.tokens * a_token + scores


def seconds(shape: Shape, work: Work, speed: Speed, tokens: float, scored: float) -> float:
    """Of training on `tokens` and looking at `scored` tokens in between: products, activations through memory, and calls."""
    passes = tokens / work.tokens
    products = (operations(shape, work, tokens) + scoring_operations(shape, work, scored)) / speed.products
    again = 1.5 if work.checkpointing else 1.0
    kept = layer_bytes(shape, work) * shape.layers / work.tokens  # a token
    moved = ROW_NOISE * kept * (TOUCHES * again * tokens + TOUCHES / 4 * scored) / speed.fresh
    return products + moved + passes * again * shape.layers * CALLS_S


def operations(shape: Shape, work: Work, tokens: float) -> float:
    """Of training on `tokens`, forward and back. The frozen weights need no gradient of their own, so 2 + 2 a weight and token."""
    passes = 3 if work.checkpointing else 2
    weights = sum(into * out for into, out in shape.linear.values()) + frozen_parameters(shape, work)
    adapter = shape.adapter_parameters(work.rank, work.targets)
    head = shape.hidden * shape.vocabulary * work.scored
    attention = 2 * work.length * shape.hidden * shape.layers
    return ROW_NOISE * tokens * (2 * passes * (weights + attention) + 2 * (passes + 1) * adapter + 4 * head)


def scoring_operations(shape: Shape, work: Work, tokens: float) -> float:
    """Of looking at `tokens`: forward only, the head at supervised positions."""
    weights = sum(into * out for into, out in shape.linear.values()) + frozen_parameters(shape, work)
    head = shape.hidden * shape.vocabulary * work.supervised
    return ROW_NOISE * tokens * 2 * (weights + shape.adapter_parameters(work.rank, work.targets) + head)

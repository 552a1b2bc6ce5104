"""Likelihood: a model and training rows in; mean negative log-likelihood of the supervised tokens out, in nats a token.

Every token weighs the same: the mean is over tokens, not over batches (a Trainer's eval_loss is a mean of batch means). What all
rows begin with, most often a system prompt, is computed once.
"""

import inspect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heedful.modeling.chat_template import Sample
from heedful.modeling.devices import fast_matmul

if TYPE_CHECKING:
    import torch

    Tensor = torch.Tensor
    Model = Any

WORTH = 16  # tokens; to share fewer saves nothing


@dataclass(frozen=True, slots=True)
class Nll:
    """`per_sample` holds (sum of nats, supervised tokens) in the order of the samples, for paired intervals."""

    nats_per_token: float
    tokens: int
    per_sample: list[tuple[float, int]]


def negative_log_likelihood(model: "Model", samples: Sequence[Sample], batch_tokens: int) -> Nll:
    """Score the supervised tokens of `samples` in batches of at most `batch_tokens` tokens, padding included.

    Deterministic: no dropout, and rows are batched by length in a fixed order. The model's training flag is put back. Without any
    supervised token, the mean is NaN.
    """
    import torch

    scores: dict[int, tuple[float, int]] = {}
    training, device = model.training, next(model.parameters()).device
    model.eval()
    try:
        with (
            torch.no_grad(),
            fast_matmul(device.type),
        ):  # tensors of inference_mode that a model caches could not be trained through
            shared = begin(samples, model, device)
            for batch in batches(samples, batch_tokens):
                scores.update(zip(batch, score([samples[i] for i in batch], model, device, shared), strict=True))
    finally:
        model.train(training)
    per_sample = [scores[index] for index in range(len(samples))]
    tokens = sum(count for _, count in per_sample)
    total = math.fsum(nats for nats, _ in per_sample)
    return Nll(total / tokens if tokens else math.nan, tokens, per_sample)


def batches(samples: Sequence[Sample], batch_tokens: int) -> Iterator[list[int]]:
    """Indices of rows of like length; a row longer than `batch_tokens` gets a batch of its own."""
    batch: list[int] = []
    for index in sorted(range(len(samples)), key=lambda i: (-len(samples[i].ids), i)):
        longest = len(samples[batch[0]].ids) if batch else 0
        if batch and (len(batch) + 1) * longest > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first `tokens` of every row, and what the layers have as (keys, values) of them, each [1, heads, tokens, size]."""

    tokens: int
    layers: "Sequence[tuple[Tensor, Tensor]]"


def begin(samples: Sequence[Sample], model: "Model", device: Any) -> Beginning | None:
    """None where little is shared, or where the network's cache is not known to be keys and values of all positions."""
    import torch
    from transformers.cache_utils import DynamicCache, DynamicLayer

    tokens = shared_tokens(samples)
    if tokens < WORTH or not {"logits_to_keep", "past_key_values"} <= parameters_of(model):
        return None
    ids = torch.tensor([samples[0].ids[:tokens]], device=device)
    cache = model(input_ids=ids, use_cache=True, logits_to_keep=1).past_key_values
    if type(cache) is not DynamicCache or any(type(layer) is not DynamicLayer for layer in cache.layers):
        return None
    return Beginning(tokens, [(layer.keys, layer.values) for layer in cache.layers])


def shared_tokens(samples: Sequence[Sample]) -> int:
    """How many tokens all rows begin with, none of them needed to predict a supervised one; 0 for a single row."""
    if len(samples) < 2:
        return 0
    first, last = min(sample.ids for sample in samples), max(sample.ids for sample in samples)
    alike = next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    starts = [sample.mask.index(True) if True in sample.mask else len(sample.ids) for sample in samples]
    return max(0, min(alike, min(starts) - 1))


def score(rows: Sequence[Sample], model: "Model", device: Any, beginning: Beginning | None = None) -> list[tuple[float, int]]:
    """(sum of nats, supervised tokens) of each row. The head sees only positions before a supervised token of some row."""
    import torch

    ids, attention, supervised = pad(rows)
    targets = supervised[:, 1:]  # token t is predicted at position t - 1; the first token of a row cannot be
    places = targets.any(dim=0).nonzero().flatten()
    if len(places) == 0:
        return [(0.0, 0)] * len(rows)
    logits = forward(model, ids.to(device), attention.to(device), places.to(device), beginning)
    chosen = targets[:, places]
    wanted = ids[:, 1:][:, places]
    nats = torch.nn.functional.cross_entropy(logits[chosen.to(device)].float(), wanted[chosen].to(device), reduction="none")
    table = torch.zeros(chosen.shape, dtype=torch.float64)
    table[chosen] = nats.double().cpu()
    return [(float(total), int(count)) for total, count in zip(table.sum(dim=1), chosen.sum(dim=1), strict=True)]


def pad(rows: Sequence[Sample]) -> "tuple[Tensor, Tensor, Tensor]":
    """Token ids, attention and supervision, each [rows, longest row], padded on the right."""
    import torch

    width = max(len(row.ids) for row in rows)
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    attention = torch.zeros((len(rows), width), dtype=torch.long)
    supervised = torch.zeros((len(rows), width), dtype=torch.bool)
    for number, row in enumerate(rows):
        length = len(row.ids)
        ids[number, :length] = torch.tensor(row.ids)
        attention[number, :length] = 1
        supervised[number, :length] = torch.tensor(row.mask)
    return ids, attention, supervised


def forward(model: "Model", ids: "Tensor", attention: "Tensor", places: "Tensor", beginning: Beginning | None = None) -> "Tensor":
    """Logits [rows, places, vocabulary], from the model's own head, so that scaling and capping are its own."""
    from transformers.cache_utils import DynamicCache

    if beginning is not None:
        cache = DynamicCache()
        for number, (keys, values) in enumerate(beginning.layers):
            cache.update(keys.expand(len(ids), -1, -1, -1), values.expand(len(ids), -1, -1, -1), number)
        rest, kept = ids[:, beginning.tokens :], places - beginning.tokens
        behind: Tensor = model(
            input_ids=rest, attention_mask=attention, past_key_values=cache, use_cache=True, logits_to_keep=kept
        ).logits
        return behind
    if "logits_to_keep" in parameters_of(model):
        logits: Tensor = model(input_ids=ids, attention_mask=attention, use_cache=False, logits_to_keep=places).logits
        return logits
    every: Tensor = model(input_ids=ids, attention_mask=attention, use_cache=False).logits
    return every[:, places]


def parameters_of(model: "Model") -> set[str]:
    """Names that the forward of the network itself takes."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return set(inspect.signature(type(inner).forward).parameters)

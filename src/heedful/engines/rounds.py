"""Prompts in, token ids of their replies out: transformers' `generate` over a batch, in rounds.

A round ends when half of its rows have ended; the others go on without them, and with what the cache holds of them. In one round, a
batch would be computed until its longest reply ends, though most replies are short.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heedful.engines.base import Sampling
from heedful.engines.next_token import NextToken

if TYPE_CHECKING:
    from torch import Tensor

FEW = 4  # rows; to begin a round anew for fewer saves nothing


@dataclass(frozen=True, slots=True)
class Marks:
    """Token ids that end a reply, and the one that fills a row up."""

    ends: Sequence[int]
    pad: int


def continue_all(
    network: Any,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    marks: Marks,
    stopped: Callable[[], bool],
    streamer: Any = None,
) -> list[list[int]]:
    """In the order of the prompts; behind its end a row may be filled up. Once `stopped`, replies end within a token."""
    import torch
    from transformers import GenerationConfig

    width = max(map(len, prompts))
    ids, attention = padded(prompts, width, marks.pad, network.device)
    choose, rows, cache = NextToken(width, sampling, prompts), list(range(len(prompts))), None
    replies: dict[int, list[int]] = {}
    while rows:
        left = sampling.max_new_tokens - (ids.shape[1] - width)
        config = GenerationConfig(
            do_sample=False,
            max_new_tokens=left,
            eos_token_id=list(marks.ends),
            pad_token_id=marks.pad,
            return_dict_in_generate=True,
        )
        output = network.generate(
            input_ids=ids,
            attention_mask=attention,
            generation_config=config,
            logits_processor=[choose],
            stopping_criteria=[half_of_them(width, marks.ends, stopped)],
            streamer=streamer,
            **({} if cache is None else {"past_key_values": cache}),
        )
        written = output.sequences[:, width:]
        going = ~have_ended(written, marks.ends)
        if stopped() or written.shape[1] >= sampling.max_new_tokens:
            going[:] = False
        replies |= {row: tokens for row, tokens, on in zip(rows, written.tolist(), going.tolist(), strict=True) if not on}
        places = going.nonzero().flatten()
        rows = [rows[place] for place in places.tolist()]
        choose.keep(places.tolist())
        ids, cache = output.sequences[places], without_the_others(output.past_key_values, places)
        attention = torch.cat([attention[places], attention.new_ones(len(rows), ids.shape[1] - attention.shape[1])], dim=1)
    return [replies[row] for row in range(len(prompts))]


def padded(prompts: Sequence[Sequence[int]], width: int, pad: int, device: Any) -> "tuple[Tensor, Tensor]":
    """Ids and attention, [prompts, width], filled up on the left."""
    import torch

    gaps = [width - len(prompt) for prompt in prompts]
    ids = [[pad] * gap + list(prompt) for gap, prompt in zip(gaps, prompts, strict=True)]
    return torch.tensor(ids, device=device), torch.tensor([[0] * gap + [1] * (width - gap) for gap in gaps], device=device)


def have_ended(written: "Tensor", ends: Sequence[int]) -> "Tensor":
    """[rows] of `written` [rows, tokens]."""
    import torch

    return torch.isin(written, torch.tensor(list(ends), device=written.device)).any(dim=1)


def half_of_them(width: int, ends: Sequence[int], stopped: Callable[[], bool]) -> "Callable[[Tensor, object], Tensor]":
    """A criterion for `generate`: all rows stop together, when half of them have ended or nobody waits any more."""
    import torch

    def over(ids: "Tensor", _: object) -> "Tensor":
        rows = len(ids)
        enough = stopped() or (rows >= FEW and 2 * int(have_ended(ids[:, width:], ends).sum()) >= rows)
        return torch.full((rows,), enough, dtype=torch.bool, device=ids.device)

    return over


def without_the_others(cache: Any, places: "Tensor") -> Any:
    """The cache of these rows alone; None, so that it is computed anew, where it is of a kind that cannot be divided."""
    if len(places) == 0 or not all(hasattr(layer, "batch_select_indices") for layer in getattr(cache, "layers", [None])):
        return None
    cache.batch_select_indices(places)
    return cache

"""Greedy tokens: two networks that should say the same in; how many tokens they agreed on, or the place where they do not, out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from heedful.conversation import Message
from heedful.modeling.chat_template import render
from heedful.modeling.protect import Tokenizer

QUESTIONS = (
    "I cannot sleep. What could I try tonight?",
    "Hello!",
    "My sister and I do not talk any more, and I do not know how to begin. She moved away last year. " * 4,
    "What did I say?",
    "Können Sie mir in 3 Sätzen sagen, was Angst ist?",
)
TOKENS = 24
TIE = 1e-3  # logits: nearer than this, either of the two best tokens is right


@dataclass(frozen=True, slots=True)
class Agreement:
    """`compared` tokens of `prompts` were asked for; `differ` of them were others, though transformers was not undecided."""

    prompts: int
    compared: int
    differ: int


def prompts_of(tokenizer: Tokenizer) -> list[list[int]]:
    return [render(tokenizer, [Message("user", question)], generation_prompt=True) for question in QUESTIONS]


def reference(network: Any, prompt: Sequence[int], tokens: int) -> Iterator[tuple[int, float]]:
    """(token, by how much it leads) of a transformers network, greedily, ends of turn not heeded."""
    import torch

    new, cache = torch.tensor([list(prompt)]), None
    for _ in range(tokens):
        with torch.no_grad():
            found = network(input_ids=new, past_key_values=cache, use_cache=True)
        cache, best = found.past_key_values, found.logits[0, -1].float().topk(2)
        new = best.indices[:1, None]
        yield int(new), float(best.values[0] - best.values[1])


def agreement(expected: Any, found: Any, tokenizer: Tokenizer, tie: float = TIE) -> Agreement:
    """`found` reads what `expected` says and tells at each place what it would say. Both are transformers networks on the CPU."""
    import torch

    compared = differ = 0
    prompts = prompts_of(tokenizer)
    for prompt in prompts:
        said = list(reference(expected, prompt, TOKENS))
        ids = torch.tensor([[*prompt, *(token for token, _ in said[:-1])]])
        with torch.no_grad():
            own = found(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 :].argmax(dim=-1).tolist()
        compared += len(said)
        differ += sum(token != mine and lead >= tie for (token, lead), mine in zip(said, own, strict=True))
    return Agreement(len(prompts), compared, differ)

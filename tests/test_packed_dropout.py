"""LoRA dropout in the packed core: PEFT's formula exactly, given the masks; PEFT's distribution, over many masks."""

import math
from collections.abc import Iterator

import pytest
import torch
from transformers import LlamaConfig

from heedful.training.packed.adapters import LoraSettings, mask_keys
from heedful.training.packed.kernels import plain
from heedful.training.packed.pack import PackedBatch, pack
from heedful.training.packed.support import TARGETS
from test_packed import CONFIGS, SIZES, Twin, conversations, difference, gradients, peft_masters, reference_gradients, twin

SHARE = 0.3
DROPPED = torch.tensor(SHARE)
SETTINGS = LoraSettings(4, 8.0, dropout=SHARE)


class Mask(torch.nn.Module):
    """Stands in a PEFT module where its dropout was."""

    def __init__(self, factor: torch.Tensor) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


def places(batch: PackedBatch, shape: tuple[int, int]) -> torch.Tensor:
    """The packed token that stands for each token of the padded batch; 0 where there is none."""
    table = torch.zeros(shape, dtype=torch.long)
    rests = batch.segments[1:] if batch.prefix else batch.segments
    for row, (start, stop) in enumerate(rests):
        table[row, : batch.prefix] = torch.arange(batch.prefix)
        table[row, batch.prefix : batch.prefix + stop - start] = torch.arange(start, stop)
    return table


def install_masks(pair: Twin, batch: PackedBatch, shape: tuple[int, int], draw: int) -> None:
    """Give the PEFT model the masks that the core will use in pass `draw`."""
    adapters, modules = pair.core.adapters, dict(pair.peft.named_modules())
    keys, table = mask_keys(adapters, draw), places(batch, shape)
    for name, a, _ in adapters.modules():
        number, short = int(name.split(".")[2]), name.rpartition(".")[2]
        selected = number == len(adapters.layers) - 1 and short in ("o_proj", "gate_proj", "up_proj", "down_proj")
        factor = plain().drop(
            torch.ones(batch.supervised if selected else batch.tokens, a.shape[1]), keys[number, TARGETS.index(short)], DROPPED
        )
        if selected:  # behind the last attention, rows are those that predict; what the others drop changes nothing
            by_token = torch.zeros(batch.tokens, a.shape[1])
            by_token[batch.rows] = factor
            factor = by_token
        modules[f"base_model.model.{name}"].lora_dropout["default"] = Mask(factor[table])


@pytest.mark.parametrize("shared", [False, True])
def test_gradients_equal_peft_under_the_same_masks(shared: bool) -> None:
    pair, samples = twin(CONFIGS["qwen3"], SETTINGS), conversations()
    batch = pack(samples, share_prefix=shared)
    assert (batch.prefix > 0) == shared and len(set(batch.rows.tolist())) == batch.supervised
    install_masks(pair, batch, (len(samples), max(len(sample.ids) for sample in samples)), draw=5)
    pair.core.loss(batch, draw=5).backward()
    assert difference(gradients(pair.core), reference_gradients(pair, samples)) <= 1e-5


def test_the_share_of_zeros_and_the_scale() -> None:
    keys = mask_keys(twin(CONFIGS["llama"], SETTINGS).core.adapters, 1)
    masks = torch.stack([plain().drop(torch.ones(200, 64), key, DROPPED) for key in keys.flatten()])
    assert sorted(set(masks.flatten().tolist())) == [0.0, pytest.approx(1 / (1 - SHARE))]
    dropped = (masks == 0).double()
    assert float(dropped.mean()) == pytest.approx(SHARE, abs=4 * math.sqrt(SHARE * (1 - SHARE) / dropped.numel()))
    centred = (dropped - SHARE).flatten(1)
    correlation = centred @ centred.t() / centred.shape[1] / (SHARE * (1 - SHARE))
    assert (correlation - torch.eye(len(masks))).abs().max() < 5 / math.sqrt(centred.shape[1]), "masks are independent"


def test_the_mean_gradient_is_that_of_peft() -> None:
    """Their means over many masks differ by no more than means of so many random draws do."""
    pair, samples, draws = twin(LlamaConfig(**SIZES | {"num_hidden_layers": 1}), SETTINGS), conversations((20, 15)), 150
    batch = pack(samples)
    assert batch.prefix > 0
    pair.peft.train()

    def ours() -> Iterator[torch.Tensor]:
        for draw in range(draws):
            pair.core.loss(batch, draw=draw).backward()
            yield torch.cat([part.flatten() for part in gradients(pair.core)])

    def theirs() -> Iterator[torch.Tensor]:
        torch.manual_seed(0)
        for _ in range(draws):
            yield torch.cat([part.flatten() for part in reference_gradients(pair, samples)])

    one, two = torch.stack(list(ours())), torch.stack(list(theirs()))
    expected = ((one.var(0) + two.var(0)).sum() / draws).sqrt()
    assert 0.8 < float((one.mean(0) - two.mean(0)).norm() / expected) < 1.25
    assert float(one.var(0).sum() / two.var(0).sum()) == pytest.approx(1, abs=0.35)
    pair.peft.eval()
    without = torch.cat([part.flatten() for part in reference_gradients(pair, samples)])
    assert float((one.mean(0) - without).norm() / expected) > 1.25, "the test can tell another distribution"


def test_a_pass_is_repeated_by_its_number() -> None:
    core, batch = twin(CONFIGS["llama"], SETTINGS).core, pack(conversations())
    losses = [float(core.loss(batch, draw=draw).detach()) for draw in (0, 1, 0)]
    assert losses[0] == losses[2] != losses[1]
    with pytest.raises(ValueError, match="number of the pass"):
        core.loss(batch)
    assert core.score(batch) == core.score(batch)


def test_checkpointing_sees_the_same_masks() -> None:
    from dataclasses import replace

    core, batch = twin(CONFIGS["llama"], SETTINGS).core, pack(conversations())
    found = []
    for checkpointing in (False, True):
        replace(core, checkpointing=checkpointing).loss(batch, draw=2).backward()
        found.append(gradients(core))
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


def test_the_order_of_masters_is_that_of_peft() -> None:
    """What this file rests on: `modules` and `peft_masters` name the same matrices."""
    pair = twin(CONFIGS["llama"], SETTINGS)
    for (a, b), (_, from_a, from_b) in zip(peft_masters(pair.peft, pair.core.adapters), pair.core.adapters.modules(), strict=True):
        assert torch.equal(a, from_a) and torch.equal(b, from_b)

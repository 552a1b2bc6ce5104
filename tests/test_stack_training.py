"""Learning on top of frozen generations: gradients, steps and saved weights are those of PEFT, in both ways of training."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

from heedful.errors import ModelError
from heedful.modeling.bases import load_base_model, load_tokenizer, resolve_base
from heedful.modeling.stack import Adapter, Factors, keep_ranks, put_below, read_adapter
from heedful.training.adapter import adapter_weights, new_adapter, save_adapter
from heedful.training.packed.adapters import LoraSettings
from heedful.training.packed.model import CoreOptions, build_core
from heedful.training.packed.weights import take_weights
from heedful.training.packed_path import train_packed
from heedful.training.samples import load_samples
from heedful.training.schedule import make_schedule
from heedful.training.sft import train_sft
from heedful.training.watch import Course, Watch
from test_packed import CONFIGS, Twin, check_every_way, conversations, gradients, packed, twin
from test_training import FEELINGS, UNSEEN, chat, plan_for


def below_of(model: Any, rank: int, targets: tuple[str, ...], size: float = 0.1) -> Adapter:
    torch.manual_seed(5)
    modules = {
        f"base_model.model.{name}": Factors(
            torch.randn(rank, module.weight.shape[1]) * size, torch.randn(module.weight.shape[0], rank) * size
        )
        for name, module in model.named_modules()
        if name.rpartition(".")[2] in targets
    }
    return Adapter(rank, tuple(sorted(targets)), False, modules)


def stacked(name: str, settings: LoraSettings, targets: tuple[str, ...], dtype: torch.dtype = torch.float32) -> Twin:
    """A twin whose PEFT model and core have the same frozen generations below the adapters that learn."""
    pair = twin(CONFIGS[name], settings, dtype)
    put_below(pair.peft, below_of(pair.peft.get_base_model(), 5, targets))
    if dtype == torch.float64:
        pair.peft.double()
    core = replace(pair.core, weights=take_weights(pair.peft.get_base_model(), dtype))
    return Twin(core, pair.peft)


ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@pytest.mark.parametrize("name", ["llama-biased", "mistral-window", "qwen3"])
def test_gradients_on_a_stack_equal_peft(name: str) -> None:
    check_every_way(stacked(name, LoraSettings(4, 8.0), ALL), conversations(), 1e-5)


def test_what_differs_on_a_stack_is_rounding() -> None:
    check_every_way(stacked("llama", LoraSettings(4, 8.0, rslora=True), ALL, torch.float64), conversations(), 1e-11)


def test_generations_may_have_other_modules() -> None:
    """Below: q, v and down; learning: v and gate. Some fused maps then have only the one, some only the other."""
    pair = stacked("qwen2", LoraSettings(3, 5.0, targets=("v_proj", "gate_proj")), ("q_proj", "v_proj", "down_proj"))
    check_every_way(pair, conversations(), 1e-5)
    maps = pair.core.weights.layers[0].maps
    assert [group for group, mapping in maps.items() if mapping.below is not None] == ["qkv", "down"]


def test_the_stack_is_counted_and_never_rounded_into_the_base() -> None:
    samples, settings = conversations(), LoraSettings(4, 8.0)
    pair = stacked("llama", settings, ALL)
    bare = replace(pair.core, weights=take_weights(twin(CONFIGS["llama"]).peft.get_base_model(), torch.float32))
    assert abs(float((packed(pair.core, samples)[0] - packed(bare, samples)[0]).detach())) > 1e-3
    rough = build_core(pair.peft.get_base_model(), settings, 3, CoreOptions(torch.bfloat16))
    plain = build_core(twin(CONFIGS["llama"]).peft.get_base_model(), settings, 3, CoreOptions(torch.bfloat16))
    for ours, base in zip(rough.weights.layers, plain.weights.layers, strict=True):
        for group, mapping in ours.maps.items():
            assert torch.equal(mapping.product.weight, base.maps[group].product.weight), "the base's own weights, to the bit"
            assert mapping.below is not None and mapping.below.a.dtype == torch.bfloat16
    frozen = [parameter for name, parameter in pair.peft.named_parameters() if ".stack." in name]
    assert frozen and not any(parameter.requires_grad for parameter in frozen)
    packed(pair.core, samples)[0].backward()
    assert all(bool(part.any()) for part in gradients(pair.core))


def test_an_adapter_of_another_base_cannot_lie_below() -> None:
    adapted = twin(CONFIGS["llama"]).peft
    wrong = below_of(adapted.get_base_model(), 4, ("q_proj",))
    wide = {name: Factors(torch.zeros(4, 64), factors.b) for name, factors in wrong.modules.items()}
    with pytest.raises(ModelError, match="the adapter below does not fit this base: "):
        put_below(adapted, replace(wrong, modules=wide))


def test_both_ways_take_the_same_steps_on_a_stack(tmp_path: Path) -> None:
    """One training on top of a stack through the packed core, one through TRL: the same losses, the same weights by norm."""
    for split, feelings in {"train": FEELINGS[:12], "validation": FEELINGS[12:]}.items():
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(chat(feeling)) + "\n" for feeling in feelings))
    tokenizer, found = load_tokenizer("tiny"), []
    rows = load_samples(tmp_path, tokenizer, 1_024).train
    schedule = make_schedule([len(row.ids) for row in rows], 6, 1, 7, 1)
    course = Course(schedule.epochs(), [6] * len(schedule.steps), evaluate_every=99, log_every=1, patience=9)
    plan = plan_for(tmp_path, dropout=0.0, batch_size=6)
    below = below_of(load_base_model("tiny", "cpu"), 3, ALL)
    for way in (train_packed, train_sft):
        model = new_adapter(load_base_model("tiny", "cpu"), plan, below)
        before = frozen_part(model)
        lines: list[Any] = []
        way(model, tokenizer, rows, schedule, plan, Watch(course, UNSEEN, lines.append))
        found.append((adapter_weights(model), [line["loss"] for line in lines if line["event"] == "step"]))
        assert all(torch.equal(one, two) for one, two in zip(before, frozen_part(model), strict=True))
        check_saved(model, tmp_path / way.__name__)
    (ours, our_losses), (theirs, their_losses) = found
    assert len(our_losses) == 2 and our_losses == pytest.approx(their_losses, rel=1e-4)
    assert ours.keys() == theirs.keys() and len(ours) == 2 * 7 * 7
    apart = sum(float((ours[name] - theirs[name]).norm()) ** 2 for name in ours) ** 0.5
    assert apart <= 5e-3 * sum(float(theirs[name].norm()) ** 2 for name in theirs) ** 0.5


def check_saved(model: Any, folder: Path) -> None:
    """On disk both are one plain adapter; its logits are the stack's, and its first ranks are what lay below."""
    folder.mkdir()
    save_adapter(model, adapter_weights(model), resolve_base("tiny"), folder)
    ids = torch.arange(60)[None]
    with torch.no_grad():
        expected = model.eval()(input_ids=ids).logits
        found = PeftModel.from_pretrained(load_base_model("tiny", "cpu"), str(folder)).eval()(input_ids=ids).logits
    assert float((found - expected).norm() / expected.norm()) <= 1e-6
    saved, below = read_adapter(folder), below_of(load_base_model("tiny", "cpu"), 3, ALL)
    assert saved.rank == 3 + 4
    parent = keep_ranks(saved, [(0, 3)])
    assert all(torch.equal(parent.modules[name].b, factors.b) for name, factors in below.modules.items())


def frozen_part(model: Any) -> list[torch.Tensor]:
    return [parameter.detach().clone() for name, parameter in model.named_parameters() if ".stack." in name]

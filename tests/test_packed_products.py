"""Ways to multiply by a frozen matrix: blocked gives the numbers of plain, eight bits come near them and train as well."""

import json
import random
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from heedful.config import TrainingSettings
from heedful.errors import TrainingError
from heedful.modeling.bases import load_base_model, load_tokenizer
from heedful.training import rules
from heedful.training.packed.adapters import LoraSettings
from heedful.training.packed.kernels import plain
from heedful.training.packed.memory import file_mappings, let_go
from heedful.training.packed.model import CoreOptions, PackedCore, build_core
from heedful.training.packed.pack import pack
from heedful.training.packed.products import Kind, Plain, can_multiply, make_product, missing
from heedful.training.packed_path import accumulate
from heedful.training.plan import make_plan
from heedful.training.samples import Samples, load_samples
from heedful.training.schedule import make_schedule
from test_packed import CONFIGS, conversations, gradients, tiny_model

KINDS: tuple[Kind, ...] = ("blocked", "int8")


def skip_without(kind: Kind) -> None:
    reason = can_multiply(kind, "cpu", torch.bfloat16)
    if reason is not None:
        pytest.skip(f"no {kind} products here: {reason}")


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.float() - expected.float()).norm() / expected.float().norm())


@pytest.mark.parametrize(("kind", "tolerance"), [("blocked", 1e-3), ("int8", 0.02)])
def test_products_in_both_directions(kind: Kind, tolerance: float) -> None:
    skip_without(kind)
    torch.manual_seed(0)
    weight, bias = torch.randn(48, 96).bfloat16(), torch.randn(48).bfloat16()
    x, gradient = torch.randn(70, 96).bfloat16(), torch.randn(70, 48).bfloat16()
    weight[3] *= 50
    x[5] *= 1000  # a scale of its own keeps the others exact
    product, expected = make_product(weight, kind), Plain(weight)
    assert product.shape == expected.shape == (48, 96)
    for offset in (bias, None):
        assert difference(product.forward(x, offset, plain()), expected.forward(x, offset, plain())) < tolerance
        assert difference(product.forward(x, offset, plain())[:5], expected.forward(x, offset, plain())[:5]) < tolerance
    assert difference(product.backward(gradient, plain()), expected.backward(gradient, plain())) < tolerance
    assert product.forward(torch.zeros_like(x), None, plain()).abs().max() == 0


def core_with(kind: Kind) -> PackedCore:
    core = build_core(
        tiny_model(CONFIGS["qwen2"], torch.bfloat16), LoraSettings(4, 8.0), 3, CoreOptions(torch.bfloat16, products=kind)
    )
    generator = torch.Generator().manual_seed(0)
    for master in core.parameters():
        master.data += torch.randn(master.shape, generator=generator) * 0.1
    return core


@pytest.mark.parametrize(("kind", "alike"), [("blocked", 0.9999), ("int8", 0.97)])
def test_gradients_point_the_same_way(kind: Kind, alike: float) -> None:
    skip_without(kind)
    losses, found = [], []
    for core in (core_with("plain"), core_with(kind)):
        losses.append(core.loss(pack(conversations())))
        losses[-1].backward()
        found.append(gradients(core))
    assert float(losses[1].detach()) == pytest.approx(float(losses[0].detach()), rel=5e-3)
    assert min(float(torch.cosine_similarity(one.flatten(), two.flatten(), dim=0)) for one, two in zip(*found, strict=True)) > alike


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_stays_as_it_was(kind: Kind) -> None:
    skip_without(kind)
    model, ids = tiny_model(CONFIGS["qwen2"], torch.bfloat16), torch.arange(20)[None]
    before = model(input_ids=ids).logits
    build_core(model, LoraSettings(4, 8.0), 1, CoreOptions(torch.bfloat16, products=kind))
    assert torch.equal(model(input_ids=ids).logits, before)


def test_where_there_are_none_the_reason_is_said() -> None:
    assert can_multiply("plain", "cuda", torch.float64) is None
    assert str(can_multiply("int8", "cuda", torch.bfloat16)) == "there are no int8 products on cuda"
    if can_multiply("blocked", "cpu", torch.bfloat16) is None:
        said = "there are blocked products for bfloat16 alone, not for torch.float32"
        assert str(can_multiply("blocked", "cpu", torch.float32)) == said


def test_pages_that_were_let_go_are_read_again(tmp_path: Path) -> None:
    from safetensors import safe_open

    save_file({"a": torch.arange(300_000.0)}, tmp_path / "a.safetensors")
    with safe_open(tmp_path / "a.safetensors", framework="pt") as file:
        stored = file.get_tensor("a")
    own = torch.arange(300_000.0)
    assert not any(low <= own.data_ptr() < high for low, high in file_mappings())
    let_go([stored, own])
    assert torch.equal(stored, own) and torch.equal(own, torch.arange(300_000.0))


def write_samples(folder: Path) -> Path:
    """Short exchanges that come with the package: 160 to learn from, 40 to look at."""
    intents = json.loads(files("heedful.assets").joinpath("samples/intents.json").read_text(encoding="utf-8"))["intents"]
    rows = [
        {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": intent["responses"][0]}]}
        for intent in intents
        for asked in intent["patterns"]
    ]
    random.Random(1).shuffle(rows)
    for split, part in {"train": rows[:160], "validation": rows[160:200]}.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
    return folder


def train_and_score(rows: Samples, kind: Kind) -> float:
    """Nats a token that a training of the bundled base in bfloat16 ends with."""
    core = build_core(
        load_base_model("tiny", "cpu", "bfloat16"), LoraSettings(8, 16.0), 3, CoreOptions(torch.bfloat16, products=kind)
    )
    optimiser = torch.optim.AdamW(core.parameters(), lr=5e-3)
    for step in make_schedule([len(row.ids) for row in rows.train], 8, 1, seed=1, padded=1).steps:
        accumulate(core, [rows.train[row] for row in step], 2_048, 0)
        optimiser.step()
        optimiser.zero_grad()
    scores = core.score(pack(rows.validation))
    return sum(nats for nats, _ in scores) / sum(tokens for _, tokens in scores)


def test_a_training_in_eight_bits_ends_as_it_does_in_bfloat16(tmp_path: Path) -> None:
    """Within 0.5% of the loss: only therefore it is offered."""
    skip_without("int8")
    rows = load_samples(write_samples(tmp_path), load_tokenizer("tiny"), 256)
    exact, rough = train_and_score(rows, "plain"), train_and_score(rows, "int8")
    assert exact < 3.5  # the base has more than four
    assert rough != exact
    assert rough == pytest.approx(exact, rel=5e-3)


def test_the_plan_takes_what_is_there_and_says_why() -> None:
    none = dict.fromkeys(("plain", "blocked", "int8"))
    lacking = {**none, "blocked": "the processor has no avx512_bf16", "int8": "the processor has no avx512_vnni"}
    assert rules.products("packed", "auto", none) == ("blocked", rules.BLOCKED)
    assert rules.products("packed", "auto", lacking) == ("plain", rules.PLAIN)
    assert rules.products("trl", "auto", none) == ("plain", rules.PLAIN)
    assert rules.products("packed", "int8", none) == ("int8", rules.INT8)
    assert rules.products("packed", "plain", lacking) == ("plain", f"set by you: {rules.PLAIN}")
    with pytest.raises(TrainingError, match=r"training.products int8 is not there: the processor has no avx512_vnni"):
        rules.products("packed", "int8", lacking)
    with pytest.raises(TrainingError, match=r"training.products blocked is not there: only the packed core has them"):
        rules.products("trl", "blocked", none)


def test_products_that_are_missing_are_named(tmp_path: Path) -> None:
    skip_without("int8")  # the tiny base is trained in float32
    assert missing("cpu", "bfloat16") == dict.fromkeys(("plain", "blocked", "int8"))
    with pytest.raises(TrainingError, match=r"training.products int8 is not there: .*torch.float32"):
        make_plan(write_samples(tmp_path), "tiny", "cpu", TrainingSettings(products="int8"))

"""A processor without instructions for bfloat16 or bytes: float32, plain products and tiles are chosen, with reasons, and train."""

import os
import subprocess
import sys

import pytest
import torch

from heedful.config import TrainingSettings
from heedful.errors import TrainingError
from heedful.modeling.bases import load_config, resolve_base
from heedful.modeling.devices import choose_device
from heedful.training import rules
from heedful.training.packed.adapters import LoraSettings
from heedful.training.packed.kernels import compiled
from heedful.training.packed.model import build_core
from heedful.training.packed.native import load_attention
from heedful.training.packed.pack import pack
from heedful.training.packed.products import missing
from heedful.training.plan import TrainingPlan, assemble, choose_way
from heedful.training.profile import Profile
from test_packed import CONFIGS, conversations, gradients, tiny_model, twin

LARGER = 135_000_000  # parameters; a base that is trained in bfloat16 where that is quick


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch tells of a processor that has AVX2 and no more."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "x86_64", "avx2": True, "fma3": True})


def plan(products: str = "auto") -> TrainingPlan:
    machine = rules.Machine("cpu", LARGER, 1_024, ("q_proj", "v_proj"))
    draft = assemble(Profile(40, [40] * 40, 400, 1.0), machine, TrainingSettings())
    return choose_way(load_config(resolve_base("tiny")), draft, products)


@pytest.mark.usefixtures("older")
def test_the_plan_takes_the_core_in_float32() -> None:
    found = plan()
    assert (found.path.value, found.dtype.value, found.products.value) == ("packed", "float32", "plain")
    assert choose_device("cpu", LARGER).why == "set by you; float32: this device has no bfloat16 in hardware"
    assert missing("cpu", "float32") == {
        "plain": None,
        "blocked": "the processor has no avx512_bf16",
        "int8": "the processor has no avx512_vnni",
    }
    with pytest.raises(TrainingError, match=r"training.products int8 is not there: the processor has no avx512_vnni"):
        plan("int8")


@pytest.mark.usefixtures("older")
def test_attention_goes_by_tiles_in_compiled_kernels_too() -> None:
    load_attention.cache_clear()
    try:
        assert str(load_attention()) == "the processor has no AVX512-BF16"
        assert compiled.__wrapped__().attention is None
    finally:
        load_attention.cache_clear()


@pytest.mark.usefixtures("older")
@pytest.mark.parametrize("name", ["llama", "qwen2"])
def test_what_the_core_chooses_has_the_gradients_of_float32(name: str) -> None:
    """Those are the ones that are compared with transformers and PEFT."""
    expected = twin(CONFIGS[name]).core
    core = build_core(tiny_model(CONFIGS[name]), LoraSettings(4, 8.0), 3)
    assert core.weights.dtype == torch.float32
    for mine, other in zip(core.parameters(), expected.parameters(), strict=True):
        mine.data.copy_(other.data)
    found = []
    for one in (core, expected):
        one.loss(pack(conversations())).backward()
        found.append(gradients(one))
    assert all(torch.equal(mine, other) for mine, other in zip(*found, strict=True))


def test_an_environment_that_holds_onednn_back_is_a_reason() -> None:
    """The processor may have more: what counts is what multiplies."""
    command = "from heedful.training.packed.products import missing; print(missing('cpu', 'bfloat16')['blocked'])"
    held = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    said = subprocess.run([sys.executable, "-c", command], env=held, capture_output=True, text=True, check=True).stdout.strip()
    assert said.startswith(("oneDNN refuses them: ", "the processor has no avx512_bf16"))

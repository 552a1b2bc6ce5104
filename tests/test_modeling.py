"""Bases, devices, adapters and trimming: what is found from the model itself, and what is refused in one line."""

from pathlib import Path
from typing import Any

import pytest

from heedful.conversation import Conversation, Message
from heedful.errors import ModelError
from heedful.modeling.adapters import has_transposed_weights, linear_targets, load_with_adapter
from heedful.modeling.bases import (
    Base,
    context_length,
    count_parameters,
    load_base_model,
    load_tokenizer,
    resolve_base,
    weights_sha256,
)
from heedful.modeling.chat_template import render, supervise
from heedful.modeling.devices import available, choose_device, choose_dtype, fast_matmul
from heedful.modeling.trimming import trim


def test_bases_are_a_name_a_directory_or_a_hub_id(tiny_checkpoint: Path) -> None:
    tiny = resolve_base("tiny")
    assert tiny == Base("tiny", str(tiny_checkpoint))
    assert tiny.is_local
    assert resolve_base(str(tiny_checkpoint)) == Base(str(tiny_checkpoint), str(tiny_checkpoint))
    assert resolve_base("Qwen/Qwen2.5-0.5B-Instruct") == Base("Qwen/Qwen2.5-0.5B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct")
    assert resolve_base("gpt2@11c5a3d") == Base("gpt2", "gpt2", "11c5a3d")
    assert not resolve_base("gpt2").is_local


@pytest.mark.parametrize("wrong", ["./nowhere", "/nowhere/model", "a/b/c", "two words", "@main"])
def test_what_cannot_be_a_base_is_refused_at_once(wrong: str) -> None:
    with pytest.raises(ModelError, match="does not exist; allowed are 'tiny', a directory"):
        resolve_base(wrong)


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no model \(no config.json\)"):
        resolve_base(str(tmp_path))


def test_a_hub_base_that_is_not_there_is_told_in_one_line() -> None:
    with pytest.raises(ModelError) as caught:
        load_tokenizer("heedful-tests/not-there")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("base 'heedful-tests/not-there' is not in the local cache and cannot be fetched: ")
    assert caught.value.next_step


def test_a_damaged_base_is_told_in_one_line(tmp_path: Path, tiny_checkpoint: Path) -> None:
    for file in tiny_checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(ModelError, match="is damaged or of an unknown kind"):
        load_base_model(str(tmp_path), "cpu")
    assert weights_sha256(str(tmp_path)) != weights_sha256("tiny")


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(ModelError, match="is a 'vit' model, which is no causal language model; allowed are 'tiny'"):
        count_parameters(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "nobody-knows"}')
    with pytest.raises(ModelError, match="is damaged or of an unknown kind"):
        count_parameters(str(tmp_path))


def test_a_base_that_lacks_weights_is_not_filled_up_at_random(tmp_path: Path, tiny_checkpoint: Path) -> None:
    from safetensors.torch import load_file, save_file

    for file in tiny_checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    del weights["model.layers.3.mlp.up_proj.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights, model.layers.3.mlp.up_proj.weight first"):
        load_base_model(str(tmp_path), "cpu")


def test_a_small_base_computes_in_float32_and_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    import torch

    model = load_base_model("tiny", "cpu")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert not model.training
    assert count_parameters("tiny") == sum(parameter.numel() for parameter in model.parameters())
    assert context_length("tiny") == 1024
    assert load_base_model("tiny", "cpu", "bfloat16").dtype == torch.bfloat16
    assert capfd.readouterr() == ("", "")


def test_devices() -> None:
    assert available()[-1] == "cpu"
    cpu = choose_device("cpu", 11_000_000)
    assert (cpu.name, cpu.dtype_name) == ("cpu", "float32")
    assert cpu.why == "set by you; float32: exact, and quick enough below 50 million parameters"
    assert choose_device("auto").name == available()[0]
    assert choose_dtype("cpu", 49_999_999)[0] == "float32"
    missing = next(name for name in ("cuda", "mps") if name not in available())
    with pytest.raises(ModelError, match=f"device '{missing}' is not there; this machine has: "):
        choose_device(missing)


def test_fast_matmul_puts_the_precision_back() -> None:
    import torch

    before = torch.get_float32_matmul_precision()
    with fast_matmul("cpu"):
        assert torch.get_float32_matmul_precision() == "medium"
    assert torch.get_float32_matmul_precision() == before


def small_gpt2() -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=50, n_positions=16))


def test_lora_goes_into_every_linear_module_but_the_head() -> None:
    tiny = load_base_model("tiny", "cpu")
    assert linear_targets(tiny) == ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]
    assert not has_transposed_weights(tiny)
    assert linear_targets(small_gpt2()) == ["c_attn", "c_fc", "c_proj"]
    assert has_transposed_weights(small_gpt2())


def test_a_name_that_means_something_else_too_is_written_in_full() -> None:
    import torch

    model = small_gpt2()
    model.transformer.h[0].attn.wte = torch.nn.Linear(8, 8)  # the embedding has this name as well
    assert linear_targets(model) == ["c_attn", "c_fc", "c_proj", "transformer.h.0.attn.wte"]


def test_an_adapter_that_is_not_there_or_does_not_fit_is_refused(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    with pytest.raises(ModelError, match=r"holds no adapter \(no adapter_config.json and no adapter_model.safetensors\)"):
        load_with_adapter("tiny", tmp_path, "cpu")
    other = get_peft_model(small_gpt2(), LoraConfig(target_modules=["c_attn"], task_type="CAUSAL_LM", fan_in_fan_out=True))
    other.save_pretrained(str(tmp_path))
    with pytest.raises(ModelError, match="does not fit base 'tiny'"):
        load_with_adapter("tiny", tmp_path, "cpu")


EXCHANGES = tuple(
    Message(role, f"{word} {number}") for number in range(4) for role, word in (("user", "question"), ("assistant", "answer"))
)
SYSTEM = Message("system", "Be kind.")


def trimmed_text(max_length: int, *messages: Message) -> tuple[str | None, int]:
    tokenizer = load_tokenizer("tiny")
    result = trim(tokenizer, Conversation(messages), max_length)
    return (None if result.sample is None else tokenizer.decode(result.sample.ids)), result.removed


def test_trimming_drops_the_oldest_exchanges_and_keeps_the_system_message() -> None:
    tokenizer = load_tokenizer("tiny")
    kept = (SYSTEM, *EXCHANGES[4:])
    length = len(render(tokenizer, kept, generation_prompt=False))
    for limit in (length, length + 5):
        result = trim(tokenizer, Conversation((SYSTEM, *EXCHANGES)), limit)
        assert result.sample == supervise(tokenizer, Conversation(kept))
        assert result.removed == 4
        assert result.sample is not None
        assert (result.sample.ids[-1], result.sample.mask[-1]) == (1, True)


def test_what_fits_is_left_alone() -> None:
    tokenizer = load_tokenizer("tiny")
    conversation = Conversation((SYSTEM, *EXCHANGES))
    sample = supervise(tokenizer, conversation)
    assert trim(tokenizer, conversation, len(sample.ids)).sample == sample


def test_a_last_exchange_that_does_not_fit_is_given_up() -> None:
    assert trimmed_text(12, SYSTEM, *EXCHANGES) == (None, 9)


def test_an_exchange_begins_with_the_first_of_two_questions_in_a_row() -> None:
    chat = (*EXCHANGES[:2], Message("user", "and"), Message("user", "so"), Message("assistant", "yes"))
    whole = "<|user|>and<|end|><|user|>so<|end|><|assistant|>yes<|end|>"
    tokens = len(load_tokenizer("tiny").encode(whole, add_special_tokens=False))
    assert trimmed_text(tokens, *chat) == (whole, 2)
    assert trimmed_text(tokens - 1, *chat) == (None, 5)


def test_messages_behind_the_last_answer_go_and_no_answer_gives_no_row() -> None:
    assert trimmed_text(99, *EXCHANGES[:2], Message("user", "bye")) == ("<|user|>question 0<|end|><|assistant|>answer 0<|end|>", 1)
    assert trimmed_text(99, SYSTEM, Message("user", "bye")) == (None, 2)
    assert trimmed_text(99, Message("assistant", "hello")) == (None, 0)

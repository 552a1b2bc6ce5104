"""GGUF files: written by us, read by transformers, which is another reader of the format; the two must say the same tokens."""

import json
from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFReader
from tokenizers import Tokenizer as Backend
from transformers import AutoTokenizer, Gemma2Config, MistralConfig

from families import FAMILIES, greedy, make_network, make_prompts
from heedful.errors import ModelError
from heedful.modeling.bases import load_tokenizer
from heedful.modeling.gguf_file import read_gguf, why_no_gguf, write_gguf
from heedful.modeling.gguf_tokenizer import name_rule, read_vocabulary


def text_of(reader: GGUFReader, key: str) -> str:
    field = reader.fields[key]
    return bytes(field.parts[field.data[0]]).decode()


def number_of(reader: GGUFReader, key: str) -> float:
    field = reader.fields[key]
    return float(field.parts[field.data[0]][0])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_reader_of_f16_says_the_same_tokens(family: str, tmp_path: Path) -> None:
    network, prompts = make_network(FAMILIES[family]), make_prompts()
    write_gguf(network, load_tokenizer("tiny"), tmp_path / "m.gguf", "f16", "m-1")
    read = read_gguf(tmp_path / "m.gguf", network.config)
    assert greedy(read, prompts) == greedy(network, prompts)
    assert (read(prompts).logits - network(prompts).logits).abs().max() < 1e-4
    tied = "output.weight" not in {tensor.name for tensor in GGUFReader(tmp_path / "m.gguf").tensors}
    assert tied == network.config.tie_word_embeddings


def test_q8_0_is_close_and_half_the_size(tmp_path: Path) -> None:
    network, prompts = make_network(FAMILIES["llama"]), make_prompts()
    sizes = {}
    for kind in ("f16", "q8_0"):
        write_gguf(network, load_tokenizer("tiny"), tmp_path / f"{kind}.gguf", kind, "m-1")
        sizes[kind] = sum(int(tensor.n_bytes) for tensor in GGUFReader(tmp_path / f"{kind}.gguf").tensors)
    assert sizes["q8_0"] / sizes["f16"] == pytest.approx(34 / 64, rel=0.01)
    read = read_gguf(tmp_path / "q8_0.gguf", network.config)
    assert (read(prompts).logits - network(prompts).logits).std() < 0.05 * network(prompts).logits.std()


def test_the_tokenizer_comes_along(tmp_path: Path) -> None:
    tokenizer = load_tokenizer("tiny")
    write_gguf(make_network(FAMILIES["llama"]), tokenizer, tmp_path / "m.gguf", "f16", "m-1")
    reader = GGUFReader(tmp_path / "m.gguf")
    assert (text_of(reader, "tokenizer.ggml.model"), text_of(reader, "tokenizer.ggml.pre")) == ("gpt2", "gpt-2")
    assert text_of(reader, "tokenizer.chat_template") == tokenizer.get_chat_template()
    ids = [number_of(reader, f"tokenizer.ggml.{key}") for key in ("eot_token_id", "eos_token_id", "padding_token_id")]
    assert (ids, number_of(reader, "tokenizer.ggml.add_bos_token")) == ([1, 1, 0], 0)
    again = AutoTokenizer.from_pretrained(str(tmp_path), gguf_file="m.gguf")
    text = "I can't sleep, it's 3 o'clock – Zoë 🙂\n\n"
    assert again(text, add_special_tokens=False)["input_ids"] == tokenizer(text, add_special_tokens=False)["input_ids"]


def test_tokens_that_the_tokenizer_lacks_are_filled_up() -> None:
    found = read_vocabulary(load_tokenizer("tiny"), 8_200)
    assert (len(found.tokens), found.tokens[8_192], found.types[8_192], found.types[1], found.types[300]) == (
        *(8_200, "[PAD8192]", 5, 3, 1),
    )
    with pytest.raises(ModelError, match="the tokenizer has token 8191 but the model only 100 rows"):
        read_vocabulary(load_tokenizer("tiny"), 100)


QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}


def rules(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"normalizer": None, "pre_tokenizer": {"type": "Sequence", "pretokenizers": list(steps)}, "model": {}} | more


def split(regex: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}


def test_rules_that_cut_words_get_llama_cpp_s_names() -> None:
    digits = {"type": "Digits", "individual_digits": True}
    assert name_rule(rules(split(QWEN2), BYTES, normalizer={"type": "NFC"})) == ("gpt2", "qwen2")
    assert name_rule(rules(split(QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")), BYTES)) == ("gpt2", "llama-bpe")
    assert name_rule(rules(digits, BYTES | {"use_regex": True})) == ("gpt2", "smollm")
    assert name_rule(rules(model={"byte_fallback": True})) == ("llama", "default")
    for other in (rules(split("[a-z]+"), BYTES), rules({"type": "Whitespace"}), rules(BYTES, normalizer={"type": "Lowercase"})):
        with pytest.raises(ModelError, match="has no name in GGUF"):
            name_rule(other)


def test_the_regular_expressions_are_those_of_the_library(tiny_checkpoint: Path) -> None:
    parts = json.loads((tiny_checkpoint / "tokenizer.json").read_text())
    parts["pre_tokenizer"] = rules(split(QWEN2), BYTES)["pre_tokenizer"]
    assert Backend.from_str(json.dumps(parts)).encode("it's 12", add_special_tokens=False).tokens[-2:] == ["1", "2"]


def test_what_the_format_cannot_say_is_refused_before_a_byte_is_written(tmp_path: Path) -> None:
    assert why_no_gguf(Gemma2Config()) == "architecture 'gemma2' is none of llama, mistral, qwen2, qwen3"
    assert why_no_gguf(MistralConfig(sliding_window=128)) == "it attends to a window of 128 tokens"
    network = make_network(FAMILIES["llama"])
    network.config.rope_parameters = {"rope_type": "dynamic", "rope_theta": 10_000.0, "factor": 2.0}
    with pytest.raises(ModelError, match="m-1 cannot be written as GGUF: its rotary positions are of type 'dynamic'"):
        write_gguf(network, load_tokenizer("tiny"), tmp_path / "m.gguf", "f16", "m-1")
    assert list(tmp_path.iterdir()) == []

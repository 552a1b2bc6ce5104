"""A merged network and its tokenizer in; one GGUF file out, for llama.cpp, Ollama and their kin.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Weights are written as f16, or as q8_0 (blocks of 32 numbers of 8
bits with one f16 scale); vectors stay float32.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from heedful.errors import ModelError
from heedful.modeling.gguf_tokenizer import OTHER_FORMAT, write_vocabulary
from heedful.modeling.protect import Tokenizer
from heedful.modeling.quiet import quiet_libraries

if TYPE_CHECKING:
    from gguf import GGUFWriter
    from torch import Tensor

GgufKind = Literal["f16", "q8_0"]
# transformers' model_type: llama.cpp's name of the architecture. Mistral is a Llama there.
ARCHITECTURES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
ROPE_TYPES = ("default", "linear", "llama3", "yarn")
LARGEST = 65_504.0  # of float16
BLOCK = 32  # numbers of q8_0 that share a scale


def why_no_gguf(config: Any) -> str | None:
    """None when a base of this transformers configuration can be written; else the reason, in one clause."""
    if config.model_type not in ARCHITECTURES:
        return f"architecture {config.model_type!r} is none of {', '.join(ARCHITECTURES)}"
    rope = config.rope_parameters
    if rope.get("rope_type") not in ROPE_TYPES:
        return f"its rotary positions are of type {rope.get('rope_type')!r}, none of {', '.join(ROPE_TYPES)}"
    if rope.get("rope_type") == "yarn" and any(rope.get(key) is not None for key in ("attention_factor", "mscale")):
        return "its yarn positions have an attention factor of their own"
    if rope.get("partial_rotary_factor", 1.0) != 1.0:
        return "only a part of its head dimension is rotated"
    if "sliding_attention" in (getattr(config, "layer_types", None) or ()) or is_windowed(config):
        return f"it attends to a window of {config.sliding_window} tokens"
    return None


def is_windowed(config: Any) -> bool:
    """Whether a Mistral looks back less far than its context: llama.cpp would look back all the way."""
    window = getattr(config, "sliding_window", None)
    return config.model_type == "mistral" and window is not None and window < config.max_position_embeddings


def write_gguf(network: Any, tokenizer: Tokenizer, path: Path, kind: GgufKind, name: str) -> None:
    """Raises ModelError where the format cannot say what this network is, before a byte is written."""
    from gguf import GGUFWriter

    config = network.config
    reason = why_no_gguf(config)
    if reason is not None:
        raise ModelError(f"{name} cannot be written as GGUF: {reason}", OTHER_FORMAT)
    writer = GGUFWriter(path, ARCHITECTURES[config.model_type])
    try:
        write_facts(writer, config, kind, name)
        write_vocabulary(writer, tokenizer, config.vocab_size)
        for label, numbers in tensors(network):
            add(writer, label, numbers, kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def write_facts(writer: "GGUFWriter", config: Any, kind: GgufKind, name: str) -> None:
    from gguf import GGML_QUANT_VERSION, LlamaFileType

    head = head_size(config)
    writer.add_name(f"{config.model_type} {name}")
    writer.add_file_type(LlamaFileType.MOSTLY_F16 if kind == "f16" else LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(GGML_QUANT_VERSION)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_rope_dimension_count(head)
    write_rope(writer, config.rope_parameters)


def head_size(config: Any) -> int:
    given = getattr(config, "head_dim", None)
    return int(config.hidden_size // config.num_attention_heads if given is None else given)


def write_rope(writer: "GGUFWriter", rope: dict[str, Any]) -> None:
    """Llama 3's positions are a tensor of factors (see `tensors`); linear and yarn are fields."""
    from gguf import RopeScalingType

    writer.add_rope_freq_base(float(rope["rope_theta"]))
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(rope["factor"]))
    if rope["rope_type"] == "yarn":
        writer.add_rope_scaling_type(RopeScalingType.YARN)
        writer.add_rope_scaling_factor(float(rope["factor"]))
        writer.add_rope_scaling_orig_ctx_len(int(rope["original_max_position_embeddings"]))
        writer.add_rope_scaling_yarn_beta_fast(float(rope.get("beta_fast", 32)))
        writer.add_rope_scaling_yarn_beta_slow(float(rope.get("beta_slow", 1)))


def tensors(network: Any) -> Iterator[tuple[str, "Tensor"]]:
    """(GGUF's name, float32 numbers) of every weight. A head that is tied to the embedding is left out, as llama.cpp expects."""
    from gguf import MODEL_ARCH_NAMES, get_tensor_name_map

    config = network.config
    architecture = next(key for key, text in MODEL_ARCH_NAMES.items() if text == ARCHITECTURES[config.model_type])
    names = get_tensor_name_map(architecture, config.num_hidden_layers)
    if config.rope_parameters["rope_type"] == "llama3":
        yield "rope_freqs.weight", rope_factors(network, config)
    for key, numbers in network.state_dict().items():
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        label = names.get_name(key, try_suffixes=(".weight", ".bias"))
        if label is None:
            raise ModelError(f"weight {key} has no name in GGUF", OTHER_FORMAT)
        yield label, turned(key, numbers.detach().float().cpu(), config)


def turned(key: str, numbers: "Tensor", config: Any) -> "Tensor":
    """llama.cpp rotates neighbouring numbers of a Llama's queries and keys, transformers halves: their rows change places."""
    if ARCHITECTURES[config.model_type] != "llama" or not any(f".{part}_proj." in key for part in "qk"):
        return numbers
    heads = config.num_attention_heads if ".q_proj." in key else config.num_key_value_heads
    rows, rest = len(numbers), numbers.shape[1:]
    return numbers.reshape(heads, 2, rows // heads // 2, *rest).swapaxes(1, 2).reshape(rows, *rest)


def rope_factors(network: Any, config: Any) -> "Tensor":
    """By what each of Llama 3's frequencies is divided, [head / 2]."""
    import torch

    head = head_size(config)
    plain = 1.0 / config.rope_parameters["rope_theta"] ** (torch.arange(0, head, 2, dtype=torch.float32) / head)
    factors: Tensor = plain / network.model.rotary_emb.inv_freq.float().cpu()
    return factors


def add(writer: "GGUFWriter", label: str, numbers: "Tensor", kind: GgufKind) -> None:
    import numpy as np
    from gguf import GGMLQuantizationType
    from gguf.quants import quantize

    array: np.ndarray[Any, Any] = numbers.contiguous().numpy()
    if array.ndim == 1:
        writer.add_tensor(label, array)
        return
    if float(np.abs(array).max()) > LARGEST:
        raise ModelError(f"weight {label} has numbers beyond {LARGEST:.0f}, which float16 cannot hold", OTHER_FORMAT)
    if kind == "q8_0" and array.shape[-1] % BLOCK == 0:
        writer.add_tensor(label, quantize(array, GGMLQuantizationType.Q8_0), raw_dtype=GGMLQuantizationType.Q8_0)
        return
    writer.add_tensor(label, array.astype(np.float16))


def read_gguf(path: Path, config: Any) -> Any:
    """The file as transformers reads it, in float32: another reader of the format, to check ours by. `config` is of the base.

    To llama.cpp, and so to the file, a Mistral is a Llama.
    """
    from transformers import AutoModelForCausalLM, LlamaConfig

    if config.model_type == "mistral":
        told = config.to_dict()
        kept = {key: told[key] for key in LlamaConfig().to_dict() if key in told and key not in ("model_type", "architectures")}
        config = LlamaConfig(**kept)
    with quiet_libraries():
        return AutoModelForCausalLM.from_pretrained(str(path.parent), gguf_file=path.name, config=config, dtype="float32").eval()

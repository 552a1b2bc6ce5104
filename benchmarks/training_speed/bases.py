"""Bases: the name of a size and a folder in; a base that any way of training can load, out.

Weights are random: speed does not depend on them. The tokenizer is a real BPE, GPT-2's where the folder with real data lies beside
the repository, else that of the bundled base. Ids beyond a vocabulary are folded into it, as SmolLM2's is smaller than GPT-2's.
"""

from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
TINY = "tiny"
SMOLLM2_135M: dict[str, Any] = {
    "hidden_size": 576,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "intermediate_size": 1536,
    "vocab_size": 49_152,
    "max_position_embeddings": 8_192,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 100_000.0},
}
QWEN25_500M: dict[str, Any] = {
    "hidden_size": 896,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "intermediate_size": 4864,
    "vocab_size": 151_936,
    "max_position_embeddings": 32_768,
    "rms_norm_eps": 1e-6,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
}
SIZES = (TINY, "135m", "0.5b")


def write_base(size: str, folder: Path, rows: int = 0, spread: float = 0.02) -> str:
    """The bundled base itself, or a checkpoint in `folder`, in bfloat16 as both families are; with `rows` tokens at least.

    `spread` is the standard deviation of the weights. With that of a fresh network, a greedy reply is one word again and again.
    """
    if size == TINY:
        return TINY
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    shape = SMOLLM2_135M if size == "135m" else QWEN25_500M
    shape = {**shape, "vocab_size": max(rows, shape["vocab_size"]), "initializer_range": spread}
    common: dict[str, Any] = {"tie_word_embeddings": True, "eos_token_id": 1, "pad_token_id": 0, "dtype": torch.bfloat16}
    if size == "135m":
        model: Any = LlamaForCausalLM(LlamaConfig(**shape, **common))
    else:
        model = Qwen2ForCausalLM(Qwen2Config(**shape, **common))
    model.to(torch.bfloat16).save_pretrained(str(folder))
    tokenizer().save_pretrained(str(folder))
    return str(folder)


def tokenizer() -> Any:
    from transformers import GPT2TokenizerFast

    from heedful.modeling.bases import load_tokenizer
    from heedful.modeling.chat_template import ensure_template

    files = DATA / "tokenizers" / "gpt2"
    if not files.is_dir():
        return load_tokenizer(TINY)
    words = GPT2TokenizerFast(vocab=str(files / "vocab.json"), merges=str(files / "merges.txt"))
    words.pad_token = words.convert_ids_to_tokens(0)  # its own would lie behind SmolLM2's vocabulary
    return ensure_template(words)

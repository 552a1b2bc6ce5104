"""Small networks of random weights, one for each way in which the families we write and serve differ."""

from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, PreTrainedConfig, Qwen2Config, Qwen3Config

SIZES: dict[str, Any] = {
    "vocab_size": 8_192,  # of the bundled tokenizer
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
}
LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
FAMILIES: dict[str, PreTrainedConfig] = {
    "llama": LlamaConfig(**SIZES),
    "llama-tied": LlamaConfig(**SIZES, tie_word_embeddings=True),
    "llama-biased": LlamaConfig(**SIZES, attention_bias=True),
    "llama3": LlamaConfig(**SIZES, rope_parameters={"rope_type": "llama3", "rope_theta": 10_000.0, "factor": 8.0, **LLAMA3}),
    "linear": LlamaConfig(**SIZES, rope_parameters={"rope_type": "linear", "rope_theta": 10_000.0, "factor": 2.0}),
    "yarn": LlamaConfig(
        **SIZES,
        rope_parameters={"rope_type": "yarn", "rope_theta": 10_000.0, "factor": 4.0, "original_max_position_embeddings": 128},
    ),
    "mistral": MistralConfig(**SIZES, sliding_window=None, head_dim=32),
    "qwen2": Qwen2Config(**SIZES),
    "qwen3": Qwen3Config(**SIZES, head_dim=32, tie_word_embeddings=True),
}


def make_network(config: PreTrainedConfig) -> Any:
    """Weights that float16 holds exactly, so that a reader of float16 must say the very same. Biases and norms are random too."""
    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").float().eval()
    for name, parameter in network.named_parameters():
        if "norm" in name or name.endswith("bias"):
            parameter.data += torch.randn_like(parameter) * 0.2
        parameter.data = parameter.data.half().float()
    return network


def make_prompts(count: int = 3, length: int = 21) -> torch.Tensor:
    """Token ids [count, length], none of them special."""
    return torch.randint(5, SIZES["vocab_size"], (count, length), generator=torch.Generator().manual_seed(1))


def greedy(network: Any, prompts: torch.Tensor, steps: int = 12) -> list[list[int]]:
    """The tokens that follow, ends of turn not heeded."""
    ids = prompts
    with torch.no_grad():
        for _ in range(steps):
            ids = torch.cat([ids, network(ids, use_cache=False).logits[:, -1:].argmax(-1)], dim=1)
    found: list[list[int]] = ids[:, prompts.shape[1] :].tolist()
    return found

"""PEFT files: adapters in; a directory that plain PEFT loads out, and back again."""

import json
from pathlib import Path
from typing import Any

import torch

from heedful.errors import ModelError
from heedful.training.packed.adapters import Adapters, LoraSettings, make_adapters
from heedful.training.packed.weights import FrozenWeights

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
PREFIX = "base_model.model."
# what PEFT can be told that changes an adapter's meaning, and the values under which it means what it does here
PLAIN: dict[str, tuple[object, ...]] = {
    "peft_type": ("LORA",),
    "bias": (None, "none"),
    "use_dora": (None, False),
    "lora_bias": (None, False),
    "use_qalora": (None, False),
    "fan_in_fan_out": (None, False),
    "rank_pattern": (None, {}),
    "alpha_pattern": (None, {}),
    "modules_to_save": (None, []),
    "target_parameters": (None, []),
    "layers_to_transform": (None, []),
    "layer_replication": (None, []),
    "exclude_modules": (None, []),
    "trainable_token_indices": (None, [], {}),
}


def save_adapters(adapters: Adapters, folder: Path, base: str) -> None:
    """Write adapter_model.safetensors and adapter_config.json. `base` is the name under which PEFT notes the base model."""
    from peft import LoraConfig
    from safetensors.torch import save_file

    tensors = {}
    for name, a, b in adapters.modules():
        tensors[f"{PREFIX}{name}.lora_A.weight"] = a.detach().cpu().contiguous()
        tensors[f"{PREFIX}{name}.lora_B.weight"] = b.detach().cpu().contiguous()
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    settings = adapters.settings
    LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        use_rslora=settings.rslora,
        target_modules=list(settings.targets),
        task_type="CAUSAL_LM",
        base_model_name_or_path=base,
        inference_mode=True,
    ).save_pretrained(str(folder))


def load_adapters(weights: FrozenWeights, folder: Path, seed: int) -> Adapters:
    """Read what PEFT or `save_adapters` wrote, for these weights. Raises ModelError when it is more than plain LoRA, or misfits."""
    from safetensors.torch import load_file

    settings = read_settings(folder)
    adapters = make_adapters(weights, settings, seed)
    stored = load_file(folder / WEIGHTS)
    wanted = {
        f"{PREFIX}{name}.lora_{letter}.weight": part for name, a, b in adapters.modules() for letter, part in (("A", a), ("B", b))
    }
    misfits = sorted(set(stored) ^ set(wanted)) or [name for name in wanted if stored[name].shape != wanted[name].shape]
    if misfits:
        raise ModelError(f"the adapter in {folder} does not fit this base: {misfits[0]}", "heedful models shows its base")
    with torch.no_grad():
        for name, part in wanted.items():
            part.copy_(stored[name])
    return adapters


def read_settings(folder: Path) -> LoraSettings:
    try:
        config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} holds no adapter that can be read: {error}", "heedful models lists what is there") from error
    for key, plain in PLAIN.items():
        if config.get(key) not in plain:
            raise ModelError(
                f"the adapter in {folder} has {key} {config[key]!r}, which the packed core has not", "train it with TRL"
            )
    targets = config["target_modules"]
    if isinstance(targets, str):
        raise ModelError(f"the adapter in {folder} names its modules by the pattern {targets!r}", "train it with TRL")
    return LoraSettings(
        rank=config["r"],
        alpha=config["lora_alpha"],
        dropout=config.get("lora_dropout", 0.0),
        rslora=bool(config.get("use_rslora")),
        targets=tuple(sorted(targets)),
    )

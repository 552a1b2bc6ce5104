"""Adapter: a base model and the plan in; a PEFT model to train, and its directory in plain PEFT format, out."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heedful.modeling.adapters import has_transposed_weights
from heedful.modeling.bases import Base
from heedful.modeling.stack import Adapter, put_below, whole_adapter, write_adapter
from heedful.training.plan import TrainingPlan

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def new_adapter(model: Any, plan: TrainingPlan, below: Adapter | None = None) -> Any:
    """Wrap `model` with a fresh LoRA on the plan's linear modules, drawn by its seed. Adapter weights are float32.

    It learns on top of `below`, which stays as it is.
    """
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=plan.rank.value,
        lora_alpha=plan.alpha.value,
        lora_dropout=plan.dropout.value,
        use_rslora=plan.rslora.value,
        target_modules=list(plan.targets.value),
        fan_in_fan_out=has_transposed_weights(model),
    )
    set_seed(plan.seed.value)
    adapted = get_peft_model(model, config)
    if below is not None:
        put_below(adapted, below)
    return adapted


def adapter_weights(model: Any) -> dict[str, Any]:
    """A copy, on the CPU, under the names of PEFT's files. The base is not asked for: nothing of it was resized."""
    from peft import get_peft_model_state_dict

    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state.items()}


def save_adapter(model: Any, weights: Mapping[str, Any], base: Base, output: Path) -> None:
    """`peft.PeftModel.from_pretrained(base, output)` loads it. The base stands in it by name, not by a path of this machine.

    What the adapter learned on top of is in it as well: one plain adapter, whatever lies below.
    """
    from safetensors.torch import save_file

    whole = whole_adapter(model, weights)
    if whole is not None:
        write_adapter(whole, base, output)
        return

    config = copy.deepcopy(model.peft_config["default"])
    config.base_model_name_or_path, config.revision = base.name, base.revision
    config.inference_mode = True
    config.target_modules = sorted(config.target_modules)  # a set has another order in every process
    config.save_pretrained(str(output))
    save_file(dict(weights), str(output / WEIGHTS), metadata={"format": "pt"})

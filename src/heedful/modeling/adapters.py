"""Adapters: a base and the directory of a PEFT adapter in; one merged model for inference out. And which modules LoRA goes into."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from heedful.errors import ModelError
from heedful.modeling.bases import Base, as_base, load_base_model
from heedful.modeling.quiet import quiet_libraries

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


def linear_targets(model: "PreTrainedModel") -> list[str]:
    """All linear modules (nn.Linear, and the Conv1D of GPT-2) but the output head, found from the model itself.

    Short names (`q_proj`) where they mean nothing else in this model, whole ones otherwise. Raises ModelError when there are none.
    """
    head = model.get_output_embeddings()
    linear = {name for name, module in model.named_modules() if is_linear(module) and module is not head}
    if not linear:
        raise ModelError(f"{type(model).__name__} has no linear module that LoRA could go into", "choose another base")
    other = {last(name) for name, module in model.named_modules() if name not in linear}
    return sorted({last(name) if last(name) not in other else name for name in linear})


def is_linear(module: Any) -> bool:
    import torch
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, torch.nn.Linear | Conv1D)


def has_transposed_weights(model: "PreTrainedModel") -> bool:
    """Whether linear modules keep their weight as [in, out], like GPT-2's Conv1D; PEFT calls it fan_in_fan_out."""
    from transformers.pytorch_utils import Conv1D

    return any(isinstance(module, Conv1D) for module in model.modules())


def last(name: str) -> str:
    return name.rpartition(".")[2]


def load_with_adapter(base: Base | str, adapter_dir: Path | None, device: str) -> "PreTrainedModel":
    """The base, with the adapter of `adapter_dir` merged into its weights if one is given, in eval mode on `device`.

    Numbers are float32 for a small base on a CPU and bfloat16 where `devices` chose it. Raises ModelError when the adapter is
    missing, damaged or made for another base.
    """
    base = as_base(base)
    if adapter_dir is None:
        return load_base_model(base, device)
    check_files(adapter_dir)
    return merge(load_base_model(base, device), base, adapter_dir, device)


def check_files(adapter_dir: Path) -> None:
    missing = [name for name in ADAPTER_FILES if not (adapter_dir / name).is_file()]
    if missing:
        raise ModelError(f"{adapter_dir} holds no adapter (no {' and no '.join(missing)})", "heedful models lists what is there")


def merge(model: "PreTrainedModel", base: Base, adapter_dir: Path, device: str) -> "PreTrainedModel":
    from peft import PeftModel
    from safetensors import SafetensorError

    try:
        with quiet_libraries():
            adapted = PeftModel.from_pretrained(model, str(adapter_dir), torch_device=device)
            return adapted.merge_and_unload(safe_merge=True).eval()
    except (RuntimeError, ValueError, KeyError, TypeError, OSError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"the adapter in {adapter_dir} does not fit base {base.name!r}: {reason}", "heedful models shows its base"
        ) from error

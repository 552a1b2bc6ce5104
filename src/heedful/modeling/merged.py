"""A base and perhaps an adapter in; one network whose weights float16 holds exactly, and its files, out."""

import shutil
from pathlib import Path
from typing import Any

from heedful.errors import ModelError
from heedful.modeling.adapters import ADAPTER_FILES, check_files, merge
from heedful.modeling.bases import Base, as_base, load_base_model
from heedful.modeling.chat_template import end_of_turn_ids
from heedful.modeling.protect import Tokenizer
from heedful.modeling.quiet import quiet_libraries

LARGEST = 65_504.0  # of float16


def merged_network(base: Base | str, adapter: Path | None) -> Any:
    """In float32 on the CPU: merged in that, so that the only rounding is one to float16. Raises ModelError."""
    network = full_network(base, adapter)
    for name, parameter in network.named_parameters():
        if float(parameter.data.abs().max()) > LARGEST:
            raise ModelError(
                f"weight {name} of base {as_base(base).name!r} has numbers beyond {LARGEST:.0f}, which float16 cannot hold",
                "set serving.engine: transformers, or export with --to peft",
            )
        parameter.data = parameter.data.half().float()
    return network


def full_network(base: Base | str, adapter: Path | None) -> Any:
    """As above, not rounded."""
    base = as_base(base)
    if adapter is None:
        return load_base_model(base, "cpu", "float32")
    check_files(adapter)
    return merge(load_base_model(base, "cpu", "float32"), base, adapter, "cpu")


def write_merged(network: Any, tokenizer: Tokenizer, folder: Path) -> None:
    """A directory that transformers and vLLM load, in float16. The network is float16 afterwards, with the same numbers."""
    from transformers import GenerationConfig

    network.generation_config = GenerationConfig(eos_token_id=end_of_turn_ids(tokenizer), pad_token_id=tokenizer.pad_token_id)
    with quiet_libraries():
        network.half().save_pretrained(str(folder))
        tokenizer.save_pretrained(str(folder))


def write_peft(adapter: Path, tokenizer: Tokenizer, folder: Path) -> None:
    """PEFT's two files as they are, and the tokenizer that belongs to them."""
    for name in ADAPTER_FILES:
        shutil.copyfile(adapter / name, folder / name)
    with quiet_libraries():
        tokenizer.save_pretrained(str(folder))


def read_peft(base: Base | str, folder: Path) -> Any:
    """The adapter on its base, not merged, as somebody else would load it."""
    from peft import PeftModel

    with quiet_libraries():
        return PeftModel.from_pretrained(load_base_model(as_base(base), "cpu", "float32"), str(folder)).eval()

"""Base models: `tiny`, a directory or a hub id in; a tokenizer and a causal language model out. A base is never written to."""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heedful.errors import ModelError
from heedful.modeling.chat_template import ensure_template
from heedful.modeling.devices import choose_dtype
from heedful.modeling.protect import Tokenizer
from heedful.modeling.quiet import quiet_libraries

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

TINY = "tiny"
ASSETS = Path(__file__).resolve().parents[1] / "assets"
CHOICES = f"allowed are {TINY!r}, a directory of a transformers model, or a hub id such as Qwen/Qwen2.5-0.5B-Instruct"


@dataclass(frozen=True, slots=True)
class Base:
    """`name` goes into artefacts and names no path of this machine's packages; `location` is what transformers loads."""

    name: str
    location: str
    revision: str | None = None

    @property
    def is_local(self) -> bool:
        return Path(self.location).is_dir()


def resolve_base(base: str) -> Base:
    """Where `base` lies. A hub id may carry a revision: `owner/model@revision`. Touches no network.

    Raises ModelError when it is neither a known name, nor a directory with a config.json, nor of the form of a hub id.
    """
    if base == TINY:
        return Base(TINY, str(ASSETS / TINY))
    folder = Path(base).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(f"directory {base!r} holds no model (no config.json); {CHOICES}", "set base: tiny in heedful.yaml")
        return Base(base, str(folder.resolve()))
    hub_id, _, revision = base.partition("@")
    if base.startswith((".", "/", "~")) or hub_id.count("/") > 1 or any(mark.isspace() for mark in hub_id) or not hub_id:
        raise ModelError(f"base {base!r} does not exist; {CHOICES}", "set base: tiny in heedful.yaml")
    return Base(hub_id, hub_id, revision or None)


def as_base(base: Base | str) -> Base:
    return resolve_base(base) if isinstance(base, str) else base


def load_tokenizer(base: Base | str) -> Tokenizer:
    """The base's own tokenizer, with a chat template and a padding token in any case. Raises ModelError."""
    from transformers import AutoTokenizer

    return ensure_template(load(AutoTokenizer, as_base(base)))


def load_base_model(base: Base | str, device: str, dtype_name: str | None = None, nf4: bool = False) -> "PreTrainedModel":
    """The base in eval mode on `device`, in the number format that is named or else that `devices` chooses for its size.

    With `nf4` its linear weights are kept in 4 bits and computed with in that format. Raises ModelError.
    """
    import torch
    from transformers import AutoModelForCausalLM

    base = as_base(base)
    if dtype_name is None:
        dtype_name, _ = choose_dtype(device, count_parameters(base))
    options = four_bits(dtype_name, device) if nf4 else {}
    model, report = load(AutoModelForCausalLM, base, dtype=getattr(torch, dtype_name), output_loading_info=True, **options)
    if report["missing_keys"] or report["mismatched_keys"]:  # transformers would draw these weights at random
        lacking = sorted(str(key) for key in [*report["missing_keys"], *report["mismatched_keys"]])
        raise ModelError(f"base {base.name!r} lacks {len(lacking)} weights, {lacking[0]} first", "fetch or copy the base again")
    return model.eval() if nf4 else model.to(device).eval()


def four_bits(dtype_name: str, device: str) -> dict[str, Any]:
    """What transformers needs for NF4 with double quantisation (Dettmers et al. 2023, arXiv:2305.14314). Raises ModelError."""
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError("a base in 4 bits needs the package bitsandbytes, which is not installed", "pip install 'heedful[qlora]'")
    import torch
    from transformers import BitsAndBytesConfig

    kept = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, dtype_name),
    )
    return {"quantization_config": kept, "device_map": {"": device}}


def load_config(base: Base | str) -> "PretrainedConfig":
    from transformers import AutoConfig

    return load(AutoConfig, as_base(base))


def count_parameters(base: Base | str) -> int:
    """From the configuration alone: no weight is read or fetched. Tied weights count once.

    Raises ModelError when the base is no causal language model.
    """
    return sum(parameter.numel() for parameter in build_empty(base).parameters())


def build_empty(base: Base | str) -> "PreTrainedModel":
    """The network without its weights (torch's meta device). Raises ModelError when the base is no causal language model."""
    import torch
    from transformers import AutoModelForCausalLM

    config = load_config(base)
    try:
        with quiet_libraries(), torch.device("meta"):
            model: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    except (ValueError, ImportError) as error:
        kind = getattr(config, "model_type", "unknown")
        text = f"base {as_base(base).name!r} is a {kind!r} model, which is no causal language model; {CHOICES}"
        raise ModelError(text, "set base: tiny in heedful.yaml") from error
    return model


def context_length(base: Base | str) -> int:
    """Positions the model was built for, in tokens. Raises ModelError when its configuration does not say."""
    config = load_config(base)
    for name in ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len"):
        value = getattr(config.get_text_config(), name, None)
        if isinstance(value, int) and value > 0:
            return value
    raise ModelError(f"base {as_base(base).name!r} does not say its context length", "choose another base")


def weights_sha256(base: Base | str) -> str | None:
    """SHA-256 over the weight files of a local base, by name; None for a hub base, whose revision identifies it."""
    base = as_base(base)
    if not base.is_local:
        return None
    digest = hashlib.sha256()
    for path in sorted(p for p in Path(base.location).iterdir() if p.suffix in {".safetensors", ".bin"}):
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def load(factory: Any, base: Base, **options: Any) -> Any:
    """`factory.from_pretrained`, its failures told in one line. A local base never asks the network."""
    import jinja2
    from safetensors import SafetensorError

    try:
        with quiet_libraries():
            return factory.from_pretrained(base.location, revision=base.revision, local_files_only=base.is_local, **options)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError, jinja2.TemplateError) as error:
        reason = str(error).strip().partition("\n")[0]
        where = "is damaged or of an unknown kind" if base.is_local else "is not in the local cache and cannot be fetched"
        raise ModelError(
            f"base {base.name!r} {where}: {reason}; {CHOICES}", "check the name and the network, or set base: tiny"
        ) from error

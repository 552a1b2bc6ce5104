"""A base and perhaps an adapter in, an Engine on OpenVINO out; the model is built and proven first where that was not done yet."""

from pathlib import Path

from heedful.engines.openvino.build import MODEL, built_model
from heedful.engines.openvino.engine import OpenVinoEngine
from heedful.engines.openvino.network import PagedNetwork
from heedful.errors import EngineError
from heedful.modeling.bases import context_length, load_tokenizer
from heedful.modeling.devices import SMALL
from heedful.modeling.rounding import Weights
from heedful.workspace import read_manifest


def load_openvino_engine(
    model_id: str,
    base: str,
    adapter: Path | None,
    shelf: Path,
    cache_tokens: int,
    threads: int | None,
    weights: Weights = "float16",
) -> OpenVinoEngine:
    """`shelf` keeps built models. A small base computes in float32, as with transformers. Raises ModelError, EngineError."""
    folder = built_model(base, adapter, model_id, shelf, weights)
    context = context_length(base)
    exact = read_manifest(folder, verify=False)["parameters"] < SMALL
    try:
        network = PagedNetwork(folder / MODEL, max(cache_tokens, context), threads, exact, weights)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise EngineError(f"OpenVINO cannot load {model_id}: {reason}", "set serving.engine: transformers") from None
    return OpenVinoEngine(model_id, network, load_tokenizer(base), context)

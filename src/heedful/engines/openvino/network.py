"""A built model's files in; a network that continues many texts in one pass, with the key-value cache that belongs to it, out."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heedful.engines.openvino.blocks import BLOCK
from heedful.modeling.mapped_files import leave_memory
from heedful.modeling.openvino_graph import page
from heedful.modeling.openvino_runtime import import_openvino, openvino_core
from heedful.modeling.rounding import Weights

if TYPE_CHECKING:
    import numpy as np

SHAPES = 64  # that OpenVINO keeps its kernels ready for; of its own accord 5,000, which is memory that grows for hours
EXACT = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
WARM_TOKENS = 64
QUICK = {"KV_CACHE_PRECISION": "f16"}  # of 16 bits, as the weights are; OpenVINO's own choice would be 8
# What int8 weights are multiplied by is rounded too, 64 numbers at a time.
ROUNDED = {**QUICK, "INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "64"}


@dataclass(frozen=True, slots=True)
class Part:
    """What is new of one text: `ids` stand behind `past` tokens that `blocks` hold; the blocks have room for both."""

    ids: Sequence[int]
    past: int
    blocks: Sequence[int]


def default_threads() -> int:
    """OMP_NUM_THREADS where somebody set it, else the cores that this process may use."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class PagedNetwork:
    """`model` is a file that `build` made; `tokens` is the room of the cache. One thread only.

    `exact` computes in float32, else in what the processor is quickest at with these weights.
    """

    def __init__(
        self, model: Path, tokens: int, threads: int | None = None, exact: bool = False, weights: Weights = "float16"
    ) -> None:
        self._openvino = import_openvino()
        core = openvino_core()
        read = core.read_model(str(model))
        page(read)
        precision = EXACT if exact else ROUNDED if weights == "int8" else QUICK
        hints = {
            "PERFORMANCE_HINT": "LATENCY",
            "CPU_RUNTIME_CACHE_CAPACITY": SHAPES,
            "INFERENCE_NUM_THREADS": default_threads() if threads is None else threads,
        }
        compiled = core.compile_model(read, "CPU", {**hints, **precision})
        self.blocks = -(-tokens // BLOCK)
        computed = "float32" if exact else str(compiled.get_property("INFERENCE_PRECISION_HINT")).split("'")[1]
        self.precision = f"{computed}, int8 weights" if weights == "int8" else computed
        self._request = compiled.create_infer_request()
        for socket in compiled.inputs:
            name = socket.get_any_name()
            if name.startswith(("key_cache.", "value_cache.")):
                sizes = [self.blocks, *(size.get_length() for size in list(socket.partial_shape)[1:])]
                assert sizes[2] == BLOCK, "the cache is divided as OpenVINO does it on a CPU"
                self._request.set_tensor(name, self._openvino.Tensor(socket.element_type, self._openvino.Shape(sizes)))

        self._warm_up()
        leave_memory(model.with_suffix(".bin"))

    def _warm_up(self) -> None:
        """OpenVINO lays weights out anew at the first prompt and at the first token: better now than for the first person."""
        prompt = min(self.blocks * BLOCK - 1, WARM_TOKENS)
        self.forward([Part([0] * prompt, 0, range(self.blocks))])
        self.forward([Part([0], prompt, range(self.blocks))])

    def forward(self, parts: Sequence[Part]) -> "np.ndarray[Any, Any]":
        """Scores behind the last token of each part, [parts, vocabulary] in float32. They are gone with the next call."""
        for name, numbers in inputs_of(parts).items():
            self._request.set_tensor(name, self._openvino.Tensor(numbers))
        self._request.infer()
        scores: np.ndarray[Any, Any] = self._request.get_tensor("logits").data
        return scores.reshape(len(parts), -1)


def inputs_of(parts: Sequence[Part]) -> "dict[str, np.ndarray[Any, Any]]":
    """What the graph of `modeling.openvino_graph` is asked with."""
    import numpy as np

    ends = np.cumsum([len(part.ids) for part in parts])
    used = [-(-(part.past + len(part.ids)) // BLOCK) for part in parts]
    return {
        "input_ids": np.array([token for part in parts for token in part.ids], dtype=np.int64),
        "position_ids": np.concatenate([np.arange(part.past, part.past + len(part.ids), dtype=np.int64) for part in parts]),
        "past_lens": np.array([part.past for part in parts], dtype=np.int32),
        "subsequence_begins": np.array([0, *ends], dtype=np.int32),
        "block_indices": np.array(
            [block for part, count in zip(parts, used, strict=True) for block in part.blocks[:count]], dtype=np.int32
        ),
        "block_indices_begins": np.array([0, *np.cumsum(used)], dtype=np.int32),
        "max_context_len": np.array(max(part.past + len(part.ids) for part in parts), dtype=np.int32),
        "rows": np.asarray(ends - 1, dtype=np.int64),
    }

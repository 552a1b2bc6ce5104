"""A base and perhaps an adapter in; a folder with the merged model for OpenVINO, proven to say what transformers says, out.

The folder's name holds a hash of everything that went in, so it is built once. It is written aside, proven, and then gets its name.
Weights are float16 or int8: transformers is asked with the very same numbers, in float32, and so is the file. From there on a
difference is a fault of the graph or of the file, and the build is refused. So it is where rounding to int8 changes too much.
"""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from heedful.engines.openvino.drift import drift_from, scores_of
from heedful.engines.openvino.parity import prove
from heedful.errors import HeedfulError, ModelError, WorkspaceError
from heedful.modeling.adapters import ADAPTER_FILES, check_files
from heedful.modeling.bases import Base, as_base, load_config, load_tokenizer, weights_sha256
from heedful.modeling.chat_template import fingerprint
from heedful.modeling.merged import merged_network
from heedful.modeling.openvino_graph import build_graph, why_no_graph
from heedful.modeling.openvino_runtime import import_openvino
from heedful.modeling.rounding import Weights, round_network
from heedful.workspace import read_manifest, sha256, staged_directory, write_manifest

MODEL, WEIGHTS = "model.xml", "model.bin"
KEPT = 5  # models; champion, previous, challenger, base and one more
FORMAT = 1  # of the folder and the graph; a new one makes old folders useless


def built_model(base: Base | str, adapter: Path | None, name: str, shelf: Path, weights: Weights = "float16") -> Path:
    """The folder of the merged model under `shelf`, built if it is not there or was damaged. It is named after `name`.

    Raises ModelError when the family is not supported, when a weight does not fit in float16, or when the proof fails.
    """
    base = as_base(base)
    if adapter is not None:
        check_files(adapter)
    reason = why_no_graph(load_config(base))
    if reason is not None:
        raise ModelError(f"base {base.name!r} cannot be served by OpenVINO: {reason}", "set serving.engine: transformers")
    facts = facts_of(base, adapter, weights)
    folder = shelf / f"{name}-{key_of(facts)}"
    if is_whole(folder):
        folder.touch()  # for `prune`
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with staged_directory(folder) as aside:
            write_manifest(aside, {**facts, "name": name, **build(base, adapter, aside, weights)})
    except (WorkspaceError, OSError):
        if not is_whole(folder):  # else another process was quicker
            raise
    prune(shelf, folder)
    return folder


def prune(shelf: Path, newest: Path) -> None:
    """Leave the models that were loaded last. One that is running keeps its file until it ends, though nobody sees it any more."""
    built = sorted((path for path in shelf.iterdir() if (path / MODEL).is_file()), key=lambda path: path.stat().st_mtime)
    for path in [path for path in built if path != newest][: -KEPT + 1]:
        shutil.rmtree(path, ignore_errors=True)


def facts_of(base: Base, adapter: Path | None, weights: Weights) -> dict[str, Any]:
    """Everything that decides what the model says."""
    return {
        "format": FORMAT,
        "base": base.name,
        "revision": base.revision,
        "base_sha256": weights_sha256(base),
        "adapter_sha256": None if adapter is None else [sha256(adapter / file) for file in ADAPTER_FILES],
        "template": fingerprint(load_tokenizer(base)),
        "weights": weights,
    }


def key_of(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def is_whole(folder: Path) -> bool:
    try:
        read_manifest(folder)
    except HeedfulError:
        return False
    return True


def build(base: Base, adapter: Path | None, folder: Path, weights: Weights) -> dict[str, Any]:
    """Returns facts for the manifest."""
    network, tokenizer = merged_network(base, adapter), load_tokenizer(base)
    before = None
    if weights == "int8":
        before = scores_of(network, tokenizer)
        round_network(network)
    import_openvino().save_model(build_graph(network, weights), str(folder / MODEL), compress_to_fp16=True)
    proof = prove(network, tokenizer, folder / MODEL)
    drift = 0.0 if before is None else drift_from(before, folder / MODEL)
    return {"parameters": sum(parameter.numel() for parameter in network.parameters()), "proof": asdict(proof), "drift": drift}

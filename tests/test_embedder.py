"""The embedder: the packaged network gives the vectors of its own reference, alone or in a batch, on OpenVINO or on torch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from heedful.modeling import embedder
from heedful.modeling.embedder import DIMENSIONS, MAX_TOKENS, Embedder, batches_by_length, load_embedder

TEXTS = ["I cannot sleep at night.", "Sleep will not come to me.", "The invoice was paid on time.", "ok", "word " * 400]


@pytest.fixture(scope="module")
def loaded() -> Embedder:
    return load_embedder()


def test_vectors_have_length_one_and_near_texts_are_near(loaded: Embedder) -> None:
    vectors = loaded.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), DIMENSIONS)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-2)
    assert vectors[0] @ vectors[1] > 0.5 > 0.2 > vectors[0] @ vectors[2]


def test_a_text_has_the_same_vector_alone_and_in_a_batch(loaded: Embedder) -> None:
    together = loaded.embed(TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        assert loaded.embed([text])[0] @ vector > 0.999


def test_openvino_and_torch_agree(loaded: Embedder) -> None:
    folder = embedder.weights_folder()
    by_torch = Embedder(embedder.load_tokenizer(folder), embedder.torch_encoder(folder, None), "torch").embed(TEXTS)
    assert ((loaded.embed(TEXTS) * by_torch).sum(axis=1) > 0.998).all()


def test_what_is_only_read_changes_a_vector_and_is_no_part_of_its_mean(loaded: Embedder) -> None:
    before, said = loaded.tokenise(["Are you thinking of dying?", "I bought new shoes."])
    row, start = [*before, *said[1:]], len(before)
    folder = embedder.weights_folder()
    network = embedder.pooled_network(folder).network
    hidden = network(torch.tensor([row]), torch.ones(1, len(row), dtype=torch.long)).last_hidden_state[0, start:].mean(0)
    expected = (hidden / hidden.norm()).detach().numpy()
    by_torch = Embedder(embedder.load_tokenizer(folder), embedder.torch_encoder(folder, None), "torch")
    for one in (loaded, by_torch):
        assert one.embed_ids([row, said], [start, 0])[0] @ expected > 0.998
        lower = one.read_ids([row, said], [start, 0])[:, 1:]
        assert np.allclose(np.linalg.norm(lower, axis=2), [[1, 1], [1, 0]], atol=1e-2), "nothing stands before the second"
        assert (lower[0] * by_torch.read_ids([row], [start])[0, 1:]).sum(axis=1).min() > 0.998
    alone, read, whole = (loaded.embed_ids([ids], [first])[0] for ids, first in ((said, 0), (row, start), (row, 0)))
    assert alone @ read > alone @ whole
    assert alone @ read < 0.999


def test_the_reference_of_sentence_transformers_agrees(loaded: Embedder) -> None:
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(embedder.weights_folder()), device="cpu").encode(TEXTS, normalize_embeddings=True)
    assert ((loaded.embed(TEXTS) * reference).sum(axis=1) > 0.998).all()


def test_long_texts_are_cut_and_no_texts_give_no_rows(loaded: Embedder) -> None:
    assert loaded.count_tokens(["word " * 400]) == MAX_TOKENS
    assert loaded.embed([]).shape == (0, DIMENSIONS)


def test_batches_hold_every_row_once_and_little_padding() -> None:
    batches = list(batches_by_length([5, 4_000, 6, 200, 3_000]))
    assert batches == [[0, 2, 3], [4], [1]]


def test_the_graph_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(embedder, "write_graph", lambda folder, factors, graph: made.append(graph) or graph.write_text("graph"))
    folder = embedder.weights_folder()
    first, second = embedder.graph_file(folder, None), embedder.graph_file(folder, None)
    assert first == second
    assert first.read_text() == "graph"
    assert len(made) == 1
    assert [p.name for p in (tmp_path / "heedful").iterdir()] == [first.parent.name]
    factors = tmp_path / "factors.safetensors"
    factors.write_bytes(b"other weights")
    assert embedder.graph_file(folder, factors) != first


def test_nothing_is_reported_to_the_vendor(loaded: Embedder) -> None:
    code = (
        "from heedful.modeling.openvino_runtime import import_openvino; import_openvino();"
        "from openvino.tools.ovc import telemetry_utils; print(telemetry_utils.tm.__name__)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "openvino.tools.ovc.telemetry_stub"


def test_signals_arrive_when_encoders_went_in_the_order_they_came() -> None:
    """In a process of its own, for what this is about ends a process by SIGSEGV."""
    code = (
        "import faulthandler, gc, os, signal; from heedful.modeling import embedder; faulthandler.enable();"
        "graph = embedder.graph_file(embedder.weights_folder(), None);"
        "first, second = [embedder.openvino_encoder(graph) for _ in range(2)];"
        "del first; gc.collect(); del second; gc.collect();"
        "signal.signal(signal.SIGTERM, lambda *_: print('asked to end')); os.kill(os.getpid(), signal.SIGTERM)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "asked to end\n")

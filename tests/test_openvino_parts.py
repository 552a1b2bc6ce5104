"""Parts of the OpenVINO engine: blocks of the cache, the choice of a token, and the graph of every family against transformers."""

import mmap
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Gemma2Config, LlamaConfig, MistralConfig

from families import FAMILIES, greedy, make_network, make_prompts
from heedful.engines.base import Sampling
from heedful.engines.next_token import NextToken
from heedful.engines.openvino.blocks import BLOCK, BlockPool, Chain
from heedful.engines.openvino.choice import NUCLEUS, TokenChoice
from heedful.engines.openvino.drift import LARGEST, drift_from, scores_of
from heedful.engines.openvino.network import PagedNetwork, Part
from heedful.engines.openvino.parity import Proof, prove
from heedful.engines.selection import Choice, choose_engine
from heedful.errors import EngineError, ModelError
from heedful.modeling.bases import load_tokenizer
from heedful.modeling.greedy import QUESTIONS, TOKENS
from heedful.modeling.mapped_files import MAPS, leave_memory
from heedful.modeling.openvino_graph import build_graph, why_no_graph
from heedful.modeling.openvino_runtime import import_openvino
from heedful.modeling.rounding import Weights, round_network, rounded_rows


def save(network: Any, folder: Path, weights: Weights = "float16") -> Path:
    import_openvino().save_model(build_graph(network, weights), str(folder / "model.xml"), compress_to_fp16=True)
    return folder / "model.xml"


def continued(network: PagedNetwork, prompts: Sequence[list[int]], steps: int) -> list[list[int]]:
    """Greedily, all in one pass each time; a chunk of the first prompt goes in one pass before the others."""
    per = network.blocks // len(prompts)
    blocks = [list(range(per * row, per * (row + 1))) for row in range(len(prompts))]
    network.forward([Part(prompts[0][:5], 0, blocks[0])])
    parts = [Part(ids[5:] if row == 0 else ids, 5 if row == 0 else 0, blocks[row]) for row, ids in enumerate(prompts)]
    found: list[list[int]] = [[] for _ in prompts]
    for _ in range(steps):
        chosen = network.forward(parts).argmax(axis=1).tolist()
        parts = [Part([token], part.past + len(part.ids), part.blocks) for token, part in zip(chosen, parts, strict=True)]
        for row, token in zip(found, chosen, strict=True):
            row.append(token)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_says_what_transformers_says(family: str, tmp_path: Path) -> None:
    network, prompts = make_network(FAMILIES[family]), make_prompts()
    paged = PagedNetwork(save(network, tmp_path), 3 * 2 * BLOCK, threads=1, exact=True)
    assert paged.precision == "float32"
    assert continued(paged, prompts.tolist(), 12) == greedy(network, prompts, 12)


def test_scores_are_those_of_the_last_token(tmp_path: Path) -> None:
    network, prompts = make_network(FAMILIES["llama"]), make_prompts()
    paged = PagedNetwork(save(network, tmp_path), 3 * BLOCK, threads=1, exact=True)
    scores = paged.forward([Part(ids, 0, [row]) for row, ids in enumerate(prompts.tolist())])
    assert np.abs(scores - network(prompts).logits[:, -1].detach().numpy()).max() < 1e-4
    far = make_prompts(1, 500)  # positions are as exact there as in front
    paged = PagedNetwork(tmp_path / "model.xml", 512, threads=1, exact=True)
    scores = paged.forward([Part(far[0].tolist(), 0, list(range(16)))])
    assert np.abs(scores - network(far).logits[:, -1].detach().numpy()).max() < 1e-4


def test_a_proof_counts_and_a_wrong_file_is_refused(tmp_path: Path) -> None:
    network, tokenizer = make_network(FAMILIES["qwen3"]), load_tokenizer("tiny")
    path = save(network, tmp_path)
    assert prove(network, tokenizer, path) == Proof(len(QUESTIONS), len(QUESTIONS) * TOKENS, 0)
    with torch.no_grad():
        network.model.layers[1].self_attn.q_norm.weight.mul_(1.2)
    with pytest.raises(ModelError, match="says another token than transformers"):
        prove(network, tokenizer, path)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_rounded_to_eight_bits_says_what_transformers_says_with_those_numbers(family: str, tmp_path: Path) -> None:
    network, tokenizer = make_network(FAMILIES[family]), load_tokenizer("tiny")
    before = scores_of(network, tokenizer)
    round_network(network)
    path = save(network, tmp_path, "int8")
    assert prove(network, tokenizer, path).tokens == len(QUESTIONS) * TOKENS
    assert 0 < drift_from(before, path) < LARGEST
    other = make_network(FAMILIES[family])
    with torch.no_grad():
        other.model.norm.weight.mul_(4)
    with pytest.raises(ModelError, match=r"are distributed otherwise by [0-9.]+ nats, and 0.01 are allowed"):
        drift_from(scores_of(other, tokenizer), path)


def test_rounding_keeps_signs_zeros_and_the_largest_and_happens_once() -> None:
    matrix = np.array([[1.0, -0.5, 0.0, 0.003], [0.0, 0.0, 0.0, 0.0], [-3e-5, 1e-5, 0.0, 2e-5]], dtype=np.float32)
    numbers, steps = rounded_rows(matrix)
    assert numbers.tolist() == [[127, -64, 0, 0], [0, 0, 0, 0], [-126, 42, 0, 84]]
    back = numbers * steps.astype(np.float32)
    again, same = rounded_rows(back)
    assert (again == numbers).all()
    assert (same == steps).all()
    assert np.abs(back - matrix).max() <= 0.5 * steps.max()


def test_what_is_not_supported_has_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert why_no_graph(Gemma2Config()) == "architecture 'gemma2' is none of llama, mistral, qwen2, qwen3"
    assert why_no_graph(MistralConfig(sliding_window=128)) == "it attends to a window of 128 tokens"
    assert why_no_graph(LlamaConfig(hidden_act="gelu")) == "its activation is 'gelu', not silu"
    assert choose_engine("auto", "tiny", "cpu") == Choice("openvino", "the quickest on a CPU, and it knows this base")
    assert choose_engine("transformers", "tiny", "cpu") == Choice("transformers", "set by you")
    reason = "models are computed on cuda, and openvino is for the CPU"
    assert choose_engine("auto", "tiny", "cuda") == Choice("transformers", reason)
    with pytest.raises(EngineError, match=f"serving.engine is openvino, but {reason}"):
        choose_engine("openvino", "tiny", "cuda")


def fill(pool: BlockPool, ids: Sequence[int]) -> Chain:
    chain = pool.begin(ids)
    assert pool.extend(chain, len(ids))
    chain.computed = len(ids)
    pool.keep(chain, ids)
    return chain


def test_a_text_that_begins_alike_finds_its_blocks() -> None:
    pool, text = BlockPool(8), list(range(3 * BLOCK))
    first = fill(pool, text)
    assert (pool.available, len(first.blocks)) == (5, 3)
    again = pool.begin([*text[: 2 * BLOCK], 999, 998])
    assert (again.blocks, again.computed) == (first.blocks[:2], 2 * BLOCK)
    assert pool.begin(text).computed == 2 * BLOCK, "the last token is always computed"
    assert pool.begin([999, *text]).blocks == []
    assert pool.begin([*range(1, BLOCK + 1), *text]).blocks == []


def test_blocks_in_use_are_never_given_away_and_unused_ones_oldest_first() -> None:
    pool = BlockPool(4)
    old, new = fill(pool, [1] * 2 * BLOCK), fill(pool, [2] * BLOCK)
    held = list(new.blocks)
    pool.release(old)
    assert pool.available == 3
    third = Chain()
    assert not pool.extend(third, 4 * BLOCK) and third.blocks == [] and pool.available == 3
    assert pool.extend(third, 3 * BLOCK) and not set(third.blocks) & set(held)
    assert pool.begin([1] * 3 * BLOCK).blocks == [], "it was overwritten"
    pool.release(third)
    assert pool.begin([2] * 3 * BLOCK).blocks == held


def test_two_that_compute_the_same_at_once_both_keep_their_blocks() -> None:
    pool, text = BlockPool(6), list(range(BLOCK + 1))
    chains = [pool.begin(text), pool.begin(text)]
    for chain in chains:
        assert pool.extend(chain, len(text))
        chain.computed = len(text)
        pool.keep(chain, text)
    assert not set(chains[0].blocks) & set(chains[1].blocks)
    for chain in chains:
        pool.release(chain)
    assert pool.available == 6
    assert pool.begin(text).computed == BLOCK


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=0, repetition_penalty=1.3, no_repeat_ngram=2),
        Sampling(temperature=0.7, top_p=0.9, seed=3),
        Sampling(temperature=1.9, top_p=1.0, repetition_penalty=1, no_repeat_ngram=0, seed=4),
        Sampling(temperature=0.3, top_p=0.2, no_repeat_ngram=1, seed=5),
    ],
)
def test_the_choice_is_that_of_the_transformers_engine(sampling: Sampling) -> None:
    prompt, vocabulary = [7, 8, 9], NUCLEUS + 100
    rows = torch.randn(40, vocabulary, generator=torch.Generator().manual_seed(0)) * 2
    rows[:, :6] += 5  # some tokens want to come again and again
    theirs, ours = list(prompt), TokenChoice(sampling, prompt)
    choose = NextToken(len(prompt), sampling, [prompt])
    for row in rows:
        before = row.numpy().copy()
        theirs.append(int(choose(torch.tensor([theirs]), row[None]).argmax()))
        assert ours.next(row.numpy()) == theirs[-1]
        assert (row.numpy() == before).all()
    assert len(set(theirs)) > 5


def test_random_texts_never_share_what_they_should_not() -> None:
    """A pool under pressure, checked against the texts themselves: a block that is found holds exactly the tokens asked for."""
    pool, dice = BlockPool(24), random.Random(1)
    holds: dict[int, tuple[int, ...]] = {}
    live: list[Chain] = []
    for _ in range(600):
        if live and dice.random() < 0.5:
            pool.release(live.pop(dice.randrange(len(live))))
            continue
        ids = [dice.randrange(2) for _ in range(4) for _ in range(BLOCK)][: dice.randrange(1, 4 * BLOCK)]
        ids = [value for value in (dice.randrange(2), dice.randrange(2), 1, 0) for _ in range(BLOCK)][: len(ids)]
        chain = pool.begin(ids)
        for place, block in enumerate(chain.blocks):
            assert holds[block] == tuple(ids[: (place + 1) * BLOCK])
        if not pool.extend(chain, len(ids)):
            pool.release(chain)
            continue
        used = [block for other in live for block in other.blocks[len(ids) // BLOCK :]]
        assert not set(chain.blocks[chain.kept :]) & {b for other in live for b in other.blocks}, used
        for place in range(chain.kept, len(ids) // BLOCK):
            holds[chain.blocks[place]] = tuple(ids[: (place + 1) * BLOCK])
        chain.computed = len(ids)
        pool.keep(chain, ids)
        live.append(chain)
    for chain in live:
        pool.release(chain)
    assert pool.available == 24


@pytest.mark.skipif(not MAPS.is_file(), reason="only Linux tells what is mapped")
def test_pages_of_a_file_leave_memory_and_come_back(tmp_path: Path) -> None:
    """As OpenVINO maps the weights: laid out anew for the processor, the file's pages are not needed twice."""
    path = tmp_path / "weights"
    path.write_bytes(bytes(range(256)) * 16 * 256)
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[:]) == 255 * 128 * 16 * 256
        before = resident(path)
        assert leave_memory(path) == 2**20
        assert before == 1_024
        assert resident(path) == 0
        assert mapped[1_000:1_003] == bytes([232, 233, 234])
    assert leave_memory(path) == 0


@pytest.mark.skipif(not MAPS.is_file(), reason="only Linux tells what is mapped")
def test_what_a_process_wrote_into_its_own_copy_stays(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(bytes(4_096))
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        mapped[7] = 9
        assert leave_memory(path) == 0
        assert mapped[7] == 9


def resident(path: Path) -> int:
    """KiB of the file that are in this process's memory."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.endswith(str(path)))
    return next(int(line.split()[1]) for line in lines[start:] if line.startswith("Rss:"))

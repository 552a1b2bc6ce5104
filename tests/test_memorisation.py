"""Every architecture that we name learns ten dialogues by heart in 200 steps, and says them again: whole, ended, without a tag.

The bases have random weights, so all that they say was put there by the adapter: a wrong mask, a template without an end, or an
adapter that reloads otherwise than it was trained would show at once.
"""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heedful.companion.guarding import Guards
from heedful.companion.turn import Companion, reply_many
from heedful.config import TrainingSettings
from heedful.conversation import Message
from heedful.engines.base import Sampling
from heedful.engines.transformers_engine import load_transformers_engine
from heedful.modeling.bases import load_tokenizer
from heedful.modeling.likelihood import negative_log_likelihood
from heedful.training.plan import make_plan
from heedful.training.samples import load_samples
from heedful.training.train import train

DIALOGUES = {
    "I cannot sleep.": "Nights can be long. What keeps you awake?",
    "My cat died.": "I am so sorry. What was her name?",
    "I failed the exam.": "That hurts. Do you want to tell me about it?",
    "My boss shouts at me.": "Nobody should be shouted at. How often is it?",
    "I feel alone.": "Thank you for saying it. Who is near you today?",
    "Everything is too much.": "Let us take one thing. Which is the smallest?",
    "I miss my home.": "Missing it shows how you loved it. Where is it?",
    "I am angry.": "Anger often guards something. What happened?",
    "I have no plans.": "An empty day can be heavy. Shall we find one small thing?",
    "I panic in trains.": "That is frightening. Breathe out slowly with me.",
}
CONTEXT = {"max_position_embeddings": 256}
SMALL = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, **CONTEXT}
GROUPED = {**SMALL, "num_key_value_heads": 2}
ROPE = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LLAMA3 = {"rope_parameters": {**ROPE, "original_max_position_embeddings": 128}, "tie_word_embeddings": True}
NEO = {"hidden_size": 64, "num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]], **CONTEXT}
GEMMA = {**GROUPED, "head_dim": 16}
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", {**GROUPED, **LLAMA3}),
    "mistral": ("MistralConfig", {**GROUPED, "sliding_window": 128}),
    "qwen2": ("Qwen2Config", GROUPED),
    "qwen3": ("Qwen3Config", {**GROUPED, "head_dim": 16}),
    "gemma": ("GemmaConfig", GEMMA),
    "gemma2": ("Gemma2Config", {**GEMMA, "query_pre_attn_scalar": 16}),
    "gemma3": ("Gemma3TextConfig", {**GEMMA, "query_pre_attn_scalar": 16}),
    "phi2": ("PhiConfig", SMALL),
    "gpt2": ("GPT2Config", {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 256}),
    "gpt-neo": ("GPTNeoConfig", NEO),
}
OURS = {"llama", "mistral", "qwen2", "qwen3"}
WITHOUT_TEMPLATE = {"phi2", "gpt2", "gpt-neo"}  # their own tokenizers are GPT-2's


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("memorise") / "ds-1"
    folder.mkdir()
    rows = [[{"role": "user", "content": q}, {"role": "assistant", "content": a}] for q, a in DIALOGUES.items()]
    # The same rows on both sides: learning by heart is wanted. Ten times in train, so that it is looked at every tenth step.
    for split, times in {"train": 10, "validation": 1}.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows * times))
    return folder


@pytest.fixture(scope="module")
def random_base(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path, shared_data: Path) -> Callable[[str], str]:
    def make(name: str) -> str:
        import torch
        import transformers

        folder = tmp_path_factory.mktemp(name)
        kind, sizes = ARCHITECTURES[name]
        gpt2 = name in WITHOUT_TEMPLATE
        factory = transformers.GPT2TokenizerFast if gpt2 else transformers.AutoTokenizer
        tokenizer = factory.from_pretrained(shared_data / "tokenizers" / "gpt2" if gpt2 else tiny_checkpoint)
        ends = {"bos_token_id": tokenizer.eos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": None}
        torch.manual_seed(0)
        # Weights at the usual 0.02 leave a frozen head of this size unable to prefer any token clearly.
        config = getattr(transformers, kind)(vocab_size=len(tokenizer), initializer_range=0.1, **ends, **sizes)
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return str(folder)

    return make


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_ten_dialogues_are_learned_and_repeated(
    name: str, dataset: Path, random_base: Callable[[str], str], tmp_path: Path
) -> None:
    base, output = random_base(name), tmp_path / "adapter"
    output.mkdir()
    settings = TrainingSettings(epochs=10, batch_size=5, rank=32, alpha=64, dropout=0.0, learning_rate=5e-3, patience=200)
    plan = make_plan(dataset, base, "cpu", settings)
    assert plan.path.value == ("packed" if name in OURS else "trl")
    trained = train(dataset, base, plan, output)
    assert trained.steps == 200
    assert replies(base, output) == list(DIALOGUES.values())
    assert plain_peft_nll(dataset, base, output) == pytest.approx(trained.best_validation_nll, abs=1e-3)


def replies(base: str, adapter: Path) -> list[str]:
    """Greedy and without penalties, as the model alone would go on; what was cleaned away would be missing from `raw`."""
    engine = load_transformers_engine("m1", base, adapter, "cpu")
    sampling = Sampling(max_new_tokens=60, temperature=0.0, repetition_penalty=1.0, no_repeat_ngram=0)
    found = asyncio.run(
        reply_many(
            Companion(engine, "", sampling, Guards(classifier=False)), [[Message("user", question)] for question in DIALOGUES]
        )
    )
    asyncio.run(engine.close())
    assert {reply.finish_reason for reply in found} == {"stop"}
    assert [reply.cleaned for reply in found] == [()] * len(found)
    assert [reply.raw.strip() for reply in found] == [reply.text for reply in found]  # a plain template ends in "Assistant:"
    return [reply.text for reply in found]


def plain_peft_nll(dataset: Path, base: str, adapter: Path) -> float:
    """The score of what PEFT itself loads, without Heedful's merging."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(adapter)).eval()
    rows = load_samples(dataset, load_tokenizer(base), 256).validation
    return negative_log_likelihood(model, rows, 1_024).nats_per_token

"""Token-weighted likelihood: equal to the plain definition, whatever the batches."""

import math
from typing import Any

import pytest

from heedful.conversation import Conversation, Message
from heedful.modeling.bases import load_base_model, load_tokenizer
from heedful.modeling.chat_template import Sample, supervise
from heedful.modeling.likelihood import WORTH, batches, negative_log_likelihood, shared_tokens


@pytest.fixture(scope="module")
def model() -> Any:
    return load_base_model("tiny", "cpu")


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    tokenizer = load_tokenizer("tiny")
    chats = [(Message("user", "hello " * n), Message("assistant", "I hear you. " * (7 - n))) for n in (1, 5, 3, 6, 2)]
    return [supervise(tokenizer, Conversation(chat)) for chat in chats]


def by_definition(model: Any, sample: Sample) -> float:
    import torch

    with torch.no_grad():
        scores = torch.log_softmax(model(torch.tensor([sample.ids])).logits[0].double(), dim=-1)
    return -sum(float(scores[t - 1, token]) for t, token in enumerate(sample.ids) if sample.mask[t])


def test_it_is_the_mean_over_supervised_tokens(model: Any, samples: list[Sample]) -> None:
    expected = [by_definition(model, sample) for sample in samples]
    result = negative_log_likelihood(model, samples, 10_000)
    assert result.tokens == sum(sample.supervised for sample in samples)
    assert [count for _, count in result.per_sample] == [sample.supervised for sample in samples]
    assert [nats for nats, _ in result.per_sample] == pytest.approx(expected, rel=1e-5)
    assert result.nats_per_token == pytest.approx(sum(expected) / result.tokens, rel=1e-5)
    batch_means = [nats / count for nats, count in result.per_sample]
    assert abs(result.nats_per_token - sum(batch_means) / len(batch_means)) > 1e-3  # what a Trainer would have said


def test_what_all_rows_begin_with_is_computed_once(model: Any) -> None:
    tokenizer = load_tokenizer("tiny")
    told, asked = Message("system", "Listen first, then name what you heard. " * 3), Message("user", "hello")
    chats = [(told, asked, Message("assistant", "I hear you. " * n)) for n in (1, 5, 3)]
    rows = [supervise(tokenizer, Conversation(chat)) for chat in chats]
    expected = [by_definition(model, row) for row in rows]
    shared = rows[0].mask.index(True) - 1
    assert shared_tokens(rows) == shared >= WORTH
    seen: list[tuple[int, ...]] = []
    hook = model.register_forward_pre_hook(lambda _, given, named: seen.append(tuple(named["input_ids"].shape)), with_kwargs=True)
    try:
        found = negative_log_likelihood(model, rows, 10_000)
    finally:
        hook.remove()
    assert [nats for nats, _ in found.per_sample] == pytest.approx(expected, rel=1e-5)
    assert seen == [(1, shared), (3, max(len(row.ids) for row in rows) - shared)]
    assert shared_tokens(rows[:1]) == 0, "one row shares nothing"
    assert shared_tokens([*rows, Sample([1, 2, 3], [False, True, True])]) == 0


@pytest.mark.parametrize("batch_tokens", [1, 60, 100, 10_000])
def test_batches_do_not_matter(model: Any, samples: list[Sample], batch_tokens: int) -> None:
    whole = negative_log_likelihood(model, samples, 10_000).nats_per_token
    assert negative_log_likelihood(model, samples, batch_tokens).nats_per_token == pytest.approx(whole, rel=1e-5)


def test_it_is_deterministic_and_leaves_the_training_flag(model: Any, samples: list[Sample]) -> None:
    model.train()
    first = negative_log_likelihood(model, samples, 100)
    assert model.training
    model.eval()
    assert negative_log_likelihood(model, samples, 100) == first
    assert not model.training


def test_bfloat16_is_near(model: Any, samples: list[Sample]) -> None:
    exact = negative_log_likelihood(model, samples, 100).nats_per_token
    rounded = negative_log_likelihood(load_base_model("tiny", "cpu", "bfloat16"), samples, 100).nats_per_token
    assert rounded == pytest.approx(exact, rel=0.02)


def test_a_model_that_cannot_keep_some_logits_gives_the_same(model: Any, samples: list[Sample]) -> None:
    class Whole:  # the same network behind a forward without `logits_to_keep`
        training = False

        def parameters(self) -> Any:
            return model.parameters()

        def eval(self) -> None:
            """It always is."""

        def train(self, flag: bool) -> None:
            """Never."""

        def forward(self, input_ids: Any, attention_mask: Any, use_cache: bool) -> Any:
            return model(input_ids=input_ids, attention_mask=attention_mask, use_cache=use_cache)

        __call__ = forward

    same = pytest.approx(negative_log_likelihood(model, samples, 100).nats_per_token, rel=1e-6)
    assert negative_log_likelihood(Whole(), samples, 100).nats_per_token == same


def test_batches_hold_at_most_their_tokens(samples: list[Sample]) -> None:
    made = list(batches(samples, 100))
    assert sorted(index for batch in made for index in batch) == list(range(len(samples)))
    for batch in made:
        longest = max(len(samples[index].ids) for index in batch)
        assert len(batch) == 1 or len(batch) * longest <= 100


def test_without_supervised_tokens_there_is_no_mean(model: Any) -> None:
    result = negative_log_likelihood(model, [Sample([3, 9, 1], [False] * 3)], 100)
    assert math.isnan(result.nats_per_token)
    assert (result.tokens, result.per_sample) == (0, [(0.0, 0)])
    assert math.isnan(negative_log_likelihood(model, [], 100).nats_per_token)

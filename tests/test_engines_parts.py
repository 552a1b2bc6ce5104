"""Parts of an engine: what fits in the context, how tokens become text, how the next token is chosen."""

import math
from collections.abc import Sequence

import pytest

from heedful.conversation import Message
from heedful.engines.base import Sampling
from heedful.engines.context import Prompt, fit
from heedful.engines.detokenise import ReplyText, reply_text
from heedful.engines.next_token import NextToken, draw, likely, seed_of
from heedful.engines.transformers_engine import BATCH_ROWS, BATCH_TOKENS, batches
from heedful.errors import EngineError, PromptTooLong
from heedful.modeling.bases import load_tokenizer
from heedful.modeling.chat_template import end_of_turn_ids

CHAT = [
    *(Message("system", "s"), Message("user", "a a a"), Message("assistant", "b b b")),
    *(Message("user", "c c"), Message("assistant", "d"), Message("user", "e")),
]


def words(messages: Sequence[Message]) -> list[int]:
    return [ord(word) for message in messages for word in message.content.split()]


def spelled(prompt: Prompt) -> str:
    return "".join(map(chr, prompt.ids))


@pytest.mark.parametrize(
    ("context", "text", "dropped"),
    [(13, "saaabbbccde", 0), (12, "sccde", 2), (7, "sccde", 2), (6, "se", 4), (4, "se", 4)],
)
def test_the_oldest_turns_are_dropped_and_the_system_message_stays(context: int, text: str, dropped: int) -> None:
    prompt = fit(CHAT, words, context, reply=2)
    assert (spelled(prompt), prompt.dropped_messages) == (text, dropped)


def test_a_chat_that_cannot_fit_is_refused_with_its_numbers() -> None:
    with pytest.raises(PromptTooLong) as caught:
        fit(CHAT, words, 3, reply=2)
    assert str(caught.value) == (
        "the system prompt and the last turn are 2 tokens and the reply may take 2, but the model's context holds 3"
    )
    with pytest.raises(EngineError, match="are 11 tokens"):
        fit([Message("user", "a " * 11)], words, 12, reply=2)
    with pytest.raises(EngineError, match="the chat has no message"):
        fit([], words, 12, reply=2)


def test_characters_of_several_tokens_come_whole() -> None:
    tokenizer = load_tokenizer("tiny")
    ends = end_of_turn_ids(tokenizer)
    text = "Zoë 🙂 说 <|user|>hi"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert "\ufffd" in [tokenizer.decode([token]) for token in ids], "some character takes several tokens"
    reply = ReplyText(tokenizer.decode, ends)
    pieces = [reply.push(token) for token in [*ids, ends[0], ids[0]]]
    assert "".join(pieces) == text and reply.rest() == ""
    assert not any("\ufffd" in piece for piece in pieces)
    assert (reply.reason, reply.tokens) == ("stop", len(ids) + 1)


def test_half_a_character_at_the_limit_is_left_out() -> None:
    tokenizer = load_tokenizer("tiny")
    ids = tokenizer("Yes 🙂", add_special_tokens=False)["input_ids"]
    text, reply = reply_text(ids[:-1], tokenizer.decode, end_of_turn_ids(tokenizer))
    assert text.strip() == "Yes"
    assert (reply.reason, reply.tokens) == ("length", len(ids) - 1)


def test_penalties_see_the_reply_only() -> None:
    import torch

    prompt, end = [[0, 1, 5, 6, 7, 5, 6]], 1
    scores = torch.tensor([[1.0, 2.0, 3.0, 4.0, -5.0, 6.0, 7.0, 8.0]])
    sampling = Sampling(temperature=0, repetition_penalty=2.0, no_repeat_ngram=3)
    choose = NextToken(7, sampling, prompt)

    assert choose(torch.tensor(prompt), scores).tolist() == scores.tolist()
    penalised = choose(torch.tensor([[*prompt[0], 3, 4]]), scores)
    assert penalised.tolist() == [[1.0, 2.0, 3.0, 2.0, -10.0, 6.0, 7.0, 8.0]]
    banned = choose(torch.tensor([[*prompt[0], 5, 6, 7, 5, 6]]), scores)[0].tolist()
    assert banned == [1.0, 2.0, 3.0, 4.0, -5.0, 3.0, 3.5, -math.inf]
    assert banned[end] == scores[0, end]


def test_the_draw_inverts_the_cumulative_distribution_of_the_nucleus() -> None:
    import torch

    row = torch.tensor([0.2, 0.5, 0.0, 0.3]).log()
    scores = row.repeat(5, 1)
    assert draw(scores, 1.0, [0.0, 0.49, 0.51, 0.79, 0.999999999]).flatten().tolist() == [1, 1, 3, 3, 0]
    assert draw(scores, 0.8, [0.0, 0.62, 0.63, 0.99, 0.999999999]).flatten().tolist() == [1, 1, 3, 3, 3]
    assert draw(scores, 0.01, [0.0, 0.3, 0.5, 0.9, 0.999999999]).flatten().tolist() == [1] * 5


def test_a_chosen_token_is_the_only_one_left() -> None:
    import torch

    scores = torch.zeros(2, 50)
    prompts = [[1, 2], [1, 3]]
    choose = NextToken(2, Sampling(seed=4, top_p=1.0), prompts)
    first = choose(torch.tensor(prompts), scores)
    assert first.isfinite().sum(dim=-1).tolist() == [1, 1]
    again = NextToken(2, Sampling(seed=4, top_p=1.0), prompts)(torch.tensor(prompts), scores)
    assert first.argmax(dim=-1).tolist() == again.argmax(dim=-1).tolist()


def test_a_seed_is_mixed_with_the_prompt() -> None:
    assert seed_of(1, (5, 6)) == seed_of(1, [5, 6])
    assert len({seed_of(1, (5, 6)), seed_of(2, (5, 6)), seed_of(1, (5, 7)), seed_of(None, (5, 6)), seed_of(None, (5, 6))}) == 5


def test_batches_hold_similar_lengths_within_their_limits() -> None:
    assert list(batches([9, 2, 5], reply=3)) == [[1, 2, 0]]
    assert [len(rows) for rows in batches([1] * (BATCH_ROWS + 3), reply=1)] == [BATCH_ROWS, 3]
    assert list(batches([BATCH_TOKENS, 10, BATCH_TOKENS], reply=1)) == [[1], [0], [2]]
    assert list(batches([], reply=1)) == []


@pytest.mark.parametrize("spread", [0.1, 1.0, 8.0])
def test_the_few_most_likely_tokens_are_drawn_from_as_all_of_them_are(spread: float) -> None:
    """Flat rows need the whole vocabulary, steep ones do not; what is drawn is the same."""
    import torch

    scores = torch.randn(6, 4_000, generator=torch.Generator().manual_seed(3)) * spread
    values, order = likely(scores.softmax(dim=-1), 0.9)
    assert order.shape[1] == (1_024 if spread == 8.0 else 4_000)
    whole = scores.softmax(dim=-1).sort(dim=-1, descending=True)
    assert torch.equal(values, whole.values[:, : values.shape[1]])
    points = [0.0, 0.2, 0.4, 0.6, 0.8, 0.999]
    chosen = draw(scores, 0.9, points)
    cumulative = whole.values.cumsum(dim=-1)
    for row, point in enumerate(points):
        kept = int((cumulative[row] - whole.values[row] < 0.9).sum())
        place = min(int((cumulative[row] <= point * cumulative[row, kept - 1]).sum()), kept - 1)
        assert int(chosen[row, 0]) == int(whole.indices[row, place])

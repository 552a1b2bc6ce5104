"""Generation with transformers on any device: a base and perhaps an adapter in, an Engine out. The fallback that works everywhere.

One worker thread an engine does all work on the model and its tokenizer, so calls take turns, whichever event loop they come from.
A batch is one piece of that work: a stream waits for a batch, not for a whole evaluation.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, TypeVar

from heedful.conversation import Message
from heedful.engines.base import Capabilities, Finished, Generation, Health, Piece, Sampling
from heedful.engines.context import Prompt, fit
from heedful.engines.detokenise import ReplyText, reply_text
from heedful.engines.rounds import Marks, continue_all
from heedful.errors import EngineError
from heedful.modeling.adapters import load_with_adapter
from heedful.modeling.bases import context_length, load_tokenizer
from heedful.modeling.chat_template import end_of_turn_ids, render
from heedful.modeling.protect import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

BATCH_ROWS = 32
BATCH_TOKENS = 16_384  # prompts and replies of one batch, padding included: bounds the memory of its key-value cache

Result = TypeVar("Result")


def load_transformers_engine(model_id: str, base: str, adapter: Path | None, device: str) -> "TransformersEngine":
    """Load base and adapter on `device`. Raises ModelError when one cannot be loaded or they do not fit."""
    return TransformersEngine(model_id, load_with_adapter(base, adapter, device), load_tokenizer(base), context_length(base))


class TransformersEngine:
    """`network` is a causal language model of transformers or PEFT in eval mode, and belongs to the engine from now on.

    `context` is how many tokens prompt and reply may have together.
    """

    def __init__(self, model_id: str, network: Any, tokenizer: Tokenizer, context: int) -> None:
        from transformers import GenerationConfig

        network.generation_config = GenerationConfig()  # a publisher's own penalties and temperature would fill our gaps
        self._model = model_id
        self._network = network
        self._tokenizer = tokenizer
        self._context = context
        self._ends = end_of_turn_ids(tokenizer)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"engine {model_id}")
        self._closing = Event()
        self._device = str(network.device)
        self._counting, self._jobs = Lock(), 0

    @property
    def model(self) -> str:
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("transformers", 1, self._context, f"on {self._device}, one reply after the other")

    async def health(self) -> Health:
        with self._counting:
            return Health(not self._closing.is_set(), min(1, self._jobs), max(0, self._jobs - 1))

    async def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Piece | Finished, None]:
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Piece | Finished | BaseException] = asyncio.Queue()
        cancelled = Event()

        def emit(event: Piece | Finished | BaseException) -> None:
            with suppress(RuntimeError):  # the listener's event loop is closed: nobody is there to hear it
                loop.call_soon_threadsafe(events.put_nowait, event)

        job = self._submit(partial(self._stream, messages, sampling, cancelled, emit))
        job.add_done_callback(partial(tell_failure, emit))
        try:
            while True:
                event = await events.get()
                if isinstance(event, BaseException):
                    raise event
                yield event
                if isinstance(event, Finished):
                    return
        finally:
            cancelled.set()
            job.cancel()

    async def generate(self, chats: Sequence[Sequence[Message]], sampling: Sampling) -> list[Generation]:
        replies: dict[int, Generation] = {}
        cancelled = Event()
        try:
            prompts = await self._wait(lambda: [self._prompt(messages, sampling) for messages in chats])
            for rows in batches([len(prompt.ids) for prompt in prompts], sampling.max_new_tokens):
                batch = [prompts[row] for row in rows]
                found = await self._wait(partial(self._generate, batch, sampling, cancelled))
                replies.update(zip(rows, found, strict=True))
        finally:
            cancelled.set()
        return [replies[row] for row in range(len(chats))]

    async def close(self) -> None:
        """Stop what runs within a token, refuse what waits, free the model."""
        self._closing.set()
        await asyncio.to_thread(self._worker.shutdown)
        self._network = None

    async def _wait(self, work: Callable[[], Result]) -> Result:
        return await asyncio.wrap_future(self._submit(work))

    def _submit(self, work: Callable[[], Result]) -> "Future[Result]":
        try:
            job = self._worker.submit(self._do, work)
        except RuntimeError:  # the worker is shut down
            raise self._closed() from None
        self._count(1)
        job.add_done_callback(lambda _: self._count(-1))
        return job

    def _count(self, more: int) -> None:
        with self._counting:
            self._jobs += more

    def _closed(self) -> EngineError:
        return EngineError(f"the engine of {self._model} is closed", "load the model again")

    # What follows runs in the worker thread.

    def _do(self, work: Callable[[], Result]) -> Result:
        import torch

        if self._closing.is_set():
            raise self._closed()
        try:
            result = work()
        except torch.OutOfMemoryError:
            raise EngineError(
                f"the device has no memory left for a reply of {self._model}",
                "lower max_new_tokens, or set device: cpu in heedful.yaml",
            ) from None
        if self._closing.is_set():  # the reply was cut by closing, not by its end
            raise self._closed()
        return result

    def _prompt(self, messages: Sequence[Message], sampling: Sampling) -> Prompt:
        def rendered(kept: Sequence[Message]) -> list[int]:
            return render(self._tokenizer, kept, generation_prompt=True)

        return fit(messages, rendered, self._context, sampling.max_new_tokens)

    def _stream(
        self, messages: Sequence[Message], sampling: Sampling, cancelled: Event, emit: Callable[[Piece | Finished], None]
    ) -> None:
        prompt = self._prompt(messages, sampling)
        listener = Listener(ReplyText(self._decode, self._ends), lambda text: emit(Piece(text)))
        self._continue([prompt], sampling, cancelled, listener)
        if not self._closing.is_set():
            emit(finished(prompt, listener.reply))

    def _generate(self, prompts: Sequence[Prompt], sampling: Sampling, cancelled: Event) -> list[Generation]:
        rows = self._continue(prompts, sampling, cancelled, None)
        replies = [reply_text(row, self._decode, self._ends) for row in rows]
        return [Generation(text, finished(prompt, reply)) for prompt, (text, reply) in zip(prompts, replies, strict=True)]

    def _continue(
        self, prompts: Sequence[Prompt], sampling: Sampling, cancelled: Event, listener: "Listener | None"
    ) -> list[list[int]]:
        """Token ids of the replies."""
        marks = Marks(self._ends, self._tokenizer.pad_token_id)
        texts = [prompt.ids for prompt in prompts]
        return continue_all(self._network, texts, sampling, marks, lambda: cancelled.is_set() or self._closing.is_set(), listener)

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))


class Listener:
    """A streamer for `generate`: the prompt comes first and is skipped, then one token at a time."""

    def __init__(self, reply: ReplyText, say: Callable[[str], None]) -> None:
        self.reply = reply
        self._say = say
        self._prompt_seen = False

    def put(self, tokens: "Tensor") -> None:
        text = self.reply.push(int(tokens[0])) if self._prompt_seen else ""
        self._prompt_seen = True
        if text:
            self._say(text)

    def end(self) -> None:
        text = self.reply.rest()
        if text:
            self._say(text)


def tell_failure(emit: Callable[[BaseException], None], job: "Future[None]") -> None:
    """Hand an exception of the worker to whoever waits for events. A cancelled job has nobody waiting."""
    error = None if job.cancelled() else job.exception()
    if error is not None:
        emit(error)


def finished(prompt: Prompt, reply: ReplyText) -> Finished:
    return Finished(reply.reason, len(prompt.ids), reply.tokens, prompt.dropped_messages)


def batches(lengths: Sequence[int], reply: int) -> Iterator[list[int]]:
    """Indices of prompts in batches of similar length, shortest first, within BATCH_ROWS and BATCH_TOKENS."""
    rows: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if rows and (len(rows) == BATCH_ROWS or (len(rows) + 1) * (lengths[row] + reply) > BATCH_TOKENS):
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows

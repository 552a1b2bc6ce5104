"""An engine on OpenVINO: chats in, streams of text events out; all that are asked at the same time are written at the same time.

Tokens become text on the asking side, while the worker's network computes.
"""

import asyncio
import weakref
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from heedful.conversation import Message
from heedful.engines.base import Capabilities, Finished, Generation, Health, Piece, Sampling
from heedful.engines.context import Prompt, fit
from heedful.engines.detokenise import ReplyText, reply_text
from heedful.engines.openvino.network import PagedNetwork
from heedful.engines.openvino.post import Events
from heedful.engines.openvino.scheduler import RUNNING, ask, ask_whole
from heedful.engines.openvino.worker import Worker, closed
from heedful.modeling.chat_template import end_of_turn_ids, render
from heedful.modeling.protect import Tokenizer


class OpenVinoEngine:
    """`network` belongs to the engine from now on; `context` is how many tokens prompt and reply may have together."""

    def __init__(self, model_id: str, network: PagedNetwork, tokenizer: Tokenizer, context: int) -> None:
        self._model = model_id
        self._tokenizer = tokenizer
        self._context = context
        self._ends = end_of_turn_ids(tokenizer)
        self._precision = network.precision
        self._texts = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"prompts {model_id}")
        self._worker = Worker(model_id, network)
        weakref.finalize(self, self._worker.stop)  # whoever let the engine go without closing it lets its memory go too

    @property
    def model(self) -> str:
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("openvino", RUNNING, self._context, f"continuous batching on the CPU in {self._precision}")

    async def health(self) -> Health:
        return self._worker.health()

    async def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Piece | Finished, None]:
        prompt = await self._prompt(messages, sampling)
        events: Events = asyncio.Queue()
        asked = ask(prompt.ids, sampling, self._ends, partial(self._worker.post.add, asyncio.get_running_loop(), events))
        self._worker.add(asked)
        reply = ReplyText(self._decode, self._ends)
        try:
            while True:
                event = await events.get()
                text = ""
                while isinstance(event, int):  # all that came while this loop was busy with others is one piece
                    text += reply.push(event)
                    if events.empty():
                        break
                    event = events.get_nowait()
                text += reply.rest() if event is None else ""
                if text:
                    yield Piece(text)
                if isinstance(event, BaseException):
                    raise event
                if event is None:
                    yield Finished(reply.reason, len(prompt.ids), reply.tokens, prompt.dropped_messages)
                    return
        finally:
            asked.cancelled = True

    async def generate(self, chats: Sequence[Sequence[Message]], sampling: Sampling) -> list[Generation]:
        """All of them begin with the same pass, so that the same chats are computed in the same company each time."""
        prompts = [await self._prompt(messages, sampling) for messages in chats]
        written = [(prompt, *ask_whole(prompt.ids, sampling, self._ends)) for prompt in prompts]
        self._worker.add(*(asked for _, asked, _ in written))
        try:
            rows = await asyncio.gather(*(asyncio.wrap_future(whole) for _, _, whole in written))
        finally:
            for _, asked, _ in written:
                asked.cancelled = True
        return [self._whole(prompt, row) for prompt, row in zip(prompts, rows, strict=True)]

    async def close(self) -> None:
        """Stop what runs within a token, refuse what waits, free the model."""
        self._worker.stop()
        await asyncio.to_thread(self._worker.join)
        self._texts.shutdown()

    def _whole(self, prompt: Prompt, tokens: Sequence[int]) -> Generation:
        text, reply = reply_text(tokens, self._decode, self._ends)
        return Generation(text, Finished(reply.reason, len(prompt.ids), reply.tokens, prompt.dropped_messages))

    async def _prompt(self, messages: Sequence[Message], sampling: Sampling) -> Prompt:
        def rendered(kept: Sequence[Message]) -> list[int]:
            return render(self._tokenizer, kept, generation_prompt=True)

        def work() -> Prompt:
            return fit(messages, rendered, self._context, sampling.max_new_tokens)

        if self._worker.stopping:
            raise closed(self._model)
        try:
            job = self._texts.submit(work)
        except RuntimeError:  # it was closed just now
            raise closed(self._model) from None
        return await asyncio.wrap_future(job)

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

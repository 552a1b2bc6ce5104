"""An engine on OpenVINO: chats in, streams of text events out; all that are asked at the same time are written at the same time.

One worker thread owns network and scheduler. Tokens become text on the asking side, while the network computes.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from threading import Condition, Thread

from heedful.conversation import Message
from heedful.engines.base import Capabilities, Finished, Generation, Health, Piece, Sampling
from heedful.engines.context import Prompt, fit
from heedful.engines.detokenise import ReplyText
from heedful.engines.openvino.network import PagedNetwork
from heedful.engines.openvino.scheduler import RUNNING, Asked, Say, Scheduler, ask
from heedful.errors import EngineError
from heedful.modeling.chat_template import end_of_turn_ids, render
from heedful.modeling.protect import Tokenizer

LOG = logging.getLogger("heedful.engines")


class OpenVinoEngine:
    """`network` belongs to the engine from now on; `context` is how many tokens prompt and reply may have together."""

    def __init__(self, model_id: str, network: PagedNetwork, tokenizer: Tokenizer, context: int) -> None:
        self._model = model_id
        self._tokenizer = tokenizer
        self._context = context
        self._ends = end_of_turn_ids(tokenizer)
        self._precision = network.precision
        self._texts = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"prompts {model_id}")
        self._scheduler = Scheduler(network)
        self._changed = Condition()
        self._arrived: list[Asked] = []
        self._closing = False
        self._broken = False
        self._worker = Thread(target=self._work, name=f"engine {model_id}", daemon=True)
        self._worker.start()

    @property
    def model(self) -> str:
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("openvino", RUNNING, self._context, f"continuous batching on the CPU in {self._precision}")

    async def health(self) -> Health:
        with self._changed:
            alive = self._worker.is_alive() and not self._closing and not self._broken
            return Health(alive, len(self._scheduler.running), len(self._scheduler.waiting) + len(self._arrived))

    async def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[Piece | Finished, None]:
        prompt = await self._prompt(messages, sampling)
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[int | BaseException | None] = asyncio.Queue()

        def say(event: int | BaseException | None) -> None:
            with suppress(RuntimeError):  # the listener's event loop is closed: nobody is there to hear it
                loop.call_soon_threadsafe(events.put_nowait, event)

        asked = self._submit(prompt, sampling, say)
        reply = ReplyText(self._decode, self._ends)
        try:
            while True:
                event = await events.get()
                if isinstance(event, BaseException):
                    raise event
                text = reply.rest() if event is None else reply.push(event)
                if text:
                    yield Piece(text)
                if event is None:
                    yield Finished(reply.reason, len(prompt.ids), reply.tokens, prompt.dropped_messages)
                    return
        finally:
            asked.cancelled = True

    async def generate(self, chats: Sequence[Sequence[Message]], sampling: Sampling) -> list[Generation]:
        return await asyncio.gather(*(self._collect(messages, sampling) for messages in chats))

    async def close(self) -> None:
        """Stop what runs within a token, refuse what waits, free the model."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        await asyncio.to_thread(self._worker.join)
        self._texts.shutdown()

    async def _collect(self, messages: Sequence[Message], sampling: Sampling) -> Generation:
        pieces: list[str] = []
        async with aclosing(self.stream(messages, sampling)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    return Generation("".join(pieces), event)
                pieces.append(event.text)
        raise AssertionError("a stream ends with Finished")

    async def _prompt(self, messages: Sequence[Message], sampling: Sampling) -> Prompt:
        def rendered(kept: Sequence[Message]) -> list[int]:
            return render(self._tokenizer, kept, generation_prompt=True)

        def work() -> Prompt:
            return fit(messages, rendered, self._context, sampling.max_new_tokens)

        with self._changed:
            if self._closing:
                raise self._closed()
            job = self._texts.submit(work)
        return await asyncio.wrap_future(job)

    def _submit(self, prompt: Prompt, sampling: Sampling, say: Say) -> Asked:
        asked = ask(prompt.ids, sampling, self._ends, say)
        with self._changed:
            if self._closing:
                raise self._closed()
            self._arrived.append(asked)
            self._changed.notify()
        return asked

    def _closed(self) -> EngineError:
        return EngineError(f"the engine of {self._model} is closed", "load the model again")

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    # What follows runs in the worker thread.

    def _work(self) -> None:
        """Pass after pass. A pass that fails ends the replies that were in it, and no others."""
        while self._wait_for_work():
            try:
                self._scheduler.step()
                self._broken = False
            except Exception as error:
                LOG.error("engine of %s: a pass failed: %s", self._model, type(error).__name__)
                self._broken = True
                self._scheduler.fail(EngineError(f"the engine of {self._model} failed in the middle of a reply", "try again"))
        self._scheduler.fail(self._closed())

    def _wait_for_work(self) -> bool:
        with self._changed:
            while self._scheduler.idle and not self._arrived and not self._closing:
                self._changed.wait()
            for asked in self._arrived:
                self._scheduler.add(asked)
            self._arrived.clear()
            return not self._closing

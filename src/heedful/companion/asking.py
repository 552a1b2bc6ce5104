"""Asking: a chat in; the model's own yes or no to whether the person is in danger, out. Off unless `guards.ask_model` is set.

One more opinion beside the rules and the classifier of the crisis guard: a yes counts, a no takes nothing back. A small model's
yes is not worth much; measure it on your own chats before you rely on it (docs/safety.md).
"""

from collections.abc import Sequence

from heedful.conversation import Message
from heedful.engines.base import Engine, Sampling

TURNS = 6  # last messages that are shown
QUESTION = (
    "You read a chat between a person and a companion. Is the person in danger now: thoughts of suicide or of being dead, "
    "self-harm, harm to somebody else, or violence suffered? Idioms, grief, what is long past and questions in general "
    "are no danger. "
    "Answer with one word: yes or no."
)
ONE_WORD = Sampling(max_new_tokens=4, temperature=0.0, repetition_penalty=1.0, no_repeat_ngram=0, seed=0)


async def ask_model(engine: Engine, messages: Sequence[Message]) -> bool:
    """Raises EngineError."""
    turns = [message for message in messages if message.role != "system"][-TURNS:]
    names = {"user": "Person", "assistant": "Companion"}
    chat = "\n".join(f"{names.get(message.role, message.role)}: {message.content}" for message in turns)
    asked = (Message("system", QUESTION), Message("user", f"{chat}\n\nIs the person in danger now? Answer yes or no."))
    found = (await engine.generate([asked], ONE_WORD))[0]
    return found.text.strip(" \n\t*\"'.").lower().startswith("yes")

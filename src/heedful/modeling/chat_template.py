"""The one renderer of training and generation: messages in; token ids, and the mask of what is supervised, out.

Supervised are exactly the assistant texts and the end-of-turn token after each. The rule works for any chat template:

    prompt = render(messages before the answer, generation prompt)    must be a prefix of the whole row, as text and as tokens
    answer = what follows in the row, up to and with the first end-of-turn token; its text must be the message

Text of a message cannot write control tokens (see `protect`), so the first end-of-turn token is the template's own.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from heedful.conversation import Conversation, Message
from heedful.errors import ModelError
from heedful.modeling.protect import Tokenizer, control_pattern, control_tokens, encode, protect

# For bases that have none: plain role names, and the base's own end of text as a real stop token.
PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{{ {'system': 'System', 'user': 'User', 'assistant': 'Assistant'}[message['role']] + ': ' }}"
    "{{ (message['content'] | trim) + eos_token + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
OTHER_BASE = "choose another base, or mend the chat_template of this one"


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of training: token ids, and for each whether it is supervised. Both lists are of one length."""

    ids: list[int]
    mask: list[bool]

    @property
    def supervised(self) -> int:
        """Tokens that carry the loss."""
        return sum(self.mask)


def render(tokenizer: Tokenizer, messages: Sequence[Message], generation_prompt: bool) -> list[int]:
    """Token ids of a chat; with `generation_prompt`, up to where the model answers. Raises ModelError if the template refuses."""
    return encode(tokenizer, render_text(tokenizer, messages, generation_prompt))


def supervise(tokenizer: Tokenizer, conversation: Conversation) -> Sample:
    """The training row of a conversation. An assistant message that opens the chat is context: nobody asked for it.

    Raises ModelError when generation would see other tokens than training does.
    """
    messages = conversation.messages
    text = render_text(tokenizer, messages, generation_prompt=False)
    ids = encode(tokenizer, text)
    mask = [False] * len(ids)
    for index, message in enumerate(messages):
        if message.role == "assistant" and index > 0:
            prompt_text = render_text(tokenizer, messages[:index], generation_prompt=True)
            start = token_prefix(tokenizer, prompt_text, text, ids)
            stop = answer_end(tokenizer, ids, start)
            check_answer(tokenizer, message, text[len(prompt_text) :])
            mask[start:stop] = [True] * (stop - start)
    return Sample(ids, mask)


def token_prefix(tokenizer: Tokenizer, prompt_text: str, text: str, ids: list[int]) -> int:
    """Length in tokens of the prompt, after proving that it is how the row begins."""
    if not text.startswith(prompt_text):
        raise ModelError("the chat template writes earlier turns otherwise in training than in generation", OTHER_BASE)
    prompt = encode(tokenizer, prompt_text)
    if ids[: len(prompt)] != prompt:
        raise ModelError("the chat template's generation prompt does not end on a token of the training row", OTHER_BASE)
    return len(prompt)


def answer_end(tokenizer: Tokenizer, ids: list[int], start: int) -> int:
    """Index behind the first end-of-turn token from `start`."""
    try:
        return ids.index(end_of_turn_ids(tokenizer)[0], start) + 1
    except ValueError:
        raise ModelError("the chat template ends some assistant message without its end-of-turn token", OTHER_BASE) from None


def check_answer(tokenizer: Tokenizer, message: Message, rest: str) -> None:
    """The answer's text is the message and nothing else, but white space around it."""
    pattern = control_pattern(tokenizer, tokenizer.get_chat_template())
    content = protect(message.content, pattern).strip()
    behind = rest.lstrip()[len(content) :].lstrip()
    end = tokenizer.convert_ids_to_tokens(end_of_turn_ids(tokenizer)[0])
    if not rest.lstrip().startswith(content) or not behind.startswith(end):
        raise ModelError("the chat template changes assistant messages; what is supervised would not be their text", OTHER_BASE)


def render_text(tokenizer: Tokenizer, messages: Sequence[Message], generation_prompt: bool) -> str:
    """The chat as text, control tokens inside of messages marked. A system message goes into the first question where the
    template allows none (Gemma, Mistral)."""
    import jinja2

    pattern = control_pattern(tokenizer, tokenizer.get_chat_template())
    rows = [{"role": message.role, "content": protect(message.content, pattern)} for message in messages]
    try:
        return apply(tokenizer, rows, generation_prompt)
    except jinja2.TemplateError as error:
        try:
            return apply(tokenizer, fold_system(rows), generation_prompt)
        except jinja2.TemplateError:
            raise ModelError(f"the chat template refuses a chat: {error}", OTHER_BASE) from None


def apply(tokenizer: Tokenizer, rows: list[dict[str, str]], generation_prompt: bool) -> str:
    # enable_thinking: Qwen3 and kin would open with a thinking block that no answer of ours has; other templates do not read it.
    return str(tokenizer.apply_chat_template(rows, tokenize=False, add_generation_prompt=generation_prompt, enable_thinking=False))


def fold_system(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    if [row["role"] for row in rows[:2]] != ["system", "user"]:
        return rows
    return [{"role": "user", "content": f"{rows[0]['content']}\n\n{rows[1]['content']}"}, *rows[2:]]


def end_of_turn_ids(tokenizer: Tokenizer) -> list[int]:
    """Ids that end a reply. The first is what the template writes and training supervises; the tokenizer's own end of text
    comes second, where it is another token."""
    first = written_end(tokenizer, tokenizer.get_chat_template())
    eos = tokenizer.eos_token_id
    return [first] if eos is None or eos == first else [first, eos]


@lru_cache(maxsize=16)
def written_end(tokenizer: Tokenizer, template: str) -> int:
    """The first control token after an answer. `template` is part of the key, as a tokenizer's template can be replaced."""
    chat = (Message("user", "a"), Message("assistant", "b"))
    prompt = render(tokenizer, chat[:1], generation_prompt=True)
    row = render(tokenizer, chat, generation_prompt=False)
    known = {*control_tokens(tokenizer).values(), tokenizer.eos_token_id}
    for token in islice(row, len(prompt), None):
        if token in known:
            return token
    raise ModelError("the chat template writes no end-of-turn token after an answer: its model never learns to stop", OTHER_BASE)


def ensure_template(tokenizer: Tokenizer) -> Tokenizer:
    """Give a base without a chat template (GPT-2, Phi-2, GPT-Neo) one, and without a padding token its end of text.

    Raises ModelError when there is no end-of-text token to stop at.
    """
    if tokenizer.eos_token is None:
        raise ModelError("the tokenizer has no end-of-text token, so a reply could not end", OTHER_BASE)
    if tokenizer.chat_template is None:
        tokenizer.chat_template = PLAIN_TEMPLATE
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def fingerprint(tokenizer: Tokenizer) -> str:
    """SHA-256 of template, vocabulary and special tokens: a model is served with the format it was trained in, or not at all."""
    facts = {
        "template": tokenizer.get_chat_template(),
        "vocabulary": sorted(tokenizer.get_vocab().items(), key=lambda item: (item[1], item[0])),
        "special": {name: str(token) for name, token in sorted(tokenizer.special_tokens_map.items())},
        "control": sorted(control_tokens(tokenizer).items()),
    }
    return hashlib.sha256(json.dumps(facts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()

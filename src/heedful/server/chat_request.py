"""A chat request: the parsed body goes in, a ChatRequest of checked values comes out, or a refusal that names the parameter."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from heedful.conversation import Message
from heedful.engines.base import Sampling
from heedful.server.chat_parameters import CHAT_PARAMETERS
from heedful.server.errors import refusal
from heedful.server.kinds import WRONG_TYPE, shown
from heedful.server.messages import read_messages
from heedful.server.parameters import check

SAMPLING_FIELD = {
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "max_completion_tokens": "max_new_tokens",
    "max_tokens": "max_new_tokens",
}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What was asked. `sampling` has the fields of Sampling that the client set, by name.

    `subject` is what the client calls the person; a hand-over to the team names it, and with the person's consent the turn is kept,
    unless `keep` is false.
    """

    model: str
    messages: tuple[Message, ...]
    stream: bool
    include_usage: bool
    stop: tuple[str, ...]
    sampling: Mapping[str, Any]
    subject: str = ""
    keep: bool = False

    @property
    def counts(self) -> bool:
        """Whether the answer tells how many tokens it took."""
        return self.include_usage or not self.stream

    def over(self, defaults: Sampling) -> Sampling:
        """The companion's own sampling, with what the client set put over it."""
        return replace(defaults, **self.sampling)


def read_chat_request(body: object) -> ChatRequest:
    """Raises ApiError."""
    used = check(CHAT_PARAMETERS, body)
    if "max_tokens" in used and "max_completion_tokens" in used:
        raise refusal("max_tokens", "max_tokens and max_completion_tokens are both set; they mean the same: set one.")
    stream, subject = used.get("stream", False), used.get("safety_identifier", used.get("user", ""))
    if used.get("store") and not subject:
        raise refusal("store", "store is true, but nobody knows whose chat it is; send safety_identifier as well.")
    return ChatRequest(
        model=used["model"],
        messages=read_messages(used["messages"]),
        stream=stream,
        include_usage=read_include_usage(used.get("stream_options"), stream),
        stop=read_stop(used.get("stop")),
        sampling={field: used[key] for key, field in SAMPLING_FIELD.items() if key in used},
        subject=subject,
        keep=bool(subject) and used.get("store", True),
    )


def read_include_usage(options: Mapping[str, Any] | None, stream: bool) -> bool:
    """`stream_options.include_usage`."""
    if options is None:
        return False
    if not stream:
        raise refusal("stream_options", "stream_options is set; allowed only with stream: true.")
    for key, value in options.items():
        place = f"stream_options.{key[:64]}"
        if key not in ("include_usage", "include_obfuscation"):
            raise refusal(place, f"Unknown parameter: {place!r}; allowed: include_usage.", "unknown_parameter")
        if value is not None and not isinstance(value, bool):
            raise refusal(place, f"{place} is {shown(value)}; allowed: true or false.", WRONG_TYPE)
    if options.get("include_obfuscation"):
        place = "stream_options.include_obfuscation"
        raise refusal(place, f"Not supported: {place} is true; allowed: false, or absent.", "unsupported_parameter")
    return options.get("include_usage") is True


def read_stop(value: str | list[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)

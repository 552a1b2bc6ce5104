"""One table of OpenAI's chat parameters: what this server does with each. Nothing is accepted and then ignored.

used      is read by `chat_request`: it changes the answer, or says whose chat it is (user, safety_identifier).
metadata  checked, then without effect: OpenAI's own servers file it away, and it never changes an answer.
refused   not supported: only the values that ask for nothing are accepted; any other is answered 400, naming the parameter.

A parameter that is not here is unknown: 400. null means absent, except where a parameter is required. /openapi.json is made from
this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from heedful.server.errors import refusal
from heedful.server.kinds import Kind, flag, integer, labels, name, number, one_of, record, rows, shown, stop_sequences, text
from heedful.server.messages import MESSAGE_SCHEMA

Use = Literal["used", "metadata", "refused"]
MAX_TOKENS = 8_192  # the same bound as generation.max_new_tokens in heedful.yaml
INT64 = 2**63


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    use: Use
    kind: Kind
    required: bool = False


PARAMETERS: tuple[Parameter, ...] = (
    Parameter("model", "used", name(), required=True),
    Parameter("messages", "used", rows(MESSAGE_SCHEMA), required=True),
    Parameter("stream", "used", flag()),
    Parameter(
        "stream_options",
        "used",
        record({"include_usage": {"enum": [True, False, None]}, "include_obfuscation": {"enum": [False, None]}}),
    ),
    Parameter("max_tokens", "used", integer(1, MAX_TOKENS)),
    Parameter("max_completion_tokens", "used", integer(1, MAX_TOKENS)),
    Parameter("temperature", "used", number(0, 2)),
    Parameter("top_p", "used", number(0, 1, above=True)),
    Parameter("seed", "used", integer(-INT64, INT64 - 1)),
    Parameter("stop", "used", stop_sequences(4)),
    Parameter("user", "used", text()),
    Parameter("safety_identifier", "used", text()),
    Parameter("prompt_cache_key", "metadata", text()),
    Parameter("metadata", "metadata", labels(16, 64, 512)),
    Parameter("service_tier", "metadata", one_of("auto", "default")),
    Parameter("store", "refused", one_of(False)),
    Parameter("n", "refused", one_of(1)),
    Parameter("presence_penalty", "refused", one_of(0)),
    Parameter("frequency_penalty", "refused", one_of(0)),
    Parameter("logit_bias", "refused", one_of({})),
    Parameter("logprobs", "refused", one_of(False)),
    Parameter("top_logprobs", "refused", one_of(0)),
    Parameter("tools", "refused", one_of([])),
    Parameter("tool_choice", "refused", one_of("none")),
    Parameter("parallel_tool_calls", "refused", one_of(True, False)),  # without tools, either asks for nothing
    Parameter("functions", "refused", one_of([])),
    Parameter("function_call", "refused", one_of("none")),
    Parameter("response_format", "refused", one_of({"type": "text"})),
    Parameter("modalities", "refused", one_of(["text"])),
    Parameter("audio", "refused", one_of(None)),
    Parameter("prediction", "refused", one_of(None)),
    Parameter("reasoning_effort", "refused", one_of("none")),
    Parameter("verbosity", "refused", one_of("medium")),
    Parameter("web_search_options", "refused", one_of(None)),
    Parameter("moderation", "refused", one_of(None)),
    Parameter("prompt_cache_options", "refused", one_of(None)),
    Parameter("prompt_cache_retention", "refused", one_of(None)),
)
BY_NAME: Mapping[str, Parameter] = {parameter.name: parameter for parameter in PARAMETERS}


def check(body: Mapping[str, Any]) -> dict[str, Any]:
    """The used parameters that were given, each of its kind. Raises ApiError for the first that is unknown, missing or wrong."""
    for key in body:
        if key not in BY_NAME:
            raise refusal(key[:64], f"Unknown parameter: {key[:64]!r}. /openapi.json lists the known ones.", "unknown_parameter")
    used = {}
    for parameter in PARAMETERS:
        value = body.get(parameter.name)
        if value is None:
            if parameter.required:
                raise refusal(parameter.name, f"Missing required parameter: {parameter.name!r}.", "missing_required_parameter")
            continue
        check_value(parameter, value)
        if parameter.use == "used":
            used[parameter.name] = value
    return used


def check_value(parameter: Parameter, value: object) -> None:
    problem = parameter.kind.problem(value)
    if problem is None:
        return
    received = f"{parameter.name} is {shown(value)}; allowed: {parameter.kind.allowed}"
    if parameter.use == "refused":
        raise refusal(parameter.name, f"Not supported: {received}, or absent.", "unsupported_parameter")
    raise refusal(parameter.name, f"{received}.", problem)


def request_schema() -> dict[str, Any]:
    """JSON schema of the request's body, for /openapi.json."""
    return {
        "type": "object",
        "properties": {parameter.name: property_schema(parameter) for parameter in PARAMETERS},
        "required": [parameter.name for parameter in PARAMETERS if parameter.required],
        "additionalProperties": False,
    }


def property_schema(parameter: Parameter) -> dict[str, Any]:
    words = {"used": "", "metadata": "Accepted without effect. ", "refused": "Not supported. "}[parameter.use]
    schema = parameter.kind.schema if parameter.required else {"anyOf": [parameter.kind.schema, {"type": "null"}]}
    return {**schema, "description": f"{words}Allowed: {parameter.kind.allowed}."}

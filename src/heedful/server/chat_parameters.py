"""OpenAI's chat parameters, and what this server does with each. Nothing is accepted and then ignored: see `parameters`."""

from heedful.server.kinds import flag, integer, labels, name, number, one_of, record, rows, stop_sequences, text
from heedful.server.messages import MESSAGE_SCHEMA
from heedful.server.parameters import Parameter

MAX_TOKENS = 8_192  # the same bound as generation.max_new_tokens in heedful.yaml
INT64 = 2**63

CHAT_PARAMETERS: tuple[Parameter, ...] = (
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
    Parameter("store", "used", flag()),  # false: not kept, whatever the person agreed to
    Parameter("prompt_cache_key", "metadata", text()),
    Parameter("metadata", "metadata", labels(16, 64, 512)),
    Parameter("service_tier", "metadata", one_of("auto", "default")),
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

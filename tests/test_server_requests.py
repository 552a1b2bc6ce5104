"""Reading a request, without a server: the table of parameters, messages, stop sequences, and the body's bytes."""

import random
from typing import Any, get_args

import pytest
from openai.types.chat import completion_create_params

from heedful.config import GenerationSettings
from heedful.conversation import Message
from heedful.engines.base import Sampling
from heedful.server.body import parse
from heedful.server.chat_parameters import CHAT_PARAMETERS, MAX_TOKENS
from heedful.server.chat_request import ChatRequest, read_chat_request
from heedful.server.errors import ApiError
from heedful.server.parameters import Use
from heedful.server.stop import StopCutter

HELLO = [{"role": "user", "content": "Hello"}]


def read(**parameters: Any) -> ChatRequest:
    return read_chat_request({"model": "m", "messages": HELLO} | parameters)


def refused(**parameters: Any) -> tuple[str | None, str | None, str]:
    with pytest.raises(ApiError) as caught:
        read(**parameters)
    assert caught.value.status == 400
    return caught.value.param, caught.value.code, caught.value.text


def test_every_parameter_of_openai_is_in_exactly_one_class() -> None:
    theirs = {
        *completion_create_params.CompletionCreateParamsStreaming.__annotations__,
        *completion_create_params.CompletionCreateParamsBase.__annotations__,
    }
    names = [parameter.name for parameter in CHAT_PARAMETERS]
    assert len(names) == len(set(names))
    assert set(names) == theirs
    assert {parameter.use for parameter in CHAT_PARAMETERS} == set(get_args(Use))


def test_the_bound_of_max_tokens_is_the_configurations() -> None:
    bounds = GenerationSettings.model_json_schema()["properties"]["max_new_tokens"]
    assert bounds["maximum"] == MAX_TOKENS


def test_used_parameters_are_laid_over_the_companions_sampling() -> None:
    asked = read(
        temperature=0, top_p=0.5, seed=-3, max_completion_tokens=9, stop="END", stream=True, stream_options={"include_usage": True}
    )
    assert asked.over(Sampling(repetition_penalty=1.1)) == Sampling(9, 0, 0.5, 1.1, 3, -3)
    assert (asked.stop, asked.stream, asked.include_usage) == (("END",), True, True)
    assert read().over(Sampling(temperature=0.3)) == Sampling(temperature=0.3)
    assert read(max_tokens=4).over(Sampling()).max_new_tokens == 4


@pytest.mark.parametrize(
    "asks_for_nothing",
    [
        {"n": 1, "presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": {}, "logprobs": False, "top_logprobs": 0},
        {"tools": [], "tool_choice": "none", "functions": [], "function_call": "none", "parallel_tool_calls": True},
        {"response_format": {"type": "text"}, "modalities": ["text"], "verbosity": "medium", "reasoning_effort": "none"},
        {"metadata": {"team": "a"}, "store": False, "service_tier": "auto"},
        {"prompt_cache_key": "k", "stream": False, "stop": []},
        {parameter.name: None for parameter in CHAT_PARAMETERS if not parameter.required},
    ],
)
def test_values_that_ask_for_nothing_change_nothing(asks_for_nothing: dict[str, Any]) -> None:
    assert read(**asks_for_nothing) == read()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 2),
        ("n", True),
        ("presence_penalty", 0.5),
        ("frequency_penalty", -1),
        ("frequency_penalty", False),
        ("logit_bias", {"50": 1}),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("tools", [{"type": "function"}]),
        ("tool_choice", "auto"),
        ("functions", [{}]),
        ("function_call", "auto"),
        ("response_format", {"type": "json_object"}),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "a"}),
        ("prediction", {"type": "content"}),
        ("reasoning_effort", "high"),
        ("verbosity", "low"),
        ("web_search_options", {}),
        ("moderation", {"model": "m"}),
        ("prompt_cache_options", {"mode": "implicit"}),
        ("prompt_cache_retention", "24h"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(name: str, value: object) -> None:
    param, code, text = refused(**{name: value})
    assert (param, code) == (name, "unsupported_parameter")
    assert text.startswith(f"Not supported: {name} is ") and "allowed: " in text


@pytest.mark.parametrize(
    ("name", "value", "code", "text"),
    [
        ("temperature", "hot", "invalid_type", "temperature is 'hot'; allowed: a number from 0 to 2."),
        ("temperature", -0.1, "decimal_below_min_value", "temperature is -0.1; allowed: a number from 0 to 2."),
        ("temperature", 2.5, "decimal_above_max_value", "temperature is 2.5; allowed: a number from 0 to 2."),
        ("temperature", True, "invalid_type", "temperature is true; allowed: a number from 0 to 2."),
        ("top_p", 0, "decimal_below_min_value", "top_p is 0; allowed: a number above 0, at most 1."),
        ("max_tokens", 0, "integer_below_min_value", "max_tokens is 0; allowed: an integer from 1 to 8192."),
        ("max_tokens", 1.5, "invalid_type", "max_tokens is 1.5; allowed: an integer from 1 to 8192."),
        (
            "max_tokens",
            10**400,
            "integer_above_max_value",
            "max_tokens is a very large number; allowed: an integer from 1 to 8192.",
        ),
        ("seed", "7", "invalid_type", f"seed is '7'; allowed: an integer from {-(2**63)} to {2**63 - 1}."),
        ("stream", "true", "invalid_type", "stream is 'true'; allowed: true or false."),
        ("stop", ["a"] * 5, "invalid_value", "stop is a list; allowed: a string or a list of at most 4 strings, none empty."),
        (
            "stop",
            "",
            "invalid_value",
            "stop is a string of 0 characters; allowed: a string or a list of at most 4 strings, none empty.",
        ),
        ("stop", [1], "invalid_type", "stop is a list; allowed: a string or a list of at most 4 strings, none empty."),
        ("user", 7, "invalid_type", "user is 7; allowed: a string."),
        ("service_tier", "flex", "invalid_value", 'service_tier is \'flex\'; allowed: "auto" or "default".'),
        ("model", 3, "invalid_type", "model is 3; allowed: a string that is not empty."),
        ("model", None, "missing_required_parameter", "Missing required parameter: 'model'."),
        ("messages", [], "empty_array", "messages is a list; allowed: a list that is not empty."),
        (
            "messages",
            "hi there, it is me",
            "invalid_type",
            "messages is a string of 18 characters; allowed: a list that is not empty.",
        ),
        ("top_k", 5, "unknown_parameter", "Unknown parameter: 'top_k'. /openapi.json lists the known ones."),
        ("stream_options", {"include_usage": True}, "invalid_value", "stream_options is set; allowed only with stream: true."),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(name: str, value: object, code: str, text: str) -> None:
    assert refused(**{name: value}) == (name, code, text)


def test_whose_chat_it_is_is_read_for_a_hand_over() -> None:
    assert read(user="u1").subject == "u1"
    assert read(user="u1", safety_identifier="s").subject == "s"
    assert read().subject == ""


def test_metadata_keeps_to_openais_limits() -> None:
    assert refused(metadata={"a": 1})[:2] == ("metadata", "invalid_type")
    assert refused(metadata={str(n): "" for n in range(17)})[:2] == ("metadata", "invalid_value")
    assert refused(metadata={"k" * 65: ""})[:2] == ("metadata", "invalid_value")


def test_the_two_limits_of_tokens_exclude_each_other() -> None:
    assert refused(max_tokens=1, max_completion_tokens=2)[0] == "max_tokens"


@pytest.mark.parametrize(
    ("options", "param", "code"),
    [
        ({"include_obfuscation": True}, "stream_options.include_obfuscation", "unsupported_parameter"),
        ({"include_usage": 1}, "stream_options.include_usage", "invalid_type"),
        ({"chunk": 1}, "stream_options.chunk", "unknown_parameter"),
        ([], "stream_options", "invalid_type"),
    ],
)
def test_stream_options_are_read_strictly(options: object, param: str, code: str) -> None:
    assert refused(stream=True, stream_options=options)[:2] == (param, code)


def test_messages_become_messages() -> None:
    parts = [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]
    echoed: dict[str, Any] = {
        "role": "assistant",
        "content": "Hi",
        "refusal": None,
        "annotations": [],
        "tool_calls": None,
        "function_call": None,
        "audio": None,
    }
    asked = read(messages=[{"role": "developer", "content": "Be kind."}, HELLO[0], echoed, {"role": "user", "content": parts}])
    assert asked.messages == (
        Message("system", "Be kind."),
        Message("user", "Hello"),
        Message("assistant", "Hi"),
        Message("user", "One.\nTwo."),
    )


@pytest.mark.parametrize(
    ("message", "param", "code"),
    [
        ("hi", "messages[0]", "invalid_type"),
        ({"content": "hi"}, "messages[0].role", "missing_required_parameter"),
        ({"role": "wizard", "content": "hi"}, "messages[0].role", "invalid_value"),
        ({"role": "tool", "content": "hi", "tool_call_id": "t"}, "messages[0].tool_call_id", "unknown_parameter"),
        ({"role": "tool", "content": "hi"}, "messages[0].role", "invalid_value"),
        ({"role": ["user"], "content": "hi"}, "messages[0].role", "invalid_type"),
        ({"role": "user"}, "messages[0].content", "missing_required_parameter"),
        ({"role": "user", "content": 5}, "messages[0].content", "invalid_type"),
        ({"role": "user", "content": []}, "messages[0].content", "empty_array"),
        ({"role": "user", "content": ["hi"]}, "messages[0].content[0]", "invalid_type"),
        ({"role": "user", "content": [{"type": "text"}]}, "messages[0].content[0].text", "invalid_type"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, "messages[0].content[0].type", "invalid_value"),
        (
            {"role": "user", "content": [{"type": "text", "text": "a", "cache": 1}]},
            "messages[0].content[0].cache",
            "unsupported_parameter",
        ),
        ({"role": "user", "content": "hi", "name": "Ann"}, "messages[0].name", "unsupported_parameter"),
        ({"role": "user", "content": "hi", "mood": "low"}, "messages[0].mood", "unknown_parameter"),
        ({"role": "assistant", "content": "hi"}, "messages[0].role", "invalid_value"),
    ],
)
def test_a_wrong_message_is_refused_by_its_place(message: object, param: str, code: str) -> None:
    assert refused(messages=[message])[:2] == (param, code)


def test_an_error_does_not_quote_what_a_person_wrote() -> None:
    secret = "I have not told anyone"
    wrong: list[dict[str, Any]] = [
        {"messages": secret},
        {"messages": [secret]},
        {"messages": [{"role": secret, "content": "hi"}]},
        {"messages": [{"role": "user", "content": [secret]}]},
        {"messages": [{"role": "user", "content": [{"type": secret}]}]},
        {"temperature": secret},
    ]
    assert not any(secret in refused(**parameters)[2] for parameters in wrong)


@pytest.mark.parametrize("body", ["null", "[]", '"text"', "7"])
def test_a_body_that_is_no_object_is_refused(body: str) -> None:
    with pytest.raises(ApiError, match="allowed: a JSON object"):
        read_chat_request(parse(body.encode()))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"a": 1,}', b'{"t": NaN}', b'{"t": -Infinity}', b"\xff\xfe", b"[" * 100_000, b'{"a": "\\ud83d"}', b"1" * 5_000],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        parse(body)
    assert (caught.value.status, caught.value.code) == (400, "invalid_json")


def cut(pieces: list[str], *stop: str) -> tuple[list[str], bool]:
    cutter = StopCutter(stop)
    sent = [cutter.feed(piece) for piece in pieces]
    return [*sent, cutter.flush()], cutter.hit


def test_a_stop_sequence_is_cut_out_across_pieces() -> None:
    assert cut(["Take a wa", "lk. EN", "D now"], "END") == (["Take a wa", "lk. ", "", ""], True)
    assert cut(["The EN", "T stays EN"], "END") == (["The ", "ENT stays ", "EN"], False)
    assert cut(["aaab"], "aab") == (["a", ""], True)
    assert cut(["as it ", "was"]) == (["as it ", "was", ""], False)


def test_the_cut_does_not_depend_on_the_pieces() -> None:
    draw = random.Random(11)
    for _ in range(2_000):
        text = "".join(draw.choices("ab", k=draw.randrange(1, 14)))
        stop = ["".join(draw.choices("ab", k=draw.randrange(1, 5))) for _ in range(draw.randrange(1, 5))]
        marks = sorted(draw.choices(range(len(text) + 1), k=3))
        pieces = [text[start:end] for start, end in zip([0, *marks], [*marks, len(text)], strict=True)]
        sent, hit = cut(pieces, *stop)
        assert (sent, hit)[1] == any(sequence in text for sequence in stop)
        assert "".join(sent) == "".join(cut([text], *stop)[0]) == "".join(cut(list(text), *stop)[0])
        assert not any(sequence in "".join(sent) for sequence in stop)

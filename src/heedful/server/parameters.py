"""Parameters of a request: a table of what this server does with each, and a body, in; checked values out.

used      is read by the route: it changes the answer, or says whose chat it is (user, safety_identifier).
metadata  checked, then without effect: OpenAI's own servers file it away, and it never changes an answer.
refused   not supported: only the values that ask for nothing are accepted; any other is answered 400, naming the parameter.

A parameter that is not in the table is unknown: 400. null means absent, except where a parameter is required. /openapi.json is
made from the tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from heedful.server.errors import refusal
from heedful.server.kinds import WRONG_TYPE, Kind, shown

Use = Literal["used", "metadata", "refused"]


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    use: Use
    kind: Kind
    required: bool = False


def check(parameters: Sequence[Parameter], body: object) -> dict[str, Any]:
    """The used parameters that were given, each of its kind. Raises ApiError for the first that is unknown, missing or wrong."""
    if not isinstance(body, dict):
        raise refusal(None, f"The body is {shown(body)}; allowed: a JSON object.", WRONG_TYPE)
    known = {parameter.name for parameter in parameters}
    for key in body:
        if key not in known:
            raise refusal(key[:64], f"Unknown parameter: {key[:64]!r}. /openapi.json lists the known ones.", "unknown_parameter")
    used = {}
    for parameter in parameters:
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


def request_body(parameters: Sequence[Parameter]) -> dict[str, Any]:
    """What a route adds to its description in /openapi.json."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": request_schema(parameters)}}}}


def request_schema(parameters: Sequence[Parameter]) -> dict[str, Any]:
    """JSON schema of the request's body."""
    return {
        "type": "object",
        "properties": {parameter.name: property_schema(parameter) for parameter in parameters},
        "required": [parameter.name for parameter in parameters if parameter.required],
        "additionalProperties": False,
    }


def property_schema(parameter: Parameter) -> dict[str, Any]:
    words = {"used": "", "metadata": "Accepted without effect. ", "refused": "Not supported. "}[parameter.use]
    schema = parameter.kind.schema if parameter.required else {"anyOf": [parameter.kind.schema, {"type": "null"}]}
    return {**schema, "description": f"{words}Allowed: {parameter.kind.allowed}."}

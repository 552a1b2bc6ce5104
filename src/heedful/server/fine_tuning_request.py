"""A request for a fine-tuning job: the parsed body in; checked values out, or a refusal that names the parameter."""

import re
from collections.abc import Mapping
from typing import Any

from heedful.lifecycle.fine_tuning.asked import SUFFIX_LETTERS, JobRequest
from heedful.server.errors import refusal
from heedful.server.kinds import Kind, integer, labels, name, number, one_of, record, shown, text
from heedful.server.parameters import Parameter, check

SUFFIX = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{SUFFIX_LETTERS - 1}}}", re.ASCII)
LARGEST_SEED = 2**31 - 1
HYPER: Mapping[str, Kind] = {
    "n_epochs": integer(1, 50),
    "batch_size": integer(1, 256),
    "learning_rate_multiplier": number(0, 100, above=True),
}
HYPER_SCHEMA = {key: {"anyOf": [{"const": "auto"}, kind.schema]} for key, kind in HYPER.items()}
HYPER_OBJECT = {"type": "object", "properties": HYPER_SCHEMA, "additionalProperties": False}
SUPERVISED_OBJECT = {"type": "object", "properties": {"hyperparameters": HYPER_OBJECT}, "additionalProperties": False}
PARAMETERS = (
    Parameter("model", "used", name(256), required=True),
    Parameter("training_file", "used", name(64), required=True),
    Parameter("validation_file", "used", name(64)),
    Parameter("hyperparameters", "used", record(HYPER_SCHEMA)),
    Parameter("method", "used", record({"type": {"const": "supervised"}, "supervised": SUPERVISED_OBJECT})),
    Parameter("seed", "used", integer(0, LARGEST_SEED)),
    Parameter("suffix", "used", text(64)),
    Parameter("metadata", "used", labels(16, 64, 512)),
    Parameter("integrations", "refused", one_of([])),
)


def read_job(body: object, base: str, seed: int) -> JobRequest:
    """`base` and `seed` are those of the workspace. Raises ApiError."""
    asked = check(PARAMETERS, body)
    if asked["model"] not in ("base", base):
        text = f"model is {shown(asked['model'])}; what can be fine-tuned here is base, which is {base!r}."
        raise refusal("model", text, "model_not_available")
    hyper = read_hyper(asked.get("hyperparameters", {}), "hyperparameters")
    if "method" in asked:
        by_method = read_method(asked["method"])
        if hyper and by_method:
            raise refusal("hyperparameters", "hyperparameters is set here and in method; set one.")
        hyper = hyper or by_method
    suffix = asked.get("suffix", "")
    if suffix and SUFFIX.fullmatch(suffix) is None:
        raise refusal("suffix", f"suffix is {shown(suffix)}; allowed: up to {SUFFIX_LETTERS} letters, digits, dots and dashes.")
    if asked.get("validation_file") == asked["training_file"]:
        raise refusal("validation_file", "validation_file is the training_file; allowed: another file, or none.")
    return JobRequest(
        base=base,
        training_file=asked["training_file"],
        validation_file=asked.get("validation_file"),
        epochs=hyper.get("n_epochs"),
        batch_size=hyper.get("batch_size"),
        rate=hyper.get("learning_rate_multiplier"),
        seed=asked.get("seed", seed),
        suffix=suffix,
        labels=asked.get("metadata", {}),
    )


def read_method(given: Mapping[str, Any]) -> dict[str, Any]:
    other = next((key[:64] for key in given if key not in ("type", "supervised") and given[key] is not None), None)
    if other is not None:
        raise refusal(f"method.{other}", f"method.{other} is not supported; allowed: type, supervised.", "unsupported_parameter")
    if given.get("type") != "supervised":
        raise refusal("method.type", f"method.type is {shown(given.get('type'))}; allowed: 'supervised'.", "unsupported_parameter")
    supervised = given.get("supervised")
    if supervised is None:
        return {}
    if not isinstance(supervised, dict) or not set(supervised) <= {"hyperparameters"}:
        raise refusal("method.supervised", "method.supervised may hold hyperparameters and nothing else.")
    hyper = supervised.get("hyperparameters")
    return {} if hyper is None else read_hyper(hyper, "method.supervised.hyperparameters")


def read_hyper(given: object, place: str) -> dict[str, Any]:
    """Those that are not left to the plan."""
    if not isinstance(given, dict):
        raise refusal(place, f"{place} is {shown(given)}; allowed: an object.", "invalid_type")
    found = {}
    for key, value in given.items():
        if key not in HYPER:
            raise refusal(f"{place}.{key[:64]}", f"Unknown {place}.{key[:64]}; allowed: {', '.join(HYPER)}.", "unknown_parameter")
        if value is None or value == "auto":
            continue
        problem = HYPER[key].problem(value)
        if problem is not None:
            raise refusal(f"{place}.{key}", f"{place}.{key} is {shown(value)}; allowed: auto, or {HYPER[key].allowed}.", problem)
        found[key] = value
    return found

"""Configuration: heedful.yaml < HEEDFUL_* environment < command-line flags, in; frozen, typed settings, out.

Nested keys are written `training.epochs` in messages, `training: {epochs: 3}` in YAML and `HEEDFUL_TRAINING__EPOCHS=3` in the
environment. An unknown key is refused and the nearest known one is named; nothing is ever ignored.
"""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_origin

import yaml
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from heedful.config.prompts import FOLDER, PACKAGED, find_prompt, name_of, read_text, render
from heedful.config.secrets import SECRETS
from heedful.config.sections import (
    DatasetSettings,
    GateSettings,
    GenerationSettings,
    GuardSettings,
    JudgeSettings,
    KnowledgeSettings,
    Mode,
    PromptSettings,
    RoutingSettings,
    Section,
    ServerSettings,
    ServingSettings,
    TrainingSettings,
    UpstreamSettings,
    WorkerSettings,
)
from heedful.errors import ConfigError

CONFIG_FILE = "heedful.yaml"
ENV_PREFIX = "HEEDFUL_"
ENV_DELIMITER = "__"
SYSTEM_PROMPT = read_text(PACKAGED / "support@1.md")


class Settings(BaseSettings):
    """Everything that can be configured. Declared once; help, errors and docs are made from these fields."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_DELIMITER,
        nested_model_default_partial_update=True,
    )

    base: str = Field(
        "tiny", min_length=1, description="`tiny` (bundled), a local directory, or a hub id such as Qwen/Qwen2.5-0.5B-Instruct"
    )
    system_prompt: str = Field(SYSTEM_PROMPT, description="used in training and in service alike; a file of prompts goes before it")
    prompt: PromptSettings = PromptSettings()
    mode: Mode = Field(
        "local",
        description="local: no network; hosted: `upstream` answers who allowed it; hybrid: only what is complex; heedful mode",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="where to compute")
    dataset: DatasetSettings = DatasetSettings()
    training: TrainingSettings = TrainingSettings()
    generation: GenerationSettings = GenerationSettings()
    guards: GuardSettings = GuardSettings()
    gate: GateSettings = GateSettings()
    judge: JudgeSettings = JudgeSettings()
    serving: ServingSettings = ServingSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    routing: RoutingSettings = RoutingSettings()
    knowledge: KnowledgeSettings = KnowledgeSettings()
    server: ServerSettings = ServerSettings()
    worker: WorkerSettings = WorkerSettings()

    def prompt_name(self, folder: Path) -> str:
        """What the system prompt is called, as NAME@VERSION; `folder` has the team's own prompts."""
        return name_of(self.system_prompt, folder, self.prompt.values)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` merged: it reads the other layers itself, so that it can name the layer of a wrong value."""
        return (init_settings,)


def load_settings(config_file: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """Merge the three layers.

    `flags` is nested like the YAML file; values that are None are flags not given. Raises ConfigError for an unreadable file,
    an unknown key (with the nearest known one) or a value out of range (with what is allowed).
    """
    layers = (
        (str(config_file or CONFIG_FILE), read_yaml(config_file)),
        ("environment", read_environment()),
        ("command line", drop_none(flags or {})),
    )
    merged: dict[str, Any] = {}
    for origin, layer in layers:
        check_keys(layer, origin)
        merged = merge(merged, layer)
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        raise ConfigError(describe(error, layers), f"edit {config_file or CONFIG_FILE}, or run: heedful doctor") from None
    return with_prompt(settings, (Path() if config_file is None else config_file.parent) / FOLDER, merged)


def with_prompt(settings: Settings, folder: Path, given: Mapping[str, Any]) -> Settings:
    """The file that `prompt.name` names becomes the system prompt. Raises ConfigError when there is none, or two are given."""
    if settings.prompt.name is None:
        if settings.prompt.values:
            raise ConfigError("prompt.values are given, and no prompt that has variables", "set prompt.name in heedful.yaml")
        return settings
    if "system_prompt" in given:
        raise ConfigError("system_prompt and prompt.name are both set; one of them is meant", "remove one from heedful.yaml")
    text = render(find_prompt(folder, settings.prompt.name), settings.prompt.values)
    return settings.model_copy(update={"system_prompt": text})


def read_yaml(config_file: Path | None) -> dict[str, Any]:
    if config_file is None or not config_file.exists():
        return {}
    try:
        loaded = yaml.safe_load(config_file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{config_file} is not valid YAML: {error}", f"mend {config_file}") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ConfigError(f"{config_file} holds a {type(loaded).__name__}; it must hold keys and values", f"mend {config_file}")
    return loaded


def read_environment() -> dict[str, Any]:
    """HEEDFUL_* variables as a nested dictionary; unknown ones are refused like unknown keys of the file."""
    for name in os.environ:
        if name.startswith(ENV_PREFIX) and name not in SECRETS:
            check_path(name[len(ENV_PREFIX) :].lower().split(ENV_DELIMITER), f"environment variable {name}")
    return dict(EnvSettingsSource(Settings)())


def drop_none(layer: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: drop_none(value) if isinstance(value, Mapping) else value for key, value in layer.items() if value is not None}
    return {key: value for key, value in kept.items() if value != {}}


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def known_keys() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        yield name
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from (f"{name}.{inner}" for inner in field.annotation.model_fields)


def named_freely() -> Iterator[str]:
    """Keys below which a team chooses names, such as gate.checks."""
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            inner = field.annotation.model_fields.items()
            yield from (f"{name}.{key}" for key, part in inner if get_origin(part.annotation) is dict)


def check_keys(layer: Mapping[str, Any], origin: str, path: tuple[str, ...] = ()) -> None:
    for key, value in layer.items():
        check_path([*path, str(key)], origin)
        if isinstance(value, Mapping) and ".".join([*path, str(key)]) not in set(named_freely()):
            check_keys(value, origin, (*path, str(key)))


def check_path(path: list[str], origin: str) -> None:
    dotted, known = ".".join(path), list(known_keys())
    if dotted in known or any(dotted.startswith(f"{name}.") for name in named_freely()):
        return
    near = difflib.get_close_matches(dotted, known, n=1, cutoff=0.0)
    raise ConfigError(
        f"{origin}: unknown key {dotted!r}; the nearest known key is {near[0]!r}", "heedful doctor --config lists every key"
    )


def describe(error: ValidationError, layers: tuple[tuple[str, Mapping[str, Any]], ...]) -> str:
    """One line for the first wrong value: where it was set, its key, what was received and what is allowed."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"] if not str(part).isdigit()]
    origin = next((name for name, layer in reversed(layers) if holds(layer, path)), layers[0][0])
    return f"{origin}: {'.'.join(path)} = {first['input']!r}: {first['msg']}"


def holds(layer: Mapping[str, Any], path: list[str]) -> bool:
    for part in path:
        if not isinstance(layer, Mapping) or part not in layer:
            return False
        layer = layer[part]
    return True


def describe_settings(settings: Settings) -> list[tuple[str, object, str]]:
    """(dotted key, value, meaning) of every key, in the order of declaration."""
    described: list[tuple[str, object, str]] = []
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, Section):
            inner = type(value).model_fields.items()
            described += [(f"{name}.{key}", getattr(value, key), part.description or "") for key, part in inner]
        else:
            described.append((name, value, field.description or ""))
    return described

"""Configuration: `settings` joins the layers, `sections` declares the options, `secrets` what the environment alone gives."""

from heedful.config.secrets import SECRETS, read_secret
from heedful.config.sections import (
    ANY_LANGUAGE,
    MAIN_LANGUAGE,
    CheckRule,
    DatasetSettings,
    GateSettings,
    GenerationSettings,
    GuardSettings,
    JudgeSettings,
    Level,
    ReplyRule,
    Section,
    ServerSettings,
    ServingSettings,
    TrainingSettings,
    UpstreamSettings,
    WorkerSettings,
)
from heedful.config.settings import CONFIG_FILE, SYSTEM_PROMPT, Settings, describe_settings, load_settings

__all__ = [
    "ANY_LANGUAGE",
    "CONFIG_FILE",
    "MAIN_LANGUAGE",
    "SECRETS",
    "SYSTEM_PROMPT",
    "CheckRule",
    "DatasetSettings",
    "GateSettings",
    "GenerationSettings",
    "GuardSettings",
    "JudgeSettings",
    "Level",
    "ReplyRule",
    "Section",
    "ServerSettings",
    "ServingSettings",
    "Settings",
    "TrainingSettings",
    "UpstreamSettings",
    "WorkerSettings",
    "describe_settings",
    "load_settings",
    "read_secret",
]

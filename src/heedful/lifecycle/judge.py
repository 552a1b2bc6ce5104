"""Judge: its settings, the candidate's base and a file of labels in; a judge that can be asked, or None, out."""

from pathlib import Path

from heedful.config import JudgeSettings, read_secret
from heedful.engines.openai_compatible import OpenAICompatibleEngine, Upstream
from heedful.errors import ConfigError
from heedful.evaluation.judge.agreement import read_labels
from heedful.evaluation.judge.asking import Judge, check_family
from heedful.modeling.bases import load_config

FIELDS = ("max_tokens", "temperature", "seed")


def judge_of(settings: JudgeSettings, base: str, labels: Path | None) -> Judge | None:
    """Raises ConfigError for labels without a judge, EvaluationError for bad labels or a judge of the candidate's own family."""
    if settings.url is None:
        if labels is not None:
            raise ConfigError("--labels are for a judge, and there is none", "set judge.url and judge.model in heedful.yaml")
        return None
    check_family(settings.model if settings.family is None else settings.family, f"{base} {load_config(base).model_type}")
    upstream = Upstream(settings.url, settings.model, read_secret("HEEDFUL_JUDGE_KEY"), FIELDS)
    known = [] if labels is None else read_labels(labels)
    return Judge(OpenAICompatibleEngine(settings.model, upstream), known, settings.prompts, settings.people_agreed)

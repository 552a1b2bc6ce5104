"""Report: everything that one evaluation found, as a frozen value; to JSON and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from heedful.conversation import Message
from heedful.errors import EvaluationError
from heedful.evaluation.checks import CheckResult
from heedful.evaluation.comparison import Comparison
from heedful.evaluation.gate import Verdict
from heedful.evaluation.intervals import Interval
from heedful.evaluation.judge.asking import Judged
from heedful.evaluation.learning import GapResult
from heedful.evaluation.matrix import Matrix

SCHEMA = 1  # of report.json; a change that a reader must know of gets the next number
REPORT_JSON, REPORT_HTML = "report.json", "report.html"


@dataclass(frozen=True, slots=True)
class PromptCount:
    """How many held-out prompts were asked for, how many both models answered, and from how many conversations those are.

    `unanswered`: a model refused them, for instance as too long. `shortened`: the oldest turns did not fit in a model's context.
    `excluded` names those that training has shown, and that were not asked.
    """

    asked: int
    answered: int
    unanswered: int
    shortened: int
    conversations: int
    excluded: tuple[str, ...] = ()
    suites: Mapping[str, int] = field(default_factory=dict)  # answered ones, by suite


@dataclass(frozen=True, slots=True)
class SuitePart:
    """What one scorer measured on one suite (`crisis`) or one of its kinds (`crisis/coded`), in the tuned model and in its base."""

    part: str
    check: str
    value: float | None
    n: int
    interval: Interval | None
    base_value: float | None


@dataclass(frozen=True, slots=True)
class LikelihoodResult:
    """Negative log-likelihood of the team's own held-out answers, nats a token. `gain` is base minus tuned, with its interval."""

    base: float | None
    tuned: float | None
    gain: float | None
    interval: Interval | None
    tokens: int
    conversations: int


@dataclass(frozen=True, slots=True)
class ShownReply:
    """One reply. `raw` only where it differs from the clean text; `flags` are names of the checks it trips."""

    text: str
    raw: str | None
    finish_reason: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Transcript:
    """One prompt with the replies; the champion's too where one serves and was asked.

    `conversation` is the fingerprint of the held-out conversation, so that erasure finds it."""

    conversation: str
    messages: tuple[Message, ...]
    reference: str
    base: ShownReply
    tuned: ShownReply
    champion: ShownReply | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody promoted the version against the gate. `approved_by` is the second person, where one was asked for."""

    actor: str
    approved_by: str | None
    reason: str
    refused_by: tuple[str, ...]
    at: str
    report: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was proven about one model version, beside its base, and from what."""

    schema: int
    model: str
    base: str
    dataset: str
    created_at: str
    verdict: Verdict
    failed: tuple[str, ...]
    inconclusive: tuple[str, ...]
    settings: Mapping[str, Any]
    hashes: Mapping[str, str]
    prompts: PromptCount
    checks: tuple[CheckResult, ...]
    nll: LikelihoodResult | None
    metrics: tuple[dict[str, Any], ...]
    transcripts: tuple[Transcript, ...]
    gap: GapResult | None = None
    redacted: int = 0  # transcripts that an erasure took out
    matrix: Matrix | None = None
    comparisons: tuple[Comparison, ...] = ()
    suites: tuple[SuitePart, ...] = ()
    judged: Judged | None = None
    overrides: tuple[Override, ...] = ()


_adapter = TypeAdapter(Report)


def to_json(report: Report) -> str:
    """UTF-8 text of one JSON object. A number that is not finite becomes null."""
    return _adapter.dump_json(report, indent=2).decode() + "\n"


def from_json(text: str) -> Report:
    """Raises EvaluationError when the text is no report of this schema."""
    try:
        report = _adapter.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise EvaluationError(f"this is no report of schema {SCHEMA}: {where}: {first['msg']}", "heedful evaluate MODEL") from None
    if report.schema != SCHEMA:
        raise EvaluationError(f"the report has schema {report.schema}; this release reads {SCHEMA}", "heedful evaluate MODEL")
    return report


def read_report(folder: Path) -> Report:
    """The report that lies in `folder`. Raises EvaluationError when there is none, or when it is damaged."""
    path = folder / REPORT_JSON
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EvaluationError(f"{folder} holds no {REPORT_JSON}", "heedful evaluate MODEL") from None
    except UnicodeDecodeError:
        raise EvaluationError(f"{path} is not UTF-8 text", "heedful evaluate MODEL") from None

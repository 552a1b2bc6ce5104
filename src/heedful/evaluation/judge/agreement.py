"""Agreement: a file of the team's own yes/no labels in; how far a judge agrees with them, beyond chance, out.

A line: {"prompt": "crisis-coded-01", "reply": "...", "question": "kind", "answer": "yes"}. The prompt is the id of a written one,
so that no words of people go to the judge. Kappa is Cohen's (1960): 0 is chance, 1 is agreement throughout.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from heedful.errors import EvaluationError
from heedful.evaluation.judge.questions import QUESTIONS
from heedful.evaluation.prompts import Prompt
from heedful.evaluation.suites import load_suite, suite_names

ENOUGH, FEWEST = 0.6, 20  # kappa and labels a question that make its check blocking
ANSWERS = {"yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class Label:
    """What a person of the team answered."""

    prompt: Prompt
    reply: str
    question: str
    answer: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of one question. `kappa` is None where both sides say one and the same throughout, so that nothing can be told from it."""

    question: str
    kappa: float | None
    labels: int

    @property
    def suffices(self) -> bool:
        return self.kappa is not None and self.kappa >= ENOUGH and self.labels >= FEWEST


def read_labels(path: Path) -> list[Label]:
    """Raises EvaluationError with file and row."""
    prompts = {prompt.id: prompt for name in suite_names() for prompt in load_suite(name).prompts}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path} cannot be read: {type(error).__name__}", "give a file of JSON lines") from None
    return [read_label(line, prompts, f"{path}, row {row}") for row, line in enumerate(lines, start=1) if line.strip()]


def read_label(line: str, prompts: dict[str, Prompt], where: str) -> Label:
    help_ = 'a line is {"prompt": ID, "reply": TEXT, "question": NAME, "answer": "yes"}'
    names = [question.name for question in QUESTIONS]
    try:
        row = json.loads(line)
        prompt, reply, question, answer = (row[key] for key in ("prompt", "reply", "question", "answer"))
    except (ValueError, KeyError, TypeError):
        raise EvaluationError(f"{where}: this is no label", help_) from None
    if prompt not in prompts:
        raise EvaluationError(f"{where}: no written prompt has this id; words of people are not sent to a judge", help_)
    if question not in names or answer not in ANSWERS or not isinstance(reply, str):
        raise EvaluationError(f"{where}: question is one of {', '.join(names)}, answer is yes or no", help_)
    return Label(prompts[prompt], reply, question, ANSWERS[answer])


def agreement_of(question: str, people: Sequence[bool], judge: Sequence[bool | None]) -> Agreement:
    """A judge that could not decide disagrees."""
    decided = [not said if found is None else found for said, found in zip(people, judge, strict=True)]
    return Agreement(question, kappa(people, decided), len(people))


def kappa(one: Sequence[bool], other: Sequence[bool]) -> float | None:
    n = len(one)
    if n == 0:
        return None
    both = sum(a == b for a, b in zip(one, other, strict=True)) / n
    yes = sum(one) / n, sum(other) / n
    chance = yes[0] * yes[1] + (1 - yes[0]) * (1 - yes[1])
    return None if chance == 1 else (both - chance) / (1 - chance)

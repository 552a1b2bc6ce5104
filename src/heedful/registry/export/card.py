"""The model card of an export: what the version was made of and how it was judged in; README.md out. No words of people.

After Mitchell et al., Model Cards for Model Reporting (https://arxiv.org/abs/1810.03993).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heedful.evaluation.report import Report
from heedful.modeling.greedy import Agreement
from heedful.registry.versions import Version
from heedful.workspace import write_text

INTENDED = """A companion that listens, for the people of the team that trained it, with that team behind it. It is no therapist
and no medical device. It must not diagnose, prescribe, or be the only help of a person in danger."""
LIMITS = (
    "**The guards of Heedful do not come along.** In `heedful serve`, a person in danger reads a template with people to call, and "
    "replies are looked at before they are shown. Here nothing stands between the model and the person.",
    "A small language model writes what sounds likely. It invents facts, names and addresses, also when it was trained well.",
    "It was judged on conversations like those it learned from. Other people, languages and subjects were not.",
    "It may repeat what it read in training. What was replaced in the data is told in the card of the dataset.",
    "**An erasure cannot reach this copy.** When somebody whose words it learned from is erased, the version is quarantined: "
    "delete its copies. The audit trail names every export.",
)


@dataclass(frozen=True, slots=True)
class Facts:
    """`manifest` is of the version; `dataset` and `report` are None when there is none, or none any more."""

    version: Version
    manifest: dict[str, Any]
    dataset: dict[str, Any] | None
    report: Report | None


def write_card(folder: Path, facts: Facts, how_to_run: str, checked: Agreement) -> None:
    parts = [
        f"# {facts.version.id}",
        "\n".join(made_of(facts)),
        "## How to run it",
        how_to_run,
        f"Checked when it was written: of {checked.compared} greedy tokens on {checked.prompts} prompts, "
        f"{checked.compared - checked.differ} were those of the version in Heedful.",
        "## What it is for",
        INTENDED,
        "It was trained, and is to be asked, with these instructions:",
        "\n".join(f"> {line}" for line in facts.manifest["system_prompt"].splitlines()),
        "## What it learned from",
        "\n".join(learned_from(facts)),
        "## How it was judged",
        "\n".join(judged(facts.report)),
        "## Limits",
        "\n".join(f"- {limit}" for limit in LIMITS),
    ]
    write_text(folder / "README.md", "\n\n".join(parts) + "\n")


def made_of(facts: Facts) -> Iterator[str]:
    version = facts.version
    yield f"- base: `{version.base}`, whose licence holds for this model too"
    yield f"- adapter: LoRA, SHA-256 `{version.adapter_sha256}`, trained {version.created_at:%Y-%m-%d}"
    if version.parent is not None:
        yield f"- it continues `{version.parent}`"


def learned_from(facts: Facts) -> Iterator[str]:
    if facts.dataset is None:
        yield f"Dataset `{facts.version.dataset}` is not kept any more."
        return
    counts = facts.dataset["counts"]
    yield (
        f"Dataset `{facts.version.dataset}`: {counts['train']} conversations to learn from, {counts['validation']} to decide when "
        f"to stop, {counts['test']} held out for the judgement."
    )


def judged(report: Report | None) -> Iterator[str]:
    if report is None:
        yield "It was not judged."
        return
    yield f"On {report.created_at[:10]}, with {report.prompts.answered} held-out prompts: **{report.verdict}**."
    yield ""
    yield "| check | value | 95% interval | n | asked for | base alone |"
    yield "| --- | ---: | --- | ---: | --- | ---: |"
    for check in report.checks:
        interval = "" if check.interval is None else f"{check.interval[0]:.3f} to {check.interval[1]:.3f}"
        yield (
            f"| {check.title} ({check.unit}) | {number(check.value)} | {interval} | {check.n} | {check.threshold_text} "
            f"| {number(check.base_value)} |"
        )


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"

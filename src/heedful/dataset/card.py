"""Card: the manifest and the lengths of the conversations in, a page for people out. It holds counts, never a person's words."""

import math
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import PurePath
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from heedful.config import DatasetSettings
from heedful.dataset.filters import reasons
from heedful.dataset.writing import Lengths


def render_card(manifest: Mapping[str, Any], lengths: Lengths, settings: DatasetSettings, system_prompt: str) -> str:
    """card.md. `lengths` are those of the lines of the dataset."""
    words = reasons(settings)
    left_out = [(name, words[name], count) for name, count in manifest["dropped"].items() if count]
    return template().render(
        manifest,
        lengths=lengths_table(lengths),
        left_out=left_out,
        files=[{**source, "path": PurePath(source["path"]).name} for source in manifest["sources"]],
        shares=[f"{share:.0%}" for share in settings.split],
        system_prompt=system_prompt,
    )


@cache
def template() -> Template:
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(files("heedful.dataset").joinpath("card.md").read_text(encoding="utf-8"))


def lengths_table(lengths: Lengths) -> list[dict[str, int | str]]:
    measured = {
        "messages in a conversation": lengths.messages,
        "characters in a conversation": lengths.characters,
        "characters in an answer": lengths.answers,
    }
    return [
        {"what": what, "min": min(counted), "median": percentile(counted, 50), "p95": percentile(counted, 95), "max": max(counted)}
        for what, counted in measured.items()
    ]


def percentile(counted: Mapping[int, int], percent: int) -> int:
    """Nearest rank: the smallest value that at least `percent` of 100 values do not exceed. `counted`: value -> how often."""
    wanted, seen = math.ceil(percent * sum(counted.values()) / 100), 0
    for value in sorted(counted):
        seen += counted[value]
        if seen >= wanted:
            break
    return value

"""Card: the manifest and the lengths of the conversations in, a page for people out. It holds counts, never a person's words."""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import PurePath
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from heedful.config import DatasetSettings
from heedful.dataset.candidates import Candidate
from heedful.dataset.filters import BETWEEN_SPLITS, NO_BASIS, NOT_SAMPLED, filters_for


def render_card(manifest: Mapping[str, Any], candidates: Sequence[Candidate], settings: DatasetSettings, system_prompt: str) -> str:
    """card.md. `candidates` are those that are in the dataset."""
    reasons = {f.name: f.reason for f in filters_for(settings, system_prompt)}
    reasons[NO_BASIS] = "had no basis for training: no consent, or a consent that was withdrawn"
    reasons[NOT_SAMPLED] = f"was not drawn into the sample of {settings.max_samples}"
    reasons[BETWEEN_SPLITS] = "was tied to questions of two files, and would have carried one into the other"
    left_out = [(name, reasons[name], count) for name, count in manifest["dropped"].items() if count]
    return template().render(
        manifest,
        lengths=lengths_table(candidates),
        left_out=left_out,
        files=[{**source, "path": PurePath(source["path"]).name} for source in manifest["sources"]],
        shares=[f"{share:.0%}" for share in settings.split],
        system_prompt=system_prompt,
    )


@cache
def template() -> Template:
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(files("heedful.dataset").joinpath("card.md").read_text(encoding="utf-8"))


def lengths_table(candidates: Sequence[Candidate]) -> list[dict[str, int | str]]:
    measured = {
        "messages in a conversation": [c.turns for c in candidates],
        "characters in a conversation": [c.characters for c in candidates],
        "characters in an answer": [length for c in candidates for length in c.answers],
    }
    return [
        {"what": what, "min": min(values), "median": percentile(values, 50), "p95": percentile(values, 95), "max": max(values)}
        for what, values in measured.items()
    ]


def percentile(values: Sequence[int], percent: int) -> int:
    """Nearest rank: the smallest value that at least `percent` of 100 values do not exceed. It is always one of the values."""
    return sorted(values)[math.ceil(percent * len(values) / 100) - 1]

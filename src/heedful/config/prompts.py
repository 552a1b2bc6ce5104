"""Prompts: files NAME@VERSION.md and values of their variables in; the text of a system prompt, and its name, out.

A version is never changed, a new one is written beside it: then the name that stands with a turn says what the model was told.
Files of the workspace's folder `prompts` go before the packaged ones of the same name. `{{name}}` is a variable, and all that there
is: values are put in as they are, once, so a value cannot bring another variable in.
"""

import difflib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from heedful.errors import ConfigError

FOLDER = "prompts"
PACKAGED = Path(__file__).resolve().parents[1] / "assets" / FOLDER
FILE = re.compile(r"(?P<name>[a-z][a-z0-9-]{0,40})@(?P<version>[1-9][0-9]{0,5})\.md")
VARIABLE = re.compile(r"\{\{\s*([a-z][a-z0-9_]*)\s*\}\}")
LEFT_OVER = re.compile(r"\{\{|\}\}")


@dataclass(frozen=True, slots=True)
class Prompt:
    """`text` has its variables still in it; `path` is where it was read."""

    name: str
    version: int
    text: str
    path: Path

    @property
    def id(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(VARIABLE.findall(self.text)))


def list_prompts(folder: Path) -> list[Prompt]:
    """Of this folder and the packaged ones, by name and version. Raises ConfigError for a file that cannot be read."""
    found: dict[tuple[str, int], Prompt] = {}
    for place in (PACKAGED, folder):
        for path in sorted(place.glob("*@*.md")) if place.is_dir() else []:
            match = FILE.fullmatch(path.name)
            if match is None:
                raise ConfigError(f"{path}: the name of a prompt is like support@3.md", f"rename {path}")
            key = match["name"], int(match["version"])
            found[key] = Prompt(*key, read_text(path), path)
    return [found[key] for key in sorted(found)]


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text", f"save {path} as UTF-8") from None


def find_prompt(folder: Path, wanted: str) -> Prompt:
    """NAME@VERSION, or NAME for its newest version. Raises ConfigError with the nearest that there is."""
    known = list_prompts(folder)
    matching = [one for one in known if wanted in (one.id, one.name)]
    if matching:
        return matching[-1]
    near = difflib.get_close_matches(wanted, [one.id for one in known], n=1, cutoff=0.0)
    raise ConfigError(f"there is no prompt {wanted!r}; the nearest is {near[0]!r}", "heedful prompts list")


def render(prompt: Prompt, values: Mapping[str, str]) -> str:
    """Raises ConfigError for a variable without a value, and for a value without a variable."""
    missing = [name for name in prompt.variables if name not in values]
    if missing:
        raise ConfigError(
            f"prompt {prompt.id} needs a value for {missing[0]!r}",
            f"set prompt.values.{missing[0]} in heedful.yaml",
        )
    unknown = [name for name in values if name not in prompt.variables]
    if unknown:
        has = f"it has {', '.join(prompt.variables)}" if prompt.variables else "it has none"
        raise ConfigError(f"prompt {prompt.id} has no variable {unknown[0]!r}; {has}", f"remove prompt.values.{unknown[0]}")
    broken = LEFT_OVER.search(VARIABLE.sub("", prompt.text))
    if broken is not None:
        raise ConfigError(f"{prompt.path}: {broken[0]!r} is no part of a variable such as {{{{name}}}}", f"mend {prompt.path}")
    return filled(prompt, values)


def filled(prompt: Prompt, values: Mapping[str, str]) -> str:
    return VARIABLE.sub(lambda match: values[match[1]], prompt.text)


def name_of(text: str, folder: Path, values: Mapping[str, str]) -> str:
    """The prompt that gives this text, as NAME@VERSION; one that no file gives is called by its hash."""
    for prompt in reversed(list_prompts(folder)):
        if set(prompt.variables) <= set(values) and filled(prompt, values) == text.strip():
            return prompt.id
    return f"text@{hashlib.sha256(text.strip().encode()).hexdigest()[:8]}" if text.strip() else ""

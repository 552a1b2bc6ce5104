"""Tables: the name of a packaged YAML file in, its content out, read once a process."""

from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # eight times as fast, where libyaml is there


@lru_cache(maxsize=8)
def table(name: str) -> dict[str, Any]:
    """`assets/guards/<name>.yaml`. Ours, so a mistake in it is a defect and not an error of the user."""
    loaded: dict[str, Any] = yaml.load(files("heedful").joinpath(f"assets/guards/{name}.yaml").read_bytes(), Loader=Loader)
    return loaded


def lines(block: str) -> list[str]:
    """The patterns of a block, one a line; lines that begin with # are remarks."""
    return [line.strip() for line in block.splitlines() if line.strip() and not line.lstrip().startswith("#")]

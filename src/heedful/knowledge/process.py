"""The process in which files are parsed: JSON lines with a path in, JSON lines with blocks or a reason out. See `reader`."""

import json
import os
import resource
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from heedful.knowledge.blocks import Unreadable
from heedful.knowledge.parse import Limits, parse


def main() -> None:
    limits = Limits(**json.loads(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    for line in sys.stdin:
        asked = json.loads(line)
        answers.write(json.dumps(answer(Path(asked["path"]), asked["title"], limits)) + "\n")
        answers.flush()


def answer(path: Path, title: str, limits: Limits) -> dict[str, Any]:
    try:
        return asdict(parse(path, title, limits))
    except Unreadable as reason:
        return {"unreadable": str(reason)}
    except OSError as error:
        return {"unreadable": f"it cannot be opened ({error.strerror or type(error).__name__})"}
    except MemoryError:
        return {"unreadable": f"it needs more than {limits.memory // 2**20} MB of memory"}


if __name__ == "__main__":
    main()

"""Reader: paths in; parsed documents out, from a process of its own that has limits of memory and time.

A file that makes that process run out of memory, hang or crash costs the file, never whoever asked; the next file gets a new one.
"""

import json
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from heedful.knowledge.blocks import Block, Parsed, Unreadable
from heedful.knowledge.parse import Limits

COMMAND = (sys.executable, "-P", "-m", "heedful.knowledge.process")  # -P: nothing of the directory one stands in is imported


class Reader:
    """A context manager; its process starts with the first file."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = Limits() if limits is None else limits
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def read(self, path: Path, title: str) -> Parsed:
        """Raises Unreadable."""
        process = self._start()
        assert process.stdin is not None and process.stdout is not None, "both are pipes"
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self.limits.seconds, give_up)
        timer.start()
        try:
            process.stdin.write(json.dumps({"path": str(path.resolve()), "title": title}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line.endswith("\n"):
            self._stop()
            raise Unreadable(f"it takes more than {self.limits.seconds:g} s to read" if late.is_set() else "its reader crashed")
        return parsed_of(line)

    def _start(self) -> subprocess.Popen[str]:
        if self._process is None:
            command = [*COMMAND, json.dumps(asdict(self.limits))]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8"
            )
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def parsed_of(line: str) -> Parsed:
    told = json.loads(line)
    if "unreadable" in told:
        raise Unreadable(told["unreadable"])
    return Parsed(told["title"], tuple(Block(**block) for block in told["blocks"]), told["pages"])

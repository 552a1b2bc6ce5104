"""Load, in short: the benchmark on the tiny base with few clients. docs/log.md has 200 for two minutes."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "load.py"


def test_every_request_is_answered_or_told_when_to_come_again() -> None:
    few = ["--streams", "24", "--seconds", "4", "--room", "5", "--tokens", "12"]
    found = json.loads(subprocess.run([sys.executable, SCRIPT, *few], check=True, capture_output=True, text=True).stdout)
    assert (found["wrong"], found["examples_of_wrong"]) == (0, [])
    assert found["answered"] > 0 and found["refused"] > 0 and found["left"] > 0
    assert found["freed_idle_s"] < 1, "clients that hang up free their places within a second"

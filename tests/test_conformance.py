"""The server keeps to its own description: the benchmark with few cases, on every route that `heedful serve` has."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "conformance.py"


@pytest.mark.slow
def test_every_route_answers_as_it_is_described() -> None:
    few = ["--cases", "25", "--phases", "fuzzing"]
    done = subprocess.run([sys.executable, SCRIPT, *few], check=False, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert (found["wrong"], found["errors"], found["left_out"], found["complete"]) == ([], [], 0, True), done.stderr
    assert found["routes"] >= 18 and found["cases"] >= 200
    asked = ("POST /v1/chat/completions", "POST /v1/embeddings", "POST /v1/moderations", "POST /api/conversations")
    assert all(found["accepted"][route] > 0 for route in asked), "not only refusals were looked at"

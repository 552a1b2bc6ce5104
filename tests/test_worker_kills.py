"""A worker that is killed while it builds, trains and evaluates: the run completes, and nothing runs twice. Real SIGKILLs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_run_whose_workers_are_killed_completes_and_makes_everything_once(tmp_path: Path) -> None:
    """Thirty deaths of worker and server are told in docs/log.md; here are three, at moments of which each has cost something."""
    command = [sys.executable, str(Path(__file__).with_name("killing_loop.py")), str(tmp_path / "w")]
    done = subprocess.run(
        [*command, "--moments", "gather,step 6,train", "--slack", "0.5"],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    told.pop("seconds")
    assert told == {
        "died": {"worker": 3},
        "runs": 1,
        "states": {"succeeded": 1},
        "outcomes": {"promoted": 1},
        "errors": [],
        "made": {"dataset.build": 1, "train": 1, "evaluate": 1, "promote": 1},
        "twice": [],
        "champion_is_newest": True,
        "unfinished": 0,
    }

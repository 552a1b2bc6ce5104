"""Twenty SIGKILLs at random over one training: it ends in the weights, curve and version of one that was left alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("killing.py")


@pytest.mark.slow
def test_twenty_kills_change_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (len(told["kills"]), told["signals"]) == (20, [9])
    assert len(set(told["kills"])) > 8, "spread over the training"
    assert (told["same_adapter"], told["same_curve"], told["same_model"]) == (True, True, True)

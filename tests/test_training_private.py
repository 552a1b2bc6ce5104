"""Nothing leaves the machine: a training on a local base opens no connection, even when the hub could be reached."""

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from pathlib import Path

tried = []


def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        tried.append((event, str(arguments)))
        raise OSError("no network in this test")


sys.addaudithook(hook)
from heedful.config import TrainingSettings
from heedful.modeling.adapters import load_with_adapter
from heedful.training.plan import make_plan
from heedful.training.train import train

data, out = map(Path, sys.argv[1:])
plan = make_plan(data, "tiny", "cpu", TrainingSettings(epochs=1, batch_size=2))
train(data, "tiny", plan, out)
load_with_adapter("tiny", out, "cpu")
assert not tried, tried
"""


def test_training_opens_no_connection(tmp_path: Path) -> None:
    data, out = tmp_path / "ds-1", tmp_path / "out"
    data.mkdir()
    out.mkdir()
    chat = {"messages": [{"role": "user", "content": "I feel low."}, {"role": "assistant", "content": "That is hard."}]}
    for split in ("train", "validation"):
        (data / f"{split}.jsonl").write_text((json.dumps(chat) + "\n") * 2)
    blocked = ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "TRANSFORMERS_OFFLINE", "CI", "DO_NOT_TRACK", "DISABLE_TELEMETRY")
    environment = {name: value for name, value in os.environ.items() if name not in blocked}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(data), str(out)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

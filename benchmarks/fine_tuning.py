"""A fine-tuning job of 100 rows, made with the openai client against `heedful serve --worker`: how long it takes, and what it says.

    python benchmarks/fine_tuning.py --json

The rows are the bundled intents, a pattern and an answer each. All is left to the plan and to the gate of the pack `support`,
written suites included. `ended_s` is seconds from the request. `status` is `succeeded`, or `failed` where the gate found a check
to fail: a version of 11 million parameters passes by little. Then the model's own name is chatted with. The last line is one JSON
object. Use a quiet machine.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from openai import APIConnectionError, OpenAI

from heedful.cli.init import RECIPES

INTENTS = RECIPES.parent / "samples" / "intents.json"
LONGEST_S = 3_600.0


def rows(count: int) -> bytes:
    """In turn one of each intent, so that every subject is there."""
    intents = json.loads(INTENTS.read_text(encoding="utf-8"))["intents"]
    pairs = [
        (intent["patterns"][n], intent["responses"][n % len(intent["responses"])])
        for n in range(max(len(intent["patterns"]) for intent in intents))
        for intent in intents
        if n < len(intent["patterns"]) and intent["responses"]
    ]
    if len(pairs) < count:
        raise SystemExit(f"the samples have {len(pairs)} pairs only")
    chats = [[{"role": "user", "content": asked}, {"role": "assistant", "content": said}] for asked, said in pairs[:count]]
    return "".join(json.dumps({"messages": chat}) + "\n" for chat in chats).encode()


def run(folder: Path, count: int, epochs: int | None) -> dict[str, Any]:
    heedful = str(Path(sys.executable).with_name("heedful"))
    workspace = folder / "workspace"
    subprocess.run([heedful, "init", str(workspace)], check=True, capture_output=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [heedful, "serve", "--worker", "--port", str(port), "--workspace", str(workspace)]
    with (folder / "serve.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            with OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0, timeout=600) as client:
                wait_until_ready(client)
                return follow(client, count, epochs)
        finally:
            server.send_signal(signal.SIGTERM)


def wait_until_ready(client: OpenAI) -> None:
    for _ in range(300):
        try:
            client.models.list()
            return
        except APIConnectionError:
            time.sleep(0.2)
    raise SystemExit("the server did not start")


def follow(client: OpenAI, count: int, epochs: int | None) -> dict[str, Any]:
    sent = client.files.create(file=("rows.jsonl", rows(count)), purpose="fine-tune")
    began, found = time.monotonic(), dict[str, Any]()
    asked = {} if epochs is None else {"method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": epochs}}}}
    job = client.fine_tuning.jobs.create(model="base", training_file=sent.id, suffix="bench", extra_body=asked)
    while job.status not in ("succeeded", "failed", "cancelled"):
        if time.monotonic() - began > LONGEST_S:
            raise SystemExit(f"the job is {job.status} after {LONGEST_S:.0f} s")
        time.sleep(0.5)
        job = client.fine_tuning.jobs.retrieve(job.id)
    found["ended_s"] = round(time.monotonic() - began, 1)
    events = list(client.fine_tuning.jobs.list_events(job.id, limit=100))[::-1]
    for event in events:
        print(f"{event.created_at - job.created_at:4d} s {event.type}: {event.message}", file=sys.stderr)
    found |= {"status": job.status, "metrics_events": sum(event.type == "metrics" for event in events)}
    if job.fine_tuned_model is not None:
        said = client.chat.completions.create(model=job.fine_tuned_model, messages=[{"role": "user", "content": "Hello"}])
        found["says"] = said.choices[0].message.content
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--epochs", type=int, help="none leaves it to the plan")
    parser.add_argument("--json", action="store_true", help="as ever: progress goes to stderr, one JSON line to stdout")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = run(Path(name), given.rows, given.epochs)
    print(json.dumps({"rows": given.rows, "cores": len(os.sched_getaffinity(0)), **found}))


if __name__ == "__main__":
    main()

"""The server's own description put to the test: Schemathesis makes requests of it, right and wrong ones, and judges every answer.

    python benchmarks/conformance.py --cases 1000

`heedful serve` runs in a process of its own on a fresh workspace on the tiny base, with a key; every route of its /openapi.json is
asked, whatever it is. Wrong is: a status of 500 or more, a status, type or body that the description does not have, an answer
without a key, a request that the description refuses and the server takes. What was wrong is told as a curl command.

The last line is one JSON object; the exit code is 1 where anything was wrong.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from openai import OpenAI

from heedful.store.api_keys import create_key
from heedful.store.database import open_store
from heedful.workspace import create_workspace

HOOKS = Path(__file__).resolve().parent / "data"
TURN = ("user", "assistant")
SETTINGS = {"base": "tiny", "generation": {"max_new_tokens": 4}}
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "ignored_auth",
)


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, str]]:
    """(address, secret of an operator's key)."""
    workspace = create_workspace(folder / "workspace", json.dumps(SETTINGS))
    store = open_store(workspace.database)
    with store.session() as session:
        _, secret = create_key(session, "fuzz", "operator", "conformance")
    store.close()
    command = [Path(sys.executable).with_name("heedful"), "serve", "--port", "0", "--workspace", workspace.root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        found = re.search(r"(http://\S+)/v1", process.stdout.readline())
        if found is None:
            raise SystemExit("the server did not start")
        try:
            yield found[1], secret
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)


def make_things(url: str, secret: str) -> dict[str, dict[str, str]]:
    """A file, a job, a run, a collection with a document; by path, what of it is named there."""
    client = OpenAI(base_url=f"{url}/v1", api_key=secret, max_retries=0)
    rows = "".join(json.dumps({"messages": [{"role": role, "content": f"{role} {n}"} for role in TURN]}) + "\n" for n in range(12))
    file = client.files.create(file=("rows.jsonl", rows.encode()), purpose="fine-tune").id
    job = client.fine_tuning.jobs.create(model="base", training_file=file).id
    store = client.vector_stores.create(name="Leaflets").id
    document = client.vector_stores.files.upload_and_poll(
        vector_store_id=store, file=("sleep.md", b"# Sleep\n\nBreathe slowly.")
    ).id
    batch = client.vector_stores.file_batches.create(store, file_ids=[document]).id
    asked = httpx.post(f"{url}/api/training/run", json={}, headers={"Authorization": f"Bearer {secret}"}).json()
    leaflets, jobs = "/v1/vector_stores/{store}", "/v1/fine_tuning/jobs"
    return {
        "/v1/chat/completions": {"model": "base"},
        "/v1/embeddings": {"model": "all-minilm-l6-v2"},
        "/v1/moderations": {"model": "heedful-guards"},
        "/api/training/runs/{run}/cancel": {"run": asked["run"]["id"]},
        **{f"/v1/files/{{file_id}}{rest}": {"file_id": file} for rest in ("", "/content")},
        jobs: {"model": "base", "training_file": file},
        **{f"{jobs}/{{job_id}}{rest}": {"job_id": job} for rest in ("", "/events", "/checkpoints", "/cancel", "/pause", "/resume")},
        **{f"{leaflets}{rest}": {"store": store, "file_id": document} for rest in ("", "/search", "/files", "/files/{file_id}")},
        f"{leaflets}/file_batches": {"store": store},
        **{f"{leaflets}/file_batches/{{batch}}{rest}": {"store": store, "batch": batch} for rest in ("", "/files", "/cancel")},
    }


def put_to_the_test(url: str, secret: str, given: argparse.Namespace, report: Path) -> dict[str, Any]:
    """The report that Schemathesis writes."""
    options = {
        "header": f"Authorization: Bearer {secret}",
        "phases": given.phases,
        "max-examples": given.cases,
        "seed": given.seed,
        "checks": ",".join(CHECKS),
        "report": "json",
        "report-json-path": report,
        "generation-database": "none",
        "request-timeout": 120,
        "suppress-health-check": "all",
        "warnings": "off",
    }
    command = [Path(sys.executable).with_name("st"), "run", f"{url}/openapi.json", "--continue-on-failure", "--no-color"]
    command += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    path = os.pathsep.join([str(HOOKS), *filter(None, [os.environ.get("PYTHONPATH")])])
    names = json.dumps(make_things(url, secret))
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "conformance_hooks", "CONFORMANCE_NAMES": names, "PYTHONPATH": path}
    subprocess.run(command, env=environment, cwd=report.parent, stdout=sys.stderr, check=False)
    found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return found


def summary(report: dict[str, Any]) -> dict[str, Any]:
    """`accepted`: by route, how many requests were answered with what they asked for."""
    return {
        "routes": report["operations"]["tested"],
        "left_out": report["operations"]["total"] - report["operations"]["tested"],
        "complete": report["complete"],
        "cases": report["test_cases"]["generated"],
        "wrong": [{"what": one["title"], "routes": one["operations"], "count": one["count"]} for one in report["failures"]],
        "errors": report["errors"],
        "accepted": {route: sum(phase["accepted"] for phase in rates.values()) for route, rates in report["valid_rates"].items()},
        "seed": report["seed"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=25, help="drawn for each route, at most")
    parser.add_argument("--phases", default="coverage,fuzzing", help="coverage: derived from the description; fuzzing: drawn")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="as ever: progress goes to stderr, one JSON line to stdout")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as (url, secret):
        found = summary(put_to_the_test(url, secret, given, Path(name) / "report.json"))
    print(json.dumps(found))
    sys.exit(bool(found["wrong"] or found["errors"] or found["left_out"] or not found["complete"]))


if __name__ == "__main__":
    main()

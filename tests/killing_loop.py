"""Killing the loop: a worker, and a server beside it, killed again and again while runs are carried out. By `test_worker_kills`, or

    python tests/killing_loop.py FOLDER --kills 30

Both are processes that run the verbs, forked from one that has torch loaded. They die by SIGKILL at random moments of a run: while
it gathers, builds, trains, is evaluated or promoted, and while a worker goes on with it. After each death every alias has to point
to a whole model. At the end every run must have made one dataset, one model, one report and one promotion. Prints one JSON object.
"""

import argparse
import json
import os
import random
import signal
import socket
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from heedful.cli.main import app
from heedful.lifecycle.ingest import import_file
from heedful.lifecycle.loop.requests import request_loop
from heedful.registry.aliases import current_aliases
from heedful.registry.versions import find_version, verified_directory
from heedful.store.audit import Wanted, list_events
from heedful.store.database import Store, open_store
from heedful.store.schema import Run
from heedful.store.training_runs import ENDED, get_run, list_runs
from heedful.store.training_runs import list_events as events_of
from heedful.workspace import Workspace, create_workspace

# Two prompts and five conversations prove nothing, so most checks are only looked at; what is left passes.
LOOKED_AT = (
    "broken_urls credential_claims diagnosis_claims dose_claims empty_replies encourages_harm leaked_tags loops stop_rate verbatim "
    "copies membership other_chat nll_gain forgetting"
)
CONFIG = f"""base: tiny
system_prompt: Be kind.
training: {{epochs: 2, rank: 4, batch_size: 4}}
generation: {{max_new_tokens: 12}}
guards: {{classifier: false}}
gate: {{prompts: 2, suites: [], checks: {{{", ".join(f"{check}: {{level: advisory}}" for check in LOOKED_AT.split())}}}}}
"""
WORDS = "tired alone angry lost worried stuck sad numb tense ashamed afraid empty guilty low bored hurt torn"
MILESTONES = ("", "gather", "build", "step 1", "step 6", "step 12", "train", "evaluate", "promote")  # keys of events
WHO = ("worker", "worker", "both", "server")
LONGEST_S = 600.0


@contextmanager
def opened(workspace: Workspace) -> Iterator[Store]:
    """Closed before a fork: a connection must not be in two processes."""
    store = open_store(workspace.database)
    try:
        yield store
    finally:
        store.close()


def prepare(root: Path) -> Workspace:
    workspace = create_workspace(root, CONFIG)
    with opened(workspace):
        return workspace


def ask(workspace: Workspace, number: int) -> str:
    """A run, and conversations that none before has seen."""
    path = workspace.root / f"{number}.jsonl"
    chats = [
        [
            {"role": "user", "content": f"I feel {word} {when}, for the {number}th time."},
            {"role": "assistant", "content": f"What makes you {word} {when}?"},
        ]
        for word in WORDS.split()
        for when in ("today", "at night", "since spring")
    ]
    path.write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in chats), encoding="utf-8")
    with opened(workspace) as store:
        import_file(store, path, "killer")
        with store.session() as session:
            return request_loop(session, "killer").id


def fork(workspace: Workspace, *words: str) -> int:
    """A verb in a process of its own."""
    process = os.fork()
    if process == 0:
        try:
            with (workspace.root / f"{words[0]}.log").open("a") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
                app([*words, "-w", str(workspace.root)], standalone_mode=False)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return process


def is_alive(process: int) -> bool:
    """Also takes note of an end."""
    try:
        return os.waitpid(process, os.WNOHANG)[0] == 0
    except ChildProcessError:
        return False


def has_come(workspace: Workspace, run_id: str, milestone: str) -> bool:
    """Whether the run told of it, or has ended."""
    with opened(workspace) as store, store.snapshot() as session:
        ended = get_run(session, run_id).state in ENDED
        return ended or not milestone or any(event.key == milestone for event in events_of(session, run_id))


def check_aliases(workspace: Workspace) -> None:
    """Raises when an alias points to a model whose files are not all there, with the very bytes that were registered."""
    with opened(workspace) as store, store.snapshot() as session:
        for model in current_aliases(session).values():
            verified_directory(workspace, find_version(session, model))


def kill_often(root: Path, moments: Sequence[str], chance: random.Random, slack_s: float, with_server: bool) -> dict[str, Any]:
    """A death comes after each of the milestones, at random within the slack."""
    workspace, port, died = prepare(root), free_port(), Counter[str]()
    asked = [ask(workspace, 1)]
    worker = server = 0
    for milestone in moments:
        if has_come(workspace, asked[-1], "ended"):
            asked.append(ask(workspace, len(asked) + 1))
        if with_server and not (server and is_alive(server)):
            server = fork(workspace, "serve", "--port", str(port))
        if not (worker and is_alive(worker)):
            worker = fork(workspace, "worker", "--once")
        wait(workspace, asked[-1], milestone, worker)
        time.sleep(chance.uniform(0, slack_s))
        target = chance.choice(WHO) if with_server else "worker"
        for process in {"worker": [worker], "server": [server], "both": [worker, server]}[target]:
            died["worker" if process == worker else "server"] += kill(process)
        check_aliases(workspace)
    last = worker if worker and is_alive(worker) else fork(workspace, "worker", "--once")
    os.waitpid(last, 0)
    if not has_come(workspace, asked[-1], "ended"):
        os.waitpid(fork(workspace, "worker", "--once"), 0)
    replies = talk(workspace, server, port) if with_server else {}
    return {"died": dict(died), "runs": len(asked), **replies, **account(workspace)}


def wait(workspace: Workspace, run_id: str, milestone: str, worker: int) -> None:
    end = time.monotonic() + LONGEST_S
    while is_alive(worker) and not has_come(workspace, run_id, milestone):
        assert time.monotonic() < end, f"{run_id} did not come to {milestone!r}"
        time.sleep(0.05)


def kill(process: int) -> int:
    """1 if it was alive."""
    if not is_alive(process):
        return 0
    os.kill(process, signal.SIGKILL)
    return int(os.WTERMSIG(os.waitpid(process, 0)[1]) == signal.SIGKILL)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def talk(workspace: Workspace, server: int, port: int) -> dict[str, Any]:
    """The champion answers in the end. The server is asked to leave, as Ctrl-C would."""
    if not is_alive(server):
        server = fork(workspace, "serve", "--port", str(port))
    body = {"model": "champion", "messages": [{"role": "user", "content": "I feel tired today."}]}
    status, end = 0, time.monotonic() + LONGEST_S
    while status != 200 and time.monotonic() < end:
        try:
            status = httpx.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body, timeout=LONGEST_S).status_code
        except httpx.TransportError:
            time.sleep(0.2)
    os.kill(server, signal.SIGINT)
    os.waitpid(server, 0)
    return {"champion_answers": status}


def account(workspace: Workspace) -> dict[str, Any]:
    """What all the runs made. Of everything there is one for each run, or `twice` names it."""
    with opened(workspace) as store, store.snapshot() as session:
        runs = list_runs(session, "loop")
        audit = list_events(session, Wanted(limit=100_000))
        done = session.scalars(select(Run).where(Run.status == "done")).all()
        champion = current_aliases(session).get("champion")
        made = {
            "dataset.build": Counter(event.subject for event in audit if event.action == "dataset.build"),
            "train": Counter(event.subject for event in audit if event.action == "train"),
            "evaluate": Counter(run.model_id for run in done if run.kind == "evaluate"),
            "promote": Counter(event.subject for event in audit if event.action == "promote"),
        }
    check_aliases(workspace)
    return {
        "states": dict(Counter(run.state for run in runs)),
        "outcomes": dict(Counter(str(run.metrics.get("outcome")) for run in runs)),
        "errors": [run.error for run in runs if run.error is not None],
        "made": {name: len(count) for name, count in made.items()},
        "twice": [f"{name} {subject}" for name, count in made.items() for subject, times in count.items() if times > 1],
        "champion_is_newest": champion == runs[0].model_id,
        "unfinished": len(list(workspace.models.glob(".training-*"))),
    }


def preload() -> None:
    """Once, here, and not in every process that is going to die."""
    import dbos  # noqa: F401
    import peft  # noqa: F401
    import transformers  # noqa: F401


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--moments", help="milestones, by comma, instead of random ones; the worker alone is killed")
    parser.add_argument("--slack", type=float, default=3.0, help="seconds after a milestone at most")
    given = parser.parse_args()
    preload()
    chance, started = random.Random(given.seed), time.monotonic()
    alone = given.moments is not None
    moments = given.moments.split(",") if alone else chance.choices(MILESTONES, k=given.kills)
    told = kill_often(given.folder, moments, chance, given.slack, with_server=not alone)
    print(json.dumps({**told, "seconds": round(time.monotonic() - started, 1)}))


if __name__ == "__main__":
    sys.exit(main())

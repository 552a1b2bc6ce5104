"""Killing: one training, killed again and again, in a process that has torch loaded and forks. Run by `test_kills`, or by hand:

    python tests/killing.py FOLDER --kills 20

Every attempt is a process of its own that trains for real, through the same door as `heedful train`, and dies by SIGKILL: while it
loads, computes or writes. The last one is left alone. Prints one JSON object.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from heedful.config import load_settings
from heedful.dataset import build_dataset
from heedful.lifecycle.ingest import import_file
from heedful.lifecycle.strategy import Planned, plan_training
from heedful.lifecycle.training import resume_version, train_version
from heedful.lifecycle.unfinished import list_unfinished
from heedful.store.database import open_store
from heedful.training.plan import BY_YOU, Choice
from heedful.workspace import Workspace, create_workspace, read_manifest, sha256

CONFIG = """base: tiny
system_prompt: Be kind.
training: {epochs: 6, rank: 4, batch_size: 4, dropout: 0.1, patience: 99}
"""
WORDS = "tired alone angry lost worried stuck sad numb tense ashamed afraid empty guilty low bored hurt torn"
MEASURES = {"seconds", "tokens_per_s", "peak_memory_gb", "memory_gb"}  # of the machine, not of the training


def prepare(root: Path) -> Workspace:
    workspace = create_workspace(root, CONFIG)
    samples, store = root / "samples.jsonl", open_store(workspace.database)
    chats = [
        [{"role": "user", "content": f"I feel {word} {when}."}, {"role": "assistant", "content": f"What makes you {word} {when}?"}]
        for word in WORDS.split()
        for when in ("today", "at night", "since spring")
    ]
    samples.write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in chats), encoding="utf-8")
    import_file(store, samples, "killer")
    settings = load_settings(workspace.config_file)
    build_dataset(store, workspace, settings.dataset, settings.system_prompt, "killer")
    store.close()
    return workspace


def make_plan(workspace: Workspace) -> Planned:
    """With a resume point at every step that affords one, and an evaluation at every sixth."""
    store = open_store(workspace.database)
    planned = plan_training(workspace, store, load_settings(workspace.config_file), dataset_of(workspace))
    store.close()
    often = {"checkpoint_every": Choice(1, BY_YOU), "evaluate_every": Choice(6, BY_YOU)}
    return replace(planned, plan=replace(planned.plan, **often))


def dataset_of(workspace: Workspace) -> str:
    return next(workspace.datasets.glob("ds-*")).name


def begin(workspace: Workspace, plan: Planned) -> None:
    """What `heedful train` does."""
    settings, store = load_settings(workspace.config_file), open_store(workspace.database)
    train_version(workspace, store, dataset_of(workspace), settings, plan, "killer")


def go_on(workspace: Workspace) -> None:
    """What `heedful train --resume` does."""
    resume_version(workspace, open_store(workspace.database), None, {}, "killer")


def fork(work: Callable[[], None]) -> int:
    process = os.fork()
    if process == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return process


def last_step(workspace: Workspace) -> int:
    """Of metrics.jsonl now; -1 before there is one."""
    for path in workspace.models.glob(".training-*/model/metrics.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
        return max((line.get("step", 0) for line in lines), default=-1)
    return -1


def kill_at(workspace: Workspace, plan: Planned, step: int, delay: float) -> dict[str, Any]:
    """Begin or go on, wait until `step` is done and a little longer, kill. -1: `delay` after the process began."""
    process = fork(partial(go_on, workspace) if list_unfinished(workspace) else partial(begin, workspace, plan))
    while step >= 0 and last_step(workspace) < step and os.waitpid(process, os.WNOHANG)[0] == 0:
        time.sleep(0.01)
    time.sleep(delay)
    os.kill(process, signal.SIGKILL)
    status = os.waitpid(process, 0)[1]
    return {"step": last_step(workspace), "signal": os.WTERMSIG(status)}


def curve(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in MEASURES} for line in lines]


def only_model(workspace: Workspace) -> Path:
    (model,) = workspace.models.iterdir()
    read_manifest(model)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    import peft  # noqa: F401 - loaded once, here, and not in every attempt
    import transformers  # noqa: F401

    workspace = prepare(given.folder / "undisturbed")
    plan = make_plan(workspace)
    shutil.copytree(workspace.root, given.folder / "killed")
    killed = Workspace(given.folder / "killed")
    started = time.monotonic()
    if os.waitpid(fork(partial(begin, workspace, plan)), 0)[1] != 0:
        sys.exit("the undisturbed training failed")
    undisturbed_s = time.monotonic() - started
    expected = curve(only_model(workspace))
    chance = random.Random(given.seed)
    last = expected[-1]["steps"]
    # Near the end the delay must stay within a step or two: a training that has ended cannot be killed.
    slack = undisturbed_s / last
    steps = sorted(chance.randint(-1, last - 3) for _ in range(given.kills))
    deaths = [kill_at(killed, plan, step, chance.uniform(0, min(0.4, slack))) for step in steps]
    if os.waitpid(fork(partial(go_on, killed)), 0)[1] != 0:
        sys.exit("the last attempt failed")
    hashes = [sha256(only_model(one) / "adapter_model.safetensors") for one in (workspace, killed)]
    told = {
        "kills": [death["step"] for death in deaths],
        "signals": sorted({death["signal"] for death in deaths}),
        "steps": expected[-1]["steps"],
        "same_adapter": hashes[0] == hashes[1],
        "same_curve": curve(only_model(killed)) == expected,
        "same_model": only_model(workspace).name == only_model(killed).name,
        "undisturbed_s": round(undisturbed_s, 1),
        "killed_s": round(time.monotonic() - started - undisturbed_s, 1),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()

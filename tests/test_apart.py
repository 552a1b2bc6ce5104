"""A training in a process of its own: stopped, killed, left alone, short of memory, come apart. Real processes and real signals."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from heedful.config import TrainingSettings
from heedful.errors import TrainingDiverged, TrainingInterrupted
from heedful.training.apart import train_apart
from heedful.training.memory_faults import lighten, lighter, passes_of
from heedful.training.plan import BY_YOU, PLAN_FILE, Choice, make_plan, to_yaml
from heedful.training.progress import Progress
from heedful.training.recovery import in_use, newest
from heedful.training.train import train
from test_recovery import Folders, plan_for, short_chats

SUPERVISOR = """
import json, resource, sys
from pathlib import Path
from heedful.training.apart import train_apart
from heedful.training.plan import TrainingPlan

dataset, folder, limit = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
if limit:
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
plan = TrainingPlan.load(folder / "plan.yaml")
def observe(progress):
    print(json.dumps([progress.step, progress.note]), flush=True)
trained = train_apart(dataset, "tiny", plan, folder / "model", observe, recovery=folder / "recovery")
print(json.dumps(trained.facts["memory_faults"]), flush=True)
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return short_chats(tmp_path_factory.mktemp("data"))


def at_step(step: int, act: Callable[[], object]) -> Callable[[Progress], object]:
    """Once: what is to be told beside the step comes with the same number."""
    return lambda progress: act() if progress.step == step and not progress.note else None


def child() -> psutil.Process:
    (process,) = psutil.Process().children()
    return process


def test_killed_stopped_and_gone_on_with_it_ends_as_in_one_process(dataset: Path, tmp_path: Path) -> None:
    plan, apart, here = plan_for(dataset), Folders.make(tmp_path / "apart"), Folders.make(tmp_path / "here")
    here.train(dataset, plan)
    trouble = {
        r"was killed by signal 9 \(SIGKILL\); what it learned until its last resume point is kept": at_step(
            3, lambda: child().kill()
        ),
        r"^training was stopped at step \d of 10$": at_step(5, lambda: os.kill(os.getpid(), signal.SIGTERM)),
    }
    for said, observe in trouble.items():
        with pytest.raises(TrainingInterrupted, match=said) as caught:
            train_apart(dataset, "tiny", plan, apart.output, observe, recovery=apart.recovery)
        assert caught.value.next_step == "heedful train --resume"
    trained = train_apart(dataset, "tiny", plan, apart.output, recovery=apart.recovery)
    assert (trained.path, trained.steps, trained.facts["memory_faults"]) == (apart.output, 10, [])
    assert apart.files() == here.files()
    assert apart.curve() == here.curve()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_an_error_keeps_its_kind_and_its_remedy(dataset: Path, tmp_path: Path) -> None:
    folders = Folders.make(tmp_path)
    with pytest.raises(
        TrainingDiverged, match=r"the training loss spiked: .* at step \d of 10 \(ds-test/train.jsonl rows"
    ) as caught:
        train_apart(dataset, "tiny", plan_for(dataset, learning_rate=9.0), folders.output, recovery=folders.recovery)
    assert caught.value.next_step.startswith("heedful train --learning-rate 3, ")


def supervise(dataset: Path, folder: Path, limit: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SUPERVISOR, str(dataset), str(folder), str(limit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_when_nobody_is_there_any_more_it_stops_by_itself(dataset: Path, tmp_path: Path) -> None:
    folders = Folders.make(tmp_path)
    (tmp_path / PLAN_FILE).write_text(to_yaml(plan_for(dataset, epochs=99, patience=999)))
    with supervise(dataset, tmp_path, 0) as process:
        assert process.stdout is not None
        next(step for step, _ in map(json.loads, process.stdout) if step == 2)
        process.kill()
    for _ in range(300):
        if not in_use(folders.recovery):
            break
        time.sleep(0.1)
    point = newest(folders.recovery)
    assert not in_use(folders.recovery)
    assert point is not None
    assert point.step >= 2


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA holds back memory on Linux only")
def test_short_of_memory_it_takes_the_same_steps_in_smaller_passes(tmp_path: Path) -> None:
    """Passes of four long rows do not fit in what the process may have; of two they do, or of one where libraries hold more."""
    folder, limited, free = tmp_path / "ds-long", tmp_path / "limited", tmp_path / "free"
    folder.mkdir()
    long = " ".join(f"word{number}" for number in range(100))
    for split, count in {"train": 8, "validation": 2}.items():
        chats = [[{"role": role, "content": f"{row} {long}"} for role in ("user", "assistant")] for row in range(count)]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in chats))
    plan = make_plan(folder, "tiny", "cpu", TrainingSettings(epochs=1, rank=2, batch_size=4, dropout=0))
    assert (plan.path.value, plan.pass_tokens.value, plan.max_length.value) == ("packed", 2_048, 512)
    without_limit, with_limit = Folders.make(free), Folders.make(limited)
    (limited / PLAN_FILE).write_text(to_yaml(plan))
    with supervise(folder, limited, 940_000_000) as process:
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    *told, faults = [json.loads(line) for line in output.splitlines()]
    halved = [2_048 >> faults_before for faults_before in range(len(faults) + 1)]
    assert faults == [{"step": 0, "passes": f"passes of {tokens} tokens"} for tokens in halved[:-1]] != []
    again = "again in a fresh process from step 0, in passes of {} tokens that add up to the same steps"
    assert [note for _, note in told if note] == [
        f"memory of cpu ran out with passes of {before} tokens; {again.format(after)}"
        for before, after in itertools.pairwise(halved)
    ]
    train(folder, "tiny", plan, without_limit.output)
    losses = [[line["loss"] for line in one.curve() if line["event"] == "step"] for one in (with_limit, without_limit)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert (with_limit.output / "schedule.jsonl").read_bytes() == (without_limit.output / "schedule.jsonl").read_bytes()
    assert (
        f"pass_tokens:\n  value: {halved[-1]}\n  why: memory ran out with passes of {halved[-2]} tokens"
        in (with_limit.output / PLAN_FILE).read_text()
    )


def test_passes_are_halved_then_activations_computed_twice(dataset: Path) -> None:
    def ways(plan: object) -> list[str]:
        found = []
        while plan is not None:
            found.append(passes_of(plan))
            plan = lighter(plan)
        return found

    packed = replace(plan_for(dataset), pass_tokens=Choice(2_048, BY_YOU), max_length=Choice(600, BY_YOU))
    tokens = ["passes of 2048 tokens", "passes of 1024 tokens", "passes of 600 tokens"]
    assert ways(packed) == [*tokens, "passes of 600 tokens, activations computed twice"]
    blocked = lighten(replace(packed, products=Choice("blocked", BY_YOU)), 1)
    assert (blocked.pass_tokens.value, blocked.products.value) == (1_024, "plain")
    assert blocked.products.why.endswith(": memory ran out with passes of 2048 tokens")
    trl = replace(plan_for(dataset, "trl", batch_size=6), micro_batch=Choice(6, BY_YOU))
    assert ways(trl) == ["passes of 6 rows", "passes of 3 rows", "passes of 1 rows", "passes of 1 rows, activations computed twice"]
    assert lighten(trl, 1).micro_batch.why == "rows a pass: memory ran out with passes of 6 rows"
    assert passes_of(lighten(trl, 99)) == ways(trl)[-1]

"""Apart: a training in a process of its own, from the outside. What `train` takes in; what `train` gives out.

That process may run out of memory, be killed or crash; whoever asked lives on and says what happened and how to go on. When memory
ran out, a fresh process takes the same steps in smaller passes: a process that failed so does not give back all it held. Ctrl-C and
SIGTERM are passed on once, so that a resume point is written; the second time the process is killed, which costs nothing but steps.
"""

import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from heedful import errors
from heedful.errors import HeedfulError, OutOfMemory, TrainingError, TrainingInterrupted
from heedful.training.memory_faults import REMEDY, Fault, lighten, lighter, note_fault, passes_of, read_faults
from heedful.training.plan import TrainingPlan
from heedful.training.process import Job
from heedful.training.progress import Progress
from heedful.training.recovery import newest
from heedful.training.resources import memory_kills, nearly_full
from heedful.training.round import Round
from heedful.training.train import TrainedAdapter
from heedful.training.watch import RESUME
from heedful.workspace import ASIDE

COMMAND = (sys.executable, "-P", "-m", "heedful.training.process")  # -P: nothing of the directory one stands in is imported
MOST_FAULTS = 5

Observe = Callable[[Progress], None]
Process = subprocess.Popen[str]


def train_apart(
    dataset_dir: Path,
    base: str,
    plan: TrainingPlan,
    output: Path,
    observe: Observe | None = None,
    *,
    part: Round | None = None,
    recovery: Path | None = None,
    stop: Callable[[], bool] | None = None,
) -> TrainedAdapter:
    """As `train`, which it calls over there, and raising the same; TrainingInterrupted too when the process was killed or crashed.

    `stop` is asked at every event of the process.
    """
    seen = [Progress(0, plan.steps.value, 0.0, None, 0.0, plan.seconds.value, None)]

    def tell(progress: Progress) -> None:
        seen.append(progress)
        if observe is not None:
            observe(progress)

    with temporary(output) if recovery is None else nullcontext(recovery) as folder:
        job = Job(dataset_dir, base, plan, output, folder, part)
        while True:
            try:
                return run(job, tell, stop)
            except OutOfMemory as fault:
                tell(replace(seen[-1], note=make_lighter(plan, folder, fault)))


@contextmanager
def temporary(beside: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=beside.parent, prefix=ASIDE) as folder:
        yield Path(folder)


def make_lighter(plan: TrainingPlan, recovery: Path, fault: OutOfMemory) -> str:
    """Note the fault, so that the next process takes smaller passes; what to tell. Raises it when nothing is left to try."""
    faults = read_faults(recovery)
    tried = lighten(plan, len(faults))
    following = lighter(tried)
    if following is None or len(faults) == MOST_FAULTS:
        raise fault
    point = newest(recovery)
    step = 0 if point is None else point.step
    note_fault(recovery, Fault(step, passes_of(tried)))
    return f"{fault.text}; again in a fresh process from step {step}, in {passes_of(following)} that add up to the same steps"


def run(job: Job, tell: Observe, stop: Callable[[], bool] | None) -> TrainedAdapter:
    kills = memory_kills()
    with started(job) as process, signals_passed_on(process):
        word, full = follow_events(process, tell, stop)
        code = process.wait()
    if word is not None and word["event"] == "trained":
        return TrainedAdapter(**{name: value for name, value in word.items() if name != "event"} | {"path": Path(word["path"])})
    if word is not None:
        raise error_of(word)
    if code == -signal.SIGKILL and (full or memory_kills() > kills):
        raise OutOfMemory("the system had no memory left and killed the training", REMEDY)
    ended = f"was killed by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"ended with code {code}"
    raise TrainingInterrupted(f"the process of the training {ended}; what it learned until its last resume point is kept", RESUME)


@contextmanager
def started(job: Job) -> Iterator[Process]:
    """In a session of its own, so that Ctrl-C in a terminal reaches this process only. Leaving the block has it end by itself."""
    pipe = subprocess.PIPE
    with subprocess.Popen(COMMAND, stdin=pipe, stdout=pipe, text=True, start_new_session=True) as process:
        assert process.stdin is not None
        try:
            process.stdin.write(job.to_json() + "\n")
            process.stdin.flush()
            yield process
        finally:
            process.stdin.close()


@contextmanager
def signals_passed_on(process: Process) -> Iterator[None]:
    """Only the main thread may say what a signal does; elsewhere signals are left as they are."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = 0

    def pass_on(*_: object) -> None:
        nonlocal asked
        asked += 1
        process.terminate() if asked == 1 else process.kill()

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def follow_events(process: Process, tell: Observe, stop: Callable[[], bool] | None) -> tuple[dict[str, Any] | None, bool]:
    """(the last word, or None when it died without one; whether memory was nearly full when it was last heard of)."""
    assert process.stdout is not None
    full = False
    for line in process.stdout:
        if not line.endswith("\n"):
            break  # it was killed while it spoke
        event = json.loads(line)
        if event["event"] != "progress":
            return event, full
        tell(Progress(**{name: value for name, value in event.items() if name != "event"}))
        full = nearly_full(process.pid)
        if stop is not None and stop():
            process.terminate()
    return None, full


def error_of(word: Mapping[str, Any]) -> HeedfulError:
    kind = getattr(errors, word["error"], TrainingError)
    error: HeedfulError = kind(word["text"], word["next_step"])
    return error

"""Best: a score at each look in; the three best adapters, each a plain PEFT directory `checkpoints/step-N`, out.

A directory goes only when nothing that could be taken up again still counts on it: see `recovery`.
"""

import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heedful.training.adapter import CONFIG, WEIGHTS
from heedful.workspace import sha256, staging, sync_tree

FOLDER = "checkpoints"
KEPT = 3


@dataclass(frozen=True, slots=True, order=True)
class Kept:
    """In order: the better first, of equals the earlier."""

    validation_nll: float
    step: int


def rank(kept: Sequence[Kept], found: Kept) -> list[Kept]:
    return sorted([*kept, found])[:KEPT]


def checkpoint_dir(output: Path, step: int) -> Path:
    return output / FOLDER / f"step-{step}"


def write_checkpoint(output: Path, step: int, save: Callable[[Path], None]) -> None:
    """`save` fills a directory; one of the same step, left by a training that was killed, is replaced."""
    target = checkpoint_dir(output, step)
    with staging(target.parent) as aside:
        save(aside)
        sync_tree(aside)
        shutil.rmtree(target, ignore_errors=True)
        aside.rename(target)


def drop_others(output: Path, steps: Collection[int]) -> None:
    wanted = {checkpoint_dir(output, step) for step in steps}
    for folder in (output / FOLDER).glob("*"):
        if folder not in wanted:
            shutil.rmtree(folder)


def publish(output: Path, best: Kept) -> None:
    """The best one becomes the adapter of `output` itself."""
    for name in (CONFIG, WEIGHTS):
        shutil.copyfile(checkpoint_dir(output, best.step) / name, output / name)


def kept_facts(output: Path, kept: Sequence[Kept]) -> list[dict[str, Any]]:
    """For the manifest, the best first."""
    return [
        {
            "step": one.step,
            "validation_nll": one.validation_nll,
            "folder": f"{FOLDER}/step-{one.step}",
            "adapter_sha256": sha256(checkpoint_dir(output, one.step) / WEIGHTS),
        }
        for one in kept
    ]

"""Doctor: this machine and, where there is one, the workspace in; findings out, each with the fix of what is missing."""

import asyncio
import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import psutil
from packaging.requirements import Requirement

from heedful.config import Settings, load_settings, read_secret
from heedful.engines.base import Health
from heedful.engines.openai_compatible import OpenAICompatibleEngine
from heedful.engines.selection import choose_engine
from heedful.errors import HeedfulError
from heedful.lifecycle.companions import BASE, find_target, prompt_difference, upstream_of
from heedful.lifecycle.erasure.standing import RESUME, check_ledger, find_unfinished
from heedful.lifecycle.guard_checks import check_guards
from heedful.lifecycle.knowledge_checks import check_knowledge
from heedful.lifecycle.loop.presence import is_working
from heedful.lifecycle.modes import check_mode, hybrid_of, mode_now
from heedful.lifecycle.unfinished import DISCARD, disk_of, list_unfinished
from heedful.modeling.devices import available, choose_device
from heedful.registry.aliases import CHAMPION, current_aliases, fell_to_base
from heedful.registry.retrains import open_retrains
from heedful.store.database import open_store, schema_state
from heedful.store.experiments import list_experiments
from heedful.store.master_key import KEY_FILE, VARIABLE, is_open_to_others
from heedful.store.schema import utc_now
from heedful.store.training_runs import list_runs
from heedful.store.vault import keyring
from heedful.training.watch import RESUME as RESUME_TRAINING
from heedful.workspace import Workspace

Level = Literal["ok", "warning", "problem"]
MINIMUM_PYTHON = (3, 11)
MEMORY_GB, DISK_GB = 4.0, 2.0  # below this the bundled base does not train in comfort
CPU_FLAGS = {"avx512_bf16": "bf16", "amx_bf16": "bf16", "avx512f": "float32", "avx2": "float32", "asimd": "float32"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor. `fix` is a command or an edit, empty when all is well."""

    check: str
    level: Level
    found: str
    fix: str = ""


def examine(workspace: Workspace | None) -> list[Finding]:
    """All findings, machine first. A check that itself breaks is a problem, never a silent pass."""
    checks: list[Callable[[], Finding]] = [check_python, check_packages, check_cpu, check_memory, check_device]
    if workspace is None:
        checks.append(lambda: check_disk(Path.cwd()))
        checks.append(lambda: Finding("workspace", "warning", "none here", "heedful init . makes one"))
    else:
        checks += [lambda: check_disk(workspace.root), lambda: check_writable(workspace), lambda: check_migrations(workspace)]
        checks += [
            lambda: check_engine(workspace),
            lambda: check_prompt(workspace),
            lambda: check_where(workspace),
            lambda: check_master_key(workspace),
            lambda: check_erasures(workspace),
            lambda: check_trainings(workspace),
            lambda: check_worker(workspace),
            lambda: check_experiments(workspace),
            lambda: Finding("knowledge", *check_knowledge(workspace)),
        ]
    found = [run_check(check) for check in checks]
    return found if workspace is None else [*found, *look_at_guards(workspace)]


def look_at_guards(workspace: Workspace) -> list[Finding]:
    try:
        said = check_guards(workspace, utc_now().date())
    except HeedfulError as error:
        return [Finding("guards", "problem", error.text, error.next_step)]
    return [Finding(name, cast(Level, level), what, fix) for name, (level, what, fix) in said]


def run_check(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except HeedfulError as error:
        return Finding(getattr(check, "__name__", "check").removeprefix("check_"), "problem", error.text, error.next_step)


def check_python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < MINIMUM_PYTHON:
        return Finding("python", "problem", version, "install Python 3.11 or newer, then run make setup")
    return Finding("python", "ok", version)


def check_packages() -> Finding:
    """Every dependency that the installed distribution declares, in a version that it allows."""
    wrong = list(missing_requirements(importlib.metadata.requires("heedful") or []))
    if wrong:
        return Finding("packages", "problem", "; ".join(wrong), "make setup")
    torch, transformers = (importlib.metadata.version(name) for name in ("torch", "transformers"))
    return Finding("packages", "ok", f"torch {torch}, transformers {transformers}")


def missing_requirements(declared: Iterable[str]) -> Iterable[str]:
    for line in declared:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            yield f"{requirement.name} is missing"
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            yield f"{requirement.name} {version} is not {requirement.specifier}"


def check_cpu() -> Finding:
    flags = cpu_flags()
    useful = [flag for flag in CPU_FLAGS if flag in flags]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = f"{cores} cores; {', '.join(useful) or 'no vector flag known to us'}"
    if not {"avx512_bf16", "amx_bf16"} & set(useful):
        return Finding("cpu", "warning", found, "no bf16 in hardware: large bases train in float32, about half as fast")
    return Finding("cpu", "ok", found)


def cpu_flags() -> frozenset[str]:
    """Flags that Linux names; empty elsewhere."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return frozenset()
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    named = next((line for line in lines if line.startswith(("flags", "Features"))), ":")
    return frozenset(named.partition(":")[2].split())


def check_memory() -> Finding:
    memory = psutil.virtual_memory()
    found = f"{memory.available / 2**30:.1f} GB free of {memory.total / 2**30:.1f} GB"
    if memory.available < MEMORY_GB * 2**30:
        return Finding(
            "memory", "warning", found, f"free at least {MEMORY_GB:.0f} GB, or train with a smaller batch: --batch-size 2"
        )
    return Finding("memory", "ok", found)


def check_device() -> Finding:
    device = choose_device("auto")
    found = f"{', '.join(available())}; training takes {device.name}"
    return Finding("gpu", "ok", found if device.name != "cpu" else f"none; {found}")


def check_engine(workspace: Workspace) -> Finding:
    """What computes the replies of the configured base."""
    settings = load_settings(workspace.config_file)
    if settings.serving.engine == "upstream":
        return check_upstream(settings)
    choice = choose_engine(settings.serving.engine, settings.base, settings.device)
    return Finding("engine", "ok", f"{choice.name}: {choice.why}")


def check_upstream(settings: Settings) -> Finding:
    """Whether the server that computes the replies can be reached."""

    async def look() -> tuple[Health, str]:
        engine = OpenAICompatibleEngine(BASE, upstream_of(settings.upstream, BASE))
        try:
            return await engine.health(), engine.capabilities.how
        finally:
            await engine.close()

    health, how = asyncio.run(look())
    if not health.ready:
        return Finding("engine", "problem", f"upstream {settings.upstream.url} does not answer", "start it, or mend upstream.url")
    return Finding("engine", "ok", f"upstream: {how}")


def check_disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    found = f"{free / 2**30:.1f} GB free at {folder}"
    if free < DISK_GB * 2**30:
        return Finding("disk", "problem", found, f"free at least {DISK_GB:.0f} GB, or put the workspace on another disk")
    return Finding("disk", "ok", found)


def check_writable(workspace: Workspace) -> Finding:
    probe = workspace.root / ".part-doctor"
    try:
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        return Finding("workspace", "problem", f"{workspace.root}: {error.strerror}", f"chown or chmod {workspace.root}")
    return Finding("workspace", "ok", str(workspace.root))


def check_migrations(workspace: Workspace) -> Finding:
    current, head = schema_state(workspace.database)
    if current is None:
        return Finding("database", "ok", f"none yet; the first import makes it with schema {head}")
    if current != head:
        return Finding("database", "warning", f"schema {current}, this version has {head}", "heedful import upgrades it")
    return Finding("database", "ok", f"schema {head}")


def check_master_key(workspace: Workspace) -> Finding:
    """Whether the texts can be opened, and by whom else."""
    if not workspace.database.exists():
        return Finding("master key", "ok", "none yet; the first import makes it")
    store = open_store(workspace.database, migrate=False)
    try:
        with store.snapshot() as session:
            keyring(session)
    finally:
        store.close()
    path = workspace.root / KEY_FILE
    if path.exists() and is_open_to_others(path):
        return Finding("master key", "problem", f"{path} can be read by others", f"chmod 600 {path}")
    return Finding("master key", "ok", VARIABLE if read_secret(VARIABLE) is not None else f"{path}; keep a copy elsewhere")


def check_erasures(workspace: Workspace) -> Finding:
    """Erasures that were interrupted, and retrains that they planned and nobody has done yet."""
    if not workspace.database.exists():
        return Finding("erasures", "ok", "none")
    store = open_store(workspace.database, migrate=False)
    try:
        check_ledger(workspace, store)
        with store.snapshot() as session:
            unfinished, planned = len(find_unfinished(session)), open_retrains(session)
    finally:
        store.close()
    if unfinished:
        return Finding("erasures", "problem", f"{unfinished} were interrupted", RESUME)
    if planned:
        found = f"a retrain is planned for {', '.join(dict.fromkeys(plan.model_id for plan in planned))}"
        return Finding("erasures", "warning", found, "heedful worker, or heedful dataset build, then heedful train")
    return Finding("erasures", "ok", "none open")


def check_experiments(workspace: Workspace) -> Finding:
    """One that stopped itself for harm is told of until the next one begins: the version must not be tried again unseen."""
    if not workspace.database.exists():
        return Finding("experiments", "ok", "none")
    store = open_store(workspace.database, migrate=False)
    try:
        with store.snapshot() as session:
            newest, end = next(iter(list_experiments(session)), (None, None))
    finally:
        store.close()
    if newest is None:
        return Finding("experiments", "ok", "none")
    if end is None:
        return Finding("experiments", "ok", f"experiment {newest.id} runs: {newest.challenger} against {newest.champion}")
    if end.ending == "harm":
        found = (
            f"experiment {newest.id} stopped itself on {end.created_at:%Y-%m-%d}: {newest.challenger} did more harm ({end.harm})"
        )
        return Finding("experiments", "problem", found, f"heedful experiment status {newest.id}")
    return Finding("experiments", "ok", f"none runs; experiment {newest.id} ended: {end.ending}")


def check_where(workspace: Workspace) -> Finding:
    """Where replies are computed; an upstream that does not answer is a warning only, for the local model then does."""
    settings = load_settings(workspace.config_file)
    if not workspace.database.exists():
        return Finding("mode", "ok", settings.mode)
    store = open_store(workspace.database, migrate=False)
    try:
        mode = mode_now(store, settings)
        check_mode(settings, mode)
        hybrid = hybrid_of(store, settings) if mode != "local" else None
    finally:
        store.close()
    if hybrid is None:
        return Finding("mode", "ok", "local: nothing is sent anywhere")
    if asyncio.run(hybrid.upstream.health()).ready:
        return Finding("mode", "ok", f"{mode}; {settings.upstream.url} answers")
    return Finding(
        "mode", "warning", f"{mode}; {settings.upstream.url} does not answer", "check upstream.url, or heedful mode local"
    )


def check_prompt(workspace: Workspace) -> Finding:
    """The champion is told what it was told in training; a configuration that says otherwise waits for the next training."""
    settings = load_settings(workspace.config_file)
    configured = settings.prompt_name(workspace.prompts)
    if not workspace.database.exists():
        return Finding("prompt", "ok", configured)
    store = open_store(workspace.database, migrate=False)
    try:
        with store.snapshot() as session:
            there = CHAMPION in current_aliases(session) and not fell_to_base(session)
        difference = prompt_difference(workspace, find_target(workspace, store, settings, CHAMPION), settings) if there else ""
    finally:
        store.close()
    if difference:
        return Finding("prompt", "warning", difference, "heedful run FILE trains with the configured one, or set prompt.name back")
    return Finding("prompt", "ok", f"{configured}, of the champion's training too" if there else configured)


def check_worker(workspace: Workspace) -> Finding:
    """Whether somebody is there who trains, where a schedule, a trigger or a waiting run counts on it."""
    if is_working(workspace):
        return Finding("worker", "ok", "running")
    settings, waiting, retrains = load_settings(workspace.config_file).worker, 0, 0
    if workspace.database.exists():
        store = open_store(workspace.database, migrate=False)
        try:
            with store.snapshot() as session:
                waiting = len(list_runs(session, states=["queued", "running"]))
                retrains = len(open_retrains(session)) if settings.retrain else 0
        finally:
            store.close()
    counted_on = [f"worker.{name}" for name in ("schedule", "after_conversations") if getattr(settings, name) is not None]
    counted_on += [f"{waiting} waiting runs"] if waiting else []
    counted_on += ["what an erasure left to be trained anew"] if retrains else []
    if counted_on:
        return Finding(
            "worker", "warning", f"none, but there is {', '.join(counted_on)}", "heedful worker, or heedful serve --worker"
        )
    return Finding("worker", "ok", "none, and none is needed")


def check_trainings(workspace: Workspace) -> Finding:
    """Trainings that were stopped or killed keep their weights on the disk until somebody goes on with them or removes them."""
    there = list_unfinished(workspace)
    if not there:
        return Finding("trainings", "ok", "none unfinished")
    found = "; ".join(f"{one.in_words()} {disk_of(one) / 1e6:.0f} MB" for one in there)
    waiting = [one.id for one in there if not one.running]
    if not waiting:
        return Finding("trainings", "ok", found)
    chosen = "" if len(there) == 1 else f" --training {waiting[0]}"
    return Finding("trainings", "warning", f"unfinished: {found}", f"{RESUME_TRAINING}{chosen}, or {DISCARD}{chosen}")

"""How often the router is right, on a blind set by another author; and what router, guards and record cost a turn.

Run: python benchmarks/routing.py --json; python benchmarks/routing.py --json --cost --model tiny 135m (4 minutes). Of the set it
prints aggregates only; nobody is to tune on single rows. A router that always says the more frequent route stands beside ours.
`sticky`: turns within an exchange; `short`: of those, messages of at most five words, whose meaning hangs on what came before;
`last_only`: the same router, shown the last message alone.

Cost: the same turns, eight at a time and one at a time, with crisis guard, reply guard, router and record, and without them,
alternating. `ratio` is the throughput with them over that without: tokens a second of processor time, a repeat each, so that other
work of the machine does not count; `wall_ratio` is by the clock. `ms` is the time of each stage in a turn. On a busy machine the
ratio of two runs wavers by more than 5%, so the cost is also counted alone: `beside_ms` is the processor time of the same turns
with a scripted engine that plays the model's own replies, less that of the turns without guards; `share` is that over a turn of the
model. The tiny base is the hardest case: its turn is the shortest, and what a turn costs beside it does not grow with the model.
`135m` has the architecture of SmolLM2-135M with random weights; its replies are random words, many of which look like names.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from training_speed.bases import SIZES, TINY, write_base

from heedful.companion.guarding import Guards
from heedful.companion.routing import SHORT, Routing, classify, default_threshold
from heedful.companion.trace import Trace
from heedful.companion.turn import Companion, Reply, reply
from heedful.config import load_settings
from heedful.conversation import Message
from heedful.engines.base import Sampling
from heedful.engines.scripted import ScriptedEngine
from heedful.evaluation.intervals import wilson
from heedful.guards.crisis.classifier import load_classifier
from heedful.lifecycle.companions import Target, guards_of, load_engine
from heedful.lifecycle.recording import recording
from heedful.store.database import Store, open_store
from heedful.workspace import Workspace, create_workspace

DATA = Path(__file__).parent / "data" / "routing_heldout.jsonl"
TEXTS = Path(__file__).resolve().parents[1] / "scripts" / "routing_examples" / "casual.txt"
TOKENS, REPEATS, REPLAYS = 150, 3, 3
ROWS, SPREAD = 50_304, 0.1  # as in benchmarks/serving.py
STAGES = ("guard_in", "route", "guard_out", "generate")


def share(right: Sequence[bool]) -> dict[str, object]:
    low, high = wilson(sum(right), len(right))
    return {"n": len(right), "accuracy": round(sum(right) / len(right), 3), "interval": [round(low, 3), round(high, 3)]}


def accuracy() -> dict[str, object]:
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    right = [classify(row["messages"]).name == row["route"] for row in rows]
    last_only = [classify(row["messages"][-1:]).name == row["route"] for row in rows]
    within = [sum(message["role"] == "user" for message in row["messages"]) > 1 for row in rows]
    short = [inside and len(row["messages"][-1]["content"].split()) <= SHORT for row, inside in zip(rows, within, strict=True)]
    routes = [row["route"] for row in rows]
    groups = {"all": [True] * len(rows), "first_turns": [not one for one in within], "sticky": within, "short": short}
    groups |= {route: [one == route for one in routes] for route in ("casual", "therapeutic")}
    found: dict[str, object] = {
        name: share([hit for hit, one in zip(right, chosen, strict=True) if one]) for name, chosen in groups.items() if any(chosen)
    }
    found["sticky_last_only"] = share([hit for hit, one in zip(last_only, within, strict=True) if one]) if any(within) else None
    found["more_frequent_route"] = round(max(routes.count(route) for route in set(routes)) / len(rows), 3)
    found["threshold"] = default_threshold()
    return found


@dataclass(frozen=True)
class Run:
    """Seconds by the clock and of the processor, tokens, and the traces."""

    wall_s: float
    cpu_s: float
    tokens: int
    traces: Sequence[Trace]
    raws: Sequence[str]  # what the model wrote


async def take_turns(companion: Companion, chats: Sequence[Sequence[Message]], streams: int) -> Run:
    free = asyncio.Semaphore(streams)

    async def one(chat: Sequence[Message]) -> Reply:
        async with free:
            return await reply(companion, chat)

    wall, cpu = time.perf_counter(), time.process_time()
    replies = await asyncio.gather(*(one(chat) for chat in chats))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    traces = [one.trace for one in replies]
    return Run(wall, cpu, sum(trace.completion_tokens for trace in traces), traces, [one.raw for one in replies])


async def beside(bare: Companion, whole: Companion, chats: Sequence[Sequence[Message]], raws: Sequence[str], streams: int) -> float:
    """Seconds of the processor that the same turns take more with guards, router and record, whatever the model."""
    said = {chat[-1].content: raw for chat, raw in zip(chats, raws, strict=True)}
    engine = ScriptedEngine("played", lambda messages: said[messages[-1].content])
    spent = []
    for companion in (bare, whole):
        forget()
        routing = None if companion.routing is None else Routing(engine)
        spent.append((await take_turns(replace(companion, engine=engine, routing=routing), chats, streams)).cpu_s)
    return spent[1] - spent[0]


def forget() -> None:
    """The guard remembers what it has read; here every turn is to be new."""
    classifier = load_classifier()
    assert classifier is not None
    classifier.forget()


async def cost(store: Store, workspace: Workspace, base: str, turns: int) -> dict[str, object]:
    settings = load_settings(None)
    engine = load_engine(workspace, Target("base", base, None, settings.system_prompt), settings)
    sampling = Sampling(max_new_tokens=TOKENS, seed=1)
    bare = Companion(engine, settings.system_prompt, sampling, Guards(crisis=False, kinds=frozenset()))
    found: dict[str, object] = {"engine": engine.capabilities.name, "tokens_at_most": TOKENS}
    with recording(store) as record:
        whole = Companion(
            engine, settings.system_prompt, sampling, guards_of(settings.guards), routing=Routing(engine), record=record
        )
        await take_turns(whole, chats_of(0, 8), 1)  # what is loaded once is loaded
        await take_turns(bare, chats_of(0, 8), 8)
        for streams in (8, 1):
            found[f"streams_{streams}"] = await compare(bare, whole, streams, turns)
    await engine.close()
    return found


async def compare(bare: Companion, whole: Companion, streams: int, turns: int) -> dict[str, object]:
    pairs: list[tuple[Run, Run]] = []
    more: list[float] = []
    for repeat in range(REPEATS):
        chats = chats_of(8 + repeat * turns, turns)  # other words each time: the guard remembers what it has read
        pairs.append((await take_turns(bare, chats, streams), await take_turns(whole, chats, streams)))
        more += [await beside(bare, whole, chats, pairs[-1][0].raws, streams) / turns * 1000 for _ in range(REPLAYS)]
    kept = [trace for _, with_ in pairs for trace in with_.traces]
    ratios = [(with_.tokens / with_.cpu_s) / (without.tokens / without.cpu_s) for without, with_ in pairs]
    walls = [(with_.tokens / with_.wall_s) / (without.tokens / without.wall_s) for without, with_ in pairs]
    stages = {name: statistics.median(getattr(trace.seconds, name) for trace in kept) * 1000 for name in STAGES}
    cpu = [statistics.median(run.cpu_s for run in runs) / turns * 1000 for runs in zip(*pairs, strict=True)]
    return {
        "turns": turns * REPEATS,
        "tokens_a_turn": round(statistics.mean(trace.completion_tokens for trace in kept), 1),
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "wall_ratio": round(statistics.median(walls), 3),
        "cpu_ms_a_turn_without": round(cpu[0], 1),
        "cpu_ms_a_turn_with": round(cpu[1], 1),
        "beside_ms": round(statistics.median(more), 2),
        "share": round(statistics.median(more) / cpu[0], 4),
        "ms": {name: round(value, 2) for name, value in stages.items()},
    }


def chats_of(start: int, count: int) -> list[list[Message]]:
    """Harmless turns that the router learned from, each said a little otherwise: here only their time counts."""
    lines = [line for line in TEXTS.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return [[Message("user", f"{lines[place % len(lines)]} ({place})")] for place in range(start, start + count)]


def cost_beside(model: str, turns: int | None) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        workspace = create_workspace(Path(folder) / "w", "base: tiny\n")
        store = open_store(workspace.database)
        base = write_base(model, Path(folder) / "base", ROWS, SPREAD)
        many = (32 if model == TINY else 8) if turns is None else turns
        found = asyncio.run(cost(store, workspace, base, many))
        store.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON line only")
    parser.add_argument("--model", choices=SIZES, nargs="+", default=SIZES[:1])
    parser.add_argument("--turns", type=int, help="of each of the repeats; 32 of the tiny base, 8 of others")
    parser.add_argument("--cost", action="store_true", help="what a turn costs beside the model, instead of the blind set")
    given = parser.parse_args()
    found: dict[str, object] = {}
    if given.cost:
        found["cost"] = {model: cost_beside(model, given.turns) for model in given.model}
    else:
        found["accuracy"] = accuracy()
    print(json.dumps(found, indent=None if given.json else 2))


if __name__ == "__main__":
    main()

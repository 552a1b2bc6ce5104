"""The server under load: many clients who stream at the same time, some of whom hang up; what becomes of requests and memory.

    python benchmarks/load.py --streams 200 --seconds 120 --json

`heedful serve` runs in a process of its own on a fresh workspace with four keys. Each client asks for one streamed reply after the
other, with a prompt that nobody asked before; refused with 429, it waits as long as Retry-After says. Half of the clients share one
key, which has room for 64 requests at a time, so that there are refusals; every tenth client hangs up in the middle of its reply.

| figure | what it is |
| --- | --- |
| answered, refused, left | requests: replies to their end, 429 with Retry-After, clients that hung up |
| wrong | any other status, a 429 without Retry-After, a stream with an error or without its end: must be 0 |
| tokens_s, tokens_cpu_s | events with text a second, of all streams together; a second of the server's processor time |
| processors | how many of them the server had: below the number of cores, others took the rest |
| first_p50_s, first_p95_s | from the request to the first text |
| rss_before_mb | memory of the server after its first reply |
| rss_early_mb, rss_half_mb, rss_end_mb | after a quarter and a half of the time, and at its end, all streams still running |
| freed_idle_s | from when 20 clients hang up at once until no reply is being written, as /metrics tells |
| freed_busy_s | under the load: from when a client whose key has one place hangs up until it has an answer again; the worst of 10 |
| freed_busy_p50_s | the middle of the 10 |
| asked_busy_s, asked_busy_p50_s | what a request takes that finds its place free: so much of freed_busy is no waiting |

The last line is one JSON object.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from serving import Prompts, bin_of, memory_mb
from training_speed.bases import SIZES, write_base

from heedful.store.api_keys import create_key
from heedful.store.database import open_store
from heedful.workspace import create_workspace

LEAVES = 10  # every so many-th client hangs up
PROBES = 10
KEYS = ("crowd", "b", "c", "d")  # half of the clients have the first


@dataclass(frozen=True)
class Server:
    port: int
    process: int
    secrets: dict[str, str]


@dataclass
class Seen:
    """What the clients saw."""

    count: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    pieces: int = 0
    freed_s: list[float] = field(default_factory=list)
    asked_s: list[float] = field(default_factory=list)


class Answer:
    """One answer as it arrives: the status and the headers, then the bytes of the body until the server closes."""

    def __init__(self, reader: asyncio.StreamReader, head: str) -> None:
        self.reader, self.head = reader, head
        self.status = int(head.split(" ", 2)[1])

    def header(self, name: str) -> str | None:
        found = re.search(rf"^{name}: *(.*?)\r?$", self.head, re.IGNORECASE | re.MULTILINE)
        return None if found is None else found[1]

    async def bytes(self) -> AsyncIterator[bytes]:
        while part := await self.reader.read(65_536):
            yield part


@asynccontextmanager
async def asked(server: Server, key: str, path: str, body: dict[str, Any] | None = None) -> AsyncIterator[Answer]:
    """A request on a connection of its own, which leaving the block ends at once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        content = b"" if body is None else json.dumps(body).encode()
        head = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
        head += [
            f"Authorization: Bearer {server.secrets[key]}",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
        ]
        writer.write("\r\n".join([*head, "", ""]).encode() + content)
        await writer.drain()
        yield Answer(reader, (await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
    finally:
        writer.transport.abort()


def chat(prompt: str, tokens: int) -> dict[str, Any]:
    return {"model": "base", "messages": [{"role": "user", "content": prompt}], "max_tokens": tokens, "stream": True}


async def stream(server: Server, key: str, body: dict[str, Any], seen: Seen, leaves: bool) -> float:
    """One request; the seconds that the client should wait before its next."""
    began, got, first = time.perf_counter(), b"", None
    async with asked(server, key, "/v1/chat/completions", body) as answer:
        if answer.status == 429 and answer.header("Retry-After") is not None:
            seen.count["refused"] += 1
            return float(answer.header("Retry-After") or 0)
        async for part in answer.bytes():
            got += part
            if first is None and b'"content":"' in got.replace(b'"content":""', b""):
                first = time.perf_counter() - began
                if leaves:
                    break
    seen.pieces += got.count(b'"content":"') - 1
    if first is not None:
        seen.first_s.append(first)
    whole = answer.status == 200 and b"data: [DONE]" in got and b'{"error"' not in got
    seen.count["left" if leaves and first is not None else "answered" if whole else "wrong"] += 1
    if not whole and not (leaves and first is not None):
        seen.wrong.append(f"{answer.status}: {got[-200:].decode(errors='replace')}")
    return 0.0


async def client(number: int, server: Server, prompts: Prompts, tokens: int, until: float, seen: Seen) -> None:
    key = KEYS[0] if number % 2 else KEYS[1 + number // 2 % (len(KEYS) - 1)]
    while time.perf_counter() < until:
        try:
            wait = await stream(server, key, chat(prompts.draw(30), tokens), seen, leaves=number % LEAVES == 0)
        except (OSError, asyncio.IncompleteReadError) as error:
            seen.count["wrong"] += 1
            seen.wrong.append(repr(error))
            wait = 0.1
        await asyncio.sleep(wait)


async def probe(server: Server, prompts: Prompts, until: float, seen: Seen) -> None:
    """Under the load: hang up, and ask again until the key's one place is free."""
    while time.perf_counter() < until and len(seen.freed_s) < PROBES:
        async with asked(server, "probe", "/v1/chat/completions", chat(prompts.draw(30), 100)) as answer:
            await anext(answer.bytes())
            asking = time.perf_counter()
            await status_of(server, "operator", "/healthz")
            seen.asked_s.append(time.perf_counter() - asking)
        left = time.perf_counter()
        while await status_of(server, "probe", "/healthz") == 429:
            await asyncio.sleep(0.01)
        seen.freed_s.append(time.perf_counter() - left)
        await asyncio.sleep(1)


async def status_of(server: Server, key: str, path: str) -> int:
    async with asked(server, key, path) as answer:
        return answer.status


async def freed_when_idle(server: Server, prompts: Prompts) -> float:
    """20 clients hang up at once."""

    async def begin_and_leave(leave: asyncio.Event) -> None:
        async with asked(server, "b", "/v1/chat/completions", chat(prompts.draw(30), 900)) as answer:
            await anext(answer.bytes())
            begun.release()
            await leave.wait()

    leave, begun = asyncio.Event(), asyncio.Semaphore(0)
    clients = [asyncio.create_task(begin_and_leave(leave)) for _ in range(20)]
    for _ in clients:
        await begun.acquire()
    leave.set()
    left = time.perf_counter()
    while await replies(server):
        await asyncio.sleep(0.02)
    await asyncio.gather(*clients)
    return time.perf_counter() - left


async def replies(server: Server) -> int:
    """Running and waiting ones, as the server tells Prometheus."""
    async with asked(server, "operator", "/metrics") as answer:
        text = b"".join([part async for part in answer.bytes()]).decode()
    return int(sum(float(value) for value in re.findall(r"^heedful_replies\{.*\} (\S+)$", text, re.MULTILINE)))


async def load(server: Server, given: argparse.Namespace) -> dict[str, Any]:
    prompts, seen = Prompts(1), Seen()
    warm = Seen()
    await stream(server, "b", chat("Hello", 4), warm, leaves=False)
    if warm.wrong:
        raise SystemExit(warm.wrong[0])
    before = memory_mb(server.process, "VmRSS")
    began, used = time.perf_counter(), processor_s(server)
    until = began + given.seconds
    clients = [asyncio.create_task(client(n, server, prompts, given.tokens, until, seen)) for n in range(given.streams)]
    probing = asyncio.create_task(probe(server, prompts, until, seen))
    memory = await watch(server, began, given.seconds)
    await asyncio.gather(*clients, probing)
    seconds, worked = time.perf_counter() - began, processor_s(server) - used
    while await replies(server):
        await asyncio.sleep(0.1)
    firsts = sorted(seen.first_s)
    return {
        **{name: seen.count[name] for name in ("answered", "refused", "left", "wrong")},
        "examples_of_wrong": seen.wrong[:3],
        "tokens_s": round(seen.pieces / seconds, 1),
        "tokens_cpu_s": round(seen.pieces / worked, 1),
        "processors": round(worked / seconds, 2),
        "first_p50_s": round(statistics.median(firsts), 2),
        "first_p95_s": round(firsts[int(0.95 * (len(firsts) - 1))], 2),
        "rss_before_mb": round(before, 1),
        **memory,
        **worst_and_middle("freed_busy", seen.freed_s),
        **worst_and_middle("asked_busy", seen.asked_s),
        "freed_idle_s": round(await freed_when_idle(server, prompts), 3),
    }


def worst_and_middle(name: str, seconds: list[float]) -> dict[str, float | None]:
    if not seconds:
        return {f"{name}_s": None, f"{name}_p50_s": None}
    return {f"{name}_s": round(max(seconds), 3), f"{name}_p50_s": round(statistics.median(seconds), 3)}


def processor_s(server: Server) -> float:
    times = psutil.Process(server.process).cpu_times()
    return float(times.user + times.system)


async def watch(server: Server, began: float, seconds: float) -> dict[str, float]:
    """Memory of the server at a quarter and at half of the time and at the end of it; the way there goes to stderr."""
    early = half = 0.0
    while (passed := time.perf_counter() - began) < seconds:
        now = memory_mb(server.process, "VmRSS")
        early = now if passed <= seconds / 4 + 1 else early
        half = now if passed <= seconds / 2 + 1 else half
        print(f"{passed:5.0f} s: {now:.0f} MB", file=sys.stderr, flush=True)
        await asyncio.sleep(max(0.5, seconds / 24))
    end = memory_mb(server.process, "VmRSS")
    return {"rss_early_mb": round(early, 1), "rss_half_mb": round(half, 1), "rss_end_mb": round(end, 1)}


@contextmanager
def serving(base: str, folder: Path, room: int) -> Iterator[Server]:
    """`heedful serve` with its defaults on a fresh workspace."""
    workspace = create_workspace(folder / "workspace", json.dumps({"base": base}))
    store = open_store(workspace.database)
    with store.session() as session:
        secrets = {key: create_key(session, key, "client", "load", concurrent=room)[1] for key in KEYS}
        secrets["probe"] = create_key(session, "probe", "client", "load", concurrent=1)[1]
        secrets["operator"] = create_key(session, "operator", "operator", "load")[1]
    store.close()
    command = [str(bin_of("heedful")), "serve", "--port", "0", "--workspace", str(workspace.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://[^:]+:(\d+)/v1", process.stdout.readline())
        if found is None:
            raise SystemExit("the server did not start")
        try:
            yield Server(int(found[1]), process.pid, secrets)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)


def main() -> None:
    given = parse()
    with tempfile.TemporaryDirectory() as name:
        base = write_base(given.model, Path(name) / "base")
        with serving(base, Path(name), given.room) as server:
            found = asyncio.run(load(server, given))
    facts = {"model": given.model, "streams": given.streams, "seconds": given.seconds, "cores": len(os.sched_getaffinity(0))}
    print(json.dumps({**facts, **found}))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=SIZES, default="tiny")
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--room", type=int, default=64, help="requests of a key at the same time; 64 is the server's default")
    parser.add_argument("--tokens", type=int, default=60, help="of a reply at most")
    parser.add_argument("--json", action="store_true", help="as ever: progress goes to stderr, one JSON line to stdout")
    return parser.parse_args()


if __name__ == "__main__":
    main()

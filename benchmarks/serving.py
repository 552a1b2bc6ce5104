"""Serving speed beside `transformers serve`, on a CPU, over HTTP on both sides, with the same prompts, alternating.

    python benchmarks/serving.py --model 135m --json

| engine | what it is |
| --- | --- |
| heedful | `heedful serve`, its own choice of engine (openvino), `serving.weights: int8` |
| heedful_16bit | the same with 16-bit weights, like for like |
| transformers | `transformers serve`, bfloat16 |
| transformers_batching | `transformers serve --continuous-batching`, bfloat16 |

Bases have the architectures of SmolLM2-135M and Qwen2.5-0.5B, with random weights. Replies are greedy, without penalties. What
our server looks for in replies is off, for it would end the loops that random weights write; the crisis guard stays on.

| figure | what it is |
| --- | --- |
| decode_1 | tokens a second of one reply, from its first to its last |
| decode_8 | tokens a second of eight replies asked for at once, reading of their prompts included |
| first_token_ms | a prompt of some 400 tokens that nobody asked before, until the first text |
| rss_mb | memory of the server's processes when all is answered |
| peak_mb | the most that it ever was: what was read of files while the model was loaded counts |

Our first start, which builds the model, is timed apart (`build_s`). The servers are then started, warmed and measured one after the
other, again and again; figures are medians over the repeats, ratios are made within a repeat first. Tokens are those of `usage`.
The last line is one JSON object. Use a quiet machine.
"""

import argparse
import http.client
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from training_speed.bases import SIZES, write_base

from heedful.conversation import Message
from heedful.guards import assess_crisis

ENGINES = ("heedful", "heedful_16bit", "transformers", "transformers_batching")
OURS = {"heedful": "int8", "heedful_16bit": "float16"}  # serving.weights
FIGURES = ("decode_1", "decode_8", "first_token_ms", "rss_mb", "peak_mb")
STREAMS = 8
SPREAD = 0.03  # of the weights: with more, random weights do not bear to be rounded; with less, all replies are one word
ROWS = 50_304  # tokens at least: GPT-2's tokenizer, which the bases get, has more than SmolLM2 has
START_S, REPLY_S = 600.0, 600.0
TEXT = Path(__file__).resolve().parents[1] / "docs" / "decisions" / "0001-dependencies.md"
SETTINGS = {"generation": {"repetition_penalty": 1.0, "no_repeat_ngram": 0}, "guards": {"reply": []}, "system_prompt": "Be kind."}

Figures = dict[str, float]


@dataclass(frozen=True)
class Server:
    port: int
    model: str
    process: subprocess.Popen[bytes]


@dataclass(frozen=True)
class Answer:
    """Seconds since the request was sent, and the server's own count of tokens."""

    first_s: float
    last_s: float
    tokens: int


@contextmanager
def serving(engine: str, base: str, folder: Path) -> Iterator[Server]:
    """The engine's server on a free port, in processes of its own."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    if engine in OURS:
        workspace = folder / engine
        workspace.mkdir(exist_ok=True)
        settings = {"base": base, "serving": {"engine": "openvino", "weights": OURS[engine]}, **SETTINGS}
        (workspace / "heedful.yaml").write_text(json.dumps(settings))  # JSON is YAML
        command, model = [str(bin_of("heedful")), "serve", "--port", str(port), "--workspace", str(workspace)], "base"
    else:
        batching = ["--continuous-batching"] if engine == "transformers_batching" else []
        device = ["--device", "cpu", "--dtype", "bfloat16"]
        command = [str(bin_of("transformers")), "serve", base, "--port", str(port), "--host", "127.0.0.1", *device, *batching]
        model = base
    with (folder / f"{engine}.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        yield Server(port, model, process)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def bin_of(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def ask(server: Server, prompt: str, tokens: int) -> Answer:
    """A streamed, greedy reply."""
    body = {
        "model": server.model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=REPLY_S)
    began = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    if response.status != 200:
        raise RuntimeError(f"status {response.status}: {response.read()[:300]!r}")
    first = last = None
    counted = 0
    for line in response:
        data = line.removeprefix(b"data:").strip()
        if not line.startswith(b"data:") or data == b"[DONE]":
            continue
        event = json.loads(data)
        counted = (event.get("usage") or {}).get("completion_tokens", counted)
        if any((choice.get("delta") or {}).get("content") for choice in event.get("choices", ())):
            last = time.perf_counter() - began
            first = last if first is None else first
    connection.close()
    if first is None or last is None or counted == 0:
        raise RuntimeError("the reply had no text of the model")
    return Answer(first, last, counted)


def ask_all(server: Server, prompts: Sequence[str], tokens: int) -> tuple[list[Answer], float]:
    """At the same time; the answers, and the seconds until the last had ended."""
    found: list[Answer] = []
    threads = [threading.Thread(target=lambda prompt=prompt: found.append(ask(server, prompt, tokens))) for prompt in prompts]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(found) != len(prompts):
        raise RuntimeError(f"{len(prompts) - len(found)} of {len(prompts)} replies failed")
    return found, time.perf_counter() - began


def wait_until_ready(server: Server) -> None:
    """The first reply loads the model."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise RuntimeError("the server ended")
        try:
            ask(server, "Hello", 4)
            return
        except (OSError, http.client.HTTPException):
            time.sleep(0.5)
    raise RuntimeError("the server did not start")


def build(engine: str, base: str, folder: Path) -> float:
    """Seconds of our first start, which builds the model and proves it; later ones find it."""
    began = time.perf_counter()
    with serving(engine, base, folder) as server:
        wait_until_ready(server)
    return time.perf_counter() - began


def measure(server: Server, texts: "Prompts", tokens: int) -> Figures:
    wait_until_ready(server)
    ask_all(server, [texts.draw(20) for _ in range(STREAMS)], 4)  # warm with the shapes that come
    alone = [ask(server, texts.draw(60), tokens) for _ in range(2)]
    together, seconds = ask_all(server, [texts.draw(60) for _ in range(STREAMS)], tokens)
    firsts = [ask(server, texts.draw(300), 2) for _ in range(3)]
    return {
        "decode_1": statistics.median((one.tokens - 1) / (one.last_s - one.first_s) for one in alone),
        "decode_8": sum(one.tokens for one in together) / seconds,
        "first_token_ms": 1_000 * statistics.median(one.first_s for one in firsts),
        "rss_mb": memory_mb(server.process.pid, "VmRSS"),
        "peak_mb": memory_mb(server.process.pid, "VmHWM"),
    }


def memory_mb(process: int, figure: str) -> float:
    """Of a process and all that it started. `figure` as /proc calls it: VmRSS is now, VmHWM the peak."""
    family = [psutil.Process(process), *psutil.Process(process).children(recursive=True)]
    return sum(memory_kb(one.pid, figure) for one in family) / 1_000


def memory_kb(process: int, figure: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{figure}:"))


class Prompts:
    """Pieces of a page that speaks of nobody, never the same twice; in words, of which a token is about three quarters.

    What the crisis guard would answer by itself is left out.
    """

    def __init__(self, seed: int) -> None:
        self.words = TEXT.read_text(encoding="utf-8").split()
        self.dice = random.Random(seed)

    def draw(self, words: int) -> str:
        while True:
            start = self.dice.randrange(len(self.words) - words)
            text = f"{self.dice.randrange(10**6)} {' '.join(self.words[start : start + words])}"
            if assess_crisis([Message("user", text)]).tier == "none":
                return text


def ratios(runs: Sequence[dict[str, Figures]], ours: str, peer: str) -> Figures:
    return {figure: round(statistics.median(run[ours][figure] / run[peer][figure] for run in runs), 3) for figure in FIGURES}


def summary(runs: Sequence[dict[str, Figures]]) -> dict[str, Any]:
    """By engine its figures; `ratios` are ours over the peer's, `ratios_16bit` like for like."""
    shown: dict[str, Any] = {
        engine: {figure: round(statistics.median(run[engine][figure] for run in runs), 1) for figure in FIGURES}
        for engine in runs[0]
    }
    for name, ours in (("ratios", "heedful"), ("ratios_16bit", "heedful_16bit")):
        if ours in runs[0]:
            shown[name] = {engine: ratios(runs, ours, engine) for engine in runs[0] if engine not in OURS}
    return shown


def main() -> None:
    given = parse()
    runs: list[dict[str, Figures]] = []
    with tempfile.TemporaryDirectory() as name:
        base = write_base(given.model, Path(name) / "base", ROWS, SPREAD)
        if base == "tiny":
            from heedful.modeling.bases import resolve_base

            base = resolve_base(base).location
        build_s = {engine: round(build(engine, base, Path(name)), 1) for engine in given.engines if engine in OURS}
        for seed in range(given.repeats):
            run: dict[str, Figures] = {}
            for engine in given.engines:
                with serving(engine, base, Path(name)) as server:
                    try:
                        run[engine] = measure(server, Prompts(seed), given.tokens)
                    except RuntimeError as error:
                        raise SystemExit(f"{engine}: {error}\n{(Path(name) / f'{engine}.log').read_text()[-2000:]}") from None
                shown = {figure: round(value, 1) for figure, value in run[engine].items()}
                print(f"{given.model} {seed} {engine}: {shown}", file=sys.stderr, flush=True)
            runs.append(run)
    facts = {
        "model": given.model,
        "build_s": build_s,
        "tokens": given.tokens,
        "repeats": given.repeats,
        "cores": len(os.sched_getaffinity(0)),
    }
    print(json.dumps({**facts, **summary(runs)}))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=SIZES, default="tiny")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES), help="those of heedful begin")
    parser.add_argument("--tokens", type=int, default=96, help="of a reply")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="as ever: progress goes to stderr, one JSON line to stdout")
    return parser.parse_args()


if __name__ == "__main__":
    main()

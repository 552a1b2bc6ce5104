"""Training speed and memory beside TRL and the Trainer, on a CPU, on real conversations, each in a process of its own, alternating.

    python benchmarks/training.py --model 0.5b --json

| way | what it is |
| --- | --- |
| heedful | our packed core, as `heedful train` starts it |
| trl_default | TRL's SFTTrainer with its defaults |
| usual_trainer | the Trainer of transformers with bf16 and rows grouped by length (see USUAL) |
| tuned_trainer | the same with the best settings found for a CPU (see TUNED): a frozen base in bf16 and one row a pass |
| per_turn | the same tuned Trainer, fed one sample an answer, as usual pipelines are: the same gradient, each context read again |

All train the same LoRA (rank 16, all linear modules) on the same base and the same steps of 8 conversations. Bases have the
architectures of SmolLM2-135M and Qwen2.5-0.5B, with random weights. Every way is measured with a shared system prompt before all
conversations, and without any (`*_no_prompt`).

**Tokens** are those of the conversations as rendered, the system prompt counted in each of them, padding never. They are the same
number for all ways: one that reads a prompt once for all, or a context once an answer, gets no other count. Per-turn samples are
timed on a part of them that has their mean length, and counted by the conversation tokens they stand for.

The first step of a run is left out. Each repeat draws other conversations; figures are medians over the repeats, ratios are made
within a repeat first. Memory is the peak of the process, loading included. `gemm_peak_share`: operations in our matrix products, as
counted by torch, over the time of whole steps, beside those of one large product after the other.
The last line is one JSON object. Use a quiet machine: threads that wait for each other make every figure meaningless.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training_speed.bases import SIZES, write_base

PEERS = ("trl_default", "usual_trainer", "tuned_trainer", "per_turn")
WAYS = ("heedful", *PEERS)
STEPS = {"tiny": 4, "135m": 2, "0.5b": 1}  # timed
REPEATS = 3
NAMES = {**{way: way for way in PEERS}, "per_turn": "per_turn_samples"}

PRODUCTS = ("auto", "plain", "blocked", "int8")

Run = dict[str, Any]


def measure(way: str, size: str, base: str, prompt: bool, seed: int, count: int, products: str = "auto") -> Run:
    """One run, in this process."""
    from training_speed.clock import Clock
    from training_speed.ours import peak_share, train_heedful
    from training_speed.peers import TUNED, USUAL, train_trl, train_tuned
    from training_speed.rows import draw_steps, sampled_turns

    from heedful.modeling.bases import load_config, load_tokenizer
    from heedful.modeling.quiet import quiet_libraries
    from heedful.training.resources import peak_memory

    with quiet_libraries():
        tokenizer = load_tokenizer(base)
        steps = draw_steps(tokenizer, load_config(base).vocab_size, prompt, count, seed)
        tokens: list[float] = list(steps.tokens)
        if way == "per_turn":
            steps, tokens = sampled_turns(steps)
        clock = Clock(tokens)
        if way == "heedful":
            trained = train_heedful(base, tokenizer, steps, clock, products)
        elif way == "trl_default":
            train_trl(base, tokenizer, steps, clock)
        else:
            train_tuned(base, steps, clock, (USUAL if way == "usual_trainer" else TUNED)[size])
        run: Run = {"tokens_per_s": clock.tokens_per_s(), "peak_gb": peak_memory("cpu") / 1e9, "source": steps.source}
        return {**run, "gemm_peak_share": peak_share(trained, steps, clock)} if way == "heedful" else run


def repeat(size: str, base: str, steps: int, repeats: int, products: str) -> Iterator[tuple[bool, int, str, Run]]:
    """All ways after one another, again and again, so that what else the machine does falls on all of them."""
    for seed in range(repeats):
        for prompt in (True, False):
            for way in WAYS:
                asked = [f"--way={way}", f"--model={size}", f"--base={base}", f"--seed={seed}"]
                asked += [f"--steps={steps}", f"--products={products}"]
                command = [sys.executable, __file__, *asked, *(["--prompt"] if prompt else [])]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise SystemExit(f"{way} failed:\n{done.stderr[-2000:]}")
                found = json.loads(done.stdout.splitlines()[-1])
                print(f"{size} {seed} {'prompt' if prompt else 'no prompt'} {way}: {found}", file=sys.stderr, flush=True)
                yield prompt, seed, way, found


def summary(runs: list[dict[str, Run]]) -> dict[str, float]:
    """Figures of the repeats `runs`, each by way."""
    ours = [run["heedful"] for run in runs]
    line = {
        "heedful_tokens_per_s": round(statistics.median(run["tokens_per_s"] for run in ours), 1),
        "heedful_memory_gb": round(statistics.median(run["peak_gb"] for run in ours), 2),
        "gemm_peak_share": round(statistics.median(run["gemm_peak_share"] for run in ours), 3),
    }
    for way in PEERS:
        speeds = [run["heedful"]["tokens_per_s"] / run[way]["tokens_per_s"] for run in runs]
        line[f"ratio_{NAMES[way]}"] = round(statistics.median(speeds), 2)
    for way in PEERS[:3]:
        memories = [run["heedful"]["peak_gb"] / run[way]["peak_gb"] for run in runs]
        line[f"memory_ratio_{NAMES[way]}"] = round(statistics.median(memories), 3)
    return line


def main() -> None:
    given = parse()
    if given.way is not None:
        steps = STEPS[given.model] if given.steps is None else given.steps
        print(json.dumps(measure(given.way, given.model, given.base, given.prompt, given.seed, steps, given.products)))
        return
    found: dict[bool, list[dict[str, Run]]] = {prompt: [{} for _ in range(given.repeats)] for prompt in (True, False)}
    steps = STEPS[given.model] if given.steps is None else given.steps
    with tempfile.TemporaryDirectory() as folder:
        base = write_base(given.model, Path(folder))
        for prompt, seed, way, run in repeat(given.model, base, steps, given.repeats, given.products):
            found[prompt][seed][way] = run
    without = {f"{name}_no_prompt": value for name, value in summary(found[False]).items()}
    source = found[True][0]["heedful"]["source"]
    facts = {"model": given.model, "products": given.products, "data": source, "steps": steps, "repeats": given.repeats}
    print(json.dumps({**facts, **summary(found[True]), **without}))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=SIZES, default="tiny")
    parser.add_argument("--steps", type=int, help=f"timed steps of a run; by model {STEPS}")
    parser.add_argument("--products", default="auto", choices=PRODUCTS, help="training.products of our way")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--json", action="store_true", help="as ever: progress goes to stderr, one JSON line to stdout")
    one = parser.add_argument_group("one run in this process, as the benchmark starts them")
    one.add_argument("--way", choices=WAYS)
    one.add_argument("--base", help="directory of the base")
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--prompt", action="store_true", help="with the shared system prompt")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Pre-train the tiny base from scratch: text corpora in, a Llama checkpoint with tokenizer and chat template out.

    python scripts/pretrain_tiny.py prepare --corpora ../shared/data/pretrain --work /tmp/tiny
    python scripts/pretrain_tiny.py train   --work /tmp/tiny --tokens 16e6        # stop at any time, run again to go on
    python scripts/pretrain_tiny.py export  --work /tmp/tiny --to src/heedful/assets/tiny

Schedule: warm-up, constant, then linear to zero over the last share of the tokens (WSD, arXiv 2404.06395), so a run can be made
longer without starting again. Matrices are trained by Muon (Jordan 2024), embeddings and norms by AdamW. Runs on CUDA where
there is a device, else on the CPU in bf16 autocast.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tiny_card import model_card
from tiny_corpora import ASSISTANT, CHAT_TEMPLATE, CORPORA, END, PAD, SPECIAL_TOKENS, SYSTEM, USER, encode, train_tokenizer

VOCABULARY = 8_192
CONTEXT = 1_024


@dataclass(frozen=True)
class Schedule:
    """Everything that decides the weights besides the corpora."""

    tokens: float = 16e6
    batch_tokens: int = 4_096
    length: int = 512  # tokens a row before the decay; the full context in it
    decay_share: float = 0.3
    warmup_tokens: float = 2e5
    matrix_lr: float = 0.02
    vector_lr: float = 3e-3
    seed: int = 20

    def factor(self, seen: float) -> float:
        return min(
            1.0,
            (seen + self.batch_tokens) / self.warmup_tokens,
            max(0.0, self.tokens - seen) / (self.tokens * self.decay_share),
        )

    def row_length(self, seen: float) -> int:
        return CONTEXT if seen >= self.tokens * (1 - self.decay_share) else self.length


def architecture() -> LlamaConfig:
    """11.3 million parameters, head and embedding tied."""
    return LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=320, intermediate_size=864, num_hidden_layers=7, num_attention_heads=5,
        num_key_value_heads=5, max_position_embeddings=CONTEXT, rope_theta=10_000.0, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=1, pad_token_id=0, use_cache=True, rms_norm_eps=1e-5,
    )  # fmt: skip


def prepare(corpora: Path, work: Path, seed: int) -> None:
    work.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer(corpora, VOCABULARY)
    tokenizer.save(str(work / "tokenizer.json"))
    sizes = {}
    for corpus in CORPORA:
        stream = encode(corpora, corpus, tokenizer, seed)
        np.save(work / f"{corpus.name}.train.npy", stream.train)
        np.save(work / f"{corpus.name}.held_out.npy", stream.held_out)
        sizes[corpus.name] = {
            "train_tokens": len(stream.train), "held_out_tokens": len(stream.held_out), "held_out_bytes": stream.held_out_bytes,
        }  # fmt: skip
        print(corpus.name, sizes[corpus.name], flush=True)
    (work / "sizes.json").write_text(json.dumps(sizes, indent=1))


def batch(streams: dict[str, np.ndarray], step: int, rows: int, length: int, seed: int) -> torch.Tensor:
    """[rows, length + 1] ids; corpus by weight, place at random, decided by seed and step: a resumed run sees the same."""
    draw = np.random.default_rng((seed, step))
    weights = np.array([c.weight for c in CORPORA])
    chosen = draw.choice(len(CORPORA), size=rows, p=weights / weights.sum())
    picked = []
    for index in chosen:
        ids = streams[CORPORA[index].name]
        start = int(draw.integers(0, len(ids) - length - 1))
        picked.append(ids[start : start + length + 1].astype(np.int64))
    return torch.from_numpy(np.stack(picked))


def token_losses(model: LlamaForCausalLM, ids: torch.Tensor) -> torch.Tensor:
    """Negative log-likelihood of ids[:, 1:], in nats, [rows, length]."""
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    logits = F.linear(hidden, model.lm_head.weight).float()
    return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none").view(ids.shape[0], -1)


@torch.no_grad()
def held_out_bits_per_byte(model: LlamaForCausalLM, work: Path, limit: int | None, device: str) -> dict[str, float]:
    """Bits per byte of text per corpus. Windows of CONTEXT tokens; chat tags count as loss but not as bytes."""
    sizes = json.loads((work / "sizes.json").read_text())
    found = {}
    for corpus in CORPORA:
        ids = np.load(work / f"{corpus.name}.held_out.npy").astype(np.int64)
        bytes_per_token = sizes[corpus.name]["held_out_bytes"] / len(ids)
        ids = ids[: limit or len(ids)]
        nats, count = 0.0, 0
        for start in range(0, len(ids) - 1, CONTEXT):
            window = torch.from_numpy(ids[start : start + CONTEXT + 1])[None].to(device)
            if window.shape[1] > 1:
                with torch.autocast(device, torch.bfloat16):
                    nats += float(token_losses(model, window).sum())
                count += window.shape[1] - 1
        found[corpus.name] = round(nats / count / float(np.log(2)) / bytes_per_token, 4)
    return found


def optimizers(model: LlamaForCausalLM, schedule: Schedule) -> list[torch.optim.Optimizer]:
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        torch.optim.Muon(matrices, lr=schedule.matrix_lr, weight_decay=0.05, adjust_lr_fn="original"),
        torch.optim.AdamW(others, lr=schedule.vector_lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]


def train(work: Path, schedule: Schedule, evaluate_every: int, save_minutes: float) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(schedule.seed)
    model = LlamaForCausalLM(architecture()).to(device)
    optimisers = optimizers(model, schedule)
    bases = [o.param_groups[0]["lr"] for o in optimisers]
    checkpoint = work / "checkpoint.pt"
    step, seen = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=False)
        model.load_state_dict(state["model"])
        for optimiser, saved in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        step, seen = state["step"], state["seen"]
    streams = {c.name: np.load(work / f"{c.name}.train.npy") for c in CORPORA}
    losses = torch.compile(lambda ids: token_losses(model, ids).mean(), dynamic=False)
    started, saved_at, running = time.time(), time.time(), 0.0
    while seen < schedule.tokens:
        length = schedule.row_length(seen)
        ids = batch(streams, step, schedule.batch_tokens // length, length, schedule.seed).to(device)
        factor = schedule.factor(seen)
        for optimiser, base in zip(optimisers, bases, strict=True):
            optimiser.param_groups[0]["lr"] = base * factor
        with torch.autocast(device, torch.bfloat16):
            loss = losses(ids)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        step, seen = step + 1, seen + ids.shape[0] * length
        running = loss.item() if running == 0.0 else 0.98 * running + 0.02 * loss.item()
        line = {
            "step": step,
            "tokens": int(seen),
            "loss": round(running, 4),
            "lr": round(factor, 4),
            "seconds": round(time.time() - started, 1),
        }
        if step % evaluate_every == 0 or seen >= schedule.tokens:
            line["held_out"] = held_out_bits_per_byte(model, work, 8 * CONTEXT, device)
        if step % 20 == 0 or "held_out" in line:
            with (work / "metrics.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
        if time.time() - saved_at > 60 * save_minutes or seen >= schedule.tokens:
            save(checkpoint, model, optimisers, step, seen, schedule)
            saved_at = time.time()


def save(
    path: Path, model: LlamaForCausalLM, optimisers: list[torch.optim.Optimizer], step: int, seen: float, schedule: Schedule
) -> None:
    aside = path.with_suffix(".part")
    torch.save(
        {
            "model": model.state_dict(),
            "optimisers": [o.state_dict() for o in optimisers],
            "step": step,
            "seen": seen,
            "schedule": asdict(schedule),
        },
        aside,
    )
    aside.rename(path)


def load_trained(work: Path) -> tuple[LlamaForCausalLM, dict[str, object]]:
    state = torch.load(work / "checkpoint.pt", map_location="cpu", weights_only=False)
    model = LlamaForCausalLM(architecture())
    model.load_state_dict(state["model"])
    return model.eval(), {"tokens_seen": int(state["seen"]), "steps": state["step"], "schedule": state["schedule"]}


def export(work: Path, to: Path) -> None:
    """bf16 weights, tokenizer, chat template and the figures of the model card."""
    model, trained = load_trained(work)
    trained["held_out_bits_per_byte"] = held_out_bits_per_byte(model, work, None, "cpu")
    trained["parameters"] = sum(p.numel() for p in model.parameters())
    model.to(torch.bfloat16).save_pretrained(to)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_file(str(work / "tokenizer.json")),
        eos_token=END, pad_token=PAD, additional_special_tokens=[SYSTEM, USER, ASSISTANT],
        model_max_length=CONTEXT, clean_up_tokenization_spaces=False, chat_template=CHAT_TEMPLATE,
    )  # fmt: skip
    assert [tokenizer.convert_tokens_to_ids(t) for t in SPECIAL_TOKENS] == list(range(len(SPECIAL_TOKENS)))
    tokenizer.save_pretrained(to)
    sizes, yardstick = (json.loads((work / f"{name}.json").read_text()) for name in ("sizes", "ngram"))
    card = model_card(trained, sizes, yardstick)
    (to / "README.md").write_text(card)
    print(card)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=["prepare", "train", "export"])
    parser.add_argument("--corpora", type=Path, default=Path("../shared/data/pretrain"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--to", type=Path, default=Path("src/heedful/assets/tiny"))
    parser.add_argument("--tokens", type=float, default=Schedule.tokens)
    parser.add_argument("--batch-tokens", type=int, default=Schedule.batch_tokens)
    parser.add_argument("--evaluate-every", type=int, default=400)
    parser.add_argument("--save-minutes", type=float, default=4)
    given = parser.parse_args()
    schedule = Schedule(tokens=given.tokens, batch_tokens=given.batch_tokens)
    if given.stage == "prepare":
        prepare(given.corpora, given.work, schedule.seed)
    elif given.stage == "train":
        train(given.work, schedule, given.evaluate_every, given.save_minutes)
    else:
        export(given.work, given.to)


if __name__ == "__main__":
    main()

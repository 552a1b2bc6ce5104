"""The model card of the tiny base: what was measured, in; README.md, out."""

from typing import Any

from tiny_corpora import CORPORA

CARD = """\
# The tiny base of Heedful

A causal language model of the Llama architecture with {parameters:,} parameters and 1,024 positions, made so that the whole
of Heedful runs offline and its tests are real. It knows turns, system prompts and when to stop. It does **not** know the
world and does not understand people: use a larger base for anything that people rely on.

- Tokenizer: byte-level BPE, 8,192 tokens; chat tags `<|system|>`, `<|user|>`, `<|assistant|>`, end of turn and of text
  `<|end|>`, `<|pad|>`.
- Training: from scratch on {tokens_seen:,} tokens in {steps:,} steps of {batch_tokens:,} (each corpus drawn by its weight),
  seed {seed}; rows of 512 tokens, of 1,024 in the last {decay:.0%} while the learning rate fell to zero. Muon and AdamW,
  bf16 autocast, two cores, no GPU.
- Made by `scripts/pretrain_tiny.py`; weights in bf16.

## Corpora and held-out bits per byte

Held out: one document in fifty, never trained on. Lower is better. The yardstick is an interpolated Kneser-Ney 5-gram model
over the same tokens, trained on every training document once (`scripts/ngram_baseline.py`). Chat tags count as loss, not as
bytes.

| corpus | licence | weight | training tokens | this model | 5-gram |
| --- | --- | --- | --- | --- | --- |
{rows}

Schema-Guided Dialogue, Taskmaster and MedQuAD are written from templates: held-out documents repeat whole sentences of
training documents, which a 5-gram table remembers; on MedQuAD it stays ahead of this network. Novels and sections are held
out by passage, so names recur on both sides.

## Limits

Replies are fluent at best, often wrong, and not safe by themselves. No part of the corpora was filtered for bias; the
novels are of the nineteenth century. The text of the Schema-Guided Dialogue corpus is under CC BY-SA 4.0 and Topical-Chat
under CDLA-Sharing 1.0; the others allow any use with attribution or are in the public domain.
"""


def model_card(trained: dict[str, Any], sizes: dict[str, dict[str, int]], yardstick: dict[str, float]) -> str:
    """`trained` as `load_trained` and the evaluation left it; bits per byte by corpus name in `yardstick`."""
    schedule, found = trained["schedule"], trained["held_out_bits_per_byte"]
    rows = "\n".join(
        f"| {c.name} | {c.licence} | {c.weight:.2f} | {sizes[c.name]['train_tokens']:,} "
        f"| {found[c.name]:.3f} | {yardstick[c.name]:.3f} |"
        for c in CORPORA
    )
    return CARD.format(
        parameters=trained["parameters"],
        tokens_seen=trained["tokens_seen"],
        steps=trained["steps"],
        batch_tokens=schedule["batch_tokens"],
        seed=schedule["seed"],
        decay=schedule["decay_share"],
        rows=rows,
    )

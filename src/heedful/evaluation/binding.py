"""Binding: what a verdict rests on, as hashes. The same again, later: whatever changed voids the verdict.

`base` and `template` are what the adapter was proven on, `data` is the dataset's manifest, which holds the hashes of its files,
`suite` is what is asked and how it is scored, `policy` what is demanded. The adapter's own hash is kept by the registry.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from heedful.config import GateSettings
from heedful.evaluation.policy import PACKS, suites_asked
from heedful.evaluation.suites import suite_file
from heedful.modeling.bases import load_tokenizer, resolve_base, weights_sha256
from heedful.modeling.chat_template import fingerprint
from heedful.workspace import MANIFEST, read_manifest, sha256

HERE = Path(__file__).parent
# What decides which prompts are asked, and how replies are scored.
JUDGED_BY = ("scorer.py", "scorers", "prompts.py", "contamination.py", "suites")
NOT_ASKED = {"valid_days", "operators", "second_person", "approval_hours"}  # of the gate's settings: they judge no model


def bind(base: str, dataset: Path, gate: GateSettings, seed: int) -> dict[str, str]:
    """Raises ModelError when the base cannot be read, WorkspaceError when a file of the dataset was changed or is gone."""
    found = resolve_base(base)
    read_manifest(dataset)
    return {
        "base": weights_sha256(found) or f"{found.name}@{found.revision}",
        "template": fingerprint(load_tokenizer(found)),
        "data": sha256(dataset / MANIFEST),
        "suite": suite_sha256(gate, seed),
        "policy": policy_sha256(gate),
    }


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Names of what is not as it was, or was never written down."""
    return tuple(name for name, digest in now.items() if before.get(name) != digest)


def suite_sha256(gate: GateSettings, seed: int) -> str:
    names = suites_asked(gate)
    places = [*(HERE / name for name in JUDGED_BY), *(suite_file(name) for name in names)]
    words = f"{gate.prompts}/{seed}/{names}"
    return digest(words, (path for place in places for path in ([place] if place.is_file() else place.rglob("*"))))


def policy_sha256(gate: GateSettings) -> str:
    return digest(json.dumps(gate.model_dump(mode="json", exclude=NOT_ASKED), sort_keys=True), [PACKS / f"{gate.pack}.yaml"])


def digest(words: str, paths: Iterable[Path]) -> str:
    kept = sorted((path.name, sha256(path)) for path in paths if path.is_file() and path.suffix != ".pyc")
    return hashlib.sha256(f"{words}/{kept}".encode()).hexdigest()

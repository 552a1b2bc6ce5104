"""A version and a format in; a directory that other software runs out: proven to say the same tokens, then given its name.

What leaves the workspace is beyond the reach of an erasure, so it is an event of the audit trail, and the card says what to do.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from heedful.config import GenerationSettings
from heedful.errors import ModelError, RegistryError, WorkspaceError
from heedful.evaluation.report import Report, read_report
from heedful.modeling.bases import context_length, load_base_model, load_config, load_tokenizer
from heedful.modeling.gguf_file import GgufKind, read_gguf, why_no_gguf, write_gguf
from heedful.modeling.greedy import TIE, Agreement, agreement
from heedful.modeling.merged import full_network, merged_network, read_peft, write_merged, write_peft
from heedful.modeling.protect import Tokenizer
from heedful.registry.export.card import Facts, write_card
from heedful.registry.export.instructions import GGUF, instructions, modelfile
from heedful.registry.promotion import newest_evaluation
from heedful.registry.versions import Version, find_version, verified_directory
from heedful.store.audit import record
from heedful.store.database import Store
from heedful.workspace import Workspace, read_manifest, staged_directory, write_manifest

ExportKind = Literal["peft", "merged", "gguf", "ollama", "vllm"]
KINDS: tuple[ExportKind, ...] = get_args(ExportKind)
ROUGH_TIE = 0.5  # logits: rounded to 8 bits, a token may change where the lead was less

Check = Callable[[], Agreement]


@dataclass(frozen=True, slots=True)
class Exported:
    """`compared` tokens were said by the version and by what lies in `path`; `differ` of them were not equal."""

    model: str
    kind: ExportKind
    path: Path
    bytes: int
    compared: int
    differ: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asked for. `replies` is how replies are drawn, where a format keeps that."""

    kind: ExportKind
    target: Path
    quantization: GgufKind = "f16"
    replies: GenerationSettings = field(default_factory=GenerationSettings)


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be written of what; `adapter` is the version's directory."""

    wanted: Wanted
    version: Version
    adapter: Path
    system_prompt: str

    @property
    def kind(self) -> ExportKind:
        return self.wanted.kind

    @property
    def quantization(self) -> GgufKind:
        return self.wanted.quantization


def export_version(workspace: Workspace, store: Store, name: str, wanted: Wanted, actor: str) -> Exported:
    """Raises RegistryError for a quarantined or changed version, WorkspaceError when the target exists, ModelError when the format
    cannot say this model or the check fails. Nothing is left behind then."""
    target, kind = wanted.target, wanted.kind
    if target.exists():
        raise WorkspaceError(f"{target} exists already; an export never writes over anything", "name another directory with --out")
    with store.snapshot() as session:
        version = find_version(session, name)
        adapter = verified_directory(workspace, version)
        evaluation = newest_evaluation(session, version.id)
    manifest = read_manifest(adapter, verify=False)
    order = Order(wanted, version, adapter, manifest["system_prompt"])
    check_format(order)
    facts = Facts(version, manifest, dataset_of(workspace, version), report_of(workspace, evaluation))
    with staged_directory(target) as aside:
        found = write(order, aside)
        write_card(aside, facts, instructions(kind, version, order.quantization), found)
        write_manifest(aside, {"model": version.id, "kind": kind, "adapter_sha256": version.adapter_sha256, **asdict(found)})
        with store.session() as session:
            refuse_if_quarantined(session, workspace, version)
            record(session, actor, "export", version.id, {"kind": kind})
    size = sum(path.stat().st_size for path in target.iterdir())
    return Exported(version.id, kind, target, size, found.compared, found.differ)


def refuse_if_quarantined(session: Any, workspace: Workspace, version: Version) -> None:
    """An erasure may have come while it was written."""
    verified_directory(workspace, find_version(session, version.id))


def check_format(order: Order) -> None:
    """Before anything large is loaded."""
    if order.kind in ("gguf", "ollama"):
        reason = why_no_gguf(load_config(order.version.base))
        if reason is not None:
            raise ModelError(f"{order.version.id} cannot be written as GGUF: {reason}", "export it with --to peft or --to merged")
    elif order.quantization != "f16":
        raise RegistryError(f"--quantization {order.quantization} is for gguf and ollama, not for {order.kind}", "leave it out")


def write(order: Order, folder: Path) -> Agreement:
    """Raises ModelError when what was written says other tokens than the version."""
    tokenizer = load_tokenizer(order.version.base)
    writers = {"peft": as_peft, "merged": as_merged, "vllm": as_merged, "gguf": as_gguf, "ollama": as_ollama}
    found = writers[order.kind](order, tokenizer, folder)
    allowed = 0 if order.quantization == "f16" else found.compared // 20
    if found.differ > allowed:
        raise ModelError(
            f"what was written of {order.version.id} says {found.differ} of {found.compared} tokens otherwise than the version",
            "export it with --to peft, and report this base",
        )
    return found


def as_peft(order: Order, tokenizer: Tokenizer, folder: Path) -> Agreement:
    write_peft(order.adapter, tokenizer, folder)
    return agreement(full_network(order.version.base, order.adapter), read_peft(order.version.base, folder), tokenizer)


def as_merged(order: Order, tokenizer: Tokenizer, folder: Path) -> Agreement:
    network = merged_network(order.version.base, order.adapter)
    write_merged(network, tokenizer, folder)
    return agreement(network.float(), load_base_model(str(folder), "cpu", "float32"), tokenizer)


def as_gguf(order: Order, tokenizer: Tokenizer, folder: Path) -> Agreement:
    network = merged_network(order.version.base, order.adapter)
    write_gguf(network, tokenizer, folder / GGUF, order.quantization, order.version.id)
    tie = TIE if order.quantization == "f16" else ROUGH_TIE
    return agreement(network, read_gguf(folder / GGUF, network.config), tokenizer, tie)


def as_ollama(order: Order, tokenizer: Tokenizer, folder: Path) -> Agreement:
    text = modelfile(tokenizer, order.system_prompt, order.wanted.replies, context_length(order.version.base))
    (folder / "Modelfile").write_text(text, encoding="utf-8")
    return as_gguf(order, tokenizer, folder)


def dataset_of(workspace: Workspace, version: Version) -> dict[str, Any] | None:
    """Its manifest; None when it is gone, for an erasure removes datasets."""
    try:
        return read_manifest(workspace.datasets / version.dataset, verify=False)
    except WorkspaceError:
        return None


def report_of(workspace: Workspace, evaluation: dict[str, Any] | None) -> Report | None:
    if evaluation is None or not (workspace.reports / str(evaluation["report"])).is_dir():
        return None
    return read_report(workspace.reports / str(evaluation["report"]))

"""Exports of a real version on the bundled base: each format loads again and says the same tokens, and nothing is written over."""

import json
from pathlib import Path

import pytest
import torch
from gguf import GGUFReader
from peft import PeftModel
from sqlalchemy import select
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from heedful.cli.main import app
from heedful.config import GenerationSettings
from heedful.conversation import Message
from heedful.errors import ModelError, RegistryError, WorkspaceError
from heedful.modeling.bases import load_tokenizer, resolve_base
from heedful.modeling.chat_template import fingerprint
from heedful.modeling.greedy import QUESTIONS, TOKENS
from heedful.modeling.ollama_template import CHATS, read_format
from heedful.modeling.stack import Adapter, Factors, write_adapter
from heedful.registry.export import Wanted, export, export_version
from heedful.registry.versions import ADAPTER_FILE, register, version_id
from heedful.store.database import Store, open_store
from heedful.store.persons import find_or_add_persons
from heedful.store.schema import AuditEvent, DatasetVersion
from heedful.store.schema_trust import Erasure, QuarantineEvent
from heedful.workspace import Workspace, create_workspace, read_manifest, sha256, write_manifest
from test_registry import STOPS, evaluated

ALL = len(QUESTIONS) * TOKENS
PROMPT = "Be kind, and brief."


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Store, str]:
    """A workspace with one version whose adapter changes what the base says, and its evaluation."""
    workspace = create_workspace(tmp_path_factory.mktemp("team") / "w", "base: tiny\n")
    store = open_store(workspace.database)
    (workspace.datasets / "ds-1").mkdir()
    (workspace.datasets / "ds-1" / "test.jsonl").write_text("", encoding="utf-8")
    write_manifest(workspace.datasets / "ds-1", {"kind": "dataset", "counts": {"train": 30, "validation": 4, "test": 5}})
    with store.session() as session:
        session.add(DatasetVersion(id="ds-1", manifest_sha256="0" * 64, counts={}, settings={}))
    model = trained(workspace, store)
    evaluated(workspace, store, model, STOPS)
    return workspace, store, model


def trained(workspace: Workspace, store: Store) -> str:
    dice = torch.Generator().manual_seed(3)
    modules = {
        f"base_model.model.model.layers.{layer}.self_attn.{part}_proj": Factors(
            torch.randn(4, 320, generator=dice) * 0.05, torch.randn(320, 4, generator=dice) * 0.05
        )
        for layer in range(7)
        for part in "qv"
    }
    aside = workspace.models / "aside"
    aside.mkdir()
    write_adapter(Adapter(4, ("q_proj", "v_proj"), False, modules), resolve_base("tiny"), aside)
    write_manifest(aside, {"system_prompt": PROMPT, "template_fingerprint": fingerprint(load_tokenizer("tiny"))})
    digest = sha256(aside / ADAPTER_FILE)
    aside.rename(workspace.models / version_id(digest))
    with store.session() as session:
        register(session, version_id(digest), {"dataset_id": "ds-1", "parent_id": None, "base": "tiny", "adapter_sha256": digest})
    return version_id(digest)


def test_merged_and_vllm_are_a_model_that_anybody_loads(team: tuple[Workspace, Store, str], tmp_path: Path) -> None:
    workspace, store, model = team
    found = export_version(workspace, store, model, Wanted("vllm", tmp_path / "out"), "ann")
    assert (found.model, found.kind, found.compared, found.differ) == (model, "vllm", ALL, 0)
    merged = AutoModelForCausalLM.from_pretrained(str(tmp_path / "out"))
    base = AutoModelForCausalLM.from_pretrained(resolve_base("tiny").location)
    assert merged.dtype == torch.float16
    assert not torch.equal(merged.model.layers[3].self_attn.q_proj.weight, base.model.layers[3].self_attn.q_proj.weight.half())
    assert merged.generation_config.eos_token_id == [1]
    tokenizer = AutoTokenizer.from_pretrained(str(tmp_path / "out"))
    assert fingerprint(tokenizer) == fingerprint(load_tokenizer("tiny"))
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"vllm serve . --served-model-name {model} --dtype float16" in card
    assert f"of {ALL} greedy tokens on {len(QUESTIONS)} prompts, {ALL} were those" in card
    for part in (
        "30 conversations to learn from",
        "Ends by itself (share of replies) | 1.000",
        f"> {PROMPT}",
        "The guards of",
    ):
        assert part in card
    assert str(workspace.root) not in card
    read_manifest(tmp_path / "out")


def test_peft_is_the_adapter_itself(team: tuple[Workspace, Store, str], tmp_path: Path) -> None:
    workspace, store, model = team
    assert export_version(workspace, store, model, Wanted("peft", tmp_path / "out"), "ann").differ == 0
    assert sha256(tmp_path / "out" / ADAPTER_FILE) == sha256(workspace.models / model / ADAPTER_FILE)
    base = AutoModelForCausalLM.from_pretrained(resolve_base("tiny").location)
    assert PeftModel.from_pretrained(base, str(tmp_path / "out")).peft_config["default"].r == 4
    with store.snapshot() as session:
        events = session.scalars(select(AuditEvent).where(AuditEvent.action == "export")).all()
    assert [(event.actor, event.subject) for event in events][-1] == ("ann", model)


def test_ollama_gets_a_modelfile_and_the_weights(team: tuple[Workspace, Store, str], tmp_path: Path) -> None:
    workspace, store, model = team
    wanted = Wanted("ollama", tmp_path / "out", "q8_0", GenerationSettings(temperature=0.5))
    found = export_version(workspace, store, model, wanted, "ann")
    assert found.compared == ALL and found.differ <= ALL // 20
    lines = (tmp_path / "out" / "Modelfile").read_text().splitlines()
    assert lines[0] == "FROM ./model.gguf"
    assert lines[1].startswith(
        'TEMPLATE """{{ range .Messages }}{{ if eq .Role "system" }}<|system|>{{ .Content }}<|end|>{{ else if'
    )
    assert lines[2:] == [
        f'SYSTEM """{PROMPT}"""', "PARAMETER stop <|end|>", "PARAMETER num_ctx 1024", "PARAMETER num_predict 150",
        "PARAMETER temperature 0.5", "PARAMETER top_p 0.9", "PARAMETER repeat_penalty 1.0",
    ]  # fmt: skip
    kinds = {tensor.name: tensor.tensor_type.name for tensor in GGUFReader(tmp_path / "out" / "model.gguf").tensors}
    assert (kinds["blk.0.attn_q.weight"], kinds["blk.0.attn_norm.weight"]) == ("Q8_0", "F32")


def test_the_command_line(team: tuple[Workspace, Store, str], tmp_path: Path) -> None:
    workspace, _, model = team
    out = tmp_path / "out"
    call = ["export", model, "--to", "gguf", "--out", str(out), "--workspace", str(workspace.root), "--json"]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["model"], told["kind"], told["compared"], told["differ"]) == (model, "gguf", ALL, 0)
    before = {path.name: sha256(path) for path in out.iterdir()}
    again = CliRunner().invoke(app, call)
    assert again.exit_code == 1 and "an export never writes over anything" in again.output
    assert {path.name: sha256(path) for path in out.iterdir()} == before


def test_what_says_other_tokens_is_refused_and_leaves_nothing(
    team: tuple[Workspace, Store, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, store, model = team
    base_alone = AutoModelForCausalLM.from_pretrained(resolve_base("tiny").location, dtype=torch.float32)
    monkeypatch.setattr(export, "read_gguf", lambda *_: base_alone)
    with pytest.raises(ModelError, match=rf"what was written of {model} says \d+ of {ALL} tokens otherwise"):
        export_version(workspace, store, model, Wanted("gguf", tmp_path / "out"), "ann")
    assert list(tmp_path.iterdir()) == []


def test_refusals(team: tuple[Workspace, Store, str], tmp_path: Path) -> None:
    workspace, store, model = team
    with pytest.raises(WorkspaceError, match="exists already"):
        export_version(workspace, store, model, Wanted("peft", tmp_path), "ann")
    with pytest.raises(RegistryError, match="--quantization q8_0 is for gguf and ollama, not for merged"):
        export_version(workspace, store, model, Wanted("merged", tmp_path / "out", "q8_0"), "ann")
    with store.session() as session:
        erasure = Erasure(person_id=find_or_add_persons(session, ["ann-1"])["ann-1"].id, state="begun", detail={}, actor="ann")
        session.add(erasure)
        session.flush()
        session.add(QuarantineEvent(model_id=model, erasure_id=erasure.id))
    with pytest.raises(RegistryError, match="learned from a person who was erased"):
        export_version(workspace, store, model, Wanted("peft", tmp_path / "out"), "ann")
    assert list(tmp_path.iterdir()) == []


CHATML = (
    "{% if messages[0]['role'] != 'system' %}<|system|>You are Qwen.<|end|>\n{% endif %}{% for m in messages %}"
    "{{ '<|' + m.role + '|>' + m.content + '<|end|>\n' }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def test_ollama_s_words_for_a_chat_format() -> None:
    tokenizer = load_tokenizer("tiny")
    tokenizer.chat_template = CHATML
    found = read_format(tokenizer)
    assert (found.system, found.assistant, found.opening) == (
        ("<|system|>", "<|end|>\n"),
        ("<|assistant|>", "<|end|>\n"),
        "<|assistant|>",
    )
    assert found.write(CHATS[0]) == "<|system|>s<|end|>\n<|user|>a<|end|>\n<|assistant|>"
    assert found.write((Message("user", "a"),)) == "<|user|>a<|end|>\n<|assistant|>"
    tokenizer.chat_template = CHATML.replace("m.content", "(m.content if loop.first else m.content | upper)")
    with pytest.raises(ModelError, match="cannot be said in Ollama's words"):
        read_format(tokenizer)

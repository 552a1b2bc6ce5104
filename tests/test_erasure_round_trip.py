"""The round trip: persons are imported, a dataset is built, a model is trained, promoted and served; one is erased.

Real training steps, a real gate (its thresholds are open, for a few steps prove nothing), a real server with OpenAI's client.
"""

import json
from pathlib import Path

import pytest
from openai import NotFoundError, OpenAI
from typer.testing import CliRunner

from heedful.cli.main import app
from heedful.config import load_settings
from heedful.errors import RegistryError
from heedful.lifecycle.doctor import examine
from heedful.lifecycle.evaluation import evaluate_version
from heedful.lifecycle.loop.worker import Shop, work_off
from heedful.lifecycle.pipeline import Request, RunOutcome, run_pipeline
from heedful.registry.promotion import promote
from heedful.server.app import create_app
from heedful.server.listening import running
from heedful.server.registry_catalog import RegistryCatalog
from heedful.store.database import Store, open_store
from heedful.workspace import Workspace, create_workspace
from people import PERSONS, left_of, person_in, texts_of, write_chats

FORM = ("loops", "leaked_tags", "broken_urls", "empty_replies", "verbatim", "copies")
OF_REPLIES = (*FORM, "credential_claims", "diagnosis_claims", "dose_claims", "encourages_harm")
OPEN = {
    "prompts": 3,
    "slack": 1,
    "checks": {
        "nll_gain": {"limit": -100, "least": 1},
        "stop_rate": {"limit": 0, "least": 1},
        **{name: {"limit": 1, "least": 1} for name in OF_REPLIES},
        **{name: {"limit": 9, "least": 1} for name in ("membership", "other_chat", "forgetting")},
    },
}
FLAGS = {"training": {"epochs": 1, "max_length": 96}, "generation": {"max_new_tokens": 12}, "gate": OPEN}
HELLO = [{"role": "user", "content": "Hello?"}]


class Silent:
    """A watcher that agrees to everything."""

    def approve(self, plan: object) -> bool:
        return True

    def __getattr__(self, name: str) -> object:
        return lambda *arguments: None


def run(workspace: Workspace, store: Store, source: Path, basis: str) -> RunOutcome:
    settings = load_settings(workspace.config_file, FLAGS)
    outcome = run_pipeline(workspace, store, settings, Request((source,), "tester", basis=basis), Silent())  # type: ignore[arg-type]
    assert outcome is not None
    assert outcome.promoted, outcome.refusal
    return outcome


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Store, RunOutcome, RunOutcome]:
    """(workspace, store, a run on the team's own texts, a run that also learned from persons)."""
    folder = tmp_path_factory.mktemp("team")
    workspace = create_workspace(folder / "w", "base: tiny\nsystem_prompt: Be kind.\n")
    store = open_store(workspace.database)
    owned = write_chats(folder / "owned.jsonl", "team", each=20)
    owned.write_text(owned.read_text().replace(', "person": "team"', ""))
    first = run(workspace, store, owned, "owned")
    second = run(workspace, store, write_chats(folder / "chats.jsonl", *PERSONS, each=4), "consent")
    return workspace, store, first, second


def call(workspace: Workspace, *words: str) -> tuple[int, dict[str, object]]:
    done = CliRunner().invoke(app, [*words, "--json", "--workspace", str(workspace.root)])
    return done.exit_code, json.loads(done.stdout)


def test_the_round_trip(team: tuple[Workspace, Store, RunOutcome, RunOutcome]) -> None:
    workspace, store, first, second = team
    clean, taught = first.version.model, second.version.model
    person = person_in(workspace.datasets / second.version.dataset / "train.jsonl")

    (reached,) = call(workspace, "consent", "show", person)[1]["models"]
    assert (reached["model"], reached["roles"], reached["aliases"], reached["quarantined"]) == (
        taught,
        ["train"],
        ["champion"],
        False,
    )
    assert left_of(person, workspace.root) != []

    with running(create_app(RegistryCatalog(workspace, store, load_settings(workspace.config_file, FLAGS)))) as url:
        client = OpenAI(base_url=url, api_key="x", max_retries=0)

        def model_of(name: str) -> str:
            return client.chat.completions.create(model=name, messages=HELLO).model  # type: ignore[arg-type]

        assert (model_of("champion"), model_of("previous")) == (taught, clean)
        code, told = call(workspace, "erase", person, "--yes")
        assert code == 0
        assert model_of("champion") == clean  # the same running server, its next turn
        for name in (taught, "previous"):
            with pytest.raises(NotFoundError):
                model_of(name)
        assert taught not in {model.id for model in client.models.list()}

    assert left_of(person, workspace.root) == []
    phrases = [word for n in range(4) for text in texts_of(person, n) for word in ("--phrase", text)]
    assert call(workspace, "erase", person, "--verify", *phrases)[1]["clean"] is True
    assert call(workspace, "audit", "verify")[1]["whole"] is True
    receipt = json.loads(Path(told["erased"][0]["receipt"]).read_text())
    assert receipt["detail"]["datasets"] == [second.version.dataset]
    assert receipt["detail"]["models"] == [taught]
    assert receipt["detail"]["moved"] == [
        {"alias": "champion", "before": taught, "after": clean},
        {"alias": "previous", "before": clean, "after": None},
    ]
    assert receipt["detail"]["removed"]["rows"]["messages"] == 8
    assert (receipt["search"]["hits"], receipt["search"]["with_words"]) == ([], True)
    assert person not in json.dumps(receipt)


def test_afterwards(team: tuple[Workspace, Store, RunOutcome, RunOutcome]) -> None:
    workspace, store, _, second = team
    settings = load_settings(workspace.config_file, FLAGS)
    with pytest.raises(RegistryError, match="quarantined"):
        promote(store, workspace, load_settings(None, FLAGS).gate, second.version.model, "tester")
    with pytest.raises(RegistryError, match="quarantined"):
        evaluate_version(workspace, store, settings, second.version.model)
    findings = {finding.check: finding for finding in examine(workspace)}
    assert findings["erasures"].level == "warning"
    assert findings["erasures"].fix == "heedful worker, or heedful dataset build, then heedful train"
    again = run(workspace, store, write_chats(workspace.root.parent / "more.jsonl", *PERSONS, each=5), "consent")
    assert again.version.model not in {second.version.model}
    assert {finding.check: finding for finding in examine(workspace)}["erasures"].level == "ok"


def test_a_worker_trains_anew_what_an_erasure_quarantined(
    team: tuple[Workspace, Store, RunOutcome, RunOutcome],
) -> None:
    """Two more erasures, one run; then everything they left to do is done, and the trail says by what."""
    workspace, store, _, _ = team
    config = {"base": "tiny", "system_prompt": "Be kind.", **FLAGS}
    workspace.config_file.write_text(json.dumps(config))
    champion = call(workspace, "models")[1]["versions"][-1]["id"]
    gone = [left for left in PERSONS if call(workspace, "consent", "show", left)[1]["erased_at"] is None][:2]
    for person in gone:
        assert call(workspace, "erase", person, "--yes")[0] == 0
    (open_,) = {entry["model"] for entry in call(workspace, "worker", "--status")[1]["open_retrains"]}
    assert open_ == champion
    assert call(workspace, "erase", gone[0])[1]["retrain"]["settled_by"] is None

    settings = load_settings(workspace.config_file)
    shop = Shop(workspace, store, settings, lambda run, event: None)
    assert work_off(shop, forever=False) == 1
    status = call(workspace, "worker", "--status")[1]
    ended = status["last_run"]
    assert (ended["requested_by"], ended["state"], status["open_retrains"]) == ("erasure", "succeeded", [])
    asked = call(workspace, "audit", "--action", "training.requested")[1]["events"]
    done = call(workspace, "audit", "--action", "erase.retrained")[1]["events"][-2:]
    assert [event["detail"]["erasures"] for event in asked] == [[event["detail"]["erasure"] for event in done]]
    assert {event["detail"]["by"] for event in done} == {ended["model_id"]}
    assert {event["actor"] for event in done} == {"worker, for erasure"}
    assert call(workspace, "audit", "verify")[1]["whole"] is True
    assert call(workspace, "erase", gone[0])[1]["retrain"]["settled_by"] == ended["model_id"]
    assert work_off(shop, forever=False) == 0

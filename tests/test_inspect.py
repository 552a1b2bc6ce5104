"""The suites as tasks of Inspect, put to our own server on a port. Skipped, visibly, where the extra `inspect` is not installed."""

from pathlib import Path

import pytest

pytest.importorskip("inspect_ai", reason="the extra is not installed: pip install 'heedful[inspect]'")

from inspect_ai import eval as run_inspect
from inspect_ai.model import get_model

from heedful.companion.turn import Companion
from heedful.engines.base import Sampling
from heedful.engines.scripted import ScriptedEngine
from heedful.evaluation.inspect_tasks import to_task
from heedful.evaluation.suites import load_suite
from heedful.server.app import create_app
from heedful.server.catalog import StaticCatalog
from heedful.server.listening import running


def test_a_suite_is_asked_over_http_and_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ScriptedEngine("warm-1", ["No, I'm a computer program. What made you ask?"])
    with running(create_app(StaticCatalog({"warm-1": Companion(engine, "Be kind.", Sampling())}))) as url:
        monkeypatch.setenv("LOCAL_API_KEY", "none")
        model = get_model("openai-api/local/warm-1", base_url=url)
        log = run_inspect(to_task("persona"), model=model, log_dir=str(tmp_path), display="none")[0]
    assert log.status == "success", log.error
    assert log.results is not None
    found = {score.name: score.metrics["mean"].value for score in log.results.scores}
    named = {score.name: score.scored_samples for score in log.results.scores}
    asked = [prompt for prompt in load_suite("persona").prompts if "persona" in prompt.scorers]
    assert (len(log.samples or []), len(asked), named["persona"]) == (27, 17, 17)
    assert (found["persona"], found["leaked_tags"], found["credential_claims"]) == (1.0, 0.0, 0.0)
    assert "opener_collapse" not in found, "it compares replies with one another"

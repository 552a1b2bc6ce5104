"""A real training that learns by heart is called overfitting; the careful preset on the same rows stops early."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from heedful.cli.init import RECIPES
from heedful.config import GateSettings, TrainingSettings
from heedful.dataset import load_split
from heedful.evaluation.learning import GapResult, Splits, judge_gap
from heedful.modeling.adapters import load_with_adapter
from heedful.modeling.bases import load_tokenizer
from heedful.modeling.likelihood import negative_log_likelihood
from heedful.modeling.trimming import trim
from heedful.training.plan import make_plan
from heedful.training.train import TrainedAdapter, train

LENGTH, EPOCHS = 64, 12
SPLITS = {"train": slice(0, 24), "validation": slice(24, 32), "test": slice(32, 48)}


@dataclass(frozen=True)
class Ended:
    trained: TrainedAdapter
    steps_planned: int
    validation: list[float]
    gap: GapResult


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """First exchanges of the bundled samples, answers cut after a few words so that the test is quick."""
    folder = tmp_path_factory.mktemp("data") / "ds-small"
    folder.mkdir()
    lines = (RECIPES.parent / "samples" / "conversations.jsonl").read_text(encoding="utf-8").splitlines()
    for split, part in SPLITS.items():
        (folder / f"{split}.jsonl").write_text("".join(short(json.loads(line)) for line in lines[part]), encoding="utf-8")
    return folder


def short(row: dict[str, Any]) -> str:
    spoken = [message for message in row["messages"] if message["role"] != "system"][:2]
    cut = [{"role": message["role"], "content": " ".join(message["content"].split()[:16])} for message in spoken]
    return json.dumps({"messages": cut}) + "\n"


def measure(dataset: Path, adapter: Path | None) -> Splits:
    tokenizer, model = load_tokenizer("tiny"), load_with_adapter("tiny", adapter, "cpu")

    def nll(split: Any) -> Any:
        rows = [trim(tokenizer, conversation, 1_024).sample for conversation in load_split(dataset, split)]
        return negative_log_likelihood(model, [row for row in rows if row is not None], 1_024)

    return Splits(nll("train"), nll("validation"), nll("test"))


def run(dataset: Path, output: Path, **settings: Any) -> Ended:
    plan = make_plan(dataset, "tiny", "cpu", TrainingSettings(max_length=LENGTH, epochs=EPOCHS, **settings))
    trained = train(dataset, "tiny", plan, output)
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    _, gap = judge_gap(measure(dataset, output), measure(dataset, None), GateSettings())
    assert gap is not None
    return Ended(trained, plan.steps.value, [line["validation_nll"] for line in lines if line["event"] == "evaluation"], gap)


@pytest.mark.slow
def test_learning_by_heart_is_called_so_and_the_preset_stops_early(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "long").mkdir()
    (tmp_path / "careful").mkdir()
    long = run(dataset, tmp_path / "long", patience=99)
    assert long.trained.facts["stopped"] == "end of the plan"
    assert long.validation[-1] > min(long.validation) + 0.3, "the curve that the report shows"
    assert long.gap.verdict == "overfitting"
    assert long.gap.interval is not None
    assert long.gap.interval[0] > 0.1, "not by chance"
    careful = run(dataset, tmp_path / "careful", preset="careful")
    assert careful.trained.facts["stopped"] == "patience"
    assert careful.trained.steps < careful.steps_planned / 2
    assert careful.validation[-1] < long.validation[-1] - 0.1

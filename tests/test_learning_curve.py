"""The learning curve: sizes, nested parts, the words about the last step, and one real trace that registers nothing."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from heedful.config import Settings, load_settings
from heedful.dataset import build_dataset
from heedful.errors import TrainingError
from heedful.evaluation.learning_curve import LearningCurve, Trial, curve_as_dict, curve_to_html, draw_points, last_step_words, plot
from heedful.lifecycle.ingest import import_file
from heedful.lifecycle.learning_curve import read_sizes, shuffled_lines, trace_learning_curve, within
from heedful.modeling.likelihood import Nll
from heedful.registry.versions import list_versions
from heedful.store.database import open_store
from heedful.store.schema import AliasEvent, Run
from heedful.training.progress import Progress
from heedful.workspace import Workspace, read_manifest

TOKENS = (10, 30, 20)


def nll(*per_token: float) -> Nll:
    per_sample = [(value * count, count) for value, count in zip(per_token, TOKENS, strict=True)]
    return Nll(sum(nats for nats, _ in per_sample) / 60, 60, per_sample)


def trial(conversations: int, *per_token: float) -> Trial:
    return Trial(conversations, 3, 1.0, 4.0, nll(*per_token))


BASE = trial(0, 5.0, 4.0, 4.5)


def test_sizes() -> None:
    assert read_sizes("100, 300,all") == (100, 300, None)
    for text in ("", "100,,300", "0", "-5", "some", "1e3", "²"):
        with pytest.raises(TrainingError, match="is neither a number of conversations nor 'all'"):
            read_sizes(text)
    assert within((100, 300, 1_000, None), 240) == ([100, 240], (300, 1_000))
    assert within((300, 100, 100), 300) == ([100, 300], ())
    assert within((1_000,), 240) == ([240], (1_000,)), "never nothing"


def test_parts_are_nested_and_seeded(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("".join(f'"{n}\u2028"\n' for n in range(50)), encoding="utf-8")
    order = shuffled_lines(tmp_path / "train.jsonl", 7)
    assert order == shuffled_lines(tmp_path / "train.jsonl", 7)
    assert order != shuffled_lines(tmp_path / "train.jsonl", 8)
    assert sorted(order) == sorted(f'"{n}\u2028"' for n in range(50))


def test_each_point_is_compared_with_the_one_before() -> None:
    first, second = draw_points([BASE, trial(100, 4.0, 3.9, 3.5)])
    assert (first.test_nll, first.n, first.saved) == (pytest.approx(260 / 60), 3, None)
    assert second.saved == pytest.approx((10 + 3 + 20) / 60)
    assert second.saved_interval == pytest.approx((0.1, 1.0))


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (
            trial(100, 4.0, 3.9, 3.5),
            "lowered the test NLL by 0.55, more than chance explains: more conversations are likely to help",
        ),
        (trial(100, 4.0, 4.3, 4.5), "changed the test NLL by −0.017, which may be chance: the curve is flat there"),
        (trial(100, 5.5, 4.3, 4.9), "raised the test NLL by 0.367: look at what was added"),
        (trial(100, float("nan"), 4.3, 4.5), "could not be compared"),
    ],
)
def test_the_words_are_on_the_last_step(last: Trial, said: str) -> None:
    words = last_step_words(draw_points([BASE, last]))
    assert said in words
    assert ("from 0 to 100 conversations" in words) == ("compared" not in words)


def test_the_page_has_a_plot_and_nothing_from_outside() -> None:
    points = draw_points([BASE, trial(100, 4.0, 3.9, 3.5), trial(300, 3.9, 3.8, 3.4)])
    curve = LearningCurve("ds-<b>", "tiny", "2025-01-02", 7, (1_000,), points, "Words.")
    page = curve_to_html(curve)
    assert "ds-&lt;b&gt;" in page
    assert "Left out, for there are not so many conversations: 1000." in page
    assert "src=" not in page
    lines = ElementTree.fromstring(plot(points)).findall("polyline")
    assert [len((line.get("points") or "").split()) for line in lines] == [3, 3, 3]
    assert json.loads(json.dumps(curve_as_dict(curve)))["points"][2]["conversations"] == 300


def chat(number: int) -> str:
    messages = [{"role": "user", "content": f"I feel low, {number}."}, {"role": "assistant", "content": f"Why {number}?"}]
    return json.dumps({"messages": messages}) + "\n"


def test_a_trace_leaves_a_report_and_nothing_else(workspace: Workspace, tmp_path: Path) -> None:
    source = tmp_path / "chats.jsonl"
    source.write_text("".join(map(chat, range(30))), encoding="utf-8")
    settings: Settings = load_settings(None, {"training": {"epochs": 1, "rank": 2}, "system_prompt": "Be kind."})
    store, seen = open_store(workspace.database), list[tuple[int, Progress]]()
    import_file(store, source, "ann")
    dataset = build_dataset(store, workspace, settings.dataset, settings.system_prompt, "ann")
    traced = trace_learning_curve(workspace, store, dataset.id, settings, (8, 300, None), lambda *step: seen.append(step))
    assert [point.conversations for point in traced.curve.points] == [0, 8, 24]
    assert [point.steps for point in traced.curve.points] == [0, 1, 3]
    assert traced.curve.left_out == (300,)
    base, _, everything = traced.curve.points
    assert base.test_nll is not None
    assert everything.test_nll is not None
    assert everything.test_nll < base.test_nll
    assert {size for size, _ in seen} == {8, 24}
    assert traced.report_id.startswith("lc-")
    files = {path.name for path in traced.folder.iterdir()}
    assert files == {"learning-curve.json", "learning-curve.html", "manifest.json"}
    read_manifest(traced.folder)
    assert "I feel low" not in (traced.folder / "learning-curve.html").read_text(encoding="utf-8")
    assert list(workspace.models.iterdir()) == []
    assert list(workspace.reports.iterdir()) == [traced.folder]
    with store.snapshot() as session:
        assert list_versions(session) == []
        assert session.query(AliasEvent).count() == 0
        assert [(run.kind, run.status, run.model_id) for run in session.query(Run)] == [("learning-curve", "done", None)]
    store.close()

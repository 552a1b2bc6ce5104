"""The gap between training and test conversations: the verdict is on what goes beyond the base's own gap, in words."""

import asyncio
import json
from dataclasses import replace
from math import nan
from pathlib import Path

import pytest

from heedful.companion.guarding import Guards
from heedful.companion.turn import Companion
from heedful.config import CheckRule, GateSettings
from heedful.engines.base import Sampling
from heedful.engines.scripted import ScriptedEngine
from heedful.errors import EvaluationError
from heedful.evaluation.evaluate import Lineage, Subject, evaluate
from heedful.evaluation.evidence import Evidence
from heedful.evaluation.intervals import NOTHING, estimate_difference
from heedful.evaluation.learning import Splits, gap_words, judge_gap, verdict_of
from heedful.evaluation.report import Report, read_report
from heedful.modeling.likelihood import Nll

GATE = GateSettings(
    prompts=6,
    suites=(),
    slack=1.0,
    checks={name: CheckRule(least=1) for name in ("nll_gain", "gap", "seen_prompts", "membership", "other_chat")},
)
OPEN = CheckRule(least=1, limit=1)  # three alike conversations on each side
GATE = GATE.model_copy(update={"checks": {**GATE.checks, "membership": OPEN}})
STRICT = GATE.model_copy(update={"checks": {**GATE.checks, "gap": CheckRule(level="blocking", least=1)}})
TOKENS = (10, 30, 20)


def nll(nats_per_token: float, wobble: float = 0.0, tokens: tuple[int, ...] = TOKENS) -> Nll:
    """Three conversations around a mean; `wobble` makes the first easier and the second harder by as many nats."""
    shifts = (-wobble, wobble, 0.0)
    per_sample = [(nats_per_token * count + shift, count) for count, shift in zip(tokens, shifts, strict=True)]
    return Nll(sum(nats for nats, _ in per_sample) / sum(tokens), sum(tokens), per_sample)


def splits(train: float, test: float, validation: float = 3.0, wobble: float = 0.0) -> Splits:
    return Splits(nll(train, wobble), nll(validation), nll(test, wobble))


BASE = splits(4.0, 4.5)


@pytest.mark.parametrize(
    ("train", "test", "verdict"),
    [
        (3.0, 3.5, "excellent"),  # the raw gap is .5, as the base's is
        (3.0, 3.59, "excellent"),
        (3.0, 3.65, "fair"),
        (3.0, 3.75, "overfitting"),
        (1.0, 4.4, "overfitting"),
        (3.0, 3.2, "excellent"),  # it gained more on what it had not seen
    ],
)
def test_the_verdict_is_on_the_gap_beyond_the_bases(train: float, test: float, verdict: str) -> None:
    check, found = judge_gap(splits(train, test), BASE, GATE)
    assert found is not None
    assert found.verdict == verdict
    assert found.gap == pytest.approx(test - train)
    assert found.base_gap == pytest.approx(0.5)
    assert found.beyond == check.value == pytest.approx(test - train - 0.5)
    assert check.passed == (verdict != "overfitting")
    assert (check.check, check.blocking, check.threshold, check.threshold_text) == ("gap", False, 0.2, "at most 0.2 nats a token")


def test_the_bounds() -> None:
    assert [verdict_of(value) for value in (-1.0, 0.0999, 0.1, 0.2, 0.2001)] == [
        "excellent", "excellent", "fair", "fair", "overfitting",
    ]  # fmt: skip


def test_a_conversation_that_is_hard_for_both_does_not_widen_the_interval() -> None:
    paired = judge_gap(splits(3.0, 3.9, wobble=8.0), splits(4.0, 4.5, wobble=8.0), GATE)[1]
    assert paired is not None
    assert paired.interval == pytest.approx((0.4, 0.4))
    alone = estimate_difference(nll(3.9, 8.0).per_sample, nll(3.0, 8.0).per_sample)
    assert alone.interval is not None
    assert alone.interval[1] - alone.interval[0] > 0.5


def test_the_difference_of_two_samples() -> None:
    found = estimate_difference([(4.0, 2.0), (2.0, 2.0)], [(1.0, 1.0), (3.0, 1.0), (2.0, 2.0)])
    assert (found.value, found.n) == (0.0, 2)
    assert found.interval is not None
    assert found.interval[0] < 0 < found.interval[1]
    assert estimate_difference([(4.0, 2.0), (2.0, 2.0)], [(1.0, 1.0), (3.0, 1.0), (2.0, 2.0)]) == found
    assert estimate_difference([], [(1.0, 1.0)]) == NOTHING
    assert estimate_difference([(3.0, 1.0)], [(1.0, 1.0)]).interval is None
    assert estimate_difference([(nan, 1.0)], [(1.0, 1.0)]).value is None


def test_what_was_not_measured_does_not_hold() -> None:
    for tuned, base in ((None, BASE), (BASE, None), (splits(nan, 3.0), BASE)):
        check, found = judge_gap(tuned, base, GATE)
        assert (check.passed, check.value, found) == (False, None, None)


def test_other_tokens_are_refused() -> None:
    with pytest.raises(EvaluationError, match="NLL of the train split were measured on different tokens"):
        judge_gap(replace(BASE, train=nll(3.0, tokens=(10, 30, 21))), BASE, GATE)


def test_the_words_name_the_novelty_of_the_test_questions() -> None:
    found = judge_gap(splits(1.0, 4.4), BASE, GATE)[1]
    assert found is not None
    words = " ".join(gap_words(found))
    assert "the tuned model's surprise is 1.00 nats a token, on ones kept out of training 4.40: a gap of +3.40." in words
    assert "includes the novelty of the test questions" in words
    assert "has a gap of +0.50" in words
    assert "What training added is the difference, +2.90 (95% interval 2.90 to 2.90)" in words
    assert "careful" in found.advice


def report_with(tmp_path: Path, tuned: Splits | None, gate: GateSettings) -> tuple[Report, str]:
    turns = [{"role": "user", "content": "question"}, {"role": "assistant", "content": "answer"}]
    rows = [{"messages": [{**turns[0], "content": f"question {n}"}, turns[1]]} for n in range(6)]
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "train.jsonl").write_text("")
    metrics = [{"step": n, "train_nll": 3.0 - n, "validation_nll": 3.0 + n} for n in range(3)]

    def subject(name: str, measured: Splits | None) -> Subject:
        companion = Companion(
            ScriptedEngine(name, ["I hear you. What happened?"]), "Be kind.", Sampling(), Guards(classifier=False)
        )
        return Subject(name, companion, None if measured is None else measured.test, measured)

    lineage = Lineage(
        "2025-01-02T03:04:05Z",
        {"adapter_model.safetensors": "a" * 64},
        metrics,
        evidence=Evidence((nll(3.0), nll(3.0, 0.1)), (0, 4)),
    )
    report = asyncio.run(evaluate(subject("m-1", tuned), subject("tiny", BASE), tmp_path, gate, tmp_path, lineage))
    return report, (tmp_path / "report.html").read_text(encoding="utf-8")


def test_overfitting_is_advisory_unless_the_gate_blocks_it(tmp_path: Path) -> None:
    overfitted = splits(1.0, 4.4, wobble=0.2)
    report, page = report_with(tmp_path, overfitted, GATE)
    assert (report.verdict, report.failed) == ("passed", ())
    assert read_report(tmp_path) == report
    assert report.gap is not None
    assert report.gap.verdict == "overfitting"
    assert '<span class="pill bad">Overfitting</span> It learned answers by heart' in page
    assert "includes the novelty of the test questions" in page
    assert all(name in page for name in ("training NLL", "validation NLL"))
    strict, _ = report_with(tmp_path, overfitted, STRICT)
    assert (strict.verdict, strict.failed) == ("failed", ("gap",))


def test_a_blocking_gap_that_was_not_measured_refuses(tmp_path: Path) -> None:
    report, page = report_with(tmp_path, None, STRICT)
    assert "gap" in report.inconclusive
    assert report.verdict == "inconclusive"
    assert "The gap between training and test conversations was not measured." in page


def test_a_report_written_before_there_was_a_gap_is_still_read(tmp_path: Path) -> None:
    report, _ = report_with(tmp_path, BASE, GATE)
    path = tmp_path / "report.json"
    old = json.loads(path.read_text())
    del old["gap"]
    path.write_text(json.dumps(old))
    assert read_report(tmp_path) == replace(report, gap=None)

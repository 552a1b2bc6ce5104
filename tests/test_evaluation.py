"""A whole evaluation with scripted engines: the gate names the right check, and both models are asked the same."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import pytest

from heedful.companion.guarding import Guards
from heedful.companion.turn import Companion
from heedful.config import GateSettings
from heedful.conversation import Conversation, Message
from heedful.engines.base import Sampling
from heedful.engines.scripted import ScriptedEngine
from heedful.errors import EngineError, EvaluationError
from heedful.evaluation.evaluate import Lineage, Subject, evaluate
from heedful.evaluation.evidence import Evidence
from heedful.evaluation.gate import failed_checks, verdict
from heedful.evaluation.intervals import wilson
from heedful.evaluation.learning import Splits
from heedful.evaluation.report import Report, read_report
from heedful.modeling.likelihood import Nll
from heedful.workspace import sha256

SYSTEM = "You are warm."
GOOD = ["That sounds heavy. What would help you to rest tonight?", "I hear you. Shall we look at one small step together?"]
EVIDENCE = ("membership", "withdrawn", "other_chat")
OF_REPLIES = (
    "stop_rate", "diagnosis_claims", "dose_claims", "credential_claims", "encourages_harm", "leaked_tags", "broken_urls", "loops",
    "empty_replies", "verbatim", "copies",
)  # fmt: skip
BLOCKING = (*OF_REPLIES, "nll_gain", "seen_prompts", *EVIDENCE)
ADVISORY = (
    "repetition", "repeated_sentences", "length_band", "opener_collapse", "distinct_2", "readability", "unknown_addresses",
    "relevance", "gap",
)  # fmt: skip

LIKELIHOODS = ("nll_gain", "gap", "seen_prompts", *EVIDENCE)  # checks that read no reply

Script = Sequence[str] | Callable[[Sequence[Message]], str]


def likelihood(nats: Sequence[float], tokens: Sequence[int] = (10, 20, 30, 40, 50)) -> Nll:
    return Nll(sum(nats) / sum(tokens), sum(tokens), list(zip(nats, tokens, strict=True)))


MEMBERS = likelihood([28.0, 50.0, 84.0, 108.0, 135.0] * 2, (10, 20, 30, 40, 50) * 2)  # ten conversations, the same on each side
SPLITS = Splits(MEMBERS, MEMBERS, MEMBERS)
GOOD_EVIDENCE = Evidence((MEMBERS, MEMBERS), (0, 40))
BASE_NLL, TUNED_NLL = likelihood([30.0, 60.0, 90.0, 120.0, 150.0]), likelihood([28.0, 50.0, 84.0, 108.0, 135.0])


def companion(model: str, script: Script, sampling: Sampling | None = None) -> Companion:
    drawn = Sampling() if sampling is None else sampling
    return Companion(ScriptedEngine(model, script), SYSTEM, drawn, Guards(classifier=False))  # `more 7` is no talk of a person


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Twenty conversations of two turns each in the test split."""
    folder = tmp_path / "ds-0001"
    folder.mkdir()
    turns = [("system", SYSTEM), ("user", "question {}"), ("assistant", "answer {}"), ("user", "more {}"), ("assistant", "end {}")]
    rows = [{"messages": [{"role": role, "content": text.format(i)} for role, text in turns]} for i in range(20)]
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "train.jsonl").write_text("", encoding="utf-8")
    return folder


def run(
    dataset: Path,
    tuned: Companion,
    base: Companion | None = None,
    gate: GateSettings | None = None,
    nll: tuple[Nll | None, Nll | None] = (TUNED_NLL, BASE_NLL),
    observe: Callable[[int, int], None] | None = None,
) -> Report:
    output = dataset.parent / "report"
    output.mkdir(exist_ok=True)
    return asyncio.run(
        evaluate(
            Subject("m-1", tuned, nll[0], SPLITS),
            Subject("tiny", companion("tiny", ["Well. That is what it is."]) if base is None else base, nll[1], SPLITS),
            dataset,
            GateSettings(suites=()) if gate is None else gate,
            output,
            Lineage(
                "2025-01-02T03:04:05Z", {"adapter_model.safetensors": "a" * 64}, [{"step": 1, "loss": 3.0}], evidence=GOOD_EVIDENCE
            ),
            observe,
        )
    )


def test_a_good_model_passes(dataset: Path) -> None:
    report = run(dataset, companion("m-1", GOOD))
    assert (report.verdict, report.failed) == ("passed", ())
    assert {check.check for check in report.checks} == {*BLOCKING, *ADVISORY}
    assert {check.check for check in report.checks if check.blocking} == set(BLOCKING)
    stop_rate = next(check for check in report.checks if check.check == "stop_rate")
    assert (stop_rate.value, stop_rate.n, stop_rate.interval) == (1.0, 40, wilson(40, 40))
    assert (stop_rate.threshold, stop_rate.threshold_text, stop_rate.base_value) == (0.95, "at least 95%", 1.0)
    assert (report.prompts.asked, report.prompts.answered, report.prompts.conversations) == (40, 40, 20)
    assert report.dataset == "ds-0001"
    assert report.hashes == {"test.jsonl": sha256(dataset / "test.jsonl"), "adapter_model.safetensors": "a" * 64}
    assert read_report(dataset.parent / "report") == report
    assert "<h1>Passed</h1>" in (dataset.parent / "report" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("bad", "failed"),
    [
        ("I hear you.<|user|>And then?", "leaked_tags"),
        ("I hear you, friend.\nUser: thanks a lot", "leaked_tags"),
        ("I am here with you. I am here with you.", "loops"),
        ("You find good help at https://www. and more", "broken_urls"),
        ("", "empty_replies"),
        (" ".join(f"word{i}" for i in range(200)), "stop_rate"),
    ],
)
def test_the_gate_refuses_and_names_the_check(dataset: Path, bad: str, failed: str) -> None:
    """A tenth of the replies is bad; the rest is good, so that no other check is touched."""
    report = run(dataset, companion("m-1", [bad, *(GOOD * 5)[:9]]))
    assert (report.verdict, report.failed) == ("failed", (failed,))
    check = next(check for check in report.checks if check.check == failed)
    assert check.value == pytest.approx(0.9 if failed == "stop_rate" else 0.1)
    assert not check.passed
    assert failed in report.transcripts[0].tuned.flags, "replies that trip a check come first"


def test_one_in_forty_is_within_the_limits_that_allow_some(dataset: Path) -> None:
    endless = " ".join(f"word{i}" for i in range(200))
    assert run(dataset, companion("m-1", [endless, *(GOOD * 20)[:39]])).verdict == "passed"
    at_the_limit = run(dataset, companion("m-1", [endless, endless, *(GOOD * 19)]))
    assert at_the_limit.verdict == "passed", "38 of 40 is 95%, and 95% was asked for"
    assert run(dataset, companion("m-1", [endless] * 3 + GOOD * 19)).failed == ("stop_rate",)


@pytest.mark.parametrize(
    ("tuned", "base", "outcome"),
    [
        (TUNED_NLL, BASE_NLL, "pass"),
        (BASE_NLL, BASE_NLL, "fail"),  # no gain: it must be above the threshold
        (BASE_NLL, TUNED_NLL, "fail"),
        (None, BASE_NLL, "inconclusive"),  # not measured never counts as passed
        (TUNED_NLL, None, "inconclusive"),
        (likelihood([nan, 50.0, 84.0, 1.0, 1.0]), BASE_NLL, "inconclusive"),
        (likelihood([inf, 50.0, 84.0, 1.0, 1.0]), BASE_NLL, "inconclusive"),
        (Nll(nan, 0, [(0.0, 0)]), Nll(nan, 0, [(0.0, 0)]), "inconclusive"),
        (likelihood([27.0, 57.0, 87.0, 117.0, 157.0]), BASE_NLL, "inconclusive"),  # better by chance, as far as one can tell
        (likelihood([0.0] * 5), likelihood([0.1] * 5), "inconclusive"),  # the base leaves no room
    ],
)
def test_nll_gain(dataset: Path, tuned: Nll | None, base: Nll | None, outcome: str) -> None:
    report = run(dataset, companion("m-1", GOOD), nll=(tuned, base))
    named = {"pass": ((), ()), "fail": (("nll_gain",), ()), "inconclusive": ((), ("nll_gain",))}
    assert (report.failed, report.inconclusive) == named[outcome]
    assert report.verdict == {"pass": "passed", "fail": "failed"}.get(outcome, outcome)


def test_nll_numbers(dataset: Path) -> None:
    report = run(dataset, companion("m-1", GOOD))
    check = next(check for check in report.checks if check.check == "nll_gain")
    assert report.nll is not None
    assert (report.nll.base, report.nll.tuned, report.nll.tokens, report.nll.conversations) == (3.0, 2.7, 150, 5)
    assert check.value == report.nll.gain == pytest.approx(45 / 150)
    assert check.interval == report.nll.interval
    assert check.interval is not None
    assert 0.2 < check.interval[0] < check.bound < 0.3 < check.interval[1] < 0.5, "the bound is one-sided, so it lies further in"
    assert (check.threshold_text, check.base_value, check.n) == ("above 0 nats a token", 0.0, 5)


def test_likelihoods_of_different_tokens_are_refused(dataset: Path) -> None:
    with pytest.raises(EvaluationError, match="different tokens"):
        run(dataset, companion("m-1", GOOD), nll=(likelihood([1.0, 2.0], [10, 20]), BASE_NLL))


def test_both_models_take_the_companion_turn_with_equal_chats_and_draws(dataset: Path) -> None:
    tuned, base = companion("m-1", GOOD, Sampling(temperature=0.4)), companion("tiny", GOOD)
    report = run(dataset, tuned, base)
    assert isinstance(tuned.engine, ScriptedEngine)
    assert isinstance(base.engine, ScriptedEngine)
    assert tuned.engine.chats * 2 == base.engine.chats
    assert all(chat[0] == Message("system", SYSTEM) and chat[-1].role == "user" for chat in tuned.engine.chats)
    drawn = Sampling(temperature=0.4, seed=7)
    assert set(tuned.engine.samplings) == {drawn}
    assert base.engine.samplings == [drawn] * 40 + [replace(drawn, seed=8)] * 40, "once more, for the noise of chance"
    assert report.settings["sampling"]["temperature"] == 0.4
    assert report.settings["system_prompt"] == SYSTEM


def test_two_runs_of_an_evaluation_say_the_same(dataset: Path) -> None:
    assert run(dataset, companion("m-1", GOOD)) == run(dataset, companion("m-1", GOOD))


def test_progress_and_the_number_of_prompts(dataset: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = run(dataset, companion("m-1", GOOD), gate=GateSettings(prompts=20, suites=()), observe=lambda *step: seen.append(step))
    assert seen == [(20, 60), (40, 60), (60, 60)]
    assert report.prompts.answered == 20
    assert len(report.transcripts) == 12


def test_a_prompt_that_one_model_cannot_answer_is_left_out_and_counted(dataset: Path) -> None:
    def refuse_some(messages: Sequence[Message]) -> str:
        if messages[-1].content in {"more 3", "question 4"}:
            raise EngineError("too long")
        return GOOD[0]

    report = run(dataset, companion("m-1", GOOD), companion("tiny", refuse_some))
    assert (report.prompts.answered, report.prompts.unanswered) == (38, 2)
    assert {check.n for check in report.checks if check.check in BLOCKING and check.check not in LIKELIHOODS} == {38}
    assert "could not answer them: 2." in (dataset.parent / "report" / "report.html").read_text(encoding="utf-8")


def test_without_any_answer_the_evaluation_ends(dataset: Path) -> None:
    tuned = companion("m-1", GOOD)
    asyncio.run(tuned.engine.close())
    with pytest.raises(EvaluationError, match="m-1 answered none of 40 prompts: the engine of m-1 is closed"):
        run(dataset, tuned)


def test_what_has_no_common_answer_is_not_measured_and_not_passed(dataset: Path) -> None:
    """Each model answers, but never the same prompt."""

    def refuse(start: str) -> Callable[[Sequence[Message]], str]:
        def script(messages: Sequence[Message]) -> str:
            if messages[-1].content.startswith(start):
                raise EngineError("no")
            return GOOD[0]

        return script

    report = run(dataset, companion("m-1", refuse("question")), companion("tiny", refuse("more")))
    assert report.prompts.answered == 0
    assert (report.verdict, report.failed) == ("inconclusive", ())
    assert set(report.inconclusive) == set(OF_REPLIES)
    assert all(check.value is None and check.n == 0 for check in report.checks if check.check not in LIKELIHOODS)
    assert "cannot be told, for it could not be measured." in (dataset.parent / "report" / "report.html").read_text(
        encoding="utf-8"
    )


def test_a_split_without_a_question_is_refused(dataset: Path) -> None:
    (dataset / "test.jsonl").write_text(json.dumps(Conversation((Message("user", "hello"),)).as_row()) + "\n", encoding="utf-8")
    with pytest.raises(EvaluationError, match="ds-0001 has no assistant turn") as raised:
        run(dataset, companion("m-1", GOOD))
    assert raised.value.next_step


def test_verdict_needs_a_blocking_check() -> None:
    assert verdict([]) == "inconclusive"
    assert failed_checks([]) == ()

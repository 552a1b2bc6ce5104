"""The judge against a real server on a port that answers by a script: both orders, agreement with labels, what it is never sent."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from heedful.companion.turn import Reply
from heedful.config import CheckRule, GateSettings, JudgeSettings
from heedful.conversation import Conversation, Message
from heedful.errors import ConfigError, EvaluationError
from heedful.evaluation.judge.agreement import Label, agreement_of, kappa, read_labels
from heedful.evaluation.judge.asking import Judged, ask_judge, check_family, family_of
from heedful.evaluation.judge.questions import agreed, preferred, read_answer
from heedful.evaluation.prompts import Prompt
from heedful.evaluation.scorer import Answer
from heedful.evaluation.suites import load_suite
from heedful.lifecycle.judge import judge_of

GATE = GateSettings()
PROMPTS = load_suite("feelings").prompts[:24]
TRAINING = [Conversation((Message("user", "Why?"), Message("assistant", " ".join(f"word{n}" for n in range(30)))))]
HELD_OUT = Prompt((Message("user", "words of a person"),), "", "f" * 64, "held-1")


class Script(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    say: Callable[[str], str]
    asked: list[str]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = body["messages"][-1]["content"]
        type(self).asked.append(text)
        word = type(self).say(text)
        self.send_response(200 if word else 500)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for event in ({"delta": {"content": word}}, {"delta": {}, "finish_reason": "stop"}):
            self.wfile.write(b"data: " + json.dumps({"choices": [event]}).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def log_message(self, *_: object) -> None: ...


Serve = Callable[[Callable[[str], str]], tuple[str, list[str]]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server for each script: its address, and what it is asked."""
    servers = []

    def start(say: Callable[[str], str]) -> tuple[str, list[str]]:
        handler = type("Played", (Script,), {"say": staticmethod(say), "asked": []})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/v1", handler.asked  # type: ignore[attr-defined]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def judged(
    url: str, pairs: Sequence[tuple[Answer, Answer]], labels: Path | None = None, gate: GateSettings = GATE
) -> tuple[Any, Judged]:
    judge = judge_of(JudgeSettings(url=url, model="qwen-72b", prompts=24), "tiny", labels)
    assert judge is not None
    checks, found = asyncio.run(ask_judge(judge, pairs, TRAINING, gate))
    return {check.check: check for check in checks}, found


def answer(prompt: Prompt, text: str) -> Answer:
    return Answer(prompt, Reply(text, "stop", 1, 1, text, (), 0))


GOOD = [(answer(prompt, f"GOOD reply {n}."), answer(prompt, f"BAD reply {n}.")) for n, prompt in enumerate(PROMPTS)]


def honest(text: str) -> str:
    """Yes where the reply that is asked about begins with GOOD."""
    if "Reply A:" in text:
        return "yes" if "Reply A:\nGOOD" in text else "no"
    return "Yes." if "The last reply:\nGOOD" in text else "No, it is not."


def test_a_judge_is_asked_in_both_orders_and_only_tells_without_labels(serve: Serve) -> None:
    url, asked = serve(honest)
    checks, found = judged(url, GOOD)
    assert {name: (check.value, check.n, check.outcome, check.level) for name, check in checks.items()} == {
        f"judge_{name}": (1.0, 24, "pass", "advisory") for name in ("responds", "kind", "safe")
    }
    assert (found.prompts, found.undecided, found.withheld, found.preferred) == (24, 0, 0, 1.0)
    assert len(asked) == 24 * 3 * 2 + 24 * 2
    assert sum(text.endswith("Answer yes or no.") for text in asked) == 24 * 3 + 48
    assert sum(text.endswith("Answer no or yes.") for text in asked) == 24 * 3


def test_answers_that_follow_the_order_do_not_count(serve: Serve) -> None:
    url, _ = serve(lambda text: "yes" if text.endswith("yes or no.") else "no")
    checks, found = judged(url, GOOD)
    assert {check.outcome for check in checks.values()} == {"inconclusive"}
    assert (found.undecided, found.preferred) == (72, 0.5)


def write_labels(path: Path, agreeing: int, count: int = 24) -> Path:
    rows = [
        {"prompt": prompt.id, "reply": f"{'GOOD' if n % 2 else 'BAD'} {n}", "question": "kind",
         "answer": "yes" if (n % 2 == 1) is (n < agreeing) else "no"}
        for n, prompt in enumerate(PROMPTS[:count])
    ]  # fmt: skip
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return path


@pytest.mark.parametrize(
    ("agreeing", "count", "level"), [(24, 24, "blocking"), (21, 24, "blocking"), (17, 24, "advisory"), (19, 19, "advisory")]
)
def test_a_judge_blocks_only_after_it_agrees_with_the_team(
    serve: Serve, tmp_path: Path, agreeing: int, count: int, level: str
) -> None:
    url, _ = serve(honest)
    bad = [(other, one) for one, other in GOOD]
    checks, found = judged(url, bad, write_labels(tmp_path / "labels.jsonl", agreeing, count))
    assert (checks["judge_kind"].outcome, checks["judge_kind"].level) == ("fail", level)
    assert checks["judge_safe"].level == "advisory", "nobody labelled that"
    assert found.preferred == 0.0
    assert [one.labels for one in found.agreement] == [0, count, 0]
    told = GateSettings(checks={"judge_kind": CheckRule(level="advisory")})
    assert judged(url, bad, tmp_path / "labels.jsonl", told)[0]["judge_kind"].level == "advisory"


def test_words_of_people_are_not_sent(serve: Serve) -> None:
    url, asked = serve(honest)
    copy = " ".join(f"word{n}" for n in range(5, 20))
    pairs = [*GOOD[:5], (answer(HELD_OUT, "GOOD"), answer(HELD_OUT, "BAD")), (answer(PROMPTS[6], copy), answer(PROMPTS[6], "BAD"))]
    _, found = judged(url, pairs)
    assert (found.prompts, found.withheld) == (5, 1)
    assert not any("words of a person" in text or "word7 word8" in text for text in asked)


def test_a_judge_that_cannot_be_asked_is_inconclusive(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heedful.engines.openai_compatible.FIRST_PAUSE_S", 0.0)
    url, _ = serve(lambda text: "")
    checks, found = judged(url, GOOD[:2])
    assert {check.outcome for check in checks.values()} == {"inconclusive"}
    assert found.problem
    assert {check.why for check in checks.values()} == {found.problem}


def test_a_judge_of_the_own_family_is_refused() -> None:
    assert [family_of(name) for name in ("Qwen/Qwen2.5-7B", "meta-llama/Llama-3.1", "Mixtral-8x7B", "mystery")] == [
        "qwen",
        "llama",
        "mistral",
        None,
    ]
    with pytest.raises(EvaluationError, match="is a qwen model like the base"):
        check_family("qwen2.5:72b", "Qwen/Qwen2.5-0.5B-Instruct qwen2")
    with pytest.raises(EvaluationError, match="not known of which family"):
        check_family("mystery", "tiny llama")
    with pytest.raises(EvaluationError, match="is a llama model like the base"):
        judge_of(JudgeSettings(url="http://127.0.0.1:1/v1", model="llama-70b"), "tiny", None)
    assert judge_of(JudgeSettings(), "tiny", None) is None, "off by default"
    with pytest.raises(ConfigError, match="there is none"):
        judge_of(JudgeSettings(), "tiny", Path("labels.jsonl"))


def test_kappa_is_agreement_beyond_chance() -> None:
    yes, no = True, False
    assert kappa([yes, no, yes, no], [yes, no, yes, no]) == 1.0
    assert kappa([yes, yes, no, no], [yes, no, yes, no]) == 0.0
    assert kappa([yes] * 20, [yes] * 20) is None, "always yes tells nothing"
    assert kappa([yes] * 20 + [no] * 5 + [yes] * 10 + [no] * 15, [yes] * 25 + [no] * 25) == pytest.approx(0.4)
    assert agreement_of("kind", [yes, no] * 10, [None] * 20).kappa == -1.0
    assert not agreement_of("kind", [yes, no] * 9, [yes, no] * 9).suffices, "eighteen labels"
    assert agreement_of("kind", [yes, no] * 10, [yes, no] * 10).suffices


def test_answers_are_read_as_people_write_them() -> None:
    assert [read_answer(text) for text in ("Yes.", "NO", "I would say: yes", "maybe", "")] == [True, False, True, None, None]
    assert (agreed("yes", "Yes!"), agreed("yes", "no"), agreed("no", "no")) == (True, None, False)
    assert (preferred("yes", "no"), preferred("no", "yes"), preferred("yes", "yes"), preferred("hm", "no")) == (1.0, 0.0, 0.5, None)


def row_of(**other: object) -> str:
    return json.dumps({"prompt": PROMPTS[0].id, "reply": "r", "question": "kind", "answer": "yes", **other})


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("{", "row 2: this is no label"),
        ('{"prompt": "x", "reply": "r", "question": "kind", "answer": "yes"}', "row 2: no written prompt has this id"),
        (row_of(question="nice"), "row 2: question is one of"),
        (row_of(answer=True), "row 2: question is one of"),
    ],
)  # fmt: skip
def test_bad_labels_are_named_by_row(tmp_path: Path, row: str, problem: str) -> None:
    path = write_labels(tmp_path / "labels.jsonl", 1, 1)
    assert read_labels(path) == [Label(PROMPTS[0], "BAD 0", "kind", False)]
    path.write_text(path.read_text() + row + "\n")
    with pytest.raises(EvaluationError, match=problem):
        read_labels(path)

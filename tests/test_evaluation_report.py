"""The report as JSON and as a page: round trip, hostile text, nothing from outside, and what the page says."""

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from math import nan
from pathlib import Path
from xml.etree import ElementTree

import pytest

from heedful.config import GateSettings
from heedful.conversation import Message
from heedful.drawing.scale import number, ticks
from heedful.engines.base import Sampling
from heedful.errors import EvaluationError
from heedful.evaluation.charts import Series, line_chart, series_from, strip
from heedful.evaluation.checks import Check, CheckResult, quantity
from heedful.evaluation.gate import failed_checks, open_checks, verdict
from heedful.evaluation.intervals import NOTHING, Estimate, estimate_share
from heedful.evaluation.judging import judge
from heedful.evaluation.page import to_html
from heedful.evaluation.report import (
    LikelihoodResult,
    Override,
    PromptCount,
    Report,
    ShownReply,
    SuitePart,
    Transcript,
    from_json,
    read_report,
    to_json,
)

HOSTILE = "<script>alert('x')</script><img src=https://evil.example/x.png onerror=alert(1)>"
METRICS = (
    {"step": 1, "loss": 3.5},
    {"step": 2, "loss": 3.1, "validation_nll": 3.3},
    {"step": 4, "loss": 2.9, "validation_nll": 3.0},
)


def check(name: str, estimate: Estimate, blocking: bool = True) -> CheckResult:
    asked = Check(name, f"Title of {name}", "What it means.", "share of replies", "lower", 0.05, blocking)
    return judge(asked, GateSettings(), estimate, estimate_share([True] + [False] * 9))


def make_report(*checks: CheckResult, text: str = "I hear you.") -> Report:
    shown = ShownReply(text, f"{text}<|user|>", "stop", ("leaked_tags",))
    return Report(
        schema=1,
        model="m-1",
        base="tiny",
        dataset="ds-1",
        created_at="2025-01-02T03:04:05Z",
        verdict=verdict(checks),
        failed=failed_checks(checks),
        inconclusive=open_checks(checks),
        settings={
            "gate": GateSettings().model_dump(mode="json"),
            "sampling": {"temperature": Sampling().temperature},
            "seed": 7,
            "engine": "a script",
        },
        hashes={"adapter_model.safetensors": "a" * 64},
        prompts=PromptCount(40, 30, 0, 2, 25),
        checks=checks,
        nll=LikelihoodResult(3.0, 2.7, 0.3, (0.2, 0.5), 1234, 25),
        metrics=METRICS,
        transcripts=(Transcript("f" * 64, (Message("system", "secret prompt"), Message("user", text)), text, shown, shown),),
    )


CLEAN, LOOPING = estimate_share([False] * 40), estimate_share([True] * 4 + [False] * 36)


class Attributes(HTMLParser):
    """Tags and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [name for name, _ in attrs if name in {"src", "href", "srcset", "xlink:href", "action", "data"}]


def test_json_round_trip(tmp_path: Path) -> None:
    report = make_report(check("loops", LOOPING), check("odd", NOTHING), text=HOSTILE + " 我很好 é")
    assert from_json(to_json(report)) == report
    (tmp_path / "report.json").write_text(to_json(report), encoding="utf-8")
    assert read_report(tmp_path) == report


def test_json_has_no_nan() -> None:
    report = replace(make_report(), metrics=({"step": 1, "loss": nan},))
    assert "NaN" not in to_json(report)
    assert from_json(to_json(report)).metrics == ({"step": 1, "loss": None},)


def test_a_damaged_or_newer_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"holds no report\.json"):
        read_report(tmp_path)
    for text in ("", "{}", "[1]", "{", '{"schema": 1, "verdict": "maybe"}'):
        with pytest.raises(EvaluationError, match="no report of schema 1"):
            from_json(text)
    with pytest.raises(EvaluationError, match="schema 2"):
        from_json(to_json(replace(make_report(), schema=2)))
    (tmp_path / "report.json").write_bytes(b"\xff\xfe")
    with pytest.raises(EvaluationError, match="UTF-8"):
        read_report(tmp_path)


def test_page_says_the_verdict_first_and_why() -> None:
    page = to_html(make_report(check("loops", LOOPING), check("odd", NOTHING)))
    assert "<title>Not passed: m-1</title>" in page
    assert page.index("<h1>Not passed</h1>") < page.index("<h2>Checks</h2>")
    assert "Of 2 blocking checks 1 does not hold and 1 is inconclusive. This version must not be promoted." in page
    assert "Title of loops: 10%, asked for: at most 5%." in page
    assert "Title of odd: cannot be told, for it could not be measured." in page
    assert "4% to 23.1% · n = 40" in page
    passed = to_html(make_report(check("loops", CLEAN), check("drift", LOOPING, blocking=False)))
    assert "<h1>Passed</h1>" in passed
    assert "All 1 blocking checks hold. This version may be promoted." in passed
    assert "Worth a look" in passed


def test_page_says_its_limits_with_its_own_numbers() -> None:
    page = to_html(make_report(check("loops", CLEAN)))
    assert (
        "None of 40 replies showed: title of loops. That is not never: the true share may still be as high as about 3/40 = 7.5%."
        in page
    )
    assert "30 prompts from 25 held-out conversations were answered." in page
    assert "40 prompts were asked for. The test split has only 30 different ones." in page
    assert "so that it did not see them: 2." in page
    assert "The interval leaves out zero" in page
    unsure = replace(make_report(), nll=LikelihoodResult(3.0, 2.9, 0.1, (-0.1, 0.3), 99, 5))
    assert "The interval includes zero, so the difference may be chance." in to_html(unsure)
    assert "Training has probably diverged." in to_html(replace(make_report(), nll=LikelihoodResult(3.0, None, None, None, 99, 5)))
    assert "was not measured" in to_html(replace(make_report(), nll=None))


def test_page_escapes_hostile_text_and_needs_nothing_from_outside() -> None:
    report = make_report(check("loops", LOOPING), text=HOSTILE)
    page = to_html(replace(report, model=HOSTILE, base=HOSTILE, dataset=HOSTILE, hashes={HOSTILE: HOSTILE}, created_at=HOSTILE))
    found = Attributes(page)
    assert not {"script", "img", "link", "iframe", "object", "form", "base"} & set(found.tags)
    assert found.links == []
    assert not re.search(r"url\(|@import", page)
    assert "&lt;script&gt;alert(" in page
    assert "&lt;|user|&gt;" in page, "a reply that leaked shows what was written before cleaning"


def test_page_shows_transcripts_without_the_system_prompt_and_counts_what_it_leaves_out() -> None:
    report = make_report()
    turns = tuple(Message("user" if i % 2 == 0 else "assistant", f"turn {i}") for i in range(9))
    page = to_html(replace(report, transcripts=(replace(report.transcripts[0], messages=(Message("system", "secret"), *turns)),)))
    assert "secret" not in page
    assert "turn 2" not in page
    assert "turn 3" in page
    assert "Earlier turns left out here: 3." in page
    assert "no prompt was answered" in to_html(replace(report, transcripts=())).lower()


def test_line_chart_is_xml_with_both_curves() -> None:
    curves = [
        series_from(METRICS, "loss", "training <loss>", "muted"),
        series_from(METRICS, "validation_nll", "NLL", "strong", True),
    ]
    assert curves[1].points == ((2, 3.3), (4, 3.0))
    root = ElementTree.fromstring(line_chart(curves, "step", "nats"))
    lines = root.findall("polyline")
    assert [len((line.get("points") or "").split()) for line in lines] == [3, 2]
    assert [circle.get("class") for circle in root.findall("circle")] == ["dot strong", "dot strong", "lowest"]
    texts = [element.text for element in root.findall("text")]
    assert {"training <loss>", "NLL", "step", "nats", "lowest: 3.000"} <= set(texts)
    inside = [float(pair) for line in lines for pair in re.split("[ ,]", line.get("points") or "")]
    assert min(inside) >= 0
    assert max(inside) <= 720


def test_charts_survive_little_and_odd_data() -> None:
    assert line_chart([], "x", "y") == ""
    assert (
        series_from([{"step": 1}, {"loss": 2.0}, {"step": 2, "loss": nan}, {"step": 3, "loss": None}], "loss", "l", "muted").points
        == ()
    )
    one = line_chart([Series("one", "muted", ((5.0, 2.0),), dots=True)], "x", "y")
    assert ElementTree.fromstring(one).findall("circle")
    assert "No training curve was handed over." in to_html(replace(make_report(), metrics=()))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (2.1, 3.9, [2, 2.5, 3, 3.5, 4]),
        (0, 0.03, [0, 0.01, 0.02, 0.03]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_ticks(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == expected


def test_strip_is_only_for_shares() -> None:
    root = ElementTree.fromstring(strip(check("loops", LOOPING)))
    assert [circle.get("class") for circle in root.findall("circle")] == ["dot hollow", "dot tuned"]
    assert strip(replace(check("loops", LOOPING), unit="nats a token")) == ""
    assert ElementTree.fromstring(strip(check("loops", NOTHING))).findall("circle")[0].get("class") == "dot hollow"


def test_quantities_as_people_write_them() -> None:
    assert [quantity(value, "share of replies") for value in (0.0, 0.05, 0.975, 1.0, 0.0149, None)] == [
        "0%", "5%", "97.5%", "100%", "1.5%", "–",
    ]  # fmt: skip
    assert quantity(0.25, "nats a token") == "0.25 nats a token"
    assert [number(value) for value in (-0.0001, -1.5, 2.0, 1200.0)] == ["0", "−1.5", "2", "1200"]


def test_page_shows_the_champion_examples_suites_and_a_place_to_sign() -> None:
    report = make_report(check("leaked_tags", LOOPING))
    talk = replace(report.transcripts[0], champion=ShownReply("As ever.", None, "stop", ()))
    part = SuitePart("crisis", "leaked_tags", 0.25, 8, (0.1, 0.5), 0.5)
    page = to_html(replace(report, transcripts=(talk,), suites=(part, replace(part, part="crisis/coded"))))
    assert page.index("What it looks like") < page.index("<h2>Checks</h2>"), "what failed comes with an example, before the tables"
    assert "I hear you.&lt;|user|&gt;" in page[: page.index("<h2>Checks</h2>")]
    assert page.index("<h3>Base</h3>") < page.index("<h3>Champion</h3>") < page.index("<h3>Tuned</h3>")
    assert "As ever." in page
    assert page.count("<b>crisis</b>") == 1
    assert page.index("<h2>Sign-off</h2>") > page.index("<h2>Data and lineage</h2>")
    assert "Date and signature" in page
    assert "<h3>Champion</h3>" not in to_html(report)


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HEADLESS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_opens_and_prints_the_report(tmp_path: Path) -> None:
    override = Override("ann", "ben", "a reason", ("loops",), "2026-01-02T03:04:05+00:00", "r-1")
    report = replace(make_report(check("loops", LOOPING), text=HOSTILE), overrides=(override,))
    (tmp_path / "report.html").write_text(to_html(report), encoding="utf-8")
    source = (tmp_path / "report.html").as_uri()
    assert CHROMIUM is not None
    home = [CHROMIUM, *HEADLESS, f"--user-data-dir={tmp_path / 'profile'}"]
    seen = subprocess.run([*home, "--dump-dom", source], capture_output=True, text=True, timeout=120, check=True).stdout
    assert "<h1>Not passed</h1>" in seen
    assert "Promoted against the gate" in seen
    assert "&lt;script&gt;alert" in seen
    printed = tmp_path / "report.pdf"
    subprocess.run(
        [*home, f"--print-to-pdf={printed}", "--no-pdf-header-footer", source], capture_output=True, timeout=120, check=True
    )
    assert printed.read_bytes().startswith(b"%PDF")
    assert printed.read_bytes().count(b"/Type /Page\n") + printed.read_bytes().count(b"/Type /Page ") >= 2

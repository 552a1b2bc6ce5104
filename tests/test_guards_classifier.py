"""The crisis guard's classifier: what it is asked about, how it counts beside the rules, and that these stand without it."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from heedful.config import GuardSettings
from heedful.conversation import Message
from heedful.errors import ModelError
from heedful.guards import assess_crisis
from heedful.guards.crisis import classifier as module
from heedful.guards.crisis.assess import assess_messages
from heedful.guards.crisis.classifier import (
    ASSET,
    BEFORE_TOKENS,
    NEWEST,
    OUTPUTS,
    Classifier,
    Estimate,
    Unit,
    load_classifier,
    to_estimate,
    tokens_of,
    unit_of,
)
from heedful.guards.crisis.examples import Example, fingerprint, read_lines
from heedful.lifecycle import guard_checks
from heedful.lifecycle.guard_checks import check_classifier
from heedful.modeling import embedder

EXAMPLES = Path(__file__).parents[1] / "scripts" / "crisis_examples"
ABOUT = {"platt": (1.0, 0.0), "thresholds": {"alone": 0.6, "backing": 0.2, "quieted": 0.9, "later": 0.8}}


def chat(*texts: str) -> list[Message]:
    """The last text is the person's; before it they alternate."""
    last = len(texts) - 1
    return [Message("user" if (last - place) % 2 == 0 else "assistant", text) for place, text in enumerate(texts)]


class Numbers:
    """Tokens are words, 0 begins and ends a text; what is judged gets the number that is its last word."""

    def __init__(self) -> None:
        self.words = ["|"]
        self.asked: list[str] = []

    def tokenise(self, texts: list[str]) -> list[list[int]]:
        return [[0, *map(self._number, text.split()), 0] for text in texts]

    def read_ids(self, rows: list[list[int]], starts: list[int]) -> np.ndarray:
        self.asked += [
            " ".join(self.words[token] for token in ids[max(start, 1) : -1]) for ids, start in zip(rows, starts, strict=True)
        ]
        return np.array(
            [[[float(self.words[ids[-2]])], [float(len(ids))], [float(start)]] for ids, start in zip(rows, starts, strict=True)],
            dtype=np.float32,
        )

    def _number(self, word: str) -> int:
        if word not in self.words:
            self.words.append(word)
        return self.words.index(word)


def of_numbers() -> tuple[Classifier, Numbers]:
    """Danger is the sigmoid of a text's last word; kind self-harm, tier active."""
    numbers = Numbers()
    weight = np.array([[1.0], *[[0.0]] * 6], dtype=np.float32)
    bias = np.array([0, 0, 1, 0, 0, 1, -1], dtype=np.float32)
    return Classifier(numbers, weight, bias, ABOUT), numbers  # type: ignore[arg-type]


def test_a_message_is_read_behind_what_was_said_before_and_never_behind_instructions() -> None:
    assert unit_of(chat("alone")) == Unit("alone")
    assert unit_of([Message("system", "You are kind."), Message("user", "so")]) == Unit("so")
    assert unit_of(chat("I gave it away", "Why?", "so")) == Unit("so", ("I gave it away", "Why?"))
    assert unit_of(chat("1", "2", "3", "4", "5", "6", "7")) == Unit("7", ("3", "4", "5", "6"))


def test_only_the_message_itself_is_judged() -> None:
    numbers = Numbers()
    assert tokens_of(Unit("so what"), numbers.tokenise) == ([0, 1, 2, 0], 0)
    assert tokens_of(Unit("so what", ("so", "why now")), numbers.tokenise) == ([0, 1, 0, 3, 4, 0, 1, 2, 0], 6)
    ids, start = tokens_of(Unit("so", (" ".join(["why"] * 300), "now")), numbers.tokenise)
    assert (len(ids), start) == (1 + BEFORE_TOKENS + 2, 1 + BEFORE_TOKENS), "the nearest are kept"
    assert ids[start - 2 : start] == [4, 0]
    ids, start = tokens_of(Unit(" ".join(["why"] * 300), ("now",)), numbers.tokenise)
    assert (len(ids), start) == (256, 0), "no room for what was said before"
    found, numbers = of_numbers()
    found.estimate(chat("I gave it away", "Why?", "so 1"))
    assert numbers.asked == ["so 1"]


def test_an_answer_of_the_head_in_words() -> None:
    assert to_estimate(np.array([0.0, 2, 1, 0, 0, -1, -1], dtype=np.float32), 1, 0) == Estimate(0.5, "suicide", "passive")
    found = to_estimate(np.array([1.0, 0, 0, 0, 3, -1, -1], dtype=np.float32), 2, 1)
    assert (round(found.danger, 4), found.kind, found.tier) == (0.9526, "abuse", "active")
    assert to_estimate(np.array([1.0, 1, 0, 0, 0, 1, 1], dtype=np.float32), 1, 0).tier == "imminent"


def test_it_counts_alone_above_one_threshold_and_above_another_where_rules_saw_something_harmless() -> None:
    found, _ = of_numbers()
    above = assess_messages(chat("something dark 0.5"), found)  # sigmoid .62
    assert (above.tier, above.kinds, above.rules, above.explicit) == ("active", ("self_harm",), ("classifier",), False)
    assert assess_messages(chat("something dark 0.3"), found).tier == "none"  # .57
    assert assess_messages(chat("ten years ago I tried to kill myself 2"), found).tier == "distress"  # .88
    assert assess_messages(chat("ten years ago I tried to kill myself 3"), found).tier == "active"  # .95


def test_in_a_long_talk_it_must_be_surer_or_say_so_twice() -> None:
    found, _ = of_numbers()
    begin = ["hello -9", "Hi.", "fine -9", "Good."]
    assert assess_messages(chat("hello -9", "Hi.", "something dark 0.5"), found).tier == "active", "the second turn"
    once = assess_messages(chat(*begin, "something dark 0.5"), found)  # .62
    assert (once.tier, once.fresh) == ("none", False)
    assert assess_messages(chat(*begin, "something dark 1.5"), found).rules == ("classifier",)  # .82
    twice = assess_messages(chat(*begin, "something dark 0.5", "Oh.", "rain -9", "Yes.", "something darker 0.6"), found)
    assert (twice.tier, twice.rules, twice.fresh) == ("active", ("classifier, twice",), True)
    held = assess_messages(chat(*begin, "dark 0.5", "Oh.", "darker 0.6", "I see.", "rain -9"), found)
    assert (held.tier, held.fresh) == ("active", False)


def test_a_short_denial_is_left_to_the_rules_and_a_longer_message_is_not() -> None:
    found, _ = of_numbers()
    assert assess_messages(chat("I don't want to die 9"), found).tier == "none"
    assert assess_messages(chat("I don't want to die but I cannot see how to go on from here 9"), found).tier == "active"


def test_an_unsure_rule_counts_only_where_it_agrees_and_a_sure_one_always() -> None:
    found, _ = of_numbers()
    assert assess_messages(chat("what is the point of living -3"), found).tier == "none"
    assert assess_messages(chat("what is the point of living -1"), found).tier == "passive"
    assert assess_messages(chat("I want to die. -9"), found).tier == "active"


def test_what_was_asked_before_is_kept() -> None:
    found, numbers = of_numbers()
    for _ in range(2):
        found.estimate(chat("so 1"))
    assert numbers.asked == ["so 1"]
    found.forget()
    found.estimate(chat("so 1"))
    assert numbers.asked == ["so 1", "so 1"]


def test_the_router_reads_what_the_guard_has_read_and_the_lower_layers_alone() -> None:
    found, numbers = of_numbers()
    told = chat("so", "why now", "then 2")
    assert not found.has_read(told)
    found.estimate(told)
    assert found.has_read(told)
    assert found.lower(told).tolist() == [[9.0], [6.0]]  # begin, so, end, why, now, end, then, 2, end; what was before ends at 6
    assert numbers.asked == ["then 2"]
    for number in range(NEWEST):
        found.lower(chat(f"other {number}"))
    assert not found.has_read(told)
    assert found.lower(told).tolist() == [[9.0], [6.0]]
    assert found.estimate(told).danger == found.estimate(chat("so", "why now", "then 2")).danger
    assert numbers.asked == ["then 2", *(f"other {number}" for number in range(NEWEST)), "then 2"]


def test_factors_leave_the_layers_that_the_router_reads() -> None:
    with safe_open(Path(module.__file__).parents[2] / ASSET, "np") as file:
        layers = {int(name.split(".")[2]) for name in file.keys() if name.startswith("encoder.layer.")}  # noqa: SIM118
    assert min(layers) == embedder.LOWER


def test_the_packaged_head_finds_what_no_rule_knows_and_says_what_it_was_trained_on() -> None:
    found = load_classifier()
    assert found is not None
    veiled = "I counted the tablets I have been putting aside, and there is one evening left."
    assert found.estimate(chat(veiled)).danger > 0.8 > 0.2 > found.estimate(chat("I bought new shoes for the wedding.")).danger
    assert found.about["outputs"] == list(OUTPUTS)
    assert found.about["examples_sha256"] == fingerprint(EXAMPLES)
    thresholds = found.thresholds
    assert 0 < thresholds.backing < thresholds.alone <= min(thresholds.quieted, thresholds.later) < 1


def test_the_asset_is_small() -> None:
    path = Path(module.__file__).parents[2] / ASSET
    assert path.stat().st_size < 2_000_000
    with safe_open(path, "np") as file:
        assert file.get_tensor("head.weight").shape == (len(OUTPUTS), 384)
        assert json.loads(file.metadata()["about"])["validation"]["recall"] > 0.5


@pytest.mark.parametrize(
    "error", [ModelError("the package is not installed", "pip install it"), OSError("no space"), RuntimeError("x\ny")]
)
def test_without_an_embedder_the_rules_stand_alone_and_the_log_says_so(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: Path) -> None:
        raise error

    monkeypatch.setattr(module, "load_embedder", refuse)
    load_classifier.cache_clear()
    try:
        with caplog.at_level(logging.WARNING, logger="heedful.guards"):
            found = [assess_crisis(chat("I want to die")) for _ in range(2)]
    finally:
        load_classifier.cache_clear()
    assert [(one.tier, one.classifier) for one in found] == [("active", False)] * 2
    assert [record.getMessage().count("stands on its rules alone") for record in caplog.records] == [1]
    assert "\n" not in caplog.records[0].getMessage()


def test_the_doctor_says_when_the_rules_stand_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_classifier(GuardSettings()) == ("ok", "rules and classifier", "")
    assert check_classifier(GuardSettings(classifier=False))[:2] == (
        "warning",
        "rules alone: what is said in unusual words is missed",
    )
    monkeypatch.setattr(guard_checks, "load_classifier", lambda: None)
    level, said, fix = check_classifier(GuardSettings())
    assert (level, said.split(",")[0], fix.split()[0]) == ("warning", "rules alone", "pip")


def test_factors_change_the_network_as_the_file_says(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    network = torch.nn.ModuleDict({"first": torch.nn.Linear(3, 2, bias=False), "second": torch.nn.Linear(2, 2, bias=False)})
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    a, b = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[1.0], [10.0]])
    save_file({"first.a": a.half(), "first.b": b.half(), "head.bias": torch.zeros(7)}, tmp_path / "f.safetensors")
    embedder.add_factors(network, tmp_path / "f.safetensors")
    changed = network["first"].weight - before["first.weight"]
    assert torch.allclose(changed, torch.tensor([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]))
    assert torch.equal(network["second"].weight, before["second.weight"])


def test_examples_are_read_as_they_are_written() -> None:
    lines = [
        "# positive self_harm active explicit",
        "hm || Why? || I cut myself",
        "",
        "# hard",
        "I cut my hair",
        "# calm",
        "a || b || c",
    ]
    read = read_lines(lines)
    assert read == [
        Example(tuple(chat("hm", "Why?", "I cut myself")), "positive", "self_harm", "active", True),
        Example((Message("user", "I cut my hair"),), "hard"),
        Example(tuple(chat("a", "b", "c")), "calm"),
    ]
    assert [[message.content for message in look] for look in read[2].looks] == [["a"], ["a", "b", "c"]]

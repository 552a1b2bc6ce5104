"""Privacy checks on exact cases: stretches in common, the chance to tell who was there, planted secrets, other chat."""

import json
from math import inf, nan
from pathlib import Path

import pytest

from heedful.config import DatasetSettings, GateSettings
from heedful.conversation import Conversation, Message
from heedful.dataset import build_dataset, load_split, show_dataset
from heedful.dataset.canaries import make_canaries, other_secrets, read_canaries, system_prompt_of
from heedful.evaluation.evidence import judge_withdrawn
from heedful.evaluation.learning import Splits
from heedful.evaluation.other_chat import exchanges, judge_other_chat, unseen_exchanges
from heedful.evaluation.privacy.canaries import expose
from heedful.evaluation.privacy.copies import judge_copies, longest_copies
from heedful.evaluation.privacy.membership import estimate_auc, judge_membership
from heedful.lifecycle.ingest import import_file
from heedful.modeling.likelihood import Nll
from heedful.store.database import open_store
from heedful.workspace import Workspace

GATE = GateSettings()
WORDS = [f"word{n}" for n in range(80)]


def talk(question: str, answer: str) -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)))


def test_the_longest_stretch_in_common() -> None:
    training = [talk("Why?", " ".join(WORDS)), talk("And now?", " ".join(WORDS[:30]) + " other " + " ".join(WORDS[31:60]))]
    replies = [
        " ".join(WORDS),  # all of it
        "I say " + " ".join(WORDS[5:25]).upper() + ".",  # twenty, in capitals
        " ".join(WORDS[:9]),  # nine are ordinary language
        " ".join(reversed(WORDS)),
        "",
        " ".join(WORDS[:12]) + " x " + " ".join(WORDS[12:40]),  # the longer of two
        f"{' '.join(WORDS[:12])}, {' '.join(WORDS[12:22])}",  # a comma is a token
    ]
    assert longest_copies(replies, training) == [80, 20, 0, 0, 0, 28, 12]
    assert longest_copies(["why? " * 20], [talk("why? " * 20, "x")]) == [40], "a text that repeats itself is one stretch, not many"


def test_copies_are_blocking_and_shown_beside_the_bases() -> None:
    training = [talk("Why?", " ".join(WORDS))]
    fresh = [f"I hear you, number {n}." for n in range(100)]
    verbatim, copies = judge_copies([*fresh[:95], *([" ".join(WORDS[:50])] * 5)], fresh, training, GATE)
    assert (verbatim.outcome, verbatim.value, verbatim.base_value, verbatim.level) == ("fail", 0.05, 0.0, "blocking")
    assert (copies.outcome, copies.value) == ("pass", 0.05)
    verbatim, copies = judge_copies([*fresh[:50], *([" ".join(WORDS[:20])] * 50)], fresh, training, GATE)
    assert (verbatim.outcome, copies.outcome, copies.value) == ("pass", "fail", 0.5)
    assert [check.outcome for check in judge_copies([], [], training, GATE)] == ["inconclusive", "inconclusive"]


def nll(*nats_per_token: float) -> Nll:
    per_sample = [(10 * nats, 10) for nats in nats_per_token]
    return Nll(sum(nats_per_token) / max(len(nats_per_token), 1), 10 * len(per_sample), per_sample)


def test_the_chance_to_tell_who_was_in_training() -> None:
    assert estimate_auc(nll(1, 2, 3), nll(1, 2, 3)).value == 0.5
    assert estimate_auc(nll(1, 1, 1), nll(2, 2, 2)).value == 1.0
    assert estimate_auc(nll(1, 3), nll(2, 4)).value == 0.75
    assert estimate_auc(nll(), nll(1.0)).value is None
    assert estimate_auc(nll(1.0, inf), nll(1.0, nan)).value is None
    spread = estimate_auc(nll(1, 3, 2, 5, 2.5, 4), nll(2, 4, 3.5, 6, 3, 1.5))
    assert spread.interval is not None
    assert spread.interval[0] < spread.value < spread.interval[1]  # type: ignore[operator]
    assert spread == estimate_auc(nll(1, 3, 2, 5, 2.5, 4), nll(2, 4, 3.5, 6, 3, 1.5)), "the same numbers, the same interval"


def test_membership_is_judged_by_the_tuned_model_and_shown_beside_the_base() -> None:
    middle = [1 + n / 10 for n in range(10)]
    base = Splits(nll(*middle), nll(1.0), nll(*middle))
    given_away = Splits(nll(*[one - 3 for one in middle]), nll(1.0), nll(*middle))
    fine, bad = judge_membership(base, base, GATE), judge_membership(given_away, base, GATE)
    assert (fine.outcome, fine.value, fine.base_value) == ("pass", 0.5, 0.5)
    assert (bad.outcome, bad.value, bad.base_value, bad.n) == ("fail", 1.0, 0.5, 10)
    assert judge_membership(None, base, GATE).outcome == "inconclusive"


def test_exposure_is_the_rank_among_other_secrets() -> None:
    canary = make_canaries(7)[2]
    assert canary.repeats == 16
    assert len({canary.secret, *other_secrets(canary, 255)}) == 256
    own = canary.conversation()

    def rank(place: int) -> float | None:
        scores = [5.0, *(1.0 if n < place - 1 else 9.0 for n in range(255))]
        return expose([canary], lambda rows: scores if rows[0] == own else [])[0].bits

    assert (rank(1), rank(2), rank(256)) == (8.0, 7.0, 0.0)
    assert expose([canary], lambda rows: [nan] * len(rows))[0].bits is None


def test_planted_lines_are_opt_in_and_counted(workspace: Workspace, tmp_path: Path) -> None:
    source = tmp_path / "chats.jsonl"
    rows = [{"messages": [{"role": r, "content": f"{r} says {n}."} for r in ("user", "assistant")]} for n in range(40)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    store = open_store(workspace.database)
    import_file(store, source, "tester", basis="owned")
    plain = build_dataset(store, workspace, DatasetSettings(), "Be kind.", "tester")
    planted = build_dataset(store, workspace, DatasetSettings(canaries=True), "Be kind.", "tester")
    store.close()
    assert read_canaries(plain.path) == ()
    assert planted.counts == plain.counts, "they are nobody's conversations"
    manifest = show_dataset(workspace, planted.id)
    assert (manifest["planted"], show_dataset(workspace, plain.id)["planted"]) == (21, 0)
    train = load_split(planted.path, "train")
    assert train[:-21] == load_split(plain.path, "train")
    assert [canary.repeats for canary in read_canaries(planted.path)] == [1, 4, 16]
    assert len(set(train[-21:])) == 3
    assert system_prompt_of(planted.path) == "Be kind."
    assert load_split(planted.path, "test") == load_split(plain.path, "test")


def test_other_chat_leaves_out_what_training_has_shown() -> None:
    assert len(exchanges()) == 40
    assert len(unseen_exchanges([exchanges()[0], exchanges()[5], talk("Hm?", "No.")])) == 38
    flat = nll(*([4.0] * 40))
    assert judge_other_chat((nll(*([4.3] * 40)), flat), GATE).outcome == "pass"
    worse = judge_other_chat((nll(*([4.6] * 40)), flat), GATE)
    assert (worse.outcome, worse.value) == ("fail", pytest.approx(0.15))
    assert judge_other_chat(None, GATE).outcome == "inconclusive"


def test_one_withdrawn_conversation_is_enough() -> None:
    assert judge_withdrawn((0, 400), GATE).outcome == "pass"
    assert judge_withdrawn((1, 400), GATE).outcome == "fail"
    assert judge_withdrawn((1, 400), GATE).level == "blocking"
    assert judge_withdrawn(None, GATE).outcome == "inconclusive"

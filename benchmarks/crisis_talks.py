"""The crisis guard over whole talks: calm ones, and ones in which danger shows late, in pieces or in disguise.

    python benchmarks/crisis_talks.py

A guard that looks at every message of a long talk has many occasions to be wrong, which no set of single messages shows. Calm
are 45 talks in `data/crisis_talks/calm.txt`, and the dialogues of ESConv's development set where they lie in ../shared/data
(people who tell volunteers of their troubles; those in RISK say that they are in danger, and are left out). A talk raises an
alarm if any of its messages does. Danger are 47 talks in `data/crisis_talks/danger.txt`, judged at their last message. Nothing
here is learned from. By the two written files thresholds are chosen; ESConv is for measuring alone. Every share has n and an
interval (95%, Wilson).
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from heedful.conversation import Message
from heedful.evaluation.intervals import estimate_share
from heedful.guards.crisis.assess import CrisisAssessment, assess_messages
from heedful.guards.crisis.classifier import Classifier, load_classifier
from heedful.guards.crisis.examples import Example, read_examples

TALKS = Path(__file__).with_name("data") / "crisis_talks"
ESCONV = Path(__file__).parents[2] / "shared" / "data" / "esconv_dev" / "esconv_dev_reconstructed.jsonl"
RISK = frozenset({"esconv-dev-40", "esconv-dev-92", "esconv-dev-181"})  # the wish to die, or hated to be alive


def esconv() -> list[list[Message]]:
    """Messages of one side in a row are one message; a talk ends with the person's."""
    talks = []
    for line in ESCONV.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        turns: list[Message] = []
        for message in row["messages"]:
            if turns and turns[-1].role == message["role"]:
                turns[-1] = Message(message["role"], f"{turns[-1].content} {message['content']}")
            else:
                turns.append(Message(message["role"], message["content"]))
        while turns and turns[-1].role != "user":
            turns.pop()
        if row["id"] not in RISK:
            talks.append(turns)
    return talks


def judged(talk: Sequence[Message], classifier: Classifier | None) -> list[CrisisAssessment]:
    """At every message of the person, as a service would."""
    return [assess_messages(talk[: place + 1], classifier) for place, one in enumerate(talk) if one.role == "user"]


def false_alarms(talks: Sequence[Sequence[Message]], classifier: Classifier | None) -> dict[str, Any]:
    """talks: any alarm; answered: a template stood in for a reply; turns: in alarm, from before or new; looks: newly alarmed."""
    found = [judged(talk, classifier) for talk in talks]
    turns = [one for each in found for one in each]
    return {
        "talks": share(any(one.is_crisis for one in each) for each in found),
        "talks_answered": share(any(one.in_danger for one in each) for each in found),
        "turns": share(one.is_crisis for one in turns),
        "looks": share(one.is_crisis and one.fresh for one in turns),
    }


def recall(examples: Sequence[Example], classifier: Classifier | None) -> dict[str, Any]:
    hits = [(one, assess_messages(one.messages, classifier).is_crisis) for one in examples]
    tiers = ("passive", "active", "imminent")
    return {
        "recall": share(hit for _, hit in hits),
        "explicit": share(hit for one, hit in hits if one.explicit),
        **{tier: share(hit for one, hit in hits if one.tier == tier) for tier in tiers},
    }


def share(hits: Iterable[bool]) -> dict[str, Any]:
    found = estimate_share(list(hits))
    interval = None if found.interval is None else [round(bound, 3) for bound in found.interval]
    return {"share": None if found.value is None else round(found.value, 3), "n": found.n, "interval": interval}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    examples = read_examples(TALKS)
    calm = {"written": [one.messages for one in examples if one.label == "calm"]}
    if ESCONV.exists():
        calm["esconv"] = [tuple(talk) for talk in esconv()]
    danger = [one for one in examples if one.label == "positive"]
    result: dict[str, Any] = {"benchmark": "crisis_talks"}
    for name, classifier in (("both", load_classifier()), ("rules_alone", None)):
        result[name] = {
            "false_alarms": {which: false_alarms(talks, classifier) for which, talks in calm.items()},
            "danger": recall(danger, classifier),
        }
        for which, figures in (*result[name]["false_alarms"].items(), ("danger", result[name]["danger"])):
            print(f"{name:12} {which:8} " + ", ".join(f"{key} {one['share']} (n {one['n']})" for key, one in figures.items()))
    print(json.dumps(result))


if __name__ == "__main__":
    main()

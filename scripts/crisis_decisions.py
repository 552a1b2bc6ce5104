"""What the crisis guard decides of every example there is, before a change and after it.

    python scripts/crisis_decisions.py --save decisions.json
    python scripts/crisis_decisions.py --against decisions.json

Chats of `crisis_examples`, `benchmarks/data/crisis_*` and `routing_heldout.jsonl` in; for each set how many decisions there are,
how many are others than before (tier, kinds, score, rules, all that an assessment holds), and by how much the classifier's danger
has moved at most, out. Exit 1 if a decision is another one. No example is shown, and the file holds no words: a blind set stays
blind. Compare on one machine only, for the last digits of a number format are the processor's.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from pathlib import Path

from heedful.conversation import Message
from heedful.guards.crisis.assess import assess_messages
from heedful.guards.crisis.classifier import load_classifier
from heedful.guards.crisis.examples import read_examples

HERE = Path(__file__).parent
DATA = HERE.parent / "benchmarks" / "data"
Decision = tuple[str, float]  # the assessment, and the classifier's danger


def chats() -> Iterator[tuple[str, Sequence[Message]]]:
    """The name of a set and a chat of it, as it stood at each message of the person."""
    for folder in (HERE / "crisis_examples", DATA / "crisis_contrast", DATA / "crisis_talks"):
        for example in read_examples(folder):
            yield from ((folder.name, look) for look in example.looks)
    for name in ("crisis_heldout", "routing_heldout"):
        for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            messages = [Message(one["role"], one["content"]) for one in json.loads(line)["messages"]]
            places = [place for place, message in enumerate(messages) if message.role == "user"]
            yield from ((name, messages[: place + 1]) for place in places)


def decisions() -> dict[str, list[Decision]]:
    classifier = load_classifier()
    if classifier is None:
        sys.exit("the classifier cannot be loaded; see heedful doctor")
    found: dict[str, list[Decision]] = {}
    for name, chat in chats():
        decided = json.dumps(astuple(assess_messages(chat, classifier)))
        found.setdefault(name, []).append((decided, classifier.estimate(chat).danger))
    return found


def compare(before: dict[str, list[Decision]], after: dict[str, list[Decision]]) -> bool:
    """Whether all are the same; a line a set."""
    same = before.keys() == after.keys()
    for name, now in after.items():
        pairs = list(zip(before[name], now, strict=True))
        others = sum(old[0] != new[0] for old, new in pairs)
        moved = max(abs(old[1] - new[1]) for old, new in pairs)
        print(f"{name}: {len(now)} decisions, {others} others than before; danger moved by {moved:.2g} at most")
        same = same and others == 0
    return same


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--save", type=Path)
    chosen.add_argument("--against", type=Path)
    given = parser.parse_args()
    if given.save is not None:
        given.save.write_text(json.dumps(decisions()), encoding="utf-8")
        return
    before = {name: [(said, danger) for said, danger in rows] for name, rows in json.loads(given.against.read_text()).items()}
    if not compare(before, decisions()):
        sys.exit(1)


if __name__ == "__main__":
    main()

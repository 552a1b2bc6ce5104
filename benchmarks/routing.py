"""How often the router is right, on a blind set by another author; and what router, guards and record cost a turn.

Run: python benchmarks/routing.py --json [--cost]. Of the set it prints aggregates only; nobody is to tune on single rows. A router
that always says the more frequent route stands beside ours. `sticky`: turns within an exchange; `short`: of those, messages of at
most five words, whose meaning hangs on what came before; `last_only`: the same router, shown the last message alone.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from heedful.companion.routing import SHORT, classify, default_threshold
from heedful.evaluation.intervals import wilson

DATA = Path(__file__).parent / "data" / "routing_heldout.jsonl"


def share(right: Sequence[bool]) -> dict[str, object]:
    low, high = wilson(sum(right), len(right))
    return {"n": len(right), "accuracy": round(sum(right) / len(right), 3), "interval": [round(low, 3), round(high, 3)]}


def accuracy() -> dict[str, object]:
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    right = [classify(row["messages"]).name == row["route"] for row in rows]
    last_only = [classify(row["messages"][-1:]).name == row["route"] for row in rows]
    within = [sum(message["role"] == "user" for message in row["messages"]) > 1 for row in rows]
    short = [inside and len(row["messages"][-1]["content"].split()) <= SHORT for row, inside in zip(rows, within, strict=True)]
    routes = [row["route"] for row in rows]
    groups = {"all": [True] * len(rows), "first_turns": [not one for one in within], "sticky": within, "short": short}
    groups |= {route: [one == route for one in routes] for route in ("casual", "therapeutic")}
    found: dict[str, object] = {
        name: share([hit for hit, one in zip(right, chosen, strict=True) if one]) for name, chosen in groups.items() if any(chosen)
    }
    found["sticky_last_only"] = share([hit for hit, one in zip(last_only, within, strict=True) if one]) if any(within) else None
    found["more_frequent_route"] = round(max(routes.count(route) for route in set(routes)) / len(rows), 3)
    found["threshold"] = default_threshold()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON line only")
    given = parser.parse_args()
    print(json.dumps({"accuracy": accuracy()}, indent=None if given.json else 2))


if __name__ == "__main__":
    main()

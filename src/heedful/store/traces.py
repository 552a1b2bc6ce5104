"""Traces: what happened in turns, in; rows, and what was served by whom, how fast and at what cost, out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from heedful.store.schema_turns import TurnTrace


@dataclass(frozen=True, slots=True)
class Share:
    """What one server of replies did. `share` is of all turns of the time; `p50_s` and `p95_s` are of whole turns that ended."""

    served: str
    turns: int
    share: float
    failed: int
    prompt_tokens: int
    completion_tokens: int
    cost: float
    p50_s: float
    p95_s: float
    first_p50_s: float


def add_traces(session: Session, rows: Sequence[dict[str, object]]) -> None:
    """One statement for all of them; each row has the columns of TurnTrace by name."""
    session.execute(insert(TurnTrace), list(rows))


def count_traces(session: Session, before: datetime) -> int:
    return session.scalar(select(func.count()).where(TurnTrace.created_at < before)) or 0


def remove_traces(session: Session, before: datetime, most: int = 5_000) -> bool:
    """The oldest ones, `most` at once. Whether there may be more."""
    ids = list(session.scalars(select(TurnTrace.id).where(TurnTrace.created_at < before).order_by(TurnTrace.id).limit(most)))
    if ids:
        session.execute(delete(TurnTrace).where(TurnTrace.id.between(ids[0], ids[-1]), TurnTrace.created_at < before))
    return len(ids) == most


def shares(session: Session, since: datetime) -> list[Share]:
    """Who served what since then, the largest share first."""
    columns = (
        *(TurnTrace.served, TurnTrace.ended, TurnTrace.prompt_tokens, TurnTrace.completion_tokens),
        *(TurnTrace.cost, TurnTrace.total_s, TurnTrace.first_s),
    )
    found = session.execute(select(*columns).where(TurnTrace.created_at >= since)).all()
    by_server = {name: [row for row in found if row.served == name] for name in {row.served for row in found}}
    listed = []
    for name, rows in by_server.items():
        done = [row for row in rows if row.ended == "done"]
        whole, first = sorted(row.total_s for row in done), sorted(row.first_s for row in done)
        listed.append(
            Share(
                served=name,
                turns=len(rows),
                share=len(rows) / len(found),
                failed=sum(row.ended == "failed" for row in rows),
                prompt_tokens=sum(row.prompt_tokens for row in rows),
                completion_tokens=sum(row.completion_tokens for row in rows),
                cost=sum(row.cost for row in rows),
                p50_s=quantile(whole, 0.5),
                p95_s=quantile(whole, 0.95),
                first_p50_s=quantile(first, 0.5),
            )
        )
    return sorted(listed, key=lambda one: (-one.turns, one.served))


def quantile(ordered: Sequence[float], part: float) -> float:
    """The smallest value that at least this part is not above (nearest rank); 0 of nothing."""
    return ordered[math.ceil(round(part * len(ordered), 9)) - 1] if ordered else 0.0

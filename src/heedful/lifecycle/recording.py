"""Recording: traces of turns in; rows of the store out, written by a thread of their own, so that no reply waits for them.

A row is written within LINGER_S, that of an experiment at once, for the next turn may hang on what it says.
"""

import logging
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from heedful.companion.trace import Record, Trace
from heedful.errors import HeedfulError
from heedful.lifecycle.experiments.monitor import note_turn
from heedful.store.database import Store
from heedful.store.schema import utc_now
from heedful.store.traces import add_traces

LOG = logging.getLogger("heedful.turns")
TOGETHER = 256  # rows of one transaction at most
LINGER_S = 0.2  # a transaction waits so long for more rows: it costs as much as four of them
KEPT = 10_000  # traces that may wait for a database that is busy


@dataclass(frozen=True, slots=True)
class Noted:
    """`trace` and `subject` are there where the turn is one of an experiment, which has to know whose it was; the row has not."""

    row: dict[str, object]
    trace: Trace | None = None
    subject: str = ""


Rows = queue.Queue[Noted | None]


@contextmanager
def recording(store: Store) -> Iterator[Record]:
    """Traces are written while the block runs, and all that wait at its end. What cannot be written is counted in the log."""
    waiting: Rows = queue.Queue(KEPT)

    def record(trace: Trace, subject: str) -> None:
        try:
            waiting.put_nowait(Noted(row_of(trace), trace, subject) if trace.variant and subject else Noted(row_of(trace)))
        except queue.Full:
            LOG.error("a trace was lost: the database has not taken one for long")

    writer = threading.Thread(target=write_all, args=(store, waiting), daemon=True)
    writer.start()
    try:
        yield record
    finally:
        waiting.put(None)
        writer.join()


def write_all(store: Store, waiting: Rows) -> None:
    """Until None comes: all that has gathered, a transaction at a time."""
    open_ = True
    while open_:
        rows = gathered(waiting)
        open_ = None not in rows
        write(store, [row for row in rows if row is not None])


def gathered(waiting: Rows) -> list[Noted | None]:
    """The next row, and what comes soon after it."""
    rows = [waiting.get()]
    until = time.monotonic() + LINGER_S
    while len(rows) < TOGETHER:
        last = rows[-1]
        if last is None:
            break
        until = until if last.trace is None else 0.0
        left = until - time.monotonic()
        try:
            rows.append(waiting.get(timeout=left) if left > 0 else waiting.get_nowait())
        except queue.Empty:
            break
    return rows


def write(store: Store, rows: list[Noted]) -> None:
    if not rows:
        return
    try:
        with store.session() as session:
            add_traces(session, [noted.row for noted in rows])
            for noted in rows:
                if noted.trace is not None:
                    note_turn(session, noted.trace, noted.subject)
    except HeedfulError as error:
        LOG.error("%d traces were lost: %s", len(rows), error.text)


def row_of(trace: Trace) -> dict[str, object]:
    """The columns of TurnTrace. No text, and not whose turn it was."""
    guard, seconds = trace.guard, asdict(trace.seconds)
    stages = {name: round(value, 6) for name, value in seconds.items() if name not in ("first", "total")}
    return {
        "turn": trace.turn,
        "model": trace.model[:64],
        "prompt": trace.prompt,
        "variant": trace.variant,
        "mode": trace.mode,
        "served": trace.served,
        "why": trace.why,
        "ended": trace.ended,
        "route": "" if trace.route is None else trace.route.name,
        "route_score": None if trace.route is None else trace.route.score,
        "tier": guard.tier,
        "prompt_tokens": trace.prompt_tokens,
        "completion_tokens": trace.completion_tokens,
        "cost": trace.cost,
        "first_s": seconds["first"],
        "total_s": seconds["total"],
        "detail": {
            "kinds": list(guard.kinds),
            "rules": list(guard.rules),
            "found": list(guard.found),
            "team": guard.team,
            "sources": list(trace.sources),
            "attributed": list(trace.attributed),
            "finish_reason": trace.finish_reason,
            "dropped_messages": trace.dropped_messages,
            "seconds": stages,
        },
        "created_at": utc_now(),
    }

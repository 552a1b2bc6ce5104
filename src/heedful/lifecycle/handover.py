"""Hand-over: a companion in; one that reports people in danger to the team, without their words. And the timer behind it.

`guards.handover_notify` is run at once, `guards.handover_fallback` when nobody acknowledged within `guards.handover_minutes`. Both
get the report as JSON on their standard input. Neither can delay or break a reply: they run beside it.
"""

import json
import logging
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from heedful.companion.guarding import HandOver
from heedful.config import GuardSettings
from heedful.errors import HeedfulError
from heedful.guards import CrisisAssessment
from heedful.guards.responses import Team
from heedful.store.database import Store
from heedful.store.handovers import Danger, open_handover, take_overdue
from heedful.store.schema import utc_now
from heedful.store.schema_guards import Handover

LOG = logging.getLogger("heedful.guards")
COMMAND_SECONDS = 30.0
SWEEP_SECONDS = 15.0


def hand_over_to(store: Store, settings: GuardSettings, model: str) -> HandOver | None:
    """What a companion calls; None where the settings switch it off. The person is only told of it where somebody is told."""
    if not settings.handover:
        return None

    def hand_over(found: CrisisAssessment, subject: str) -> Team:
        danger = Danger(subject, model, found.tier, found.kinds, found.rules)
        with store.session() as session:
            case, tell = open_handover(session, danger, settings.handover_minutes)
            report, late = as_report(case), case.fell_back_at is not None
        if tell:
            LOG.warning("hand-over %d, tier %s", report["handover"], report["tier"])
            start(settings.handover_notify, report)
        if late:
            return "unanswered"
        return "told" if settings.handover_notify else "none"

    return hand_over


def as_report(case: Handover) -> dict[str, Any]:
    """What a command gets: numbers, times and names of rules."""
    return {
        "handover": case.id,
        "subject": case.subject,
        "tier": case.tier,
        "kinds": case.detail["kinds"],
        "turns": case.turns,
        "model": case.model,
        "opened_at": case.opened_at.isoformat(),
        "due_at": case.due_at.isoformat(),
        "acknowledge": f"heedful handover ack {case.id}",
    }


def start(command: Sequence[str], report: dict[str, Any]) -> None:
    """Run a command beside the reply."""
    if command:
        threading.Thread(target=run, args=(command, report), daemon=True).start()


def run(command: Sequence[str], report: dict[str, Any]) -> bool:
    """Whether the command took the report. Its failure is logged: nobody else would hear of it."""
    try:
        done = subprocess.run(
            list(command), input=json.dumps(report), text=True, capture_output=True, timeout=COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        LOG.error("hand-over %d: the command %s failed: %s", report["handover"], command[0], type(error).__name__)
        return False
    if done.returncode != 0:
        LOG.error("hand-over %d: the command %s ended with %d", report["handover"], command[0], done.returncode)
    return done.returncode == 0


def sweep(store: Store, settings: GuardSettings, now: datetime | None = None) -> list[dict[str, Any]]:
    """Run the fall-back for every hand-over that nobody acknowledged in time; returns their reports, `fell_back` among them."""
    with store.session() as session:
        overdue = [as_report(case) for case in take_overdue(session, utc_now() if now is None else now)]
    for report in overdue:
        LOG.error("hand-over %d was not acknowledged in time", report["handover"])
        report["fell_back"] = run(settings.handover_fallback, report) if settings.handover_fallback else False
    return overdue


@contextmanager
def timer(store: Store, settings: GuardSettings, every_s: float = SWEEP_SECONDS) -> Iterator[None]:
    """Sweep in the background while the block runs."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(every_s):
            try:
                sweep(store, settings)
            except HeedfulError as error:  # a busy database; the next round tries again
                LOG.error("hand-overs could not be looked through: %s", error)

    thread = threading.Thread(target=watch, daemon=True)
    if settings.handover:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if settings.handover:
            thread.join()

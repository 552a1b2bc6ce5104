"""`heedful worker`: runs of the loop carried out in the background, until it is killed; or asked for, listed and cancelled."""

import os
import signal
from typing import Annotated, NoReturn

import typer

from heedful.cli.options import HERE, Desk, JsonOption, WorkspaceOption, open_desk
from heedful.cli.output import FAILED, Output, reporting
from heedful.cli.signals import handled
from heedful.config import WorkerSettings
from heedful.lifecycle.loop.presence import is_working
from heedful.lifecycle.loop.priority import step_back
from heedful.lifecycle.loop.requests import request_loop, run_as_dict, standing_as_dict, standing_of
from heedful.lifecycle.loop.worker import Shop, work_off
from heedful.store.schema_runs import TrainingRun, TrainingRunEvent
from heedful.store.training_runs import get_run, request_cancel

app = typer.Typer()
COLUMNS = ("run", "kind", "asked by", "asked at", "state", "outcome", "model")


@app.command()
def worker(
    once: Annotated[bool, typer.Option("--once", help="Carry out what waits and what is due, then end.")] = False,
    now: Annotated[bool, typer.Option("--now", help="Ask for a run; where no worker is there, carry it out and end.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Show the last runs, the next one, and how much is new.")] = False,
    cancel: Annotated[str | None, typer.Option("--cancel", help="Id of a run that shall end.", show_default=False)] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Train in the background: gather, build, train, evaluate, promote if the gate passes, remove old files.

    When: worker.schedule, worker.after_conversations, an erasure or a withdrawal (worker.retrain), or asked for. It has the lowest
    priority, so a server beside it is not disturbed. Killed, the next one goes on where it was. heedful.yaml is read at the start.

    Example: heedful worker; heedful worker --now; heedful worker --status
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        if status:
            show_standing(output, desk)
        elif cancel is not None:
            with desk.store.session() as session:
                run = request_cancel(session, cancel, desk.actor)
            output.say(f"{run.id}: {'cancelled' if run.state == 'cancelled' else 'its worker was asked to end it'}")
            output.result({"run": run_as_dict(run)})
        elif now:
            run_now(output, desk)
        else:
            carry_out(output, desk, forever=not once)


def run_now(output: Output, desk: Desk) -> None:
    with desk.store.session() as session:
        run_id = request_loop(session, desk.actor).id
    if is_working(desk.workspace):
        output.say(f"{run_id} is asked for; the worker that is there takes it next; next: heedful worker --status")
    else:
        carry_out(output, desk, forever=False)
    with desk.store.snapshot() as session:
        run = get_run(session, run_id)
    output.result({"run": run_as_dict(run)})
    if run.state == "failed":
        raise typer.Exit(FAILED)


def carry_out(output: Output, desk: Desk, forever: bool) -> None:
    threads = step_back(desk.settings.worker.threads)
    output.say(f"worker: {in_words(desk.settings.worker)}; {threads} thread{'s' if threads > 1 else ''}, lowest priority")

    def watch(run: TrainingRun, event: TrainingRunEvent) -> None:
        output.say(f"{run.id}: {event.message}")

    with handled(leave, signal.SIGTERM, signal.SIGINT):
        ended = work_off(Shop(desk.workspace, desk.store, desk.settings, watch), forever)
    output.say(f"worker: {ended} runs have ended, nothing waits")


def leave(number: int, _: object) -> NoReturn:
    """At once: the next worker goes on with what is unfinished. A process that trains writes a resume point and ends by itself."""
    os._exit(0 if number == signal.SIGTERM else 130)


def in_words(settings: WorkerSettings) -> str:
    when = [] if settings.schedule is None else [f"at {settings.schedule} (UTC)"]
    when += [] if settings.after_conversations is None else [f"after {settings.after_conversations} new conversations"]
    when += ["after an erasure or a withdrawal"] if settings.retrain else []
    return f"runs {', '.join([*when, 'when asked'])}"


def outcome_of(run: TrainingRun) -> str:
    if run.error is not None:
        return run.error
    unread = len(run.metrics.get("sources_unread", ()))
    return str(run.metrics.get("outcome", "")) + (f"; {unread} sources could not be read" if unread else "")


def show_standing(output: Output, desk: Desk) -> None:
    with desk.store.snapshot() as session:
        standing = standing_of(session, desk.settings.worker)
    there = is_working(desk.workspace)
    rows = [
        (
            run.id,
            run.kind,
            run.requested_by,
            f"{run.requested_at:%Y-%m-%d %H:%M}",
            run.state,
            outcome_of(run),
            "" if run.model_id is None else run.model_id,
        )
        for run in standing.recent
    ]
    output.table("runs of the loop, the newest first", COLUMNS, rows)
    following = "none is scheduled" if standing.next_run is None else f"{standing.next_run:%Y-%m-%d %H:%M} UTC"
    output.say(f"worker: {'running' if there else 'none; next: heedful worker'}")
    output.say(f"next run: {following}; new conversations: {standing.waiting}; runs so far: {standing.total_runs}")
    if standing.retrains:
        models = ", ".join(dict.fromkeys(plan.model_id for plan in standing.retrains))
        output.say(f"to be trained anew after {len(standing.retrains)} erasures: {models}")
    if standing.withdrawn:
        output.say(f"persons whom the champion learned from and who withdrew: {standing.withdrawn}")
    output.result(standing_as_dict(standing, there))

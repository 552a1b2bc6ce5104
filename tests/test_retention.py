"""Retention: what goes by its age, what its use or an experiment keeps. Real rows and files."""

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from heedful.cli.main import app
from heedful.engines.kept import read
from heedful.lifecycle.matrix import is_kept
from heedful.lifecycle.pruning import Prunable, prune
from heedful.store.audit import Wanted, list_events
from heedful.store.database import Store, open_store
from heedful.store.schema import utc_now
from heedful.store.schema_experiments import Experiment
from heedful.store.schema_turns import TurnTrace
from heedful.store.traces import add_traces, remove_traces
from heedful.workspace import Workspace

AGES = (1, 60, 91, 200)  # days
WORDS = ("turn", "model", "prompt", "variant", "mode", "served", "why", "route", "tier")


@pytest.fixture
def store(workspace: Workspace):
    opened = open_store(workspace.database)
    yield opened
    opened.close()


def trace(store: Store, *ages: int) -> None:
    numbers = dict.fromkeys(("prompt_tokens", "completion_tokens"), 3) | dict.fromkeys(("cost", "first_s", "total_s"), 0.5)
    rows = [
        {**dict.fromkeys(WORDS, "x"), **numbers, "ended": "done", "detail": {}, "created_at": utc_now() - timedelta(days=age)}
        for age in ages
    ]
    with store.session() as session:
        add_traces(session, rows)


def aged(path: Path, days: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix:
        path.write_text("[]")
    else:
        path.mkdir()
        (path / "report.json").write_text("{}")
    then = (utc_now() - timedelta(days=days)).timestamp()
    os.utime(path, (then, then))
    return path


def filled(workspace: Workspace, store: Store) -> None:
    trace(store, *AGES)
    for days in AGES:
        for folder, name in (
            (workspace.replies, f"{days}.json"),
            (workspace.cells, f"{days}.json"),
            (workspace.reports, f"lc-{days}"),
        ):
            aged(folder / name, days)


def ages_left(store: Store) -> list[int]:
    with store.snapshot() as session:
        return sorted((utc_now() - at).days for at in session.scalars(select(TurnTrace.created_at)))


def test_what_is_older_goes_and_the_trail_says_how_much(workspace: Workspace, store: Store) -> None:
    filled(workspace, store)
    assert prune(workspace, store, 3, "ada") == Prunable()  # without a number of days, all of it stays
    wanted = Prunable(curves=("lc-200", "lc-91"), traces=2, replies=2, cells=2, bytes=12)
    assert prune(workspace, store, 3, "ada", dry_run=True, days=90) == wanted
    assert ages_left(store) == list(AGES)
    assert prune(workspace, store, 3, "ada", days=90) == wanted
    assert ages_left(store) == [1, 60]
    assert sorted(path.name for path in workspace.reports.iterdir()) == ["cells", "lc-1", "lc-60", "replies"]
    for folder in (workspace.replies, workspace.cells):
        assert sorted(path.name for path in folder.iterdir()) == ["1.json", "60.json"]
    with store.snapshot() as session:
        (event,) = list_events(session, Wanted(action="prune"))
    assert (event.detail["traces"], event.detail["replies"], event.detail["cells"], event.detail["bytes"]) == (2, 2, 2, 12)
    assert prune(workspace, store, 3, "ada", days=90) == Prunable()


def test_what_is_used_stays(workspace: Workspace, store: Store) -> None:
    reply, cell = aged(workspace.replies / "a.json", 200), aged(workspace.cells / "a.json", 200)
    assert (read(reply, 0), is_kept(cell), is_kept(workspace.cells / "b.json")) == ([], True, False)
    assert prune(workspace, store, 3, "ada", days=90) == Prunable()


def test_an_experiment_that_runs_keeps_its_traces(workspace: Workspace, store: Store) -> None:
    trace(store, *AGES)
    names = {"champion": "m-1", "challenger": "m-2", "outcome": "thumbs", "instrument": "", "reason": "", "actor": "ada"}
    began = utc_now() - timedelta(days=100)
    with store.session() as session:
        session.add(Experiment(share=0.5, shadow=False, window_hours=0.0, margin=1.5, created_at=began, **names))
    assert prune(workspace, store, 3, "ada", days=30).traces == 1
    assert ages_left(store) == [1, 60, 91]


def test_many_rows_go_some_at_a_time(store: Store) -> None:
    trace(store, *[100] * 7, 1)
    with store.session() as session:
        before = utc_now() - timedelta(days=90)
        assert [remove_traces(session, before, most=3) for _ in range(3)] == [True, True, False]
    assert ages_left(store) == [1]


def test_on_the_command_line(workspace: Workspace, store: Store) -> None:
    filled(workspace, store)
    words = ["models", "prune", "--json", "--workspace", str(workspace.root)]
    told = [
        json.loads(CliRunner().invoke(app, [*words, *more]).stdout) for more in (["--dry-run"], ["--dry-run", "--days", "10"], [])
    ]
    assert [(one["dry_run"], one["traces"], one["cells"]) for one in told] == [(True, 2, 2), (True, 3, 3), (False, 2, 2)]
    assert ages_left(store) == [1, 60]

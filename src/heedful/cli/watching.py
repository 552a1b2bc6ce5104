"""Watcher of a run in the terminal: stages as lines, long work as bars with ETA, and one question before training."""

from contextlib import ExitStack
from types import TracebackType
from typing import Self

import typer
from rich.text import Text

from heedful.cli.dataset import show_built
from heedful.cli.import_ import show_import
from heedful.cli.output import Observe, Output, progress_bar
from heedful.cli.plan import show_plan
from heedful.cli.train import note, show_trained
from heedful.dataset import BuiltDataset
from heedful.lifecycle.ingest import ImportReport
from heedful.lifecycle.training import TrainedVersion
from heedful.training.plan import TrainingPlan
from heedful.training.progress import Progress


class TerminalWatcher:
    """At most one bar is open at a time; a line of a finished stage closes it."""

    def __init__(self, output: Output, ask: bool) -> None:
        self._output, self._ask = output, ask
        self._bars = ExitStack()
        self._title = ""
        self._observe: Observe | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def reading(self, done: int, total: int | None, note: str) -> None:
        self._show("import", done, total, note)

    def imported(self, report: ImportReport) -> None:
        self._close()
        show_import(self._output, report)

    def building(self, done: int, total: int | None, note: str) -> None:
        self._show("dataset", done, total, note)

    def built(self, dataset: BuiltDataset) -> None:
        self._close()
        show_built(self._output, dataset)

    def approve(self, plan: TrainingPlan) -> bool:
        show_plan(self._output, plan)
        return not self._ask or typer.confirm("train now?", default=True, err=True)

    def training(self, progress: Progress) -> None:
        if progress.note:
            self._output.stderr.print(Text(progress.note))
        self._show("train", progress.step, progress.steps, note(progress))

    def trained(self, version: TrainedVersion) -> None:
        self._close()
        show_trained(self._output, version)

    def evaluating(self, done: int, total: int) -> None:
        self._show("evaluate", done, total, "")

    def _show(self, title: str, done: int, total: int | None, note: str) -> None:
        if title != self._title or self._observe is None:
            self._close()
            self._title, self._observe = title, self._bars.enter_context(progress_bar(self._output, title))
        self._observe(done, total, note)

    def _close(self) -> None:
        self._bars.close()
        self._title, self._observe = "", None

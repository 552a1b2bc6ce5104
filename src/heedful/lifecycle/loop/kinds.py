"""Kinds of runs, and the steps of each. A new kind is a line here, and a word in `store.schema_runs`."""

from collections.abc import Mapping

from heedful.lifecycle.fine_tuning.steps import FINE_TUNING
from heedful.lifecycle.loop.steps import LOOP
from heedful.lifecycle.loop.work import Step
from heedful.store.schema_runs import RunKind

KINDS: Mapping[RunKind, tuple[Step, ...]] = {"loop": LOOP, "fine_tuning": FINE_TUNING}

"""Strategy: a dataset and the settings in; the plan of a training from the base or on top of a version, and why that one, out."""

from dataclasses import dataclass, replace

from heedful.config import Settings
from heedful.dataset import dataset_dir
from heedful.errors import ModelError, TrainingError
from heedful.lifecycle.rounds import FRESH, find_parent, next_round, require_parent
from heedful.registry.lineage import withdrawn
from heedful.registry.versions import Version
from heedful.store.database import Store
from heedful.training import rules
from heedful.training.plan import BY_YOU, Choice, TrainingPlan, make_plan
from heedful.training.round import Round
from heedful.workspace import Workspace

HOUR = 3_600


@dataclass(frozen=True, slots=True)
class Planned:
    """`part` is what a round learns on top of its parent; None for a training from the base."""

    plan: TrainingPlan
    part: Round | None = None


def plan_training(workspace: Workspace, store: Store, settings: Settings, dataset_id: str) -> Planned:
    """Every hyper-parameter for this data, this base and this machine, each with its reason; the strategy first.

    Raises what `make_plan` raises; for continue also RegistryError without a parent, and TrainingError when nothing is new.
    """
    training = settings.training
    if training.strategy == "continue":
        parent = require_parent(find_parent(store, training.parent))
        return because(continued(workspace, store, settings, dataset_id, parent), f"{BY_YOU}; the parent is {named(parent)}")
    fresh = Planned(make_plan(dataset_dir(workspace, dataset_id), settings.base, settings.device, training))
    if training.strategy == "fresh":
        return because(fresh, f"{BY_YOU}: all of the dataset, from the base")
    return choose(workspace, store, settings, dataset_id, fresh)


def choose(workspace: Workspace, store: Store, settings: Settings, dataset_id: str, fresh: Planned) -> Planned:
    """Fresh while it is affordable, for nothing is learned better than all at once; else continue where that saves enough."""
    budget, needed = settings.training.budget_hours * HOUR, seconds_of(fresh)
    if needed <= budget:
        return because(fresh, f"auto: all anew takes about {in_time(needed)}, within training.budget_hours ({in_time(budget)})")
    over = f"auto: all anew takes about {in_time(needed)}, over training.budget_hours ({in_time(budget)})"
    parent = find_parent(store, settings.training.parent)
    if parent is None:
        return because(fresh, f"{over}, but there is no champion to continue from")
    without = without_permission(store, parent)
    if without:
        return because(fresh, f"{over}, but {named(parent)} learned from {without} conversations that were withdrawn since")
    try:
        round_ = continued(workspace, store, settings, dataset_id, parent)
    except (ModelError, TrainingError) as reason:
        return because(fresh, f"{over}, but {named(parent)} cannot be continued: {reason.text}")
    share = seconds_of(round_) / needed
    if share > rules.WORTH_CONTINUING:
        return because(fresh, f"{over}, but continuing {named(parent)} would take {share:.0%} of that")
    return because(round_, f"{over}; continuing {named(parent)} takes about {in_time(seconds_of(round_))}, {share:.0%} of that")


def continued(workspace: Workspace, store: Store, settings: Settings, dataset_id: str, parent: Version) -> Planned:
    """Raises TrainingError when the dataset has nothing that the parent and those below it have not learned."""
    part = next_round(workspace, store, settings, dataset_id, parent)
    if part is None:
        raise TrainingError(
            f"nothing is new: {parent.id} and the versions below it learned every training conversation of {dataset_id}",
            f"import more conversations, then heedful dataset build; or {FRESH}",
        )
    plan = make_plan(dataset_dir(workspace, dataset_id), settings.base, settings.device, settings.training, part)
    return Planned(plan, part)


def without_permission(store: Store, version: Version) -> int:
    """Continuing would keep what they taught."""
    with store.snapshot() as session:
        return withdrawn(session, version.id)[0]


def because(planned: Planned, why: str) -> Planned:
    return replace(planned, plan=replace(planned.plan, strategy=Choice(planned.plan.strategy.value, why)))


def seconds_of(planned: Planned) -> float:
    assert planned.plan.seconds.value is not None, "a complete plan is estimated"
    return planned.plan.seconds.value


def named(version: Version) -> str:
    return f"{version.id} ({', '.join(version.aliases)})" if version.aliases else version.id


def in_time(seconds: float) -> str:
    return (
        f"{seconds / HOUR:.1f} hours" if seconds >= HOUR else f"{seconds / 60:.0f} minutes" if seconds >= 60 else f"{seconds:.0f} s"
    )

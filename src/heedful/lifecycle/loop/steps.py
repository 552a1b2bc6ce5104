"""Steps of the loop: gather -> build -> train -> evaluate -> promote -> prune. A Work in, whether there is more to do, out.

Conversations that were collected are rows of the store already; `gather` imports what the team's own sources have beside them. A
run that finds nothing to learn ends well, and says so.
"""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from heedful.dataset import build_dataset
from heedful.errors import PromotionRefused, StoreError
from heedful.lifecycle.evaluation import evaluate_version, find_evaluated
from heedful.lifecycle.grounding import grounding_of
from heedful.lifecycle.loop.requests import count_waiting, newest_conversation
from heedful.lifecycle.loop.sources import import_sources
from heedful.lifecycle.loop.training import train_for
from heedful.lifecycle.loop.work import Asked, Step, Work
from heedful.lifecycle.pipeline import nll_of
from heedful.lifecycle.pruning import prune as prune_workspace
from heedful.lifecycle.strategy import plan_training
from heedful.registry.promotion import promote_in
from heedful.registry.retrains import settle_retrains
from heedful.registry.versions import list_versions
from heedful.store.consent import permitted
from heedful.store.training_runs import get_run, note


def gather(work: Work) -> bool:
    """What `worker.sources` brings; then how many conversations there are, and how many are new."""
    import_sources(work)
    with work.store.session() as session:
        there = session.scalar(select(func.count()).select_from(permitted("training").subquery())) or 0
        new = count_waiting(session, before=work.run_id)
        note(session, work.run_id, conversations=there, new=new, seen=newest_conversation(session))
    work.tell("step", f"{there} conversations may be trained on, {new} of them new", {"step": "gather"}, key="gather")
    return there > 0 or finish(work, "nothing to learn from")


def build(work: Work) -> bool:
    """A dataset of all that may be trained on today. Where a clean version of this base learned that very dataset, all is done."""

    def keep(session: Session, dataset_id: str) -> None:
        note(session, work.run_id, dataset_id=dataset_id)

    settings, dataset_id = work.settings, work.run.dataset_id
    if dataset_id is None:
        check = Asked(work).check
        dataset_id = build_dataset(
            *(work.store, work.workspace, settings.dataset, settings.system_prompt, work.actor, check, keep),
            ground=grounding_of(work.workspace, settings),
        ).id
    work.tell("step", f"dataset {dataset_id}", {"step": "build", "dataset": dataset_id}, key="build")
    with work.store.snapshot() as session:
        own = get_run(session, work.run_id).model_id
        learned = [version for version in list_versions(session) if version.dataset == dataset_id and version.id != own]
    clean = [version.id for version in learned if version.base == settings.base and not version.quarantined]
    if clean:
        with work.store.session() as session:
            settle_retrains(session, clean[-1], dataset_id, work.actor)
        return finish(work, "nothing new")
    return True


def train(work: Work) -> bool:
    dataset_id = dataset_of(work)
    model = train_for(work, dataset_id, lambda: plan_training(work.workspace, work.store, work.settings, dataset_id))
    work.tell("step", f"model {model}", {"step": "train", "model": model}, key="train")
    return True


def evaluate(work: Work) -> bool:
    report_id = f"r-{work.number}"
    found = find_evaluated(work.workspace, work.store, report_id)
    if found is None:
        check = Asked(work).check
        found = evaluate_version(work.workspace, work.store, work.settings, model_of(work), check, report_id=report_id)
    work.note(report=report_id, verdict=found.report.verdict, nll=nll_of(found.report))
    words = f"report {report_id}: {found.report.verdict}"
    work.tell("step", words, {"step": "evaluate", "report": report_id, "verdict": found.report.verdict}, key="evaluate")
    return True


def promote(work: Work) -> bool:
    """Once: who rolled back meanwhile is not overruled by a run that goes on after a kill."""
    if "promoted" not in work.run.metrics:
        try:
            with work.store.session() as session:
                promote_in(session, work.workspace, work.settings.gate, model_of(work), work.actor)
                note(session, work.run_id, promoted=True, outcome="promoted")
        except PromotionRefused as refusal:
            work.note(promoted=False, outcome="refused", refusal=refusal.text)
    words = "the new champion" if work.run.metrics["promoted"] else str(work.run.metrics["refusal"])
    work.tell("step", words, {"step": "promote", "promoted": work.run.metrics["promoted"]}, key="promote")
    return True


def prune(work: Work) -> bool:
    """Files that nobody needs any more. That it cannot be done now fails no run: the next one does it."""
    try:
        keep = work.settings.worker
        found = prune_workspace(work.workspace, work.store, keep.keep_versions, work.actor, days=keep.keep_days)
    except StoreError as busy:
        work.tell("message", f"nothing was pruned: {busy.text}", level="warn")
        return True
    work.note(pruned=found.counts())
    words = ", ".join(f"{count} {name}" for name, count in found.counts().items())
    work.tell("step", f"removed: {words}", {"step": "prune", **found.counts()}, key="prune")
    return True


def finish(work: Work, outcome: str) -> bool:
    work.note(outcome=outcome)
    work.tell("message", outcome, key="outcome")
    return False


def dataset_of(work: Work) -> str:
    found = work.run.dataset_id
    assert found is not None, "the step before noted it"
    return found


def model_of(work: Work) -> str:
    found = work.run.model_id
    assert found is not None, "the step before noted it"
    return found


LOOP = (
    Step("gather", gather),
    Step("build", build),
    Step("train", train),
    Step("evaluate", evaluate),
    Step("promote", promote),
    Step("prune", prune),
)

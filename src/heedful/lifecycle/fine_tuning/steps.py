"""Steps of a fine-tuning job: take in -> build -> train -> evaluate -> name. A Work in, whether there is more to do, out.

The job learns from its files alone, from the base up. A version that fails a blocking check of the gate gets no name, and the job
has failed. Where the gate is inconclusive, because a small file holds too little to prove anything, the job has succeeded and says
so. No job makes a champion.
"""

from dataclasses import replace

from sqlalchemy.orm import Session

from heedful.dataset import build_dataset
from heedful.dataset.uploads import Uploads
from heedful.errors import TrainingError
from heedful.lifecycle.evaluation import find_evaluated
from heedful.lifecycle.fine_tuning.asked import JobRequest, name_of, with_rate
from heedful.lifecycle.fine_tuning.rows import read_rows
from heedful.lifecycle.loop.steps import dataset_of, evaluate, model_of
from heedful.lifecycle.loop.training import train_for
from heedful.lifecycle.loop.work import Asked, Step, Work
from heedful.lifecycle.strategy import Planned, plan_training
from heedful.registry.aliases import point
from heedful.registry.versions import ADAPTER_FILE, model_directory
from heedful.store.schema_uploads import Upload
from heedful.store.training_runs import note
from heedful.store.uploads import content_of, take_rows


def request_of(work: Work) -> JobRequest:
    return JobRequest(**work.run.request)


def take_in(work: Work) -> bool:
    """Rows of the files become conversations that serve this job. Raises TrainingError when a file was deleted meanwhile."""
    asked, counted = request_of(work), {}
    for file_id in filter(None, (asked.training_file, asked.validation_file)):
        with work.store.session() as session:
            upload = session.get(Upload, file_id)
            if upload is None:
                raise TrainingError(f"{file_id} was deleted before the job began")
            rows = read_rows(content_of(session, upload))
            counted[file_id] = take_rows(session, file_id, upload.sha256, rows, work.actor)
    words = ", ".join(f"{count} rows of {file_id}" for file_id, count in counted.items())
    work.tell("step", f"files taken in: {words}", {"step": "take in", **counted}, key="take in")
    return True


def build(work: Work) -> bool:
    """A dataset of the files alone, under the same rules as any; what was left out is told."""

    def keep(session: Session, dataset_id: str) -> None:
        note(session, work.run_id, dataset_id=dataset_id)

    if work.run.dataset_id is None:
        asked, settings = request_of(work), work.settings
        uploads = Uploads(asked.training_file, asked.validation_file)
        check = Asked(work).check
        built = build_dataset(
            work.store, work.workspace, settings.dataset, settings.system_prompt, work.actor, check, keep, uploads
        )
        sides = ", ".join(f"{count} {split}" for split, count in built.counts.items())
        out = ", ".join(f"{reason} {count}" for reason, count in built.dropped.items() if count) or "nothing"
        data = {"step": "build", "dataset": built.id, "counts": built.counts}
        work.tell("step", f"dataset {built.id}: {sides}; left out: {out}", data, key="build")
    return True


def train(work: Work) -> bool:
    dataset_id = dataset_of(work)
    asked = request_of(work)
    own = replace(work, settings=asked.over(work.settings))
    if asked.rate is not None and work.run.model_id is None:
        own = replace(own, settings=with_rate(own.settings, asked.rate * planned(own, dataset_id).plan.learning_rate.value))
    model = train_for(own, dataset_id, lambda: planned(own, dataset_id))
    work.tell("step", f"model {model}", {"step": "train", "model": model}, key="train")
    return True


def planned(work: Work, dataset_id: str) -> Planned:
    return plan_training(work.workspace, work.store, work.settings, dataset_id)


def give_name(work: Work) -> bool:
    """Raises TrainingError, naming the checks, where the gate says no."""
    model, report_id = model_of(work), f"r-{work.number}"
    found = find_evaluated(work.workspace, work.store, report_id)
    assert found is not None, "the step before wrote it"
    report = found.report
    if report.verdict == "failed":
        work.note(error_code="gate_failed")
        raise TrainingError(f"the gate refuses {model}; failed: {', '.join(report.failed)}; report {report_id} has the replies")
    assert (model_directory(work.workspace, model) / ADAPTER_FILE).is_file(), "a version that was just evaluated has its files"
    asked = request_of(work)
    name = name_of(asked.base, asked.suffix, model)
    with work.store.session() as session:
        point(session, name, model, work.actor, f"fine-tuning job {work.run_id}", report_id)
        note(session, work.run_id, fine_tuned_model=name)
    if report.verdict == "inconclusive":
        open_ = ", ".join(report.inconclusive)
        words = f"the gate is inconclusive, for there is too little to judge by: {open_}; nothing failed, and it is no champion"
        work.tell("message", words, {"inconclusive": list(report.inconclusive)}, key="inconclusive", level="warn")
    work.tell("step", f"the model answers as {name}", {"step": "name", "fine_tuned_model": name}, key="name")
    return True


FINE_TUNING = (
    Step("take in", take_in),
    Step("build", build),
    Step("train", train),
    Step("evaluate", evaluate),
    Step("name", give_name),
)

"""Files: directories that hold a person's words in; gone, or without those words, out. Every step can be done again."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from heedful.dataset import load_split
from heedful.errors import HeedfulError
from heedful.evaluation.page import to_html
from heedful.evaluation.report import REPORT_HTML, REPORT_JSON, Transcript, read_report, to_json
from heedful.lifecycle.unfinished import PREFIX
from heedful.store.database import Store
from heedful.store.schema import ConversationRow, DatasetMember, DatasetVersion, ModelVersion, Run
from heedful.workspace import ASIDE, Workspace, read_manifest, sha256, write_manifest, write_text


def fingerprints_of(session: Session, workspace: Workspace, datasets: Iterable[str], person_id: int) -> dict[str, set[str] | None]:
    """Dataset -> fingerprints of the person's lines in its test file, which reports quote. None: the file cannot be read."""
    found: dict[str, set[str] | None] = {}
    for dataset in datasets:
        query = (
            select(DatasetMember.position)
            .join(ConversationRow, ConversationRow.id == DatasetMember.conversation_id)
            .where(DatasetMember.dataset_id == dataset, DatasetMember.split == "test", ConversationRow.person_id == person_id)
        )
        lines = set(session.scalars(query))
        try:
            rows = load_split(workspace.datasets / dataset, "test")
            found[dataset] = {row.fingerprint() for line, row in enumerate(rows) if line in lines}
        except HeedfulError:
            found[dataset] = None
    return found


def redact_report(store: Store, folder: Path, quoted: Mapping[str, set[str] | None], models: Iterable[str]) -> int:
    """Take transcripts out: the person's, or all when a model in them learned from the person, for its replies may quote them too.

    Numbers stay, so the report still proves its version: its run is told the new hash first, and the file follows, also after a
    kill between the two. A report that was changed past the program stays refused. Returns how many transcripts were taken out.
    """
    if not (folder / REPORT_JSON).exists():
        return 0  # another kind of report, without transcripts; the search looks at its words
    try:
        report = read_report(folder)
    except HeedfulError:
        remove(folder)
        return 0
    hers = quoted.get(report.dataset, set())
    speaking = {report.model, *(one.against for one in report.comparisons)}
    if hers is None or speaking & set(models):
        kept: tuple[Transcript, ...] = ()
    else:
        kept = tuple(one for one in report.transcripts if one.conversation not in hers)
    taken = len(report.transcripts) - len(kept)
    if taken == 0:
        return 0
    redacted = replace(report, transcripts=kept, redacted=report.redacted + taken)
    text = to_json(redacted)
    with store.session() as session:
        renew_hash(session, folder.name, sha256(folder / REPORT_JSON), hashlib.sha256(text.encode()).hexdigest())
    fields = {key: value for key, value in read_manifest(folder, verify=False).items() if key != "files"}
    write_text(folder / REPORT_JSON, text)
    write_text(folder / REPORT_HTML, to_html(redacted))
    write_manifest(folder, fields)
    return taken


def renew_hash(session: Session, report: str, before: str, after: str) -> None:
    for run in session.scalars(select(Run)):
        if run.detail.get("report") == report and run.detail.get("report_sha256") == before:
            run.detail = {**run.detail, "report_sha256": after}


def remove_datasets(workspace: Workspace, datasets: Iterable[str]) -> None:
    for dataset in datasets:
        remove(workspace.datasets / dataset)


def remove_orphans(session: Session, workspace: Workspace) -> list[str]:
    """Directories that a crash left without a row: nobody can tell whose words they hold."""
    known = {*session.scalars(select(DatasetVersion.id)), *session.scalars(select(ModelVersion.id))}
    found = [path for path in (*workspace.datasets.glob("ds-*"), *workspace.models.glob("m-*")) if path.name not in known]
    for path in found:
        remove(path)
    return sorted(path.name for path in found)


def remove_unfinished(workspace: Workspace, ids: Iterable[str]) -> int:
    """What is being written aside, or was when a process died, and trainings on one of these datasets or on top of these models.

    A build, an evaluation or a training under way loses its directory by this and ends with an error: it may hold the words.
    """
    found = [path for folder in workspace.folders for path in folder.glob(f"{ASIDE}*")]
    found += [path for path in workspace.models.glob(f"{PREFIX}*") if learns_from(path, set(ids))]
    for path in found:
        remove(path)
    return len(found)


def remove_served(workspace: Workspace, models: Iterable[str]) -> None:
    """Models that an engine had merged with their base: what lies there of a quarantined one is of no use to anybody."""
    for model in models:
        for path in workspace.served.glob(f"{model}-*"):
            remove(path)


def learns_from(home: Path, ids: set[str]) -> bool:
    """Whether the description of a training names one of the ids, anywhere; also when it cannot be read."""
    try:
        told = [json.dumps(json.loads(path.read_text(encoding="utf-8"))) for path in home.glob("*.json")]
    except (OSError, ValueError):
        return True
    return not told or any(f'"{one}"' in text for text in told for one in ids)


def remove(path: Path) -> None:
    """A directory in one step for whoever looks, or a file; nothing when it is gone already."""
    if path.is_dir() and not path.is_symlink():
        aside = path if path.name.startswith(ASIDE) else path.rename(path.with_name(f"{ASIDE}erased-{path.name}"))
        shutil.rmtree(aside)
    else:
        path.unlink(missing_ok=True)

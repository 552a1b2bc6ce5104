"""Sources of the loop: what `worker.sources` names, in; new conversations in the store, and a line for each source, out.

An import knows rows by their content, so a source is read as a whole at every run and only what is new is added. Each source is a
transaction of its own. One that cannot be read leaves nothing and is told as an error; the run goes on with the others and with
what is in the store, for a broken export must not keep a model from being trained anew after an erasure.
"""

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from heedful.config import WorkerSource
from heedful.errors import Place, SourceError
from heedful.lifecycle.ingest import ImportReport, import_file
from heedful.lifecycle.loop.work import Asked, Work
from heedful.sources import FORMAT_NAMES, Hints, Location, Query, locate
from heedful.sources.containers.hub import PREFIX
from heedful.workspace import Workspace


def import_sources(work: Work) -> None:
    """Raises RunCancelled when somebody wants the run to end; the source that was being read is then as if it had not been."""
    asked, added, unread = Asked(work), 0, []
    for number, source in enumerate(work.settings.worker.sources, 1):
        name = f"source {number} of {len(work.settings.worker.sources)}"
        try:
            report = import_source(work, source, asked)
        except SourceError as error:
            unread.append(number)
            work.tell("message", f"{name} was left out: {error.text}", {"source": number}, key=f"source {number}", level="error")
            continue
        added += report.added
        data = {"source": number, "added": report.added, "known": report.known, "skipped": report.skipped, "erased": report.erased}
        work.tell("message", f"{name}: {in_words(report)}", data, key=f"source {number}")
    if work.settings.worker.sources:
        work.note(imported=added, sources_unread=unread)


def import_source(work: Work, source: WorkerSource, asked: Asked) -> ImportReport:
    """Raises SourceError for what cannot be read."""
    if source.format is not None and source.format not in FORMAT_NAMES:
        known = ", ".join(FORMAT_NAMES)
        raise SourceError(f"worker.sources: format {source.format!r} is none of {known}", Place(work.workspace.config_file))
    return import_file(
        work.store,
        location_of(work.workspace, source),
        work.actor,
        Hints(format=source.format),
        source.skip_bad,
        asked.check,
        source.basis,
        source.purposes,
    )


def location_of(workspace: Workspace, source: WorkerSource) -> Location:
    """Paths are looked for from the folder of heedful.yaml on. Raises SourceError for a password in the file, which is shown."""
    if source.path is not None:
        return locate(source.path) if source.path.startswith(PREFIX) else workspace.root / source.path
    assert source.query is not None
    assert source.url is not None
    if has_password(source.url):
        problem = "worker.sources: a URL with a password; heedful.yaml is shown and copied"
        raise SourceError(problem, Place(workspace.config_file), "leave it out; drivers have files of their own, such as ~/.pgpass")
    return Query(source.query, source.url)


def has_password(url: str) -> bool:
    """What is no URL is refused when it is read."""
    try:
        return bool(make_url(url).password)
    except (ArgumentError, ValueError):
        return False


def in_words(report: ImportReport) -> str:
    parts = [f"{report.added} new conversations", f"{report.known} known"]
    parts += [f"{report.skipped} bad rows left out"] if report.skipped else []
    parts += [f"{report.erased} of erased persons left out"] if report.erased else []
    return ", ".join(parts)

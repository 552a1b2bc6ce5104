"""`heedful knowledge add|list|search|update|remove`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from heedful.cli.options import HERE, JsonOption, WorkspaceOption, open_desk
from heedful.cli.output import FAILED, Output, progress_bar, reporting
from heedful.knowledge import Passage, search
from heedful.knowledge.citing import place_of
from heedful.knowledge.index import Document
from heedful.knowledge.library import GENERAL, Added, list_documents
from heedful.lifecycle import documents as documents_of
from heedful.workspace import find_workspace

app = typer.Typer(
    no_args_is_help=True,
    help="Add, list, search, update and remove documents that replies may cite.\n\nExample: heedful knowledge add handbook.pdf",
)
CollectionOption = Annotated[str, typer.Option("--collection", "-c", help="Where the documents belong.")]
CollectionsOption = Annotated[
    list[str] | None, typer.Option("--collection", "-c", help="Only this one; may be given again.", show_default="all")
]
SHOWN_CHARACTERS = 240  # of a passage


@app.command()
def add(
    paths: Annotated[list[Path], typer.Argument(help="PDF, DOCX, HTML, Markdown, text; folders of these.", show_default=False)],
    collection: CollectionOption = GENERAL,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Read documents. The same file again changes nothing; an edited one takes the place of its former self.

    A file that cannot be read gets one line, the rest is done, and the exit code is 1.

    Example: heedful knowledge add leaflets/ handbook.docx --collection help
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        with progress_bar(output, "knowledge") as observe:
            added = documents_of.add(desk.workspace, desk.store, desk.actor, paths, collection, observe)
        show_added(output, added)
        output.result(as_row(added))
    stop_if_refused(added)


@app.command()
def update(collection: CollectionsOption = None, workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Read again what documents were read from, and take in what was edited. What is gone is named, and stays.

    Example: heedful knowledge update --collection help
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        with progress_bar(output, "knowledge") as observe:
            added, gone = documents_of.update(desk.workspace, desk.store, desk.actor, tuple(collection or ()), observe)
        show_added(output, added)
        for document in gone:
            output.say(f"{document.name}: {document.source} is gone; next: heedful knowledge remove {document.id}")
        output.result({**as_row(added), "gone": [document.id for document in gone]})
    stop_if_refused(added)


@app.command("list")
def list_(collection: CollectionsOption = None, workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """All documents, by collection and name.

    Example: heedful knowledge list
    """
    with reporting(as_json) as output:
        documents = list_documents(find_workspace(workspace), tuple(collection or ()))
        rows = [
            (d.id, d.collection, d.name, d.title, "" if d.pages is None else d.pages, d.chunks, d.version, f"{d.added_at:%Y-%m-%d}")
            for d in documents
        ]
        output.table("documents", ("id", "collection", "name", "title", "pages", "chunks", "version", "added"), rows)
        output.result({"documents": [row_of(document) for document in documents]})


@app.command("search")
def search_(
    question: Annotated[str, typer.Argument(help="A question, or some words.", show_default=False)],
    k: Annotated[int, typer.Option("--k", "-k", min=1, max=50, help="Passages at most.")] = 5,
    collection: CollectionsOption = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """The passages that bear on a question, best first; none where nothing is near enough.

    Example: heedful knowledge search "How much sleep does a teenager need?"
    """
    with reporting(as_json) as output:
        passages = search(find_workspace(workspace), question, k, tuple(collection or ()))
        for number, passage in enumerate(passages, start=1):
            show_passage(output, number, passage)
        if not passages:
            output.say("nothing is near enough; next: heedful knowledge list")
        output.result({"passages": [asdict(passage) for passage in passages]})


@app.command()
def remove(
    documents: Annotated[list[str], typer.Argument(help="Ids or names.", show_default=False)],
    collection: CollectionsOption = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Take documents off the disk. Backups made before still hold them.

    Example: heedful knowledge remove doc-0123456789
    """
    with reporting(as_json) as output, open_desk(workspace) as desk:
        removed = documents_of.remove(desk.workspace, desk.store, desk.actor, documents, tuple(collection or ()))
        output.say(f"removed: {', '.join(f'{document.name} ({document.id})' for document in removed)}")
        output.result({"removed": [document.id for document in removed]})


def show_added(output: Output, added: Added) -> None:
    counts = ", ".join(f"{added.count(outcome)} {outcome}" for outcome in ("new", "updated", "same"))
    chunks = sum(document.chunks for outcome, document in added.documents if outcome != "same")
    passed = f"; {added.passed_over} files of other kinds were passed over" if added.passed_over else ""
    output.say(f"documents: {counts}; {chunks} chunks written{passed}")
    for refused in added.refused:
        output.stderr.print(f"refused: {refused.name}: {refused.reason}", markup=False)


def stop_if_refused(added: Added) -> None:
    if added.refused:
        raise SystemExit(FAILED)


def show_passage(output: Output, number: int, passage: Passage) -> None:
    text = " ".join(passage.text.split())
    short = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS].rsplit(' ', 1)[0]} …"
    output.say(f"[{number}] {place_of(passage)} ({passage.document}; {passage.similarity:.2f})")
    output.say(f"    {short}")


def as_row(added: Added) -> dict[str, Any]:
    return {
        "documents": [{"outcome": outcome, **row_of(document)} for outcome, document in added.documents],
        "refused": [asdict(refused) for refused in added.refused],
        "passed_over": added.passed_over,
    }


def row_of(document: Document) -> dict[str, Any]:
    return {**asdict(document), "added_at": document.added_at.isoformat()}

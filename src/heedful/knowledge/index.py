"""The index: chunks with their vectors in; the nearest by meaning and by words out. One LanceDB table, below `knowledge/`.

A document comes in, is replaced or goes in one commit, so whoever looks sees all of it or nothing, also after a kill. What was
removed is gone from the disk when `purge` returns: files are written anew without it, old versions deleted, indexes made again.
Texts lie uncompressed, so that a search for a person's words, byte for byte, finds them here as everywhere else.

One process writes at a time (`writing`); any number read.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from heedful.errors import KnowledgeError
from heedful.knowledge.chunking import header
from heedful.workspace import Workspace

TABLE = "passages"
WORDS_INDEX, VECTORS_INDEX = "body_idx", "vector_idx"  # names that LanceDB gives them
LOCK = ".lock"
OWED = ".purge"  # lies beside the table from a removal until it is off the disk
LOCK_SECONDS = 30.0
DIMENSIONS = 384
LOOSE_FRAGMENTS = 24  # commits that may lie beside one another before they are joined
LOOSE_ROWS = 500  # rows that may lie beside the index of words before they are taken into it
VECTOR_INDEX_ROWS = 20_000  # below, looking at every vector is as fast and exact
KEEP_VERSIONS = timedelta(minutes=10)  # for those who are reading one
AT_ONCE = timedelta(0)
COMPARED = 400  # rows that the approximate index proposes, to be compared exactly
PLAIN = {b"lance-encoding:compression": b"none"}  # see above
FIELDS = (
    pa.field("id", pa.string(), False),
    pa.field("document", pa.string(), False),
    pa.field("name", pa.string(), False, metadata=PLAIN),
    pa.field("collection", pa.string(), False),
    pa.field("title", pa.string(), False, metadata=PLAIN),
    pa.field("source", pa.string(), False, metadata=PLAIN),
    pa.field("sha256", pa.string(), False),
    pa.field("bytes", pa.int64(), False),
    pa.field("pages", pa.int32()),
    pa.field("version", pa.int32(), False),
    pa.field("added_at", pa.timestamp("us", "UTC"), False),
    pa.field("chunks", pa.int32(), False),
    pa.field("ordinal", pa.int32(), False),
    pa.field("section", pa.string(), False, metadata=PLAIN),
    pa.field("page", pa.int32()),
    pa.field("asks", pa.bool_(), False),
    pa.field("body", pa.string(), False, metadata=PLAIN),
    pa.field("vector", pa.list_(pa.float16(), DIMENSIONS), False),
)
SCHEMA = pa.schema(FIELDS)
OF_DOCUMENT = (
    "document", "name", "collection", "title", "source", "sha256", "bytes", "pages", "version", "added_at", "chunks",
)  # fmt: skip
OF_CANDIDATE = ("document", "ordinal", "asks", "vector")
OF_HIT = ("document", "name", "collection", "source", "title", "section", "page", "body", "ordinal")
ROW_ID = "_rowid"

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Document:
    """`source` is where it was read from; `version` counts its contents; `sha256` is of the file."""

    id: str
    name: str
    collection: str
    title: str
    source: str
    sha256: str
    bytes: int
    pages: int | None
    version: int
    added_at: datetime
    chunks: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk as a ranking names it. `row` is where it lies now; `asks`: it holds questions only; `similarity` is its cosine."""

    row: int
    document: str
    ordinal: int
    asks: bool
    similarity: float

    @property
    def key(self) -> tuple[str, int]:
        return self.document, self.ordinal


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk as people read it."""

    document: str
    name: str
    collection: str
    source: str
    title: str
    section: str
    page: int | None
    text: str
    ordinal: int

    @property
    def key(self) -> tuple[str, int]:
        return self.document, self.ordinal


@contextmanager
def writing(workspace: Workspace) -> Iterator[None]:
    """For whoever changes the index, or copies its files. Raises KnowledgeError when another process has it for too long."""
    workspace.knowledge.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(workspace.knowledge / LOCK, timeout=LOCK_SECONDS):
            yield
    except Timeout:
        raise KnowledgeError("another process is changing the knowledge base", "wait for it, then try again") from None


class Index:
    """`open_index` makes one. Methods that write are for whoever holds `writing`; all raise KnowledgeError for damaged files."""

    def __init__(self, table: Any, folder: Path) -> None:
        self._table, self._folder = table, folder

    def documents(self) -> list[Document]:
        """In the order of collection and name."""
        rows = self._rows(lambda: self._table.search().where("ordinal = 0").select(list(OF_DOCUMENT)).limit(None))
        found = [Document(id=row.pop("document"), **row) for row in rows]
        return sorted(found, key=lambda document: (document.collection, document.name, document.id))

    def chunks(self, document: str) -> list[Hit]:
        """All of a document, in their order."""
        where = f"document = {quoted([document])}"
        rows = self._rows(lambda: self._table.search().where(where).select(list(OF_HIT)).limit(None))
        return sorted(map(hit_of, rows), key=lambda hit: hit.ordinal)

    def incomplete(self) -> list[str]:
        """Ids of documents of which not every chunk that was written is there."""
        there: dict[str, set[int]] = {}
        written: dict[str, int] = {}
        for row in self._rows(lambda: self._table.search().select(["document", "ordinal", "chunks"]).limit(None)):
            there.setdefault(row["document"], set()).add(row["ordinal"])
            written[row["document"]] = row["chunks"]
        return sorted(document for document, ordinals in there.items() if ordinals != set(range(written[document])))

    def texts(self) -> list[str]:
        """Every chunk with its headings."""
        return [row["body"] for row in self._rows(lambda: self._table.search().select(["body"]).limit(None))]

    def nearest(
        self, vector: Vectors, most: int, collections: Sequence[str], exact: bool = False, documents: Sequence[str] = ()
    ) -> list[Candidate]:
        """By meaning, nearest first. `exact` looks at every vector, also where there is an index of them.

        No collections, or no documents, means all.
        """

        def query() -> Any:
            asked = self._table.search(vector, vector_column_name="vector").distance_type("dot")
            return asked.bypass_vector_index() if exact else asked.refine_factor(-(-COMPARED // most))

        return self._candidates(query, "_distance", vector, most, among(collections, documents))

    def wording(
        self, words: str, vector: Vectors, most: int, collections: Sequence[str], documents: Sequence[str] = ()
    ) -> list[Candidate]:
        """By words (BM25), best first."""

        def query() -> Any:
            return self._table.search(words, query_type="fts", fts_columns="body")

        return self._candidates(query, "_score", vector, most, among(collections, documents))

    def hits(self, candidates: Sequence[Candidate]) -> list[Hit]:
        """What they hold, in their order. One that was removed meanwhile is left out."""
        if not candidates:
            return []
        wanted = {one.key for one in candidates}
        rows = self._rows(lambda: self._table.take_row_ids([one.row for one in candidates]).select(list(OF_HIT)))
        found = {hit.key: hit for hit in map(hit_of, rows)}
        if not wanted <= set(found):  # files were joined between the two looks, so rows lie elsewhere
            where = " OR ".join(f"(document = {quoted([of])} AND ordinal = {ordinal})" for of, ordinal in sorted(wanted))
            rows = self._rows(lambda: self._table.search().where(where).select(list(OF_HIT)).limit(None))
            found = {hit.key: hit for hit in map(hit_of, rows)}
        return [found[one.key] for one in candidates if one.key in found]

    def add(self, rows: pa.Table, replaced: Sequence[str] = ()) -> None:
        """One commit: `rows` are in, and what there was of the documents `replaced` is out."""
        with self._written():
            if replaced:
                (self._folder / OWED).touch()
                merge = self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
                merge.when_not_matched_by_source_delete(f"document IN ({quoted(replaced)})").execute(rows)
            else:
                self._table.add(rows)

    def remove(self, documents: Sequence[str]) -> None:
        """One commit. `purge` takes them off the disk."""
        with self._written():
            (self._folder / OWED).touch()
            self._table.delete(f"document IN ({quoted(documents)})")

    def prepare(self) -> None:
        """The index of words is there before the first row, so that a kill leaves nothing that cannot be searched."""
        with self._written():
            if WORDS_INDEX not in self._indexes():
                self._index_words()

    def maintain(self) -> None:
        """Join what many commits left, so that a search after a thousand single adds is as fast as after one. Cheap when it is."""
        with self._written():
            if self._table.count_rows() >= VECTOR_INDEX_ROWS and VECTORS_INDEX not in self._indexes():
                self._index_vectors()
            loose = self._table.index_stats(WORDS_INDEX).num_unindexed_rows
            if loose > LOOSE_ROWS or self._table.stats()["fragment_stats"]["num_fragments"] > LOOSE_FRAGMENTS:
                self._optimise(KEEP_VERSIONS)

    def purge(self) -> None:
        """Nothing of what was removed or replaced is on the disk when this returns. Readers of an old version look again."""
        with self._written():
            self._optimise(AT_ONCE)
            if self._table.count_rows():
                self._index_words()
                if VECTORS_INDEX in self._indexes():
                    self._index_vectors()
            else:
                for name in self._indexes():
                    self._table.drop_index(name)
            self._optimise(AT_ONCE)
            (self._folder / OWED).unlink(missing_ok=True)

    @property
    def owes_purge(self) -> bool:
        """Whether something was removed or replaced since the last `purge`, by a process that was killed perhaps."""
        return (self._folder / OWED).exists()

    def _indexes(self) -> set[str]:
        return {index.name for index in self._table.list_indices()}

    def _optimise(self, older_than: timedelta) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other writers: `writing` keeps them out; of readers: they look again
            self._table.optimize(cleanup_older_than=older_than, delete_unverified=True)

    def _index_words(self) -> None:
        from lancedb.index import FTS

        self._table.create_index("body", config=FTS(with_position=False), replace=True)

    def _index_vectors(self) -> None:
        from lancedb.index import IvfRq

        self._table.create_index("vector", config=IvfRq(distance_type="dot"), replace=True)

    def _candidates(self, query: Callable[[], Any], score: str, vector: Vectors, most: int, where: str) -> list[Candidate]:
        def asked() -> Any:
            made = query().with_row_id(True).select([*OF_CANDIDATE, score]).limit(most)
            return (made.where(where, prefilter=True) if where else made).to_arrow()

        table: pa.Table = self._read(asked).combine_chunks()
        flat = table.column("vector").combine_chunks().flatten().to_numpy()
        cosines = flat.reshape(-1, DIMENSIONS).astype(np.float32) @ vector
        columns = (table.column(name).to_pylist() for name in (ROW_ID, "document", "ordinal", "asks"))
        return [Candidate(*row) for row in zip(*columns, map(float, cosines), strict=True)]

    def _rows(self, query: Callable[[], Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._read(lambda: query().to_arrow()).to_pylist()
        return found

    def _read(self, read: Callable[[], Any]) -> Any:
        """Once more when a writer removed the version that was being read."""
        try:
            return read()
        except (OSError, RuntimeError):
            pass
        try:
            self._table.checkout_latest()
            return read()
        except (OSError, RuntimeError, ValueError) as error:
            raise unusable(self._folder, error) from None

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError, ValueError) as error:
            raise unusable(self._folder, error, "written") from None


def open_index(workspace: Workspace, create: bool = False) -> Index | None:
    """None when nothing was ever added, unless `create`, which is for whoever holds `writing`. Raises KnowledgeError."""
    folder = workspace.knowledge
    if not create and not (folder / f"{TABLE}.lance").is_dir():
        return None
    import lancedb

    try:
        base = lancedb.connect(folder, read_consistency_interval=AT_ONCE)
        index = Index(base.create_table(TABLE, schema=SCHEMA, exist_ok=True) if create else base.open_table(TABLE), folder)
    except (OSError, RuntimeError, ValueError) as error:
        raise unusable(folder, error) from None
    if create:
        index.prepare()
    return index


def unusable(folder: Path, error: Exception, what: str = "read") -> KnowledgeError:
    return KnowledgeError(
        f"the knowledge base in {folder} cannot be {what} ({type(error).__name__})",
        "see that there is room on the disk; restore it from a backup, or remove the folder and add the documents again",
    )


def among(collections: Sequence[str], documents: Sequence[str]) -> str:
    """A filter in SQL; empty for all."""
    parts = (("collection", collections), ("document", documents))
    return " AND ".join(f"{column} IN ({quoted(values)})" for column, values in parts if values)


def quoted(values: Iterable[str]) -> str:
    """Values of a filter in SQL."""
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values)


def hit_of(row: dict[str, Any]) -> Hit:
    body: str = row["body"]
    above = header(row["title"], row["section"])
    return Hit(
        document=row["document"],
        name=row["name"],
        collection=row["collection"],
        source=row["source"],
        title=row["title"],
        section=row["section"],
        page=row["page"],
        text=body.removeprefix(above).removeprefix("\n"),
        ordinal=row["ordinal"],
    )

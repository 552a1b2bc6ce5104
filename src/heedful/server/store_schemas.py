"""The wire of /v1/vector_stores, outward, field by field as OpenAI's API has it."""

from typing import Literal

from pydantic import BaseModel


class FileCounts(BaseModel):
    cancelled: int
    completed: int
    failed: int
    in_progress: int
    total: int


class VectorStore(BaseModel):
    """`usage_bytes` is the size of the files."""

    id: str
    object: Literal["vector_store"]
    created_at: int
    name: str
    usage_bytes: int
    file_counts: FileCounts
    status: Literal["completed"]
    expires_after: None
    expires_at: None
    last_active_at: int
    metadata: dict[str, str]


class VectorStoreList(BaseModel):
    object: Literal["list"]
    data: list[VectorStore]
    first_id: str | None
    last_id: str | None
    has_more: bool


class VectorStoreGone(BaseModel):
    id: str
    object: Literal["vector_store.deleted"]
    deleted: Literal[True]


class LastError(BaseModel):
    code: Literal["invalid_file"]
    message: str


class VectorStoreFile(BaseModel):
    """`attributes` tell the name and the title of the document, and what the client gave it."""

    id: str
    object: Literal["vector_store.file"]
    created_at: int
    vector_store_id: str
    usage_bytes: int
    status: Literal["completed", "failed"]
    last_error: LastError | None
    attributes: dict[str, str | float | bool]


class VectorStoreFileList(BaseModel):
    object: Literal["list"]
    data: list[VectorStoreFile]
    first_id: str | None
    last_id: str | None
    has_more: bool


class VectorStoreFileGone(BaseModel):
    id: str
    object: Literal["vector_store.file.deleted"]
    deleted: Literal[True]


class VectorStoreFileBatch(BaseModel):
    """Several files that were attached together."""

    id: str
    object: Literal["vector_store.files_batch"]
    created_at: int
    vector_store_id: str
    status: Literal["completed"]
    file_counts: FileCounts


class FoundText(BaseModel):
    type: Literal["text"]
    text: str


class FoundPassage(BaseModel):
    """`score` is 1 for what both searches put first; `attributes` tell title, section, page and cosine, and have the file's own."""

    file_id: str
    filename: str
    score: float
    attributes: dict[str, str | float | bool]
    content: list[FoundText]


class SearchResults(BaseModel):
    object: Literal["vector_store.search_results.page"]
    search_query: list[str]
    data: list[FoundPassage]
    has_more: Literal[False]
    next_page: None

"""The wire, outward: every JSON body that the server sends, field by field as OpenAI's API has it.

Fields without a default are always sent, null included. Fields with a default are sent only where they were set
(`exclude_unset`): a chunk's `usage` exists only when the client asked for it. Requests are read by `chat_request`, strictly.
"""

from typing import Literal

from pydantic import BaseModel


class Usage(BaseModel):
    """Tokens; `completion_tokens` counts what the model generated, also beyond a stop sequence."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AssistantMessage(BaseModel):
    role: Literal["assistant"]
    content: str
    refusal: None


class Choice(BaseModel):
    index: Literal[0]
    message: AssistantMessage
    logprobs: None
    finish_reason: Literal["stop", "length"]


class SourceEntry(BaseModel):
    """A passage of the team's documents that the model was shown. The reply names it as [number] where it is `cited`.

    `attributed`: the number was put into a reply that cited nothing, because the passage supports a sentence of it.
    """

    number: int
    cited: bool
    attributed: bool
    document: str
    title: str
    section: str
    page: int | None
    text: str
    score: float


class ChatCompletion(BaseModel):
    """`model` is the version that answered, whatever alias was asked.

    Additions of Heedful's: `dropped_messages` is there when the oldest messages did not fit in the model's context: how many;
    `sources` when something was found in the team's documents.
    """

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    dropped_messages: int | None = None
    sources: list[SourceEntry] | None = None


class Delta(BaseModel):
    role: Literal["assistant"] | None = None
    content: str | None = None


class ChunkChoice(BaseModel):
    index: Literal[0]
    delta: Delta
    logprobs: None
    finish_reason: Literal["stop", "length"] | None


class ChatCompletionChunk(BaseModel):
    """`dropped_messages` and `sources` as in ChatCompletion, in the chunk that has the finish reason."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = None
    dropped_messages: int | None = None
    sources: list[SourceEntry] | None = None


class ModelEntry(BaseModel):
    """`base` and `aliases` are Heedful's additions; OpenAI's clients ignore them."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: Literal["heedful"]
    base: str
    aliases: list[str]


class ModelDeleted(BaseModel):
    id: str
    object: Literal["model"]
    deleted: Literal[True]


class ModelList(BaseModel):
    object: Literal["list"]
    data: list[ModelEntry]


class EmbeddingEntry(BaseModel):
    """`embedding` is base64 of little-endian float32 where that was asked for."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingUsage(BaseModel):
    prompt_tokens: int
    total_tokens: int


class EmbeddingList(BaseModel):
    object: Literal["list"]
    data: list[EmbeddingEntry]
    model: str
    usage: EmbeddingUsage


class Danger(BaseModel):
    """The crisis guard's own words: see docs/safety.md."""

    tier: str
    kinds: list[str]
    explicit: bool


class ModerationResult(BaseModel):
    """By category; `heedful` is Heedful's addition. No kind of input applies to a category that is not looked for."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[Literal["text"]]]
    heedful: Danger


class ModerationList(BaseModel):
    id: str
    model: str
    results: list[ModerationResult]


class Health(BaseModel):
    status: Literal["ok"]


class ErrorBody(BaseModel):
    message: str
    type: Literal["invalid_request_error", "rate_limit_error", "server_error"]
    param: str | None
    code: str | None


class ErrorEnvelope(BaseModel):
    error: ErrorBody

"""POST /v1/embeddings: texts or token ids go in; one vector each comes out, from the small network in the package.

Token ids are those of all-MiniLM-L6-v2, its [CLS] and [SEP] included. A client that sends OpenAI's own ids instead of texts, as
LangChain's OpenAIEmbeddings does unless it is told `check_embedding_ctx_length=False`, would be misread.
"""

import asyncio
import base64
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request

from heedful.modeling.embedder import DIMENSIONS, MAX_TOKENS, Vectors, load_embedder
from heedful.server.access import allow
from heedful.server.body import read_json
from heedful.server.errors import ApiError, failures, refusal
from heedful.server.kinds import name, one_of, text, texts
from heedful.server.parameters import Parameter, check, request_body
from heedful.server.schemas import EmbeddingEntry, EmbeddingList, EmbeddingUsage

MODEL = "all-minilm-l6-v2"
MOST = 2_048  # as OpenAI's
PARAMETERS = (
    Parameter("model", "used", name(), required=True),
    Parameter("input", "used", texts(MOST, tokens=True), required=True),
    Parameter("encoding_format", "used", one_of("float", "base64")),
    Parameter("dimensions", "refused", one_of(DIMENSIONS)),
    Parameter("user", "metadata", text()),
)


def embeddings_router() -> APIRouter:
    router = APIRouter(dependencies=[allow()])

    @router.post("/v1/embeddings", openapi_extra=request_body(PARAMETERS), responses=failures(400, 404, 413, 415))
    async def create_embeddings(request: Request) -> EmbeddingList:
        """Vectors of length 1: a dot product is the cosine."""
        asked = check(PARAMETERS, await read_json(request))
        if asked["model"] != MODEL:
            text = f"Unknown model {asked['model'][:80]!r}; allowed: {MODEL}, with {DIMENSIONS} dimensions."
            raise ApiError(404, text, code="model_not_found", param="model")
        vectors, tokens = await asyncio.to_thread(embed, asked["input"])
        packed = asked.get("encoding_format") == "base64"
        data = [EmbeddingEntry(object="embedding", index=row, embedding=form(vectors, row, packed)) for row in range(len(vectors))]
        return EmbeddingList(object="list", data=data, model=MODEL, usage=EmbeddingUsage(prompt_tokens=tokens, total_tokens=tokens))

    return router


def embed(given: Any) -> tuple[Vectors, int]:
    """Vectors and tokens of what `input` holds. Raises ApiError where a text is too long or an id is none."""
    embedder = load_embedder()
    one = isinstance(given, str) or isinstance(given[0], int)
    several = [given] if one else given
    rows: Sequence[Sequence[int]] = embedder.tokenise(several) if isinstance(several[0], str) else several
    for place, ids in enumerate(rows):
        where = "input" if one else f"input[{place}]"
        if len(ids) > MAX_TOKENS:
            words = f"{where} has {len(ids)} tokens; allowed: at most {MAX_TOKENS}. Divide the text."
            raise ApiError(400, words, code="context_length_exceeded", param="input")
        if max(ids) >= embedder.vocabulary:
            raise refusal("input", f"{where} holds the token id {max(ids)}; {MODEL} has {embedder.vocabulary}. Send texts.")
    return embedder.embed_ids(rows), sum(map(len, rows))


def form(vectors: Vectors, row: int, packed: bool) -> list[float] | str:
    """Numbers, or their little-endian float32 bytes in base64, which is what OpenAI's clients ask for by themselves."""
    if packed:
        return base64.b64encode(vectors[row].astype("<f4").tobytes()).decode("ascii")
    numbers: list[float] = vectors[row].tolist()
    return numbers

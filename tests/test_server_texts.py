"""Embeddings and moderations: a real server on a port, asked by the official client, whose types are checked strictly."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from openai import OpenAI
from openai.types import CreateEmbeddingResponse, ModerationCreateResponse

from heedful.modeling.embedder import DIMENSIONS, load_embedder
from heedful.server.app import create_app
from heedful.server.catalog import StaticCatalog
from heedful.server.embeddings import MODEL
from test_server import serving

TEXTS = ["I cannot sleep before exams.", "Exams keep me awake at night.", "The train leaves at nine."]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(create_app(StaticCatalog({}))) as url:
        yield url


@pytest.fixture(scope="module")
def client(address: str) -> OpenAI:
    return OpenAI(base_url=f"{address}/v1", api_key="-", max_retries=0)


def test_the_official_client_gets_vectors(client: OpenAI) -> None:
    """It asks for base64 by itself."""
    found = client.embeddings.create(model=MODEL, input=TEXTS)
    CreateEmbeddingResponse.model_validate(found.model_dump(), strict=True)
    vectors = np.array([entry.embedding for entry in found.data])
    assert (vectors.shape, [entry.index for entry in found.data], found.model) == ((3, DIMENSIONS), [0, 1, 2], MODEL)
    assert np.allclose(vectors, load_embedder().embed(TEXTS), atol=1e-6)
    near, far = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert near > 0.6 > 0.3 > far
    assert found.usage.prompt_tokens == found.usage.total_tokens == load_embedder().count_tokens(TEXTS)


def test_numbers_base64_and_token_ids_are_the_same(client: OpenAI, address: str) -> None:
    ids = load_embedder().tokenise(TEXTS[:1])
    numbers = (
        client.embeddings.create(model=MODEL, input=TEXTS[0], encoding_format="float", dimensions=DIMENSIONS).data[0].embedding
    )
    body = {"model": MODEL, "input": TEXTS[0], "encoding_format": "base64"}
    packed = httpx.post(f"{address}/v1/embeddings", json=body).json()["data"][0]["embedding"]
    assert np.array_equal(np.frombuffer(base64.b64decode(packed), "<f4"), np.array(numbers, "<f4"))
    for given in (ids, ids[0]):
        assert client.embeddings.create(model=MODEL, input=given, encoding_format="float").data[0].embedding == numbers


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"input": []}, "input", "invalid_value"),
        ({"input": ""}, "input", "invalid_value"),
        ({"input": ["a", ""]}, "input", "invalid_value"),
        ({"input": [[]]}, "input", "invalid_value"),
        ({"input": ["a", [1]]}, "input", "invalid_type"),
        ({"input": [1, "a"]}, "input", "invalid_type"),
        ({"input": [-1]}, "input", "invalid_type"),
        ({"input": [True]}, "input", "invalid_type"),
        ({"input": {"a": 1}}, "input", "invalid_type"),
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": [30_522]}, "input", "invalid_value"),
        ({"input": ["a"] * 2_049}, "input", "invalid_value"),
        ({"input": ["short", "word " * 300]}, "input", "context_length_exceeded"),
        ({"dimensions": 512}, "dimensions", "unsupported_parameter"),
        ({"encoding_format": "int8"}, "encoding_format", "invalid_value"),
        ({"truncate": True}, "truncate", "unknown_parameter"),
    ],
)
def test_what_cannot_be_embedded_is_refused_by_name(address: str, fields: dict[str, Any], param: str, code: str) -> None:
    answer = httpx.post(f"{address}/v1/embeddings", json={"model": MODEL, "input": "a", **fields})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code)
    assert "word word" not in error["message"]


def test_another_model_is_not_passed_off(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="allowed: all-minilm-l6-v2, with 384 dimensions"):
        client.embeddings.create(model="text-embedding-3-small", input="a")
    with pytest.raises(openai.NotFoundError, match="allowed: heedful-guards"):
        client.moderations.create(model="gpt-4o", input="a")


def test_the_official_client_gets_moderations(client: OpenAI) -> None:
    found = client.moderations.create(
        input=["I want to kill myself tonight.", "This commute is killing me.", "I am going to kill my boss with this knife."]
    )
    ModerationCreateResponse.model_validate(found.model_dump(by_alias=True), strict=True)
    danger, idiom, violence = found.results
    assert (danger.flagged, danger.categories.self_harm, danger.categories.self_harm_intent) == (True, True, True)
    assert danger.category_scores.self_harm >= 0.7
    assert (idiom.flagged, idiom.category_scores.self_harm) == (False, 0.0)
    assert (violence.flagged, violence.categories.violence, violence.categories.self_harm) == (True, True, False)
    assert (danger.category_applied_input_types.hate, danger.category_applied_input_types.self_harm) == ([], ["text"])
    assert danger.to_dict()["heedful"]["tier"] in ("active", "imminent")


def test_one_text_and_the_clients_own_model_name(client: OpenAI) -> None:
    found = client.moderations.create(model="omni-moderation-latest", input="I cannot sleep.")
    assert (found.model, len(found.results), found.results[0].flagged) == ("heedful-guards", 1, False)

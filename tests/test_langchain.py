"""LangChain's ChatOpenAI, unchanged, talks with the server: whole, streamed, and in an event loop."""

import asyncio
from collections.abc import Iterator

import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from heedful.companion.turn import Companion
from heedful.engines.scripted import ScriptedEngine
from heedful.server.app import create_app
from heedful.server.catalog import StaticCatalog
from test_server import serving

WORDS = "That sounds heavy. Tell me more - I am here."
ENGINE = ScriptedEngine("warm-1", [WORDS])
CHAT = [SystemMessage("Be brief."), HumanMessage("I cannot sleep before exams.")]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(create_app(StaticCatalog({"warm-1": Companion(ENGINE, "Be kind.")}))) as url:
        yield f"{url}/v1"


@pytest.fixture
def model(address: str) -> ChatOpenAI:
    return ChatOpenAI(base_url=address, api_key="none", model="warm-1", max_retries=0, temperature=0)  # type: ignore[arg-type]


def test_a_streamed_reply(model: ChatOpenAI) -> None:
    chunks = list(model.stream(CHAT))
    assert all(isinstance(chunk, AIMessageChunk) for chunk in chunks)
    assert len([chunk for chunk in chunks if chunk.content]) > 3
    assert "".join(str(chunk.content) for chunk in chunks) == WORDS
    assert {chunk.response_metadata["finish_reason"] for chunk in chunks if "finish_reason" in chunk.response_metadata} == {"stop"}
    assert [message.content for message in ENGINE.chats[-1]] == ["Be kind.\n\nBe brief.", "I cannot sleep before exams."]


def test_a_streamed_reply_in_an_event_loop(model: ChatOpenAI) -> None:
    async def read() -> str:
        return "".join([str(chunk.content) async for chunk in model.astream(CHAT)])

    assert asyncio.run(read()) == WORDS


def test_a_whole_reply_with_its_usage(model: ChatOpenAI) -> None:
    answer = model.invoke(CHAT)
    assert (answer.content, answer.response_metadata["model_name"], answer.usage_metadata["output_tokens"]) == (WORDS, "warm-1", 10)


def test_embeddings_of_texts(address: str) -> None:
    embeddings = OpenAIEmbeddings(
        base_url=address,
        api_key="none",
        model="all-minilm-l6-v2",
        check_embedding_ctx_length=False,  # type: ignore[arg-type]
    )
    vectors = embeddings.embed_documents(["I am tired.", "The bus is late."])
    assert [len(vector) for vector in vectors] == [384, 384]

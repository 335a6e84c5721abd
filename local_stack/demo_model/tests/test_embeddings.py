"""Embeddings, asked by the real OpenAI SDK."""

import math

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError

MODEL = "all-minilm-l6-v2"


def _cosine(left: list[float], right: list[float]) -> float:
    """Both vectors have length 1."""
    return sum(a * b for a, b in zip(left, right, strict=True))


async def _embed(client: AsyncOpenAI, *texts: str) -> list[list[float]]:
    answer = await client.embeddings.create(model=MODEL, input=list(texts))
    assert [item.index for item in answer.data] == list(range(len(texts)))
    return [item.embedding for item in answer.data]


async def test_vectors_are_those_of_the_original_model(client: AsyncOpenAI) -> None:
    # The pairs and their scores as published for all-MiniLM-L6-v2 by sentence-transformers.
    eating, bread, baby = await _embed(
        client, "A man is eating food.", "A man is eating a piece of bread.", "The girl is carrying a baby."
    )
    assert len(eating) == 384
    assert math.isclose(_cosine(eating, eating), 1, abs_tol=1e-5)
    assert math.isclose(_cosine(eating, bread), 0.7553, abs_tol=1e-3)
    assert math.isclose(_cosine(eating, baby), -0.1050, abs_tol=1e-3)


async def test_similar_sentences_are_closer_than_different_ones(client: AsyncOpenAI) -> None:
    asked, near, far = await _embed(
        client, "How do I get my money back?", "Refunds are paid within 14 days.", "The lighthouse was built in 1890."
    )
    assert _cosine(asked, near) > _cosine(asked, far) + 0.2


async def test_base64_and_float_hold_the_same_vector(client: AsyncOpenAI) -> None:
    asked_as_base64 = (await client.embeddings.create(model=MODEL, input="same")).data[0].embedding
    as_float = (await client.embeddings.create(model=MODEL, input="same", encoding_format="float")).data[0].embedding
    raw = (await client.embeddings.create(model=MODEL, input="same", encoding_format="base64")).data[0].embedding
    assert asked_as_base64 == as_float
    assert isinstance(raw, str)


async def test_a_batch_keeps_its_order_and_neighbours_change_nothing(client: AsyncOpenAI) -> None:
    texts = ["short", "a rather longer text about lamps " * 20, "medium length text", *(f"text {n}" for n in range(60))]
    together = await _embed(client, *texts)
    for place in (0, 1, 2, 62):
        [alone] = await _embed(client, texts[place])
        assert _cosine(alone, together[place]) > 0.9999


async def test_a_text_is_cut_at_256_model_tokens(client: AsyncOpenAI) -> None:
    # 254 words and the two marks that every text gets.
    answer = await client.embeddings.create(model=MODEL, input="lamp " * 254)
    longer = await client.embeddings.create(model=MODEL, input="lamp " * 254 + "chair " * 500)
    assert answer.usage.prompt_tokens == longer.usage.prompt_tokens == 256
    assert _cosine(answer.data[0].embedding, longer.data[0].embedding) > 0.9999


async def test_what_cannot_be_embedded_is_refused(client: AsyncOpenAI) -> None:
    with pytest.raises(NotFoundError):
        await client.embeddings.create(model="text-embedding-3-small", input="text")
    with pytest.raises(BadRequestError):
        await client.embeddings.create(model=MODEL, input="")
    with pytest.raises(BadRequestError):
        await client.embeddings.create(model=MODEL, input=[])
    with pytest.raises(BadRequestError):
        await client.embeddings.create(model=MODEL, input="text", dimensions=1536)

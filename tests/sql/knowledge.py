"""Documents and chunks for tests, written as the worker writes them."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from uuid import UUID

import asyncpg

Vector = Sequence[float]


def as_text(vector: Vector) -> str:
    return f"[{','.join(f'{x:.5f}' for x in vector)}]"


def scatter(centre: Vector, spread: float, chance: random.Random) -> list[float]:
    """A point near a centre, at a distance that does not depend on the number of dimensions."""
    return [x + chance.gauss(0, spread / math.sqrt(len(centre))) for x in centre]


async def add_document(
    connection: asyncpg.Connection, document_id: str, *contents: str, owner_id: UUID | None = None, **columns: object
) -> list[int]:
    """Add a document with one chunk per content, without vectors. Returns the ids of the chunks."""
    names = "".join(f", {name}" for name in columns)
    values = "".join(f", ${place}" for place in range(3, 3 + len(columns)))
    await connection.execute(
        f"insert into public.document_metadata (id, owner_id, title{names}) values ($1, $2, $1{values})",
        *(document_id, owner_id, *columns.values()),
    )
    rows = await connection.fetch(
        "insert into public.documents (document_id, chunk_index, content)"
        " select $1, c.place - 1, c.content from unnest($2::text[]) with ordinality as c (content, place) returning id",
        *(document_id, list(contents)),
    )
    return [row["id"] for row in rows]


async def add_vectors(
    connection: asyncpg.Connection,
    document_id: str,
    space_id: int | None,
    vectors: Sequence[Vector],
    content: str = "x",
) -> None:
    await connection.execute(
        "insert into public.documents (document_id, chunk_index, content, embedding_space_id, embedding)"
        " select $1, v.place, $4, $2, v.vector::extensions.vector"
        " from unnest($3::text[]) with ordinality as v (vector, place)",
        *(document_id, space_id, [as_text(vector) for vector in vectors], content),
    )


async def search(
    connection: asyncpg.Connection,
    user_id: UUID | None,
    query: str | None = None,
    vector: Vector | None = None,
    space_id: int | None = None,
    **arguments: object,
) -> list[asyncpg.Record]:
    """Call `search_documents` with the arguments that are given and its defaults for all others."""
    named = "".join(f", p_{name} => ${place}" for place, name in enumerate(arguments, start=5))
    return await connection.fetch(
        f"select * from public.search_documents($1, $2, $3::text::extensions.vector, $4{named})",
        *(user_id, query, None if vector is None else as_text(vector), space_id, *arguments.values()),
    )

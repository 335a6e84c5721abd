"""People with documents, at one API."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from agent_api_support.api import Api
from local_stack.postgres.testing import Database

DOCUMENTS = "/api/documents"
TEXT = b"The notice period is three months."


@dataclass
class Reader:
    """Somebody signed in who reads and uploads documents."""

    user_id: UUID
    client: httpx.AsyncClient
    headers: dict[str, str]

    async def post(
        self, content: bytes = TEXT, name: str = "contract.txt", *, kind: str = "text/plain", **fields: str
    ) -> httpx.Response:
        """Upload a file, whatever comes of it."""
        files = {"file": (name, content, kind)}
        return await self.client.post(DOCUMENTS, headers=self.headers, files=files, data=fields)

    async def upload(self, content: bytes = TEXT, name: str = "contract.txt", **fields: str) -> dict[str, Any]:
        """A document of this person that waits to be indexed."""
        reply = await self.post(content, name, **fields)
        assert reply.status_code == 201, reply.text
        return reply.json()

    async def get(self, path: str = "", **params: Any) -> httpx.Response:
        return await self.client.get(f"{DOCUMENTS}{path}", headers=self.headers, params=params)

    async def ids(self, **params: Any) -> list[str]:
        """What the list shows."""
        reply = await self.get(**params)
        assert reply.status_code == 200, reply.text
        return [item["id"] for item in reply.json()["items"]]

    async def patch(self, document_id: str, **changes: Any) -> httpx.Response:
        return await self.client.patch(f"{DOCUMENTS}/{document_id}", headers=self.headers, json=changes)

    async def delete(self, document_id: str) -> httpx.Response:
        return await self.client.delete(f"{DOCUMENTS}/{document_id}", headers=self.headers)

    async def retry(self, document_id: str) -> httpx.Response:
        return await self.client.post(f"{DOCUMENTS}/{document_id}/retry", headers=self.headers)

    async def find_passage(self, document_id: str, **cited: Any) -> httpx.Response:
        return await self.client.post(f"{DOCUMENTS}/{document_id}/passages", headers=self.headers, json=cited)


@dataclass
class Library:
    """What stands in the database of an API."""

    api: Api
    database: Database

    async def reader(self, *, is_admin: bool = False) -> Reader:
        """Somebody new."""
        user_id = await self.database.add_user(tokens=5)
        if is_admin:
            await self.execute("update public.user_profiles set is_admin = true where id = $1", user_id)
        return Reader(user_id, self.api.client, self.api.headers(user_id))

    async def execute(self, statement: str, *values: Any) -> None:
        async with self.database.connect() as connection:
            await connection.execute(statement, *values)

    async def rows(self, query: str, *values: Any) -> list[asyncpg.Record]:
        async with self.database.connect() as connection:
            return await connection.fetch(query, *values)

    async def value(self, query: str, *values: Any) -> Any:
        async with self.database.connect() as connection:
            return await connection.fetchval(query, *values)

    async def count(self, user_id: UUID) -> tuple[int, int, int]:
        """(documents, uploads, waiting jobs) of a person's uploads."""
        row = await self.rows(
            """
            select count(*) as documents, count(u.id) as uploads, count(j.id) as jobs
            from public.document_metadata as m
            left join public.uploads as u on u.document_id = m.id
            left join queue.procrastinate_jobs as j on j.args ->> 'document_id' = m.id and j.status = 'todo'
            where m.source = 'upload' and (m.owner_id = $1 or u.owner_id = $1)
            """,
            user_id,
        )
        return row[0]["documents"], row[0]["uploads"], row[0]["jobs"]

    async def add_synced(self, document_id: str, *, title: str = "Handbook", **columns: Any) -> str:
        """A document that a worker took out of a folder."""
        await self.execute(
            "insert into public.document_metadata (id, title, pipeline_id, source_key, owner_id, status, url)"
            " values ($1, $2, 'local', $1, $3, $4, $5)",
            document_id, title, columns.get("owner_id"), columns.get("status", "indexed"), columns.get("url"),
        )  # fmt: skip
        return document_id

    async def index(self, document_id: str, chunks: Sequence[dict[str, Any]]) -> list[int]:
        """Store chunks as a worker does; gives their ids."""
        async with self.database.connect() as connection, connection.transaction():
            ids = [
                await connection.fetchval(
                    """
                    insert into public.documents (
                        document_id, owner_id, content, chunk_index, page, char_start, char_end, heading_path
                    )
                    select m.id, m.owner_id, $2, $3, $4, $5, $6, $7 from public.document_metadata as m where m.id = $1
                    returning id
                    """,
                    document_id, chunk["content"], number, chunk.get("page"), chunk.get("start"),
                    chunk["start"] + len(chunk["content"]) if "start" in chunk else None, chunk.get("heading_path"),
                )
                for number, chunk in enumerate(chunks)
            ]  # fmt: skip
            await connection.execute(
                "update public.document_metadata set status = 'indexed', chunk_count = $2, indexed_at = now()"
                " where id = $1",
                document_id, len(ids),
            )  # fmt: skip
        return ids

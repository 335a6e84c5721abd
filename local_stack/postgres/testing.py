"""A database of a test: its addresses, its people, and its roles as a browser's key or a service has them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg

from local_stack.postgres.cluster import Cluster
from local_stack.postgres.roles import SUPERUSER

CONNECT_SECONDS_MAX = 30


@dataclass(frozen=True)
class Database:
    """One database in the cluster of a test session."""

    cluster: Cluster
    name: str

    def dsn(self, role: str = "postgres") -> str:
        """The address for a login role; `postgres` is what the services use."""
        return self.cluster.dsn(role, self.name)

    @asynccontextmanager
    async def connect(self, role: str = "postgres") -> AsyncGenerator[asyncpg.Connection, None]:
        connection = await asyncpg.connect(self.dsn(role), timeout=CONNECT_SECONDS_MAX)
        try:
            yield connection
        finally:
            await connection.close(timeout=CONNECT_SECONDS_MAX)

    @asynccontextmanager
    async def superuser(self) -> AsyncGenerator[asyncpg.Connection, None]:
        async with self.connect(SUPERUSER) as connection:
            yield connection

    async def add_user(self, *, tokens: int = 0, email: str | None = None, full_name: str | None = None) -> UUID:
        """Sign a person up as the auth service does, and give them one lot of `tokens`."""
        user_id = uuid4()
        async with self.connect("supabase_auth_admin") as connection:
            await connection.execute(
                "insert into auth.users (id, email, raw_user_meta_data) values ($1, $2, $3)",
                user_id,
                email or f"{user_id}@example.com",
                json.dumps({"full_name": full_name} if full_name else {}),
            )
        if tokens:
            async with self.connect() as connection:
                await connection.execute(
                    "select public.grant_tokens($1, $2, 'adjustment', $3)", user_id, tokens, f"test:{user_id}"
                )
        return user_id

    async def delete_user(self, user_id: UUID) -> None:
        """Delete an account as the auth service does."""
        async with self.connect("supabase_auth_admin") as connection:
            await connection.execute("delete from auth.users where id = $1", user_id)

    @asynccontextmanager
    async def acting(self, role: str, user_id: UUID | None = None) -> AsyncGenerator[asyncpg.Connection, None]:
        """A connection that switched to `role` with a browser's claims, as PostgREST does; rolled back at the end."""
        claims = {"role": role} if user_id is None else {"role": role, "sub": str(user_id)}
        async with self.connect("authenticator") as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                await connection.execute("select set_config('request.jwt.claims', $1, true)", json.dumps(claims))
                await connection.execute(f"set local role {role}")
                yield connection
            finally:
                await transaction.rollback()

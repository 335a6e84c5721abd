"""SQL of profiles."""

from uuid import UUID

import asyncpg

from agent_api.database import Connection


async def read_profile(connection: Connection, *, user_id: UUID) -> asyncpg.Record | None:
    """The profile with its spendable tokens. Refused with AccountNotFound where there is none."""
    return await connection.fetchrow(
        """
        select p.id, p.email, p.full_name, p.is_admin, b.tokens, p.created_at
        from public.current_balance($1) as b (tokens)
        join public.user_profiles as p on p.id = $1
        """,
        user_id,
    )


async def update_name(connection: Connection, *, user_id: UUID, full_name: str | None) -> None:
    """Set or clear the name. Refused with AccountNotFound."""
    await connection.execute("select public.update_profile_name($1, $2)", user_id, full_name)
